//! Blocks by CID: a directory of files first, then trustless gateways. Every block is verified when it is read.
//! It does not pin at others or announce anything.

mod directory;
mod remote;

use std::path::Path;

use offsetdata_protocol::Digest;
use offsetdata_protocol::cid::{Cid, DAG_PB, FileNode, FileWriter, RAW, block_cid, parts, verify_block};

use crate::ContentError;
use directory::Directory;
use remote::Gateway;

/// Largest block that is read or written: what IPFS nodes exchange.
pub const MAX_BLOCK_BYTES: usize = 2 << 20;
/// Deepest UnixFS tree: 1024³ leaves of 1 MiB are more than any file of ours.
const MAX_FILE_DEPTH: u32 = 3;

/// Where blocks are. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Blocks {
    directory: Option<Directory>,
    gateways: Vec<Gateway>,
}

impl Blocks {
    /// Blocks as files below `path`, which is created.
    ///
    /// # Errors
    /// A directory that cannot be created.
    pub fn directory(path: impl AsRef<Path>) -> Result<Self, ContentError> {
        Ok(Self { directory: Some(Directory::open(path.as_ref())?), gateways: Vec::new() })
    }

    /// Only gateways, for reading.
    pub fn remote() -> Self {
        Self::default()
    }

    /// Reads also from a trustless gateway (`{url}/ipfs/{cid}?format=raw`) what the directory lacks.
    ///
    /// # Errors
    /// A URL that is not http or https.
    pub fn with_gateway(mut self, url: &str) -> Result<Self, ContentError> {
        self.gateways.push(Gateway::new(url)?);
        Ok(self)
    }

    /// Stores a block durably and says its CID. Storing it again changes nothing.
    ///
    /// # Errors
    /// No directory, a block over [`MAX_BLOCK_BYTES`], a file that cannot be written.
    pub async fn put(&self, codec: u64, bytes: &[u8]) -> Result<Cid, ContentError> {
        let cid = block_cid(codec, Digest::of(bytes));
        self.put_verified(cid, bytes).await?;
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
            self.put_verified(*cid, block).await?;
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
        let mut last = ContentError::NotFound { cid: *cid };
        if let Some(directory) = &self.directory {
            match directory.read(cid, max).await.and_then(|bytes| verified(cid, bytes)) {
                Ok(bytes) => return Ok(bytes),
                Err(error) => last = error,
            }
        }
        for gateway in &self.gateways {
            match gateway.read(cid, max).await.and_then(|bytes| verified(cid, bytes)) {
                Ok(bytes) => {
                    if let Some(directory) = &self.directory {
                        directory.write(cid, &bytes).await?;
                    }
                    return Ok(bytes);
                }
                Err(error @ ContentError::NotFound { .. }) => {
                    if matches!(last, ContentError::NotFound { .. }) {
                        last = error;
                    }
                }
                Err(error) => {
                    tracing::warn!(%cid, %error, "a gateway did not give the block");
                    last = error;
                }
            }
        }
        Err(last)
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

    /// Whether the directory has the block.
    pub async fn has(&self, cid: &Cid) -> bool {
        match &self.directory {
            Some(directory) => directory.has(cid).await,
            None => false,
        }
    }

    async fn put_verified(&self, cid: Cid, bytes: &[u8]) -> Result<(), ContentError> {
        if bytes.len() > MAX_BLOCK_BYTES {
            return Err(ContentError::TooLarge { cid, max: MAX_BLOCK_BYTES });
        }
        let directory = self.directory.as_ref().ok_or(ContentError::ReadOnly)?;
        directory.write(&cid, bytes).await
    }
}

fn verified(cid: &Cid, bytes: Vec<u8>) -> Result<Vec<u8>, ContentError> {
    verify_block(cid, &bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests;
