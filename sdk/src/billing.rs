//! Money for what was read: deposits, spender keys, revenue, and what the contracts owe. It signs no voucher: see
//! [`crate::gateway`].

use alloy::primitives::{Address, U256};
use alloy::rpc::types::{Log, TransactionReceipt};
use offsetdata_protocol::bindings::access::AccessToken;
use offsetdata_protocol::bindings::billing::UsageBilling;
use offsetdata_protocol::bindings::training::TrainingCoordinator;
use offsetdata_protocol::ids::CollectionId;

use crate::{Account, Chain, SdkError, collections, token};

/// What one settled voucher paid.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settled {
    /// What the event says.
    pub event: UsageBilling::VoucherSettled,
    /// Where it stands.
    pub log: Log,
}

/// What the contracts owe an account, in the token's smallest unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Credits {
    /// At the training coordinator.
    pub coordinator: U256,
    /// At the billing contract.
    pub billing: U256,
    /// At the access token.
    pub access: U256,
}

impl Credits {
    /// All of it.
    pub fn total(&self) -> U256 {
        self.coordinator + self.billing + self.access
    }
}

/// What each contract owes an account.
///
/// # Errors
/// As [`Chain::call`].
pub async fn credits(chain: &Chain, account: Address) -> Result<Credits, SdkError> {
    let at = chain.deployment();
    Ok(Credits {
        coordinator: chain
            .call(at.training_coordinator, &TrainingCoordinator::creditOfCall { account })
            .await?,
        billing: chain.call(at.usage_billing, &UsageBilling::creditOfCall { account }).await?,
        access: chain.call(at.access_token, &AccessToken::creditOfCall { account }).await?,
    })
}

/// Takes out what the contracts owe the account. Answers what that was.
///
/// # Errors
/// As [`Chain::send`].
pub async fn withdraw(chain: &Chain, account: &Account) -> Result<Credits, SdkError> {
    let (at, to) = (chain.deployment(), account.address());
    let owed = credits(chain, to).await?;
    if !owed.coordinator.is_zero() {
        chain.send(account, at.training_coordinator, &TrainingCoordinator::withdrawCall { to }).await?;
    }
    if !owed.billing.is_zero() {
        chain.send(account, at.usage_billing, &UsageBilling::withdrawCall { to }).await?;
    }
    if !owed.access.is_zero() {
        chain.send(account, at.access_token, &AccessToken::withdrawCall { to }).await?;
    }
    Ok(owed)
}

/// Credits a payee with its revenue from a collection, or the contributors' pool where it has shares. Answers how much
/// was not collected before.
///
/// # Errors
/// As [`Chain::send`].
pub async fn collect(
    chain: &Chain,
    account: &Account,
    payee: Address,
    id: CollectionId,
) -> Result<U256, SdkError> {
    let at = chain.deployment().usage_billing;
    let revenue = chain.call(at, &UsageBilling::revenueOfCall { collection: id.0, payee }).await?;
    if revenue.is_zero() {
        return Ok(revenue);
    }
    let registered = collections::registration(chain, id).await?;
    // The bindings have a struct of the same form for each contract.
    let terms = registered.terms;
    let registered = UsageBilling::RegisteredTerms {
        registrant: registered.registrant,
        terms: UsageBilling::CollectionTerms {
            contentRoot: terms.contentRoot,
            recordCount: terms.recordCount,
            manifestDigest: terms.manifestDigest,
            previous: terms.previous,
            policyDigest: terms.policyDigest,
            sharesRoot: terms.sharesRoot,
            salt: terms.salt,
        },
    };
    let call = UsageBilling::collectRevenueCall { payee, collections: vec![registered] };
    chain.send(account, at, &call).await?;
    Ok(revenue)
}

/// Deposits money that vouchers to `payee` may take.
///
/// # Errors
/// As [`Chain::send`].
pub async fn deposit(
    chain: &Chain,
    account: &Account,
    payee: Address,
    amount: U256,
) -> Result<TransactionReceipt, SdkError> {
    let at = chain.deployment().usage_billing;
    token::ensure_allowance(chain, account, at, amount).await?;
    chain.send(account, at, &UsageBilling::depositCall { payee, amount }).await
}

/// Revokes a spender key of the account, also one whose authorization has not landed.
///
/// # Errors
/// As [`Chain::send`].
pub async fn revoke_spender(
    chain: &Chain,
    account: &Account,
    spender: Address,
) -> Result<TransactionReceipt, SdkError> {
    chain.send(account, chain.deployment().usage_billing, &UsageBilling::revokeSpenderCall { spender }).await
}

/// The vouchers of a payer that were settled, the oldest first.
///
/// # Errors
/// As [`Chain::events`].
pub async fn settled_by(chain: &Chain, payer: Address) -> Result<Vec<Settled>, SdkError> {
    let at = chain.deployment().usage_billing;
    let events = chain.events::<UsageBilling::VoucherSettled>(at, payer.into_word()).await?;
    Ok(events.into_iter().map(|(event, log)| Settled { event, log }).collect())
}
