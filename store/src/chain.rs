//! The tables of the chain: what events said (rows that never change) and what follows from them (views).
//! Only the indexer inserts and deletes here; everybody reads.

pub mod access;
pub mod billing;
pub mod blocks;
pub mod collections;
pub mod compare;
pub mod documents;
pub mod fetch;
pub mod happenings;
pub mod models;
pub mod page;
pub mod payments;
pub mod points;
pub mod requests;
pub mod rights;
pub mod statement;
pub mod training;
pub mod undone;
pub mod usage;

mod position;
mod rows;

pub use page::{Filter, Page};
pub use position::Position;
pub use rows::{ChainRows, FETCHED_TABLES, TABLES, rollback_above};
