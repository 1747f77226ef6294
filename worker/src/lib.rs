//! The worker: claims a training job, reads verified data, runs a trainer and signs what it saw.
//! It holds no money and sends no transaction.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod config;
pub mod dataset;
mod error;
mod inputs;
mod job;
mod offer;
mod relay;
mod run;
mod series;
pub mod trainers;

pub use config::WorkerConfig;
pub use error::WorkerError;
pub use run::run;
