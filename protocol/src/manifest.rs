//! What a collection says of itself: a DAG-CBOR block with links to pages, which link to the chunks.
//! It fetches nothing and knows no chain: the digest of the block is what the registry keeps.

mod field;
mod page;

pub use field::{Field, FieldKind, check_record};
pub use page::{ChunkEntry, MAX_PAGE_CHUNKS, Page, PageRef};

use crate::ProtocolError;
use crate::cid::{Cid, DAG_CBOR, block_cid};
use crate::digest::{Digest, Root};
use crate::error::{equal, in_range};
use crate::keys::{ChunkSecret, CollectionKey};
use crate::merkle::{RecordCount, RootBuilder};
use crate::{SeriesId, error};
use serde::{Deserialize, Serialize};

/// The form of manifests that this crate writes and reads.
pub const MANIFEST_VERSION: u32 = 1;
/// Greatest length of the block of a manifest or a page, in bytes.
pub const MAX_BLOCK_BYTES: usize = 1 << 20;
/// Greatest length of the Croissant text, in bytes.
pub const MAX_CROISSANT_BYTES: usize = 256 << 10;
/// Greatest length of the licence, in bytes.
pub const MAX_LICENCE_BYTES: usize = 1024;

/// Who can decrypt a collection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Visibility {
    /// Everyone: the collection key stands in the manifest, and leaves have no salt.
    Public,
    /// Whoever is given chunk secrets; leaves have salts.
    Private,
}

/// A collection's description. Field names in the block are the ones here, in camelCase.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Manifest {
    /// Form of the manifest: 1.
    pub version: u32,
    /// Names the collection over its versions.
    pub series: SeriesId,
    /// Number of records.
    pub record_count: RecordCount,
    /// Root of the tree over all records' leaf data.
    pub content_root: Root,
    /// The collection key of a public collection; absent in a private one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub public_key: Option<PublishedKey>,
    /// Secrets of the first chunks of a private collection, which anyone may open; absent where there are none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub preview_secrets: Vec<PreviewSecret>,
    /// The fields that records have.
    pub fields: Vec<Field>,
    /// SPDX licence expression, or the URL of the licence.
    pub licence: String,
    /// Croissant metadata (JSON-LD text).
    pub croissant: String,
    /// SHA-256 digest of the quality report, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quality_report: Option<Digest>,
    /// The pages in order.
    pub pages: Vec<PageRef>,
}

crate::digest::byte_string!(
    /// A collection key that its publisher made public.
    PublishedKey, 32
);

impl PublishedKey {
    /// The key, for deriving chunk secrets.
    pub fn collection_key(&self) -> CollectionKey {
        CollectionKey::from_bytes(self.0)
    }
}

crate::digest::byte_string!(
    /// The secret of one chunk that its publisher made public: anyone may look at these records.
    PreviewSecret, 32
);

impl PreviewSecret {
    /// The secret, for opening the chunk.
    pub fn chunk_secret(&self) -> ChunkSecret {
        ChunkSecret::from_bytes(self.0)
    }
}

impl Manifest {
    /// Checks the manifest and encodes its block.
    ///
    /// # Errors
    /// A rule of [`Manifest::decode`] that is broken.
    pub fn encode(&self) -> Result<Vec<u8>, ProtocolError> {
        self.check()?;
        encode_block("manifest", self)
    }

    /// Reads a block strictly.
    ///
    /// # Errors
    /// More than 1 MiB, another form than the canonical one, unknown or missing fields, limits of a field,
    /// pages that do not cover the records in order.
    pub fn decode(block: &[u8]) -> Result<Self, ProtocolError> {
        let manifest: Self = decode_block("manifest", block)?;
        manifest.check()?;
        Ok(manifest)
    }

    /// Digest of a block: what stands on chain.
    pub fn digest(block: &[u8]) -> Digest {
        Digest::of(block)
    }

