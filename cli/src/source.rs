//! Where records come from: a folder of images, JSON Lines, or CSV. A source is read twice, first to see its fields and
//! length and then record by record, so that it may be larger than memory. It publishes nothing.

mod images;
mod rows;

use std::os::unix::fs::MetadataExt;
use std::path::Path;

use anyhow::{Context as _, ensure};
use offsetdata_protocol::Digest;
use offsetdata_protocol::manifest::Field;
use offsetdata_protocol::merkle::MAX_RECORDS;
use offsetdata_protocol::record::Record;

use images::ImageFolder;
use rows::Rows;

/// Records of one kind, in an order that does not change.
#[derive(Debug)]
pub(crate) enum Source {
    Images(ImageFolder),
    Rows(Rows),
}

impl Source {
    /// Looks at a folder, or at a file by its ending: `.jsonl`, `.ndjson` or `.csv`.
    pub(crate) fn open(path: &Path) -> anyhow::Result<Self> {
        let source = if path.is_dir() {
            Self::Images(ImageFolder::open(path)?)
        } else {
            Self::Rows(Rows::open(path)?)
        };
        let count = source.count();
        ensure!(count > 0, "{} has no record", path.display());
        ensure!(count <= MAX_RECORDS.into(), "{count} records: a collection has at most {MAX_RECORDS}");
        Ok(source)
    }

    /// The fields of its records.
    pub(crate) fn fields(&self) -> Vec<Field> {
        match self {
            Self::Images(_) => ImageFolder::fields(),
            Self::Rows(rows) => rows.fields().to_vec(),
        }
    }

    /// Number of records.
    pub(crate) fn count(&self) -> u64 {
        match self {
            Self::Images(folder) => folder.images.len() as u64,
            Self::Rows(rows) => rows.count(),
        }
    }

    /// Number of classes of a folder of images.
    pub(crate) fn classes(&self) -> Option<usize> {
        match self {
            Self::Images(folder) => Some(folder.classes.len()),
            Self::Rows(_) => None,
        }
    }

    /// Equal as long as names, lengths and times of change of the files are: what was published of it may be skipped.
    pub(crate) fn digest(&self) -> anyhow::Result<Digest> {
        let files: Vec<&Path> = match self {
            Self::Images(folder) => folder.images.iter().map(|image| image.path()).collect(),
            Self::Rows(rows) => vec![rows.path()],
        };
        let mut words = String::new();
        for file in files {
            let found = std::fs::metadata(file).with_context(|| file.display().to_string())?;
            words += &format!("{:?} {} {}.{}\n", file, found.len(), found.mtime(), found.mtime_nsec());
        }
        Ok(Digest::of(words.as_bytes()))
    }

    /// The records from number `skip` on.
    pub(crate) fn records(
        &self,
        skip: u64,
    ) -> anyhow::Result<Box<dyn Iterator<Item = anyhow::Result<Record>> + '_>> {
        let skip = usize::try_from(skip).context("too many records")?;
        Ok(match self {
            Self::Images(folder) => Box::new(folder.images.iter().skip(skip).map(|image| image.read())),
            Self::Rows(rows) => rows.records(skip)?,
        })
    }
}

/// Puts the path of a file before what is wrong in it.
fn at(path: &Path, line: u64) -> String {
    format!("{} line {line}", path.display())
}

#[cfg(test)]
mod tests;
