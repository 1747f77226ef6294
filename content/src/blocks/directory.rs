//! One file a block, written beside its place and moved there when it is whole and on disk.
//! It verifies nothing: its caller does, for every source alike.
//!
//! Below the root: `XX/CID` blocks that garbage collection may take (of collections, and copies from gateways),
//! `kept/XX/CID` blocks that it never takes, `pins/CID` empty files, `publishing/` journals, `tmp/` one folder for each
//! process that writes, and `lock`.

use std::fs::File;
use std::io::{ErrorKind, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime};

use offsetdata_protocol::cid::Cid;
use tempfile::{NamedTempFile, TempDir};

use crate::ContentError;

/// A folder of `tmp/` whose process may just be about to lock it.
const NEWBORN: Duration = Duration::from_secs(60);

/// Whether garbage collection may take a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Keep {
    /// Never.
    Always,
    /// When no pinned collection reaches it.
    WhileReached,
}

#[derive(Debug, Clone)]
pub(crate) struct Directory {
    root: Arc<PathBuf>,
    session: Arc<OnceLock<Session>>,
    writable: bool,
}

/// Where this process writes blocks that are not whole. Its lock ends with the process, so that others can tell
/// leftovers from work.
#[derive(Debug)]
struct Session {
    folder: TempDir,
    _lock: File,
}

/// A block on its way: on disk when it is committed.
#[derive(Debug)]
pub(crate) enum Staged {
    /// It was there before.
    There,
    /// Written, neither synced nor in its place.
    Written { file: NamedTempFile, place: PathBuf },
}

impl Directory {
    pub(super) fn open(root: &Path) -> Result<Self, ContentError> {
        for folder in [root.to_owned(), root.join("kept"), root.join("pins"), root.join("tmp")] {
            std::fs::create_dir_all(&folder).map_err(|source| failed("creating", &folder, source))?;
        }
        sweep(&root.join("tmp"), SystemTime::now());
        Ok(Self { root: Arc::new(root.to_path_buf()), session: Arc::default(), writable: true })
    }

    /// A directory of somebody else, which is left as it is.
    pub(super) fn open_read_only(root: &Path) -> Result<Self, ContentError> {
        let found = std::fs::metadata(root).and_then(|found| match found.is_dir() {
            true => Ok(()),
            false => Err(std::io::Error::from(ErrorKind::NotADirectory)),
        });
        found.map_err(|source| failed("opening", root, source))?;
        Ok(Self { root: Arc::new(root.to_path_buf()), session: Arc::default(), writable: false })
    }

