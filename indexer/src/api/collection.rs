//! Collections and their offers as the API shows them.

mod lists;

use std::collections::HashMap;

use async_graphql::{Enum, SimpleObject};
use offsetdata_protocol::cid::{DAG_CBOR, block_cid};
use offsetdata_protocol::ids::CollectionId;
use offsetdata_store::chain::access::{self, OfferState};
use offsetdata_store::chain::collections::{
    CollectionAppendRow, CollectionFlagRow, CollectionKeyRow, CollectionState, MetadataRevisionRow,
    PublisherTransferRow,
};
use offsetdata_store::chain::documents::{self, DescriptionRow, DocumentKind, ManifestFieldRow, ManifestRow};
use offsetdata_store::chain::{Position, blocks, fetch};
use offsetdata_store::{Conn, StoreError};
use serde::Serialize;
use utoipa::ToSchema;

use super::block::BlockRef;
use super::located::located;
use super::rights::Right;
use super::scalars::{Account, Amount, Bytes32, Long};

/// Whether a document that an event names is here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum, Serialize, ToSchema)]
#[graphql(remote = "fetch::FetchStatus")]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(crate) enum DocumentStatus {
    /// Not asked for yet.
    Waiting,
    /// What it says is here.
    Stored,
    /// Nobody had it so far; it is asked for from time to time.
    Unavailable,
    /// It is there and is not what it should be.
    Invalid,
}

/// A field that records have.
#[derive(Debug, Clone, PartialEq, Eq, SimpleObject, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Field {
    name: String,
    /// text, bytes, integer, float or list.
    kind: String,
    /// Whether a record may lack it.
    optional: bool,
    media_type: Option<String>,
    description: Option<String>,
}

impl From<ManifestFieldRow> for Field {
    fn from(row: ManifestFieldRow) -> Self {
        let ManifestFieldRow { name, kind, optional, media_type, description, .. } = row;
        Self { name, kind, optional, media_type, description }
    }
}

/// A published set of records.
#[derive(Debug, Clone, PartialEq, Eq, SimpleObject, Serialize, ToSchema)]
#[graphql(complex)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Collection {
    #[graphql(skip)]
    #[serde(skip)]
    position: Option<Position>,
    id: Bytes32,
    /// Who registered it.
    registrant: Account,
    /// Who publishes it now.
    publisher: Account,
    /// The collection that this one is the next version of.
    previous: Option<Bytes32>,
    /// Root of the records (RFC 9162): what proves.
    content_root: Bytes32,
    record_count: Long,
    /// SHA-256 digest of the manifest's root block.
    manifest_digest: Bytes32,
    /// CID of the manifest: what fetches.
    manifest_cid: String,
    /// SHA-256 digest of the policy terms.
    policy_digest: Option<Bytes32>,
    /// Root of the contributors' shares.
    shares_root: Option<Bytes32>,
    retired: bool,
    /// SHA-256 digest of the metadata last published.
    metadata_digest: Option<Bytes32>,
    metadata_uri: Option<String>,
    /// How often it was proven that it only appends to the previous version.
    append_proofs: Long,
    /// Whether the manifest is here: what follows is from it and from the metadata last published.
    manifest_status: DocumentStatus,
    /// Why it is not.
    manifest_reason: Option<String>,
    name: Option<String>,
    description: Option<String>,
    licence: Option<String>,
    /// Whether everyone can decrypt it.
    public: Option<bool>,
    /// Names the collection over its versions: `0x` and hexadecimal digits.
    series: Option<String>,
    chunk_count: Option<Long>,
    /// SHA-256 digest of the quality report.
    quality_report: Option<Bytes32>,
    fields: Vec<Field>,
    /// The offers that stand, at most one a right.
    offers: Vec<Offer>,
    /// The block in which it was registered.
    registered_in: Option<BlockRef>,
}

impl Collection {
    /// Its id.
    pub(crate) fn key(&self) -> CollectionId {
        self.id.0.into()
    }

    /// Where it was registered.
    pub(crate) fn position(&self) -> Position {
        self.position.unwrap_or(Position::START)
    }
}

