//! Fetches the documents that events name by their digest: manifests of collections and metadata of anything. Like points they
//! come beside the chain, and what is missing, too long or nonsense delays nothing else. No URI of an event is ever followed.

mod read;
mod words;

use std::collections::HashMap;
use std::time::Duration;

use futures::StreamExt;
use offsetdata_content::{Blocks, ContentError};
use offsetdata_protocol::cid::{DAG_CBOR, RAW, block_cid};
use offsetdata_protocol::manifest;
use offsetdata_store::chain::collections::{self, CollectionState};
use offsetdata_store::chain::documents::{self, Document, DocumentFetchRow, DocumentKind};
use offsetdata_store::chain::fetch::FetchStatus;
use offsetdata_store::{Pool, StoreError};

use crate::error::IndexerError;

pub use words::words;

/// Fetches in one round.
const ROUND: u32 = 64;
/// Fetches at the same time: one slow source holds up few others.
const CONCURRENCY: usize = 8;
/// How long a block store may take for one block.
const TIMEOUT: Duration = Duration::from_secs(15);
/// Longest wait before an unavailable document is asked for again, in seconds.
const LONGEST_WAIT: u64 = 86_400;
/// Longest metadata, in bytes.
pub const MAX_METADATA_BYTES: usize = 64 << 10;
/// Longest reason that is kept, in characters.
const MAX_REASON: usize = 300;

/// Fetches what is due at `now` (Unix seconds). Answers how many documents were moved on.
///
/// # Errors
/// A database that can't be read or written. A document that is missing or wrong is no error.
pub async fn fetch_due(pool: &Pool, blocks: &Blocks, now: u64) -> Result<usize, IndexerError> {
    let (due, of) = {
        let mut conn = pool.read().await?;
        let due = documents::list_due_documents(&mut conn, now, ROUND).await?;
        let ids: Vec<_> = due
            .iter()
            .filter(|fetch| fetch.kind == DocumentKind::Manifest)
            .map(|fetch| fetch.subject.into())
            .collect();
        let of: HashMap<_, _> = collections::find_collections(&mut conn, &ids)
            .await?
            .into_iter()
            .map(|collection| (collection.id, collection))
            .collect();
        (due, of)
    };
    let results: Vec<_> = futures::stream::iter(due)
        .map(|fetch| {
            let collection = of.get(&fetch.subject.into());
            async move {
                let result = read_document(blocks, &fetch, collection).await;
                (fetch, result)
            }
        })
        .buffer_unordered(CONCURRENCY)
        .collect()
        .await;
    if results.is_empty() {
        return Ok(0);
    }
    let mut tx = pool.write().await?;
    for (fetch, result) in &results {
        match result {
            Ok(document) => {
                documents::insert_document(&mut tx, fetch, document, now).await?;
            }
            Err(Refused::Invalid(reason)) => {
                tracing::warn!(subject = %fetch.subject, reason, "a document is not what it should be");
                let reason = Some(limited(reason));
                documents::advance_document(&mut tx, fetch, FetchStatus::Invalid, reason, now).await?;
            }
            Err(Refused::Missing(reason)) => {
                tracing::debug!(subject = %fetch.subject, reason, "a document is not available");
                let wait = 1u64.checked_shl(fetch.tries.min(20)).unwrap_or(LONGEST_WAIT).min(LONGEST_WAIT);
                let status = FetchStatus::Unavailable;
                documents::advance_document(&mut tx, fetch, status, Some(limited(reason)), now + wait)
                    .await?;
            }
        }
    }
    tx.commit().await.map_err(StoreError::from)?;
    Ok(results.len())
}

#[derive(Debug)]
enum Refused {
    Missing(String),
    Invalid(String),
}

async fn read_document(
    blocks: &Blocks,
    fetch: &DocumentFetchRow,
    collection: Option<&CollectionState>,
) -> Result<Document, Refused> {
    let (codec, max) = match fetch.kind {
        DocumentKind::Manifest => (DAG_CBOR, manifest::MAX_BLOCK_BYTES),
        DocumentKind::Metadata => (RAW, MAX_METADATA_BYTES),
    };
    let cid = block_cid(codec, fetch.digest.into());
    let bytes = match tokio::time::timeout(TIMEOUT, blocks.get(&cid, max)).await {
        Ok(Ok(bytes)) => bytes,
        Ok(Err(ContentError::NotFound { .. })) => {
            return Err(Refused::Missing("nobody has the block".to_owned()));
        }
        Ok(Err(ContentError::TooLarge { .. })) => {
            return Err(Refused::Invalid(format!("longer than {max} bytes")));
        }
        Ok(Err(error)) => return Err(Refused::Missing(said(&error))),
        Err(_) => return Err(Refused::Missing(format!("no answer within {} s", TIMEOUT.as_secs()))),
    };
    match fetch.kind {
        DocumentKind::Manifest => read::manifest(fetch, collection, &bytes),
        DocumentKind::Metadata => read::metadata(fetch, &bytes),
    }
    .map_err(Refused::Invalid)
}

/// What is kept of an error for everyone to read: no path of this machine and no URL of a source.
fn said(error: &ContentError) -> String {
    match error {
        ContentError::File { .. } => "the block store can't be read".to_owned(),
        ContentError::Gateway { reason, .. } => format!("a gateway: {reason}"),
        ContentError::Protocol(error) => format!("false bytes: {error}"),
        other => other.to_string(),
    }
}

fn limited(reason: &str) -> String {
    reason.chars().filter(|c| !c.is_control()).take(MAX_REASON).collect()
}
