//! CIDs of blocks and files: CIDv1, SHA-256, raw leaves of 1 MiB, balanced (the `unixfs-v1-2025` profile, IPIP-499).
//! It stores nothing: blocks are handed to the caller one by one.

mod unixfs;

pub use ::cid::Cid;
pub use unixfs::{FileNode, FileWriter, Link, file_cid};

use crate::ProtocolError;
use crate::digest::Digest;
use multihash::Multihash;

/// Codec of raw bytes.
pub const RAW: u64 = 0x55;
/// Codec of UnixFS nodes.
pub const DAG_PB: u64 = 0x70;
/// Codec of manifests and their pages.
pub const DAG_CBOR: u64 = 0x71;
/// Greatest length of a file's block, and of a file that is one raw block.
pub const BLOCK_BYTES: usize = 1 << 20;
/// Greatest number of links of a UnixFS node.
pub const MAX_LINKS: usize = 1024;
const SHA2_256: u64 = 0x12;

/// How a file becomes blocks (IPIP-499): each profile gives the same file another CID.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Layout {
    /// Greatest length of a leaf's part of the file, in bytes.
    pub block_bytes: usize,
    /// Greatest number of links of a node.
    pub max_links: usize,
    /// Whether leaves are the bytes alone; otherwise each is a dag-pb node around them, and CIDs are of version 0.
    pub raw_leaves: bool,
}

impl Layout {
    /// `unixfs-v1-2025`: everything that is stored here.
    pub const V1_2025: Self = Self { block_bytes: BLOCK_BYTES, max_links: MAX_LINKS, raw_leaves: true };
    /// `unixfs-v0-2015`, as many files were published and as Debian's `ipfs-cid` counts.
    /// For comparing: such nodes are not read here.
    pub const V0_2015: Self = Self { block_bytes: 1 << 18, max_links: 174, raw_leaves: false };

    fn node_cid(self, digest: Digest) -> Cid {
        let v1 = block_cid(DAG_PB, digest);
        if self.raw_leaves { v1 } else { Cid::new_v0(*v1.hash()).unwrap_or(v1) }
    }
}

/// CIDv1 of a block with this codec and SHA-256 digest.
pub fn block_cid(codec: u64, digest: Digest) -> Cid {
    Cid::new_v1(codec, multihash_of(digest))
}

/// Codec and SHA-256 digest in a CID of ours.
///
/// # Errors
/// A CID of version 0, with another hash than SHA-256, or with a codec that is not raw, dag-pb or dag-cbor.
pub fn parts(cid: &Cid) -> Result<(u64, Digest), ProtocolError> {
    let refused = |reason: String| ProtocolError::Invalid { what: "CID", reason };
    if cid.version() != ::cid::Version::V1 {
        return Err(refused(format!("{cid} is not of version 1")));
    }
    if ![RAW, DAG_PB, DAG_CBOR].contains(&cid.codec()) {
        return Err(refused(format!("codec {:#x} is not raw, dag-pb or dag-cbor", cid.codec())));
    }
    let digest: Option<[u8; 32]> = cid.hash().digest().try_into().ok();
    match digest {
        Some(digest) if cid.hash().code() == SHA2_256 => Ok((cid.codec(), Digest(digest))),
        _ => Err(refused(format!("hash {:#x} is not SHA-256", cid.hash().code()))),
    }
}

/// Checks that a block is the one that the CID names.
///
/// # Errors
/// As [`parts`]; another digest.
pub fn verify_block(cid: &Cid, block: &[u8]) -> Result<(), ProtocolError> {
    let (_, expected) = parts(cid)?;
    crate::error::same_digest("block", expected, Digest::of(block))
}

fn multihash_of(digest: Digest) -> Multihash<64> {
    // 32 bytes always fit into 64, so the default is never taken.
    Multihash::wrap(SHA2_256, &digest.0).unwrap_or_default()
}

#[cfg(test)]
mod tests;
