//! The state of a run between two steps, as bytes: a run that goes on from it ends as if it had never stopped. It holds
//! no randomness: everything drawn follows from seed, purpose and epoch.
//!
//! Bytes: the frame of [`super::container`] with magic `"ODSTATE1"`; the body is the weights, then the optimizer's
//! moments, both burnpack.

use serde::{Deserialize, Serialize};

use super::classifier::FinalValues;
use super::{BuiltIn, TrainerError, container};

const MAGIC: &[u8; 8] = b"ODSTATE1";

/// Where a run stands.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct State {
    pub(super) step: u64,
    pub(super) units: u64,
    /// Sum of the losses of this epoch's records so far.
    pub(super) loss_sum: f64,
    /// How many of them were predicted rightly.
    pub(super) right: u64,
    /// Of the epoch before.
    pub(super) finals: Option<FinalValues>,
}

/// Floats are written by their bits: what is read is what was written.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Header {
    /// Digest of the trainer.
    trainer: String,
    /// Training records.
    records: u64,
    /// Steps of the whole run.
    steps: u64,
    step: u64,
    units: u64,
    loss_sum: u64,
    right: u64,
    /// Train loss, train accuracy, validation loss, validation accuracy.
    finals: Option<(u64, u64, Option<u64>, Option<u64>)>,
    /// Length of the weights; the rest are the moments.
    weights: u64,
}

impl State {
    pub(super) fn write(
        &self,
        trainer: BuiltIn,
        records: u64,
        steps: u64,
        weights: &[u8],
        moments: &[u8],
    ) -> Result<Vec<u8>, TrainerError> {
        let bits = |value: Option<f64>| value.map(f64::to_bits);
        let header = Header {
            trainer: trainer.digest().to_string(),
            records,
            steps,
            step: self.step,
            units: self.units,
            loss_sum: self.loss_sum.to_bits(),
            right: self.right,
            finals: self.finals.map(|finals| {
                (
                    finals.train_loss.to_bits(),
                    finals.train_accuracy.to_bits(),
                    bits(finals.validation_loss),
                    bits(finals.validation_accuracy),
                )
            }),
            weights: weights.len() as u64,
        };
        container::write(MAGIC, &header, &[weights, moments]).map_err(TrainerError::State)
    }

    /// The state, the weights and the moments. It must be of the same trainer over as many records and steps.
    pub(super) fn read(
        trainer: BuiltIn,
        records: u64,
        steps: u64,
        bytes: &[u8],
    ) -> Result<(Self, &[u8], &[u8]), TrainerError> {
        let refuse = |reason: String| TrainerError::State(reason);
        let (header, body): (Header, _) = container::read(MAGIC, bytes).map_err(refuse)?;
        if header.trainer != trainer.digest().to_string() {
            return Err(refuse(format!("made by trainer {}, this is {}", header.trainer, trainer.digest())));
        }
        if (header.records, header.steps) != (records, steps) {
            return Err(refuse(format!(
                "of a run over {} records in {} steps, expected {records} in {steps}",
                header.records, header.steps
            )));
        }
        if header.step == 0 || header.step > steps {
            return Err(refuse(format!("after step {} of {steps}", header.step)));
        }
        let weights = usize::try_from(header.weights).map_err(|error| refuse(error.to_string()))?;
        let (weights, moments) =
            body.split_at_checked(weights).ok_or_else(|| refuse("it is cut short".to_owned()))?;
        let finals = header.finals.map(|(train_loss, train_accuracy, loss, accuracy)| FinalValues {
            train_loss: f64::from_bits(train_loss),
            train_accuracy: f64::from_bits(train_accuracy),
            validation_loss: loss.map(f64::from_bits),
            validation_accuracy: accuracy.map(f64::from_bits),
            test_loss: None,
            test_accuracy: None,
        });
        let state = Self {
            step: header.step,
            units: header.units,
            loss_sum: f64::from_bits(header.loss_sum),
            right: header.right,
            finals,
        };
        Ok((state, weights, moments))
    }
}
