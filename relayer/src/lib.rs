//! Carries requests to workers and signed work to the chain: database → worker → chain. It trains nothing, forges
//! nothing (workers sign) and publishes no artifact.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

pub mod chain;
pub mod check;
pub mod checks;
pub mod files;
pub mod http;
pub mod jobs;
pub mod landing;
pub mod predictions;
pub mod scheduler;
pub mod secrets;
pub mod sponsor;
pub mod transactions;
pub mod upkeep;
pub mod withdraw;

mod config;
mod error;
#[cfg(test)]
mod fixture;
mod metrics;
mod senders;
mod service;

pub use config::Config;
pub use error::RelayerError;
pub use service::{Relayer, run};
