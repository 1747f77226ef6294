//! A file that is seen whole or not at all: written beside its place and moved there. It says nothing of what is in it.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use anyhow::Context as _;
use tempfile::NamedTempFile;

/// Begins a file that will be at `path`. What it is meant for are others: it is as readable as any new file.
pub(crate) fn begin(path: &Path) -> anyhow::Result<NamedTempFile> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let mut builder = tempfile::Builder::new();
    builder.permissions(std::fs::Permissions::from_mode(0o666));
    builder.tempfile_in(folder).with_context(|| format!("writing to {}", folder.display()))
}

/// Puts it there, durably, over what was there before.
pub(crate) fn put(file: NamedTempFile, path: &Path) -> anyhow::Result<()> {
    let writing = || format!("writing {}", path.display());
    file.as_file().sync_all().with_context(writing)?;
    file.persist(path).with_context(writing)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn it_is_there_whole_or_as_before() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("evidence.json");
        std::fs::write(&path, "before").unwrap();
        let mut cut_short = begin(&path).unwrap();
        cut_short.write_all(b"hal").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"before");
        drop(cut_short);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
        let mut whole = begin(&path).unwrap();
        whole.write_all(b"whole").unwrap();
        put(whole, &path).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"whole");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
        let nowhere = begin(&folder.path().join("none/evidence.json")).unwrap_err();
        assert!(format!("{nowhere:#}").contains("none"), "{nowhere:#}");
    }
}
