//! What the chain says around a collection: its versions, whether they only append, flags, and whom its key was sealed
//! to. It judges no flag: readers choose whose they honour.

use alloy::primitives::B256;
use alloy::providers::Provider;
use alloy::rpc::types::Filter;
use alloy::sol_types::SolEvent;
use offsetdata_content::{Blocks, Collection};
use offsetdata_protocol::bindings::collections::CollectionRegistry::{
    CollectionAppendProven, CollectionFlagged, CollectionKeySealed, CollectionRegistered,
};
use offsetdata_protocol::ids::CollectionId;
use serde_json::json;

use super::blocks::judge;
use super::{Report, State};
use crate::chain::rpc;
use crate::collections::{self, Registration};
use crate::{Chain, SdkError};

/// Versions that are followed back.
const MAX_VERSIONS: usize = 1000;

/// The versions before and after, and whether each only appends to the one before it.
pub(super) async fn versions(
    chain: &Chain,
    blocks: &Blocks,
    id: CollectionId,
    registration: &Registration,
    content: Option<&Collection>,
    report: &mut Report,
) -> Result<(), SdkError> {
    let (mut newer, mut previous) = (id, CollectionId(registration.terms.previous));
    let mut newer_content = content.cloned();
    for _ in 0..MAX_VERSIONS {
        if previous.0.is_zero() {
            break;
        }
        let older = collections::registration(chain, previous).await?;
        let on_chain = collections::facts(chain, previous).await?.on_chain;
        let registry = chain.deployment().collection_registry;
        let proven = chain.events::<CollectionAppendProven>(registry, newer.0).await?;
        let landed = proven.iter().any(|(event, _)| event.previous == previous.0);
        let older_content = Collection::open(blocks.clone(), on_chain).await;
        let data = json!({
            "version": newer,
            "previous": previous,
            "previousRecords": older.terms.recordCount,
            "provenOnChain": landed,
        });
        let names =
            format!("{newer} names {previous} with {} records as the one before", older.terms.recordCount);
        let (state, says) = if landed {
            (State::Proven, format!("{names}; the contract checked that it only appends"))
        } else {
            match (&newer_content, &older_content) {
                (Some(newer), Ok(older)) => match newer.append_proof(older) {
                    Ok(_) => {
                        (State::Proven, format!("{names}; by the pages it only appends; not proven on chain"))
                    }
                    Err(_) => (State::Stated, format!("{names}; it does not only append to it")),
                },
                (_, Err(error)) => {
                    let (_, why, _) = judge(error, "the older pages");
                    (State::Stated, format!("{names}; whether it only appends is not known: {why}"))
                }
                (None, _) => (State::Stated, format!("{names}; whether it only appends is not known")),
            }
        };
        report.add("versions", state, says, data);
        (newer, newer_content) = (previous, older_content.ok());
        previous = CollectionId(older.terms.previous);
    }
    for next in later(chain, id).await? {
        let says = format!("{next} is a later version");
        report.add("versions", State::Stated, says, json!({ "version": next, "previous": id }));
    }
    Ok(())
}

/// Versions that name this one as the one before.
async fn later(chain: &Chain, id: CollectionId) -> Result<Vec<CollectionId>, SdkError> {
    let deployment = chain.deployment();
    let filter = Filter::new()
        .address(deployment.collection_registry)
        .event_signature(CollectionRegistered::SIGNATURE_HASH)
        .topic3(id.0)
        .from_block(deployment.start_block);
    let logs = chain.provider().get_logs(&filter).await.map_err(rpc)?;
    Ok(logs.iter().filter_map(|log| log.topics().get(1).map(|id| CollectionId(*id))).collect())
}

/// Flags of curators, and the gateways that the key was sealed to.
pub(super) async fn words_of_others(
    chain: &Chain,
    id: CollectionId,
    report: &mut Report,
) -> Result<(), SdkError> {
    let registry = chain.deployment().collection_registry;
    for (flag, log) in chain.events::<CollectionFlagged>(registry, id.0).await? {
        let says = format!(
            "{} flags {} records; the reason has digest {}",
            flag.curator, flag.flagCount, flag.reasonDigest
        );
        let data = json!({
            "curator": flag.curator,
            "count": flag.flagCount,
            "flagsRoot": flag.flagsRoot,
            "reasonDigest": flag.reasonDigest,
            "block": log.block_number,
        });
        report.add("flags", State::Stated, says, data);
    }
    let sealed = chain.events::<CollectionKeySealed>(registry, id.0).await?;
    let mut gateways: Vec<B256> = sealed.iter().map(|(event, _)| event.gatewayKey).collect();
    gateways.sort_unstable();
    gateways.dedup();
    for gateway in gateways {
        let says = format!("the publisher sealed a key to the gateway with the key {gateway}");
        report.add("gateways", State::Stated, says, json!({ "gatewayKey": gateway }));
    }
    Ok(())
}
