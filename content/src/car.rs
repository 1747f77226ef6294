//! CAR files (CARv1): a collection, or a file, in one file with one root. Writing streams depth first; reading verifies the
//! whole file before it stores a block of it, and ends with a whole graph that is pinned. It knows CARv1 only, and of graphs collections and files.

use std::collections::HashMap;

use offsetdata_protocol::cid::{Cid, DAG_CBOR, block_cid, parts, verify_block};
use offsetdata_protocol::manifest::{MAX_BLOCK_BYTES as MAX_MANIFEST_BYTES, Manifest};
use offsetdata_protocol::{Digest, ProtocolError};
use tokio::io::{AsyncRead, AsyncSeek, AsyncSeekExt, AsyncWrite, BufReader};

use crate::blocks::MAX_BLOCK_BYTES;
use crate::dag::{MAX_BLOCKS, Walk, links};
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

/// Reads a file twice: once to see that it is whole, and once to store its blocks and pin its root. A file that is refused
/// leaves nothing behind. Done again after a kill it goes on: what is stored is not written again. `progress` is told what
/// went through, of each reading.
///
/// For the first reading it remembers the CIDs of the file: some hundred bytes a block.
///
/// # Errors
/// A file that is no CARv1 or has several roots; a block over [`MAX_BLOCK_BYTES`], of another kind than ours or not what
/// its CID says; a root that is neither a collection's manifest nor a file; a graph of which blocks are missing; a block
/// that cannot be stored; what can be read once only, as pipes.
pub async fn import<R: AsyncRead + AsyncSeek + Send + Unpin>(
    blocks: &Blocks,
    mut file: R,
    progress: &mut (dyn FnMut(Counted) + Send),
) -> Result<Imported, ContentError> {
    let destination = blocks.destination()?;
    let begin = async |file: &mut R| {
        let rewound = file.rewind().await;
        rewound.map_err(|error| {
            ContentError::Car(format!(
                "it is read twice, and that can be read once only: {error}; name a file"
            ))
        })
    };
    begin(&mut file).await?;
    let manifest = check(blocks, &mut file, progress).await?;
    begin(&mut file).await?;
    let mut reading = Reading::begin(&mut file).await?;
    let (mut staged, mut staged_bytes) = (Vec::new(), 0);
    while let Some((cid, block)) = reading.next().await? {
        staged_bytes += block.len();
        staged.push(destination.stage(&cid, &block)?);
        if staged.len() >= COMMIT_BLOCKS || staged_bytes >= COMMIT_BYTES {
            destination.commit(std::mem::take(&mut staged)).await?;
            staged_bytes = 0;
        }
        progress(reading.counted);
    }
    destination.commit(staged).await?;
    let Reading { root, counted, .. } = reading;
    blocks.complete(root).await.map_err(not_whole)?;
    blocks.pin_stored(root).await?;
    Ok(Imported { root, manifest, counted })
}

/// Reads a file to its end and stores nothing: every block is what its CID says, and the root reaches no block that is
/// neither in the file nor anywhere else. Gives the root's manifest, where it is a collection's.
async fn check<R: AsyncRead + Send + Unpin>(
    blocks: &Blocks,
    file: &mut R,
    progress: &mut (dyn FnMut(Counted) + Send),
) -> Result<Option<Manifest>, ContentError> {
    let mut reading = Reading::begin(file).await?;
    let (root, mut held, mut top) = (reading.root, HashMap::new(), None);
    while let Some((cid, block)) = reading.next().await? {
        // What the root does not reach need not be of our kind.
        let links: Result<Vec<(u64, Digest)>, ProtocolError> =
            links(&cid, &block).and_then(|links| links.iter().map(parts).collect());
        held.insert(parts(&cid)?, links);
        if cid == root {
            top = Some(block);
        }
        progress(reading.counted);
    }
    let manifest = match (parts(&root)?.0, top) {
        (DAG_CBOR, Some(block)) => Some(Manifest::decode(&block)?),
        (DAG_CBOR, None) => {
            let block = blocks.get(&root, MAX_MANIFEST_BYTES).await;
            Some(Manifest::decode(&block.map_err(not_whole)?)?)
        }
        _ => None,
    };
    let mut walk = Walk::new(blocks.clone(), root);
    while let Some(cid) = walk.next_cid()? {
        match held.get(&parts(&cid)?) {
            Some(Ok(links)) => {
                walk.open(links.iter().map(|(codec, digest)| block_cid(*codec, *digest)).collect())?;
            }
            Some(Err(error)) => return Err(error.clone().into()),
            // A file that was cut off between two blocks reads like a whole one; and it may leave out what is here.
            None => {
                let block = blocks.get(&cid, MAX_BLOCK_BYTES).await.map_err(not_whole)?;
                walk.follow(&cid, &block)?;
            }
        }
    }
    Ok(manifest)
}

fn not_whole(error: ContentError) -> ContentError {
    match error {
        ContentError::NotFound { cid } => {
            ContentError::Car(format!("it ended, and no source has the block {cid}: it is not whole"))
        }
        error => error,
    }
}

/// A file that is being read: every block is held against its CID.
struct Reading<R> {
    reader: iroh_car::CarReader<BufReader<R>>,
    root: Cid,
    counted: Counted,
}

impl<R: AsyncRead + Send + Unpin> Reading<R> {
    async fn begin(file: R) -> Result<Self, ContentError> {
        let reader = BufReader::with_capacity(BUFFER, file);
        let reader = iroh_car::CarReader::new(reader).await.map_err(|error| failed(&error))?;
        let &[root] = reader.header().roots() else {
            let found = reader.header().roots().len();
            return Err(ContentError::Car(format!("expected one root, found {found}")));
        };
        parts(&root)?;
        Ok(Self { reader, root, counted: Counted::default() })
    }

    async fn next(&mut self) -> Result<Option<(Cid, Vec<u8>)>, ContentError> {
        let Some((cid, block)) = self.reader.next_block().await.map_err(|error| failed(&error))? else {
            return Ok(None);
        };
        if block.len() > MAX_BLOCK_BYTES {
            return Err(ContentError::TooLarge { cid, max: MAX_BLOCK_BYTES });
        }
        verify_block(&cid, &block)?;
        let Counted { blocks, bytes } = self.counted;
        self.counted = Counted { blocks: blocks + 1, bytes: bytes + block.len() as u64 };
        if self.counted.blocks > MAX_BLOCKS {
            return Err(ContentError::Car(format!("more than {MAX_BLOCKS} blocks")));
        }
        Ok(Some((cid, block)))
    }
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
