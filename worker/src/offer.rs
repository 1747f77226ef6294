//! Holds a job against the chain's terms before anything is done for it. It asks nobody: what it needs is in the offer.

use alloy::primitives::{Address, B256, Signature};
use alloy::sol_types::{SolStruct, SolValue};
use offsetdata_protocol::Digest;
use offsetdata_protocol::bindings::training::{DataInput, EscrowTerms, RequestDetails};
use offsetdata_protocol::deployments::Deployment;
use offsetdata_protocol::gateway_api::TrainingUpload;
use offsetdata_protocol::ids::{RequestId, details_hash, inputs_hash};
use offsetdata_protocol::messages::{Assignment, training_domain};
use offsetdata_protocol::worker_api::{CheckpointRef, JobOffer, MAX_CHECKPOINT_BYTES};
use serde_json::Value;

use crate::WorkerError;
use crate::trainers::BuiltIn;

/// An offer whose parts fit: ids, digests and the scheduler's signature.
#[derive(Debug, Clone)]
pub(crate) struct Job {
    pub(crate) request: B256,
    pub(crate) attempt: u8,
    pub(crate) escrow: EscrowTerms,
    pub(crate) details: RequestDetails,
    pub(crate) inputs: Vec<DataInput>,
    pub(crate) hyperparameters: Value,
    pub(crate) trainer: BuiltIn,
    /// Last accepted sequence of the request.
    pub(crate) sequence: u32,
    /// Head after it.
    pub(crate) head: B256,
    /// What gateways are shown of it.
    pub(crate) upload: TrainingUpload,
    /// What this attempt goes on from.
    pub(crate) checkpoint: Option<CheckpointRef>,
}

/// Checks an offer that `worker` got.
pub(crate) fn check(offer: &JobOffer, deployment: &Deployment, worker: Address) -> Result<Job, WorkerError> {
    let refused = |what: &str, e: alloy::sol_types::Error| WorkerError::Offer(format!("{what}: {e}"));
    let escrow = EscrowTerms::abi_decode_validate(&offer.escrow).map_err(|e| refused("escrow", e))?;
    let details = RequestDetails::abi_decode_validate(&offer.details).map_err(|e| refused("details", e))?;
    let inputs = Vec::<DataInput>::abi_decode_validate(&offer.inputs).map_err(|e| refused("inputs", e))?;
    let (chain_id, coordinator) = (deployment.chain_id, deployment.training_coordinator);
    let request = RequestId::of_terms(chain_id, coordinator, &escrow, details_hash(&details));
    same("request id", offer.request, request.0)?;
    same("hash of the inputs", details.inputsHash, inputs_hash(&inputs))?;
    let digest = B256::from(Digest::of(offer.hyperparameters.as_bytes()).0);
    same("digest of the hyperparameters", details.hyperparametersDigest, digest)?;
    let assignment = Assignment {
        request: offer.request,
        attempt: offer.attempt,
        worker,
        resumePoint: offer.resume_point,
        validUntil: alloy::primitives::Uint::try_from(offer.valid_until)
            .map_err(|_| WorkerError::Offer(format!("validUntil {} is too large", offer.valid_until)))?,
    };
    let signed = assignment.eip712_signing_hash(&training_domain(chain_id, coordinator));
    let signer = Signature::from_raw(&offer.assignment_signature)
        .and_then(|signature| signature.recover_address_from_prehash(&signed))
        .map_err(|e| WorkerError::Offer(format!("signature of the assignment: {e}")))?;
    if signer != escrow.scheduler {
        return Err(WorkerError::Offer(format!(
            "the assignment is signed by {signer}, expected the scheduler {}",
            escrow.scheduler
        )));
    }
    // The points before the resume point are not measured again: without what stands behind them nothing fits.
    let resume = offer.checkpoint.map_or(0, |checkpoint| checkpoint.point_count);
    if resume != offer.resume_point {
        return Err(WorkerError::Offer(format!(
            "the attempt goes on at point {}, its checkpoint is at {resume}",
            offer.resume_point
        )));
    }
    if let Some(checkpoint) = offer.checkpoint.filter(|at| at.bytes > MAX_CHECKPOINT_BYTES as u64) {
        return Err(WorkerError::Offer(format!(
            "a checkpoint of {} bytes, at most {MAX_CHECKPOINT_BYTES} are read",
            checkpoint.bytes
        )));
    }
    let trainer = BuiltIn::of_digest(details.trainerDigest).ok_or_else(|| {
        WorkerError::Unsupported(format!("no trainer here has the digest {}", details.trainerDigest))
    })?;
    let hyperparameters: Value = serde_json::from_str(&offer.hyperparameters)
        .map_err(|e| WorkerError::Offer(format!("hyperparameters are not JSON: {e}")))?;
    trainer.check_hyperparameters(&hyperparameters)?;
    Ok(Job {
        request: offer.request,
        attempt: offer.attempt,
        escrow,
        details,
        inputs,
        hyperparameters,
        trainer,
        sequence: offer.sequence,
        head: offer.head,
        upload: TrainingUpload {
            escrow: offer.escrow.clone(),
            details: offer.details.clone(),
            inputs: offer.inputs.clone(),
            attempt: offer.attempt,
            resume_point: offer.resume_point,
            valid_until: offer.valid_until,
            assignment_signature: offer.assignment_signature.clone(),
        },
        checkpoint: offer.checkpoint,
    })
}

fn same(what: &str, expected: B256, actual: B256) -> Result<(), WorkerError> {
    if expected == actual {
        return Ok(());
    }
    Err(WorkerError::Offer(format!("{what}: expected {expected}, found {actual}")))
}

#[cfg(test)]
pub(crate) mod tests;
