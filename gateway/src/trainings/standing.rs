//! Whether a training runs and its worker is trusted, at the head and at the depth that counts: what a reorg takes away
//! never counted. It gives no key.

use alloy::eips::BlockId;
use alloy::primitives::Address;
use alloy::sol_types::{SolCall, SolStruct};
use offsetdata_protocol::bindings::access::AccessToken;
use offsetdata_protocol::bindings::training::{DataInput, RequestState, TrainingCoordinator};
use offsetdata_protocol::gateway_api::code;
use offsetdata_protocol::messages::training_domain;

use super::TRAIN;
use super::terms::Training;
use crate::chain::{CallFailure, Head};
use crate::context::Shared;
use crate::{GatewayError, Refused, signature};

/// `RequestStatus` of the contract, as far as it matters here.
pub(super) mod status {
    pub(in crate::trainings) const NONE: u8 = 0;
    pub(in crate::trainings) const OPEN: u8 = 1;
    pub(in crate::trainings) const CANCELLING: u8 = 2;

    pub(in crate::trainings) fn name(status: u8) -> &'static str {
        const NAMES: [&str; 7] = ["NONE", "OPEN", "CANCELLING", "SETTLED", "CANCELLED", "FAILED", "EXPIRED"];
        NAMES.get(usize::from(status)).copied().unwrap_or("of a status unknown here")
    }
}

/// A request that a reorg took away is back within a few blocks where its user sends it again.
const GONE_SECONDS: u64 = 2;

fn refused(detail: impl Into<String>) -> Refused {
    Refused::new(code::NOT_ASSIGNED, detail)
}

impl Shared {
    /// The scheduler of the terms signed that this worker tries.
    pub(super) async fn require_assigned(&self, training: &Training) -> Result<(), Refused> {
        let domain = training_domain(self.deployment.chain_id, self.deployment.training_coordinator);
        let digest = training.assignment_message().eip712_signing_hash(&domain);
        let (scheduler, signature) = (training.escrow.scheduler, &training.assignment_signature);
        signature::require(&self.chain, "assignment", scheduler, digest, signature).await
    }

    /// The request is open at the head and at the depth, and the attempt is not behind the one that landed. The head.
    pub(super) async fn require_running(&self, training: &Training, now: u64) -> Result<Head, Refused> {
        let head = self.fresh_head(now).await?;
        let Some(depth) = head.number.checked_sub(self.terms.confirmations.into()) else {
            return Err(refused("the chain is shorter than the depth that counts"));
        };
        let at_head = self.state_of(training, head.hash.into());
        let at_depth = self.state_of(training, BlockId::number(depth));
        let (state, before) = futures::try_join!(at_head, at_depth)?;
        let state = state
            .ok_or_else(|| Refused::new(code::TRY_AGAIN, "the newest block changed while it was read"))?;
        match state.status {
            status::OPEN => {}
            // A reorg may have taken it, and its user sends it again: whoever trains asks again rather than gives up.
            status::NONE => return Err(refused("the request is not on the chain").again_after(GONE_SECONDS)),
            other => {
                let name = status::name(other);
                return Err(refused(format!("the request is {name}: keys are given while it is OPEN")));
            }
        }
        if before.is_none_or(|before| before.status != status::OPEN) {
            let detail = format!("the request is open since less than {} blocks", self.terms.confirmations);
            return Err(refused(detail).again_after(1));
        }
        let assignment = &training.assignment;
        if assignment.attempt < state.attempt {
            return Err(refused(format!(
                "attempt {} is stale: attempt {} has landed",
                assignment.attempt, state.attempt
            )));
        }
        if assignment.attempt == state.attempt && state.worker != assignment.worker {
            return Err(refused(format!(
                "attempt {} landed with worker {}",
                assignment.attempt, state.worker
            )));
        }
        if assignment.attempt > state.attempt && head.timestamp > assignment.validUntil.to::<u64>() {
            return Err(refused(format!(
                "the assignment was to land by {}, it is {}",
                assignment.validUntil, head.timestamp
            )));
        }
        if head.timestamp > training.escrow.landing.deadline.to::<u64>() {
            return Err(refused(format!(
                "work ended at {}, it is {}",
                training.escrow.landing.deadline, head.timestamp
            )));
        }
        Ok(head)
    }

    /// The collection's publisher trusts the worker with the trainer, at the head and at the depth, and denied neither
    /// it nor the user. A request that pays nothing for the records rests on the user's right: it has to stand.
    pub(super) async fn require_trust(
        &self,
        training: &Training,
        input: &DataInput,
        head: Head,
    ) -> Result<(), Refused> {
        let (collection, user) = (input.collection, training.escrow.user);
        let worker = training.assignment.worker;
        let trainer = training.details.trainerDigest;
        let trusted = AccessToken::isTrustedTrainerCall { collection, worker, trainerDigest: trainer };
        let denied_worker = AccessToken::isDeniedCall { collection, account: worker };
        let denied_user = AccessToken::isDeniedCall { collection, account: user };
        let has = AccessToken::hasAccessCall { collection, account: user, right: TRAIN };
        let at: BlockId = head.hash.into();
        let below = BlockId::number(head.number.saturating_sub(self.terms.confirmations.into()));
        let (now_trusted, was_trusted, worker_denied, user_denied, may, might) = futures::try_join!(
            self.says(&trusted, at),
            self.says(&trusted, below),
            self.says(&denied_worker, at),
            self.says(&denied_user, at),
            self.says(&has, at),
            self.says(&has, below),
        )?;
        for (account, denied) in [(worker, worker_denied), (user, user_denied)] {
            if denied {
                return Err(Refused::new(code::DENIED, format!("the publisher denied {account}")));
            }
        }
        if !now_trusted {
            let detail = format!(
                "the publisher does not trust worker {worker} with trainer {trainer} on this collection; it may by \
                 setTrainer"
            );
            return Err(Refused::new(code::NOT_TRUSTED, detail));
        }
        let since = |what: &str| format!("{what} since less than {} blocks", self.terms.confirmations);
        if !was_trusted {
            return Err(Refused::new(code::NOT_TRUSTED, since("the worker is trusted")).again_after(1));
        }
        if input.pricePerRecord == 0 && !(may && might) {
            let detail = if may {
                since("the user holds TRAIN")
            } else {
                format!("the request pays nothing, and its user {user} holds TRAIN no more")
            };
            let refused = Refused::new(code::NO_RIGHT, detail);
            return Err(if may { refused.again_after(1) } else { refused });
        }
        Ok(())
    }

    pub(super) async fn state_of(
        &self,
        training: &Training,
        at: BlockId,
    ) -> Result<Option<RequestState>, GatewayError> {
        let call = TrainingCoordinator::stateOfCall { id: training.request.0 };
        match self.chain.read(self.deployment.training_coordinator, &call, at).await {
            Ok(state) => Ok(Some(state)),
            // A block below the deployment, or one that is gone.
            Err(CallFailure::Reverted(_)) => Ok(None),
            Err(CallFailure::Failed(error)) => Err(error),
        }
    }

    async fn says<C: SolCall<Return = bool>>(&self, call: &C, at: BlockId) -> Result<bool, GatewayError> {
        let token: Address = self.deployment.access_token;
        match self.chain.read(token, call, at).await {
            Ok(answer) => Ok(answer),
            // A block below the deployment: nobody was trusted with anything.
            Err(CallFailure::Reverted(_)) => Ok(false),
            Err(CallFailure::Failed(error)) => Err(error),
        }
    }
}
