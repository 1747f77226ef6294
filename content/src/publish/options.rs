//! What a collection is beside its records, and what of it decides the bytes of its chunks. It draws no key.

use offsetdata_protocol::chunk::ChunkLimits;
use offsetdata_protocol::manifest::{Field, Visibility};
use offsetdata_protocol::{Codec, CollectionKey, Digest, Root, SeriesId};

use crate::ContentError;

/// What a collection is, beside its records.
#[derive(Debug, Clone)]
pub struct PublishOptions {
    /// Names the collection over its versions; random for a new one.
    pub series: SeriesId,
    /// The collection key; random for a new one. Of a public collection it is published in the manifest.
    pub key: CollectionKey,
    /// Who can decrypt.
    pub visibility: Visibility,
    /// So many records at the beginning of a private collection anyone may read; 0 for none. A chunk ends behind them.
    pub preview_records: u32,
    /// When a chunk is full.
    pub limits: ChunkLimits,
    /// How chunks are encoded before they are encrypted.
    pub codec: Codec,
    /// The fields that every record has.
    pub fields: Vec<Field>,
    /// SPDX licence expression, or a URL.
    pub licence: String,
    /// Croissant metadata (JSON-LD).
    pub croissant: String,
    /// SHA-256 of the quality report, where there is one.
    pub quality_report: Option<Digest>,
}

impl PublishOptions {
    pub(super) fn check(&self) -> Result<(), ContentError> {
        if self.visibility == Visibility::Public && self.preview_records > 0 {
            let reason = "anyone may read a public collection: a preview is for private ones".to_owned();
            return Err(ContentError::Publishing(reason));
        }
        Ok(())
    }

    /// Equal where the chunks are: what decides their bytes, with the records and the version that is appended to.
    pub(super) fn fingerprint(&self, source: Digest, appends_to: u64, root: Root) -> Digest {
        let key = Digest::of(self.key.reveal());
        let Self { series, visibility, preview_records, limits, codec, fields, .. } = self;
        let words = format!(
            "{series}\n{key}\n{visibility:?}\n{preview_records}\n{limits:?}\n{codec:?}\n{fields:?}\n{source}\n{appends_to}\n{root}"
        );
        Digest::of(words.as_bytes())
    }
}

/// The fields of a collection that has records of both kinds: what either lacks is optional.
pub(super) fn merged(old: &[Field], new: &[Field]) -> Result<Vec<Field>, ContentError> {
    let mut fields = old.to_vec();
    for field in &mut fields {
        let Some(same) = new.iter().find(|other| other.name == field.name) else {
            field.optional = true;
            continue;
        };
        if same.kind != field.kind {
            let (name, before, now) = (&field.name, field.kind, same.kind);
            let reason =
                format!("field {name:?} is {before:?} in the collection and {now:?} in what is appended");
            return Err(ContentError::Publishing(reason));
        }
        field.optional |= same.optional;
    }
    let added = new.iter().filter(|field| !old.iter().any(|other| other.name == field.name));
    fields.extend(added.map(|field| Field { optional: true, ..field.clone() }));
    Ok(fields)
}
