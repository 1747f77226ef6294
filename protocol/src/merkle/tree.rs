//! A whole tree in memory, for making proofs: 64 bytes a leaf.
//! It verifies nothing: see `proof`.

use super::{empty_root, node_hash};
use crate::ProtocolError;
use crate::digest::{Digest, LeafHash, Root};
use crate::error::in_range;

/// All nodes of a tree.
#[derive(Debug, Clone)]
pub struct Tree {
    /// `levels[0]` are the leaves; a node without a sibling goes up unchanged; the last level is the root.
    levels: Vec<Vec<Digest>>,
}

impl Tree {
    /// Builds the tree over `leaves`.
    pub fn new(leaves: impl IntoIterator<Item = LeafHash>) -> Self {
        let mut level: Vec<Digest> = leaves.into_iter().map(|leaf| Digest(leaf.0)).collect();
        let mut levels = Vec::new();
        while level.len() > 1 {
            let above = level.chunks(2).map(|pair| match pair {
                [left, right] => node_hash(left, right),
                alone => alone[0],
            });
            let above = above.collect();
            levels.push(std::mem::replace(&mut level, above));
        }
        levels.push(level);
        Self { levels }
    }

    /// Number of leaves.
    pub fn len(&self) -> u64 {
        self.levels[0].len() as u64
    }
    /// Whether there is no leaf.
    pub fn is_empty(&self) -> bool {
        self.levels[0].is_empty()
    }
    /// The hash of a leaf.
    pub fn leaf(&self, index: u64) -> Option<LeafHash> {
        self.levels[0].get(usize::try_from(index).ok()?).map(|hash| LeafHash(hash.0))
    }

    /// Root of all leaves.
    pub fn root(&self) -> Root {
        self.levels.last().and_then(|level| level.first()).map_or_else(empty_root, |hash| Root(hash.0))
    }

    /// Root of the first `size` leaves.
    ///
    /// # Errors
    /// `size` above the number of leaves.
    pub fn root_at(&self, size: u64) -> Result<Root, ProtocolError> {
        in_range("tree size", size, 0, self.len())?;
        Ok(if size == 0 { empty_root() } else { Root(self.range(0, size as usize).0) })
    }

    /// Inclusion proof of leaf `index` in the whole tree (RFC 9162 §2.1.3.1): siblings from the leaf up.
    ///
    /// # Errors
    /// `index` not below the number of leaves.
    pub fn inclusion_proof(&self, index: u64) -> Result<Vec<Digest>, ProtocolError> {
        if index >= self.len() {
            return Err(ProtocolError::OutOfRange {
                what: "leaf index",
                min: 0,
                max: self.len().saturating_sub(1),
                actual: index,
            });
        }
        let mut at = index as usize;
        let mut proof = Vec::new();
        for level in &self.levels {
            proof.extend(level.get(at ^ 1).filter(|_| level.len() > 1));
            at /= 2;
        }
        Ok(proof)
    }

    /// Proof that the first `old_size` leaves are the beginning of the whole tree (RFC 9162 §2.1.4.1).
    /// Empty when `old_size` is the whole.
    ///
    /// # Errors
    /// `old_size` 0 or above the number of leaves.
    pub fn consistency_proof(&self, old_size: u64) -> Result<Vec<Digest>, ProtocolError> {
        in_range("old tree size", old_size, 1, self.len())?;
        let (mut from, mut to, old) = (0usize, self.levels[0].len(), old_size as usize);
        // RFC 9162's SUBPROOF, walked from the root down; `whole` is its flag b.
        let (mut proof, mut whole) = (Vec::new(), true);
        while old != to {
            let half = split(to - from);
            if old - from <= half {
                proof.push(self.range(from + half, to));
                to = from + half;
            } else {
                proof.push(self.range(from, from + half));
                from += half;
                whole = false;
            }
        }
        if !whole {
            proof.push(self.range(from, to));
        }
        proof.reverse();
        Ok(proof)
    }

    /// Root of leaves `from .. to`, a subtree of the tree over the first `to` leaves.
    fn range(&self, from: usize, to: usize) -> Digest {
        let size = to - from;
        if size.is_power_of_two() {
            let level = size.trailing_zeros() as usize;
            return self.levels[level][from >> level];
        }
        let half = split(size);
        node_hash(&self.range(from, from + half), &self.range(from + half, to))
    }
}

/// The largest power of two below `size`, which is at least 2.
fn split(size: usize) -> usize {
    1 << (size - 1).ilog2()
}
