//! Reads a job's records in the order of its inputs, every one verified against the root on chain. It keeps none, and
//! knows no trainer.

use alloy::primitives::B256;
use futures::{StreamExt, TryStreamExt};
use offsetdata_content::{Blocks, Collection, Keys};
use offsetdata_protocol::bindings::training::{DataInput, RequestDetails};
use offsetdata_protocol::ids::CollectionId;
use offsetdata_protocol::merkle::RootBuilder;
use offsetdata_protocol::record::RecordRef;
use offsetdata_protocol::selection::{Selection, SplitRule, inputs_leaf};
use offsetdata_protocol::{CollectionKey, Root};
use offsetdata_sdk::gateway::TrainingAccess;
use offsetdata_sdk::{Chain, SdkError, collections};

use crate::WorkerError;
use crate::trainers::Examples;

/// Where records are read from.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Source<'a> {
    /// Says which root a collection has.
    pub(crate) chain: &'a Chain,
    /// Holds its chunks.
    pub(crate) blocks: &'a Blocks,
    /// Opens private collections; without it only what is open to all is read.
    pub(crate) access: Option<&'a TrainingAccess>,
    /// Keys of private collections, of whoever holds them.
    pub(crate) keys: &'a [CollectionKey],
}

/// Reads all inputs of a request and gives them to its training.
pub(crate) async fn read(
    source: &Source<'_>,
    inputs: &[DataInput],
    given: &mut Given,
) -> Result<(), WorkerError> {
    for (position, input) in inputs.iter().enumerate() {
        let selection = selection(position, input)?;
        let facts = collections::facts(source.chain, CollectionId(input.collection)).await?;
        let collection = Collection::open(source.blocks.clone(), facts.on_chain).await?;
        let collection = match source.keys.iter().find(|key| collection.verify_key(key).is_ok()) {
            Some(key) => collection.with_keys(Keys::Collection(key.clone())),
            None => collection,
        };
        let wanted = selection.indices(facts.on_chain.record_count, input.recordCap, None)?;
        let mut wanted = wanted.into_iter().peekable();
        let position = u32::try_from(position).unwrap_or(u32::MAX);
        let chunks = match source.access {
            Some(access) => access.keys(source.blocks, position, &collection)?.chunks().left_stream(),
            None => collection.stream().map_err(SdkError::from).right_stream(),
        };
        let mut chunks = std::pin::pin!(chunks);
        while wanted.peek().is_some() {
            let Some(chunk) = chunks.next().await else { break };
            for (index, record) in chunk?.records() {
                if wanted.next_if_eq(&index).is_some() {
                    given.take(input.collection, index, record)?;
                }
            }
        }
        given.end_of_input(facts.on_chain.record_count.get());
    }
    Ok(())
}

/// Which records of an input a request takes.
pub(crate) fn selection(position: usize, input: &DataInput) -> Result<Selection, WorkerError> {
    match input.selection {
        0 => Ok(Selection::All),
        1 => Ok(Selection::Range { first: input.first, count: input.count }),
        other => Err(WorkerError::Unsupported(format!("input {position} has selection kind {other}"))),
    }
}

/// What is given to training: each record in its split, and the root that says which they were.
#[derive(Debug)]
pub(crate) struct Given {
    examples: Examples,
    rule: SplitRule,
    tree: RootBuilder,
    /// Records of the inputs before: numbers in errors run over all inputs, as a person would count them.
    before: u64,
}

impl Given {
    pub(crate) fn new(details: &RequestDetails, examples: Examples) -> Result<Self, WorkerError> {
        let rule = SplitRule::new(details.splitSeed, details.validationBps, details.testBps)?;
        Ok(Self { examples, rule, tree: RootBuilder::new(), before: 0 })
    }

    /// Takes the next record, in the order of the inputs and of each input's selected indices.
    pub(crate) fn take(
        &mut self,
        collection: B256,
        index: u32,
        record: RecordRef<'_>,
    ) -> Result<(), WorkerError> {
        let split = self.rule.split(index);
        self.examples.push(split, self.before + u64::from(index), record)?;
        self.tree.push(inputs_leaf(collection, index, split));
        Ok(())
    }

    /// An input is through; its collection has so many records.
    pub(crate) fn end_of_input(&mut self, records: u32) {
        self.before += u64::from(records);
    }

    /// What the trainer read, and the root over which records they were.
    pub(crate) fn into_parts(self) -> (Examples, Root) {
        let root = self.tree.root();
        (self.examples, root)
    }
}
