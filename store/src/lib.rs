//! offsetdata-store
