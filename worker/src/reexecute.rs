//! Runs a request's training again, from its terms and its records alone, for whoever audits it. No relayer, no worker's
//! key and no signature has a part in it.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use alloy::primitives::B256;
use offsetdata_content::Blocks;
use offsetdata_protocol::bindings::training::{DataInput, RequestDetails};
use offsetdata_protocol::ids::inputs_hash;
use offsetdata_protocol::metrics::SeriesBuilder;
use offsetdata_protocol::record::RecordRef;
use offsetdata_protocol::{CollectionKey, Digest, Root};
use offsetdata_sdk::Chain;

use crate::WorkerError;
use crate::inputs::{self, Given, Source};
use crate::series::point;
use crate::trainers::{BuiltIn, Examples, MetricEvent, TrainerError};

/// What a training gives: equal to what its worker signed, if that told the truth and the machine rounds alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reexecuted {
    /// Root over the metric points.
    pub series_root: Root,
    /// Number of points.
    pub points: u64,
    /// Root over the records that were given.
    pub inputs_root: Root,
    /// SHA-256 of the artifact in the clear.
    pub artifact_digest: Digest,
    /// Units used.
    pub units: u64,
}

/// A training that is run again: give it the records, then run it.
#[derive(Debug)]
pub struct Reexecution {
    given: Given,
    seed: [u8; 32],
}

impl Reexecution {
    /// Begins, where the texts are those that the terms name.
    ///
    /// # Errors
    /// Hyperparameters or inputs of other terms; a trainer that is not built in.
    pub fn new(
        details: &RequestDetails,
        inputs: &[DataInput],
        hyperparameters: &str,
    ) -> Result<Self, WorkerError> {
        let same = |what: &str, expected: B256, actual: B256| match expected == actual {
            true => Ok(()),
            false => Err(WorkerError::Offer(format!("{what}: expected {expected}, found {actual}"))),
        };
        same("hash of the inputs", details.inputsHash, inputs_hash(inputs))?;
        let digest = Digest::of(hyperparameters.as_bytes()).0.into();
        same("digest of the hyperparameters", details.hyperparametersDigest, digest)?;
        let trainer = BuiltIn::of_digest(details.trainerDigest).ok_or_else(|| {
            WorkerError::Unsupported(format!("no trainer here has the digest {}", details.trainerDigest))
        })?;
        let hyperparameters = serde_json::from_str(hyperparameters)
            .map_err(|error| WorkerError::Offer(format!("hyperparameters are not JSON: {error}")))?;
        let given = Given::new(details, Examples::new(trainer, &hyperparameters)?)?;
        Ok(Self { given, seed: details.seed.0 })
    }

    /// Gives the next record: in the order of the inputs, and of each input's selected indices, rising. Whether it is
    /// the collection's is the caller's to verify.
    ///
    /// # Errors
    /// A record that the trainer does not read.
    pub fn give(&mut self, input: &DataInput, index: u32, record: RecordRef<'_>) -> Result<(), WorkerError> {
        self.given.take(input.collection, index, record)
    }

    /// Runs the training. Blocks the calling thread; `stop` is read before every batch.
    ///
    /// # Errors
    /// What the trainer refuses; [`TrainerError::Cancelled`] after `stop`.
    pub fn run(self, stop: &AtomicBool) -> Result<Reexecuted, WorkerError> {
        let (examples, inputs_root) = self.given.into_parts();
        let (mut series, mut failed) = (SeriesBuilder::new(), None);
        let trained = examples.train(self.seed, None, stop, &mut |event: MetricEvent| {
            let pushed = point(series.len(), &event).and_then(|point| Ok(series.push(&point)?));
            failed = failed.take().or(pushed.err());
        })?;
        if let Some(error) = failed {
            return Err(error);
        }
        Ok(Reexecuted {
            series_root: series.root(),
            points: series.len(),
            inputs_root,
            artifact_digest: Digest::of(&trained.artifact),
            units: trained.units,
        })
    }
}

