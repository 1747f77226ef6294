//! Collections that this gateway serves: on chain, public or with their key sealed to us, and whole. Keys stay in memory.

use std::collections::HashMap;
use std::sync::Mutex;

use alloy::primitives::{Address, B256};
use offsetdata_content::Collection;
use offsetdata_content::collection::OnChain;
use offsetdata_protocol::gateway_api::code;
use offsetdata_protocol::ids::CollectionId;
use offsetdata_protocol::manifest::{ChunkEntry, Visibility};
use offsetdata_protocol::merkle::RecordCount;
use offsetdata_protocol::seal::{CollectionPlace, SealedKey};
use offsetdata_protocol::{ChunkSecret, CollectionKey, Digest, Root};
use offsetdata_store::chain::collections::{CollectionState, find_collection, find_sealed_key};

use crate::Refused;
use crate::context::Shared;

/// Most collections that are kept open.
const MOST_OPEN: usize = 64;

/// Collections that are open, with the manifest that they were opened by.
#[derive(Debug, Default)]
pub struct Catalog(Mutex<HashMap<CollectionId, (B256, Served)>>);

/// A collection whose manifest and pages hold, and whose key we have.
#[derive(Debug, Clone)]
pub struct Served {
    /// What stands on chain.
    pub state: CollectionState,
    /// Manifest and pages.
    pub collection: Collection,
    key: CollectionKey,
}

impl Served {
    /// A chunk's entry.
    ///
    /// # Errors
    /// `notInCollection`.
    pub fn entry(&self, ordinal: u32) -> Result<&ChunkEntry, Refused> {
        let chunks = self.collection.chunks();
        chunks.get(ordinal as usize).ok_or_else(|| {
            let detail = format!("chunk {ordinal} is not one of {}", chunks.len());
            Refused::new(code::NOT_IN_COLLECTION, detail)
        })
    }

    /// A chunk's secret, held against the digest in its page.
    ///
    /// # Errors
    /// A key that is not this collection's: then nothing is given out and nothing charged.
    pub fn secret(&self, entry: &ChunkEntry) -> Result<ChunkSecret, Refused> {
        let secret = self.key.chunk_secret(&entry.seed)?;
        secret.verify(&entry.key_digest).map_err(|error| {
            tracing::error!(collection = %self.state.id, %error, "the sealed key is not this collection's");
            Refused::new(
                code::UNKNOWN_COLLECTION,
                "the key that was sealed to this gateway is not the collection's",
            )
        })?;
        Ok(secret)
    }

    /// Whether everybody may read all of it.
    pub fn is_public(&self) -> bool {
        self.collection.manifest().visibility() == Visibility::Public
    }

    /// Whether everybody may read this chunk.
    pub fn is_open(&self, ordinal: u32) -> bool {
        self.is_public() || ordinal < preview_chunks(&self.collection)
    }

    /// Records of the preview.
    pub fn preview_records(&self) -> u32 {
        let chunks = preview_chunks(&self.collection) as usize;
        self.collection.chunks().iter().take(chunks).map(|entry| entry.count).sum()
    }

    /// Whether the account publishes it.
    pub fn is_publisher(&self, account: Address) -> bool {
        self.state.publisher == account
    }
}

/// Chunks whose secrets stand in the manifest.
fn preview_chunks(collection: &Collection) -> u32 {
    u32::try_from(collection.manifest().preview_secrets.len()).unwrap_or(u32::MAX)
}

impl Shared {
    /// A collection that is served. The chain's row is read each time: a reorg may take it away.
    ///
    /// # Errors
    /// `unknownCollection`, `notAtHand`.
    pub async fn served(&self, id: CollectionId) -> Result<Served, Refused> {
        let unknown = |detail: &str| Refused::new(code::UNKNOWN_COLLECTION, detail);
        let mut conn = self.pool.acquire().await?;
        let state = find_collection(&mut conn, id)
            .await?
            .ok_or_else(|| unknown("no such collection is on the chain, or it is not indexed yet"))?;
        let sealed = find_sealed_key(&mut conn, id, B256::new(self.sealing_key.0)).await?;
        drop(conn);
        if let Some(mut served) = self.catalog.find(id, state.manifest_digest) {
            if !served.is_public() && sealed.is_none() {
                return Err(unknown("the collection's key is not sealed to this gateway any more"));
            }
            served.state = state;
            return Ok(served);
        }
        let on_chain = OnChain {
            manifest_digest: Digest::from(state.manifest_digest),
            content_root: Root::from(state.content_root),
            record_count: RecordCount::new(state.record_count)?,
        };
        let collection = Collection::open(self.blocks.clone(), on_chain).await.map_err(|error| {
            if error.is_retryable() {
                return Refused::from(error);
            }
            tracing::warn!(collection = %id, %error, "manifest or pages do not hold");
            unknown("the collection's manifest or pages are not what the chain says")
        })?;
        let key = match (&collection.manifest().public_key, sealed) {
            (Some(published), _) => published.collection_key(),
            (None, Some(row)) => {
                let place = CollectionPlace { chain_id: self.deployment.chain_id, collection: id };
                let sealed = <[u8; SealedKey::LEN]>::try_from(row.sealed_key.as_ref()).map(SealedKey);
                let opened = sealed.ok().and_then(|sealed| place.open(&sealed, &self.sealing).ok());
                opened.ok_or_else(|| unknown("what was sealed to this gateway does not open"))?
            }
            (None, None) => return Err(unknown("the collection's key is not sealed to this gateway")),
        };
        let served = Served { state, collection, key };
        if let Some(first) = served.collection.chunks().first() {
            served.secret(first)?;
        }
        self.catalog.keep(id, served.clone());
        Ok(served)
    }
}

impl Catalog {
    fn find(&self, id: CollectionId, manifest: B256) -> Option<Served> {
        let open = self.0.lock().ok()?;
        open.get(&id).filter(|(digest, _)| *digest == manifest).map(|(_, served)| served.clone())
    }

    fn keep(&self, id: CollectionId, served: Served) {
        if let Ok(mut open) = self.0.lock() {
            // Opening again costs some reads: which one gives way does not matter.
            if open.len() >= MOST_OPEN
                && let Some(other) = open.keys().next().copied()
            {
                open.remove(&other);
            }
            open.insert(id, (served.state.manifest_digest, served));
        }
    }
}
