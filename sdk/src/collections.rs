//! Collections on chain: registering them, what the chain says of them, and records proven against it.
//! The bytes are the business of `offsetdata-content`.

use alloy::primitives::{Address, B256, U256};
use alloy::providers::Provider;
use alloy::rpc::types::{Filter, TransactionReceipt};
use alloy::sol_types::SolEvent;
use offsetdata_content::Published;
use offsetdata_content::collection::OnChain;
use offsetdata_protocol::bindings::access::AccessToken;
use offsetdata_protocol::bindings::collections::CollectionRegistry;
use offsetdata_protocol::bindings::collections::CollectionTerms;
use offsetdata_protocol::ids::CollectionId;
use offsetdata_protocol::merkle::RecordCount;
use offsetdata_protocol::{Digest, Root};

use crate::chain::rpc;
use crate::{Account, Chain, SdkError};

/// The right that an access token stands for.
pub const RIGHT_READ: u8 = 0;
/// The right to be trained on.
pub const RIGHT_TRAIN: u8 = 1;

/// What the chain says of a collection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CollectionFacts {
    /// Its id.
    pub id: CollectionId,
    /// Who publishes it now.
    pub publisher: Address,
    /// Unix seconds.
    pub registered_at: u64,
    /// Whether it takes no new rights and requests.
    pub retired: bool,
    /// What every byte is held against.
    pub on_chain: OnChain,
}

/// How a collection was registered: all that its id covers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registration {
    /// Who registered it.
    pub registrant: Address,
    /// The terms.
    pub terms: CollectionTerms,
    /// Number of the block.
    pub block: Option<u64>,
    /// The transaction.
    pub transaction: Option<B256>,
}

/// How a collection was registered, from its event. The id is computed again from what the event says, so that a false
/// event is refused.
///
/// # Errors
/// An unknown id; an event that does not make the id; an endpoint that does not answer.
pub async fn registration(chain: &Chain, id: CollectionId) -> Result<Registration, SdkError> {
    let deployment = chain.deployment();
    let registry = deployment.collection_registry;
    let events = chain.events::<CollectionRegistry::CollectionRegistered>(registry, id.0).await?;
    let (event, log) = events.into_iter().next().ok_or(SdkError::Unknown { what: "collection", id: id.0 })?;
    let terms = CollectionTerms {
        contentRoot: event.contentRoot,
        recordCount: event.recordCount,
        manifestDigest: event.manifestDigest,
        previous: event.previous,
        policyDigest: event.policyDigest,
        sharesRoot: event.sharesRoot,
        salt: event.salt,
    };
    if CollectionId::of_terms(deployment.chain_id, registry, event.publisher, &terms) != id {
        return Err(SdkError::Rpc(format!("the registration that it gives for {id} does not make this id")));
    }
    let (block, transaction) = (log.block_number, log.transaction_hash);
    Ok(Registration { registrant: event.publisher, terms, block, transaction })
}

/// All registrations of a publisher, or of everyone, the oldest first. It reads the whole log: on a busy chain an
/// indexer is faster.
///
/// # Errors
/// An endpoint that does not answer.
pub async fn list(
    chain: &Chain,
    publisher: Option<Address>,
) -> Result<Vec<(CollectionId, u32, Address)>, SdkError> {
    let deployment = chain.deployment();
    let mut filter = Filter::new()
        .address(deployment.collection_registry)
        .event_signature(CollectionRegistry::CollectionRegistered::SIGNATURE_HASH)
        .from_block(deployment.start_block);
    if let Some(publisher) = publisher {
        filter = filter.topic2(publisher);
    }
    let logs = chain.provider().get_logs(&filter).await.map_err(rpc)?;
    let decoded = logs.iter().map(|log| {
        let event = CollectionRegistry::CollectionRegistered::decode_log(&log.inner)
            .map_err(|e| SdkError::Rpc(format!("CollectionRegistered: {e}")))?;
        Ok((CollectionId(event.id), event.recordCount, event.publisher))
    });
    decoded.collect()
}

