//! Gathers records into a chunk and seals it: encoded, encrypted, with its leaves and its manifest entry.
//! It writes the sealed bytes nowhere.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};

use super::{ChunkHeader, Codec, MAX_CHUNK_BYTES, MAX_CHUNK_RECORDS, SeriesId, TAG_BYTES};
use crate::ProtocolError;
use crate::cid::{BLOCK_BYTES, RAW, block_cid, file_cid};
use crate::digest::{Digest, LeafHash};
use crate::error::in_range;
use crate::keys::CollectionKey;
use crate::leaf::{Salt, record_leaf};
use crate::manifest::{ChunkEntry, Visibility};
use crate::record::{MAX_RECORD_BYTES, RecordRef};

/// When a chunk is full.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChunkLimits {
    /// At most so many records, 1 … 65,536.
    pub records: u32,
    /// At most so many bytes of offset table and records, unless one record alone is larger.
    pub bytes: usize,
}

impl Default for ChunkLimits {
    /// 1024 records, and a ciphertext that is one block of at most 1 MiB.
    fn default() -> Self {
        Self { records: 1024, bytes: BLOCK_BYTES - TAG_BYTES }
    }
}

/// Whether a builder took a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Taken {
    /// It stands in this chunk.
    Yes,
    /// The chunk is full: seal it, and bring the record again.
    Full,
}

/// A chunk that is being gathered.
#[derive(Debug, Clone)]
pub struct ChunkBuilder {
    limits: ChunkLimits,
    ends: Vec<u32>,
    data: Vec<u8>,
}

/// A chunk that is ready to be stored.
#[derive(Debug, Clone)]
pub struct SealedChunk {
    /// What the manifest says of it.
    pub entry: ChunkEntry,
    /// The ciphertext with its tag; a file by [`crate::cid::FileWriter`] where it is longer than 1 MiB.
    pub bytes: Vec<u8>,
    /// Hashes of its records' leaves, in order.
    pub leaves: Vec<LeafHash>,
}

impl ChunkBuilder {
    /// An empty chunk.
    ///
    /// # Errors
    /// Limits out of range.
    pub fn new(limits: ChunkLimits) -> Result<Self, ProtocolError> {
        in_range("records in a chunk", limits.records.into(), 1, MAX_CHUNK_RECORDS.into())?;
        in_range("bytes in a chunk", limits.bytes as u64, 1, MAX_CHUNK_BYTES as u64)?;
        Ok(Self { limits, ends: Vec::new(), data: Vec::new() })
    }

    /// Appends a record if there is room. An empty chunk takes any record.
    ///
    /// # Errors
    /// None today: a checked record is never too long. The room for it is here.
    pub fn push(&mut self, record: RecordRef<'_>) -> Result<Taken, ProtocolError> {
        let bytes = record.as_bytes();
        in_range("record length", bytes.len() as u64, 1, MAX_RECORD_BYTES as u64)?;
        let end = self.data.len() + bytes.len();
        let full = self.ends.len() >= self.limits.records as usize
            || end + 4 * (self.ends.len() + 1) > self.limits.bytes;
        if full && !self.ends.is_empty() {
            return Ok(Taken::Full);
        }
        self.data.extend_from_slice(bytes);
        self.ends.push(end as u32);
        Ok(Taken::Yes)
    }

    /// Number of records so far.
    pub fn len(&self) -> u32 {
        self.ends.len() as u32
    }
    /// Whether there is no record.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }
    /// Length of the plaintext so far: offset table and records, in bytes.
    pub fn bytes(&self) -> usize {
        4 * self.ends.len() + self.data.len()
    }

    /// Seals the records as chunk `ordinal`, the first of them being record `first` of the collection, and
    /// leaves the builder empty.
    ///
    /// With [`Codec::Zstd`] a chunk that would not shrink is kept as it is.
    ///
    /// # Errors
    /// No record, or records past 1,000,000.
    pub fn seal(
        &mut self,
        key: &CollectionKey,
        visibility: Visibility,
        series: SeriesId,
        ordinal: u32,
        first: u32,
        codec: Codec,
    ) -> Result<SealedChunk, ProtocolError> {
        let mut header = ChunkHeader { series, ordinal, first, count: self.len(), codec };
        header.check()?;
        let mut bytes = Vec::with_capacity(4 * self.ends.len() + self.data.len() + TAG_BYTES);
        for end in &self.ends {
            bytes.extend_from_slice(&end.to_be_bytes());
        }
        bytes.extend_from_slice(&self.data);
        if codec == Codec::Zstd {
            let packed = zstd::bulk::compress(&bytes, 3)
                .map_err(|e| ProtocolError::Invalid { what: "zstd", reason: e.to_string() })?;
            if packed.len() < bytes.len() {
                bytes = packed;
            } else {
                header.codec = Codec::Identity;
            }
        }
        let seed = key.seed(&header, &bytes)?;
        let secret = key.chunk_secret(&seed)?;
        let salts = match visibility {
            Visibility::Public => None,
            Visibility::Private => Some(secret.salts(first, header.count)?),
        };
        let leaves = leaves(&self.ends, &self.data, salts.as_deref());
        cipher(&secret.aes_key()?)?
            .seal_in_place_append_tag(nonce(), Aad::from(header.encode()), &mut bytes)
            .map_err(|_| ProtocolError::Cipher { what: "sealing a chunk" })?;
        let digest = Digest::of(&bytes);
        let cid = if bytes.len() <= BLOCK_BYTES { block_cid(RAW, digest) } else { file_cid(&bytes) };
        let entry = ChunkEntry {
            first,
            count: header.count,
            codec: header.codec,
            seed,
            key_digest: secret.digest(),
            digest,
            size: bytes.len() as u32,
            cid,
            subtrees: crate::merkle::subtrees(first.into(), &leaves),
        };
        self.ends.clear();
        self.data.clear();
        Ok(SealedChunk { entry, bytes, leaves })
    }
}

/// Leaf hashes of records that end at `ends` in `data`.
pub(super) fn leaves(ends: &[u32], data: &[u8], salts: Option<&[Salt]>) -> Vec<LeafHash> {
    let starts = std::iter::once(0).chain(ends.iter().copied());
    let records = starts.zip(ends).map(|(start, end)| &data[start as usize..*end as usize]);
    records.enumerate().map(|(i, record)| record_leaf(salts.and_then(|salts| salts.get(i)), record)).collect()
}

pub(super) fn cipher(key: &[u8; 32]) -> Result<LessSafeKey, ProtocolError> {
    let key = UnboundKey::new(&AES_256_GCM, key);
    key.map(LessSafeKey::new).map_err(|_| ProtocolError::Cipher { what: "AES-256-GCM key" })
}

/// Always zero: a key meets one plaintext, because the seed that it comes from covers it.
pub(super) fn nonce() -> Nonce {
    Nonce::assume_unique_for_key([0; 12])
}
