//! offsetdata-protocol
