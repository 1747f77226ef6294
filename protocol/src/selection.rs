//! Which records a request takes, what each is for, and in which order a training reads them.
//! It reads no record: everything follows from indices, seeds and counts.

mod bitmap;
mod order;
mod split;

pub use bitmap::Bitmap;
pub use order::{order, shuffle};
pub use split::{Split, SplitRule};

use crate::ProtocolError;
use crate::digest::{Digest, Domain, LeafHash, Root};
use crate::error::{equal, in_range, same_digest};
use crate::leaf::tagged_leaf;
use crate::merkle::RecordCount;
use alloy::primitives::B256;

/// Which records of an input a request takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Selection {
    /// Every record.
    All,
    /// `count` records from `first`.
    Range {
        /// Index of the first.
        first: u32,
        /// How many, at least 1.
        count: u32,
    },
    /// The records whose bits are set in the bitmap with this root.
    Bitmap {
        /// Its root ([`Bitmap::root`]).
        root: Root,
        /// How many bits are set, at least 1.
        count: u32,
    },
}

impl Selection {
    /// The selected indices, rising, the first `cap` of them.
    ///
    /// `bitmap` must be the one that a [`Selection::Bitmap`] names, and is ignored otherwise.
    ///
    /// # Errors
    /// A range that goes past the records, a bitmap that is missing or another one, a cap of 0.
    pub fn indices(
        &self,
        records: RecordCount,
        cap: u32,
        bitmap: Option<&Bitmap>,
    ) -> Result<Vec<u32>, ProtocolError> {
        in_range("record cap", cap.into(), 1, u32::MAX.into())?;
        let cap = cap as usize;
        match *self {
            Self::All => Ok((0..records.get()).take(cap).collect()),
            Self::Range { first, count } => {
                in_range("selected records", count.into(), 1, records.get().into())?;
                let end = u64::from(first) + u64::from(count);
                in_range("end of a selection", end, 1, records.get().into())?;
                Ok((first..first + count).take(cap).collect())
            }
            Self::Bitmap { root, count } => {
                let bitmap = bitmap.ok_or_else(|| ProtocolError::Invalid {
                    what: "selection",
                    reason: "its bitmap is missing".into(),
                })?;
                equal("bits of a bitmap", records.get().into(), bitmap.records().get().into())?;
                same_digest("bitmap root", Digest(root.0), Digest(bitmap.root().0))?;
                equal("selected records", count.into(), bitmap.count().into())?;
                in_range("selected records", count.into(), 1, records.get().into())?;
                Ok(bitmap.indices().take(cap).collect())
            }
        }
    }
}

/// Hash of a leaf of the inputs root:
/// `SHA-256(0x00 ‖ tag(16) ‖ collection(32) ‖ index(4, big-endian) ‖ split(1))`.
///
/// `collection` is the collection's id; of data that the user brings, its content root. The leaves stand in
/// the order of the request's inputs, and of each input in rising order of the indices that were used.
pub fn inputs_leaf(collection: B256, index: u32, split: Split) -> LeafHash {
    tagged_leaf(Domain::Input, &[collection.as_slice(), &index.to_be_bytes(), &[split.code()]])
}

/// Root of a data receipt's indices, rising; each leaf is
/// `SHA-256(0x00 ‖ tag(16) ‖ index(4, big-endian))`.
///
/// # Errors
/// Indices that do not rise.
pub fn given_root(indices: &[u32]) -> Result<Root, ProtocolError> {
    indices_root(Domain::Given, indices)
}

/// Root of flagged indices, rising, as [`given_root`] with another tag.
///
/// # Errors
/// Indices that do not rise.
pub fn flags_root(indices: &[u32]) -> Result<Root, ProtocolError> {
    indices_root(Domain::Flag, indices)
}

fn indices_root(domain: Domain, indices: &[u32]) -> Result<Root, ProtocolError> {
    if let Some(pair) = indices.windows(2).find(|pair| pair[0] >= pair[1]) {
        return Err(ProtocolError::Invalid {
            what: "indices",
            reason: format!("{} does not come before {}", pair[0], pair[1]),
        });
    }
    Ok(crate::merkle::root(indices.iter().map(|index| tagged_leaf(domain, &[&index.to_be_bytes()]))))
}

#[cfg(test)]
mod tests;
