//! The built-in image classifier: a small convolutional network over grey or RGB images up to 64×64.
//! It does not fetch records, choose splits, or remember anything between runs.
//!
//! [`train`] turns [`Splits`](super::Splits) into an artifact and a series of metric events;
//! [`ImageClassifier::load`] reads the artifact back and predicts.

mod artifact;
mod hyperparameters;
mod network;
mod training;

pub use artifact::{ArtifactHeader, ImageClassifier, MAX_ARTIFACT_BYTES, Normalisation};
pub use hyperparameters::Hyperparameters;
pub use training::train;

/// Name by which a method refers to this trainer.
pub const NAME: &str = "image-classifier";
/// See [`BuiltIn::version`](super::BuiltIn::version).
pub const VERSION: &str = "1.0.0";
/// JSON Schema of [`Hyperparameters`].
pub const SCHEMA: &str = include_str!("image_classifier.schema.json");
/// Most trainable numbers a network may have: 64 MiB of weights.
pub const MAX_PARAMETERS: u64 = 16 * 1024 * 1024;

#[cfg(test)]
mod tests;
