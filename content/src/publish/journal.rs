//! What a publishing that is not finished has stored: one frame a chunk, appended when the chunk's blocks are on disk.
//! It holds no key and no record: what stands in it stands in the collection's pages too.
//!
//! `MAGIC ‖ fingerprint(32)`, then for each chunk `length(4) ‖ SHA-256(32) ‖ page` with a page of that one chunk. What a
//! kill left half written at the end is cut off.

use std::fs::{File, TryLockError};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use offsetdata_protocol::manifest::{ChunkEntry, MAX_BLOCK_BYTES, Page};
use offsetdata_protocol::{Digest, SeriesId};

use crate::ContentError;
use crate::blocks::directory::failed;

const MAGIC: &[u8; 16] = b"offsetdata jrn 1";
const HEAD: usize = MAGIC.len() + Digest::LEN;
const FRAME_HEAD: usize = 4 + Digest::LEN;
const FOLDER: &str = "publishing";

/// A chunk that is stored, and where its frame begins and ends.
#[derive(Debug)]
pub(super) struct Stored {
    pub(super) entry: ChunkEntry,
    pub(super) begin: u64,
    end: u64,
}

/// An open journal. Nobody else can open it meanwhile.
#[derive(Debug)]
pub(super) struct Journal {
    file: File,
    path: PathBuf,
}

impl Journal {
    /// Opens the journal of a series, and gives the chunks that it has where it was begun for the same fingerprint;
    /// another one is begun anew.
    pub(super) fn open(
        root: &Path,
        series: SeriesId,
        fingerprint: Digest,
    ) -> Result<(Self, Vec<Stored>), ContentError> {
        let folder = root.join(FOLDER);
        std::fs::create_dir_all(&folder).map_err(|source| failed("creating", &folder, source))?;
        let path = folder.join(format!("{series}.journal"));
        let open = File::options().create(true).truncate(false).read(true).write(true).open(&path);
        let file = open.map_err(|source| failed("opening", &path, source))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(ContentError::Publishing(format!(
                    "another process is publishing this collection (it has {} locked)",
                    path.display()
                )));
            }
            Err(TryLockError::Error(source)) => return Err(failed("locking", &path, source)),
        }
        let mut journal = Self { file, path };
        let bytes = journal.read()?;
        let begun = bytes.strip_prefix(MAGIC).is_some_and(|rest| rest.starts_with(&fingerprint.0));
        if !begun {
            journal.cut(0)?;
            journal.append(&[&MAGIC[..], &fingerprint.0].concat())?;
            return Ok((journal, Vec::new()));
        }
        let chunks = frames(&bytes[HEAD..]);
        journal.cut(chunks.last().map_or(HEAD as u64, |chunk| chunk.end))?;
        Ok((journal, chunks))
    }

    /// Forgets what stands behind `length`.
    pub(super) fn cut(&mut self, length: u64) -> Result<(), ContentError> {
        let cut = self.file.set_len(length).and_then(|()| self.file.seek(SeekFrom::Start(length)));
        cut.map(|_| ()).map_err(|source| failed("writing", &self.path, source))
    }

    /// Appends chunks whose blocks are on disk.
    pub(super) fn append(&mut self, frames: &[u8]) -> Result<(), ContentError> {
        let write = self.file.write_all(frames).and_then(|()| self.file.sync_data());
        write.map_err(|source| failed("writing", &self.path, source))
    }

    /// Deletes the journal: the collection is whole.
    pub(super) fn remove(self) -> Result<(), ContentError> {
        std::fs::remove_file(&self.path).map_err(|source| failed("deleting", &self.path, source))
    }

    fn read(&mut self) -> Result<Vec<u8>, ContentError> {
        let mut bytes = Vec::new();
        self.file.read_to_end(&mut bytes).map_err(|source| failed("reading", &self.path, source))?;
        Ok(bytes)
    }
}

/// The frame of a chunk.
pub(super) fn frame(entry: &ChunkEntry) -> Result<Vec<u8>, ContentError> {
    let (block, _) = Page { chunks: vec![entry.clone()] }.encode(0)?;
    let length = u32::try_from(block.len()).unwrap_or(u32::MAX);
    Ok([&length.to_be_bytes()[..], &Digest::of(&block).0, &block].concat())
}

/// The chunks of whole frames, up to the first that is not.
fn frames(mut bytes: &[u8]) -> Vec<Stored> {
    let (mut stored, mut begin) = (Vec::new(), HEAD as u64);
    while let Some((head, rest)) = bytes.split_at_checked(FRAME_HEAD) {
        let (length, digest) = head.split_at(4);
        let length = length.iter().fold(0usize, |n, byte| n << 8 | usize::from(*byte));
        let Some((block, rest)) = rest.split_at_checked(length.min(MAX_BLOCK_BYTES)) else { break };
        if length > MAX_BLOCK_BYTES || Digest::of(block).0 != digest {
            break;
        }
        let Ok(mut page) = Page::decode(block) else { break };
        let (Some(entry), true) = (page.chunks.pop(), page.chunks.is_empty()) else { break };
        let end = begin + (FRAME_HEAD + length) as u64;
        stored.push(Stored { entry, begin, end });
        (bytes, begin) = (rest, end);
    }
    stored
}

/// The chunks of all publishings in a directory that are not finished.
pub(crate) fn unfinished(root: &Path) -> Result<Vec<ChunkEntry>, ContentError> {
    let folder = root.join(FOLDER);
    let files = match std::fs::read_dir(&folder) {
        Ok(files) => files,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(source) => return Err(failed("reading", &folder, source)),
    };
    let mut entries = Vec::new();
    for file in files.flatten() {
        let bytes = std::fs::read(file.path()).map_err(|source| failed("reading", &file.path(), source))?;
        if bytes.starts_with(MAGIC) {
            let stored = frames(bytes.get(HEAD..).unwrap_or_default());
            entries.extend(stored.into_iter().map(|chunk| chunk.entry));
        }
    }
    Ok(entries)
}
