//! The worker: claims a training job, reads verified data, runs a trainer and signs what it saw.
//! It holds no money and sends no transaction.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

pub mod dataset;
pub mod trainers;
