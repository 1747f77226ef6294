//! Training requests: terms from what the registries quote, escrow, request and cancellation, and what the chain says.
//! It trains nothing and watches nothing.

mod authorized;
mod outcome;

pub use authorized::authorization;
pub use outcome::{DataPaid, Outcome, RequestFacts, Status, facts, outcome, requests_of_model};

use std::ops::Range;

use alloy::primitives::{Address, B256, U256};
use alloy::rpc::types::TransactionReceipt;
use alloy::sol_types::SolEvent;
use offsetdata_protocol::Digest;
use offsetdata_protocol::bindings::access::AccessToken;
use offsetdata_protocol::bindings::models::ModelRegistry;
use offsetdata_protocol::bindings::training::{
    DataInput, EscrowTerms, LandingTerms, RequestDetails, TrainingCoordinator,
};
use offsetdata_protocol::ids::{CollectionId, MethodId, ModelId, RequestId, details_hash, inputs_hash};

use crate::{Account, Chain, SdkError, collections, token};

/// Seconds that a request may be younger than its `openedAt`: block times run a little apart.
const OPENED_BEFORE: u64 = 5;

/// A collection that a training reads, whole or in part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlanInput {
    /// The collection.
    pub collection: CollectionId,
    /// Which of its records, without it all.
    pub records: Option<Range<u32>>,
}

impl From<CollectionId> for PlanInput {
    fn from(collection: CollectionId) -> Self {
        Self { collection, records: None }
    }
}

/// What a user wants trained; prices and keys come from the chain.
#[derive(Debug, Clone)]
pub struct TrainingPlan {
    /// The model.
    pub model: ModelId,
    /// The method of its base.
    pub method: MethodId,
    /// What it is trained on.
    pub inputs: Vec<PlanInput>,
    /// Canonical JSON (RFC 8785), stored as a block.
    pub hyperparameters: String,
    /// All randomness of the training.
    pub seed: B256,
    /// Assigns records to train, validation and test.
    pub split_seed: B256,
    /// Part for validation, in basis points.
    pub validation_bps: u16,
    /// Part for test, in basis points.
    pub test_bps: u16,
    /// No more units than this are paid.
    pub unit_limit: u64,
    /// Paid for each landing, in the token's smallest unit.
    pub relay_fee: u128,
    /// For at most so many landings.
    pub relay_fee_cap: u32,
    /// Seconds from now by which the first commitment lands.
    pub start_within: u64,
    /// Seconds from now by which the work ends.
    pub end_within: u64,
    /// The request that this one retrains.
    pub parent: Option<RequestId>,
    /// Lets equal terms be requested twice.
    pub salt: B256,
}

/// A request's terms, with its id and what it escrows.
#[derive(Debug, Clone)]
pub struct Terms {
    /// Money and time.
    pub escrow: EscrowTerms,
    /// What is trained and how.
    pub details: RequestDetails,
    /// From what.
    pub inputs: Vec<DataInput>,
    /// The id.
    pub request: RequestId,
    /// What leaves the user's account, in the token's smallest unit.
    pub total: U256,
}

