//! CAR files (CARv1): a collection, or a file, in one file with one root. Writing streams depth first, reading verifies
//! every block and ends with a whole graph that is pinned. It knows CARv1 only, and of graphs collections and files.

use offsetdata_protocol::cid::{Cid, DAG_CBOR, parts, verify_block};
use offsetdata_protocol::manifest::{MAX_BLOCK_BYTES as MAX_MANIFEST_BYTES, Manifest};
use tokio::io::{AsyncRead, AsyncWrite, BufReader};

use crate::blocks::MAX_BLOCK_BYTES;
use crate::dag::{MAX_BLOCKS, Walk};
use crate::{Blocks, ContentError};

/// Blocks and bytes that are brought to disk, or to the node, together.
const COMMIT_BLOCKS: usize = 48;
const COMMIT_BYTES: usize = 16 << 20;
/// The reader takes single bytes of lengths.
const BUFFER: usize = 64 << 10;

/// How much of what a root reaches goes into the file (`dag-scope` of trustless gateways).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// Everything.
    All,
    /// The block alone.
    Block,
    /// The file, where the root is one; otherwise the block alone.
    Entity,
}

/// What went through.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counted {
    /// Blocks; one that is linked to twice is there twice.
    pub blocks: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// What a file held.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Imported {
    /// The root, which is pinned.
    pub root: Cid,
    /// The manifest, where the root is a collection's.
    pub manifest: Option<Manifest>,
    /// All that was in the file.
    pub counted: Counted,
}

/// Writes a root and what it reaches, depth first, a block at a time. `progress` is told what went through.
///
/// # Errors
/// A block that is nowhere or not what it should be; a writer that fails. What was written is then a part of a file.
pub async fn export<W: AsyncWrite + Send + Unpin>(
    blocks: &Blocks,
    root: Cid,
    scope: Scope,
    writer: W,
    progress: &mut (dyn FnMut(Counted) + Send),
) -> Result<Counted, ContentError> {
    let whole = match scope {
        Scope::All => true,
        Scope::Block => false,
        Scope::Entity => parts(&root)?.0 != DAG_CBOR,
    };
    let mut writer = iroh_car::CarWriter::new(iroh_car::CarHeader::new_v1(vec![root]), writer);
    let mut walk = Walk::new(blocks.clone(), root);
    let mut counted = Counted::default();
    while let Some((cid, block)) = walk.next().await? {
        writer.write(cid, &block).await.map_err(|error| failed(&error))?;
        counted = Counted { blocks: counted.blocks + 1, bytes: counted.bytes + block.len() as u64 };
        progress(counted);
        if !whole {
            break;
        }
    }
    writer.finish().await.map_err(|error| failed(&error))?;
    Ok(counted)
}

/// Reads a file, stores its blocks and pins its root. Done again after a kill it goes on: what is stored is not written
/// again.
///
/// # Errors
/// A file that is no CARv1 or has several roots; a block over [`MAX_BLOCK_BYTES`], of another kind than ours or not what
/// its CID says; a root that is neither a collection's manifest nor a file; a graph of which blocks are missing; a block
/// that cannot be stored.
pub async fn import<R: AsyncRead + Send + Unpin>(
    blocks: &Blocks,
    reader: R,
    progress: &mut (dyn FnMut(Counted) + Send),
) -> Result<Imported, ContentError> {
    let destination = blocks.destination()?;
    let reader = BufReader::with_capacity(BUFFER, reader);
    let mut reader = iroh_car::CarReader::new(reader).await.map_err(|error| failed(&error))?;
    let &[root] = reader.header().roots() else {
        return Err(ContentError::Car(format!("expected one root, found {}", reader.header().roots().len())));
    };
    parts(&root)?;
    let (mut staged, mut staged_bytes, mut counted) = (Vec::new(), 0, Counted::default());
    while let Some((cid, block)) = reader.next_block().await.map_err(|error| failed(&error))? {
        if block.len() > MAX_BLOCK_BYTES {
            return Err(ContentError::TooLarge { cid, max: MAX_BLOCK_BYTES });
        }
        verify_block(&cid, &block)?;
        counted = Counted { blocks: counted.blocks + 1, bytes: counted.bytes + block.len() as u64 };
        if counted.blocks > MAX_BLOCKS {
            return Err(ContentError::Car(format!("more than {MAX_BLOCKS} blocks")));
        }
        staged_bytes += block.len();
        staged.push(destination.stage(&cid, &block)?);
        if staged.len() >= COMMIT_BLOCKS || staged_bytes >= COMMIT_BYTES {
            destination.commit(std::mem::take(&mut staged)).await?;
            staged_bytes = 0;
        }
        progress(counted);
    }
    destination.commit(staged).await?;
    let manifest = match parts(&root)?.0 {
        DAG_CBOR => Some(Manifest::decode(&blocks.get(&root, MAX_MANIFEST_BYTES).await?)?),
        _ => None,
    };
    // A file that was cut off between two blocks reads like a whole one; and it may leave out what is here already.
    match blocks.complete(root).await {
        Err(ContentError::NotFound { cid }) => {
            return Err(ContentError::Car(format!(
                "it ended, and no source has the block {cid}: it is not whole"
            )));
        }
        result => result?,
    }
    blocks.pin_stored(root).await?;
    Ok(Imported { root, manifest, counted })
}

fn failed(error: &iroh_car::Error) -> ContentError {
    use iroh_car::Error;
    match error {
        Error::Io(error) => {
            let source = std::io::Error::new(error.kind(), error.to_string());
            ContentError::File { what: "writing", path: "the CAR file".to_owned(), source }
        }
        Error::LdReadTooLarge(length) => ContentError::Car(format!("a part of {length} bytes is too long")),
        error => ContentError::Car(error.to_string()),
    }
}

#[cfg(test)]
mod tests;
