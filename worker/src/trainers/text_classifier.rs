//! The built-in text classifier: hashed word n-grams, then a linear layer or one hidden layer.
//! It knows no language, and keeps no word: only columns that words were hashed to.
//!
//! [`train`] turns texts in their splits into an artifact and a series of metric events; [`TextClassifier::load`] reads
//! the artifact back and predicts.

mod artifact;
mod hyperparameters;
mod network;
mod training;

pub use artifact::{ArtifactHeader, MAX_ARTIFACT_BYTES, TextClassifier};
pub use hyperparameters::Hyperparameters;
pub use training::train;

/// Name by which a method refers to this trainer.
pub const NAME: &str = "text-classifier";
/// See [`BuiltIn::version`](super::BuiltIn::version).
pub const VERSION: &str = "1.0.0";
/// JSON Schema of [`Hyperparameters`].
pub const SCHEMA: &str = include_str!("text_classifier.schema.json");
/// Most trainable numbers a network may have: 64 MiB of weights.
pub const MAX_PARAMETERS: u64 = 16 * 1024 * 1024;

#[cfg(test)]
mod tests;
