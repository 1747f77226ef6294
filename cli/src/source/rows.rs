//! Rows of a JSON Lines or CSV file. The kind of a column is the narrowest that holds all its values; what is empty or
//! null is missing. It takes no nested objects: a record has none.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail, ensure};
use offsetdata_protocol::manifest::{Field, FieldKind};
use offsetdata_protocol::record::{Record, Value};
use serde_json::Value as Json;

use super::at;

/// Longest line of JSON, in bytes.
const MAX_LINE_BYTES: u64 = 128 << 20;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    JsonLines,
    Csv,
}

/// A file, its fields and its number of rows.
#[derive(Debug)]
pub(crate) struct Rows {
    path: PathBuf,
    format: Format,
    fields: Vec<Field>,
    count: u64,
}

/// The values of a row by name; a CSV cell is text until its column's kind is known.
type Row = Vec<(String, Value)>;

impl Rows {
    pub(super) fn open(path: &Path) -> anyhow::Result<Self> {
        let ending = path.extension().and_then(|end| end.to_str()).unwrap_or_default().to_ascii_lowercase();
        let format = match ending.as_str() {
            "jsonl" | "ndjson" => Format::JsonLines,
            "csv" => Format::Csv,
            _ => bail!(
                "{}: expected a folder of images, or a file that ends in .jsonl, .ndjson or .csv",
                path.display()
            ),
        };
        let (mut columns, mut count) = (BTreeMap::<String, (Seen, u64)>::new(), 0u64);
        for row in rows(path, format)? {
            for (name, value) in row? {
                let (seen, times) = columns.entry(name).or_insert((Seen::Nothing, 0));
                *seen = seen.with(&value, format);
                *times += 1;
            }
            count += 1;
        }
        let fields = columns.into_iter().map(|(name, (seen, times))| {
            let kind = seen.kind().with_context(|| {
                format!("{}: the values of {name:?} are of different kinds", path.display())
            })?;
            Ok(Field { optional: times < count, ..Field::required(name, kind) })
        });
        let fields = fields.collect::<anyhow::Result<_>>()?;
        Ok(Self { path: path.to_owned(), format, fields, count })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn fields(&self) -> &[Field] {
        &self.fields
    }

    pub(super) fn count(&self) -> u64 {
        self.count
    }

    pub(super) fn records(
        &self,
        skip: usize,
    ) -> anyhow::Result<Box<dyn Iterator<Item = anyhow::Result<Record>> + '_>> {
        let rows = rows(&self.path, self.format)?.skip(skip);
        Ok(Box::new(rows.map(|row| Ok(Record::from_fields(self.typed(row?)?)?))))
    }

    /// The row with the kinds that its columns have.
    fn typed(&self, row: Row) -> anyhow::Result<Row> {
        let changed = || format!("{} was changed while it was published", self.path.display());
        let typed = row.into_iter().map(|(name, value)| {
            let field = self.fields.iter().find(|field| field.name == name).with_context(changed)?;
            let value = match (field.kind, value) {
                (FieldKind::Float, Value::Integer(number)) => Value::Float(number as f64),
                (FieldKind::Float, Value::Text(text)) => Value::Float(text.parse().with_context(changed)?),
                (FieldKind::Integer, Value::Text(text)) => {
                    Value::Integer(text.parse().with_context(changed)?)
                }
                (_, value) => value,
            };
            Ok((name, value))
        });
        typed.collect()
    }
}

/// What the values of a column have in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Seen {
    Nothing,
    Integer,
    Float,
    Text,
    List,
    Mixed,
}

impl Seen {
    fn with(self, value: &Value, format: Format) -> Self {
        let this = match value {
            Value::Integer(_) => Self::Integer,
            Value::Float(_) => Self::Float,
            Value::List(_) => Self::List,
            Value::Text(text) if format == Format::Csv => Self::of_cell(text),
            Value::Text(_) => Self::Text,
            Value::Bytes(_) => Self::Mixed,
        };
        match (self, this) {
            (Self::Nothing, this) => this,
            (seen, this) if seen == this => seen,
            (Self::Integer | Self::Float, Self::Integer | Self::Float) => Self::Float,
            // A cell of CSV is text where it is nothing narrower.
            (Self::Integer | Self::Float | Self::Text, Self::Integer | Self::Float | Self::Text)
                if format == Format::Csv =>
            {
                Self::Text
            }
            _ => Self::Mixed,
        }
    }

