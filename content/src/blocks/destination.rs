//! Where blocks are written: a directory, a Kubo node, or both. It finds nothing: reading is over all sources.

use futures::{StreamExt, TryStreamExt};
use offsetdata_protocol::cid::Cid;

use super::directory::{Directory, Keep, Staged, blocking, commit};
use super::kubo::Kubo;
use crate::ContentError;

/// Blocks that are on their way to the node at one time.
const UPLOADS: usize = 4;

#[derive(Debug, Clone)]
pub(crate) struct Destination {
    pub(super) directory: Option<Directory>,
    pub(super) kubo: Option<Kubo>,
}

/// A block on its way: stored when it is committed.
#[derive(Debug)]
pub(crate) struct Prepared {
    file: Option<Staged>,
    upload: Option<(Cid, Vec<u8>)>,
}

impl Destination {
    /// Takes a block of a collection. Waits for no disk and no node.
    pub(crate) fn stage(&self, cid: &Cid, block: &[u8]) -> Result<Prepared, ContentError> {
        let file = match &self.directory {
            Some(directory) => Some(directory.stage(cid, block, Keep::WhileReached)?),
            None => None,
        };
        Ok(Prepared { file, upload: self.kubo.as_ref().map(|_| (*cid, block.to_vec())) })
    }

    /// Brings blocks to where they belong. Nothing of them can be lost afterwards.
    pub(crate) async fn commit(&self, blocks: Vec<Prepared>) -> Result<(), ContentError> {
        let (mut files, mut uploads) = (Vec::new(), Vec::new());
        for block in blocks {
            files.extend(block.file);
            uploads.extend(block.upload);
        }
        if let Some(directory) = self.directory.clone() {
            blocking(move || commit(&directory, files)).await?;
        }
        let Some(kubo) = &self.kubo else { return Ok(()) };
        let uploads = uploads.into_iter().map(|(cid, bytes)| kubo.write(cid, bytes));
        futures::stream::iter(uploads).buffer_unordered(UPLOADS).try_collect().await
    }

    /// Whether a block is everywhere where it belongs.
    pub(crate) async fn has(&self, cid: &Cid) -> Result<bool, ContentError> {
        if let Some(directory) = &self.directory
            && !directory.has(cid).await
        {
            return Ok(false);
        }
        match &self.kubo {
            Some(kubo) => kubo.has(cid).await,
            None => Ok(true),
        }
    }

    /// Stores one block, kept from garbage collection or not; at a node it is not pinned.
    pub(super) async fn write(&self, cid: Cid, bytes: &[u8], keep: Keep) -> Result<(), ContentError> {
        if let Some(directory) = &self.directory {
            directory.write(cid, bytes, keep).await?;
        }
        if let Some(kubo) = &self.kubo {
            kubo.write(cid, bytes.to_vec()).await?;
        }
        Ok(())
    }
}
