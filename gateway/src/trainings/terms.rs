//! A training's terms, decoded and held against its request. It asks no chain.

use std::ops::Range;

use alloy::primitives::aliases::U40;
use alloy::primitives::{Address, Bytes};
use alloy::sol_types::SolValue;
use offsetdata_protocol::bindings::training::{Assignment, DataInput, EscrowTerms, RequestDetails};
use offsetdata_protocol::deployments::Deployment;
use offsetdata_protocol::gateway_api::{TrainingUpload, code};
use offsetdata_protocol::ids::{CollectionId, RequestId, details_hash, inputs_hash};
use offsetdata_protocol::merkle::RecordCount;
use offsetdata_protocol::messages;
use offsetdata_protocol::selection::Selection;
use offsetdata_store::Count;
use offsetdata_store::gateway::trainings::TrainingRow;

use crate::Refused;
use crate::voucher::uint40;

/// Most inputs that a request may have, as the contract has it.
const MAX_INPUTS: usize = 16;

/// An attempt of a request whose parts fit together.
#[derive(Debug, Clone)]
pub(super) struct Training {
    pub(super) request: RequestId,
    pub(super) escrow: EscrowTerms,
    pub(super) details: RequestDetails,
    pub(super) inputs: Vec<DataInput>,
    pub(super) assignment: Assignment,
    pub(super) assignment_signature: Bytes,
}

impl Training {
    /// What a worker sends.
    pub(super) fn of_upload(
        deployment: &Deployment,
        request: RequestId,
        worker: Address,
        upload: &TrainingUpload,
    ) -> Result<Self, Refused> {
        let assignment = Assignment {
            attempt: upload.attempt,
            worker,
            resumePoint: upload.resume_point,
            validUntil: uint40("validUntil", upload.valid_until)?,
        };
        if upload.attempt == 0 {
            return Err(Refused::new(code::MALFORMED, "attempts count from 1"));
        }
        let parts = (&upload.escrow, &upload.details, &upload.inputs);
        let training = Self::decode(request, parts, assignment, upload.assignment_signature.clone())?;
        let (chain_id, coordinator) = (deployment.chain_id, deployment.training_coordinator);
        let details_hash = details_hash(&training.details);
        let actual = RequestId::of_terms(chain_id, coordinator, &training.escrow, details_hash);
        if actual != request {
            let detail = format!("the terms are those of request {actual}, expected {request}");
            return Err(Refused::new(code::NOT_ASSIGNED, detail));
        }
        if inputs_hash(&training.inputs) != training.details.inputsHash {
            return Err(Refused::new(code::NOT_ASSIGNED, "the inputs are not those that the terms hash"));
        }
        if training.inputs.len() > MAX_INPUTS {
            return Err(Refused::new(code::MALFORMED, format!("more than {MAX_INPUTS} inputs")));
        }
        Ok(training)
    }

    /// What was kept of it, checked before.
    pub(super) fn of_row(row: &TrainingRow) -> Result<Self, Refused> {
        let assignment = Assignment {
            attempt: row.attempt,
            worker: row.worker,
            resumePoint: row.resume_point,
            validUntil: U40::saturating_from(row.valid_until.0),
        };
        Self::decode(row.request, (&row.escrow, &row.details, &row.inputs), assignment, row.signature.clone())
    }

    fn decode(
        request: RequestId,
        (escrow, details, inputs): (&Bytes, &Bytes, &Bytes),
        assignment: Assignment,
        assignment_signature: Bytes,
    ) -> Result<Self, Refused> {
        let malformed = |what: &str, error: alloy::sol_types::Error| {
            Refused::new(code::MALFORMED, format!("{what} is not of the ABI's form: {error}"))
        };
        Ok(Self {
            request,
            escrow: EscrowTerms::abi_decode_validate(escrow).map_err(|e| malformed("escrow", e))?,
            details: RequestDetails::abi_decode_validate(details).map_err(|e| malformed("details", e))?,
            inputs: Vec::abi_decode_validate(inputs).map_err(|e| malformed("inputs", e))?,
            assignment,
            assignment_signature,
        })
    }

    /// What is kept of it.
    pub(super) fn row(&self, upload: &TrainingUpload, opened_at: Count) -> TrainingRow {
        TrainingRow {
            request: self.request,
            attempt: self.assignment.attempt,
            worker: self.assignment.worker,
            requested_by: self.escrow.user,
            escrow: upload.escrow.clone(),
            details: upload.details.clone(),
            inputs: upload.inputs.clone(),
            resume_point: self.assignment.resumePoint,
            valid_until: Count(upload.valid_until),
            signature: self.assignment_signature.clone(),
            opened_at,
        }
    }

    /// What the scheduler signed.
    pub(super) fn assignment_message(&self) -> messages::Assignment {
        messages::Assignment {
            request: self.request.0,
            attempt: self.assignment.attempt,
            worker: self.assignment.worker,
            resumePoint: self.assignment.resumePoint,
            validUntil: self.assignment.validUntil,
        }
    }

    /// What the worker signs for an input.
    pub(super) fn receipt_message(
        &self,
        input: u32,
        collection: CollectionId,
        records: u32,
        root: offsetdata_protocol::Root,
    ) -> messages::DataReceipt {
        messages::DataReceipt {
            request: self.request.0,
            attempt: self.assignment.attempt,
            input,
            collection: collection.0,
            records,
            recordsRoot: root.into(),
        }
    }

    /// An input, and the records that it takes of its collection: `paid` of them at most.
    pub(super) fn input(&self, position: u32) -> Result<&DataInput, Refused> {
        self.inputs.get(position as usize).ok_or_else(|| {
            let detail = format!("the request has {} inputs, none at {position}", self.inputs.len());
            Refused::new(code::MALFORMED, detail)
        })
    }
}

/// Whether keys are given for such an input: its records follow one another.
pub(super) fn selects_rising(input: &DataInput) -> bool {
    matches!(Selection::of_input(input), Ok(Selection::All | Selection::Range { .. }))
}

/// The records that an input takes, within its cap.
pub(super) fn span(position: u32, input: &DataInput, records: RecordCount) -> Result<Range<u32>, Refused> {
    let refused = |why: &str| {
        Refused::new(code::NOT_ASSIGNED, format!("input {position} {why}: no key is given for it here"))
    };
    let selection =
        Selection::of_input(input).map_err(|_| refused("is data that the user brings, not a collection"))?;
    match selection.range(records, input.recordCap) {
        Ok(Some(range)) => Ok(range),
        Ok(None) => Err(refused(
            "selects single records (BITMAP); gateways give keys for whole collections (ALL) and ranges (RANGE)",
        )),
        Err(error) => Err(refused(&format!("does not fit its collection ({error})"))),
    }
}
