//! A folder with one folder of PNG images a class, as image tools write it. It decodes no image beyond its signature:
//! media stay in their own encoding.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail, ensure};
use offsetdata_protocol::manifest::{Field, FieldKind};
use offsetdata_protocol::record::{MAX_RECORD_BYTES, Record, Value};

const PNG_SIGNATURE: [u8; 8] = [0x89, b'P', b'N', b'G', 0x0d, 0x0a, 0x1a, 0x0a];

/// One image and its class.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct LabelledImage {
    path: PathBuf,
    label: u32,
}

/// The images of a folder, in an order that depends on their names only: by file name, then by class.
#[derive(Debug)]
pub(crate) struct ImageFolder {
    pub(super) classes: Vec<String>,
    pub(super) images: Vec<LabelledImage>,
}

impl ImageFolder {
    /// Lists a folder. Classes are its subfolders, by name; where all names are whole numbers they are the labels,
    /// otherwise the labels count from 0 in the order of the names.
    pub(super) fn open(folder: &Path) -> anyhow::Result<Self> {
        let mut classes = names(folder)?;
        classes.retain(|name| folder.join(name).is_dir());
        ensure!(
            !classes.is_empty(),
            "{} has no subfolders: expected one folder of PNG files a class",
            folder.display()
        );
        let numbers: Option<Vec<u32>> = classes.iter().map(|name| name.parse().ok()).collect();
        let mut images = Vec::new();
        for (position, class) in classes.iter().enumerate() {
            let counted = u32::try_from(position).context("too many classes")?;
            let label =
                numbers.as_ref().and_then(|numbers| numbers.get(position).copied()).unwrap_or(counted);
            for name in names(&folder.join(class))? {
                let path = folder.join(class).join(&name);
                if path.extension().is_some_and(|end| end.eq_ignore_ascii_case("png")) {
                    images.push((name, LabelledImage { path, label }));
                }
            }
        }
        ensure!(!images.is_empty(), "{} has no PNG file in its subfolders", folder.display());
        images.sort_by(|(a, x), (b, y)| a.cmp(b).then(x.label.cmp(&y.label)));
        Ok(Self { classes, images: images.into_iter().map(|(_, image)| image).collect() })
    }

    /// The fields of a record.
    pub(super) fn fields() -> Vec<Field> {
        vec![
            Field::required("image", FieldKind::Bytes).media("image/png"),
            Field::required("label", FieldKind::Integer),
        ]
    }
}

impl LabelledImage {
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Reads the image as a record.
    pub(super) fn read(&self) -> anyhow::Result<Record> {
        let length = std::fs::metadata(&self.path).with_context(|| self.path.display().to_string())?.len();
        if length > MAX_RECORD_BYTES as u64 {
            bail!("{} has {length} bytes, a record at most {MAX_RECORD_BYTES}", self.path.display());
        }
        let image = std::fs::read(&self.path).with_context(|| format!("reading {}", self.path.display()))?;
        ensure!(image.starts_with(&PNG_SIGNATURE), "{} is not a PNG file", self.path.display());
        Ok(Record::from_fields([
            ("image", Value::Bytes(image)),
            ("label", Value::Integer(self.label.into())),
        ])?)
    }
}

fn names(folder: &Path) -> anyhow::Result<Vec<String>> {
    let entries = std::fs::read_dir(folder).with_context(|| format!("reading {}", folder.display()))?;
    let mut names = Vec::new();
    for entry in entries {
        let name = entry.with_context(|| format!("reading {}", folder.display()))?.file_name();
        match name.into_string() {
            Ok(name) => names.push(name),
            Err(name) => {
                bail!("{} holds a name that is not UTF-8: {}", folder.display(), name.to_string_lossy())
            }
        }
    }
    names.sort_unstable();
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(files: &[(&str, &[u8])]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (path, bytes) in files {
            let path = folder.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, bytes).unwrap();
        }
        folder
    }

    #[test]
    fn order_and_labels_follow_the_names() {
        let folder =
            folder(&[("7/b.png", b"x"), ("3/a.png", b"x"), ("3/notes.txt", b"x"), ("3/b.png", b"x")]);
        let found = ImageFolder::open(folder.path()).unwrap();
        let seen: Vec<_> =
            found.images.iter().map(|i| (i.path.file_name().unwrap().to_str().unwrap(), i.label)).collect();
        assert_eq!(seen, [("a.png", 3), ("b.png", 3), ("b.png", 7)]);
    }

    #[test]
    fn names_that_are_no_numbers_are_counted() {
        let folder = folder(&[("cat/1.png", b"x"), ("dog/2.png", b"x")]);
        let found = ImageFolder::open(folder.path()).unwrap();
        assert_eq!(found.images.iter().map(|i| i.label).collect::<Vec<_>>(), [0, 1]);
        assert_eq!(found.classes, ["cat", "dog"]);
    }

    #[test]
    fn what_is_no_image_is_refused_by_name() {
        let folder = folder(&[("0/fake.png", b"GIF89a")]);
        let error = ImageFolder::open(folder.path()).unwrap().images[0].read().unwrap_err();
        assert!(error.to_string().contains("fake.png is not a PNG"), "{error}");
        assert!(ImageFolder::open(&folder.path().join("0")).is_err());
        assert!(ImageFolder::open(Path::new("nowhere")).is_err());
    }
}
