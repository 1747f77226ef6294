//! Lands receipts when their request has ended, so that publishers are paid. What is paid is read from the contract, so
//! doing it again after a kill, a lost transaction or a reorg is always right.

use alloy::eips::BlockId;
use offsetdata_protocol::bindings::training::{DataReceipt, RequestLedger, TrainingCoordinator};
use offsetdata_store::gateway::trainings::{ReceiptRow, advance_receipt, find_training, list_due_receipts};
use offsetdata_store::{Count, StoreError};

use super::release::LOOK_SECONDS;
use super::standing::status;
use super::terms::Training;
use crate::GatewayError;
use crate::chain::{CallFailure, Head};
use crate::context::Shared;
use crate::settlement::{Round, backoff};

/// Receipts looked at in one round.
const ROUND: u32 = 400;
/// A request that a reorg took may come back; one that ended may end otherwise.
const GONE_SECONDS: u64 = 30;
/// Receipt windows are an hour at least: within it there is always another try.
const LONGEST_BACKOFF: u64 = 300;

impl Shared {
    /// Lands receipts whose requests have ended. Each step is repeatable.
    pub(crate) async fn claim_due(&self, now: u64, round: &mut Round) -> Result<(), GatewayError> {
        let mut conn = self.pool.acquire().await?;
        let due = list_due_receipts(&mut conn, now, ROUND).await?;
        drop(conn);
        if due.is_empty() {
            return Ok(());
        }
        let head = self.chain.head().await?;
        for mut row in due {
            self.claim(&mut row, head, now, round).await?;
            let mut tx = self.pool.write().await?;
            advance_receipt(&mut tx, &row).await?;
            tx.commit().await.map_err(StoreError::from)?;
        }
        Ok(())
    }

    /// Looks at a receipt, lands it where it is time, and says in the row what came out and when to look again.
    async fn claim(
        &self,
        row: &mut ReceiptRow,
        head: Head,
        now: u64,
        round: &mut Round,
    ) -> Result<(), GatewayError> {
        let depth = BlockId::number(head.number.saturating_sub(self.terms.confirmations.into()));
        row.settled = self.paid_of(row, BlockId::latest()).await?;
        row.confirmed = self.paid_of(row, depth).await?.min(row.settled);
        if row.settled >= row.records {
            row.open = row.confirmed < row.records;
            (row.tries, row.failure, row.due_at) = (0, None, Count(now + LOOK_SECONDS));
            return Ok(());
        }
        let mut conn = self.pool.acquire().await?;
        let kept = find_training(&mut conn, row.request, row.attempt).await?;
        drop(conn);
        let training = kept.as_ref().and_then(|kept| Training::of_row(kept).ok());
        let Some(training) = training else {
            put_off(row, "the terms of the training are not in the journal".into(), now);
            return Ok(());
        };
        let state = self.state_of(&training, BlockId::latest()).await?;
        let now_status = state.map_or(status::NONE, |state| state.status);
        let runs = matches!(now_status, status::OPEN | status::CANCELLING);
        if now_status == status::NONE {
            row.due_at = Count(now + GONE_SECONDS);
            row.failure = Some("the request is not on the chain".into());
            return Ok(());
        }
        if runs && head.timestamp <= training.escrow.landing.deadline.to::<u64>() {
            row.due_at = Count(now + LOOK_SECONDS);
            return Ok(());
        }
        if !runs && let Some(over) = self.window_over(&training, head).await? {
            tracing::error!(request = %row.request, input = row.input, over, "receipts can't be landed any more");
            row.failure = Some(over);
            row.due_at = Count(now + GONE_SECONDS);
            // A reorg may still change how it ended.
            row.open =
                self.state_of(&training, depth).await?.is_none_or(|before| before.status != now_status);
            return Ok(());
        }
        let call = TrainingCoordinator::claimDataCall {
            escrow: training.escrow,
            details: training.details,
            inputs: training.inputs,
            assignment: training.assignment,
            assignmentSignature: training.assignment_signature,
            receipt: DataReceipt {
                attempt: row.attempt,
                input: row.input,
                records: row.records,
                recordsRoot: row.records_root,
            },
            signature: row.signature.clone(),
        };
        match self.land("claimData", self.deployment.training_coordinator, &call, round).await {
            Ok(()) => {
                row.settled = self.paid_of(row, BlockId::latest()).await?;
                (row.tries, row.failure, row.due_at) = (0, None, Count(now + LOOK_SECONDS));
            }
            Err(error) => put_off(row, error.to_string(), now),
        }
        Ok(())
    }

    async fn paid_of(&self, row: &ReceiptRow, at: BlockId) -> Result<u32, GatewayError> {
        let call = TrainingCoordinator::recordsPaidOfCall { id: row.request.0, input: row.input };
        match self.chain.read(self.deployment.training_coordinator, &call, at).await {
            Ok(records) => Ok(records),
            // A block below the deployment.
            Err(CallFailure::Reverted(_)) => Ok(0),
            Err(CallFailure::Failed(error)) => Err(error),
        }
    }

    /// Why an ended request pays no receipt any more, if it does not.
    async fn window_over(&self, training: &Training, head: Head) -> Result<Option<String>, GatewayError> {
        let call = TrainingCoordinator::ledgerOfCall { id: training.request.0 };
        let ledger: RequestLedger = self.chain.read_now(self.deployment.training_coordinator, &call).await?;
        if ledger.closedAt.is_zero() {
            return Ok(Some("the data escrow is paid out or given back".into()));
        }
        let last = ledger.closedAt.to::<u64>() + u64::from(training.escrow.receiptWindow);
        Ok((head.timestamp > last).then(|| format!("the window for receipts ended at {last}")))
    }
}

fn put_off(row: &mut ReceiptRow, reason: String, now: u64) {
    tracing::warn!(request = %row.request, input = row.input, reason, "receipt not landed");
    row.due_at = Count(now + backoff(row.tries).min(LONGEST_BACKOFF));
    (row.tries, row.failure) = (row.tries.saturating_add(1), Some(reason.chars().take(300).collect()));
}
