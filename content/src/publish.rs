//! Writes a collection: records become chunks, chunks pages, pages a manifest, each on disk before the next stands on it.
//! It registers nothing on a chain, and it keeps a few chunks in memory.

pub(crate) mod journal;
mod options;
mod sealing;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use offsetdata_protocol::chunk::{ChunkBuilder, Taken};
use offsetdata_protocol::cid::{Cid, DAG_CBOR};
use offsetdata_protocol::manifest::{
    ChunkEntry, MANIFEST_VERSION, MAX_PAGE_CHUNKS, Manifest, Page, PageRef, PreviewSecret, PublishedKey,
    Visibility, check_record,
};
use offsetdata_protocol::merkle::{RecordCount, RootBuilder};
use offsetdata_protocol::record::RecordRef;
use offsetdata_protocol::{Digest, ProtocolError, Root};
use tokio::task::JoinHandle;

use crate::blocks::destination::{Destination, Prepared};
use crate::blocks::directory::blocking;
use crate::{Blocks, Collection, ContentError};
use journal::{Journal, frame};
pub use options::PublishOptions;
use sealing::{Place, Sealed};

/// Chunks that are sealed side by side.
const SEALING: usize = 3;
/// Most bytes that wait to be sealed, unless one chunk alone is larger.
const SEALING_BYTES: usize = 64 << 20;
/// Blocks and bytes that are brought to disk together.
const COMMIT_BLOCKS: usize = 48;
const COMMIT_BYTES: usize = 16 << 20;

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
    destination: Destination,
    options: Arc<PublishOptions>,
    /// Records of the version that this one appends to.
    appends_to: u64,
    chunk: ChunkBuilder,
    /// Where the chunk that is being gathered begins.
    place: Place,
    sealing: VecDeque<(usize, JoinHandle<Result<Sealed, ContentError>>)>,
    spare: Vec<ChunkBuilder>,
    /// What is sealed, in order.
    tree: RootBuilder,
    page: Page,
    pages: Vec<PageRef>,
    previews: Vec<PreviewSecret>,
    chunks: u32,
    stored_bytes: u64,
    /// What is not on disk, or at the node, yet.
    staged: Vec<Prepared>,
    staged_bytes: usize,
    frames: Vec<u8>,
    committing: Option<JoinHandle<Result<(), ContentError>>>,
    journal: Option<Arc<Mutex<Journal>>>,
}

impl Publisher {
    /// Begins a collection.
    ///
    /// # Errors
    /// Limits out of range; a preview of a public collection; no directory to write to.
    pub fn new(blocks: Blocks, options: PublishOptions) -> Result<Self, ContentError> {
        options.check()?;
        let destination = blocks.destination()?;
        let chunk = ChunkBuilder::new(options.limits)?;
        Ok(Self {
            blocks,
            destination,
            options: Arc::new(options),
            appends_to: 0,
            chunk,
            place: Place::default(),
            sealing: VecDeque::new(),
            spare: Vec::new(),
            tree: RootBuilder::new(),
            page: Page::default(),
            pages: Vec::new(),
            previews: Vec::new(),
            chunks: 0,
            stored_bytes: 0,
            staged: Vec::new(),
            staged_bytes: 0,
            frames: Vec::new(),
            committing: None,
            journal: None,
        })
    }

    /// Begins the next version of a collection: its chunks stay byte for byte, and records are appended. The options
    /// have its series, key and visibility; its preview stays. Its fields and those of the options become the fields of
    /// the new version, optional where either lacks them.
    ///
    /// # Errors
    /// As [`Publisher::new`]; another series, key or visibility, or a field of another kind.
    pub fn append(blocks: Blocks, options: PublishOptions, to: &Collection) -> Result<Self, ContentError> {
        let before = to.manifest();
        if before.series != options.series || before.visibility() != options.visibility {
            let reason = "the options have another series or visibility than the collection".to_owned();
            return Err(ContentError::Publishing(reason));
        }
        to.verify_key(&options.key)?;
        let fields = options::merged(&before.fields, &options.fields)?;
        let options = PublishOptions { preview_records: 0, fields, ..options };
        let mut publisher = Self::new(blocks, options)?;
        for entry in to.chunks() {
            publisher.take(entry.clone())?;
        }
        publisher.previews.clone_from(&before.preview_secrets);
        publisher.appends_to = publisher.tree.len();
        Ok(publisher)
    }

