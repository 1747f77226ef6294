//! Blocks by CID: directories of files first, then a Kubo node, then trustless gateways, at last the nodes that Kubo
//! knows. Every block is verified when it is read. It announces nothing.

pub mod check;
mod collect;
pub(crate) mod destination;
pub(crate) mod directory;
mod kubo;
mod remote;

use std::path::Path;

use offsetdata_protocol::cid::{Cid, DAG_PB, FileNode, FileWriter, RAW, block_cid, parts, verify_block};
use offsetdata_protocol::{Digest, ProtocolError};

use crate::ContentError;
use crate::dag::Walk;
pub use collect::{Collected, GRACE};
use destination::Destination;
use directory::{Directory, Keep};
use kubo::Look;
pub use kubo::{Kubo, KuboAuth, KuboSettings};
use remote::Gateway;

/// Largest block that is read or written: what IPFS nodes exchange.
pub const MAX_BLOCK_BYTES: usize = 2 << 20;
/// Deepest UnixFS tree: 1024³ leaves of 1 MiB are more than any file of ours.
const MAX_FILE_DEPTH: u32 = 3;

/// Where blocks are. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Blocks {
    directories: Vec<Directory>,
    kubo: Option<Kubo>,
    /// Whether what goes to the Kubo node goes to the directory too.
    keep_local: bool,
    /// Whether the Kubo node is asked for nothing but its own.
    alone: bool,
    gateways: Vec<Gateway>,
}

impl Blocks {
    /// Blocks as files below `path`, which is created.
    ///
    /// # Errors
    /// A directory that cannot be created.
    pub fn directory(path: impl AsRef<Path>) -> Result<Self, ContentError> {
        Ok(Self { directories: vec![Directory::open(path.as_ref())?], ..Self::default() })
    }

    /// Only gateways, for reading.
    pub fn remote() -> Self {
        Self::default()
    }

    /// Writes to a Kubo node instead of the directory, and reads from both. The directory keeps journals, and copies of
    /// what gateways gave.
    #[must_use]
    pub fn with_kubo(mut self, kubo: Kubo) -> Self {
        self.kubo = Some(kubo);
        self
    }

    /// Writes to the directory too what goes to the Kubo node.
    #[must_use]
    pub fn keeping_local(mut self) -> Self {
        self.keep_local = true;
        self
    }

    /// The same with the Kubo node that the settings name, where they name one.
    ///
    /// # Errors
    /// As [`Kubo::new`].
    pub fn with_settings(mut self, settings: &KuboSettings) -> Result<Self, ContentError> {
        if let Some(url) = &settings.kubo {
            self = self.with_kubo(Kubo::new(url, settings.kubo_auth.as_ref())?);
        }
        self.keep_local |= settings.kubo_keep_local;
        Ok(self)
    }

    /// The same without the gateways and without the nodes that the Kubo node knows: what is here, for serving others.
    #[must_use]
    pub fn without_network(mut self) -> Self {
        self.gateways.clear();
        self.alone = true;
        self
    }

    /// The Kubo node, where there is one.
    pub fn kubo(&self) -> Option<&Kubo> {
        self.kubo.as_ref()
    }

    /// Reads also from a trustless gateway (`{url}/ipfs/{cid}?format=raw`) what the directory lacks.
    ///
    /// # Errors
    /// A URL that is not http or https.
    pub fn with_gateway(mut self, url: &str) -> Result<Self, ContentError> {
        self.gateways.push(Gateway::new(url)?);
        Ok(self)
    }

    /// Reads also from the directory of somebody else's store, which is left as it is.
    ///
    /// # Errors
    /// A path that is no directory.
    pub fn with_directory(mut self, path: impl AsRef<Path>) -> Result<Self, ContentError> {
        self.directories.push(Directory::open_read_only(path.as_ref())?);
        Ok(self)
    }

    /// Stores a block durably, so that garbage collection never takes it, and says its CID. Storing it again changes nothing.
    ///
    /// # Errors
    /// Nowhere to write to, a block over [`MAX_BLOCK_BYTES`], a file that cannot be written, a node that does not take it.
    pub async fn put(&self, codec: u64, bytes: &[u8]) -> Result<Cid, ContentError> {
        let cid = block_cid(codec, Digest::of(bytes));
        self.put_as(cid, bytes, Keep::Always).await?;
        if let Some(kubo) = &self.kubo {
            kubo.pin(&cid, false, &mut |_| {}).await?;
        }
        Ok(cid)
    }

