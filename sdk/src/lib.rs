//! The client that CLI, worker and tests build on: collections published, read and audited; bases, projects, models and
//! training requests.
//! It runs no service and prints nothing.

#![warn(missing_docs)]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod account;
pub mod audit;
mod chain;
pub mod collections;
pub mod croissant;
mod error;
mod indexer;
pub mod models;
pub mod publishing;
pub mod reading;
mod recovery;
mod reverts;
pub mod token;
pub mod training;

pub use account::Account;
pub use chain::Chain;
pub use error::SdkError;
pub use indexer::Indexer;
pub use reading::Reader;
pub use recovery::Recovery;
