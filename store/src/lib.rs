//! All SQL and only SQL: the tables of the chain and, beside them, of relayer and gateway. It decides nothing and reads no clock.
//!
//! Every function takes a connection, so that the caller owns the transaction.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

pub mod chain;
pub mod codec;
pub mod gateway;
pub mod relay;

mod error;
mod migrations;
mod pool;
mod record;

pub use codec::{Amount, Column, Count, Put, Value};
pub use error::StoreError;
pub use pool::{Conn, Pool, Tx, connect, migrate};
pub use record::{Record, find, insert, select, select_in};
