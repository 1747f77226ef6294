//! Garbage collection: pins name collections by their manifests, and blocks that no pinned collection reaches are
//! deleted once they are old enough. It never takes what was stored to be kept, nor what is being published.

use std::collections::HashSet;
use std::path::Path;
use std::time::{Duration, SystemTime};

use offsetdata_protocol::cid::{Cid, DAG_CBOR, DAG_PB, FileNode, parts};
use offsetdata_protocol::manifest::{MAX_BLOCK_BYTES, Manifest, Page};

use super::directory::{Keep, blocking, failed, sync_folder};
use super::{Blocks, MAX_BLOCK_BYTES as MAX_FILE_BLOCK_BYTES};
use crate::ContentError;
use crate::publish::journal;

/// Blocks that are younger stay, so that a writer or a reader is not robbed of what it is about to use.
pub const GRACE: Duration = Duration::from_secs(24 * 3600);

/// What a collection of garbage found and did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Collected {
    /// Collections that are pinned.
    pub pins: usize,
    /// Blocks that a pinned collection or an unfinished publishing reaches.
    pub reached: usize,
    /// Blocks that nothing reaches and that are too young to be deleted.
    pub young: usize,
    /// Blocks that were deleted, or would be.
    pub deleted: usize,
    /// Their bytes.
    pub deleted_bytes: u64,
}

impl Blocks {
    /// Keeps a collection, by the CID of its manifest, from garbage collection. Pinning again changes nothing. At a Kubo
    /// node it is one recursive pin, and what the node lacks of the collection is brought there first.
    ///
    /// # Errors
    /// Nowhere to write to, a file that cannot be written, a block that is nowhere, a node that does not pin.
    pub async fn pin(&self, manifest: Cid) -> Result<(), ContentError> {
        if self.kubo.is_some() {
            self.complete(manifest).await?;
        }
        self.pin_stored(manifest).await
    }

    /// The same for a collection whose blocks were all just written.
    pub(crate) async fn pin_stored(&self, manifest: Cid) -> Result<(), ContentError> {
        parts(&manifest)?;
        let destination = self.destination()?;
        if let Some(kubo) = &destination.kubo {
            let mut walked = |blocks| tracing::debug!(%manifest, blocks, "the node pins");
            kubo.pin(&manifest, true, &mut walked).await?;
        }
        let Some(directory) = destination.directory else { return Ok(()) };
        let root = directory.root().join("pins");
        blocking(move || {
            let path = root.join(manifest.to_string());
            std::fs::File::create(&path)
                .and_then(|file| file.sync_all())
                .map_err(|source| failed("writing", &path, source))?;
            sync_folder(&root)
        })
        .await
    }

    /// Leaves a collection to garbage collection, here and at the Kubo node. Says whether it was pinned at either.
    ///
    /// # Errors
    /// As [`Blocks::pin`].
    pub async fn unpin(&self, manifest: Cid) -> Result<bool, ContentError> {
        let there = match &self.kubo {
            Some(kubo) => kubo.unpin(&manifest).await?,
            None => false,
        };
        let root = match self.writable() {
            Ok(directory) => directory.root().join("pins"),
            Err(_) if self.kubo.is_some() => return Ok(there),
            Err(error) => return Err(error),
        };
        let here = blocking(move || {
            let path = root.join(manifest.to_string());
            match std::fs::remove_file(&path) {
                Ok(()) => sync_folder(&root).map(|()| true),
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(false),
                Err(source) => Err(failed("deleting", &path, source)),
            }
        })
        .await?;
        Ok(here || there)
    }

    /// The manifests of the collections that are pinned in the directory.
    ///
    /// # Errors
    /// No directory, or one that cannot be read.
    pub async fn pins(&self) -> Result<Vec<Cid>, ContentError> {
        let root = self.writable()?.root().join("pins");
        blocking(move || {
            let mut pins: Vec<Cid> = names(&root)?.filter_map(|name| name.parse().ok()).collect();
            pins.sort_unstable();
            Ok(pins)
        })
        .await
    }

    /// Deletes blocks that no pinned collection and no unfinished publishing reaches, and that nobody wrote or wanted
    /// to write within `grace` before `now`; with `dry_run` it only counts them.
    ///
    /// # Errors
    /// A pinned manifest or page that is nowhere: what it reaches is unknown, so nothing is deleted.
    pub async fn collect(
        &self,
        grace: Duration,
        now: SystemTime,
        dry_run: bool,
    ) -> Result<Collected, ContentError> {
        let directory = self.writable()?.clone();
        let pins = self.pins().await?;
        let mut reached = HashSet::new();
        for pin in &pins {
            self.reach(*pin, &mut reached).await?;
        }
        for entry in journal::unfinished(directory.root())? {
            match self.reach_file(entry.cid, &mut reached).await {
                // It is made again when the publishing goes on.
                Err(ContentError::NotFound { .. } | ContentError::Changed { .. }) => {}
                result => result?,
            }
        }
        let mut collected = Collected { pins: pins.len(), ..Collected::default() };
        blocking(move || {
            for shard in names(directory.root())?.filter(|name| name.len() == 2) {
                let folder = directory.root().join(shard);
                // One shard at a time, so that writers wait for moments only.
                let _lock = directory.lock_exclusive()?;
                for name in names(&folder)? {
                    let Ok(cid) = name.parse::<Cid>() else { continue };
                    let path = directory.place(&cid, Keep::WhileReached);
                    let Ok(found) = std::fs::metadata(&path) else { continue };
                    let age = found.modified().ok().and_then(|at| now.duration_since(at).ok());
                    if reached.contains(&cid) {
                        collected.reached += 1;
                    } else if age.is_none_or(|age| age < grace) {
                        collected.young += 1;
                    } else {
                        if !dry_run {
                            std::fs::remove_file(&path)
                                .map_err(|source| failed("deleting", &path, source))?;
                        }
                        collected.deleted += 1;
                        collected.deleted_bytes += found.len();
                    }
                }
            }
            Ok(collected)
        })
        .await
    }

    async fn reach(&self, manifest: Cid, reached: &mut HashSet<Cid>) -> Result<(), ContentError> {
        if parts(&manifest)?.0 != DAG_CBOR {
            return self.reach_file(manifest, reached).await;
        }
        reached.insert(manifest);
        for page in Manifest::decode(&self.get(&manifest, MAX_BLOCK_BYTES).await?)?.pages {
            reached.insert(page.cid);
            for chunk in Page::decode(&self.get(&page.cid, MAX_BLOCK_BYTES).await?)?.chunks {
                self.reach_file(chunk.cid, reached).await?;
            }
        }
        Ok(())
    }

    async fn reach_file(&self, file: Cid, reached: &mut HashSet<Cid>) -> Result<(), ContentError> {
        let mut open = vec![file];
        while let Some(cid) = open.pop() {
            if reached.insert(cid) && parts(&cid)?.0 == DAG_PB {
                let node = FileNode::decode(&self.get(&cid, MAX_FILE_BLOCK_BYTES).await?)?;
                open.extend(node.links.iter().map(|link| link.cid));
            }
        }
        Ok(())
    }
}

/// Names in a folder; none where there is no folder.
fn names(folder: &Path) -> Result<impl Iterator<Item = String>, ContentError> {
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => Some(entries),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
        Err(source) => return Err(failed("reading", folder, source)),
    };
    Ok(entries.into_iter().flatten().flatten().filter_map(|entry| entry.file_name().into_string().ok()))
}
