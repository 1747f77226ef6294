//! All signed statements of a request in one JSON document: gathered from the chain's events and calldata and from blocks,
//! or brought by somebody. It judges nothing: what it says is held against the chain by [`super::model`].

use std::collections::BTreeMap;

use alloy::consensus::Transaction as _;
use alloy::primitives::{B256, Bytes};
use alloy::providers::Provider;
use alloy::rpc::types::Log;
use alloy::sol_types::{SolCall, SolValue};
use offsetdata_content::{Blocks, ContentError};
use offsetdata_protocol::bindings::training::TrainingCoordinator::{
    AttemptAssigned, CommitmentLanded, DataPaid, TrainingRequested, VersionAppended, claimDataCall,
    commitAssignedCall, commitBatchCall, commitCall, settleCall,
};
use offsetdata_protocol::ids::{RequestId, details_hash};
use offsetdata_protocol::worker_api::MAX_POINTS_BYTES;
use serde::{Deserialize, Serialize};

use crate::chain::rpc;
use crate::{Chain, SdkError};

/// Longest text of hyperparameters, in bytes.
const MAX_PARAMETERS: usize = 64 << 10;

/// What was signed about a request. Structs of the contract are their ABI encoding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Evidence {
    /// EIP-155 chain id.
    pub chain_id: u64,
    /// The TrainingCoordinator.
    pub coordinator: alloy::primitives::Address,
    /// The request.
    pub request: B256,
    /// abi.encode(EscrowTerms).
    pub escrow: Bytes,
    /// abi.encode(RequestDetails).
    pub details: Bytes,
    /// abi.encode(DataInput\[\]).
    pub inputs: Bytes,
    /// The JSON whose SHA-256 the details have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hyperparameters: Option<String>,
    /// The scheduler's words, in order of attempt.
    pub assignments: Vec<SignedAssignment>,
    /// The commitments, in order of sequence.
    pub commitments: Vec<SignedCommitment>,
    /// Receipts that were paid, in the order in which they landed.
    pub receipts: Vec<SignedReceipt>,
    /// The result.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settlement: Option<SignedSettlement>,
}

/// The scheduler's word on an attempt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SignedAssignment {
    /// abi.encode(Assignment).
    pub assignment: Bytes,
    /// The scheduler's.
    pub signature: Bytes,
}

/// A worker's commitment with the points that it stands for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SignedCommitment {
    /// abi.encode(Commitment).
    pub commitment: Bytes,
    /// The worker's.
    pub signature: Bytes,
    /// The block of points, absent where nobody has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub points: Option<Bytes>,
}

/// A worker's receipt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SignedReceipt {
    /// abi.encode(DataReceipt).
    pub receipt: Bytes,
    /// The worker's.
    pub signature: Bytes,
    /// The scheduler's word on the worker's attempt, which need not have landed.
    pub assignment: SignedAssignment,
}

/// The result.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SignedSettlement {
    /// abi.encode(Settlement).
    pub settlement: Bytes,
    /// The worker's.
    pub signature: Bytes,
}

/// Why something could not be gathered, by its place (`points 3`, `commitment 3`, `hyperparameters` …).
pub(super) type Gaps = BTreeMap<String, ContentError>;

impl Evidence {
    /// Gathers what the chain's events, the calldata of their transactions and the blocks have.
    ///
    /// # Errors
    /// An unknown request; an endpoint that does not answer.
    pub async fn gather(chain: &Chain, blocks: &Blocks, request: RequestId) -> Result<Self, SdkError> {
        Ok(Self::gather_with_gaps(chain, blocks, request).await?.0)
    }

