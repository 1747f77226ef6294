//! The trainers built into the worker: their names, schemas, digests and what a run reports.
//! They know nothing of requests, signatures, files or the network.
//!
//! A trainer is a pure function of (records, hyperparameters, seed): on one build and one kind of
//! CPU the same inputs give the same metric series and the same artifact, bit for bit, whatever the
//! number of threads. All randomness comes from [`random::TrainerRng`]; burn's own, which is global
//! to the process, is never touched. Training runs on the calling thread and blocks it.

use std::sync::OnceLock;

use alloy::primitives::B256;
use serde_json::Value;

use crate::dataset::{DatasetError, ImageSet, ImageShape};

pub mod image_classifier;
pub mod random;

/// What computes: stands in a trainer's digest, as another release may round differently.
const BACKEND: &str = "burn-flex 0.22.1";

/// One measurement of a run.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MetricEvent {
    /// Optimizer steps finished so far, from 1.
    pub step: u64,
    /// What was measured, one of [`metric`].
    pub key: &'static str,
    /// Its value: losses in nats a record, accuracies 0 to 1. May be NaN or infinite just before
    /// [`TrainerError::Diverged`].
    pub value: f64,
    /// Units (records seen in training) used so far.
    pub units: u64,
}

/// Keys of [`MetricEvent`].
pub mod metric {
    /// Mean loss of one batch, every `lossEvery` steps.
    pub const TRAIN_LOSS: &str = "train/loss";
    /// Share of this epoch's training records that were predicted rightly as they were seen.
    pub const TRAIN_ACCURACY: &str = "train/accuracy";
    /// Mean loss over the validation split, each epoch.
    pub const VALIDATION_LOSS: &str = "validation/loss";
    /// Share of the validation split predicted rightly, each epoch.
    pub const VALIDATION_ACCURACY: &str = "validation/accuracy";
    /// Mean loss over the test split, once at the end.
    pub const TEST_LOSS: &str = "test/loss";
    /// Share of the test split predicted rightly, once at the end.
    pub const TEST_ACCURACY: &str = "test/accuracy";
}

/// Labelled images in the caller's split. Validation and test may be empty: then nothing is
/// reported for them.
#[derive(Debug, Clone, Default)]
pub struct Splits {
    pub train: ImageSet,
    pub validation: ImageSet,
    pub test: ImageSet,
}

/// Why a run did not end in an artifact. Nothing here is cured by trying again with the same
/// inputs; a cancelled run is the caller's own wish.
#[derive(Debug, thiserror::Error)]
pub enum TrainerError {
    #[error("no built-in trainer is called {0:?}")]
    Unknown(String),
    #[error("hyperparameters: at {at:?}: {reason}")]
    Hyperparameters { at: String, reason: String },
    #[error("there is no record to train on")]
    NoTrainingRecords,
    #[error(transparent)]
    Dataset(#[from] DatasetError),
    #[error("the {split} split holds images of {actual}, expected {expected} (channels×height×width)")]
    SplitShape { split: &'static str, expected: ImageShape, actual: ImageShape },
    #[error("the network would have {parameters} parameters, at most {max} are trained")]
    NetworkTooLarge { parameters: u64, max: u64 },
    #[error("the units of this run do not fit 64 bits")]
    UnitsOverflow,
    #[error("the loss is no longer a number at step {step}, after {units} units")]
    Diverged { step: u64, units: u64 },
    #[error("cancelled at step {step}, after {units} units")]
    Cancelled { step: u64, units: u64 },
    #[error("artifact: {0}")]
    Artifact(String),
    #[error("compute backend: {0}")]
    Backend(String),
}

impl TrainerError {
    /// Whether the same job may succeed when tried again: only when the machine failed, not the input.
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::Backend(_))
    }
}

/// A trainer that this worker carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BuiltIn {
    /// Small convolutional network over PNG images, see [`image_classifier`].
    ImageClassifier,
}

