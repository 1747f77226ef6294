//! What `model predict` asks about: files, or records that were read from a collection. Labels are taken out before a
//! record is sent, so that an accuracy is nobody's word but ours.

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail, ensure};
use offsetdata_protocol::record::{Record, Value};
use offsetdata_protocol::relay_api::{MAX_PREDICTION_BYTES, MAX_PREDICTION_RECORDS};
use serde_json::Value as Json;

use crate::dag_json;

/// Longest line of a file of records, in bytes.
const MAX_LINE_BYTES: u64 = 16 << 20;

/// One question.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Asked {
    /// Index in its collection, or the file's name.
    pub(super) name: String,
    /// Index in its collection.
    pub(super) index: Option<u32>,
    /// What it is, where that is known.
    pub(super) label: Option<u32>,
    /// Its record without the label.
    pub(super) record: Vec<u8>,
}

/// Files: images in the field `image`, texts in the field `text`.
pub(super) fn of_files(files: &[PathBuf]) -> anyhow::Result<Vec<Asked>> {
    files.iter().map(|file| of_file(file).with_context(|| file.display().to_string())).collect()
}

fn of_file(file: &Path) -> anyhow::Result<Asked> {
    let length = std::fs::metadata(file)?.len();
    ensure!(length <= MAX_PREDICTION_BYTES as u64, "it has {length} bytes, at most {MAX_PREDICTION_BYTES}");
    let bytes = std::fs::read(file)?;
    let ending = file.extension().and_then(|end| end.to_str()).unwrap_or_default().to_ascii_lowercase();
    let (field, value) = match ending.as_str() {
        "png" => ("image", Value::Bytes(bytes)),
        "txt" | "eml" => ("text", Value::Text(String::from_utf8_lossy(&bytes).into_owned())),
        _ => bail!("expected a .png or a .txt file; other records come with --records"),
    };
    let record = Record::from_fields([(field, value)])?.into_bytes();
    Ok(Asked { name: file.display().to_string(), index: None, label: None, record })
}

/// Records as `offsetdata fetch --out` writes them, those that `wanted` takes by their index.
pub(super) fn of_jsonl(
    path: &Path,
    label: &str,
    limit: Option<usize>,
    wanted: impl Fn(u32) -> bool,
) -> anyhow::Result<Vec<Asked>> {
    let file = std::fs::File::open(path).with_context(|| format!("reading {}", path.display()))?;
    let mut reader = BufReader::new(file);
    let (mut found, mut number) = (Vec::new(), 0u64);
    while limit.is_none_or(|limit| found.len() < limit) {
        let mut line = String::new();
        let read = reader.by_ref().take(MAX_LINE_BYTES).read_line(&mut line);
        let at = || format!("{} line {}", path.display(), number + 1);
        if read.with_context(at)? == 0 {
            break;
        }
        ensure!(line.ends_with('\n') || (line.len() as u64) < MAX_LINE_BYTES, "{}: too long", at());
        if !line.trim().is_empty()
            && let Some(asked) = of_line(&line, label, &wanted).with_context(at)?
        {
            found.push(asked);
        }
        number += 1;
    }
    Ok(found)
}

fn of_line(line: &str, label: &str, wanted: &impl Fn(u32) -> bool) -> anyhow::Result<Option<Asked>> {
    let value: Json = serde_json::from_str(line)?;
    let index = value.get("index").and_then(Json::as_u64).and_then(|index| u32::try_from(index).ok());
    let index =
        index.context("expected {\"index\":…,\"record\":{…}}, as `offsetdata fetch --out` writes it")?;
    if !wanted(index) {
        return Ok(None);
    }
    let mut fields = dag_json::read(value.get("record").unwrap_or(&Json::Null))?;
    let known = fields.iter().position(|(name, _)| name == label).map(|at| fields.remove(at).1);
    let known = match known {
        Some(Value::Integer(number)) => u32::try_from(number).ok(),
        _ => None,
    };
    let record = Record::from_fields(fields)?.into_bytes();
    Ok(Some(Asked { name: index.to_string(), index: Some(index), label: known, record }))
}

/// Parts of the questions that fit into one prediction each.
pub(super) fn batches(asked: &[Asked]) -> anyhow::Result<Vec<&[Asked]>> {
    let mut batches = Vec::new();
    let mut rest = asked;
    while !rest.is_empty() {
        let (mut count, mut bytes) = (0, 0);
        for one in rest.iter().take(MAX_PREDICTION_RECORDS) {
            bytes += one.record.len();
            if bytes > MAX_PREDICTION_BYTES {
                break;
            }
            count += 1;
        }
        let first = rest.first().map_or("", |one| one.name.as_str());
        ensure!(count > 0, "{first}: a record over {MAX_PREDICTION_BYTES} bytes can't be predicted");
        let (batch, after) = rest.split_at(count);
        batches.push(batch);
        rest = after;
    }
    Ok(batches)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(bytes: usize) -> Asked {
        Asked { name: "x".into(), index: None, label: None, record: vec![0; bytes] }
    }

    #[test]
    fn batches_keep_both_limits() {
        let many = vec![asked(1); MAX_PREDICTION_RECORDS + 1];
        assert_eq!(batches(&many).unwrap().iter().map(|b| b.len()).collect::<Vec<_>>(), [1024, 1]);
        let large = vec![asked(MAX_PREDICTION_BYTES / 2), asked(MAX_PREDICTION_BYTES / 2), asked(1)];
        assert_eq!(batches(&large).unwrap().iter().map(|b| b.len()).collect::<Vec<_>>(), [2, 1]);
        assert!(batches(&[asked(MAX_PREDICTION_BYTES + 1)]).is_err());
        assert!(batches(&[]).unwrap().is_empty());
    }

    #[test]
    fn labels_are_known_and_not_sent() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("records.jsonl");
        let line =
            |index, label| format!("{{\"index\":{index},\"record\":{{\"label\":{label},\"text\":\"a\"}}}}\n");
        std::fs::write(&file, format!("{}\n{}{}", line(3, 7), line(4, 8), line(5, 9))).unwrap();
        let found = of_jsonl(&file, "label", None, |index| index != 4).unwrap();
        assert_eq!(
            found.iter().map(|one| (one.index, one.label)).collect::<Vec<_>>(),
            [(Some(3), Some(7)), (Some(5), Some(9))]
        );
        let sent = Record::decode(found[0].record.clone()).unwrap();
        assert_eq!((sent.fields().count(), sent.field("label")), (1, None));
        assert_eq!(of_jsonl(&file, "label", Some(1), |_| true).unwrap().len(), 1);
        std::fs::write(&file, "{}\n").unwrap();
        let error = format!("{:#}", of_jsonl(&file, "label", None, |_| true).unwrap_err());
        assert!(error.contains("line 1"), "{error}");
    }
}
