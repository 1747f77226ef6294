//! What a publisher does beyond registering: records pushed from a source that may have been cut short before, the key
//! sealed to a gateway, offers, and the proof that a version only appends. It keeps no key: see [`crate::Recovery`].

use alloy::primitives::{Address, U256};
use alloy::rpc::types::TransactionReceipt;
use offsetdata_content::{Collection, Published, Publisher};
use offsetdata_protocol::CollectionKey;
use offsetdata_protocol::bindings::access::{AccessToken, Offer};
use offsetdata_protocol::bindings::collections::CollectionRegistry;
use offsetdata_protocol::ids::CollectionId;
use offsetdata_protocol::record::Record;
use offsetdata_protocol::seal::{CollectionPlace, SealingKey};

use crate::recovery::fill_random;
use crate::{Account, Chain, SdkError, collections};

/// How a publisher sells a right. Nothing set admits nobody.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Terms {
    /// Price of one record under vouchers or training requests, in the token's smallest unit; 0 is free.
    pub per_record: Option<u128>,
    /// Price of a period, with its length and refund window in seconds; a length of 0 is for ever.
    pub period: Option<Period>,
    /// Who is paid; without it the publisher.
    pub payee: Option<Address>,
    /// A contract that says who may buy or be metered; without it everyone who is not denied.
    pub policy: Option<Address>,
}

/// A right for a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Period {
    /// Price in the token's smallest unit; 0 is free.
    pub price: u128,
    /// Seconds that one purchase lasts, 0 for ever; at most 2^32 − 1.
    pub seconds: u32,
    /// Seconds in which unused money can be taken back; at most 2^32 − 1.
    pub refund_seconds: u32,
}

/// Pushes the records of a source and ends the collection. `source` is asked for the records from a number on: those
/// before it were stored by a publishing that was cut short, or are those of the version that is appended to.
/// `progress` hears how many records are there.
///
/// # Errors
/// What the source says; as [`Publisher::push`] and [`Publisher::finish`].
pub async fn publish<I, E>(
    mut publisher: Publisher,
    source: impl FnOnce(u64) -> Result<I, E>,
    mut progress: impl FnMut(u64),
) -> Result<Published, E>
where
    I: Iterator<Item = Result<Record, E>>,
    E: From<SdkError>,
{
    let skip = publisher.len() - publisher.appends_to();
    progress(publisher.len());
    for record in source(skip)? {
        publisher.push(record?.view()).await.map_err(SdkError::from)?;
        progress(publisher.len());
    }
    Ok(publisher.finish().await.map_err(SdkError::from)?)
}

/// Seals the collection key to a gateway (RFC 9180) and puts it on chain, where the gateway finds it.
///
/// # Errors
/// A gateway key of small order; as [`Chain::send`].
pub async fn seal_key(
    chain: &Chain,
    publisher: &Account,
    id: CollectionId,
    key: &CollectionKey,
    gateway: &SealingKey,
) -> Result<TransactionReceipt, SdkError> {
    let mut entropy = [0; 32];
    fill_random(&mut entropy)?;
    let place = CollectionPlace { chain_id: chain.deployment().chain_id, collection: id };
    let sealed = place.seal(key, gateway, entropy)?;
    let call = CollectionRegistry::sealKeyCall {
        id: id.0,
        gatewayKey: gateway.0.into(),
        sealedKey: sealed.0.to_vec().into(),
    };
    chain.send(publisher, chain.deployment().collection_registry, &call).await
}

/// Whether the key was sealed to this gateway before.
///
/// # Errors
/// As [`Chain::events`].
pub async fn is_sealed_to(chain: &Chain, id: CollectionId, gateway: &SealingKey) -> Result<bool, SdkError> {
    let registry = chain.deployment().collection_registry;
    let sealed = chain.events::<CollectionRegistry::CollectionKeySealed>(registry, id.0).await?;
    Ok(sealed.iter().any(|(event, _)| event.gatewayKey.0 == gateway.0))
}

/// Sets the offer of a right, in the place of the one before.
///
/// # Errors
/// Terms that offer nothing; as [`Chain::send`].
pub async fn set_offer(
    chain: &Chain,
    publisher: &Account,
    id: CollectionId,
    right: u8,
    terms: Terms,
) -> Result<TransactionReceipt, SdkError> {
    if terms.per_record.is_none() && terms.period.is_none() {
        return Err(SdkError::Terms("an offer needs a price per record, a price for a time, or both".into()));
    }
    let period = terms.period.unwrap_or(Period { price: 0, seconds: 0, refund_seconds: 0 });
    let offer = Offer {
        price: period.price,
        pricePerRecord: terms.per_record.unwrap_or_default(),
        payee: terms.payee.unwrap_or(publisher.address()),
        duration: U256::from(period.seconds).to(),
        refundWindow: U256::from(period.refund_seconds).to(),
        timed: terms.period.is_some(),
        metered: terms.per_record.is_some(),
        policy: terms.policy.unwrap_or_default(),
    };
    let call = AccessToken::setOfferCall { collection: id.0, right, offer };
    chain.send(publisher, chain.deployment().access_token, &call).await
}

/// Proves on chain that `newer` only appends to the version before it. Anyone may; it needs pages and no key.
///
/// # Errors
/// A version that does not name `older` as the one before it; as [`Collection::append_proof`] and [`Chain::send`].
pub async fn prove_append(
    chain: &Chain,
    account: &Account,
    id: CollectionId,
    newer: &Collection,
    older: &Collection,
) -> Result<TransactionReceipt, SdkError> {
    let registration = collections::registration(chain, id).await?;
    let proof = newer.append_proof(older)?;
    let call = CollectionRegistry::proveAppendCall {
        id: id.0,
        registrant: registration.registrant,
        terms: registration.terms,
        proof: proof.iter().map(|digest| digest.0.into()).collect(),
    };
    chain.send(account, chain.deployment().collection_registry, &call).await
}
