//! Reads a collection: manifest and pages against the digest and root on chain, then chunks, each verified before a
//! record is given. It asks no gateway for keys: they come from [`Keys`] or from its caller.

mod keys;
mod proofs;

use std::future::Future;
use std::ops::Range;
use std::sync::Arc;

use futures::{Stream, StreamExt};
use offsetdata_protocol::chunk::OpenChunk;
use offsetdata_protocol::manifest::{ChunkEntry, MAX_BLOCK_BYTES, Manifest, Page};
use offsetdata_protocol::merkle::{RecordCount, Tree};
use offsetdata_protocol::{ChunkSecret, CollectionKey, Digest, ProtocolError, Root};

pub use keys::Keys;

use crate::{Blocks, ContentError};

/// Chunks that are fetched and opened at the same time while records are streamed.
pub const CHUNKS_AHEAD: usize = 4;

/// What the chain says of a collection: what every byte is held against.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OnChain {
    /// Digest of the manifest.
    pub manifest_digest: Digest,
    /// Root over the leaf data of all records.
    pub content_root: Root,
    /// Number of records.
    pub record_count: RecordCount,
}

/// A collection whose manifest and pages hold. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Collection {
    blocks: Blocks,
    manifest: Arc<Manifest>,
    chunks: Arc<Vec<ChunkEntry>>,
    keys: Keys,
}

impl Collection {
    /// Reads manifest and pages, and checks that they are what the chain says: digest, count, and that the chunks'
    /// subtrees make the content root.
    ///
    /// # Errors
    /// A block that is not there or not what it should be.
    pub async fn open(blocks: Blocks, on_chain: OnChain) -> Result<Self, ContentError> {
        let block = blocks.get(&Manifest::cid(on_chain.manifest_digest), MAX_BLOCK_BYTES).await?;
        let manifest = Manifest::decode(&block)?;
        if manifest.content_root != on_chain.content_root {
            return Err(ProtocolError::DigestMismatch {
                what: "content root of the manifest",
                expected: Digest(on_chain.content_root.0),
                actual: Digest(manifest.content_root.0),
            }
            .into());
        }
        if manifest.record_count != on_chain.record_count {
            return Err(ProtocolError::Unequal {
                what: "record count of the manifest",
                expected: on_chain.record_count.get().into(),
                actual: manifest.record_count.get().into(),
            }
            .into());
        }
        let mut pages = Vec::with_capacity(manifest.pages.len());
        for reference in &manifest.pages {
            pages.push(Page::decode(&blocks.get(&reference.cid, MAX_BLOCK_BYTES).await?)?);
        }
        manifest.verify_pages(&pages)?;
        let chunks = pages.into_iter().flat_map(|page| page.chunks).collect();
        Ok(Self { blocks, manifest: Arc::new(manifest), chunks: Arc::new(chunks), keys: Keys::Published })
    }

    /// The same collection, read with these keys beside those that the manifest publishes.
    #[must_use]
    pub fn with_keys(mut self, keys: Keys) -> Self {
        self.keys = keys;
        self
    }

    /// Where its blocks come from.
    pub fn blocks(&self) -> &Blocks {
        &self.blocks
    }

    /// Checks that `key` is the key that every chunk was sealed with.
    ///
    /// # Errors
    /// The first chunk whose secret it does not make.
    pub fn verify_key(&self, key: &CollectionKey) -> Result<(), ContentError> {
        Ok(keys::verify_key(key, &self.chunks)?)
    }

    /// Number of records that anyone may read: all of a public collection, the preview of a private one.
    pub fn open_records(&self) -> u32 {
        if self.manifest.public_key.is_some() {
            return self.len();
        }
        self.chunks.iter().take(self.manifest.preview_secrets.len()).map(|chunk| chunk.count).sum()
    }

    /// The manifest.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Number of records.
    pub fn len(&self) -> u32 {
        self.manifest.record_count.get()
    }

    /// Whether there is no record: never.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What the manifest says of each chunk, in order.
    pub fn chunks(&self) -> &[ChunkEntry] {
        &self.chunks
    }

    /// Ordinal of the chunk that holds record `index`.
    ///
    /// # Errors
    /// An index outside the collection.
    pub fn chunk_of(&self, index: u32) -> Result<u32, ContentError> {
        if index >= self.len() {
            return Err(ContentError::NoSuchRecord { index, count: self.len() });
        }
        let after = self.chunks.partition_point(|chunk| chunk.first <= index);
        Ok(u32::try_from(after.saturating_sub(1)).unwrap_or(u32::MAX))
    }

    /// What the manifest says of a chunk.
    ///
    /// # Errors
    /// An ordinal that is not below the number of chunks.
    pub fn entry(&self, ordinal: u32) -> Result<&ChunkEntry, ContentError> {
        let count = self.chunk_count();
        self.chunks.get(ordinal as usize).ok_or(ContentError::NoSuchChunk { ordinal, count })
    }

    /// Number of chunks.
    pub fn chunk_count(&self) -> u32 {
        u32::try_from(self.chunks.len()).unwrap_or(u32::MAX)
    }

    /// The chunks that hold the records of a range.
    ///
    /// # Errors
    /// A range that ends past the last record.
    pub fn chunks_of(&self, records: Range<u32>) -> Result<Range<u32>, ContentError> {
        if records.is_empty() {
            return Ok(0..0);
        }
        Ok(self.chunk_of(records.start)?..self.chunk_of(records.end - 1)? + 1)
    }

    /// The secret of a chunk from the manifest or the keys, held against its key digest.
    ///
    /// # Errors
    /// [`ContentError::NoKey`] where there is none; one that is not the chunk's.
    pub fn secret(&self, ordinal: u32) -> Result<ChunkSecret, ContentError> {
        self.keys.secret(&self.manifest, ordinal, self.entry(ordinal)?)
    }