/// Makes the terms of a plan from what the registries quote to `user` now.
///
/// # Errors
/// A refusal with its reason, a plan that makes no sense, an endpoint that does not answer.
pub async fn prepare(chain: &Chain, user: Address, plan: &TrainingPlan) -> Result<Terms, SdkError> {
    let deployment = chain.deployment();
    let quote_call = ModelRegistry::quoteCall { model: plan.model.0, method: plan.method.0, account: user };
    let quote = chain.call(deployment.model_registry, &quote_call).await?;
    let mut inputs = Vec::with_capacity(plan.inputs.len());
    let mut data_escrow = 0u128;
    for input in &plan.inputs {
        let id = input.collection;
        let records = collections::facts(chain, id).await?.on_chain.record_count.get();
        let (selection, first, count) = match &input.records {
            None => (0, 0, records),
            Some(range) if range.is_empty() || range.end > records => {
                let (first, end) = (range.start, range.end);
                return Err(SdkError::Terms(format!(
                    "collection {id} has the records 0..{records}, not {first}..{end}"
                )));
            }
            Some(range) => (1, range.start, range.end - range.start),
        };
        let terms_call = AccessToken::trainingTermsCall { collection: id.0, user };
        let asked = chain.call(deployment.access_token, &terms_call).await?;
        data_escrow = asked
            .pricePerRecord
            .checked_mul(count.into())
            .and_then(|price| data_escrow.checked_add(price))
            .ok_or_else(|| SdkError::Terms("the price of the data is over 2^128".into()))?;
        inputs.push(DataInput {
            collection: id.0,
            selection,
            selectionRoot: B256::ZERO,
            first,
            count,
            recordCap: count,
            pricePerRecord: asked.pricePerRecord,
            payee: asked.payee,
        });
    }
    let opened_at = chain.now().await?.saturating_sub(OPENED_BEFORE);
    let escrow = EscrowTerms {
        user,
        developer: quote.developer,
        scheduler: quote.scheduler,
        unitPrice: quote.unitPrice,
        holdbackBps: quote.holdbackBps,
        dataEscrow: data_escrow,
        receiptWindow: 3600,
        landing: LandingTerms {
            unitLimit: small(plan.unit_limit, "unit limit")?,
            maxUnitsPerSecond: quote.maxUnitsPerSecond,
            relayFee: plan.relay_fee,
            relayFeeCap: plan.relay_fee_cap,
            openedAt: small(opened_at, "opening")?,
            startDeadline: small(opened_at.saturating_add(plan.start_within), "start deadline")?,
            deadline: small(opened_at.saturating_add(plan.end_within), "deadline")?,
            gracePeriod: 300,
        },
    };
    let details = RequestDetails {
        model: plan.model.0,
        method: plan.method.0,
        inputsHash: inputs_hash(&inputs),
        hyperparametersDigest: Digest::of(plan.hyperparameters.as_bytes()).0.into(),
        trainerDigest: quote.trainerDigest,
        seed: plan.seed,
        splitSeed: plan.split_seed,
        validationBps: plan.validation_bps,
        testBps: plan.test_bps,
        parent: plan.parent.map_or(B256::ZERO, |id| id.0),
        salt: plan.salt,
    };
    let coordinator = deployment.training_coordinator;
    let request = RequestId::of_terms(deployment.chain_id, coordinator, &escrow, details_hash(&details));
    let total =
        chain.call(coordinator, &TrainingCoordinator::escrowOfCall { escrow: escrow.clone() }).await?;
    Ok(Terms { escrow, details, inputs, request, total })
}

/// Requests the training: approves the escrow where needed, and sends the request. Where a relayer pays, one signature
/// (ERC-3009, its nonce the request's id) is both.
///
/// # Errors
/// As [`Chain::send`].
pub async fn request(chain: &Chain, user: &Account, terms: &Terms) -> Result<TransactionReceipt, SdkError> {
    let coordinator = chain.deployment().training_coordinator;
    let (escrow, details, inputs) = (terms.escrow.clone(), terms.details.clone(), terms.inputs.clone());
    let receipt = if chain.is_sponsored() {
        let paid = token::authorize(chain, user, coordinator, terms.total, terms.request.0).await?;
        let call = TrainingCoordinator::requestWithAuthorizationCall {
            escrow,
            details,
            inputs,
            validAfter: paid.valid_after,
            validBefore: paid.valid_before,
            signature: paid.signature,
        };
        chain.land(user, coordinator, &call).await?
    } else {
        token::ensure_allowance(chain, user, coordinator, terms.total).await?;
        let call = TrainingCoordinator::requestCall { escrow, details, inputs };
        chain.send(user, coordinator, &call).await?
    };
    opened(chain, terms, receipt)
}

