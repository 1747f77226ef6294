//! Events of the collection registry and what stands now. It judges no flag: readers choose whose they honour.

use alloy::primitives::{Address, B256, Bytes};
use offsetdata_protocol::ids::CollectionId;

use crate::record::{find, record, select};
use crate::{Conn, StoreError};

use super::Position;
use super::page::{Page, list};
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

/// Collections, of one registrant where it is named.
///
/// # Errors
/// A database that can't be read.
pub async fn list_collections(
    conn: &mut Conn,
    registrant: Option<Address>,
    page: Page,
) -> Result<Vec<CollectionState>, StoreError> {
    let equal: Vec<_> = registrant.map(|account| ("registrant", account.value())).into_iter().collect();
    list(conn, &equal, page).await
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
