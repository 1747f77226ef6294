//! The trainers built into the worker: their names, schemas, digests and what a run reports.
//! They know nothing of requests, signatures, files or the network.
//!
//! A trainer is a pure function of (records, hyperparameters, seed): on one build and one kind of
//! CPU the same inputs give the same metric series and the same artifact, bit for bit, whatever the
//! number of threads, and however often it stopped and went on from a state. All randomness comes from [`random::TrainerRng`]; burn's own, which is global
//! to the process, is never touched. Training runs on the calling thread and blocks it.

use std::sync::OnceLock;

use alloy::primitives::B256;
use serde_json::Value;

use offsetdata_protocol::selection::Split;

use crate::dataset::{DatasetError, ImageSet, ImageShape};

mod classifier;
pub(crate) mod container;
mod examples;
pub mod image_classifier;
pub mod random;
mod state;
pub mod text_classifier;
mod weights;

pub use classifier::{FinalValues, LearningRateSchedule, Prediction, Trained};
pub use examples::{Examples, Model};

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

/// The state of a run between two steps: what it needs to go on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrainerState {
    /// Optimizer steps before it.
    pub step: u64,
    /// Units used before it.
    pub units: u64,
    /// What [`Examples::train`] goes on from.
    pub bytes: Vec<u8>,
}

/// Whoever looks on while a trainer runs, on the thread that trains.
pub trait Watcher {
    /// A measurement, in the run's order.
    fn metric(&mut self, event: MetricEvent);

    /// Whether a state is wanted now; asked after each step, as making one takes time.
    fn wants_state(&mut self) -> bool {
        false
    }

    /// The state that was wanted: behind all measurements so far.
    fn state(&mut self, _state: TrainerState) {}

    /// Training is over, the held-out records are measured.
    fn evaluating(&mut self) {}
}

impl<F: FnMut(MetricEvent)> Watcher for F {
    fn metric(&mut self, event: MetricEvent) {
        self(event);
    }
}

/// Labelled examples in the caller's split. Validation and test may be empty: then nothing is
/// reported for them.
#[derive(Debug, Clone, Default)]
pub struct Splits<S = ImageSet> {
    pub train: S,
    pub validation: S,
    pub test: S,
}

impl<S> Splits<S> {
    /// One of the three.
    pub fn of(&self, split: Split) -> &S {
        match split {
            Split::Train => &self.train,
            Split::Validation => &self.validation,
            Split::Test => &self.test,
        }
    }

    /// One of the three, to change it.
    pub fn of_mut(&mut self, split: Split) -> &mut S {
        match split {
            Split::Train => &mut self.train,
            Split::Validation => &mut self.validation,
            Split::Test => &mut self.test,
        }
    }
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
    #[error("state to go on from: {0}")]
    State(String),
    #[error("compute backend: {0}")]
    Backend(String),
}

impl TrainerError {
    /// Whether the same job may succeed when tried again: only when the machine failed, not the input.
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::Backend(_))
    }
}

/// What a run takes at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Estimate {
    /// Units: what a request's limit has to allow.
    pub units: u64,
    /// Their price, in the token's smallest unit.
    pub cost: u128,
}

/// A trainer that this worker carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BuiltIn {
    /// Small convolutional network over PNG images, see [`image_classifier`].
    ImageClassifier,
    /// Hashed n-grams of words, see [`text_classifier`].
    TextClassifier,
}

impl BuiltIn {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::ImageClassifier, Self::TextClassifier];

    /// The trainer with this digest.
    pub fn of_digest(digest: B256) -> Option<Self> {
        Self::ALL.into_iter().find(|trainer| trainer.digest() == digest)
    }

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
            Self::TextClassifier => text_classifier::NAME,
        }
    }

    /// Semantic version: the major part changes when a run with old hyperparameters gives other
    /// metrics or when old artifacts are no longer read.
    pub fn version(self) -> &'static str {
        match self {
            Self::ImageClassifier => image_classifier::VERSION,
            Self::TextClassifier => text_classifier::VERSION,
        }
    }

    /// JSON Schema (draft 2020-12) of its hyperparameters, the exact bytes whose SHA-256 is
    /// [`Self::schema_digest`].
    pub fn schema(self) -> &'static str {
        match self {
            Self::ImageClassifier => image_classifier::SCHEMA,
            Self::TextClassifier => text_classifier::SCHEMA,
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
            Self::TextClassifier => {
                text_classifier::Hyperparameters::from_json(hyperparameters)?.estimate_units(train_records)
            }
        }
    }

    /// What a run takes at most: units, and their price. Checks the hyperparameters first.
    ///
    /// # Errors
    /// Hyperparameters that the schema refuses; a sum that does not fit.
    pub fn estimate(
        self,
        train_records: u64,
        unit_price: u128,
        hyperparameters: &Value,
    ) -> Result<Estimate, TrainerError> {
        let units = self.estimate_units(train_records, hyperparameters)?;
        let cost = unit_price.checked_mul(units.into()).ok_or(TrainerError::UnitsOverflow)?;
        Ok(Estimate { units, cost })
    }

    /// The hyperparameters with every default filled in: what a run uses.
    ///
    /// # Errors
    /// Hyperparameters that the schema refuses.
    pub fn with_defaults(self, hyperparameters: &Value) -> Result<Value, TrainerError> {
        let filled = match self {
            Self::ImageClassifier => {
                serde_json::to_value(image_classifier::Hyperparameters::from_json(hyperparameters)?)
            }
            Self::TextClassifier => {
                serde_json::to_value(text_classifier::Hyperparameters::from_json(hyperparameters)?)
            }
        };
        filled.map_err(|error| TrainerError::Hyperparameters { at: String::new(), reason: error.to_string() })
    }

    fn schema_value(self) -> &'static Value {
        static SCHEMAS: [OnceLock<Value>; 2] = [OnceLock::new(), OnceLock::new()];
        // The files are compiled in and a test parses them: this cannot fail where that test passed.
        SCHEMAS[self as usize]
            .get_or_init(|| serde_json::from_str(self.schema()).unwrap_or(Value::Bool(false)))
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
