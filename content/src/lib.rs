//! Bytes by CID: blocks in a directory, at a Kubo node or behind a trustless gateway, and collections written to and read from them.
//! It knows no chain and no database, and it returns no byte that it has not verified.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

pub mod blocks;
pub mod car;
pub mod collection;
mod dag;
mod error;
pub mod gateway;
pub mod publish;

pub use blocks::Blocks;
pub use collection::{Collection, Keys};
pub use error::ContentError;
pub use publish::{PublishOptions, Published, Publisher};
