//! The field schema of a collection: which fields its records have, and of which kind.
//! It says nothing of their meaning beyond a media type and a sentence; that stands in the Croissant metadata.

use crate::ProtocolError;
use crate::error::in_range;
use crate::record::{MAX_FIELD_NAME_BYTES, MAX_FIELDS, RecordRef, ValueRef};
use serde::{Deserialize, Serialize};

/// Greatest length of a media type or a description, in bytes.
const MAX_TEXT_BYTES: usize = 1024;

/// Kind of a field's value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum FieldKind {
    /// UTF-8 text.
    Text,
    /// Bytes.
    Bytes,
    /// An integer.
    Integer,
    /// A binary64 number.
    Float,
    /// A list.
    List,
}

/// One field of the schema.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Field {
    /// Name in the record.
    pub name: String,
    /// Kind of its value.
    pub kind: FieldKind,
    /// Whether a record may lack it.
    pub optional: bool,
    /// Media type of bytes or text, such as `image/png`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media_type: Option<String>,
    /// What it is, in a sentence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

impl Field {
    /// A field that every record has.
    pub fn required(name: impl Into<String>, kind: FieldKind) -> Self {
        Self { name: name.into(), kind, optional: false, media_type: None, description: None }
    }
    /// The same, with a media type.
    #[must_use]
    pub fn media(mut self, media_type: impl Into<String>) -> Self {
        self.media_type = Some(media_type.into());
        self
    }
}

/// Checks that a record has the fields of the schema, of the right kinds, and no other.
///
/// # Errors
/// The first field that is missing, of another kind or unknown.
pub fn check_record(fields: &[Field], record: RecordRef<'_>) -> Result<(), ProtocolError> {
    let refused = |name: &str, what: &str| {
        Err(ProtocolError::Invalid { what: "record", reason: format!("field {name:?} {what}") })
    };
    let mut required = fields.iter().filter(|field| !field.optional).count();
    for (name, value) in record.fields() {
        let Some(field) = fields.iter().find(|field| field.name == name) else {
            return refused(name, "is not in the schema");
        };
        let kind = match value {
            ValueRef::Text(_) => FieldKind::Text,
            ValueRef::Bytes(_) => FieldKind::Bytes,
            ValueRef::Integer(_) => FieldKind::Integer,
            ValueRef::Float(_) => FieldKind::Float,
            ValueRef::List(_) => FieldKind::List,
        };
        if kind != field.kind {
            return refused(name, &format!("is {kind:?} and not {:?}", field.kind));
        }
        required -= usize::from(!field.optional);
    }
    if required == 0 {
        return Ok(());
    }
    let missing = fields.iter().find(|field| !field.optional && record.field(&field.name).is_none());
    refused(missing.map_or("?", |field| &field.name), "is missing")
}

pub(super) fn check(fields: &[Field]) -> Result<(), ProtocolError> {
    in_range("fields of the schema", fields.len() as u64, 1, MAX_FIELDS as u64)?;
    let mut names = std::collections::BTreeSet::new();
    for field in fields {
        in_range("field name length", field.name.len() as u64, 1, MAX_FIELD_NAME_BYTES as u64)?;
        for text in [&field.media_type, &field.description].into_iter().flatten() {
            in_range("text of a field", text.len() as u64, 1, MAX_TEXT_BYTES as u64)?;
        }
        if !names.insert(&field.name) {
            return Err(ProtocolError::Invalid {
                what: "manifest",
                reason: format!("field {:?} appears twice", field.name),
            });
        }
    }
    Ok(())
}
