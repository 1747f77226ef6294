//! Chain → database → GraphQL and REST. The only writer of the chain tables. It holds no key and sends no transaction.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

pub mod api;
pub mod check;
pub mod config;
pub mod decode;
pub mod documents;
pub mod follow;
pub mod live;
pub mod metrics;
pub mod points;
pub mod preflight;
pub mod proven;
pub mod range;
pub mod reorg;
pub mod rpc;
pub mod service;
pub mod status;
pub mod verify;

mod error;

pub use check::{Checked, check};
pub use config::{Config, Source};
pub use error::IndexerError;
pub use service::run;
pub use verify::{Verification, verify, verify_database};
