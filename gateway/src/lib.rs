//! Who may have which chunk's key, and what it costs: sessions, rights, vouchers, releases, settlement. It is the only
//! service that holds collection keys; it writes no chain table, and can take no more than was signed.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

pub mod catalog;
pub mod chain;
pub mod check;
pub mod config;
pub mod context;
pub mod credit;
pub mod http;
pub mod proof;
pub mod rights;
pub mod secrets;
pub mod settlement;
pub mod signature;
pub mod voucher;

mod accounts;
mod charge;
mod error;
mod metrics;
mod records;
mod refused;
mod release;
mod renewal;
mod service;
mod signin;
mod trainings;
mod uploads;

pub use config::Config;
pub use error::GatewayError;
pub use refused::Refused;
pub use secrets::Secrets;
pub use service::{Gateway, run};