    /// Takes up what a publishing of the same records with the same options stored before it was killed, and notes what
    /// is stored from now on. `source` says which records they are: of another source nothing is taken up. Afterwards
    /// [`Publisher::len`] records are there, which the caller skips.
    ///
    /// # Errors
    /// A journal that cannot be read or written, or that another process has open.
    pub async fn resume(mut self, source: Digest) -> Result<Self, ContentError> {
        let root = self.blocks.writable()?.root().to_owned();
        let series = self.options.series;
        let fingerprint = self.options.fingerprint(source, self.appends_to, self.tree.root());
        let (mut journal, stored) = blocking(move || Journal::open(&root, series, fingerprint)).await?;
        for chunk in stored {
            if chunk.entry.first != self.place.first || !self.blocks.has_stored(&chunk.entry.cid).await? {
                journal.cut(chunk.begin)?;
                break;
            }
            self.take(chunk.entry)?;
        }
        self.journal = Some(Arc::new(Mutex::new(journal)));
        Ok(self)
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
            self.seal().await?;
            if self.chunk.push(record)? == Taken::Full {
                // An empty chunk takes any record.
                let reason = "an empty chunk refused a record".to_owned();
                return Err(ProtocolError::Invalid { what: "chunk", reason }.into());
            }
        }
        if self.len() == u64::from(self.options.preview_records) {
            self.seal().await?;
        }
        Ok(())
    }

    /// Records so far, with those of the version that is appended to.
    pub fn len(&self) -> u64 {
        u64::from(self.place.first) + u64::from(self.chunk.len())
    }

    /// Whether there is no record yet.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Records of the version that is appended to; 0 where there is none.
    pub fn appends_to(&self) -> u64 {
        self.appends_to
    }

    /// Stores what is left, the last page and the manifest, and pins the collection.
    ///
    /// # Errors
    /// No record, or none beyond the version before or the preview; metadata that breaks a rule of the manifest; a
    /// block that cannot be stored.
    pub async fn finish(mut self) -> Result<Published, ContentError> {
        let record_count = RecordCount::new(u32::try_from(self.len()).unwrap_or(u32::MAX))?;
        if self.len() == self.appends_to {
            return Err(ContentError::Publishing("there is no record to append".to_owned()));
        }
        if self.options.preview_records > 0 && self.len() <= self.options.preview_records.into() {
            let (preview, len) = (self.options.preview_records, self.len());
            let reason =
                format!("a preview of {preview} records gives away all {len}: publish them as public");
            return Err(ContentError::Publishing(reason));
        }
        self.seal().await?;
        while !self.sealing.is_empty() {
            self.collect().await?;
        }
        if !self.page.chunks.is_empty() {
            self.end_page()?;
        }
        self.start_commit().await?;
        self.end_commit().await?;
        let options = Arc::unwrap_or_clone(self.options);
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
            preview_secrets: self.previews,
            fields: options.fields,
            licence: options.licence,
            croissant: options.croissant,
            quality_report: options.quality_report,
            pages: self.pages,
        };
        let block = manifest.encode()?;
        let manifest_cid = self.blocks.put_reached(DAG_CBOR, &block).await?;
        // What an older version has may have been stored elsewhere; what is of this one was just written.
        if self.appends_to > 0 {
            self.blocks.pin(manifest_cid).await?;
        } else {
            self.blocks.pin_stored(manifest_cid).await?;
        }
        if let Some(journal) = self.journal.take().and_then(Arc::into_inner) {
            journal.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner).remove()?;
        }
        Ok(Published {
            manifest,
            manifest_digest: Manifest::digest(&block),
            manifest_cid,
            chunks: self.chunks,
            stored_bytes: self.stored_bytes,
        })
    }

    /// Gives the gathered chunk to a thread that seals it; waits where too many are being sealed.
    async fn seal(&mut self) -> Result<(), ContentError> {
        if self.chunk.is_empty() {
            return Ok(());
        }
        let bytes = self.chunk.bytes();
        while self.sealing.len() >= SEALING
            || !self.sealing.is_empty()
                && self.sealing.iter().map(|(bytes, _)| bytes).sum::<usize>() + bytes > SEALING_BYTES
        {
            self.collect().await?;
        }
        let empty = match self.spare.pop() {
            Some(empty) => empty,
            None => ChunkBuilder::new(self.options.limits)?,
        };
        let chunk = std::mem::replace(&mut self.chunk, empty);
        let place = self.place;
        self.place = Place { ordinal: place.ordinal + 1, first: place.first + chunk.len() };
        let (options, destination) = (self.options.clone(), self.destination.clone());
        let task = tokio::task::spawn_blocking(move || sealing::seal(chunk, &options, place, &destination));
        self.sealing.push_back((bytes, task));
        Ok(())
    }

    /// Waits for the oldest chunk that is being sealed, and takes it into tree and page.
    async fn collect(&mut self) -> Result<(), ContentError> {
        let Some((_, task)) = self.sealing.pop_front() else { return Ok(()) };
        let sealed = joined(task.await)?;
        if self.spare.len() < SEALING {
            self.spare.push(sealed.builder);
        }
        if self.journal.is_some() {
            self.frames.extend(frame(&sealed.entry)?);
        }
        self.staged_bytes += sealed.entry.size as usize;
        self.staged.extend(sealed.staged);
        self.add(sealed.entry)?;
        if self.staged.len() >= COMMIT_BLOCKS || self.staged_bytes >= COMMIT_BYTES {
            self.start_commit().await?;
        }
        Ok(())
    }

    /// Takes a chunk that is stored already.
    fn take(&mut self, entry: ChunkEntry) -> Result<(), ContentError> {
        self.place = Place { ordinal: self.place.ordinal + 1, first: entry.first + entry.count };
        self.add(entry)
    }

    fn add(&mut self, entry: ChunkEntry) -> Result<(), ContentError> {
        entry.append_to(&mut self.tree)?;
        self.stored_bytes += u64::from(entry.size);
        if self.tree.len() <= self.options.preview_records.into() {
            let secret = self.options.key.chunk_secret(&entry.seed)?;
            self.previews.push(PreviewSecret(*secret.reveal()));
        }
        self.page.chunks.push(entry);
        self.chunks += 1;
        if self.page.chunks.len() == MAX_PAGE_CHUNKS {
            self.end_page()?;
        }
        Ok(())
    }

    fn end_page(&mut self) -> Result<(), ContentError> {
        let page = std::mem::take(&mut self.page);
        let ordinal = self.chunks - u32::try_from(page.chunks.len()).unwrap_or(self.chunks);
        let (block, reference) = page.encode(ordinal)?;
        self.staged.push(self.destination.stage(&reference.cid, &block)?);
        self.staged_bytes += block.len();
        self.pages.push(reference);
        Ok(())
    }

    /// Lets what is staged be brought to disk or to the node, and then noted in the journal. Waits for the one before.
    async fn start_commit(&mut self) -> Result<(), ContentError> {
        self.end_commit().await?;
        let (staged, frames) = (std::mem::take(&mut self.staged), std::mem::take(&mut self.frames));
        self.staged_bytes = 0;
        let (destination, journal) = (self.destination.clone(), self.journal.clone());
        self.committing = Some(tokio::spawn(async move {
            destination.commit(staged).await?;
            match journal {
                Some(journal) if !frames.is_empty() => {
                    let note = move || {
                        journal.lock().unwrap_or_else(std::sync::PoisonError::into_inner).append(&frames)
                    };
                    blocking(note).await
                }
                _ => Ok(()),
            }
        }));
        Ok(())
    }

    async fn end_commit(&mut self) -> Result<(), ContentError> {
        match self.committing.take() {
            Some(task) => joined(task.await),
            None => Ok(()),
        }
    }
}

fn joined<T>(result: Result<Result<T, ContentError>, tokio::task::JoinError>) -> Result<T, ContentError> {
    result.unwrap_or_else(|error| {
        let source = std::io::Error::other(error);
        Err(ContentError::File { what: "working on", path: "a chunk".to_owned(), source })
    })
}

#[cfg(test)]
mod tests;
