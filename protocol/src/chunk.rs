//! A chunk: consecutive records with an offset table, optionally zstd, then AES-256-GCM.
//! It fetches and stores nothing, and it does not decide how many chunks a collection has.

mod build;
mod open;

pub use build::{ChunkBuilder, ChunkLimits, SealedChunk, Taken};
pub use open::OpenChunk;

use crate::ProtocolError;
use crate::digest::{Domain, byte_string};
use crate::error::in_range;
use crate::merkle::MAX_RECORDS;
use crate::record::MAX_RECORD_BYTES;
use serde::{Deserialize, Serialize};

byte_string!(
    /// Names a collection over its versions; random.
    SeriesId, 16
);

/// Greatest number of records in a chunk.
pub const MAX_CHUNK_RECORDS: u32 = 65_536;
/// Greatest length of a chunk's plaintext (offset table and records), in bytes.
pub const MAX_CHUNK_BYTES: usize = MAX_RECORD_BYTES + 4 * MAX_CHUNK_RECORDS as usize;
/// Length of the authentication tag behind the ciphertext, in bytes.
pub const TAG_BYTES: usize = 16;

/// How a chunk's plaintext is encoded before it is encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "u8", into = "u8")]
#[repr(u8)]
pub enum Codec {
    /// As it is.
    Identity = 0,
    /// One zstd frame (RFC 8878) that states its content size.
    Zstd = 1,
}

impl From<Codec> for u8 {
    fn from(codec: Codec) -> Self {
        codec as Self
    }
}
impl TryFrom<u8> for Codec {
    type Error = ProtocolError;
    fn try_from(code: u8) -> Result<Self, ProtocolError> {
        match code {
            0 => Ok(Self::Identity),
            1 => Ok(Self::Zstd),
            _ => Err(ProtocolError::OutOfRange { what: "codec", min: 0, max: 1, actual: code.into() }),
        }
    }
}

/// What a chunk is: associated data of its encryption, and part of its seed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ChunkHeader {
    /// Which collection, over its versions.
    pub series: SeriesId,
    /// Which chunk of it, from 0.
    pub ordinal: u32,
    /// Index of its first record in the collection.
    pub first: u32,
    /// Number of its records, 1 … 65,536.
    pub count: u32,
    /// How the plaintext was encoded.
    pub codec: Codec,
}

impl ChunkHeader {
    /// `tag(16) ‖ series(16) ‖ ordinal(4) ‖ first(4) ‖ count(4) ‖ codec(1)`, numbers big-endian.
    pub fn encode(&self) -> [u8; 45] {
        let mut out = [0u8; 45];
        out[..16].copy_from_slice(Domain::Chunk.tag());
        out[16..32].copy_from_slice(&self.series.0);
        out[32..36].copy_from_slice(&self.ordinal.to_be_bytes());
        out[36..40].copy_from_slice(&self.first.to_be_bytes());
        out[40..44].copy_from_slice(&self.count.to_be_bytes());
        out[44] = self.codec.into();
        out
    }

    pub(crate) fn check(&self) -> Result<(), ProtocolError> {
        in_range("records in a chunk", self.count.into(), 1, MAX_CHUNK_RECORDS.into())?;
        in_range("end of a chunk", u64::from(self.first) + u64::from(self.count), 1, MAX_RECORDS.into())?;
        in_range("chunk ordinal", self.ordinal.into(), 0, self.first.into())
    }
}

#[cfg(test)]
mod tests;
