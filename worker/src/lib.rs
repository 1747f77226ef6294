//! The worker: claims a training job, reads verified data, runs a trainer and signs what it saw.
//! It holds no money and sends no transaction.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod artifact_key;
pub mod check;
mod config;
pub mod dataset;
mod error;
mod inputs;
mod job;
mod offer;
mod predictions;
mod reexecute;
mod relay;
mod run;
mod series;
pub mod trainers;

pub use artifact_key::artifact_key;
pub use config::WorkerConfig;
pub use error::WorkerError;
pub use reexecute::{Reexecuted, Reexecution, reexecute};
pub use run::run;
