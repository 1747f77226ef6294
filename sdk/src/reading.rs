//! Reads records of a collection that the chain knows: each verified, in order or at random. It asks no gateway itself:
//! where one sells the keys, its client is the closure that gives a chunk's secret.

use std::collections::VecDeque;
use std::future::Future;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use futures::{Stream, StreamExt, TryStreamExt};
use offsetdata_content::collection::CHUNKS_AHEAD;
use offsetdata_content::{Blocks, Collection, ContentError, Keys};
use offsetdata_protocol::chunk::OpenChunk;
use offsetdata_protocol::ids::CollectionId;
use offsetdata_protocol::leaf::Salt;
use offsetdata_protocol::record::Record;
use offsetdata_protocol::{ChunkSecret, Digest, LeafHash};

use crate::collections::{self, CollectionFacts};
use crate::{Chain, SdkError};

/// Chunks that are kept open for reading at random.
const KEPT: usize = 4;

/// Open chunks by ordinal, the longest kept first.
type Kept = VecDeque<(u32, Arc<OpenChunk>)>;

/// A collection that is open for reading. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Reader {
    facts: Arc<CollectionFacts>,
    content: Collection,
    kept: Arc<Mutex<Kept>>,
}

/// One record with what proves it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProvenRecord {
    /// Its index in the collection.
    pub index: u32,
    /// The record.
    pub record: Record,
    /// Its salt, in a private collection.
    pub salt: Option<Salt>,
    /// Its leaf.
    pub leaf: LeafHash,
    /// Inclusion proof against the root on chain, from the leaf up.
    pub proof: Vec<Digest>,
}

impl Reader {
    /// Opens a collection: facts from the chain, manifest and pages from the blocks, held against each other.
    ///
    /// # Errors
    /// An unknown id; blocks that are missing or do not hold.
    pub async fn open(chain: &Chain, blocks: Blocks, id: CollectionId, keys: Keys) -> Result<Self, SdkError> {
        let facts = collections::facts(chain, id).await?;
        let content = Collection::open(blocks, facts.on_chain).await?.with_keys(keys);
        Ok(Self { facts: Arc::new(facts), content, kept: Arc::default() })
    }

    /// What the chain says of it.
    pub fn facts(&self) -> &CollectionFacts {
        &self.facts
    }

    /// Its manifest and chunks.
    pub fn content(&self) -> &Collection {
        &self.content
    }

    /// Records of a range in order, a few chunks ahead; the keys that it was opened with have to do.
    pub fn records(&self, range: Range<u32>) -> impl Stream<Item = Result<(u32, Record), SdkError>> + use<> {
        let content = self.content.clone();
        self.records_with(range, move |ordinal| {
            let secret = content.secret(ordinal).map_err(SdkError::from);
            async move { secret }
        })
    }

    /// Records of a range in order, where `secret` gives the secret of a chunk: it is called once for each chunk that
    /// the manifest does not open, in order, and its answers are awaited side by side.
    pub fn records_with<S, F>(
        &self,
        range: Range<u32>,
        secret: S,
    ) -> impl Stream<Item = Result<(u32, Record), SdkError>> + use<S, F>
    where
        S: FnMut(u32) -> F,
        F: Future<Output = Result<ChunkSecret, SdkError>>,
    {
        let chunks = match self.content.chunks_of(range.clone()) {
            Ok(chunks) => chunks,
            Err(error) => return futures::stream::iter([Err(SdkError::from(error))]).left_stream(),
        };
        let opened = self.content.stream_with(chunks, CHUNKS_AHEAD, secret);
        let records = opened.map_ok(move |chunk| {
            let wanted = chunk.records().filter(|(index, _)| range.contains(index));
            let records: Vec<_> = wanted.map(|(index, record)| Ok((index, record.to_record()))).collect();
            futures::stream::iter(records)
        });
        records.try_flatten().right_stream()
    }

    /// One record, with its proof.
    ///
    /// # Errors
    /// An index outside the collection; a chunk that is missing, does not hold, or whose secret nobody gave.
    pub async fn record(&self, index: u32) -> Result<ProvenRecord, SdkError> {
        let ordinal = self.content.chunk_of(index)?;
        let secret = || async { Ok(self.content.secret(ordinal)?) };
        self.record_with(index, secret).await
    }

    /// One record, with its proof; `secret` is asked where its chunk is not open already.
    ///
    /// # Errors
    /// As [`Reader::record`].
    pub async fn record_with<S, F>(&self, index: u32, secret: S) -> Result<ProvenRecord, SdkError>
    where
        S: FnOnce() -> F,
        F: Future<Output = Result<ChunkSecret, SdkError>>,
    {
        let ordinal = self.content.chunk_of(index)?;
        let chunk = match self.kept(ordinal) {
            Some(chunk) => chunk,
            None => {
                let chunk = Arc::new(self.content.open_chunk_with(ordinal, secret().await?).await?);
                self.keep(ordinal, &chunk);
                chunk
            }
        };
        let missing = || SdkError::from(ContentError::NoSuchRecord { index, count: self.content.len() });
        let record = chunk.record(index).ok_or_else(missing)?.to_record();
        let leaf = *chunk.leaves().get((index - chunk.first()) as usize).ok_or_else(missing)?;
        let proof = self.content.inclusion_proof(index, &chunk)?;
        Ok(ProvenRecord { index, record, salt: chunk.salt(index), leaf, proof })
    }

    fn kept(&self, ordinal: u32) -> Option<Arc<OpenChunk>> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.iter().find(|(at, _)| *at == ordinal).map(|(_, chunk)| chunk.clone())
    }

    fn keep(&self, ordinal: u32, chunk: &Arc<OpenChunk>) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() == KEPT {
            kept.pop_front();
        }
        kept.push_back((ordinal, chunk.clone()));
    }
}
