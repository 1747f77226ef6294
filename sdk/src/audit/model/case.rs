//! One request under audit: its terms, decoded and held against the id on chain, and whose signatures hold. It adds the
//! findings about terms; each other part has its own file.

use alloy::primitives::{Address, B256, Bytes, Signature};
use alloy::providers::Provider;
use alloy::sol_types::{Eip712Domain, SolStruct, SolValue};
use offsetdata_protocol::bindings::training::{
    Assignment, DataInput, EscrowTerms, RequestDetails, RequestState, TrainingCoordinator,
};
use offsetdata_protocol::ids::{ModelId, RequestId, details_hash, inputs_hash};
use offsetdata_protocol::messages::{self, training_domain};
use serde_json::{Value, json};

use crate::audit::evidence::Gaps;
use crate::audit::{Evidence, Report, SignedAssignment, State};
use crate::chain::rpc;
use crate::{Chain, SdkError};

mod erc1271 {
    alloy::sol! {
        function isValidSignature(bytes32 hash, bytes signature) external view returns (bytes4);
    }
}

/// `RequestStatus` of the contract.
const STATUSES: [&str; 7] = ["NONE", "OPEN", "CANCELLING", "SETTLED", "CANCELLED", "FAILED", "EXPIRED"];

/// A request whose terms make its id.
pub(super) struct Case<'a> {
    pub(super) chain: &'a Chain,
    pub(super) request: RequestId,
    pub(super) evidence: Evidence,
    pub(super) gaps: Gaps,
    pub(super) escrow: EscrowTerms,
    pub(super) details: RequestDetails,
    pub(super) inputs: Vec<DataInput>,
    pub(super) state: RequestState,
    pub(super) report: &'a mut Report,
}

impl<'a> Case<'a> {
    /// Terms that make the id of a request of this model on this chain. `None` where they do not: then nothing else can
    /// be said, and the report has why.
    pub(super) async fn open(
        chain: &'a Chain,
        request: RequestId,
        model: ModelId,
        evidence: Evidence,
        gaps: Gaps,
        report: &'a mut Report,
    ) -> Result<Option<Self>, SdkError> {
        let deployment = chain.deployment();
        let (chain_id, coordinator) = (deployment.chain_id, deployment.training_coordinator);
        let mut fail = |says: String| report.add("terms", State::Failed, says, Value::Null);
        if (evidence.chain_id, evidence.coordinator, evidence.request) != (chain_id, coordinator, request.0) {
            fail(format!(
                "the evidence is about request {} at {} on chain {}, asked was {request} at {coordinator} on chain \
                 {chain_id}",
                evidence.request, evidence.coordinator, evidence.chain_id
            ));
            return Ok(None);
        }
        let decoded = (
            EscrowTerms::abi_decode_validate(&evidence.escrow),
            RequestDetails::abi_decode_validate(&evidence.details),
            Vec::<DataInput>::abi_decode_validate(&evidence.inputs),
        );
        let (Ok(escrow), Ok(details), Ok(inputs)) = decoded else {
            fail("terms, details or inputs are not of the form of the contract".into());
            return Ok(None);
        };
        let actual = RequestId::of_terms(chain_id, coordinator, &escrow, details_hash(&details));
        if actual != request {
            fail(format!("escrow and details are those of request {actual}, not of {request}"));
            return Ok(None);
        }
        if inputs_hash(&inputs) != details.inputsHash {
            fail("the inputs are not those whose hash the details have".into());
            return Ok(None);
        }
        if details.model != model.0 {
            fail(format!("the request is for model {}, not for {model}", details.model));
            return Ok(None);
        }
        let state = chain.call(coordinator, &TrainingCoordinator::stateOfCall { id: request.0 }).await?;
        if state.status == 0 {
            fail(format!("the coordinator knows no request {request}"));
            return Ok(None);
        }
        let data = json!({
            "request": request,
            "user": escrow.user,
            "developer": escrow.developer,
            "scheduler": escrow.scheduler,
            "method": details.method,
            "trainer": details.trainerDigest,
            "seed": details.seed,
            "splitSeed": details.splitSeed,
            "validationBps": details.validationBps,
            "testBps": details.testBps,
            "unitPrice": escrow.unitPrice.to_string(),
            "unitLimit": escrow.landing.unitLimit.to_string(),
            "status": STATUSES.get(usize::from(state.status)),
        });
        let says = format!(
            "user, prices, inputs, seeds, split (validation {} bps, test {} bps) and trainer {} make the id {request}; it \
             is {}",
            details.validationBps,
            details.testBps,
            details.trainerDigest,
            STATUSES.get(usize::from(state.status)).unwrap_or(&"unknown")
        );
        report.add("terms", State::Proven, says, data);
        Ok(Some(Self { chain, request, evidence, gaps, escrow, details, inputs, state, report }))
    }

    pub(super) fn domain(&self) -> Eip712Domain {
        let deployment = self.chain.deployment();
        training_domain(deployment.chain_id, deployment.training_coordinator)
    }

    pub(super) fn fail(&mut self, about: &str, says: impl Into<String>) {
        self.report.add(about, State::Failed, says, Value::Null);
    }

    pub(super) fn unavailable(&mut self, about: &str, says: &str) {
        self.report.add(about, State::Unavailable, format!("UNAVAILABLE: {says}"), Value::Null);
    }

    /// Whether an account signed a message of the coordinator: by key, or by its contract (ERC-1271).
    pub(super) async fn is_signed(
        &self,
        account: Address,
        message: &impl SolStruct,
        signature: &Bytes,
    ) -> Result<bool, SdkError> {
        let digest = message.eip712_signing_hash(&self.domain());
        let recovered = Signature::from_raw(signature)
            .ok()
            .and_then(|signature| signature.recover_address_from_prehash(&digest).ok());
        if recovered == Some(account) {
            return Ok(true);
        }
        let code = self.chain.provider().get_code_at(account).await.map_err(rpc)?;
        if code.is_empty() {
            return Ok(false);
        }
        let call = erc1271::isValidSignatureCall { hash: digest, signature: signature.clone() };
        match self.chain.call(account, &call).await {
            Ok(answer) => {
                Ok(answer == <erc1271::isValidSignatureCall as alloy::sol_types::SolCall>::SELECTOR)
            }
            Err(error) if error.is_retryable() => Err(error),
            Err(_) => Ok(false),
        }
    }

    /// An assignment that the scheduler of the terms signed, or why it is none.
    pub(super) async fn assignment(
        &self,
        signed: &SignedAssignment,
    ) -> Result<Result<Assignment, String>, SdkError> {
        let Ok(assignment) = Assignment::abi_decode_validate(&signed.assignment) else {
            return Ok(Err("is not of the form of the contract".into()));
        };
        let message = messages::Assignment {
            request: self.request.0,
            attempt: assignment.attempt,
            worker: assignment.worker,
            resumePoint: assignment.resumePoint,
            validUntil: assignment.validUntil,
        };
        if !self.is_signed(self.escrow.scheduler, &message, &signed.signature).await? {
            return Ok(Err(format!("is not signed by the scheduler {}", self.escrow.scheduler)));
        }
        Ok(Ok(assignment))
    }

    /// The head of the chain of commitments, as the coordinator has it.
    pub(super) async fn head_on_chain(&self) -> Result<B256, SdkError> {
        let coordinator = self.chain.deployment().training_coordinator;
        self.chain.call(coordinator, &TrainingCoordinator::headOfCall { id: self.request.0 }).await
    }
}