    pub(super) async fn gather_with_gaps(
        chain: &Chain,
        blocks: &Blocks,
        request: RequestId,
    ) -> Result<(Self, Gaps), SdkError> {
        let deployment = chain.deployment();
        let coordinator = deployment.training_coordinator;
        let requested = chain.events::<TrainingRequested>(coordinator, request.0).await?;
        let (terms, _) =
            requested.into_iter().next().ok_or(SdkError::Unknown { what: "request", id: request.0 })?;
        let mut gaps = Gaps::new();
        let hyperparameters =
            match blocks.get_raw(terms.details.hyperparametersDigest.into(), MAX_PARAMETERS).await {
                Ok(bytes) => String::from_utf8(bytes).ok(),
                Err(error) => {
                    gaps.insert("parameters".into(), error);
                    None
                }
            };
        let mut calls = Calls::default();
        let details_hash = details_hash(&terms.details);
        let mut assignments = Vec::new();
        for (event, log) in chain.events::<AttemptAssigned>(coordinator, request.0).await? {
            let input = calls.input(chain, &log).await?;
            let found = within::<commitAssignedCall>(&input).find(|call| {
                call.detailsHash == details_hash
                    && (call.assignment.attempt, call.assignment.worker) == (event.attempt, event.worker)
            });
            if let Some(call) = found {
                assignments.push(SignedAssignment {
                    assignment: call.assignment.abi_encode().into(),
                    signature: call.assignmentSignature,
                });
            }
        }
        let mut commitments = Vec::new();
        for (event, log) in chain.events::<CommitmentLanded>(coordinator, request.0).await? {
            let input = calls.input(chain, &log).await?;
            let Some((commitment, signature)) = commitment_in(&input, &event) else { continue };
            let points = match blocks.get_raw(event.pointsDigest.into(), MAX_POINTS_BYTES).await {
                Ok(bytes) => Some(bytes.into()),
                Err(error) => {
                    gaps.insert(format!("points {}", event.sequence), error);
                    None
                }
            };
            commitments.push(SignedCommitment {
                commitment: commitment.abi_encode().into(),
                signature,
                points,
            });
        }
        let mut receipts = Vec::new();
        for (event, log) in chain.events::<DataPaid>(coordinator, request.0).await? {
            let input = calls.input(chain, &log).await?;
            let found = within::<claimDataCall>(&input).find(|call| {
                let receipt = &call.receipt;
                (receipt.input, receipt.records, receipt.recordsRoot)
                    == (event.input, event.records, event.recordsRoot)
                    && details_hash == offsetdata_protocol::ids::details_hash(&call.details)
            });
            if let Some(call) = found {
                receipts.push(SignedReceipt {
                    receipt: call.receipt.abi_encode().into(),
                    signature: call.signature,
                    assignment: SignedAssignment {
                        assignment: call.assignment.abi_encode().into(),
                        signature: call.assignmentSignature,
                    },
                });
            }
        }
        let mut settlement = None;
        for (event, log) in appended(chain, request).await? {
            let input = calls.input(chain, &log).await?;
            settlement =
                within::<settleCall>(&input).find(|call| call.settlement == event.settlement).map(|call| {
                    SignedSettlement {
                        settlement: call.settlement.abi_encode().into(),
                        signature: call.signature,
                    }
                });
        }
        let evidence = Self {
            chain_id: deployment.chain_id,
            coordinator,
            request: request.0,
            escrow: terms.escrow.abi_encode().into(),
            details: terms.details.abi_encode().into(),
            inputs: terms.inputs.abi_encode().into(),
            hyperparameters,
            assignments,
            commitments,
            receipts,
            settlement,
        };
        Ok((evidence, gaps))
    }
}

/// The version that a request appended, if it did.
pub(super) async fn appended(
    chain: &Chain,
    request: RequestId,
) -> Result<Vec<(VersionAppended, Log)>, SdkError> {
    chain.events_by::<VersionAppended>(chain.deployment().training_coordinator, 2, request.0).await
}

fn commitment_in(
    input: &Bytes,
    event: &CommitmentLanded,
) -> Option<(offsetdata_protocol::bindings::training::Commitment, Bytes)> {
    let single = within::<commitCall>(input).map(|call| (call.commitment, call.signature));
    let first = within::<commitAssignedCall>(input).map(|call| (call.commitment, call.signature));
    let batch = within::<commitBatchCall>(input)
        .flat_map(|call| call.items.into_iter().map(|item| (item.commitment, item.signature)));
    single.chain(first).chain(batch).find(|(commitment, _)| {
        (commitment.sequence, commitment.pointsDigest, commitment.pointCount, commitment.units)
            == (event.sequence, event.pointsDigest, event.pointCount, event.units)
            && commitment.lastValues == event.lastValues
    })
}

/// Calls of a kind in a transaction's input: the call itself, or within that of a forwarder or batch. What is found is
/// held against events and signatures, so a false find does no harm.
fn within<C: SolCall>(input: &Bytes) -> impl Iterator<Item = C> {
    let starts = input.windows(4).enumerate().filter(|(_, word)| *word == C::SELECTOR).map(|(at, _)| at);
    starts.filter_map(|at| C::abi_decode_raw(input.get(at + 4..)?).ok())
}

/// Inputs of transactions, the last one kept: a batch has many events.
#[derive(Default)]
struct Calls {
    last: Option<(B256, Bytes)>,
}

impl Calls {
    async fn input(&mut self, chain: &Chain, log: &Log) -> Result<Bytes, SdkError> {
        let hash =
            log.transaction_hash.ok_or_else(|| SdkError::Rpc("an event without transaction".into()))?;
        if let Some((kept, input)) = &self.last
            && *kept == hash
        {
            return Ok(input.clone());
        }
        let transaction = chain.provider().get_transaction_by_hash(hash).await.map_err(rpc)?;
        let input = transaction.map(|transaction| transaction.input().clone()).unwrap_or_default();
        self.last = Some((hash, input.clone()));
        Ok(input)
    }
}
