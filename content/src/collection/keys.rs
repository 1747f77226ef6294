//! Where the secrets of chunks come from when no gateway is asked. It fetches nothing and buys nothing.

use std::collections::BTreeMap;
use std::sync::Arc;

use offsetdata_protocol::manifest::{ChunkEntry, Manifest};
use offsetdata_protocol::{ChunkSecret, CollectionKey, ProtocolError};

use crate::ContentError;

/// Where the secrets of chunks come from, beside what the manifest publishes: the key of a public collection and the
/// secrets of a preview. Cheap to clone; prints no secret.
#[derive(Debug, Clone, Default)]
pub enum Keys {
    /// Nowhere else.
    #[default]
    Published,
    /// The collection key, which its publisher has and has sealed to gateways.
    Collection(CollectionKey),
    /// Secrets of single chunks, by ordinal.
    Chunks(Arc<BTreeMap<u32, ChunkSecret>>),
}

impl Keys {
    /// The secret of a chunk, held against its key digest.
    ///
    /// # Errors
    /// [`ContentError::NoKey`] where there is none; a secret or a key that is not the chunk's.
    pub(super) fn secret(
        &self,
        manifest: &Manifest,
        ordinal: u32,
        entry: &ChunkEntry,
    ) -> Result<ChunkSecret, ContentError> {
        let secret = if let Some(key) = &manifest.public_key {
            key.collection_key().chunk_secret(&entry.seed)?
        } else if let Some(preview) = manifest.preview_secrets.get(ordinal as usize) {
            preview.chunk_secret()
        } else {
            match self {
                Self::Published => return Err(ContentError::NoKey { ordinal }),
                Self::Collection(key) => key.chunk_secret(&entry.seed)?,
                Self::Chunks(secrets) => {
                    secrets.get(&ordinal).cloned().ok_or(ContentError::NoKey { ordinal })?
                }
            }
        };
        secret.verify(&entry.key_digest)?;
        Ok(secret)
    }
}

/// Checks that `key` is the collection key that all of these chunks were sealed with.
///
/// # Errors
/// The first chunk whose secret it does not make.
pub(super) fn verify_key(key: &CollectionKey, chunks: &[ChunkEntry]) -> Result<(), ProtocolError> {
    chunks.iter().try_for_each(|chunk| key.chunk_secret(&chunk.seed)?.verify(&chunk.key_digest))
}
