//! Reads a job's records, every one verified against the root on chain, and puts each into its part of the split. It
//! keeps no copy on disk.

use futures::StreamExt;
use offsetdata_content::{Blocks, Collection};
use offsetdata_protocol::Root;
use offsetdata_protocol::ids::CollectionId;
use offsetdata_protocol::merkle::RootBuilder;
use offsetdata_protocol::record::RecordRef;
use offsetdata_protocol::selection::{Selection, Split, SplitRule, inputs_leaf};
use offsetdata_sdk::{Chain, collections};

use crate::WorkerError;
use crate::dataset::ImageSet;
use crate::offer::Job;
use crate::trainers::Splits;

/// Fields of a record that the image classifier reads.
const IMAGE: &str = "image";
const LABEL: &str = "label";

/// A job's records, decoded, with the root that says which they were.
#[derive(Debug)]
pub(crate) struct Inputs {
    pub(crate) splits: Splits,
    pub(crate) root: Root,
}

/// Reads all inputs of a job.
pub(crate) async fn read(job: &Job, chain: &Chain, blocks: &Blocks) -> Result<Inputs, WorkerError> {
    let rule = SplitRule::new(job.details.splitSeed, job.details.validationBps, job.details.testBps)?;
    let mut splits = Splits::default();
    let mut tree = RootBuilder::new();
    // Record numbers in errors run over all inputs, as a person would count them.
    let mut before = 0u64;
    for (position, input) in job.inputs.iter().enumerate() {
        let selection = match input.selection {
            0 => Selection::All,
            1 => Selection::Range { first: input.first, count: input.count },
            other => {
                return Err(WorkerError::Unsupported(format!("input {position} has selection kind {other}")));
            }
        };
        let facts = collections::facts(chain, CollectionId(input.collection)).await?;
        let collection = Collection::open(blocks.clone(), facts.on_chain).await?;
        let wanted = selection.indices(facts.on_chain.record_count, input.recordCap, None)?;
        let mut wanted = wanted.into_iter().peekable();
        let mut chunks = std::pin::pin!(collection.stream());
        while wanted.peek().is_some() {
            let Some(chunk) = chunks.next().await else { break };
            for (index, record) in chunk?.records() {
                if wanted.next_if_eq(&index).is_none() {
                    continue;
                }
                let split = rule.split(index);
                tree.push(inputs_leaf(input.collection, index, split));
                let set = match split {
                    Split::Train => &mut splits.train,
                    Split::Validation => &mut splits.validation,
                    Split::Test => &mut splits.test,
                };
                push(set, before + u64::from(index), record)?;
            }
        }
        before += u64::from(facts.on_chain.record_count.get());
    }
    Ok(Inputs { splits, root: tree.root() })
}

fn push(set: &mut ImageSet, number: u64, record: RecordRef<'_>) -> Result<(), WorkerError> {
    let lacks = |field: &str, kind: &str| {
        WorkerError::Unsupported(format!("record {number} has no {kind} field {field:?}"))
    };
    let image =
        record.field(IMAGE).and_then(|value| value.as_bytes()).ok_or_else(|| lacks(IMAGE, "bytes"))?;
    let label =
        record.field(LABEL).and_then(|value| value.as_integer()).ok_or_else(|| lacks(LABEL, "integer"))?;
    let label = u64::try_from(label).map_err(|_| lacks(LABEL, "non-negative integer"))?;
    set.push(number, image, label)?;
    Ok(())
}