/// Registers a published collection. Registering the same again gives the same id and sends nothing.
///
/// # Errors
/// As [`Chain::send`].
pub async fn register(
    chain: &Chain,
    publisher: &Account,
    published: &Published,
    previous: Option<CollectionId>,
    salt: B256,
) -> Result<(CollectionId, Option<TransactionReceipt>), SdkError> {
    let terms = CollectionTerms {
        contentRoot: published.content_root().0.into(),
        recordCount: published.manifest.record_count.get(),
        manifestDigest: published.manifest_digest.0.into(),
        previous: previous.map_or(B256::ZERO, |id| id.0),
        policyDigest: B256::ZERO,
        sharesRoot: B256::ZERO,
        salt,
    };
    let registry = chain.deployment().collection_registry;
    let id_call =
        CollectionRegistry::collectionIdOfCall { registrant: publisher.address(), terms: terms.clone() };
    let id = CollectionId(chain.call(registry, &id_call).await?);
    if !chain.call(registry, &CollectionRegistry::publisherOfCall { id: id.0 }).await?.is_zero() {
        return Ok((id, None));
    }
    let receipt = chain.send(publisher, registry, &CollectionRegistry::registerCall { terms }).await?;
    Ok((id, Some(receipt)))
}

/// What the chain says of a collection, from the registry and its event.
///
/// # Errors
/// An unknown id, or an endpoint that does not answer.
pub async fn facts(chain: &Chain, id: CollectionId) -> Result<CollectionFacts, SdkError> {
    let registry = chain.deployment().collection_registry;
    let unknown = || SdkError::Unknown { what: "collection", id: id.0 };
    let state = chain.call(registry, &CollectionRegistry::collectionOfCall { id: id.0 }).await?;
    let root = chain.call(registry, &CollectionRegistry::contentRootOfCall { id: id.0 }).await?;
    if root.is_zero() {
        return Err(unknown());
    }
    let registered = registration(chain, id).await?.terms;
    Ok(CollectionFacts {
        id,
        publisher: state.publisher,
        registered_at: state.registeredAt.to::<u64>(),
        retired: state.retired,
        on_chain: OnChain {
            manifest_digest: Digest(registered.manifestDigest.0),
            content_root: Root(root.0),
            record_count: RecordCount::new(state.recordCount)?,
        },
    })
}

/// Asks the registry whether a leaf stands at `index`, and what a transaction that does so would cost in gas.
///
/// # Errors
/// As [`Chain::call`].
pub async fn verify_record(
    chain: &Chain,
    id: CollectionId,
    index: u32,
    leaf: Digest,
    proof: &[Digest],
) -> Result<(bool, u64), SdkError> {
    let registry = chain.deployment().collection_registry;
    let call = CollectionRegistry::verifyRecordCall {
        id: id.0,
        index,
        leafHash: leaf.0.into(),
        proof: proof.iter().map(|digest| digest.0.into()).collect(),
    };
    let holds = chain.call(registry, &call).await?;
    let gas = chain.estimate(Address::ZERO, registry, &call).await?;
    Ok((holds, gas))
}

/// Offers training on a collection against payment per record used, to everyone.
///
/// # Errors
/// As [`Chain::send`].
pub async fn offer_training(
    chain: &Chain,
    publisher: &Account,
    id: CollectionId,
    price_per_record: u128,
) -> Result<TransactionReceipt, SdkError> {
    let offer = offsetdata_protocol::bindings::access::Offer {
        price: 0,
        pricePerRecord: price_per_record,
        payee: publisher.address(),
        duration: U256::ZERO.to(),
        refundWindow: U256::ZERO.to(),
        timed: false,
        metered: true,
        policy: Address::ZERO,
    };
    let call = AccessToken::setOfferCall { collection: id.0, right: RIGHT_TRAIN, offer };
    chain.send(publisher, chain.deployment().access_token, &call).await
}