    /// Stores a block of a collection: durable, and kept while a pinned collection reaches it.
    pub(crate) async fn put_reached(&self, codec: u64, bytes: &[u8]) -> Result<Cid, ContentError> {
        let cid = block_cid(codec, Digest::of(bytes));
        self.put_as(cid, bytes, Keep::WhileReached).await?;
        Ok(cid)
    }

    /// Stores a file: one raw block, or a balanced UnixFS tree where it is longer than 1 MiB.
    ///
    /// # Errors
    /// As [`Blocks::put`].
    pub async fn put_file(&self, bytes: &[u8]) -> Result<Cid, ContentError> {
        let mut blocks: Vec<(Cid, Vec<u8>)> = Vec::new();
        let mut keep = |cid: Cid, block: &[u8]| blocks.push((cid, block.to_vec()));
        let mut writer = FileWriter::new();
        writer.write(bytes, &mut keep);
        let root = writer.finish(&mut keep).cid;
        for (cid, block) in &blocks {
            self.put_as(*cid, block, Keep::Always).await?;
        }
        if let Some(kubo) = &self.kubo {
            kubo.pin(&root, true, &mut |_| {}).await?;
        }
        Ok(root)
    }

    /// A block of at most `max` bytes, verified against its CID.
    ///
    /// # Errors
    /// Not found anywhere, too long, or only false bytes were offered.
    pub async fn get(&self, cid: &Cid, max: usize) -> Result<Vec<u8>, ContentError> {
        parts(cid)?;
        let max = max.min(MAX_BLOCK_BYTES);
        let mut failure = ContentError::NotFound { cid: *cid };
        for directory in &self.directories {
            match directory.read(cid, max).await.and_then(|bytes| verified(cid, bytes)) {
                Ok(bytes) => return Ok(bytes),
                Err(error) => note(&mut failure, error),
            }
        }
        if let Some(kubo) = &self.kubo {
            match kubo.read(cid, max, Look::Own).await.and_then(|bytes| verified(cid, bytes)) {
                Ok(bytes) => return Ok(bytes),
                Err(error) => note(&mut failure, error),
            }
        }
        for gateway in &self.gateways {
            match gateway.read(cid, max).await.and_then(|bytes| verified(cid, bytes)) {
                Ok(bytes) => {
                    self.keep_copy(cid, &bytes).await;
                    return Ok(bytes);
                }
                Err(error) => note(&mut failure, error),
            }
        }
        // The nodes that Kubo knows come last: nobody can say quickly that none of them has it.
        if let (Some(kubo), false) = (&self.kubo, self.alone) {
            match kubo.read(cid, max, Look::Network).await.and_then(|bytes| verified(cid, bytes)) {
                Ok(bytes) => return Ok(bytes),
                Err(error) => note(&mut failure, error),
            }
        }
        Err(failure)
    }

    /// A raw block by its digest alone.
    ///
    /// # Errors
    /// As [`Blocks::get`].
    pub async fn get_raw(&self, digest: Digest, max: usize) -> Result<Vec<u8>, ContentError> {
        self.get(&block_cid(RAW, digest), max).await
    }

    /// A file of at most `max` bytes: a raw block, or a UnixFS tree whose blocks are all verified.
    ///
    /// # Errors
    /// As [`Blocks::get`]; a tree that is deeper or longer than allowed.
    pub async fn get_file(&self, cid: &Cid, max: usize) -> Result<Vec<u8>, ContentError> {
        let mut bytes = Vec::new();
        let mut open = vec![(*cid, 0u32)];
        while let Some((cid, depth)) = open.pop() {
            let too_large = ContentError::TooLarge { cid, max };
            if parts(&cid)?.0 != DAG_PB {
                let room = max - bytes.len();
                let leaf = self.get(&cid, MAX_BLOCK_BYTES).await?;
                if leaf.len() > room {
                    return Err(too_large);
                }
                bytes.extend_from_slice(&leaf);
                continue;
            }
            let node = FileNode::decode(&self.get(&cid, MAX_BLOCK_BYTES).await?)?;
            if depth >= MAX_FILE_DEPTH || node.file_bytes() > (max - bytes.len()) as u64 {
                return Err(too_large);
            }
            open.extend(node.links.iter().rev().map(|link| (link.cid, depth + 1)));
        }
        Ok(bytes)
    }