/// Collections with what documents, offers and blocks say of them: six queries, however many they are.
///
/// # Errors
/// A database that can't be read.
pub(crate) async fn show(conn: &mut Conn, rows: Vec<CollectionState>) -> Result<Vec<Collection>, StoreError> {
    if rows.is_empty() {
        return Ok(Vec::new());
    }
    let ids: Vec<CollectionId> = rows.iter().map(|row| row.id).collect();
    let subjects: Vec<_> = ids.iter().map(|id| id.0).collect();
    let mut offers: HashMap<CollectionId, Vec<Offer>> = HashMap::new();
    for offer in access::list_offers_of(conn, &ids).await? {
        offers.entry(offer.collection).or_default().push(offer.into());
    }
    let mut fields: HashMap<CollectionId, Vec<Field>> = HashMap::new();
    for field in documents::list_fields(conn, &ids).await? {
        fields.entry(field.collection).or_default().push(field.into());
    }
    let mut manifests: HashMap<CollectionId, ManifestRow> =
        documents::list_manifests(conn, &ids).await?.into_iter().map(|row| (row.collection, row)).collect();
    let mut said: HashMap<CollectionId, Said> = HashMap::new();
    for row in documents::list_descriptions(conn, &subjects).await? {
        said.entry(row.subject.into()).or_default().add(row);
    }
    let mut fetches: HashMap<CollectionId, (fetch::FetchStatus, Option<String>)> =
        documents::list_document_fetches(conn, &subjects)
            .await?
            .into_iter()
            .filter(|row| row.kind == DocumentKind::Manifest)
            .map(|row| (row.subject.into(), (row.status, row.reason)))
            .collect();
    let numbers: Vec<u64> = rows.iter().map(|row| row.position.block()).collect();
    let blocks_of: HashMap<u64, BlockRef> = blocks::find_blocks(conn, &numbers)
        .await?
        .into_iter()
        .map(|row| (row.number.0, row.into()))
        .collect();
    Ok(rows
        .into_iter()
        .map(|row| {
            let manifest = manifests.remove(&row.id);
            let said = said.remove(&row.id).unwrap_or_default();
            let (status, reason) = fetches.remove(&row.id).unwrap_or((fetch::FetchStatus::Waiting, None));
            Collection {
                position: Some(row.position),
                id: row.id.into(),
                registrant: Account(row.registrant),
                publisher: Account(row.publisher),
                previous: (!row.previous.0.is_zero()).then(|| row.previous.into()),
                content_root: row.content_root.into(),
                record_count: u64::from(row.record_count).into(),
                manifest_digest: row.manifest_digest.into(),
                manifest_cid: block_cid(DAG_CBOR, row.manifest_digest.into()).to_string(),
                policy_digest: (!row.policy_digest.is_zero()).then(|| row.policy_digest.into()),
                shares_root: (!row.shares_root.is_zero()).then(|| row.shares_root.into()),
                retired: row.retired,
                metadata_digest: row.metadata_digest.map(Bytes32),
                metadata_uri: row.metadata_uri,
                append_proofs: u64::from(row.append_proofs).into(),
                manifest_status: status.into(),
                manifest_reason: reason,
                name: said.name,
                description: said.description,
                licence: manifest.as_ref().map(|row| row.licence.clone()),
                public: manifest.as_ref().map(|row| row.public),
                series: manifest.as_ref().map(|row| row.series.to_string()),
                chunk_count: manifest.as_ref().map(|row| row.chunk_count.into()),
                quality_report: manifest.and_then(|row| row.quality_report).map(Bytes32),
                fields: fields.remove(&row.id).unwrap_or_default(),
                offers: offers.remove(&row.id).unwrap_or_default(),
                registered_in: blocks_of.get(&row.position.block()).copied(),
            }
        })
        .collect())
}

/// What documents say: later ones replace earlier ones, where they say something. The licence is always the manifest's,
/// which the id covers.
#[derive(Debug, Default)]
struct Said {
    name: Option<String>,
    description: Option<String>,
}

impl Said {
    fn add(&mut self, row: DescriptionRow) {
        self.name = row.name.or(self.name.take());
        self.description = row.description.or(self.description.take());
    }
}