    pub(super) fn is_writable(&self) -> bool {
        self.writable
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// The last two characters of a CID are as good as random: 1024 folders. A CID in base32 has no path in it.
    pub(crate) fn place(&self, cid: &Cid, keep: Keep) -> PathBuf {
        let name = cid.to_string();
        let shard = &name[name.len().saturating_sub(2)..];
        match keep {
            Keep::Always => self.root.join("kept").join(shard).join(&name),
            Keep::WhileReached => self.root.join(shard).join(&name),
        }
    }

    /// Held while a block is found to be there or put in its place: it is not taken at that moment.
    pub(super) fn lock_shared(&self) -> Result<File, ContentError> {
        let lock = self.lock_file()?;
        lock.lock_shared().map_err(|source| failed("locking", &self.root, source))?;
        Ok(lock)
    }

    /// Held while blocks are taken.
    pub(super) fn lock_exclusive(&self) -> Result<File, ContentError> {
        let lock = self.lock_file()?;
        lock.lock().map_err(|source| failed("locking", &self.root, source))?;
        Ok(lock)
    }

    fn lock_file(&self) -> Result<File, ContentError> {
        let path = self.root.join("lock");
        let open = File::options().create(true).truncate(false).write(true).open(&path);
        open.map_err(|source| failed("opening", &path, source))
    }

    pub(super) async fn has(&self, cid: &Cid) -> bool {
        let (kept, reached) = (self.place(cid, Keep::Always), self.place(cid, Keep::WhileReached));
        let there = async |path| tokio::fs::try_exists(path).await.unwrap_or(false);
        there(reached).await || there(kept).await
    }

    pub(super) async fn read(&self, cid: &Cid, max: usize) -> Result<Vec<u8>, ContentError> {
        let (cid, this) = (*cid, self.clone());
        blocking(move || {
            for keep in [Keep::WhileReached, Keep::Always] {
                let path = this.place(&cid, keep);
                let file = match File::open(&path) {
                    Ok(file) => file,
                    Err(error) if error.kind() == ErrorKind::NotFound => continue,
                    Err(source) => return Err(failed("opening", &path, source)),
                };
                let length = file.metadata().map_or(0, |found| found.len()).min(max as u64 + 1);
                let mut bytes = Vec::with_capacity(usize::try_from(length).unwrap_or_default());
                file.take(max as u64 + 1)
                    .read_to_end(&mut bytes)
                    .map_err(|source| failed("reading", &path, source))?;
                return if bytes.len() > max { Err(ContentError::TooLarge { cid, max }) } else { Ok(bytes) };
            }
            Err(ContentError::NotFound { cid })
        })
        .await
    }

    pub(super) async fn write(&self, cid: Cid, bytes: &[u8], keep: Keep) -> Result<(), ContentError> {
        let (this, bytes) = (self.clone(), bytes.to_vec());
        blocking(move || commit(&this, vec![this.stage(&cid, &bytes, keep)?])).await
    }

    /// Writes a block beside its place, where it is not there already. Waits for no disk.
    pub(crate) fn stage(&self, cid: &Cid, bytes: &[u8], keep: Keep) -> Result<Staged, ContentError> {
        if !self.writable {
            return Err(ContentError::ReadOnly);
        }
        let place = self.place(cid, keep);
        if self.is_there(&place, bytes)? {
            return Ok(Staged::There);
        }
        let folder = self.session()?;
        let write = || -> std::io::Result<NamedTempFile> {
            let mut file = NamedTempFile::new_in(folder)?;
            file.write_all(bytes)?;
            Ok(file)
        };
        Ok(Staged::Written { file: write().map_err(|source| failed("writing", &place, source))?, place })
    }

    /// Whether the block is there whole; then it counts as new, so that it is not taken before who wanted it is done.
    fn is_there(&self, place: &Path, bytes: &[u8]) -> Result<bool, ContentError> {
        if !place.exists() {
            return Ok(false);
        }
        let _lock = self.lock_shared()?;
        // A file of the right length was moved there whole; a damaged one is written anew.
        let same = std::fs::metadata(place).is_ok_and(|there| there.len() == bytes.len() as u64)
            && std::fs::read(place).is_ok_and(|there| there == bytes);
        Ok(same && File::open(place).is_ok_and(|file| file.set_modified(SystemTime::now()).is_ok()))
    }

    fn session(&self) -> Result<&Path, ContentError> {
        if self.session.get().is_none() {
            let parent = self.root.join("tmp");
            let begin = || -> std::io::Result<Session> {
                let folder = TempDir::with_prefix_in("w", &parent)?;
                let lock = File::create(folder.path().join("lock"))?;
                lock.lock()?;
                Ok(Session { folder, _lock: lock })
            };
            let begun = begin().map_err(|source| failed("creating", &parent, source))?;
            // Another thread may have been faster: then its folder is used, and this one goes away.
            let _ = self.session.set(begun);
        }
        let session = self.session.get().map(|session| session.folder.path());
        session.ok_or_else(|| failed("creating", &self.root, std::io::Error::from(ErrorKind::NotFound)))
    }
}

/// Brings staged blocks to disk and into their places. Nothing of it can be lost afterwards.
pub(crate) fn commit(directory: &Directory, staged: Vec<Staged>) -> Result<(), ContentError> {
    let mut written = Vec::with_capacity(staged.len());
    for block in staged {
        if let Staged::Written { file, place } = block {
            file.as_file().sync_data().map_err(|source| failed("writing", &place, source))?;
            written.push((file, place));
        }
    }
    if written.is_empty() {
        return Ok(());
    }
    let _lock = directory.lock_shared()?;
    let mut folders = Vec::with_capacity(written.len());
    for (file, place) in written {
        let folder = place.parent().unwrap_or(Path::new(".")).to_owned();
        if !folder.exists() {
            std::fs::create_dir_all(&folder).map_err(|source| failed("creating", &folder, source))?;
            folders.extend(folder.parent().map(Path::to_owned));
        }
        file.persist(&place).map_err(|error| failed("writing", &place, error.error))?;
        folders.push(folder);
    }
    folders.sort_unstable();
    folders.dedup();
    for folder in folders {
        sync_folder(&folder)?;
    }
    Ok(())
}

pub(super) fn sync_folder(folder: &Path) -> Result<(), ContentError> {
    File::open(folder)
        .and_then(|folder| folder.sync_all())
        .map_err(|source| failed("syncing", folder, source))
}

/// Deletes what processes that were killed left behind. What cannot be deleted stays: it does no harm.
fn sweep(tmp: &Path, now: SystemTime) {
    for folder in std::fs::read_dir(tmp).into_iter().flatten().flatten().map(|entry| entry.path()) {
        let born = std::fs::metadata(&folder).and_then(|found| found.modified());
        let newborn = born.is_ok_and(|born| now.duration_since(born).is_ok_and(|age| age < NEWBORN));
        let dead = match File::open(folder.join("lock")) {
            Ok(lock) => lock.try_lock().is_ok(),
            Err(_) => !newborn,
        };
        if dead && let Err(error) = std::fs::remove_dir_all(&folder) {
            tracing::warn!(folder = %folder.display(), %error, "a leftover could not be deleted");
        }
    }
}

pub(crate) fn failed(what: &'static str, path: &Path, source: std::io::Error) -> ContentError {
    let path = path.display().to_string();
    match source.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => ContentError::DiskFull { path },
        _ => ContentError::File { what, path, source },
    }
}

pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, ContentError> + Send + 'static,
) -> Result<T, ContentError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => Err(failed("working on", Path::new("a block"), std::io::Error::other(error))),
    }
}
