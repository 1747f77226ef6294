//! The seam between records and trainers: each trainer reads its fields of a record, trains on what it read, and
//! predicts records of the same form. It fetches nothing and chooses no split.

use std::sync::atomic::AtomicBool;

use offsetdata_protocol::record::RecordRef;
use offsetdata_protocol::selection::Split;
use serde_json::Value;

use super::{BuiltIn, Prediction, Splits, Trained, TrainerError, Watcher, image_classifier, text_classifier};
use crate::dataset::{DatasetError, ImageSet, TextSet};

/// Field with the image, of the image classifier.
const IMAGE: &str = "image";
/// Field with the text, of the text classifier.
const TEXT: &str = "text";
/// Field that the text classifier reads where it is there.
const TITLE: &str = "title";
/// Field with the label, of both.
const LABEL: &str = "label";

/// Records as one trainer reads them, in their splits.
#[derive(Debug)]
pub enum Examples {
    /// For [`BuiltIn::ImageClassifier`].
    Images(image_classifier::Hyperparameters, Splits<ImageSet>),
    /// For [`BuiltIn::TextClassifier`].
    Texts(text_classifier::Hyperparameters, Splits<TextSet>),
}

impl Examples {
    /// No records yet. The hyperparameters may say how records are read.
    ///
    /// # Errors
    /// Hyperparameters that the schema refuses.
    pub fn new(trainer: BuiltIn, hyperparameters: &Value) -> Result<Self, TrainerError> {
        Ok(match trainer {
            BuiltIn::ImageClassifier => Self::Images(
                image_classifier::Hyperparameters::from_json(hyperparameters)?,
                Splits::default(),
            ),
            BuiltIn::TextClassifier => {
                let hyperparameters = text_classifier::Hyperparameters::from_json(hyperparameters)?;
                let set = || TextSet::new(hyperparameters.features());
                let splits = Splits { train: set(), validation: set(), test: set() };
                Self::Texts(hyperparameters, splits)
            }
        })
    }

    /// Reads a record into its split. `number` is what errors call it.
    ///
    /// # Errors
    /// A record that lacks a field or holds what the trainer does not read; what was read before stays.
    pub fn push(&mut self, split: Split, number: u64, record: RecordRef<'_>) -> Result<(), DatasetError> {
        let label = label(number, record)?;
        match self {
            Self::Images(_, splits) => splits.of_mut(split).push(number, image(number, record)?, label),
            Self::Texts(_, splits) => {
                let (title, text) = text(number, record)?;
                splits.of_mut(split).push(number, title, text, label)
            }
        }
    }

    /// Number of records in a split.
    pub fn len(&self, split: Split) -> usize {
        match self {
            Self::Images(_, splits) => splits.of(split).len(),
            Self::Texts(_, splits) => splits.of(split).len(),
        }
    }

    /// Whether there is no record at all.
    pub fn is_empty(&self) -> bool {
        [Split::Train, Split::Validation, Split::Test].into_iter().all(|split| self.len(split) == 0)
    }

    /// Units of a whole run: what a request has to pay for at most.
    ///
    /// # Errors
    /// More than 64 bits hold.
    pub fn units(&self) -> Result<u64, TrainerError> {
        let records = self.len(Split::Train) as u64;
        match self {
            Self::Images(hyperparameters, _) => hyperparameters.estimate_units(records),
            Self::Texts(hyperparameters, _) => hyperparameters.estimate_units(records),
        }
    }

    /// Runs the trainer, from the start or from a state that a run over the same records left. A pure function of
    /// records, hyperparameters and seed: a run that goes on from a state gives the same events after it, and the same
    /// artifact, bit for bit. Blocks the calling thread; `stop` is read before every batch.
    ///
    /// # Errors
    /// [`TrainerError::Cancelled`] after `stop`; records that do not fit one another; a state of another run.
    pub fn train(
        &self,
        seed: [u8; 32],
        state: Option<&[u8]>,
        stop: &AtomicBool,
        watcher: &mut dyn Watcher,
    ) -> Result<Trained, TrainerError> {
        match self {
            Self::Images(hyperparameters, splits) => {
                image_classifier::train(hyperparameters, seed, state, splits, stop, watcher)
            }
            Self::Texts(hyperparameters, splits) => {
                text_classifier::train(hyperparameters, seed, state, splits, stop, watcher)
            }
        }
    }
}

/// A trained model, read from its artifact.
#[derive(Debug)]
pub enum Model {
    /// Of [`BuiltIn::ImageClassifier`].
    Image(image_classifier::ImageClassifier),
    /// Of [`BuiltIn::TextClassifier`].
    Text(text_classifier::TextClassifier),
}

impl Model {
    /// Reads a trainer's artifact. The bytes may be hostile.
    ///
    /// # Errors
    /// An artifact of another trainer, or one that does not hold.
    pub fn load(trainer: BuiltIn, artifact: &[u8]) -> Result<Self, TrainerError> {
        Ok(match trainer {
            BuiltIn::ImageClassifier => Self::Image(image_classifier::ImageClassifier::load(artifact)?),
            BuiltIn::TextClassifier => Self::Text(text_classifier::TextClassifier::load(artifact)?),
        })
    }

    /// Predicts records, in their order. They need no label, and one that is there is not read.
    ///
    /// # Errors
    /// A record that the trainer could not read, called by its position.
    pub fn predict(&self, records: &[RecordRef<'_>]) -> Result<Vec<Prediction>, TrainerError> {
        let numbered = (0u64..).zip(records);
        match self {
            Self::Image(model) => {
                let mut set = ImageSet::new();
                for (number, record) in numbered {
                    set.push(number, image(number, *record)?, 0)?;
                }
                model.predict(&set)
            }
            Self::Text(model) => {
                let mut set = model.set();
                for (number, record) in numbered {
                    let (title, text) = text(number, *record)?;
                    set.push(number, title, text, 0)?;
                }
                model.predict(&set)
            }
        }
    }
}

fn label(record: u64, fields: RecordRef<'_>) -> Result<u64, DatasetError> {
    let kind = "non-negative integer";
    let label = fields.field(LABEL).and_then(|value| value.as_integer());
    label.and_then(|label| u64::try_from(label).ok()).ok_or(DatasetError::FieldMissing {
        record,
        field: LABEL,
        kind,
    })
}

fn image(record: u64, fields: RecordRef<'_>) -> Result<&[u8], DatasetError> {
    let image = fields.field(IMAGE).and_then(|value| value.as_bytes());
    image.ok_or(DatasetError::FieldMissing { record, field: IMAGE, kind: "bytes" })
}

fn text(record: u64, fields: RecordRef<'_>) -> Result<(Option<&str>, &str), DatasetError> {
    let missing = |field| DatasetError::FieldMissing { record, field, kind: "text" };
    let text = fields.field(TEXT).and_then(|value| value.as_text()).ok_or(missing(TEXT))?;
    let title = match fields.field(TITLE) {
        None => None,
        Some(value) => Some(value.as_text().ok_or(missing(TITLE))?),
    };
    Ok((title, text))
}

#[cfg(test)]
mod tests;
