//! The tables of the chain: what events said (rows that never change) and what follows from them (views).
//! Only the indexer inserts and deletes here; everybody reads.

pub mod access;
pub mod blocks;
pub mod collections;
pub mod models;
pub mod page;
pub mod points;
pub mod requests;
pub mod training;

mod position;
mod rows;

pub use page::Page;
pub use position::Position;
pub use rows::{ChainRows, TABLES, rollback_above};