    /// The ciphertext of a chunk, against its digest and length. No key is needed.
    ///
    /// # Errors
    /// A chunk that is not there or not what it should be.
    pub async fn ciphertext(&self, ordinal: u32) -> Result<Vec<u8>, ContentError> {
        let entry = self.entry(ordinal)?;
        let bytes = self.blocks.get_file(&entry.cid, entry.size as usize).await?;
        let unequal = |what, expected, actual| ProtocolError::Unequal { what, expected, actual };
        if bytes.len() != entry.size as usize {
            return Err(unequal("chunk length", entry.size.into(), bytes.len() as u64).into());
        }
        let (expected, actual) = (entry.digest, Digest::of(&bytes));
        if actual != expected {
            return Err(ProtocolError::DigestMismatch { what: "chunk", expected, actual }.into());
        }
        Ok(bytes)
    }

    /// Fetches and opens a chunk: ciphertext digest, key digest, cipher tag, record encoding and leaves are checked.
    ///
    /// # Errors
    /// A chunk that is not there, does not hold, or whose secret nobody gave.
    pub async fn open_chunk(&self, ordinal: u32) -> Result<OpenChunk, ContentError> {
        let secret = self.secret(ordinal)?;
        self.open_chunk_with(ordinal, secret).await
    }

    /// The same, with a secret that came from elsewhere.
    ///
    /// # Errors
    /// As [`Collection::open_chunk`].
    pub async fn open_chunk_with(
        &self,
        ordinal: u32,
        secret: ChunkSecret,
    ) -> Result<OpenChunk, ContentError> {
        let entry = self.entry(ordinal)?.clone();
        let bytes = self.blocks.get_file(&entry.cid, entry.size as usize).await?;
        let (visibility, series) = (self.manifest.visibility(), self.manifest.series);
        let opened = tokio::task::spawn_blocking(move || {
            OpenChunk::open(&entry, &secret, visibility, series, ordinal, bytes)
        });
        match opened.await {
            Ok(chunk) => Ok(chunk?),
            Err(error) => {
                let source = std::io::Error::other(error);
                Err(ContentError::File { what: "opening", path: format!("chunk {ordinal}"), source })
            }
        }
    }

    /// All chunks in order, some of them fetched ahead.
    pub fn stream(&self) -> impl Stream<Item = Result<OpenChunk, ContentError>> + use<> {
        self.stream_chunks(0..self.chunk_count())
    }

    /// Some chunks in order, a few of them fetched ahead.
    pub fn stream_chunks(
        &self,
        ordinals: Range<u32>,
    ) -> impl Stream<Item = Result<OpenChunk, ContentError>> + use<> {
        let this = self.clone();
        self.stream_with(ordinals, CHUNKS_AHEAD, move |ordinal| {
            let secret = this.secret(ordinal);
            async move { secret }
        })
    }

    /// Some chunks in order, at most `ahead` at a time, each with the secret that `secret` answers for its ordinal.
    /// This is where a gateway's client comes in: `secret` is called in order, and its answers are awaited side by
    /// side; it is not called for chunks that the manifest opens.
    pub fn stream_with<S, F, E>(
        &self,
        ordinals: Range<u32>,
        ahead: usize,
        mut secret: S,
    ) -> impl Stream<Item = Result<OpenChunk, E>> + use<S, F, E>
    where
        S: FnMut(u32) -> F,
        F: Future<Output = Result<ChunkSecret, E>>,
        E: From<ContentError>,
    {
        let this = self.clone();
        let opened = futures::stream::iter(ordinals).map(move |ordinal| {
            let published = match this.entry(ordinal) {
                Ok(entry) => Keys::Published.secret(&this.manifest, ordinal, entry),
                Err(error) => Err(error),
            };
            let asked = matches!(published, Err(ContentError::NoKey { .. })).then(|| secret(ordinal));
            let this = this.clone();
            async move {
                let secret = match asked {
                    Some(asked) => asked.await?,
                    None => published?,
                };
                Ok(this.open_chunk_with(ordinal, secret).await?)
            }
        });
        opened.buffered(ahead.max(1))
    }

    /// Inclusion proof of record `index`, from the chunk that holds it and the pages: no other chunk is read.
    ///
    /// # Errors
    /// A record that is not in `chunk`.
    pub fn inclusion_proof(&self, index: u32, chunk: &OpenChunk) -> Result<Vec<Digest>, ContentError> {
        proofs::inclusion(self, index, chunk)
    }

    /// Proof that `older` is the beginning of this collection, as `proveAppend` takes it; from the pages alone.
    ///
    /// # Errors
    /// A collection that does not begin with `older`, or whose chunks do not end where it ends.
    pub fn append_proof(&self, older: &Self) -> Result<Vec<Digest>, ContentError> {
        proofs::consistency(older, self)
    }

    /// The whole tree, for inclusion and consistency proofs: reads and verifies every chunk. 64 bytes a record.
    ///
    /// # Errors
    /// As [`Collection::open_chunk`].
    pub async fn tree(&self) -> Result<Tree, ContentError> {
        let mut leaves = Vec::with_capacity(self.len() as usize);
        let mut chunks = std::pin::pin!(self.stream());
        while let Some(chunk) = chunks.next().await {
            leaves.extend_from_slice(chunk?.leaves());
        }
        let tree = Tree::new(leaves);
        if tree.root() != self.manifest.content_root {
            return Err(ProtocolError::DigestMismatch {
                what: "content root of the records",
                expected: Digest(self.manifest.content_root.0),
                actual: Digest(tree.root().0),
            }
            .into());
        }
        Ok(tree)
    }
}

#[cfg(test)]
mod tests;
