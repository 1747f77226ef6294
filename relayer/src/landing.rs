//! Calls of the coordinator, and what it means when one of them would revert. Pure: the request's state on the chain
//! is an argument.

use alloy::primitives::{B256, Bytes};
use alloy::sol_types::{SolCall, SolError, SolValue};
use offsetdata_protocol::bindings::training::TrainingCoordinator::{self as Coordinator, RequestState};
use offsetdata_protocol::ids::{RequestId, details_hash, terms_hash};

use crate::RelayerError;
use crate::scheduler::Scheduler;
use crate::transactions::Kind;

/// `RequestStatus` as the contract numbers it.
pub mod status {
    /// Never requested, or a reorg took it away.
    pub const NONE: u8 = 0;
    /// Escrowed.
    pub const OPEN: u8 = 1;
    /// The user asked to stop.
    pub const CANCELLING: u8 = 2;
    /// Final: with a version.
    pub const SETTLED: u8 = 3;
    /// Final: by the user.
    pub const CANCELLED: u8 = 4;
    /// Final: by the scheduler.
    pub const FAILED: u8 = 5;
    /// Final: by time.
    pub const EXPIRED: u8 = 6;
}

/// The terms of a request, decoded.
#[derive(Debug, Clone)]
pub struct Terms {
    /// Money and time.
    pub escrow: Coordinator::EscrowTerms,
    /// What is trained.
    pub details: Coordinator::RequestDetails,
}

impl Terms {
    /// Decodes what the indexer keeps of a request.
    ///
    /// # Errors
    /// Bytes that are not the ABI encoding of terms.
    pub fn decode(escrow: &[u8], details: &[u8]) -> Result<Self, RelayerError> {
        let corrupt = |what: &'static str| {
            move |error: alloy::sol_types::Error| RelayerError::Corrupt { what, reason: error.to_string() }
        };
        Ok(Self {
            escrow: Coordinator::EscrowTerms::abi_decode(escrow).map_err(corrupt("escrow terms"))?,
            details: Coordinator::RequestDetails::abi_decode(details).map_err(corrupt("request details"))?,
        })
    }

    /// The last second in which signed work can land, cancellation aside.
    pub fn last_moment(&self) -> u64 {
        self.escrow.landing.deadline.to::<u64>().saturating_add(u64::from(self.escrow.landing.gracePeriod))
    }

    /// A commitment's call; with an assignment where it is the first of its attempt.
    pub fn commit_call(
        &self,
        assignment: Option<(Coordinator::Assignment, Bytes)>,
        commitment: Coordinator::Commitment,
        signature: Bytes,
    ) -> (Kind, Bytes) {
        let (escrow, hash) = (self.escrow.clone(), details_hash(&self.details));
        match assignment {
            Some((assignment, assignment_signature)) => {
                let call = Coordinator::commitAssignedCall {
                    escrow,
                    detailsHash: hash,
                    assignment,
                    assignmentSignature: assignment_signature,
                    commitment,
                    signature,
                };
                (Kind::CommitAssigned, call.abi_encode().into())
            }
            None => {
                let call = Coordinator::commitCall {
                    termsHash: terms_hash(&escrow, hash),
                    landing: escrow.landing,
                    commitment,
                    signature,
                };
                (Kind::Commit, call.abi_encode().into())
            }
        }
    }

    /// A settlement's call.
    pub fn settle_call(&self, settlement: Coordinator::Settlement, signature: Bytes) -> Bytes {
        let (escrow, details) = (self.escrow.clone(), self.details.clone());
        Coordinator::settleCall { escrow, details, settlement, signature }.abi_encode().into()
    }

    /// The call by which anyone ends a request whose time has passed.
    pub fn expire_call(&self) -> Bytes {
        let (escrow, hash) = (self.escrow.clone(), details_hash(&self.details));
        Coordinator::expireCall { escrow, detailsHash: hash }.abi_encode().into()
    }

    /// A closure's call.
    pub fn close_call(&self, closure: Coordinator::Closure, signature: Bytes) -> Bytes {
        let (escrow, hash) = (self.escrow.clone(), details_hash(&self.details));
        Coordinator::closeCall { escrow, detailsHash: hash, closure, signature }.abi_encode().into()
    }
}

/// What a revert means for a transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Its effect stands on the chain by another transaction.
    Superseded(String),
    /// It can't land any more.
    Never(String),
    /// It may land later.
    Wait(String),
    /// The same with a fresh word of the scheduler can land.
    Renew(Bytes),
}

/// What is known when a call would revert.
#[derive(Debug, Clone, Copy)]
pub struct Revert<'a> {
    /// What the call does.
    pub kind: Kind,
    /// The request.
    pub request: Option<RequestId>,
    /// The call.
    pub calldata: &'a [u8],
    /// The error's bytes.
    pub data: &'a [u8],
    /// The request on the chain, for the kinds that are about one.
    pub state: Option<&'a RequestState>,
    /// Whether a transaction of the same request before this one may still land.
    pub has_predecessor: bool,
    /// Until when a renewed assignment is valid, Unix seconds.
    pub valid_until: u64,
}

