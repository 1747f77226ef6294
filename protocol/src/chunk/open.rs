//! Opens a chunk: decrypted, decoded, each record checked, each leaf recomputed.
//! It trusts nothing but the entry that it was given; the entry's place under a manifest digest is checked there.

use aws_lc_rs::aead::Aad;

use super::{ChunkHeader, Codec, MAX_CHUNK_BYTES, SeriesId, build};
use crate::ProtocolError;
use crate::digest::{Digest, LeafHash};
use crate::error::{equal, in_range, same_digest};
use crate::keys::ChunkSecret;
use crate::leaf::Salt;
use crate::manifest::{ChunkEntry, Visibility};
use crate::record::RecordRef;

/// A chunk in the clear, all of whose records passed every check.
#[derive(Debug, Clone)]
pub struct OpenChunk {
    first: u32,
    ends: Vec<u32>,
    data: Vec<u8>,
    table: usize,
    salts: Option<Vec<Salt>>,
    leaves: Vec<LeafHash>,
}

impl OpenChunk {
    /// Opens chunk `ordinal` of a collection: checks the ciphertext's digest and length, the secret's digest,
    /// the cipher's tag, the offset table, each record's encoding, and the roots of the leaves' subtrees.
    ///
    /// `bytes` is the whole ciphertext, and is used up.
    ///
    /// # Errors
    /// The first check that fails.
    pub fn open(
        entry: &ChunkEntry,
        secret: &ChunkSecret,
        visibility: Visibility,
        series: SeriesId,
        ordinal: u32,
        mut bytes: Vec<u8>,
    ) -> Result<Self, ProtocolError> {
        let ChunkEntry { first, count, codec, .. } = *entry;
        let header = ChunkHeader { series, ordinal, first, count, codec };
        header.check()?;
        equal("chunk length", entry.size.into(), bytes.len() as u64)?;
        same_digest("chunk", entry.digest, Digest::of(&bytes))?;
        secret.verify(&entry.key_digest)?;
        let plain = build::cipher(&secret.aes_key()?)?
            .open_in_place(build::nonce(), Aad::from(header.encode()), &mut bytes)
            .map_err(|_| ProtocolError::Cipher { what: "opening a chunk" })?
            .len();
        bytes.truncate(plain);
        let data = match codec {
            Codec::Identity => bytes,
            Codec::Zstd => unpack(&bytes)?,
        };
        let (ends, table) = offsets(&data, count)?;
        let salts = match visibility {
            Visibility::Public => None,
            Visibility::Private => Some(secret.salts(first, count)?),
        };
        let leaves = build::leaves(&ends, &data[table..], salts.as_deref());
        let chunk = Self { first, ends, data, table, salts, leaves };
        for i in 0..count {
            if let Some(bytes) = chunk.bytes_of(i) {
                RecordRef::decode(bytes)?;
            }
        }
        let subtrees = crate::merkle::subtrees(first.into(), &chunk.leaves);
        equal("subtrees of a chunk", entry.subtrees.len() as u64, subtrees.len() as u64)?;
        for (expected, actual) in entry.subtrees.iter().zip(subtrees) {
            same_digest("subtree of a chunk", *expected, actual)?;
        }
        Ok(chunk)
    }

    /// Index of the first record in the collection.
    pub fn first(&self) -> u32 {
        self.first
    }
    /// Number of records.
    pub fn len(&self) -> u32 {
        self.ends.len() as u32
    }
    /// Whether there is no record: never.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }
    /// Leaf hashes of the records, in order.
    pub fn leaves(&self) -> &[LeafHash] {
        &self.leaves
    }
    /// Record `index` of the collection, if it is in this chunk.
    pub fn record(&self, index: u32) -> Option<RecordRef<'_>> {
        let bytes = self.bytes_of(index.checked_sub(self.first)?)?;
        Some(RecordRef::checked_before(bytes))
    }
    /// Salt of record `index` of the collection; `None` in a public collection.
    pub fn salt(&self, index: u32) -> Option<Salt> {
        self.salts.as_ref()?.get(index.checked_sub(self.first)? as usize).copied()
    }
    /// All records with their index in the collection.
    pub fn records(&self) -> impl Iterator<Item = (u32, RecordRef<'_>)> {
        (self.first..).map_while(|index| Some((index, self.record(index)?)))
    }

    fn bytes_of(&self, i: u32) -> Option<&[u8]> {
        let end = *self.ends.get(i as usize)?;
        let start = if i == 0 { 0 } else { *self.ends.get(i as usize - 1)? };
        self.data[self.table..].get(start as usize..end as usize)
    }
}

/// Reads the offset table: where each record ends, and the table's own length.
fn offsets(plain: &[u8], count: u32) -> Result<(Vec<u32>, usize), ProtocolError> {
    let malformed = |reason, offset| ProtocolError::Malformed { what: "chunk", reason, offset };
    let table = 4 * count as usize;
    let Some((head, data)) = plain.split_at_checked(table) else {
        return Err(malformed("the offset table ends early", plain.len()));
    };
    let mut last = 0;
    let mut ends = Vec::with_capacity(count as usize);
    for (i, end) in head.chunks_exact(4).enumerate() {
        let end = u32::from_be_bytes([end[0], end[1], end[2], end[3]]);
        if end <= last {
            return Err(malformed("a record that ends before it begins", 4 * i));
        }
        ends.push(end);
        last = end;
    }
    if last as usize == data.len() {
        Ok((ends, table))
    } else {
        Err(malformed("the last record does not end with the chunk", table.saturating_sub(4)))
    }
}

/// Decodes one zstd frame; what it claims to hold is bounded before a byte is set aside.
fn unpack(packed: &[u8]) -> Result<Vec<u8>, ProtocolError> {
    let refused = |reason: String| ProtocolError::Invalid { what: "zstd", reason };
    let size = zstd::zstd_safe::get_frame_content_size(packed)
        .ok()
        .flatten()
        .ok_or_else(|| refused("no content size".into()))?;
    in_range("chunk plaintext", size, 1, MAX_CHUNK_BYTES as u64)?;
    let frame =
        zstd::zstd_safe::find_frame_compressed_size(packed).map_err(|_| refused("no whole frame".into()))?;
    equal("length of a chunk's zstd frame", packed.len() as u64, frame as u64)?;
    let mut reader = zstd::bulk::Decompressor::new().map_err(|e| refused(e.to_string()))?;
    let plain = reader.decompress(packed, size as usize).map_err(|e| refused(e.to_string()))?;
    equal("chunk plaintext", size, plain.len() as u64)?;
    Ok(plain)
}
