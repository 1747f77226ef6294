//! The recovery file of a private collection: the one place where its key is kept. It is written before the first chunk
//! is sealed, readable by its owner alone, and never replaced. It is not encrypted.

use std::io::{ErrorKind, Write};
use std::path::Path;

use alloy::hex;
use offsetdata_protocol::{CollectionKey, SeriesId};
use serde::{Deserialize, Serialize};

use crate::SdkError;

const FORMAT: u32 = 1;
const WHAT: &str = "Offsetdata recovery file. Whoever has it can read every record of this collection and of its later \
versions; whoever published it and loses it can neither append to it nor open it to another gateway. Keep it secret, \
and keep a copy in another place.";
/// Longest file that is read.
const MAX_BYTES: u64 = 64 << 10;

/// Series and key of a private collection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recovery {
    /// What its publisher calls the collection.
    pub name: String,
    /// Names the collection over its versions.
    pub series: SeriesId,
    /// Opens every chunk.
    pub key: CollectionKey,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Form {
    what: String,
    format: u32,
    name: String,
    series: SeriesId,
    collection_key: String,
}

impl Drop for Form {
    fn drop(&mut self) {
        // The text of the key is not left behind in memory that is given back.
        let mut text = std::mem::take(&mut self.collection_key).into_bytes();
        text.fill(0);
        std::hint::black_box(&text);
    }
}

impl Recovery {
    /// A new series with a new key, from the system's generator.
    ///
    /// # Errors
    /// A generator that fails.
    pub fn generate(name: &str) -> Result<Self, SdkError> {
        let (mut series, mut key) = ([0; 16], [0; 32]);
        for bytes in [&mut series[..], &mut key[..]] {
            fill_random(bytes)?;
        }
        let key = CollectionKey::from_bytes(std::mem::take(&mut key));
        Ok(Self { name: name.to_owned(), series: SeriesId(series), key })
    }

    /// Reads a file.
    ///
    /// # Errors
    /// A file that cannot be read or is no recovery file; one that others than its owner can read.
    pub fn read(path: &Path) -> Result<Self, SdkError> {
        let refused = |reason: String| SdkError::Recovery { path: path.display().to_string(), reason };
        let found = std::fs::metadata(path).map_err(|e| refused(e.to_string()))?;
        check_private(&found).map_err(refused)?;
        if found.len() > MAX_BYTES {
            return Err(refused(format!("is longer than {MAX_BYTES} bytes")));
        }
        let text = std::fs::read_to_string(path).map_err(|e| refused(e.to_string()))?;
        // The parser's own words would repeat what stands in the file.
        let form: Form = serde_json::from_str(&text).map_err(|_| refused("is no recovery file".into()))?;
        if form.format != FORMAT {
            return Err(refused(format!("has format {}, this program knows {FORMAT}", form.format)));
        }
        let mut key = [0; 32];
        hex::decode_to_slice(&form.collection_key, &mut key)
            .map_err(|_| refused("its key is not 32 bytes in hexadecimal".into()))?;
        Ok(Self { name: form.name.clone(), series: form.series, key: CollectionKey::from_bytes(key) })
    }

    /// Writes a file that only its owner can read. A file that is there is never replaced.
    ///
    /// # Errors
    /// A file that is there, or cannot be written.
    pub fn write(&self, path: &Path) -> Result<(), SdkError> {
        let refused = |reason: String| SdkError::Recovery { path: path.display().to_string(), reason };
        let form = Form {
            what: WHAT.to_owned(),
            format: FORMAT,
            name: self.name.clone(),
            series: self.series,
            collection_key: hex::encode_prefixed(self.key.reveal()),
        };
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let write = || -> std::io::Result<()> {
            std::fs::create_dir_all(folder)?;
            // Made with mode 0600, and moved to its name when it is whole and on disk.
            let mut file = tempfile::NamedTempFile::new_in(folder)?;
            serde_json::to_writer_pretty(&mut file, &form)?;
            file.write_all(b"\n")?;
            file.as_file().sync_all()?;
            file.persist_noclobber(path).map_err(|error| error.error)?;
            std::fs::File::open(folder)?.sync_all()
        };
        write().map_err(|error| match error.kind() {
            ErrorKind::AlreadyExists => refused("is there already, and is not replaced".into()),
            _ => refused(error.to_string()),
        })
    }

    /// The file's series and key, or new ones that are written there first. Says whether they are new.
    ///
    /// # Errors
    /// As [`Recovery::read`] and [`Recovery::write`]; a file of a collection with another name.
    pub fn read_or_write(path: &Path, name: &str) -> Result<(Self, bool), SdkError> {
        if path.exists() {
            let found = Self::read(path)?;
            if found.name != name {
                let reason = format!("is of the collection {:?}, not of {name:?}", found.name);
                return Err(SdkError::Recovery { path: path.display().to_string(), reason });
            }
            return Ok((found, false));
        }
        let new = Self::generate(name)?;
        new.write(path)?;
        Ok((new, true))
    }
}

/// Random bytes from the system's generator.
pub(crate) fn fill_random(bytes: &mut [u8]) -> Result<(), SdkError> {
    aws_lc_rs::rand::fill(bytes).map_err(|_| SdkError::Account("the random generator failed".into()))
}

#[cfg(unix)]
fn check_private(found: &std::fs::Metadata) -> Result<(), String> {
    use std::os::unix::fs::PermissionsExt;
    let mode = found.permissions().mode() & 0o777;
    if mode & 0o077 == 0 {
        Ok(())
    } else {
        Err(format!("has mode {mode:o}, so that others can read the key: chmod 600 it"))
    }
}

#[cfg(not(unix))]
fn check_private(_: &std::fs::Metadata) -> Result<(), String> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_file_reads_back_and_is_private_and_never_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys/digits.json");
        let (new, fresh) = Recovery::read_or_write(&path, "Digits").unwrap();
        assert!(fresh);
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let (again, fresh) = Recovery::read_or_write(&path, "Digits").unwrap();
        assert!(!fresh);
        assert_eq!(again, new);
        assert!(Recovery::read_or_write(&path, "Letters").is_err());
        let other = Recovery::generate("Digits").unwrap();
        assert_ne!(other.key, new.key);
        assert!(other.write(&path).unwrap_err().to_string().contains("not replaced"));
        assert_eq!(Recovery::read(&path).unwrap(), new);
        assert!(std::fs::read_to_string(&path).unwrap().contains("Keep it secret"));
    }

    #[test]
    fn a_file_that_others_can_read_or_that_is_none_is_refused_without_its_words() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("digits.json");
        let new = Recovery::generate("Digits").unwrap();
        new.write(&path).unwrap();
        assert!(!format!("{new:?}").contains(&hex::encode(new.key.reveal())));
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
        assert!(Recovery::read(&path).unwrap_err().to_string().contains("mode 644"));
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        for broken in
            [text.replace("collectionKey", "key"), text[..text.len() / 2].to_owned(), "x".repeat(70_000)]
        {
            std::fs::write(&path, &broken).unwrap();
            let error = Recovery::read(&path).unwrap_err().to_string();
            assert!(!error.contains(&hex::encode(new.key.reveal())[..8]), "{error}");
        }
        assert!(Recovery::read(&folder.path().join("nowhere")).is_err());
    }
}
