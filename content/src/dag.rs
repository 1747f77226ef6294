//! What a block links to, and a walk over all that a root reaches, depth first, a block at a time.
//! It keeps no set of what it has seen: a block that is linked to twice is met twice, and memory stays flat.

use offsetdata_protocol::ProtocolError;
use offsetdata_protocol::cid::{Cid, DAG_CBOR, DAG_PB, FileNode, parts};
use serde_ipld_dagcbor::codec::DagCborCodec;

use crate::blocks::MAX_BLOCK_BYTES;
use crate::{Blocks, ContentError};

/// Most blocks of one walk: a collection of a million records of 1 MiB has fewer.
pub(crate) const MAX_BLOCKS: u64 = 1 << 22;
/// Most links that wait to be followed: those of a page's chunks, of their leaves and of a manifest are fewer.
const MAX_OPEN: usize = 1 << 18;

/// The blocks that a block links to, in the order of the block.
///
/// # Errors
/// A block that is not what its CID's codec says, a UnixFS directory, a CID of another kind than ours.
pub(crate) fn links(cid: &Cid, block: &[u8]) -> Result<Vec<Cid>, ProtocolError> {
    use ipld_core::codec::Links;
    let found: Vec<Cid> = match parts(cid)?.0 {
        DAG_PB => FileNode::decode(block)?.links.iter().map(|link| link.cid).collect(),
        DAG_CBOR => {
            let invalid = |e: serde_ipld_dagcbor::error::CodecError| ProtocolError::Invalid {
                what: "DAG-CBOR block",
                reason: e.to_string(),
            };
            DagCborCodec::links(block).map_err(invalid)?.collect()
        }
        _ => Vec::new(),
    };
    for link in &found {
        parts(link)?;
    }
    Ok(found)
}

/// A walk over all that a root reaches.
#[derive(Debug)]
pub(crate) struct Walk {
    blocks: Blocks,
    open: Vec<Cid>,
    met: u64,
}

impl Walk {
    pub(crate) fn new(blocks: Blocks, root: Cid) -> Self {
        Self { blocks, open: vec![root], met: 0 }
    }

    /// The next block, verified; none when all were met.
    pub(crate) async fn next(&mut self) -> Result<Option<(Cid, Vec<u8>)>, ContentError> {
        let Some(cid) = self.next_cid()? else { return Ok(None) };
        let block = self.blocks.get(&cid, MAX_BLOCK_BYTES).await?;
        self.follow(&cid, &block)?;
        Ok(Some((cid, block)))
    }

    /// The CID of the next block. Its links are met only once it is given to [`Walk::follow`].
    pub(crate) fn next_cid(&mut self) -> Result<Option<Cid>, ContentError> {
        let Some(cid) = self.open.pop() else { return Ok(None) };
        self.met += 1;
        if self.met > MAX_BLOCKS {
            return Err(too_many("blocks", self.met, MAX_BLOCKS));
        }
        Ok(Some(cid))
    }

    /// Goes on with what a block links to.
    pub(crate) fn follow(&mut self, cid: &Cid, block: &[u8]) -> Result<(), ContentError> {
        self.open(links(cid, block)?)
    }

    /// Goes on with these links.
    pub(crate) fn open(&mut self, links: Vec<Cid>) -> Result<(), ContentError> {
        if self.open.len() + links.len() > MAX_OPEN {
            return Err(too_many("open links", (self.open.len() + links.len()) as u64, MAX_OPEN as u64));
        }
        self.open.extend(links.into_iter().rev());
        Ok(())
    }
}

fn too_many(what: &'static str, actual: u64, expected: u64) -> ContentError {
    let reason = format!("{actual} {what}, more than {expected}");
    ProtocolError::Invalid { what: "graph of blocks", reason }.into()
}