    /// Whether a directory or the Kubo node has the block. A node that does not answer has none.
    pub async fn has(&self, cid: &Cid) -> bool {
        for directory in &self.directories {
            if directory.has(cid).await {
                return true;
            }
        }
        match &self.kubo {
            Some(kubo) => kubo.has(cid).await.unwrap_or(false),
            None => false,
        }
    }

    /// Whether all blocks of a file are where they are written to. They are not verified.
    pub(crate) async fn has_stored(&self, file: &Cid) -> Result<bool, ContentError> {
        let destination = self.destination()?;
        let mut open = vec![*file];
        while let Some(cid) = open.pop() {
            if !destination.has(&cid).await? {
                return Ok(false);
            }
            if cid.codec() == DAG_PB {
                let Ok(block) = self.get(&cid, MAX_BLOCK_BYTES).await else { return Ok(false) };
                let Ok(node) = FileNode::decode(&block) else { return Ok(false) };
                open.extend(node.links.iter().map(|link| link.cid));
            }
        }
        Ok(true)
    }

    /// Brings to where blocks are written what a root reaches and is not there yet.
    pub(crate) async fn complete(&self, root: Cid) -> Result<(), ContentError> {
        let destination = self.destination()?;
        let mut walk = Walk::new(self.clone(), root);
        while let Some(cid) = walk.next_cid()? {
            let there = destination.has(&cid).await?;
            if there && cid.codec() == RAW {
                continue;
            }
            let block = self.get(&cid, MAX_BLOCK_BYTES).await?;
            walk.follow(&cid, &block)?;
            if !there {
                destination.commit(vec![destination.stage(&cid, &block)?]).await?;
            }
        }
        Ok(())
    }

    /// Where blocks are written.
    pub(crate) fn destination(&self) -> Result<Destination, ContentError> {
        let local = self.kubo.is_none() || self.keep_local;
        let directory = if local { Some(self.writable()?.clone()) } else { None };
        Ok(Destination { directory, kubo: self.kubo.clone() })
    }

    /// The directory that is ours.
    pub(crate) fn writable(&self) -> Result<&Directory, ContentError> {
        self.directories.iter().find(|directory| directory.is_writable()).ok_or(ContentError::ReadOnly)
    }

    async fn put_as(&self, cid: Cid, bytes: &[u8], keep: Keep) -> Result<(), ContentError> {
        if bytes.len() > MAX_BLOCK_BYTES {
            return Err(ContentError::TooLarge { cid, max: MAX_BLOCK_BYTES });
        }
        self.destination()?.write(cid, bytes, keep).await
    }

    /// Keeps what a gateway gave. That there is no room for a copy does not keep the bytes from who asked.
    async fn keep_copy(&self, cid: &Cid, bytes: &[u8]) {
        let Ok(directory) = self.writable() else { return };
        if let Err(error) = directory.write(*cid, bytes, Keep::WhileReached).await {
            tracing::warn!(%cid, %error, "a copy of the block could not be kept");
        }
    }
}

/// The blocks of a file, given one by one, leaves first.
pub(crate) fn file_blocks(bytes: &[u8], block: &mut dyn FnMut(Cid, &[u8])) {
    let mut writer = FileWriter::new();
    writer.write(bytes, block);
    writer.finish(block);
}

fn verified(cid: &Cid, bytes: Vec<u8>) -> Result<Vec<u8>, ContentError> {
    match verify_block(cid, &bytes) {
        Ok(()) => Ok(bytes),
        Err(ProtocolError::DigestMismatch { actual, .. }) => {
            Err(ContentError::Changed { cid: *cid, actual: Box::new(actual) })
        }
        Err(error) => Err(error.into()),
    }
}

/// Keeps what says most of why no source gave the block: changed bytes before any failure, a failure before absence.
fn note(failure: &mut ContentError, error: ContentError) {
    if matches!(error, ContentError::NotFound { .. }) {
        return;
    }
    tracing::warn!(%error, "a source did not give a block");
    if !matches!(failure, ContentError::Changed { .. }) {
        *failure = error;
    }
}

#[cfg(test)]
mod collect_tests;
#[cfg(test)]
mod kubo_tests;
#[cfg(test)]
mod tests;
