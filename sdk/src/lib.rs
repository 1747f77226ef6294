//! offsetdata-sdk
