//! Documents → rows. Pure. It keeps what people read and search, cut to a length; the whole is where its digest says.

use offsetdata_protocol::manifest::{FieldKind, Manifest};
use offsetdata_store::Count;
use offsetdata_store::chain::collections::CollectionState;
use offsetdata_store::chain::documents::{
    DescriptionRow, Document, DocumentFetchRow, ManifestFieldRow, ManifestRow, TermRow,
};
use serde_json::{Map, Value};

use super::words;

const MAX_NAME: usize = 200;
const MAX_DESCRIPTION: usize = 4000;
const MAX_LICENCE: usize = 1024;
const MAX_KEYWORDS: usize = 64;
const MAX_TERMS: usize = 512;

/// The rows of a manifest's block, where it is that of the collection.
pub(super) fn manifest(
    fetch: &DocumentFetchRow,
    collection: Option<&CollectionState>,
    block: &[u8],
) -> Result<Document, String> {
    let manifest = Manifest::decode(block).map_err(|error| error.to_string())?;
    if let Some(collection) = collection {
        let records = manifest.record_count.get();
        if records != collection.record_count {
            return Err(format!("it has {records} records, the chain says {}", collection.record_count));
        }
        if manifest.content_root.0 != collection.content_root.0 {
            return Err("it has another content root than the chain".to_owned());
        }
    }
    let croissant: Map<String, Value> =
        serde_json::from_str(&manifest.croissant).map_err(|error| format!("Croissant metadata: {error}"))?;
    let id = fetch.subject.into();
    let fields = (0u32..)
        .zip(&manifest.fields)
        .map(|(field, of)| ManifestFieldRow {
            position: fetch.position,
            field,
            collection: id,
            name: of.name.clone(),
            kind: kind(of.kind).to_owned(),
            optional: of.optional,
            media_type: of.media_type.clone(),
            description: of.description.clone(),
        })
        .collect();
    let manifest = ManifestRow {
        position: fetch.position,
        collection: id,
        series: manifest.series.0.to_vec().into(),
        public: manifest.public_key.is_some(),
        chunk_count: Count(manifest.pages.iter().map(|page| u64::from(page.chunks)).sum()),
        quality_report: manifest.quality_report.map(|digest| digest.0.into()),
        licence: manifest.licence,
    };
    let mut document = describe(fetch, &croissant);
    document.description.licence = Some(manifest.licence.clone());
    document.terms = terms(fetch, &document.description, &croissant);
    Ok(Document { manifest: Some(manifest), fields, ..document })
}

/// The rows of metadata: a JSON object.
pub(super) fn metadata(fetch: &DocumentFetchRow, block: &[u8]) -> Result<Document, String> {
    let object: Map<String, Value> =
        serde_json::from_slice(block).map_err(|error| format!("not a JSON object: {error}"))?;
    Ok(describe(fetch, &object))
}

fn describe(fetch: &DocumentFetchRow, object: &Map<String, Value>) -> Document {
    let text = |names: &[&str], max| names.iter().find_map(|name| plain(object.get(*name)?, max));
    let description = DescriptionRow {
        position: fetch.position,
        kind: fetch.kind,
        subject: fetch.subject,
        name: text(&["name", "title"], MAX_NAME),
        description: text(&["description"], MAX_DESCRIPTION),
        licence: text(&["license", "licence"], MAX_LICENCE),
    };
    let terms = terms(fetch, &description, object);
    Document { description, terms, manifest: None, fields: Vec::new() }
}

fn kind(kind: FieldKind) -> &'static str {
    match kind {
        FieldKind::Text => "text",
        FieldKind::Bytes => "bytes",
        FieldKind::Integer => "integer",
        FieldKind::Float => "float",
        FieldKind::List => "list",
    }
}

/// Text of a value: itself, or the first text of a list.
fn plain(value: &Value, max: usize) -> Option<String> {
    let text = match value {
        Value::String(text) => text,
        Value::Array(list) => list.iter().find_map(Value::as_str)?,
        _ => return None,
    };
    let kept: String = text.chars().filter(|c| !c.is_control() || *c == '\n').take(max).collect();
    (!kept.trim().is_empty()).then(|| kept.trim().to_owned())
}

fn terms(fetch: &DocumentFetchRow, row: &DescriptionRow, object: &Map<String, Value>) -> Vec<TermRow> {
    let keywords = match object.get("keywords") {
        Some(Value::Array(list)) => {
            list.iter().filter_map(Value::as_str).take(MAX_KEYWORDS).collect::<Vec<_>>().join(" ")
        }
        Some(Value::String(text)) => text.clone(),
        _ => String::new(),
    };
    let texts =
        [row.name.as_deref(), row.licence.as_deref(), Some(keywords.as_str()), row.description.as_deref()];
    let mut seen = std::collections::HashSet::new();
    texts
        .into_iter()
        .flatten()
        .flat_map(words)
        .filter(|word| seen.insert(word.clone()))
        .take(MAX_TERMS)
        .map(|term| TermRow { position: fetch.position, term, subject: fetch.subject })
        .collect()
}

#[cfg(test)]
mod tests {
    use alloy::primitives::B256;
    use offsetdata_store::chain::Position;
    use offsetdata_store::chain::documents::DocumentKind;

    use super::*;

    fn fetch() -> DocumentFetchRow {
        let position = Position::new(7, 1).unwrap();
        DocumentFetchRow::new(position, DocumentKind::Metadata, B256::repeat_byte(1), B256::repeat_byte(2))
            .unwrap()
    }

    #[test]
    fn keeps_what_people_read() {
        let text = r#"{"title":" Digits\u0000 ","description":["Handwritten\ndigits","ü"],"keywords":["OCR","digits"],"n":7}"#;
        let document = metadata(&fetch(), text.as_bytes()).unwrap();
        assert_eq!(document.description.name.as_deref(), Some("Digits"));
        assert_eq!(document.description.description.as_deref(), Some("Handwritten\ndigits"));
        assert_eq!(document.description.licence, None);
        let terms: Vec<&str> = document.terms.iter().map(|row| row.term.as_str()).collect();
        assert_eq!(terms, ["digits", "ocr", "handwritten"]);
    }

    #[test]
    fn hostile_documents_are_cut_or_refused() {
        for text in ["", "null", "[]", "7", "{", "\u{0}", &"[".repeat(10_000), &"{\"a\":".repeat(10_000)] {
            assert!(metadata(&fetch(), text.as_bytes()).is_err(), "{text:.20}");
        }
        assert!(metadata(&fetch(), &[0xff, 0xfe]).is_err());
        let long = format!(r#"{{"name":"{}","description":{{"a":1}},"license":7}}"#, "x".repeat(50_000));
        let document = metadata(&fetch(), long.as_bytes()).unwrap();
        assert_eq!(document.description.name.unwrap().len(), MAX_NAME);
        assert_eq!((document.description.description, document.description.licence), (None, None));
        let many: Vec<String> = (0..2_000).map(|n| format!("word{n}")).collect();
        let text = format!(r#"{{"description":"{}"}}"#, many.join(" "));
        assert!(metadata(&fetch(), text.as_bytes()).unwrap().terms.len() <= MAX_TERMS);
    }

    #[test]
    fn a_manifest_has_to_be_one() {
        assert!(manifest(&fetch(), None, b"nonsense").is_err());
        assert!(manifest(&fetch(), None, &[]).is_err());
    }
}
