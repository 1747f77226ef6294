//! Events of the collection registry and what stands now. It judges no flag: readers choose whose they honour.

use alloy::primitives::{Address, B256, Bytes};
use offsetdata_protocol::ids::CollectionId;

use crate::record::{find, record, select, select_in};
use crate::{Conn, StoreError};

use super::Position;
use super::page::{Filter, Page, list_where};
use crate::codec::Column;

record! {
    /// `CollectionRegistered`.
    CollectionRow in "collections" {
        /// Where.
        position: Position,
        /// The collection.
        id: CollectionId,
        /// Who registered it.
        registrant: Address,
        /// The version before, or zero.
        previous: CollectionId,
        /// RFC 9162 root.
        content_root: B256,
        /// Number of records.
        record_count: u32,
        /// SHA-256 of the manifest's root block (dag-cbor).
        manifest_digest: B256,
        /// SHA-256 of the policy terms, or zero.
        policy_digest: B256,
        /// Root of the contributors' shares, or zero.
        shares_root: B256,
        /// Salt of the id.
        salt: B256,
    }
}

record! {
    /// A collection as it stands.
    CollectionState in "collection_states" {
        /// Where it was registered.
        position: Position,
        /// The collection.
        id: CollectionId,
        /// Who registered it.
        registrant: Address,
        /// Who publishes it now.
        publisher: Address,
        /// The version before, or zero.
        previous: CollectionId,
        /// RFC 9162 root.
        content_root: B256,
        /// Number of records.
        record_count: u32,
        /// SHA-256 of the manifest's root block (dag-cbor).
        manifest_digest: B256,
        /// SHA-256 of the policy terms, or zero.
        policy_digest: B256,
        /// Root of the contributors' shares, or zero.
        shares_root: B256,
        /// Whether it is retired.
        retired: bool,
        /// SHA-256 of the metadata last published, if any.
        metadata_digest: Option<B256>,
        /// Where the metadata is, if any.
        metadata_uri: Option<String>,
        /// How often it was proven that it only appends.
        append_proofs: u32,
    }
}

record! {
    /// New metadata of a collection, base, project or model.
    MetadataRevisionRow in "metadata_revisions" {
        /// Where.
        position: Position,
        /// Of what.
        subject: B256,
        /// SHA-256 of the metadata.
        metadata_digest: B256,
        /// Where it is.
        metadata_uri: String,
    }
}

record! {
    /// The end of a collection, base or model.
    RetirementRow in "retirements" {
        /// Where.
        position: Position,
        /// Of what.
        subject: B256,
    }
}

record! {
    /// `CollectionAppendProven`.
    CollectionAppendRow in "collection_appends" {
        /// Where.
        position: Position,
        /// The newer version.
        collection: CollectionId,
        /// The older one.
        previous: CollectionId,
        /// Records of the older one.
        previous_count: u32,
    }
}

record! {
    /// `CollectionKeySealed`.
    CollectionKeyRow in "collection_keys" {
        /// Where.
        position: Position,
        /// The collection.
        collection: CollectionId,
        /// X25519 key of the gateway.
        gateway_key: B256,
        /// RFC 9180.
        sealed_key: Bytes,
    }
}

record! {
    /// `CollectionFlagged`.
    CollectionFlagRow in "collection_flags" {
        /// Where.
        position: Position,
        /// The collection.
        collection: CollectionId,
        /// Who flagged.
        curator: Address,
        /// Root over the flagged indices.
        flags_root: B256,
        /// How many.
        flag_count: u32,
        /// SHA-256 of the reason.
        reason_digest: B256,
    }
}

record! {
    /// `PublisherTransferStarted` and `PublisherTransferred`.
    PublisherTransferRow in "publisher_transfers" {
        /// Where.
        position: Position,
        /// The collection.
        collection: CollectionId,
        /// From whom.
        from_account: Address,
        /// To whom; zero withdraws.
        to_account: Address,
        /// Whether the successor accepted.
        accepted: bool,
    }
}

/// A collection.
///
/// # Errors
/// A database that can't be read.
pub async fn find_collection(
    conn: &mut Conn,
    id: CollectionId,
) -> Result<Option<CollectionState>, StoreError> {
    find(conn, "id", &id).await
}

/// These collections, in the order of the chain.
///
/// # Errors
/// A database that can't be read; so everywhere below.
pub async fn find_collections(
    conn: &mut Conn,
    ids: &[CollectionId],
) -> Result<Vec<CollectionState>, StoreError> {
    select_in(conn, "id", ids, "order by position").await
}

/// Which collections.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CollectionFilter {
    /// Only those that this account registered.
    pub registrant: Option<Address>,
    /// Only those that this account publishes now.
    pub publisher: Option<Address>,
    /// Only next versions of this one.
    pub previous: Option<CollectionId>,
    /// Only those with this licence in their manifest.
    pub licence: Option<String>,
    /// Only those that everyone can decrypt, or only the others.
    pub public: Option<bool>,
    /// Only those with an offer for this right: 0 READ, 1 TRAIN.
    pub offered: Option<u8>,
    /// Only retired ones, or only the others.
    pub retired: Option<bool>,
    /// Only those whose name, description or licence has words that begin with each of these, in lower case.
    pub words: Vec<String>,
}

