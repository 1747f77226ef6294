//! All SQL and only SQL: the tables of the chain and, beside them, of relayer and gateway. It decides nothing, and reads no clock but for how long a lease runs.
//!
//! Every function takes a connection, so that the caller owns the transaction.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

// The tests' databases are shared with other crates, which know this one by its name.
#[cfg(test)]
extern crate self as offsetdata_store;
#[cfg(test)]
#[macro_use]
#[path = "../tests/support/database.rs"]
mod database;

pub mod chain;
pub mod codec;
pub mod gateway;
pub mod lease;
pub mod relay;

mod dialect;
mod error;
mod migrations;
mod pool;
mod record;
mod together;

pub use codec::{Amount, Column, Count, Put, Value};
pub use dialect::Dialect;
pub use error::StoreError;
pub use lease::{Lease, Tables};
pub use pool::{Conn, Pool, Tx, connect, connect_existing, migrate};
pub use record::{Record, find, insert, select, select_in};
