//! Metric points: integers with a scale, their leaves, the block of a commitment and the root of a series.
//! It signs nothing: commitments are EIP-712 messages (`messages`).

mod block;
mod value;

pub use block::{MAX_BLOCK_POINTS, PointsBlock};
pub use value::{MetricValue, SCALE};

use crate::ProtocolError;
use crate::digest::{Domain, LeafHash, Root};
use crate::error::{equal, in_range};
use crate::leaf::tagged_leaf;
use crate::merkle::RootBuilder;
use serde::{Deserialize, Serialize};

/// Greatest length of a metric's key, in bytes.
pub const MAX_KEY_BYTES: usize = 64;

/// Name of a metric, such as `train/loss`: 1 … 64 of the characters `a-z A-Z 0-9 _ - . /`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct MetricKey(String);

impl MetricKey {
    /// Takes a name.
    ///
    /// # Errors
    /// Another length or another character.
    pub fn new(key: impl Into<String>) -> Result<Self, ProtocolError> {
        let key = key.into();
        in_range("metric key length", key.len() as u64, 1, MAX_KEY_BYTES as u64)?;
        match key.bytes().find(|b| !(b.is_ascii_alphanumeric() || b"_-./".contains(b))) {
            None => Ok(Self(key)),
            Some(byte) => Err(ProtocolError::Invalid {
                what: "metric key",
                reason: format!("byte {byte:#04x} is not one of a-z A-Z 0-9 _ - . /"),
            }),
        }
    }
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for MetricKey {
    type Error = ProtocolError;
    fn try_from(key: String) -> Result<Self, ProtocolError> {
        Self::new(key)
    }
}
impl From<MetricKey> for String {
    fn from(key: MetricKey) -> Self {
        key.0
    }
}
impl std::fmt::Display for MetricKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// One measurement.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MetricPoint {
    /// Place in the series, from 0, without gaps.
    pub sequence: u32,
    /// Step of the training that it belongs to.
    pub step: u64,
    /// What was measured.
    pub key: MetricKey,
    /// The measured value.
    pub value: MetricValue,
}

impl MetricPoint {
    /// Hash of its leaf in the series:
    /// `SHA-256(0x00 ‖ tag(16) ‖ sequence(4) ‖ step(8) ‖ value(8) ‖ key)`, numbers big-endian, the value in
    /// two's complement.
    pub fn leaf_hash(&self) -> LeafHash {
        tagged_leaf(
            Domain::Point,
            &[
                &self.sequence.to_be_bytes(),
                &self.step.to_be_bytes(),
                &self.value.code().to_be_bytes(),
                self.key.0.as_bytes(),
            ],
        )
    }
}

/// Root of a series while it grows. Serializes, so that it can be kept with a checkpoint and taken up again.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SeriesBuilder(RootBuilder);

impl SeriesBuilder {
    /// A series without points.
    pub fn new() -> Self {
        Self::default()
    }

    /// Appends a point.
    ///
    /// # Errors
    /// A point whose sequence is not the next.
    pub fn push(&mut self, point: &MetricPoint) -> Result<(), ProtocolError> {
        equal("sequence of a metric point", self.0.len(), point.sequence.into())?;
        self.0.push(point.leaf_hash());
        Ok(())
    }

    /// Number of points.
    pub fn len(&self) -> u64 {
        self.0.len()
    }
    /// Whether there is no point.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
    /// Root of the points so far.
    pub fn root(&self) -> Root {
        self.0.root()
    }
}

/// Root of a whole series.
///
/// # Errors
/// Points whose sequences are not 0, 1, 2, …
pub fn series_root<'a>(points: impl IntoIterator<Item = &'a MetricPoint>) -> Result<Root, ProtocolError> {
    let mut builder = SeriesBuilder::new();
    for point in points {
        builder.push(point)?;
    }
    Ok(builder.root())
}

#[cfg(test)]
mod tests;
