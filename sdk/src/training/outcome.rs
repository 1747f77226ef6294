//! What became of a request, from the chain alone: where it stands, what it made, and where its escrow went, to the wei.

use alloy::primitives::{Address, B256, U256};
use offsetdata_protocol::bindings::training::{RequestState, TrainingCoordinator};
use offsetdata_protocol::ids::{ModelId, RequestId};

use super::terms_of;
use crate::history::events;
use crate::models::{VersionFacts, version_of};
use crate::{Chain, SdkError};

/// Where a request stands, as the coordinator counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// Escrowed; commitments land.
    Open,
    /// The user asked to stop; signed work lands until the grace ends.
    Cancelling,
    /// A version was appended. Final.
    Settled,
    /// Stopped by the user. Final.
    Cancelled,
    /// The scheduler signed that it can't succeed. Final.
    Failed,
    /// Deadline and grace have passed. Final.
    Expired,
}

impl Status {
    fn of(code: u8) -> Option<Self> {
        let all = [Self::Open, Self::Cancelling, Self::Settled, Self::Cancelled, Self::Failed, Self::Expired];
        all.get(usize::from(code).checked_sub(1)?).copied()
    }

    /// Whether nothing follows.
    pub fn is_final(self) -> bool {
        !matches!(self, Self::Open | Self::Cancelling)
    }

    /// As the indexer writes it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Open => "OPEN",
            Self::Cancelling => "CANCELLING",
            Self::Settled => "SETTLED",
            Self::Cancelled => "CANCELLED",
            Self::Failed => "FAILED",
            Self::Expired => "EXPIRED",
        }
    }
}

/// A request's terms and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestFacts {
    /// The request.
    pub id: RequestId,
    /// Its terms.
    pub terms: TrainingCoordinator::TrainingRequested,
    /// Where it stands.
    pub status: Status,
    /// Worker, attempt, sequence and units.
    pub state: RequestState,
}

impl RequestFacts {
    /// The request that this one retrains.
    pub fn parent(&self) -> Option<RequestId> {
        Some(RequestId(self.terms.details.parent)).filter(|parent| !parent.0.is_zero())
    }

    /// What was escrowed, in the token's smallest unit.
    pub fn escrowed(&self) -> U256 {
        let escrow = &self.terms.escrow;
        let units = U256::from(escrow.landing.unitLimit) * U256::from(escrow.unitPrice);
        let relay = U256::from(escrow.landing.relayFee) * U256::from(escrow.landing.relayFeeCap);
        units + relay + U256::from(escrow.dataEscrow)
    }
}

/// What a receipt paid a publisher.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DataPaid {
    /// Place of the input in the request.
    pub input: u32,
    /// Who was paid.
    pub payee: Address,
    /// Whose word it is.
    pub worker: Address,
    /// Records so far.
    pub records: u32,
    /// Root over their indices.
    pub records_root: B256,
    /// Paid by this receipt, in the token's smallest unit.
    pub amount: u128,
}

/// How a request ended, and where its escrow went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// The request.
    pub facts: RequestFacts,
    /// Whether its end is in a block. A node may tell the state of a transaction that is not in one yet.
    pub closed: bool,
    /// The version that it made.
    pub version: Option<VersionFacts>,
    /// Paid to the developer over all; of a running request what it has collected.
    pub developer_paid: U256,
    /// Paid to relayers over all; of a running request nothing yet is told.
    pub relay_paid: U256,
    /// Returned to the user at its end.
    pub refunded: U256,
    /// What publishers were paid, receipt by receipt.
    pub data: Vec<DataPaid>,
    /// Data escrow that went back to the user after the receipt window.
    pub data_returned: U256,
    /// Data escrow that stands: claimed by receipts, or returned after this time (Unix seconds).
    pub data_open: U256,
    /// Until when receipts are claimed, once it has ended with data escrow standing.
    pub data_open_until: Option<u64>,
    /// SHA-256 of the reason's text, where it failed.
    pub reason_digest: Option<B256>,
}

impl Outcome {
    /// What publishers were paid together.
    pub fn data_paid(&self) -> U256 {
        self.data.iter().fold(U256::ZERO, |sum, paid| sum + U256::from(paid.amount))
    }

