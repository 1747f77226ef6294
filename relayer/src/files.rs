//! Files that the relayer keeps for workers: artifacts and checkpoints, ciphertext both. Streamed to a folder of its
//! own, hashed on the way, durable before they are acknowledged. They never go to the public block store.

use std::path::{Path, PathBuf};
use std::time::Duration;

use aws_lc_rs::digest::{Context as Hasher, SHA256};
use axum::body::{Body, Bytes};
use futures::{Stream, StreamExt};
use offsetdata_protocol::Digest;
use offsetdata_protocol::cid::{Cid, FileWriter};
use tokio::io::AsyncWriteExt;
use tokio_util::io::ReaderStream;

use crate::RelayerError;

/// The next bytes come within this time, or the upload ends.
const IDLE: Duration = Duration::from_secs(30);
const INCOMING: &str = "incoming-";

/// A folder of files. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Files {
    folder: PathBuf,
}

/// Bytes that are durable and have no name yet: dropped, they are gone.
#[derive(Debug)]
pub struct Incoming {
    file: Guard,
    /// SHA-256 of them.
    pub digest: Digest,
    /// Their CID as a file.
    pub cid: Cid,
    /// Their number.
    pub bytes: u64,
}

/// Why an upload was not taken.
#[derive(Debug, thiserror::Error)]
pub enum UploadError {
    /// The sender went away.
    #[error("the upload broke off")]
    BrokeOff,
    /// The sender stalls.
    #[error("no bytes within {} seconds", IDLE.as_secs())]
    Stalled,
    /// Too long.
    #[error("at most {most} bytes")]
    TooLarge {
        /// Most bytes.
        most: u64,
    },
    /// Nothing.
    #[error("at least one byte")]
    Empty,
    /// The disk, or no randomness.
    #[error(transparent)]
    Failed(#[from] RelayerError),
}

impl Files {
    /// Makes the folder and removes what an earlier run left incomplete.
    ///
    /// # Errors
    /// A folder that can't be made or read.
    pub fn open(folder: &Path) -> Result<Self, RelayerError> {
        let failed = |source| RelayerError::Io { what: format!("folder {}", folder.display()), source };
        std::fs::create_dir_all(folder).map_err(failed)?;
        for entry in std::fs::read_dir(folder).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            if entry.file_name().to_string_lossy().starts_with(INCOMING) {
                std::fs::remove_file(entry.path()).map_err(failed)?;
            }
        }
        Ok(Self { folder: folder.to_owned() })
    }

    /// The names of the files.
    ///
    /// # Errors
    /// A folder that can't be read.
    pub fn names(&self) -> Result<Vec<String>, RelayerError> {
        let entries = std::fs::read_dir(&self.folder).map_err(|source| failed("list files", source))?;
        let names = entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned());
        Ok(names.filter(|name| !name.starts_with(INCOMING)).collect())
    }

    /// Takes up to `most` bytes.
    ///
    /// # Errors
    /// Each kind says what happened; nothing is left behind.
    pub async fn take<S, E>(&self, mut stream: S, most: u64) -> Result<Incoming, UploadError>
    where
        S: Stream<Item = Result<Bytes, E>> + Unpin,
    {
        let mut name = [0u8; 16];
        aws_lc_rs::rand::fill(&mut name)
            .map_err(|_| failed("name a file", std::io::Error::other("the machine has no randomness")))?;
        let path = self.folder.join(format!("{INCOMING}{}", alloy::hex::encode(name)));
        let write = |source| UploadError::from(failed("write a file", source));
        let mut file = tokio::fs::File::create_new(&path).await.map_err(write)?;
        let mut writer = FileWriter::new();
        // From here on the file goes away with whatever ends this.
        let guard = Guard(Some(path));
        let mut hasher = Hasher::new(&SHA256);
        let mut bytes = 0u64;
        loop {
            let part = match tokio::time::timeout(IDLE, stream.next()).await {
                Ok(Some(Ok(part))) => part,
                Ok(Some(Err(_))) => return Err(UploadError::BrokeOff),
                Ok(None) => break,
                Err(_) => return Err(UploadError::Stalled),
            };
            bytes += part.len() as u64;
            if bytes > most {
                return Err(UploadError::TooLarge { most });
            }
            hasher.update(&part);
            writer.write(&part, &mut |_, _| {});
            file.write_all(&part).await.map_err(write)?;
        }
        if bytes == 0 {
            return Err(UploadError::Empty);
        }
        file.sync_all().await.map_err(write)?;
        let mut digest = [0u8; 32];
        digest.copy_from_slice(hasher.finish().as_ref());
        let cid = writer.finish(&mut |_, _| {}).cid;
        Ok(Incoming { file: guard, digest: Digest(digest), cid, bytes })
    }

    /// Gives bytes their name, durably. What had it before is replaced.
    ///
    /// # Errors
    /// The disk.
    pub async fn keep(&self, mut incoming: Incoming, name: &str) -> Result<(), RelayerError> {
        let keep = |source| failed("keep a file", source);
        if let Some(path) = &incoming.file.0 {
            tokio::fs::rename(path, self.folder.join(name)).await.map_err(keep)?;
            incoming.file.0 = None;
        }
        let folder = tokio::fs::File::open(&self.folder).await.map_err(keep)?;
        // The name is durable with the folder.
        folder.sync_all().await.map_err(keep)
    }

    /// A file as a body, with its length. `None` where there is none.
    ///
    /// # Errors
    /// The disk.
    pub async fn read(&self, name: &str) -> Result<Option<(Body, u64)>, RelayerError> {
        let file = match tokio::fs::File::open(self.folder.join(name)).await {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failed("read a file", error)),
        };
        let length = file.metadata().await.map_err(|source| failed("read a file", source))?.len();
        Ok(Some((Body::from_stream(ReaderStream::with_capacity(file, 64 * 1024)), length)))
    }

    /// Removes a file, if it is there.
    pub async fn remove(&self, name: &str) {
        if let Err(error) = tokio::fs::remove_file(self.folder.join(name)).await
            && error.kind() != std::io::ErrorKind::NotFound
        {
            tracing::warn!(name, %error, "a file could not be removed");
        }
    }
}

/// A file that goes away unless it is kept.
#[derive(Debug)]
struct Guard(Option<PathBuf>);

impl Drop for Guard {
    fn drop(&mut self) {
        if let Some(path) = &self.0
            && let Err(error) = std::fs::remove_file(path)
        {
            tracing::debug!(%error, "an incomplete upload could not be removed");
        }
    }
}

fn failed(what: &str, source: std::io::Error) -> RelayerError {
    RelayerError::Io { what: what.to_owned(), source }
}
