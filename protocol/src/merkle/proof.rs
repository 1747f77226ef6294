//! Verifies inclusion and consistency proofs as RFC 9162 §2.1.3.2 and §2.1.4.2 say.
//! It holds no tree.

use super::node_hash;
use crate::ProtocolError;
use crate::digest::{Digest, LeafHash, Root};

/// Checks that `leaf` is leaf `index` of the tree of `size` leaves with this root.
///
/// # Errors
/// An index not below `size`, a proof of another length, or one that leads elsewhere.
pub fn verify_inclusion(
    root: &Root,
    size: u64,
    index: u64,
    leaf: &LeafHash,
    proof: &[Digest],
) -> Result<(), ProtocolError> {
    let refused = ProtocolError::ProofInvalid { what: "inclusion" };
    if index >= size {
        return Err(refused);
    }
    let (mut at, mut last, mut hash) = (index, size - 1, Digest(leaf.0));
    for sibling in proof {
        if last == 0 {
            return Err(refused);
        }
        if at & 1 == 1 || at == last {
            hash = node_hash(sibling, &hash);
            while at & 1 == 0 && at != 0 {
                at >>= 1;
                last >>= 1;
            }
        } else {
            hash = node_hash(&hash, sibling);
        }
        at >>= 1;
        last >>= 1;
    }
    if last == 0 && hash.0 == root.0 { Ok(()) } else { Err(refused) }
}

/// Checks that the tree of `old_size` leaves is the beginning of the tree of `new_size` leaves.
///
/// # Errors
/// `old_size` 0 or above `new_size`, a proof of another length, or one that leads elsewhere.
pub fn verify_consistency(
    old_root: &Root,
    old_size: u64,
    new_root: &Root,
    new_size: u64,
    proof: &[Digest],
) -> Result<(), ProtocolError> {
    let refused = ProtocolError::ProofInvalid { what: "consistency" };
    if old_size == 0 || old_size > new_size {
        return Err(refused);
    }
    if old_size == new_size {
        return if proof.is_empty() && old_root == new_root { Ok(()) } else { Err(refused) };
    }
    // A perfect old tree is its own first node; the RFC leaves it out of the proof.
    let (mut old, rest) = if old_size.is_power_of_two() {
        (Digest(old_root.0), proof)
    } else {
        let (first, rest) = proof.split_first().ok_or(refused.clone())?;
        (*first, rest)
    };
    let mut new = old;
    let (mut at, mut last) = (old_size - 1, new_size - 1);
    while at & 1 == 1 {
        at >>= 1;
        last >>= 1;
    }
    for sibling in rest {
        if last == 0 {
            return Err(refused);
        }
        if at & 1 == 1 || at == last {
            old = node_hash(sibling, &old);
            new = node_hash(sibling, &new);
            while at & 1 == 0 && at != 0 {
                at >>= 1;
                last >>= 1;
            }
        } else {
            new = node_hash(&new, sibling);
        }
        at >>= 1;
        last >>= 1;
    }
    if last == 0 && old.0 == old_root.0 && new.0 == new_root.0 { Ok(()) } else { Err(refused) }
}