    /// Whether every wei of the escrow is accounted for. Of a request that ended.
    pub fn adds_up(&self) -> bool {
        let gone = self.developer_paid + self.relay_paid + self.refunded;
        gone + self.data_paid() + self.data_returned + self.data_open == self.facts.escrowed()
    }
}

/// A request's terms and where it stands.
///
/// # Errors
/// An unknown request, or an endpoint that does not answer.
pub async fn facts(chain: &Chain, id: RequestId) -> Result<RequestFacts, SdkError> {
    let terms = terms_of(chain, id).await?;
    let at = chain.deployment().training_coordinator;
    let state = chain.call(at, &TrainingCoordinator::stateOfCall { id: id.0 }).await?;
    let status = Status::of(state.status).ok_or(SdkError::Unknown { what: "request", id: id.0 })?;
    Ok(RequestFacts { id, terms, status, state })
}

/// Requests to train a model, the oldest first.
///
/// # Errors
/// An endpoint that does not answer.
pub async fn requests_of_model(chain: &Chain, model: ModelId) -> Result<Vec<RequestFacts>, SdkError> {
    let at = chain.deployment().training_coordinator;
    let indexed = [None, Some(model.0), None];
    let mut found = Vec::new();
    for (event, _) in events::<TrainingCoordinator::TrainingRequested>(chain, at, indexed).await? {
        let id = RequestId(event.request);
        let state = chain.call(at, &TrainingCoordinator::stateOfCall { id: id.0 }).await?;
        if let Some(status) = Status::of(state.status) {
            found.push(RequestFacts { id, terms: event, status, state });
        }
    }
    Ok(found)
}

/// What became of a request.
///
/// # Errors
/// An unknown request, or an endpoint that does not answer.
pub async fn outcome(chain: &Chain, id: RequestId) -> Result<Outcome, SdkError> {
    let facts = facts(chain, id).await?;
    let at = chain.deployment().training_coordinator;
    let of = [Some(id.0), None, None];
    let data: Vec<DataPaid> = events::<TrainingCoordinator::DataPaid>(chain, at, of)
        .await?
        .into_iter()
        .map(|(event, _)| DataPaid {
            input: event.input,
            payee: event.payee,
            worker: event.worker,
            records: event.records,
            records_root: event.recordsRoot,
            amount: event.amount,
        })
        .collect();
    let returned = events::<TrainingCoordinator::DataEscrowReleased>(chain, at, of).await?;
    let data_returned = returned.iter().fold(U256::ZERO, |sum, (event, _)| sum + event.amount);
    let closed = events::<TrainingCoordinator::RequestClosed>(chain, at, of).await?.pop();
    let ledger = chain.call(at, &TrainingCoordinator::ledgerOfCall { id: id.0 }).await?;
    let ends = ledger.closedAt.to::<u64>() + u64::from(facts.terms.escrow.receiptWindow);
    let is_closed = closed.is_some();
    let (developer_paid, relay_paid, refunded, reason) = match closed {
        Some((event, _)) => (event.developerPaid, event.relayPaid, event.refunded, event.reasonDigest),
        None => {
            let collected = events::<TrainingCoordinator::UnitsCollected>(chain, at, of).await?;
            let sum = collected.iter().fold(U256::ZERO, |sum, (event, _)| sum + event.amount);
            (sum, U256::ZERO, U256::ZERO, B256::ZERO)
        }
    };
    let version = match facts.status {
        Status::Settled => version_of(chain, id).await?,
        _ => None,
    };
    let mut outcome = Outcome {
        closed: is_closed,
        version,
        developer_paid,
        relay_paid,
        refunded,
        data,
        data_returned,
        data_open: U256::ZERO,
        data_open_until: (!ledger.closedAt.is_zero()).then_some(ends),
        reason_digest: Some(reason).filter(|digest| !digest.is_zero()),
        facts,
    };
    let spent = outcome.data_paid() + outcome.data_returned;
    outcome.data_open = U256::from(outcome.facts.terms.escrow.dataEscrow).saturating_sub(spent);
    Ok(outcome)
}
