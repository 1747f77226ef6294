//! The points between two commitments as one DAG-CBOR block, whose digest the commitment carries.
//! It does not know the commitment before: the sequence says which points come next.

use super::{MetricKey, MetricPoint, MetricValue};
use crate::ProtocolError;
use crate::digest::Digest;
use crate::error::{equal, in_range};

/// Greatest number of points in a block.
pub const MAX_BLOCK_POINTS: usize = 8192;
/// Greatest length of the block: each point at its longest, in bytes.
const MAX_BYTES: usize = 3 + MAX_BLOCK_POINTS * (1 + 5 + 9 + 2 + super::MAX_KEY_BYTES + 9);

/// Points with consecutive sequences. May be empty: a commitment can report progress without a measurement.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PointsBlock(Vec<MetricPoint>);

impl PointsBlock {
    /// Takes points.
    ///
    /// # Errors
    /// Too many, or sequences that do not rise by one.
    pub fn new(points: Vec<MetricPoint>) -> Result<Self, ProtocolError> {
        in_range("points in a block", points.len() as u64, 0, MAX_BLOCK_POINTS as u64)?;
        for pair in points.windows(2) {
            equal("sequence of a metric point", u64::from(pair[0].sequence) + 1, pair[1].sequence.into())?;
        }
        Ok(Self(points))
    }

    /// The points.
    pub fn points(&self) -> &[MetricPoint] {
        &self.0
    }
    /// The points, given away.
    pub fn into_points(self) -> Vec<MetricPoint> {
        self.0
    }

    /// The block: a DAG-CBOR list of `[sequence, step, key, value code]`.
    ///
    /// # Errors
    /// None that points could cause; a failing encoder.
    pub fn encode(&self) -> Result<Vec<u8>, ProtocolError> {
        let rows: Vec<(u32, u64, &str, i64)> =
            self.0.iter().map(|p| (p.sequence, p.step, p.key.as_str(), p.value.code())).collect();
        serde_ipld_dagcbor::to_vec(&rows).map_err(|e| invalid(e.to_string()))
    }

    /// Reads a block strictly.
    ///
    /// # Errors
    /// Another form than the canonical one, too many points, a key that is none, sequences with gaps.
    pub fn decode(block: &[u8]) -> Result<Self, ProtocolError> {
        in_range("points block", block.len() as u64, 1, MAX_BYTES as u64)?;
        let rows: Vec<(u32, u64, String, i64)> =
            serde_ipld_dagcbor::from_slice(block).map_err(|e| invalid(e.to_string()))?;
        let points = rows.into_iter().map(|(sequence, step, key, value)| {
            Ok(MetricPoint {
                sequence,
                step,
                key: MetricKey::new(key)?,
                value: MetricValue::from_code(value),
            })
        });
        let points = Self::new(points.collect::<Result<_, ProtocolError>>()?)?;
        if points.encode()? == block { Ok(points) } else { Err(invalid("not in its canonical form".into())) }
    }

    /// SHA-256 digest of a block: `pointsDigest` of a commitment.
    pub fn digest(block: &[u8]) -> Digest {
        Digest::of(block)
    }
}

fn invalid(reason: String) -> ProtocolError {
    ProtocolError::Invalid { what: "points block", reason }
}
