//! One file a block, written beside its place and moved there when it is whole and on disk.
//! It verifies nothing: its caller does, for every source alike.

use std::io::{ErrorKind, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use offsetdata_protocol::cid::Cid;

use crate::ContentError;

#[derive(Debug, Clone)]
pub(super) struct Directory {
    root: Arc<PathBuf>,
}

impl Directory {
    pub(super) fn open(root: &Path) -> Result<Self, ContentError> {
        std::fs::create_dir_all(root).map_err(|source| failed("creating", root, source))?;
        Ok(Self { root: Arc::new(root.to_path_buf()) })
    }

    /// The last two characters of a CID are as good as random: 1024 folders. A CID in base32 has no path in it.
    fn place(&self, cid: &Cid) -> PathBuf {
        let name = cid.to_string();
        let shard = name.len().saturating_sub(2);
        self.root.join(&name[shard..]).join(&name)
    }

    pub(super) async fn has(&self, cid: &Cid) -> bool {
        tokio::fs::try_exists(self.place(cid)).await.unwrap_or(false)
    }

    pub(super) async fn read(&self, cid: &Cid, max: usize) -> Result<Vec<u8>, ContentError> {
        let (cid, path) = (*cid, self.place(cid));
        blocking(move || {
            let file = match std::fs::File::open(&path) {
                Ok(file) => file,
                Err(error) if error.kind() == ErrorKind::NotFound => {
                    return Err(ContentError::NotFound { cid });
                }
                Err(source) => return Err(failed("opening", &path, source)),
            };
            let mut bytes = Vec::new();
            file.take(max as u64 + 1)
                .read_to_end(&mut bytes)
                .map_err(|source| failed("reading", &path, source))?;
            if bytes.len() > max { Err(ContentError::TooLarge { cid, max }) } else { Ok(bytes) }
        })
        .await
    }

    pub(super) async fn write(&self, cid: &Cid, bytes: &[u8]) -> Result<(), ContentError> {
        let (path, bytes) = (self.place(cid), bytes.to_vec());
        blocking(move || {
            // A file of the right length was moved there whole; a damaged one is written anew.
            if std::fs::metadata(&path).is_ok_and(|there| there.len() == bytes.len() as u64)
                && std::fs::read(&path).is_ok_and(|there| there == bytes)
            {
                return Ok(());
            }
            let folder = path.parent().unwrap_or(Path::new("."));
            std::fs::create_dir_all(folder).map_err(|source| failed("creating", folder, source))?;
            let write = || -> std::io::Result<()> {
                let mut file = tempfile::NamedTempFile::new_in(folder)?;
                file.write_all(&bytes)?;
                file.as_file().sync_data()?;
                file.persist(&path).map_err(|error| error.error)?;
                std::fs::File::open(folder)?.sync_all()
            };
            write().map_err(|source| failed("writing", &path, source))
        })
        .await
    }
}

fn failed(what: &'static str, path: &Path, source: std::io::Error) -> ContentError {
    ContentError::File { what, path: path.display().to_string(), source }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, ContentError> + Send + 'static,
) -> Result<T, ContentError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => Err(failed("working on", Path::new("a block"), std::io::Error::other(error))),
    }
}