/// Collections.
pub async fn list_collections(
    conn: &mut Conn,
    filter: &CollectionFilter,
    page: Page,
) -> Result<Vec<CollectionState>, StoreError> {
    let mut conditions = Filter::all()
        .equal_some("registrant", filter.registrant.as_ref())
        .equal_some("previous", filter.previous.as_ref());
    if let Some(publisher) = filter.publisher {
        // The first condition finds candidates by index, the second one judges them.
        conditions = conditions.holds(
            "id in (select c.id from collections c where c.registrant = ? union
                    select t.collection from publisher_transfers t where t.to_account = ? and t.accepted = 1)
             and publisher = ?",
            [publisher.value(), publisher.value(), publisher.value()],
        );
    }
    if let Some(licence) = &filter.licence {
        conditions = conditions
            .holds("position in (select m.position from manifests m where m.licence = ?)", [licence.value()]);
    }
    if let Some(public) = filter.public {
        conditions = conditions.holds(
            "exists (select 1 from manifests m where m.collection = id and m.public = ?)",
            [public.value()],
        );
    }
    if let Some(right) = filter.offered {
        conditions = conditions.holds(
            "exists (select 1 from offer_states o where o.collection = id and o.access_right = ?)",
            [right.value()],
        );
    }
    conditions = match filter.retired {
        Some(true) => conditions.holds("retired > 0", []),
        Some(false) => conditions.holds("retired = 0", []),
        None => conditions,
    };
    for word in &filter.words {
        // Metadata that later metadata replaced is not searched; the manifest always is.
        conditions = conditions.holds(
            "id in (select t.subject from description_terms t
                    join descriptions d on d.position = t.position
                    where t.term >= ? and t.term < ? and not exists (
                        select 1 from descriptions n
                        where n.subject = d.subject and n.kind = d.kind and n.position > d.position))",
            [word.value(), format!("{word}\u{10ffff}").value()],
        );
    }
    list_where(conn, conditions, page).await
}

/// Flags of a collection.
pub async fn list_flags(
    conn: &mut Conn,
    collection: CollectionId,
    curator: Option<Address>,
    page: Page,
) -> Result<Vec<CollectionFlagRow>, StoreError> {
    let filter = Filter::all().equal("collection", &collection).equal_some("curator", curator.as_ref());
    list_where(conn, filter, page).await
}

/// Proofs that a collection only appends to its previous version.
pub async fn list_appends(
    conn: &mut Conn,
    collection: CollectionId,
    page: Page,
) -> Result<Vec<CollectionAppendRow>, StoreError> {
    list_where(conn, Filter::all().equal("collection", &collection), page).await
}

/// Sealed keys of a collection, the latest of each gateway, in the order of the chain.
pub async fn list_sealed_keys(
    conn: &mut Conn,
    collection: CollectionId,
    page: Page,
) -> Result<Vec<CollectionKeyRow>, StoreError> {
    let filter = Filter::all().equal("collection", &collection).holds(
        "not exists (select 1 from collection_keys n where n.collection = collection_keys.collection
             and n.gateway_key = collection_keys.gateway_key and n.position > collection_keys.position)",
        [],
    );
    list_where(conn, filter, page).await
}

/// Collections whose key was ever sealed to a gateway, by the latest sealing.
pub async fn list_sealed_to(
    conn: &mut Conn,
    gateway_key: B256,
    page: Page,
) -> Result<Vec<CollectionKeyRow>, StoreError> {
    let filter = Filter::all().equal("gateway_key", &gateway_key).holds(
        "not exists (select 1 from collection_keys n where n.collection = collection_keys.collection
             and n.gateway_key = collection_keys.gateway_key and n.position > collection_keys.position)",
        [],
    );
    list_where(conn, filter, page).await
}

/// Who was named and who accepted to publish a collection.
pub async fn list_publisher_transfers(
    conn: &mut Conn,
    collection: CollectionId,
    page: Page,
) -> Result<Vec<PublisherTransferRow>, StoreError> {
    list_where(conn, Filter::all().equal("collection", &collection), page).await
}

/// Metadata of a collection, base, project or model as it was revised.
pub async fn list_metadata_revisions(
    conn: &mut Conn,
    subject: B256,
    page: Page,
) -> Result<Vec<MetadataRevisionRow>, StoreError> {
    list_where(conn, Filter::all().equal("subject", &subject), page).await
}

/// The key of a collection as it was sealed to a gateway the last time.
///
/// # Errors
/// A database that can't be read.
pub async fn find_sealed_key(
    conn: &mut Conn,
    collection: CollectionId,
    gateway_key: B256,
) -> Result<Option<CollectionKeyRow>, StoreError> {
    let rest = "collection = $1 and gateway_key = $2 order by position desc limit 1";
    Ok(select(conn, rest, &[collection.value(), gateway_key.value()]).await?.pop())
}
