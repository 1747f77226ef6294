//! What all programs must agree on: ids, messages, bindings, and the bytes of records, trees, chunks and manifests.
//! Pure: no IO, no async, no clock, no randomness. docs/protocol.md holds the same in words.

#![warn(missing_docs)]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

pub mod bindings;
pub mod check;
pub mod chunk;
pub mod cid;
pub mod deployments;
pub mod gateway_api;
pub mod ids;
pub mod keys;
pub mod leaf;
pub mod manifest;
pub mod merkle;
pub mod messages;
pub mod metrics;
pub mod record;
pub mod relay_api;
pub mod reverts;
pub mod seal;
pub mod selection;
pub mod worker_api;

mod digest;
mod error;

pub use chunk::{ChunkHeader, Codec, SeriesId};
pub use digest::{Digest, Domain, LeafHash, Root};
pub use error::ProtocolError;
pub use keys::{ChunkSecret, CollectionKey, Seed};
