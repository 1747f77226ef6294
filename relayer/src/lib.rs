//! offsetdata-relayer