/// Runs a training again over collections that anyone may read, and private ones whose `keys` are given: fetches and verifies the records, then trains in a
/// thread of its own.
///
/// # Errors
/// As [`Reexecution::new`] and [`Reexecution::run`]; a chain that cannot be asked, records that are not there or cannot
/// be opened.
pub async fn reexecute(
    chain: &Chain,
    blocks: &Blocks,
    details: &RequestDetails,
    inputs: &[DataInput],
    hyperparameters: &str,
    keys: &[CollectionKey],
) -> Result<Reexecuted, WorkerError> {
    let mut again = Reexecution::new(details, inputs, hyperparameters)?;
    inputs::read(&Source { chain, blocks, access: None, keys }, inputs, &mut again.given).await?;
    // Whoever gives up waiting ends the training, too.
    let stop = Arc::new(AtomicBool::new(false));
    let guard = StopOnDrop(stop.clone());
    let running = tokio::task::spawn_blocking(move || again.run(&stop));
    let result = running.await.map_err(|error| TrainerError::Backend(error.to_string()))?;
    drop(guard);
    result
}

struct StopOnDrop(Arc<AtomicBool>);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.store(true, std::sync::atomic::Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use offsetdata_protocol::record::{Record, Value as Field};

    use super::*;

    fn record(number: u32, changed: bool) -> Record {
        let text = format!("w{} w{}{}", number % 2, number % 7, if changed { " x" } else { "" });
        let fields = [("text", Field::from(text)), ("label", Field::from(number % 2))];
        Record::from_fields(fields).unwrap()
    }

    fn terms(hyperparameters: &str) -> (RequestDetails, Vec<DataInput>) {
        let inputs = Vec::from([DataInput {
            collection: B256::repeat_byte(5),
            selection: 0,
            selectionRoot: B256::ZERO,
            first: 0,
            count: 0,
            recordCap: 40,
            pricePerRecord: 0,
            payee: alloy::primitives::Address::ZERO,
        }]);
        let details = RequestDetails {
            inputsHash: inputs_hash(&inputs),
            hyperparametersDigest: Digest::of(hyperparameters.as_bytes()).0.into(),
            trainerDigest: BuiltIn::TextClassifier.digest(),
            seed: B256::repeat_byte(3),
            splitSeed: B256::repeat_byte(4),
            validationBps: 1000,
            testBps: 2000,
            model: B256::ZERO,
            method: B256::ZERO,
            parent: B256::ZERO,
            salt: B256::ZERO,
        };
        (details, inputs)
    }

    fn rerun(changed: Option<u32>) -> Reexecuted {
        let hyperparameters = "{\"epochs\":2,\"hashBits\":8,\"lossEvery\":1}";
        let (details, inputs) = terms(hyperparameters);
        let mut again = Reexecution::new(&details, &inputs, hyperparameters).unwrap();
        for index in 0..40 {
            again.give(&inputs[0], index, record(index, changed == Some(index)).view()).unwrap();
        }
        again.run(&AtomicBool::new(false)).unwrap()
    }

    #[test]
    fn a_run_comes_out_the_same_and_one_changed_record_is_seen() {
        let first = rerun(None);
        assert_eq!(rerun(None), first);
        assert!(first.points > 6 && first.units > 40);
        let other = rerun(Some(7));
        assert_eq!((other.inputs_root, other.points), (first.inputs_root, first.points));
        assert_ne!(other.series_root, first.series_root);
        assert_ne!(other.artifact_digest, first.artifact_digest);
    }

    #[test]
    fn texts_of_other_terms_are_refused() {
        let (details, inputs) = terms("{}");
        assert!(Reexecution::new(&details, &inputs, "{}").is_ok());
        assert!(matches!(Reexecution::new(&details, &inputs, "{ }"), Err(WorkerError::Offer(_))));
        assert!(matches!(Reexecution::new(&details, &[], "{}"), Err(WorkerError::Offer(_))));
        let other = RequestDetails { trainerDigest: B256::ZERO, ..details };
        assert!(matches!(Reexecution::new(&other, &inputs, "{}"), Err(WorkerError::Unsupported(_))));
    }
}
