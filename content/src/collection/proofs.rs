//! Proofs from pages alone: each chunk's entry carries the roots of its subtrees, so one open chunk is enough to prove
//! its records in, and none to prove an append. It keeps no leaf of other chunks.

use offsetdata_protocol::chunk::OpenChunk;
use offsetdata_protocol::manifest::ChunkEntry;
use offsetdata_protocol::merkle::{node_hash, subtree_levels, verify_consistency, verify_inclusion};
use offsetdata_protocol::{Digest, LeafHash, ProtocolError};

use super::Collection;
use crate::ContentError;

/// Perfect subtrees of a collection's tree, in order, without gap.
struct Subtrees {
    /// Index of the first leaf, number of leaves, root.
    nodes: Vec<(u64, u64, Digest)>,
}

impl Subtrees {
    fn of(chunks: &[ChunkEntry]) -> Self {
        let mut nodes = Vec::new();
        for chunk in chunks {
            let mut at = u64::from(chunk.first);
            for (level, root) in subtree_levels(at, chunk.count.into()).into_iter().zip(&chunk.subtrees) {
                nodes.push((at, 1 << level, *root));
                at += 1 << level;
            }
        }
        Self { nodes }
    }

    /// Puts the leaves of a chunk in the place of its subtrees.
    fn refine(&mut self, first: u64, leaves: &[LeafHash]) {
        let (from, to) = (self.position(first), self.position(first + leaves.len() as u64));
        let leaves = leaves.iter().zip(first..).map(|(leaf, at)| (at, 1, Digest(leaf.0)));
        self.nodes.splice(from..to, leaves);
    }

    fn position(&self, at: u64) -> usize {
        self.nodes.partition_point(|(start, ..)| *start < at)
    }

    /// Root of leaves `from .. to`, a range that the tree over the first `to` leaves has as a node.
    fn range(&self, from: u64, to: u64) -> Option<Digest> {
        let (start, size, root) = self.nodes.get(self.position(from))?;
        if *start == from && *size == to - from {
            return Some(*root);
        }
        if to - from < 2 {
            return None;
        }
        let middle = from + half(to - from);
        Some(node_hash(&self.range(from, middle)?, &self.range(middle, to)?))
    }
}

/// The largest power of two below `size`, which is at least 2: where RFC 9162 splits a tree.
fn half(size: u64) -> u64 {
    1 << (size - 1).ilog2()
}

fn incomplete() -> ContentError {
    let reason = "the subtrees of the pages do not make this proof".to_owned();
    ProtocolError::Invalid { what: "proof", reason }.into()
}

/// Inclusion proof of record `index`, which is in `chunk`; verified before it is given.
pub(super) fn inclusion(
    collection: &Collection,
    index: u32,
    chunk: &OpenChunk,
) -> Result<Vec<Digest>, ContentError> {
    let (count, at) = (u64::from(collection.len()), u64::from(index));
    let leaf = index.checked_sub(chunk.first()).and_then(|i| chunk.leaves().get(i as usize));
    let leaf = leaf.ok_or(ContentError::NoSuchRecord { index, count: collection.len() })?;
    let mut subtrees = Subtrees::of(collection.chunks());
    subtrees.refine(chunk.first().into(), chunk.leaves());
    // From the root down to the leaf, noting each sibling.
    let (mut from, mut to, mut proof) = (0, count, Vec::new());
    while to - from > 1 {
        let middle = from + half(to - from);
        let sibling;
        (from, to, sibling) =
            if at < middle { (from, middle, (middle, to)) } else { (middle, to, (from, middle)) };
        proof.push(subtrees.range(sibling.0, sibling.1).ok_or_else(incomplete)?);
    }
    proof.reverse();
    verify_inclusion(&collection.manifest().content_root, count, at, leaf, &proof)?;
    Ok(proof)
}

/// Consistency proof that `old` is the beginning of `new`; verified before it is given.
pub(super) fn consistency(old: &Collection, new: &Collection) -> Result<Vec<Digest>, ContentError> {
    let (old_size, new_size) = (u64::from(old.len()), u64::from(new.len()));
    let subtrees = Subtrees::of(new.chunks());
    let mut proof = Vec::new();
    if old_size < new_size {
        // RFC 9162 §2.1.4.1, SUBPROOF, walked from the root down; `whole` is its flag b.
        let (mut from, mut to, mut whole) = (0, new_size, true);
        while old_size != to {
            let middle = from + half(to - from);
            let other;
            (from, to, other) = if old_size <= middle {
                (from, middle, (middle, to))
            } else {
                whole = false;
                (middle, to, (from, middle))
            };
            proof.push(subtrees.range(other.0, other.1).ok_or_else(incomplete)?);
        }
        if !whole {
            proof.push(subtrees.range(from, to).ok_or_else(incomplete)?);
        }
        proof.reverse();
    }
    let (old_root, new_root) = (&old.manifest().content_root, &new.manifest().content_root);
    verify_consistency(old_root, old_size, new_root, new_size, &proof)?;
    Ok(proof)
}
