//! Puts each selected record into training, validation or test, by the request's split seed alone.
//! It does not balance classes, and does not look at what else is selected.

use crate::ProtocolError;
use crate::digest::{Domain, sha256};
use crate::error::in_range;
use alloy::primitives::B256;
use serde::{Deserialize, Serialize};

/// The whole, in basis points.
const WHOLE: u16 = 10_000;

/// What a record is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[repr(u8)]
pub enum Split {
    /// The model learns from it.
    Train = 0,
    /// Measured while training.
    Validation = 1,
    /// Measured once, at the end.
    Test = 2,
}

impl Split {
    /// Its byte in the inputs root.
    pub const fn code(self) -> u8 {
        self as u8
    }
}

/// How records are split.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SplitRule {
    seed: B256,
    validation_bps: u16,
    test_bps: u16,
}

impl SplitRule {
    /// `seed`, `validation_bps` and `test_bps` of the request; the rest of 10,000 is for training.
    ///
    /// # Errors
    /// Parts that leave nothing for training.
    pub fn new(seed: B256, validation_bps: u16, test_bps: u16) -> Result<Self, ProtocolError> {
        let sum = u64::from(validation_bps) + u64::from(test_bps);
        in_range("basis points for validation and test", sum, 0, u64::from(WHOLE) - 1)?;
        Ok(Self { seed, validation_bps, test_bps })
    }

    /// Split of record `index` of its collection.
    ///
    /// `h` is the first 8 bytes, big-endian, of `SHA-256(tag(16) ‖ seed(32) ‖ index(4, big-endian))`, and
    /// `bucket = ⌊h × 10,000 / 2^64⌋`: below `test_bps` it is for test, then for validation, then for training.
    /// Each bucket is as likely as the others to within 2^-63. The index is the collection's, so that a
    /// record keeps its split in every later version.
    pub fn split(&self, index: u32) -> Split {
        let draw = sha256(&[Domain::Split.tag(), self.seed.as_slice(), &index.to_be_bytes()]).0;
        let h = u64::from_be_bytes(std::array::from_fn(|i| draw[i]));
        let bucket = ((u128::from(h) * u128::from(WHOLE)) >> 64) as u16;
        if bucket < self.test_bps {
            Split::Test
        } else if bucket < self.test_bps + self.validation_bps {
            Split::Validation
        } else {
            Split::Train
        }
    }
}
