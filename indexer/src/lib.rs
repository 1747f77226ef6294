//! offsetdata-indexer
