//! Documents that events name by their digest (manifests, metadata): what is still to be fetched, and what they say of a
//! collection, base, project or model. It fetches nothing itself and believes what the indexer verified.

use alloy::primitives::{B256, Bytes};
use offsetdata_protocol::ids::CollectionId;

use crate::codec::{Column, Count, Put, coded};
use crate::record::{insert, record, select, select_in};
use crate::{Conn, StoreError};

use super::Position;
use super::fetch::FetchStatus;

coded! {
    /// Kind of a document.
    DocumentKind "0 or 1" {
        /// The manifest of a collection: dag-cbor.
        Manifest = 0,
        /// Metadata of anything: JSON in a raw block.
        Metadata = 1,
    }
}

record! {
    /// State of a document's fetch.
    DocumentFetchRow in "document_fetches" {
        /// Of the event that names it.
        position: Position,
        /// What it is.
        kind: DocumentKind,
        /// Collection, base, project or model.
        subject: B256,
        /// SHA-256 of the block.
        digest: B256,
        /// Whether it is here.
        status: FetchStatus,
        /// How often it was asked for.
        tries: u32,
        /// When it is asked for next, Unix seconds.
        next_try_at: Count,
        /// Why it is unavailable or invalid.
        reason: Option<String>,
    }
}

impl DocumentFetchRow {
    /// The fetch that a new event needs; none where it names no document.
    pub fn new(position: Position, kind: DocumentKind, subject: B256, digest: B256) -> Option<Self> {
        (!digest.is_zero()).then_some(Self {
            position,
            kind,
            subject,
            digest,
            status: FetchStatus::Waiting,
            tries: 0,
            next_try_at: Count(0),
            reason: None,
        })
    }
}

record! {
    /// What a document says for people.
    DescriptionRow in "descriptions" {
        /// Of the event that names it.
        position: Position,
        /// What it is.
        kind: DocumentKind,
        /// Collection, base, project or model.
        subject: B256,
        /// Name or title.
        name: Option<String>,
        /// Description.
        description: Option<String>,
        /// Licence.
        licence: Option<String>,
    }
}

record! {
    /// What a manifest says for programs.
    ManifestRow in "manifests" {
        /// Of the registration.
        position: Position,
        /// The collection.
        collection: CollectionId,
        /// Names the collection over its versions.
        series: Bytes,
        /// Whether everyone can decrypt it.
        public: bool,
        /// SPDX licence expression or URL.
        licence: String,
        /// Number of chunks.
        chunk_count: Count,
        /// SHA-256 of the quality report, if any.
        quality_report: Option<B256>,
    }
}

record! {
    /// A field of the records.
    ManifestFieldRow in "manifest_fields" {
        /// Of the registration.
        position: Position,
        /// Place in the manifest, from 0.
        field: u32,
        /// The collection.
        collection: CollectionId,
        /// Its name.
        name: String,
        /// text, bytes, integer, float or list.
        kind: String,
        /// Whether a record may lack it.
        optional: bool,
        /// Media type, if any.
        media_type: Option<String>,
        /// A sentence, if any.
        description: Option<String>,
    }
}

record! {
    /// A word of a description.
    TermRow in "description_terms" {
        /// Of the event that names the document.
        position: Position,
        /// The word in lower case.
        term: String,
        /// Collection, base, project or model.
        subject: B256,
    }
}

/// What is kept of a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    /// For people.
    pub description: DescriptionRow,
    /// For search: each word once.
    pub terms: Vec<TermRow>,
    /// Of a manifest.
    pub manifest: Option<ManifestRow>,
    /// Of a manifest.
    pub fields: Vec<ManifestFieldRow>,
}

/// Fetches that are due at `now` (Unix seconds), those never tried first.
///
/// # Errors
/// A database that can't be read; so everywhere below.
pub async fn list_due_documents(
    conn: &mut Conn,
    now: u64,
    limit: u32,
) -> Result<Vec<DocumentFetchRow>, StoreError> {
    select(
        conn,
        "status in (0, 2) and next_try_at <= $1 order by status, next_try_at, position limit $2",
        &[Count(now).value(), limit.value()],
    )
    .await
}

/// Keeps a document, if the chain still names it there and it is not kept already. Answers whether it was written.
pub async fn insert_document(
    conn: &mut Conn,
    fetch: &DocumentFetchRow,
    document: &Document,
    now: u64,
) -> Result<bool, StoreError> {
    if !advance_document(conn, fetch, FetchStatus::Stored, None, now).await? {
        return Ok(false);
    }
    insert(conn, std::slice::from_ref(&document.description)).await?;
    insert(conn, &document.terms).await?;
    insert(conn, document.manifest.as_slice()).await?;
    insert(conn, &document.fields).await?;
    Ok(true)
}

/// Moves a fetch on, if the chain still names this document there and the fetch is not at its end already. Answers whether
/// it moved. `next_try_at` is when it is tried again, in Unix seconds.
pub async fn advance_document(
    conn: &mut Conn,
    fetch: &DocumentFetchRow,
    status: FetchStatus,
    reason: Option<String>,
    next_try_at: u64,
) -> Result<bool, StoreError> {
    let done = sqlx::query(
        "update document_fetches set status = $1, tries = tries + 1, next_try_at = $2, reason = $3
         where position = $4 and status in (0, 2) and digest = $5 and subject = $6 and kind = $7",
    )
    .put(&status)
    .put(&Count(next_try_at))
    .put(&reason)
    .put(&fetch.position)
    .put(&fetch.digest)
    .put(&fetch.subject)
    .put(&fetch.kind)
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Fetches of these subjects, in the order of the chain.
pub async fn list_document_fetches(
    conn: &mut Conn,
    subjects: &[B256],
) -> Result<Vec<DocumentFetchRow>, StoreError> {
    select_in(conn, "subject", subjects, "order by position").await
}

/// What documents say of these subjects, in the order of the chain: later metadata replaces earlier.
pub async fn list_descriptions(
    conn: &mut Conn,
    subjects: &[B256],
) -> Result<Vec<DescriptionRow>, StoreError> {
    let latest = "and not exists (select 1 from descriptions n where n.subject = descriptions.subject
                  and n.kind = descriptions.kind and n.position > descriptions.position) order by position";
    select_in(conn, "subject", subjects, latest).await
}

/// Manifests of these collections.
pub async fn list_manifests(
    conn: &mut Conn,
    collections: &[CollectionId],
) -> Result<Vec<ManifestRow>, StoreError> {
    select_in(conn, "collection", collections, "").await
}

/// Fields of these collections, each collection's in the order of its manifest.
pub async fn list_fields(
    conn: &mut Conn,
    collections: &[CollectionId],
) -> Result<Vec<ManifestFieldRow>, StoreError> {
    select_in(conn, "collection", collections, "order by position, field").await
}

/// How many fetches stand at a status, for whoever watches the service.
pub async fn count_documents(conn: &mut Conn, status: FetchStatus) -> Result<u64, StoreError> {
    let row = sqlx::query("select count(*) as n from document_fetches where status = $1")
        .put(&status)
        .fetch_one(conn)
        .await?;
    Ok(Count::read(&row, "n")?.0)
}
