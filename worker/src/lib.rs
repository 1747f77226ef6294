//! offsetdata-worker
