//! offsetdata-content
