//! Which records a request takes, what each is for, and in which order a training reads them.
//! It reads no record: everything follows from indices, seeds and counts.

mod bitmap;
mod order;
mod split;

pub use bitmap::Bitmap;
pub use order::{order, shuffle};
pub use split::{Split, SplitRule};

use std::ops::Range;

use crate::ProtocolError;
use crate::bindings::training::DataInput;
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
    /// What an input of a request selects.
    ///
    /// # Errors
    /// Data that the user brings, which is no collection; a kind that there is not.
    pub fn of_input(input: &DataInput) -> Result<Self, ProtocolError> {
        match input.selection {
            0 => Ok(Self::All),
            1 => Ok(Self::Range { first: input.first, count: input.count }),
            2 => Ok(Self::Bitmap { root: input.selectionRoot.into(), count: input.count }),
            kind => Err(ProtocolError::Invalid {
                what: "selection",
                reason: format!("kind {kind} selects nothing of a collection"),
            }),
        }
    }

    /// The same indices as [`Selection::indices`] gives, where they follow one another: `None` for a bitmap.
    ///
    /// # Errors
    /// A range that goes past the records, a cap of 0.
    pub fn range(&self, records: RecordCount, cap: u32) -> Result<Option<Range<u32>>, ProtocolError> {
        in_range("record cap", cap.into(), 1, u32::MAX.into())?;
        let (first, count) = match *self {
            Self::All => (0, records.get()),
            Self::Range { first, count } => (first, count),
            Self::Bitmap { .. } => return Ok(None),
        };
        in_range("selected records", count.into(), 1, records.get().into())?;
        in_range("end of a selection", u64::from(first) + u64::from(count), 1, records.get().into())?;
        Ok(Some(first..first + count.min(cap)))
    }

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
        if let Some(range) = self.range(records, cap)? {
            return Ok(range.collect());
        }
        let Self::Bitmap { root, count } = *self else { return Ok(Vec::new()) };
        let bitmap = bitmap.ok_or_else(|| ProtocolError::Invalid {
            what: "selection",
            reason: "its bitmap is missing".into(),
        })?;
        equal("bits of a bitmap", records.get().into(), bitmap.records().get().into())?;
        same_digest("bitmap root", Digest(root.0), Digest(bitmap.root().0))?;
        equal("selected records", count.into(), bitmap.count().into())?;
        in_range("selected records", count.into(), 1, records.get().into())?;
        Ok(bitmap.indices().take(cap as usize).collect())
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

/// Hash of a leaf of a data receipt's root: `SHA-256(0x00 ‖ tag(16) ‖ index(4, big-endian))`. For roots that grow.
pub fn given_leaf(index: u32) -> LeafHash {
    tagged_leaf(Domain::Given, &[&index.to_be_bytes()])
}

/// Root of a data receipt's indices, rising; the leaves are those of [`given_leaf`].
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