/// Judges a revert.
///
/// # Errors
/// A call of ours that can't be decoded; a key that can't sign.
pub fn judge(revert: &Revert<'_>, scheduler: &Scheduler) -> Result<Verdict, RelayerError> {
    let words = describe(revert.data);
    let Some(state) = revert.state else { return Ok(Verdict::Never(words)) };
    let step = Step::decode(revert.kind, revert.calldata)?;
    if let Some(verdict) = judge_status(&step, state, &words) {
        return Ok(verdict);
    }
    if is::<Coordinator::TrainingCoordinator_UnitsTooFast>(revert.data) {
        return Ok(Verdict::Wait(words));
    }
    if revert.has_predecessor {
        // What comes before changes the state that this call meets.
        return Ok(Verdict::Wait(words));
    }
    match (&step, revert.request) {
        (Step::Assigned(call), Some(request))
            if is::<Coordinator::TrainingCoordinator_AssignmentExpired>(revert.data) =>
        {
            renew_assignment(call, request, revert.valid_until, scheduler)
        }
        (Step::Close(call), Some(request)) if call.closure.sequence != state.sequence => {
            renew_closure(call, request, state.sequence, scheduler)
        }
        _ if revert.data.is_empty() => Ok(Verdict::Wait("the node did not say why it reverts".to_owned())),
        _ => Ok(Verdict::Never(words)),
    }
}

/// Whether the effect of a call stands on the chain, by whosever transaction.
///
/// # Errors
/// A call of ours that can't be decoded.
pub fn has_landed(kind: Kind, calldata: &[u8], state: &RequestState) -> Result<bool, RelayerError> {
    Ok(Step::decode(kind, calldata)?.landed(state).is_some())
}

fn judge_status(step: &Step, state: &RequestState, words: &str) -> Option<Verdict> {
    if let Some(what) = step.landed(state) {
        return Some(Verdict::Superseded(format!("another transaction landed this {what}")));
    }
    match state.status {
        status::NONE => Some(Verdict::Wait("the request is not on the chain now".to_owned())),
        status::OPEN | status::CANCELLING => None,
        _ => Some(Verdict::Never(words.to_owned())),
    }
}

fn renew_assignment(
    call: &Coordinator::commitAssignedCall,
    request: RequestId,
    valid_until: u64,
    scheduler: &Scheduler,
) -> Result<Verdict, RelayerError> {
    let old = &call.assignment;
    let (assignment, signature) =
        scheduler.assign(request, old.attempt, old.worker, old.resumePoint, valid_until)?;
    let renewed =
        Coordinator::commitAssignedCall { assignment, assignmentSignature: signature, ..call.clone() };
    Ok(Verdict::Renew(renewed.abi_encode().into()))
}

fn renew_closure(
    call: &Coordinator::closeCall,
    request: RequestId,
    sequence: u32,
    scheduler: &Scheduler,
) -> Result<Verdict, RelayerError> {
    let (closure, signature) = scheduler.close(request, sequence, call.closure.reasonDigest)?;
    let renewed = Coordinator::closeCall { closure, signature, ..call.clone() };
    Ok(Verdict::Renew(renewed.abi_encode().into()))
}

enum Step {
    Assigned(Box<Coordinator::commitAssignedCall>),
    Next(Box<Coordinator::commitCall>),
    Settle(Box<Coordinator::settleCall>),
    Close(Box<Coordinator::closeCall>),
    Other,
}

impl Step {
    fn decode(kind: Kind, calldata: &[u8]) -> Result<Self, RelayerError> {
        let corrupt = |error: alloy::sol_types::Error| RelayerError::Corrupt {
            what: "relay_transactions.calldata",
            reason: error.to_string(),
        };
        Ok(match kind {
            Kind::CommitAssigned => Self::Assigned(Box::new(
                Coordinator::commitAssignedCall::abi_decode(calldata).map_err(corrupt)?,
            )),
            Kind::Commit => {
                Self::Next(Box::new(Coordinator::commitCall::abi_decode(calldata).map_err(corrupt)?))
            }
            Kind::Settle => {
                Self::Settle(Box::new(Coordinator::settleCall::abi_decode(calldata).map_err(corrupt)?))
            }
            Kind::Close => {
                Self::Close(Box::new(Coordinator::closeCall::abi_decode(calldata).map_err(corrupt)?))
            }
            Kind::CommitBatch | Kind::Call => Self::Other,
        })
    }

    /// What stands on the chain, where it does.
    fn landed(&self, state: &RequestState) -> Option<&'static str> {
        match self {
            // An earlier attempt's at this sequence is not this one: nothing of this attempt landed.
            Self::Assigned(_) | Self::Next(_)
                if state.sequence >= self.sequence() && state.attempt >= self.attempt() =>
            {
                Some("commitment")
            }
            Self::Settle(_) if state.status == status::SETTLED => Some("settlement"),
            Self::Close(_) if matches!(state.status, status::FAILED | status::CANCELLED) => Some("closure"),
            _ => None,
        }
    }

    fn attempt(&self) -> u8 {
        match self {
            Self::Assigned(call) => call.commitment.attempt,
            Self::Next(call) => call.commitment.attempt,
            _ => 0,
        }
    }

    fn sequence(&self) -> u32 {
        match self {
            Self::Assigned(call) => call.commitment.sequence,
            Self::Next(call) => call.commitment.sequence,
            Self::Settle(call) => call.settlement.sequence,
            Self::Close(call) => call.closure.sequence,
            Self::Other => 0,
        }
    }
}

fn is<E: SolError>(data: &[u8]) -> bool {
    data.starts_with(&E::SELECTOR)
}

/// An error of the coordinator in words.
pub fn describe(data: &[u8]) -> String {
    use alloy::sol_types::SolInterface;
    match Coordinator::TrainingCoordinatorErrors::abi_decode(data) {
        Ok(error) => format!("{error:?}"),
        Err(_) if data.is_empty() => "reverts without a reason".to_owned(),
        Err(_) => format!("reverts with {}", Bytes::copy_from_slice(&data[..data.len().min(68)])),
    }
}

/// SHA-256 of a reason's text, as a closure carries it.
pub fn reason_digest(reason: &str) -> B256 {
    offsetdata_protocol::Digest::of(reason.as_bytes()).into()
}

#[cfg(test)]
mod tests;