/// Holds a receipt against the request that it has to open.
fn opened(chain: &Chain, terms: &Terms, receipt: TransactionReceipt) -> Result<TransactionReceipt, SdkError> {
    let coordinator = chain.deployment().training_coordinator;
    let opened = receipt.logs().iter().any(|log| {
        log.address() == coordinator
            && TrainingCoordinator::TrainingRequested::decode_log(&log.inner)
                .is_ok_and(|event| event.data.request == terms.request.0)
    });
    if !opened {
        let hash = receipt.transaction_hash;
        return Err(SdkError::Transaction {
            hash,
            reason: format!("it did not open request {}", terms.request),
        });
    }
    Ok(receipt)
}

/// Terms of a request, from its event.
///
/// # Errors
/// An unknown request, or an endpoint that does not answer.
pub async fn terms_of(
    chain: &Chain,
    request: RequestId,
) -> Result<TrainingCoordinator::TrainingRequested, SdkError> {
    let coordinator = chain.deployment().training_coordinator;
    let events = chain.events::<TrainingCoordinator::TrainingRequested>(coordinator, request.0).await?;
    let found = events.into_iter().next().map(|(event, _)| event);
    found.ok_or(SdkError::Unknown { what: "request", id: request.0 })
}

/// Asks to stop a training. The user only.
///
/// # Errors
/// As [`Chain::send`].
pub async fn cancel(
    chain: &Chain,
    user: &Account,
    request: RequestId,
) -> Result<TransactionReceipt, SdkError> {
    let event = terms_of(chain, request).await?;
    let call = TrainingCoordinator::requestCancelCall {
        escrow: event.escrow,
        detailsHash: details_hash(&event.details),
    };
    chain.send(user, chain.deployment().training_coordinator, &call).await
}

/// Ends a request whose time has passed, so that the rest of the money goes back to its user. Anyone may.
///
/// # Errors
/// As [`Chain::send`]; a time that has not passed is refused.
pub async fn expire(
    chain: &Chain,
    account: &Account,
    request: RequestId,
) -> Result<TransactionReceipt, SdkError> {
    let event = terms_of(chain, request).await?;
    let call =
        TrainingCoordinator::expireCall { escrow: event.escrow, detailsHash: details_hash(&event.details) };
    chain.send(account, chain.deployment().training_coordinator, &call).await
}

/// Credits the user with the data escrow that no receipt claimed within its window. Anyone may.
///
/// # Errors
/// As [`Chain::send`]; a window that is open is refused.
pub async fn release_data_escrow(
    chain: &Chain,
    account: &Account,
    request: RequestId,
) -> Result<TransactionReceipt, SdkError> {
    let event = terms_of(chain, request).await?;
    let call = TrainingCoordinator::releaseDataEscrowCall {
        escrow: event.escrow,
        detailsHash: details_hash(&event.details),
    };
    chain.send(account, chain.deployment().training_coordinator, &call).await
}

/// Takes out what the coordinator owes the account.
///
/// # Errors
/// As [`Chain::send`].
pub async fn withdraw(chain: &Chain, account: &Account) -> Result<TransactionReceipt, SdkError> {
    let call = TrainingCoordinator::withdrawCall { to: account.address() };
    chain.send(account, chain.deployment().training_coordinator, &call).await
}

/// What the coordinator owes an account, in the token's smallest unit.
///
/// # Errors
/// As [`Chain::call`].
pub async fn credit_of(chain: &Chain, account: Address) -> Result<U256, SdkError> {
    chain.call(chain.deployment().training_coordinator, &TrainingCoordinator::creditOfCall { account }).await
}

fn small<const BITS: usize>(value: u64, what: &str) -> Result<alloy::primitives::Uint<BITS, 1>, SdkError> {
    alloy::primitives::Uint::try_from(value)
        .map_err(|_| SdkError::Terms(format!("{what} {value} is too large")))
}