impl BuiltIn {
    /// All of them.
    pub const ALL: [Self; 1] = [Self::ImageClassifier];

    /// Finds a trainer by its name.
    pub fn find(name: &str) -> Result<Self, TrainerError> {
        Self::ALL
            .into_iter()
            .find(|trainer| trainer.name() == name)
            .ok_or_else(|| TrainerError::Unknown(name.to_owned()))
    }

    /// Name by which a method of a base refers to it.
    pub fn name(self) -> &'static str {
        match self {
            Self::ImageClassifier => image_classifier::NAME,
        }
    }

    /// Semantic version: the major part changes when a run with old hyperparameters gives other
    /// metrics or when old artifacts are no longer read.
    pub fn version(self) -> &'static str {
        match self {
            Self::ImageClassifier => image_classifier::VERSION,
        }
    }

    /// JSON Schema (draft 2020-12) of its hyperparameters, the exact bytes whose SHA-256 is
    /// [`Self::schema_digest`].
    pub fn schema(self) -> &'static str {
        match self {
            Self::ImageClassifier => image_classifier::SCHEMA,
        }
    }

    /// SHA-256 of [`Self::schema`]: also the digest in the CID under which the schema is stored.
    pub fn schema_digest(self) -> B256 {
        sha256(&[self.schema().as_bytes()])
    }

    /// Digest that names the trainer's code, see [`trainer_digest`].
    pub fn digest(self) -> B256 {
        trainer_digest(self.name(), self.version(), self.schema_digest())
    }

    /// Units a whole run uses: the most that a request needs to pay for. Cancelling uses fewer.
    pub fn estimate_units(self, train_records: u64, hyperparameters: &Value) -> Result<u64, TrainerError> {
        match self {
            Self::ImageClassifier => {
                image_classifier::Hyperparameters::from_json(hyperparameters)?.estimate_units(train_records)
            }
        }
    }

    fn schema_value(self) -> &'static Value {
        static IMAGE_CLASSIFIER: OnceLock<Value> = OnceLock::new();
        match self {
            // The file is compiled in and a test parses it: it cannot fail where that test passed.
            Self::ImageClassifier => IMAGE_CLASSIFIER
                .get_or_init(|| serde_json::from_str(self.schema()).unwrap_or(Value::Bool(false))),
        }
    }

    /// Holds hyperparameters against the schema; an error names the place as a JSON pointer.
    pub fn check_hyperparameters(self, hyperparameters: &Value) -> Result<(), TrainerError> {
        let refuse = |at: String, reason: String| TrainerError::Hyperparameters { at, reason };
        let validator = jsonschema::draft202012::new(self.schema_value())
            .map_err(|error| refuse(String::new(), format!("the schema itself: {error}")))?;
        validator
            .validate(hyperparameters)
            .map_err(|error| refuse(error.instance_path().to_string(), error.to_string()))
    }
}

/// Digest naming a trainer: SHA-256 over
/// `"offsetdata trainer v1\n" name "\n" version "\n" backend "\n" schema digest (32 bytes)`.
///
/// It names the code by version, it does not hash the compiled bytes: a publisher that grants TRAIN
/// to (worker key, trainer digest) trusts that worker to run what the version says, which
/// re-execution can check. `backend` is the exact release of what computes, as another one may
/// round differently.
pub fn trainer_digest(name: &str, version: &str, schema_digest: B256) -> B256 {
    let text = format!("offsetdata trainer v1\n{name}\n{version}\n{BACKEND}\n");
    sha256(&[text.as_bytes(), schema_digest.as_slice()])
}

pub(crate) fn sha256(parts: &[&[u8]]) -> B256 {
    let mut context = aws_lc_rs::digest::Context::new(&aws_lc_rs::digest::SHA256);
    parts.iter().for_each(|part| context.update(part));
    B256::from_slice(context.finish().as_ref())
}

#[cfg(test)]
mod tests;