/// How one right to a collection is sold.
#[derive(Debug, Clone, PartialEq, Eq, SimpleObject, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Offer {
    collection_id: Bytes32,
    right: Right,
    /// Price of one period in the token's smallest unit.
    price: Amount,
    /// Price of one record.
    price_per_record: Amount,
    payee: Account,
    /// Seconds of one purchase, 0 for ever.
    duration: Long,
    /// Seconds in which unused money can be taken back.
    refund_window: Long,
    /// Whether it can be bought for a time.
    timed: bool,
    /// Whether it can be used against payment per record.
    metered: bool,
    /// Contract that says who is admitted; none admits everyone.
    policy: Option<Account>,
}

impl From<OfferState> for Offer {
    fn from(row: OfferState) -> Self {
        Self {
            collection_id: row.collection.into(),
            right: Right::from_code(row.access_right),
            price: row.price.into(),
            price_per_record: row.price_per_record.into(),
            payee: Account(row.payee),
            duration: row.duration.into(),
            refund_window: row.refund_window.into(),
            timed: row.timed,
            metered: row.metered,
            policy: (!row.policy.is_zero()).then_some(Account(row.policy)),
        }
    }
}

located!(Offer from OfferState, |row, _block, _now| row.into());

/// Records that a curator flagged. Readers choose whose flags they honour.
#[derive(Debug, Clone, PartialEq, Eq, SimpleObject, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Flag {
    curator: Account,
    /// Root over the flagged indices.
    flags_root: Bytes32,
    flag_count: Long,
    /// SHA-256 digest of the reason.
    reason_digest: Option<Bytes32>,
    block: Option<BlockRef>,
}

located!(Flag from CollectionFlagRow, |row, block, _now| Self {
    curator: Account(row.curator),
    flags_root: row.flags_root.into(),
    flag_count: u64::from(row.flag_count).into(),
    reason_digest: (!row.reason_digest.is_zero()).then(|| row.reason_digest.into()),
    block,
});

/// A proof that a collection only appends to its previous version.
#[derive(Debug, Clone, PartialEq, Eq, SimpleObject)]
pub(crate) struct AppendProof {
    previous: Bytes32,
    /// Records of the previous version.
    previous_count: Long,
    block: Option<BlockRef>,
}

located!(AppendProof from CollectionAppendRow, |row, block, _now| Self {
    previous: row.previous.into(),
    previous_count: u64::from(row.previous_count).into(),
    block,
});

/// The collection key sealed to a gateway.
#[derive(Debug, Clone, PartialEq, Eq, SimpleObject)]
pub(crate) struct SealedKey {
    /// X25519 key of the gateway.
    gateway_key: Bytes32,
    /// RFC 9180: `0x` and hexadecimal digits.
    sealed_key: String,
    block: Option<BlockRef>,
}

located!(SealedKey from CollectionKeyRow, |row, block, _now| Self {
    gateway_key: row.gateway_key.into(),
    sealed_key: row.sealed_key.to_string(),
    block,
});

/// A publisher named its successor, or the successor accepted.
#[derive(Debug, Clone, PartialEq, Eq, SimpleObject)]
pub(crate) struct PublisherTransfer {
    from: Account,
    /// Null where the offer was withdrawn.
    to: Option<Account>,
    accepted: bool,
    block: Option<BlockRef>,
}

located!(PublisherTransfer from PublisherTransferRow, |row, block, _now| Self {
    from: Account(row.from_account),
    to: (!row.to_account.is_zero()).then_some(Account(row.to_account)),
    accepted: row.accepted,
    block,
});

/// Metadata as it was revised.
#[derive(Debug, Clone, PartialEq, Eq, SimpleObject)]
pub(crate) struct MetadataRevision {
    metadata_digest: Bytes32,
    metadata_uri: String,
    block: Option<BlockRef>,
}

located!(MetadataRevision from MetadataRevisionRow, |row, block, _now| Self {
    metadata_digest: row.metadata_digest.into(),
    metadata_uri: row.metadata_uri,
    block,
});
