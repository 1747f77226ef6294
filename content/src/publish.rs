//! Writes a collection: records become chunks, chunks pages, pages a manifest, each stored before the next is begun.
//! It registers nothing on a chain, and it keeps one chunk in memory.

use offsetdata_protocol::chunk::{ChunkBuilder, ChunkLimits, Taken};
use offsetdata_protocol::cid::{Cid, DAG_CBOR};
use offsetdata_protocol::manifest::{
    Field, MANIFEST_VERSION, MAX_PAGE_CHUNKS, Manifest, Page, PageRef, PublishedKey, Visibility, check_record,
};
use offsetdata_protocol::merkle::{RecordCount, RootBuilder};
use offsetdata_protocol::record::RecordRef;
use offsetdata_protocol::{Codec, CollectionKey, Digest, ProtocolError, Root, SeriesId};

use crate::{Blocks, ContentError};

/// What a collection is, beside its records.
#[derive(Debug, Clone)]
pub struct PublishOptions {
    /// Names the collection over its versions; random for a new one.
    pub series: SeriesId,
    /// The collection key; random for a new one. Of a public collection it is published in the manifest.
    pub key: CollectionKey,
    /// Who can decrypt.
    pub visibility: Visibility,
    /// When a chunk is full.
    pub limits: ChunkLimits,
    /// How chunks are encoded before they are encrypted.
    pub codec: Codec,
    /// The fields that every record has.
    pub fields: Vec<Field>,
    /// SPDX licence expression, or a URL.
    pub licence: String,
    /// Croissant metadata (JSON-LD).
    pub croissant: String,
    /// SHA-256 of the quality report, where there is one.
    pub quality_report: Option<Digest>,
}

/// A collection that is stored whole and can be registered.
#[derive(Debug, Clone)]
pub struct Published {
    /// The manifest.
    pub manifest: Manifest,
    /// Its digest, for the registry.
    pub manifest_digest: Digest,
    /// Its CID, for IPFS.
    pub manifest_cid: Cid,
    /// Number of chunks.
    pub chunks: u32,
    /// Bytes of all chunks as they are stored.
    pub stored_bytes: u64,
}

impl Published {
    /// Root over the leaf data of all records.
    pub fn content_root(&self) -> Root {
        self.manifest.content_root
    }
}

/// A collection that is being written.
#[derive(Debug)]
pub struct Publisher {
    blocks: Blocks,
    options: PublishOptions,
    chunk: ChunkBuilder,
    tree: RootBuilder,
    page: Page,
    pages: Vec<PageRef>,
    /// Chunks that are stored.
    chunks: u32,
    stored_bytes: u64,
}

impl Publisher {
    /// Begins a collection.
    ///
    /// # Errors
    /// Limits out of range.
    pub fn new(blocks: Blocks, options: PublishOptions) -> Result<Self, ContentError> {
        let chunk = ChunkBuilder::new(options.limits)?;
        let (tree, page) = (RootBuilder::new(), Page::default());
        Ok(Self { blocks, options, chunk, tree, page, pages: Vec::new(), chunks: 0, stored_bytes: 0 })
    }

    /// Appends a record; stores a chunk whenever one is full.
    ///
    /// # Errors
    /// A record that does not have the fields of the schema, more than 1,000,000 records, a block that cannot be
    /// stored.
    pub async fn push(&mut self, record: RecordRef<'_>) -> Result<(), ContentError> {
        check_record(&self.options.fields, record)?;
        RecordCount::new(u32::try_from(self.len() + 1).unwrap_or(u32::MAX))?;
        if self.chunk.push(record)? == Taken::Full {
            self.store_chunk().await?;
            if self.chunk.push(record)? == Taken::Full {
                // An empty chunk takes any record.
                let reason = "an empty chunk refused a record".to_owned();
                return Err(ProtocolError::Invalid { what: "chunk", reason }.into());
            }
        }
        Ok(())
    }

    /// Records so far.
    pub fn len(&self) -> u64 {
        self.tree.len() + u64::from(self.chunk.len())
    }

    /// Whether there is no record yet.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Stores what is left, the last page and the manifest.
    ///
    /// # Errors
    /// No record, metadata that breaks a rule of the manifest, a block that cannot be stored.
    pub async fn finish(mut self) -> Result<Published, ContentError> {
        let record_count = RecordCount::new(u32::try_from(self.len()).unwrap_or(u32::MAX))?;
        if !self.chunk.is_empty() {
            self.store_chunk().await?;
        }
        if !self.page.chunks.is_empty() {
            self.store_page().await?;
        }
        let options = self.options;
        let public_key = match options.visibility {
            Visibility::Public => Some(PublishedKey(*options.key.reveal())),
            Visibility::Private => None,
        };
        let manifest = Manifest {
            version: MANIFEST_VERSION,
            series: options.series,
            record_count,
            content_root: self.tree.root(),
            public_key,
            fields: options.fields,
            licence: options.licence,
            croissant: options.croissant,
            quality_report: options.quality_report,
            pages: self.pages,
        };
        let block = manifest.encode()?;
        let manifest_cid = self.blocks.put(DAG_CBOR, &block).await?;
        Ok(Published {
            manifest,
            manifest_digest: Manifest::digest(&block),
            manifest_cid,
            chunks: self.chunks,
            stored_bytes: self.stored_bytes,
        })
    }

    async fn store_chunk(&mut self) -> Result<(), ContentError> {
        let options = &self.options;
        let first = u32::try_from(self.tree.len()).unwrap_or(u32::MAX);
        let sealed = self.chunk.seal(
            &options.key,
            options.visibility,
            options.series,
            self.chunks,
            first,
            options.codec,
        )?;
        self.blocks.put_file(&sealed.bytes).await?;
        self.stored_bytes += sealed.bytes.len() as u64;
        sealed.entry.append_to(&mut self.tree)?;
        self.page.chunks.push(sealed.entry);
        self.chunks += 1;
        if self.page.chunks.len() == MAX_PAGE_CHUNKS {
            self.store_page().await?;
        }
        Ok(())
    }

    async fn store_page(&mut self) -> Result<(), ContentError> {
        let page = std::mem::take(&mut self.page);
        let ordinal = self.chunks - u32::try_from(page.chunks.len()).unwrap_or(self.chunks);
        let (block, reference) = page.encode(ordinal)?;
        self.blocks.put(DAG_CBOR, &block).await?;
        self.pages.push(reference);
        Ok(())
    }
}
