//! A selection of single records: one bit a record, and the root over it.
//! It is not compressed: a million records are 125 kB.

use crate::ProtocolError;
use crate::digest::{Domain, Root};
use crate::error::{equal, in_range};
use crate::leaf::tagged_leaf;
use crate::merkle::RecordCount;

/// Bits of a leaf of the bitmap's root.
const LEAF_BYTES: usize = 32;

/// One bit for each record; bit `i % 8` (from the least) of byte `i / 8` is record `i`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bitmap {
    records: RecordCount,
    bytes: Vec<u8>,
}

impl Bitmap {
    /// A bitmap with these bits set.
    ///
    /// # Errors
    /// An index that is no record.
    pub fn from_indices(
        records: RecordCount,
        indices: impl IntoIterator<Item = u32>,
    ) -> Result<Self, ProtocolError> {
        let mut bytes = vec![0u8; records.get().div_ceil(8) as usize];
        for index in indices {
            in_range("index of a record", index.into(), 0, u64::from(records.get()) - 1)?;
            bytes[index as usize / 8] |= 1 << (index % 8);
        }
        Ok(Self { records, bytes })
    }

    /// Reads the bytes: `ceil(records / 8)` of them, with no bit set past the last record.
    ///
    /// # Errors
    /// Another length; a bit past the last record.
    pub fn decode(records: RecordCount, bytes: Vec<u8>) -> Result<Self, ProtocolError> {
        equal("bitmap length", records.get().div_ceil(8).into(), bytes.len() as u64)?;
        let spare = match (bytes.last(), records.get() % 8) {
            (Some(last), used @ 1..) => last >> used,
            _ => 0,
        };
        equal("bits past the last record", 0, spare.into())?;
        Ok(Self { records, bytes })
    }

    /// The bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }
    /// Number of records that the bitmap is about.
    pub fn records(&self) -> RecordCount {
        self.records
    }
    /// Number of bits that are set.
    pub fn count(&self) -> u32 {
        self.bytes.iter().map(|byte| byte.count_ones()).sum()
    }
    /// Whether record `index` is selected.
    pub fn contains(&self, index: u32) -> bool {
        self.bytes.get(index as usize / 8).is_some_and(|byte| byte >> (index % 8) & 1 == 1)
    }
    /// The selected indices, rising.
    pub fn indices(&self) -> impl Iterator<Item = u32> + '_ {
        (0..self.records.get()).filter(|index| self.contains(*index))
    }

    /// Root over the bitmap's parts of 32 bytes; leaf j is
    /// `SHA-256(0x00 ‖ tag(16) ‖ records(4, big-endian) ‖ bytes 32 j … 32 j + 31)`, the last part as long as it is.
    pub fn root(&self) -> Root {
        let records = self.records.get().to_be_bytes();
        crate::merkle::root(
            self.bytes.chunks(LEAF_BYTES).map(|part| tagged_leaf(Domain::Bits, &[&records, part])),
        )
    }
}