    /// CID of the manifest with that digest.
    pub fn cid(digest: Digest) -> Cid {
        block_cid(DAG_CBOR, digest)
    }

    /// Who can decrypt the collection.
    pub fn visibility(&self) -> Visibility {
        if self.public_key.is_some() { Visibility::Public } else { Visibility::Private }
    }

    /// Checks that the chunks of the pages, all of them in order, are this collection: their ranges follow
    /// one another, the subtrees that they name make the content root, and each preview secret is that of its
    /// chunk. No chunk is needed for it.
    ///
    /// # Errors
    /// The first rule that is broken.
    pub fn verify_pages<'a>(&self, pages: impl IntoIterator<Item = &'a Page>) -> Result<(), ProtocolError> {
        let mut builder = RootBuilder::new();
        let mut refs = self.pages.iter();
        let mut previews = self.preview_secrets.iter();
        for page in pages {
            let reference = refs.next().ok_or_else(|| invalid("more pages than the manifest names"))?;
            page.verify(reference)?;
            for chunk in &page.chunks {
                chunk.append_to(&mut builder)?;
                if let Some(preview) = previews.next() {
                    preview.chunk_secret().verify(&chunk.key_digest)?;
                }
            }
        }
        if refs.next().is_some() {
            return Err(invalid("fewer pages than the manifest names"));
        }
        equal("records in all pages", self.record_count.get().into(), builder.len())?;
        error::same_digest("content root", Digest(self.content_root.0), Digest(builder.root().0))
    }

    fn check(&self) -> Result<(), ProtocolError> {
        equal("manifest version", MANIFEST_VERSION.into(), self.version.into())?;
        field::check(&self.fields)?;
        in_range("licence length", self.licence.len() as u64, 1, MAX_LICENCE_BYTES as u64)?;
        in_range("Croissant length", self.croissant.len() as u64, 2, MAX_CROISSANT_BYTES as u64)?;
        let croissant = serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(&self.croissant);
        croissant
            .map_err(|e| ProtocolError::Invalid { what: "Croissant metadata", reason: e.to_string() })?;
        let (mut records, mut chunks) = (0u64, 0u64);
        for page in &self.pages {
            page.check()?;
            equal("first record of a page", records, page.first.into())?;
            equal("first chunk of a page", chunks, page.ordinal.into())?;
            records += u64::from(page.count);
            chunks += u64::from(page.chunks);
        }
        equal("records in all pages", self.record_count.get().into(), records)?;
        let most = if self.public_key.is_some() { 0 } else { chunks };
        in_range("preview secrets", self.preview_secrets.len() as u64, 0, most)
    }
}

/// Encodes a block as DAG-CBOR.
fn encode_block<T: Serialize>(what: &'static str, value: &T) -> Result<Vec<u8>, ProtocolError> {
    let block = serde_ipld_dagcbor::to_vec(value)
        .map_err(|e| ProtocolError::Invalid { what, reason: e.to_string() })?;
    in_range(what, block.len() as u64, 1, MAX_BLOCK_BYTES as u64)?;
    Ok(block)
}

/// Decodes a block that must be the one that [`encode_block`] writes.
fn decode_block<T: Serialize + for<'de> Deserialize<'de>>(
    what: &'static str,
    block: &[u8],
) -> Result<T, ProtocolError> {
    in_range(what, block.len() as u64, 1, MAX_BLOCK_BYTES as u64)?;
    let value = serde_ipld_dagcbor::from_slice(block)
        .map_err(|e| ProtocolError::Invalid { what, reason: e.to_string() })?;
    if encode_block(what, &value)? == block {
        Ok(value)
    } else {
        Err(ProtocolError::Invalid { what, reason: "not in its canonical form".into() })
    }
}

fn invalid(reason: &str) -> ProtocolError {
    ProtocolError::Invalid { what: "manifest", reason: reason.to_owned() }
}

#[cfg(test)]
mod tests;