    /// The kind of a CSV cell. Digits that a number would not keep (007, or too many of them) are text.
    fn of_cell(cell: &str) -> Self {
        if cell.parse::<i64>().is_ok_and(|number| number.to_string() == cell) {
            return Self::Integer;
        }
        let digits = cell.strip_prefix('-').unwrap_or(cell);
        let padded = digits.starts_with('0') && digits.as_bytes().get(1).is_some_and(u8::is_ascii_digit);
        let written_as_float =
            digits.contains(['.', 'e', 'E']) && digits.starts_with(|c: char| c.is_ascii_digit());
        match written_as_float && !padded && cell.parse().is_ok_and(f64::is_finite) {
            true => Self::Float,
            false => Self::Text,
        }
    }

    fn kind(self) -> Option<FieldKind> {
        match self {
            Self::Integer => Some(FieldKind::Integer),
            Self::Float => Some(FieldKind::Float),
            Self::Text => Some(FieldKind::Text),
            Self::List => Some(FieldKind::List),
            Self::Nothing | Self::Mixed => None,
        }
    }
}

fn rows(path: &Path, format: Format) -> anyhow::Result<Box<dyn Iterator<Item = anyhow::Result<Row>>>> {
    let file = File::open(path).with_context(|| format!("opening {}", path.display()))?;
    match format {
        Format::JsonLines => Ok(Box::new(json_lines(path.to_owned(), file))),
        Format::Csv => csv_rows(path.to_owned(), file),
    }
}

fn json_lines(path: PathBuf, file: File) -> impl Iterator<Item = anyhow::Result<Row>> {
    let (mut reader, mut number) = (BufReader::with_capacity(1 << 16, file), 0u64);
    std::iter::from_fn(move || {
        loop {
            let mut line = Vec::new();
            number += 1;
            let read = reader.by_ref().take(MAX_LINE_BYTES).read_until(b'\n', &mut line);
            match read.with_context(|| format!("reading {}", at(&path, number))) {
                Ok(0) => return None,
                Ok(_) if line.trim_ascii().is_empty() => {}
                Ok(_) => return Some(json_row(&line).with_context(|| at(&path, number))),
                Err(error) => return Some(Err(error)),
            }
        }
    })
}

fn json_row(line: &[u8]) -> anyhow::Result<Row> {
    ensure!((line.len() as u64) < MAX_LINE_BYTES, "is longer than {MAX_LINE_BYTES} bytes");
    let object: serde_json::Map<String, Json> =
        serde_json::from_slice(line).context("expected one JSON object a line")?;
    let mut row = Vec::with_capacity(object.len());
    for (name, value) in object {
        if let Some(value) = json_value(value).with_context(|| format!("field {name:?}"))? {
            row.push((name, value));
        }
    }
    Ok(row)
}

/// `None` for null: a missing value is a missing field.
fn json_value(value: Json) -> anyhow::Result<Option<Value>> {
    Ok(Some(match value {
        Json::Null => return Ok(None),
        Json::Bool(truth) => Value::Integer(truth.into()),
        Json::String(text) => Value::Text(text),
        Json::Number(number) => match (number.as_i64(), number.as_u64(), number.as_f64()) {
            (Some(number), ..) => Value::Integer(number.into()),
            (_, Some(number), _) => Value::Integer(number.into()),
            (.., Some(number)) => Value::Float(number),
            _ => bail!("the number {number} is out of range"),
        },
        Json::Array(values) => {
            let values = values.into_iter().map(|value| {
                json_value(value)?.context("a list cannot hold null: leave it out, or use a number")
            });
            Value::List(values.collect::<anyhow::Result<_>>()?)
        }
        Json::Object(_) => bail!("a record has no nested objects: give its fields names of their own"),
    }))
}

fn csv_rows(path: PathBuf, file: File) -> anyhow::Result<Box<dyn Iterator<Item = anyhow::Result<Row>>>> {
    let mut reader = csv::Reader::from_reader(file);
    let names: Vec<String> = reader
        .headers()
        .with_context(|| format!("{}: the first line names the columns", path.display()))?
        .iter()
        .map(str::to_owned)
        .collect();
    Ok(Box::new(reader.into_records().map(move |row| {
        // The error says its own line.
        let row = row.with_context(|| path.display().to_string())?;
        let cells = names.iter().zip(row.iter()).filter(|(_, cell)| !cell.is_empty());
        Ok(cells.map(|(name, cell)| (name.clone(), Value::from(cell))).collect())
    })))
}
