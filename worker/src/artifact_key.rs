//! The developer's key: artifacts and checkpoints are sealed to it, and all workers of a developer share it. Nothing
//! here prints it.

use std::io::Write;
use std::path::Path;

use offsetdata_protocol::seal::{ContentEntropy, SealingSecret};

use crate::WorkerError;

/// Longest key file that is read, in bytes.
const MAX_FILE_BYTES: u64 = 1024;

/// The key in a file: 64 hexadecimal digits, perhaps with `0x`. A file that is not there is made, with a fresh key and
/// mode 0600. Whoever loses it loses the models that were sealed to it.
///
/// # Errors
/// A file that cannot be read or made, or that holds no key.
pub fn artifact_key(path: &Path) -> Result<SealingSecret, WorkerError> {
    let failed = |reason: String| WorkerError::Settings(format!("{}: {reason}", path.display()));
    let text = match std::fs::metadata(path) {
        Ok(found) if found.len() > MAX_FILE_BYTES => return Err(failed("is too long for a key".into())),
        Ok(_) => std::fs::read_to_string(path).map_err(|error| failed(error.to_string()))?,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => match make(path) {
            // Another worker was faster.
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
                std::fs::read_to_string(path).map_err(|error| failed(error.to_string()))?
            }
            made => made.map_err(|error| failed(error.to_string()))?,
        },
        Err(error) => return Err(failed(error.to_string())),
    };
    let key = alloy::hex::decode_to_array(text.trim())
        .map_err(|_| failed("is not a key: expected 64 hexadecimal digits".into()))?;
    Ok(SealingSecret::from_bytes(key))
}

/// A new key. The file appears whole or not at all.
fn make(path: &Path) -> std::io::Result<String> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder)?;
    let text = alloy::hex::encode_prefixed(random::<32>().map_err(std::io::Error::other)?);
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}", std::process::id()));
    let partial = folder.join(name);
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&partial)?;
    let written = writeln!(file, "{text}").and_then(|()| file.sync_all());
    // A hard link fails where a file is there already: no key is ever written over.
    let linked = written.and_then(|()| std::fs::hard_link(&partial, path));
    std::fs::remove_file(&partial)?;
    linked?;
    tracing::info!(path = %path.display(), "a new artifact key; keep a copy of the file");
    Ok(text)
}

/// What sealing some content needs.
pub(crate) fn entropy() -> Result<ContentEntropy, WorkerError> {
    random().map(ContentEntropy::from_bytes).map_err(|reason| WorkerError::Settings(reason.to_owned()))
}

fn random<const N: usize>() -> Result<[u8; N], &'static str> {
    let mut bytes = [0; N];
    aws_lc_rs::rand::fill(&mut bytes).map_err(|_| "the machine has no randomness")?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_made_once_and_read_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys/artifact.key");
        let made = artifact_key(&path).unwrap();
        assert_eq!(artifact_key(&path).unwrap(), made);
        #[cfg(unix)]
        {
            let mode =
                std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&path).unwrap().permissions());
            assert_eq!(mode & 0o777, 0o600);
        }
        assert_eq!(std::fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
        assert_ne!(artifact_key(&folder.path().join("other")).unwrap(), made);
    }

    #[test]
    fn what_is_no_key_is_refused_and_not_shown() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        for text in ["", "0x12", &"zz".repeat(32), &"ab".repeat(33), &"a".repeat(2_000)] {
            std::fs::write(&path, text).unwrap();
            let error = artifact_key(&path).unwrap_err();
            assert!(!error.is_retryable());
            assert!(text.is_empty() || !error.to_string().contains(text), "{error}");
        }
        assert!(artifact_key(folder.path()).is_err());
    }
}
