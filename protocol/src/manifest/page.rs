//! A page: up to 512 chunks of a collection, each with its range, seed, digests and link.
//! A manifest links to pages and not to chunks, so that no block outgrows 1 MiB and publishing needs flat memory.

use super::{decode_block, encode_block};
use crate::ProtocolError;
use crate::chunk::{Codec, MAX_CHUNK_BYTES, MAX_CHUNK_RECORDS, TAG_BYTES};
use crate::cid::{BLOCK_BYTES, Cid, DAG_CBOR, DAG_PB, RAW, block_cid, parts};
use crate::digest::Digest;
use crate::error::{equal, in_range, same_digest};
use crate::keys::Seed;
use crate::merkle::{MAX_RECORDS, RootBuilder, subtree_levels};
use serde::{Deserialize, Serialize};

/// Greatest number of chunks in a page.
pub const MAX_PAGE_CHUNKS: usize = 512;

/// What a manifest says of a page.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PageRef {
    /// The page's block.
    pub cid: Cid,
    /// Ordinal of its first chunk.
    pub ordinal: u32,
    /// Number of its chunks.
    pub chunks: u32,
    /// Index of its first record.
    pub first: u32,
    /// Number of its records.
    pub count: u32,
}

impl PageRef {
    pub(super) fn check(&self) -> Result<(), ProtocolError> {
        in_range("chunks in a page", self.chunks.into(), 1, MAX_PAGE_CHUNKS as u64)?;
        in_range("records in a page", self.count.into(), self.chunks.into(), MAX_RECORDS.into())?;
        equal("codec of a link to a page", DAG_CBOR, parts(&self.cid)?.0)
    }
}

/// What a page says of a chunk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ChunkEntry {
    /// Index of the first record in the collection.
    pub first: u32,
    /// Number of records.
    pub count: u32,
    /// How the plaintext was encoded.
    pub codec: Codec,
    /// Makes the chunk's secret from the collection key.
    pub seed: Seed,
    /// Digest of the chunk's secret ([`crate::ChunkSecret::digest`]).
    pub key_digest: Digest,
    /// SHA-256 digest of the ciphertext with its tag.
    pub digest: Digest,
    /// Length of the ciphertext with its tag, in bytes.
    pub size: u32,
    /// The ciphertext: one raw block, or a UnixFS file where it is longer than 1 MiB.
    pub cid: Cid,
    /// Roots of the perfect subtrees that cover the records' leaves ([`crate::merkle::subtrees`]).
    pub subtrees: Vec<Digest>,
}

impl ChunkEntry {
    /// Appends the chunk's leaves to the root that is being built over all chunks.
    ///
    /// # Errors
    /// A chunk that is not the next, or another number of subtrees.
    pub fn append_to(&self, builder: &mut RootBuilder) -> Result<(), ProtocolError> {
        equal("first record of a chunk", builder.len(), self.first.into())?;
        let levels = subtree_levels(self.first.into(), self.count.into());
        equal("subtrees of a chunk", levels.len() as u64, self.subtrees.len() as u64)?;
        for (level, root) in levels.into_iter().zip(&self.subtrees) {
            builder.push_subtree(level, *root)?;
        }
        Ok(())
    }

    fn check(&self) -> Result<(), ProtocolError> {
        in_range("records in a chunk", self.count.into(), 1, MAX_CHUNK_RECORDS.into())?;
        in_range("end of a chunk", u64::from(self.first) + u64::from(self.count), 1, MAX_RECORDS.into())?;
        let size = u64::from(self.size);
        in_range("chunk length", size, TAG_BYTES as u64 + 1, (MAX_CHUNK_BYTES + TAG_BYTES) as u64)?;
        let (codec, digest) = parts(&self.cid)?;
        let expected = if self.size as usize <= BLOCK_BYTES { RAW } else { DAG_PB };
        equal("codec of a link to a chunk", expected, codec)?;
        if codec == RAW {
            same_digest("link to a chunk", self.digest, digest)?;
        }
        let levels = subtree_levels(self.first.into(), self.count.into());
        equal("subtrees of a chunk", levels.len() as u64, self.subtrees.len() as u64)
    }
}

/// Consecutive chunks of a collection.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Page {
    /// 1 … 512 chunks in order.
    pub chunks: Vec<ChunkEntry>,
}

impl Page {
    /// Checks the page, encodes its block, and says what the manifest says of it; `ordinal` is that of the
    /// first chunk.
    ///
    /// # Errors
    /// A rule of [`Page::decode`] that is broken.
    pub fn encode(&self, ordinal: u32) -> Result<(Vec<u8>, PageRef), ProtocolError> {
        self.check()?;
        let block = encode_block("page", self)?;
        let cid = block_cid(DAG_CBOR, Digest::of(&block));
        let reference = PageRef {
            cid,
            ordinal,
            chunks: self.chunks.len() as u32,
            first: self.first(),
            count: self.count(),
        };
        reference.check()?;
        Ok((block, reference))
    }

    /// Reads a block strictly.
    ///
    /// # Errors
    /// More than 1 MiB, another form than the canonical one, limits of an entry, chunks that do not follow
    /// one another.
    pub fn decode(block: &[u8]) -> Result<Self, ProtocolError> {
        let page: Self = decode_block("page", block)?;
        page.check()?;
        Ok(page)
    }

    /// Checks that this is the page that a manifest refers to.
    ///
    /// # Errors
    /// Another number of chunks or records, another place, another digest.
    pub fn verify(&self, reference: &PageRef) -> Result<(), ProtocolError> {
        let (block, actual) = self.encode(reference.ordinal)?;
        equal("chunks in a page", reference.chunks.into(), actual.chunks.into())?;
        equal("first record of a page", reference.first.into(), actual.first.into())?;
        equal("records in a page", reference.count.into(), actual.count.into())?;
        same_digest("page", parts(&reference.cid)?.1, Digest::of(&block))
    }

    /// Index of the first record; 0 in an empty page.
    pub fn first(&self) -> u32 {
        self.chunks.first().map_or(0, |chunk| chunk.first)
    }
    /// Number of records.
    pub fn count(&self) -> u32 {
        self.chunks.iter().map(|chunk| chunk.count).sum()
    }

    fn check(&self) -> Result<(), ProtocolError> {
        in_range("chunks in a page", self.chunks.len() as u64, 1, MAX_PAGE_CHUNKS as u64)?;
        let mut next = u64::from(self.first());
        for chunk in &self.chunks {
            chunk.check()?;
            equal("first record of a chunk", next, chunk.first.into())?;
            next += u64::from(chunk.count);
        }
        Ok(())
    }
}
