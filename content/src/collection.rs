//! Reads a collection: manifest and pages against the digest and root on chain, then chunks, each verified before a
//! record is given. It asks no gateway for keys: of a public collection the key stands in the manifest.

use std::sync::Arc;

use futures::{Stream, StreamExt};
use offsetdata_protocol::chunk::OpenChunk;
use offsetdata_protocol::manifest::{ChunkEntry, MAX_BLOCK_BYTES, Manifest, Page};
use offsetdata_protocol::merkle::{RecordCount, Tree};
use offsetdata_protocol::{Digest, ProtocolError, Root};

use crate::{Blocks, ContentError};

/// Chunks that are fetched and opened at the same time while records are streamed.
const CHUNKS_AHEAD: usize = 4;

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
        Ok(Self { blocks, manifest: Arc::new(manifest), chunks: Arc::new(chunks) })
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

    /// Fetches and opens a chunk: ciphertext digest, key digest, cipher tag, record encoding and leaves are checked.
    ///
    /// # Errors
    /// A chunk that is not there or does not hold; a collection that is not public.
    pub async fn open_chunk(&self, ordinal: u32) -> Result<OpenChunk, ContentError> {
        let Some(entry) = self.chunks.get(ordinal as usize).cloned() else {
            return Err(ContentError::NoSuchRecord { index: u32::MAX, count: self.len() });
        };
        let Some(public_key) = &self.manifest.public_key else {
            let reason = "the collection is private: its chunk keys come from a gateway".to_owned();
            return Err(ProtocolError::Invalid { what: "chunk key", reason }.into());
        };
        let secret = public_key.collection_key().chunk_secret(&entry.seed)?;
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
        let this = self.clone();
        let ordinals = 0..u32::try_from(self.chunks.len()).unwrap_or(u32::MAX);
        futures::stream::iter(ordinals)
            .map(move |ordinal| {
                let this = this.clone();
                async move { this.open_chunk(ordinal).await }
            })
            .buffered(CHUNKS_AHEAD)
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
