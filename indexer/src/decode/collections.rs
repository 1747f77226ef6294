//! Events of the collection registry → rows.

use alloy::primitives::Log;
use alloy::sol_types::{Error, SolEventInterface};
use offsetdata_protocol::bindings::collections::CollectionRegistry::CollectionRegistryEvents as Event;
use offsetdata_store::chain::collections::{
    CollectionAppendRow, CollectionFlagRow, CollectionKeyRow, CollectionRow, PublisherTransferRow,
    RetirementRow,
};
use offsetdata_store::chain::documents::{DocumentFetchRow, DocumentKind};
use offsetdata_store::chain::{ChainRows, Position};

pub(super) fn push(rows: &mut ChainRows, position: Position, log: &Log) -> Result<(), Error> {
    match Event::decode_log(log)?.data {
        Event::CollectionRegistered(e) => {
            rows.document_fetches.extend(DocumentFetchRow::new(
                position,
                DocumentKind::Manifest,
                e.id,
                e.manifestDigest,
            ));
            rows.collections.push(CollectionRow {
                position,
                id: e.id.into(),
                registrant: e.publisher,
                previous: e.previous.into(),
                content_root: e.contentRoot,
                record_count: e.recordCount,
                manifest_digest: e.manifestDigest,
                policy_digest: e.policyDigest,
                shares_root: e.sharesRoot,
                salt: e.salt,
            });
        }
        Event::CollectionAppendProven(e) => rows.collection_appends.push(CollectionAppendRow {
            position,
            collection: e.id.into(),
            previous: e.previous.into(),
            previous_count: e.previousCount,
        }),
        Event::CollectionMetadataRevised(e) => {
            super::push_revision(rows, position, e.id, e.metadataDigest, e.uri)
        }
        Event::CollectionKeySealed(e) => rows.collection_keys.push(CollectionKeyRow {
            position,
            collection: e.id.into(),
            gateway_key: e.gatewayKey,
            sealed_key: e.sealedKey,
        }),
        Event::CollectionRetired(e) => rows.retirements.push(RetirementRow { position, subject: e.id }),
        Event::CollectionFlagged(e) => rows.collection_flags.push(CollectionFlagRow {
            position,
            collection: e.id.into(),
            curator: e.curator,
            flags_root: e.flagsRoot,
            flag_count: e.flagCount,
            reason_digest: e.reasonDigest,
        }),
        Event::PublisherTransferStarted(e) => rows.publisher_transfers.push(PublisherTransferRow {
            position,
            collection: e.id.into(),
            from_account: e.from,
            to_account: e.to,
            accepted: false,
        }),
        Event::PublisherTransferred(e) => rows.publisher_transfers.push(PublisherTransferRow {
            position,
            collection: e.id.into(),
            from_account: e.from,
            to_account: e.to,
            accepted: true,
        }),
    }
    Ok(())
}
