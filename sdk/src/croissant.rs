//! Croissant metadata (ML Commons, format 1.0) of a collection, for the tools that read it. It knows nothing of the
//! chain: the id of a collection covers its own metadata, and so cannot stand in it.

use offsetdata_protocol::manifest::{Field, FieldKind};
use serde_json::{Value, json};

/// What is described.
#[derive(Debug, Clone, Copy)]
pub struct Description<'a> {
    /// Name of the collection.
    pub name: &'a str,
    /// What it is.
    pub description: &'a str,
    /// SPDX licence expression, or a URL.
    pub licence: &'a str,
    /// Where the data comes from.
    pub source: Option<&'a str>,
    /// Fields of a record.
    pub fields: &'a [Field],
    /// Number of records.
    pub records: u64,
}

/// The metadata as JSON-LD text, the same for the same description.
pub fn describe(of: &Description<'_>) -> String {
    let licence = if of.licence.contains("://") {
        of.licence.to_owned()
    } else {
        format!("https://spdx.org/licenses/{}.html", of.licence)
    };
    let fields: Vec<Value> = of
        .fields
        .iter()
        .map(|field| {
            json!({
                "@type": "cr:Field",
                "@id": format!("records/{}", field.name),
                "name": field.name,
                "description": field.description.as_deref().unwrap_or(&field.name),
                "dataType": data_type(field),
            })
        })
        .collect();
    let mut dataset = json!({
        "@context": {
            "@language": "en",
            "@vocab": "https://schema.org/",
            "sc": "https://schema.org/",
            "cr": "http://mlcommons.org/croissant/",
            "dct": "http://purl.org/dc/terms/",
            "conformsTo": "dct:conformsTo",
            "recordSet": "cr:recordSet",
            "field": "cr:field",
            "dataType": { "@id": "cr:dataType", "@type": "@vocab" },
        },
        "@type": "sc:Dataset",
        "conformsTo": "http://mlcommons.org/croissant/1.0",
        "name": of.name,
        "description": if of.description.is_empty() { of.name } else { of.description },
        "license": licence,
        "recordSet": [{
            "@type": "cr:RecordSet",
            "@id": "records",
            "name": "records",
            "description": format!("{} records", of.records),
            "field": fields,
        }],
    });
    if let (Some(source), Some(dataset)) = (of.source, dataset.as_object_mut()) {
        dataset.insert("isBasedOn".into(), json!(source));
    }
    dataset.to_string()
}

fn data_type(field: &Field) -> &'static str {
    match (field.kind, field.media_type.as_deref()) {
        (FieldKind::Bytes, Some(media)) if media.starts_with("image/") => "sc:ImageObject",
        (FieldKind::Bytes, Some(media)) if media.starts_with("audio/") => "sc:AudioObject",
        (FieldKind::Integer, _) => "sc:Integer",
        (FieldKind::Float, _) => "sc:Float",
        (FieldKind::Bytes | FieldKind::Text | FieldKind::List, _) => "sc:Text",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_what_was_said() {
        let fields = [Field::required("image", FieldKind::Bytes).media("image/png")];
        let of = Description {
            name: "Digits",
            description: "",
            licence: "CC-BY-4.0",
            source: Some("https://example.org/"),
            fields: &fields,
            records: 3,
        };
        let text = describe(&of);
        assert_eq!(text, describe(&of));
        let parsed: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(parsed["license"], "https://spdx.org/licenses/CC-BY-4.0.html");
        assert_eq!(parsed["recordSet"][0]["field"][0]["dataType"], "sc:ImageObject");
        assert_eq!(parsed["isBasedOn"], "https://example.org/");
    }
}
