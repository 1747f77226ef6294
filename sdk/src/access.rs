//! Rights to collections: who holds one, and what publishers and buyers do about them. Metered reading needs none of
//! these transactions: see [`crate::gateway`].

use alloy::primitives::aliases::U40;
use alloy::primitives::{Address, B256, U256};
use alloy::rpc::types::TransactionReceipt;
use offsetdata_protocol::bindings::access::AccessToken::BuyAuthorization;
use offsetdata_protocol::bindings::access::{Access, AccessToken, BuyLimits, Offer};
use offsetdata_protocol::ids::CollectionId;

use crate::{Account, Chain, SdkError, token};

/// What an account may do with a collection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// Whether the contract says that it has the right now.
    pub has_access: bool,
    /// What it holds.
    pub access: Access,
    /// The offer at the head, all zero where there is none.
    pub offer: Offer,
}

/// How an account stands with a right (0 READ, 1 TRAIN) to a collection.
///
/// # Errors
/// As [`Chain::call`].
pub async fn standing(
    chain: &Chain,
    id: CollectionId,
    account: Address,
    right: u8,
) -> Result<Standing, SdkError> {
    let (at, collection) = (chain.deployment().access_token, id.0);
    let has_access = chain.call(at, &AccessToken::hasAccessCall { collection, account, right }).await?;
    let access = chain.call(at, &AccessToken::accessOfCall { collection, right, holder: account }).await?;
    let offer = chain.call(at, &AccessToken::offerOfCall { collection, right }).await?;
    Ok(Standing { has_access, access, offer })
}

/// Buys a right for a time, at the terms of `standing` or better: by allowance, or where a relayer pays by one signature
/// (ERC-3009).
///
/// # Errors
/// As [`Chain::send`]; an offer that sells no time.
pub async fn buy(
    chain: &Chain,
    account: &Account,
    id: CollectionId,
    right: u8,
    max_price: u128,
) -> Result<TransactionReceipt, SdkError> {
    let at = chain.deployment().access_token;
    let offer = chain.call(at, &AccessToken::offerOfCall { collection: id.0, right }).await?;
    if !offer.timed {
        return Err(SdkError::Terms("the collection is not sold for a time".into()));
    }
    if offer.price > max_price {
        return Err(SdkError::Terms(format!("it costs {}, at most {max_price} is to be paid", offer.price)));
    }
    let forever = U40::MAX;
    let limits = BuyLimits {
        maxPrice: offer.price,
        minDuration: if offer.duration.is_zero() { forever } else { offer.duration },
        minRefundWindow: offer.refundWindow,
    };
    if !chain.is_sponsored() {
        token::ensure_allowance(chain, account, at, U256::from(offer.price)).await?;
        let call = AccessToken::buyCall { collection: id.0, right, limits };
        return chain.send(account, at, &call).await;
    }
    let mut salt = B256::ZERO;
    aws_lc_rs::rand::fill(&mut salt.0)
        .map_err(|_| SdkError::Account("the machine has no randomness".into()))?;
    let (buyer, collection) = (account.address(), id.0);
    let nonce_call = AccessToken::buyNonceOfCall { buyer, collection, right, limits: limits.clone(), salt };
    let nonce = chain.call(at, &nonce_call).await?;
    let paid = token::authorize(chain, account, at, U256::from(offer.price), nonce).await?;
    let purchase = BuyAuthorization {
        buyer,
        collection,
        right,
        limits,
        validAfter: paid.valid_after,
        validBefore: paid.valid_before,
        salt,
    };
    chain
        .land(account, at, &AccessToken::buyWithAuthorizationCall { purchase, signature: paid.signature })
        .await
}

/// Grants a right until `expiry` (Unix seconds), without it for ever. Publisher only.
///
/// # Errors
/// As [`Chain::send`].
pub async fn grant(
    chain: &Chain,
    publisher: &Account,
    id: CollectionId,
    right: u8,
    holders: Vec<Address>,
    expiry: Option<u64>,
) -> Result<TransactionReceipt, SdkError> {
    let expiry = expiry.map_or(U40::MAX, U40::saturating_from);
    let call = AccessToken::grantCall { collection: id.0, right, holders, expiry };
    chain.send(publisher, chain.deployment().access_token, &call).await
}

/// Revokes rights that were granted or bought; money for time that is left goes back. Publisher only.
///
/// # Errors
/// As [`Chain::send`].
pub async fn revoke(
    chain: &Chain,
    publisher: &Account,
    id: CollectionId,
    right: u8,
    holders: Vec<Address>,
) -> Result<TransactionReceipt, SdkError> {
    let call = AccessToken::revokeCall { collection: id.0, right, holders };
    chain.send(publisher, chain.deployment().access_token, &call).await
}

/// Denies accounts every right to a collection, metered ones too, or takes that back. Publisher only.
///
/// # Errors
/// As [`Chain::send`].
pub async fn set_denied(
    chain: &Chain,
    publisher: &Account,
    id: CollectionId,
    accounts: Vec<Address>,
    denied: bool,
) -> Result<TransactionReceipt, SdkError> {
    let call = AccessToken::setDeniedCall { collection: id.0, accounts, denied };
    chain.send(publisher, chain.deployment().access_token, &call).await
}

/// Trusts a worker with a trainer (zero digest: any) to train on a collection, or takes that back. Publisher only. From
/// the depth that a gateway waits for, it gives such a worker keys for requests that pay for them.
///
/// # Errors
/// As [`Chain::send`].
pub async fn set_trainer(
    chain: &Chain,
    publisher: &Account,
    id: CollectionId,
    worker: Address,
    trainer: B256,
    trusted: bool,
) -> Result<TransactionReceipt, SdkError> {
    let call = AccessToken::setTrainerCall { collection: id.0, worker, trainerDigest: trainer, trusted };
    chain.send(publisher, chain.deployment().access_token, &call).await
}
