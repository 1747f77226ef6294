//! Inclusion proofs (RFC 9162 §2.1.3) of the records of one chunk, from its leaves and the subtrees of all others: no
//! other chunk has to be read.

use std::collections::HashMap;

use offsetdata_protocol::manifest::ChunkEntry;
use offsetdata_protocol::merkle::{node_hash, subtree_levels};
use offsetdata_protocol::{Digest, LeafHash};

/// Proves records of one chunk.
#[derive(Debug)]
pub struct Prover {
    size: u64,
    /// Known nodes by first leaf and number of leaves.
    nodes: HashMap<(u64, u64), Digest>,
}

impl Prover {
    /// From the entries of all chunks, and the leaves of chunk `ordinal`.
    pub fn new(entries: &[ChunkEntry], ordinal: usize, leaves: &[LeafHash]) -> Self {
        let mut nodes = HashMap::new();
        for entry in entries.iter().enumerate().filter(|(at, _)| *at != ordinal).map(|(_, entry)| entry) {
            let mut first = u64::from(entry.first);
            for (level, root) in subtree_levels(first, entry.count.into()).into_iter().zip(&entry.subtrees) {
                nodes.insert((first, 1 << level), *root);
                first += 1 << level;
            }
        }
        let first = entries.get(ordinal).map_or(0, |entry| u64::from(entry.first));
        nodes.extend((first..).zip(leaves).map(|(at, leaf)| ((at, 1), Digest(leaf.0))));
        let size = entries.last().map_or(0, |last| u64::from(last.first) + u64::from(last.count));
        Self { size, nodes }
    }

    /// Siblings from the leaf up; `None` for a record that is not of the chunk.
    pub fn prove(&mut self, index: u64) -> Option<Vec<LeafHash>> {
        self.nodes.get(&(index, 1)).filter(|_| index < self.size)?;
        let (mut first, mut count) = (0, self.size);
        let mut siblings = Vec::new();
        while count > 1 {
            let left = split(count);
            let sibling = if index < first + left {
                let sibling = (first + left, count - left);
                count = left;
                sibling
            } else {
                let sibling = (first, left);
                (first, count) = (first + left, count - left);
                sibling
            };
            siblings.push(LeafHash(self.node(sibling.0, sibling.1)?.0));
        }
        siblings.reverse();
        Some(siblings)
    }

    /// Hash over `count` leaves from `first`, remembered.
    fn node(&mut self, first: u64, count: u64) -> Option<Digest> {
        if let Some(known) = self.nodes.get(&(first, count)) {
            return Some(*known);
        }
        if count < 2 {
            return None;
        }
        let left = split(count);
        let hash = node_hash(&self.node(first, left)?, &self.node(first + left, count - left)?);
        self.nodes.insert((first, count), hash);
        Some(hash)
    }
}

/// The largest power of two below `count`, which is above 1.
fn split(count: u64) -> u64 {
    1 << (63 - (count - 1).leading_zeros())
}

#[cfg(test)]
mod tests {
    use super::*;
    use offsetdata_protocol::leaf::leaf_hash;
    use offsetdata_protocol::merkle::{Tree, subtrees};
    use offsetdata_protocol::{Codec, Seed};

    #[test]
    fn proofs_are_those_of_the_whole_tree() {
        for (size, per_chunk) in [(1u32, 1u32), (2, 1), (7, 3), (100, 7), (100, 100), (1000, 128), (1000, 1)]
        {
            let leaves: Vec<LeafHash> = (0..size).map(|i| leaf_hash(&i.to_be_bytes())).collect();
            let tree = Tree::new(leaves.iter().copied());
            let cid = offsetdata_protocol::cid::block_cid(offsetdata_protocol::cid::RAW, Digest([0; 32]));
            let entries: Vec<ChunkEntry> = leaves
                .chunks(per_chunk as usize)
                .enumerate()
                .map(|(ordinal, part)| {
                    let first = ordinal as u32 * per_chunk;
                    ChunkEntry {
                        first,
                        count: part.len() as u32,
                        codec: Codec::Identity,
                        seed: Seed([0; 32]),
                        key_digest: Digest([0; 32]),
                        digest: Digest([0; 32]),
                        size: 1,
                        cid,
                        subtrees: subtrees(first.into(), part),
                    }
                })
                .collect();
            for (ordinal, entry) in entries.iter().enumerate().step_by(3) {
                let range = entry.first as usize..(entry.first + entry.count) as usize;
                let mut prover = Prover::new(&entries, ordinal, &leaves[range.clone()]);
                for index in range {
                    let expected: Vec<LeafHash> =
                        tree.inclusion_proof(index as u64).unwrap().iter().map(|d| LeafHash(d.0)).collect();
                    assert_eq!(
                        prover.prove(index as u64),
                        Some(expected),
                        "{index} of {size} by {per_chunk}"
                    );
                }
                assert_eq!(prover.prove(size.into()), None);
            }
        }
    }
}
