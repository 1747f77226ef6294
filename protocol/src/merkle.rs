//! The SHA-256 Merkle tree of RFC 9162 §2.1: roots of streams, inclusion and consistency proofs.
//! It hashes no leaf data: leaves come as hashes ([`crate::leaf`]).

mod proof;
mod tree;

pub use proof::{verify_consistency, verify_inclusion};
pub use tree::Tree;

use crate::ProtocolError;
use crate::digest::{Digest, LeafHash, Root, sha256};
use crate::error::{equal, in_range};
use serde::{Deserialize, Serialize};

/// Greatest number of records in a collection.
pub const MAX_RECORDS: u32 = 1_000_000;

/// Number of records in a collection: 1 … 1,000,000.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "u32", into = "u32")]
pub struct RecordCount(u32);

impl RecordCount {
    /// Takes a count.
    ///
    /// # Errors
    /// 0 and more than 1,000,000.
    pub fn new(count: u32) -> Result<Self, ProtocolError> {
        in_range("record count", count.into(), 1, MAX_RECORDS.into())?;
        Ok(Self(count))
    }
    /// The number.
    pub const fn get(self) -> u32 {
        self.0
    }
}

impl TryFrom<u32> for RecordCount {
    type Error = ProtocolError;
    fn try_from(count: u32) -> Result<Self, ProtocolError> {
        Self::new(count)
    }
}
impl From<RecordCount> for u32 {
    fn from(count: RecordCount) -> Self {
        count.0
    }
}

/// Root of the tree without leaves: SHA-256 of nothing.
pub fn empty_root() -> Root {
    Root(sha256(&[]).0)
}

/// Hash of an inner node: `SHA-256(0x01 ‖ left ‖ right)`.
pub fn node_hash(left: &Digest, right: &Digest) -> Digest {
    let mut data = [0u8; 65];
    data[0] = 0x01;
    data[1..33].copy_from_slice(&left.0);
    data[33..].copy_from_slice(&right.0);
    sha256(&[&data])
}

/// Root of a stream of leaves; keeps one hash per set bit of the number of leaves, so at most 64.
///
/// It can be stored and taken up again: what it keeps is its serialized form.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(try_from = "Frontier", into = "Frontier")]
pub struct RootBuilder {
    len: u64,
    /// Roots of the perfect subtrees so far, the largest first.
    peaks: Vec<Digest>,
}

/// What a [`RootBuilder`] keeps, as it is stored.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Frontier {
    len: u64,
    peaks: Vec<Digest>,
}

impl TryFrom<Frontier> for RootBuilder {
    type Error = ProtocolError;
    fn try_from(frontier: Frontier) -> Result<Self, ProtocolError> {
        Self::from_frontier(frontier.len, frontier.peaks)
    }
}
impl From<RootBuilder> for Frontier {
    fn from(builder: RootBuilder) -> Self {
        Self { len: builder.len, peaks: builder.peaks }
    }
}

impl RootBuilder {
    /// A tree without leaves.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes up a tree where [`RootBuilder::frontier`] left it.
    ///
    /// # Errors
    /// A number of hashes that does not fit the number of leaves.
    pub fn from_frontier(len: u64, peaks: Vec<Digest>) -> Result<Self, ProtocolError> {
        equal("hashes of a frontier", len.count_ones().into(), peaks.len() as u64)?;
        Ok(Self { len, peaks })
    }

    /// Number of leaves, and the roots of the perfect subtrees that they make, the largest first.
    pub fn frontier(&self) -> (u64, &[Digest]) {
        (self.len, &self.peaks)
    }

    /// Appends a leaf.
    pub fn push(&mut self, leaf: LeafHash) {
        self.append(0, Digest(leaf.0));
    }

    /// Appends 2^`level` leaves whose perfect subtree has the given root.
    ///
    /// # Errors
    /// When the number of leaves so far is no multiple of 2^`level` (such a subtree is no part of the
    /// tree), or `level` is above 32.
    pub fn push_subtree(&mut self, level: u32, root: Digest) -> Result<(), ProtocolError> {
        in_range("subtree level", level.into(), 0, 32)?;
        equal("leaves before a subtree, modulo its size", 0, self.len & ((1u64 << level) - 1))?;
        self.append(level, root);
        Ok(())
    }

    fn append(&mut self, mut level: u32, mut hash: Digest) {
        let added = 1u64 << level;
        while self.len >> level & 1 == 1 {
            let Some(left) = self.peaks.pop() else { break };
            hash = node_hash(&left, &hash);
            level += 1;
        }
        self.peaks.push(hash);
        self.len += added;
    }

    /// Number of leaves.
    pub fn len(&self) -> u64 {
        self.len
    }
    /// Whether there is no leaf.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Root of the leaves so far.
    pub fn root(&self) -> Root {
        let mut peaks = self.peaks.iter().rev();
        let Some(last) = peaks.next() else { return empty_root() };
        Root(peaks.fold(*last, |right, left| node_hash(left, &right)).0)
    }
}

impl Extend<LeafHash> for RootBuilder {
    fn extend<I: IntoIterator<Item = LeafHash>>(&mut self, leaves: I) {
        leaves.into_iter().for_each(|leaf| self.push(leaf));
    }
}

/// Root of some leaves.
pub fn root(leaves: impl IntoIterator<Item = LeafHash>) -> Root {
    let mut builder = RootBuilder::new();
    builder.extend(leaves);
    builder.root()
}

/// Sizes, as exponents of two, of the perfect subtrees that cover leaves `first .. first + count`, in order.
///
/// The greedy cover: each time the largest subtree that begins here, is aligned and fits.
pub fn subtree_levels(first: u64, count: u64) -> Vec<u32> {
    let (mut at, mut left, mut levels) = (first, count, Vec::new());
    while left > 0 {
        let level = at.trailing_zeros().min(left.ilog2());
        levels.push(level);
        at = at.saturating_add(1 << level);
        left -= 1 << level;
    }
    levels
}

/// Roots of the perfect subtrees that cover `leaves`, the first of which is leaf `first` of its tree.
///
/// A chunk's entry in the manifest carries them, so that one chunk can be checked against the content
/// root without the others: [`RootBuilder::push_subtree`] puts those of all chunks together.
pub fn subtrees(first: u64, leaves: &[LeafHash]) -> Vec<Digest> {
    let mut rest = leaves;
    let mut roots = Vec::new();
    for level in subtree_levels(first, leaves.len() as u64) {
        let (these, others) = rest.split_at(1 << level);
        roots.push(Digest(root(these.iter().copied()).0));
        rest = others;
    }
    roots
}

#[cfg(test)]
mod tests;
