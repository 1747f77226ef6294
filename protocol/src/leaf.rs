//! What a collection's tree is built over: the leaf data `salt ‖ record` of each record, and its hash.
//! It makes no salts: those come from a chunk's secret ([`crate::keys`]).

use crate::digest::{LeafHash, byte_string, sha256};

byte_string!(
    /// Salt of one private record; makes its leaf hash say nothing about a guessable record.
    Salt, 16
);

/// Hash of any leaf data: `SHA-256(0x00 ‖ data)` (RFC 9162 §2.1.1).
pub fn leaf_hash(data: &[u8]) -> LeafHash {
    LeafHash(sha256(&[&[0x00], data]).0)
}

/// Leaf hash of a record: `SHA-256(0x00 ‖ salt ‖ record)`.
///
/// A record of a public collection has no salt (`None`, zero bytes): `SHA-256(0x00 ‖ record)`.
pub fn record_leaf(salt: Option<&Salt>, record: &[u8]) -> LeafHash {
    let salt: &[u8] = salt.map_or(&[], |salt| &salt.0);
    LeafHash(sha256(&[&[0x00], salt, record]).0)
}

/// Leaf hash of tagged leaf data: `SHA-256(0x00 ‖ tag ‖ parts…)`.
pub(crate) fn tagged_leaf(domain: crate::Domain, parts: &[&[u8]]) -> LeafHash {
    let mut all: Vec<&[u8]> = vec![&[0x00], domain.tag()];
    all.extend_from_slice(parts);
    LeafHash(sha256(&all).0)
}
