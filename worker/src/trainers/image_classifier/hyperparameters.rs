//! Hyperparameters of the image classifier, their defaults and what a run with them costs.
//! Ranges are not here: the JSON Schema beside this folder is their only home.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::trainers::{BuiltIn, TrainerError};

/// Hyperparameters with every default filled in; the fields are described in the schema.
///
/// Read them with [`Hyperparameters::from_json`], which checks the ranges; plain deserialization
/// does not.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Hyperparameters {
    pub epochs: u32,
    pub batch_size: u32,
    pub learning_rate: f64,
    pub learning_rate_schedule: LearningRateSchedule,
    pub weight_decay: f64,
    pub channels: Vec<u32>,
    pub hidden: u32,
    pub shift: u32,
    pub label_smoothing: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub classes: Option<u32>,
    pub loss_every: u32,
}

/// How the step size moves over a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum LearningRateSchedule {
    /// Half a cosine from the peak towards 0.
    Cosine,
    /// The same at every step.
    Constant,
}

impl Default for Hyperparameters {
    fn default() -> Self {
        Self {
            epochs: 12,
            batch_size: 32,
            learning_rate: 0.002,
            learning_rate_schedule: LearningRateSchedule::Cosine,
            weight_decay: 0.01,
            channels: vec![32, 64],
            hidden: 128,
            shift: 0,
            label_smoothing: 0.0,
            classes: None,
            loss_every: 1,
        }
    }
}

impl Hyperparameters {
    /// Checks a JSON object against the schema and fills in the defaults.
    ///
    /// An error names the offending place as a JSON pointer.
    pub fn from_json(value: &Value) -> Result<Self, TrainerError> {
        BuiltIn::ImageClassifier.check_hyperparameters(value)?;
        // What is left to fail: an integer written as 12.0 passes the schema, as JSON Schema wants.
        serde_json::from_value(value.clone())
            .map_err(|error| TrainerError::Hyperparameters { at: String::new(), reason: error.to_string() })
    }

    /// Units of a whole run: training records × epochs.
    pub fn estimate_units(&self, train_records: u64) -> Result<u64, TrainerError> {
        train_records.checked_mul(u64::from(self.epochs)).ok_or(TrainerError::UnitsOverflow)
    }

    /// Optimizer steps of a whole run.
    pub fn estimate_steps(&self, train_records: u64) -> Result<u64, TrainerError> {
        let per_epoch = train_records.div_ceil(u64::from(self.batch_size.max(1)));
        per_epoch.checked_mul(u64::from(self.epochs)).ok_or(TrainerError::UnitsOverflow)
    }

    /// Step size at `step` (from 0) of `steps`.
    pub(super) fn learning_rate_at(&self, step: u64, steps: u64) -> f64 {
        match self.learning_rate_schedule {
            LearningRateSchedule::Constant => self.learning_rate,
            LearningRateSchedule::Cosine => {
                let progress = step as f64 / steps.max(1) as f64;
                self.learning_rate * 0.5 * (1.0 + (std::f64::consts::PI * progress).cos())
            }
        }
    }
}
