//! The client that CLI, worker and tests build on: collections published, read and audited; bases, projects, models and
//! training requests.
//! It runs no service and prints nothing.

#![warn(missing_docs)]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

pub mod access;
mod account;
pub mod audit;
pub mod billing;
mod chain;
pub mod collections;
pub mod croissant;
mod error;
pub mod gateway;
mod history;
mod indexer;
pub mod models;
pub mod publishing;
pub mod reading;
mod recovery;
pub mod relayer;
pub mod token;
pub mod training;

pub use account::Account;
pub use chain::Chain;
pub use error::SdkError;
pub use gateway::Gateway;
pub use indexer::Indexer;
pub use reading::Reader;
pub use recovery::Recovery;
pub use relayer::Relayer;
