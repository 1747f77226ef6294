//! What became of a job's transactions: the end of a settled job, and the way back where signed work can't land.

use offsetdata_store::chain::requests::RequestRow;
use offsetdata_store::relay::checkpoints::{self, CheckpointRow};
use offsetdata_store::relay::jobs::{self as rows, JobRow};
use offsetdata_store::relay::transactions::{self, TransactionRow};
use offsetdata_store::relay::work;
use offsetdata_store::{Count, Tx};

use super::adopt::Landed;
use super::state::{Ending, Event, JobState};
use super::{Jobs, RelayerError, checkpoint_name, commit, commit_key, settle_key, state_of};
use crate::transactions::TransactionState;

impl Jobs {
    /// Compares a job with its transactions.
    pub(super) async fn follow(
        &self,
        seen: &JobRow,
        on_chain: &RequestRow,
        now: u64,
    ) -> Result<(), RelayerError> {
        let settle = settle_key(seen.request, seen.attempt);
        let ended = {
            let mut conn = self.pool.acquire().await?;
            transactions::list_ended_of_request(&mut conn, seen.request, &settle).await?
        };
        let is_settling = state_of(seen)? == JobState::Settling;
        let (mut settled, mut sent) = (false, false);
        let mut lost = None;
        for transaction in &ended {
            let state = TransactionState::read(&transaction.state)?;
            if transaction.dedupe == settle {
                sent = true;
                settled = matches!(state, TransactionState::Confirmed | TransactionState::Superseded);
            }
            if state == TransactionState::Dropped
                && lost.is_none()
                && self.is_lost(seen, transaction, on_chain).await?
            {
                lost = Some(transaction);
            }
        }
        if settled && is_settling {
            return self.step(seen.request, Event::Ended(Ending::Settled), now).await;
        }
        match lost {
            Some(transaction) => self.go_back(seen, transaction, now).await,
            // Someone else had settled it, and a reorg took that away.
            None if is_settling && !sent => self.step(seen.request, Event::Lost, now).await,
            None => Ok(()),
        }
    }

    /// Whether what a dropped transaction should land is still counted among the accepted work, and did not land after all.
    async fn is_lost(
        &self,
        seen: &JobRow,
        transaction: &TransactionRow,
        on_chain: &RequestRow,
    ) -> Result<bool, RelayerError> {
        let Some(sequence) = self.work_of(transaction).await? else { return Ok(false) };
        if sequence > on_chain.sequence {
            return Ok(true);
        }
        let mut conn = self.pool.acquire().await?;
        Ok(!Landed::read(&mut conn, seen.request).await?.is_known(&mut conn, seen).await?)
    }

    /// The sequence from which accepted work can't land, if this transaction stands for any.
    async fn work_of(&self, transaction: &TransactionRow) -> Result<Option<u32>, RelayerError> {
        let Some(request) = transaction.request else { return Ok(None) };
        let mut conn = self.pool.acquire().await?;
        let mut parts = transaction.dedupe.split(':');
        match parts.next() {
            Some("commit") => {
                let Some(sequence) = parts.next_back().and_then(|part| part.parse().ok()) else {
                    return Ok(None);
                };
                let row = work::find_commitment(&mut conn, request, sequence).await?;
                Ok(row
                    .filter(|row| commit_key(request, row.attempt, row.sequence) == transaction.dedupe)
                    .map(|row| row.sequence))
            }
            Some("settle") => {
                let row = work::find_settlement(&mut conn, request).await?;
                Ok(row.filter(|row| settle_key(request, row.attempt) == transaction.dedupe).map(|_| u32::MAX))
            }
            _ => Ok(None),
        }
    }

    /// Forgets work that can't land with all that follows it, and tries again from what did land.
    async fn go_back(
        &self,
        seen: &JobRow,
        transaction: &TransactionRow,
        now: u64,
    ) -> Result<(), RelayerError> {
        let Some(first) = self.work_of(transaction).await? else { return Ok(()) };
        let why = transaction.reason.as_deref().unwrap_or("no reason");
        let reason = self.keep_reason(&format!("signed work can't land: {why}")).await?;
        let mut tx = self.pool.write().await?;
        let Some(mut job) = rows::find_job(&mut tx, seen.request).await? else { return Ok(()) };
        if state_of(&job)? != state_of(seen)? || job.attempt != seen.attempt {
            return Ok(());
        }
        let landed = Landed::read(&mut tx, job.request).await?;
        if !landed.is_known(&mut tx, &job).await? {
            let fallen = self.adopt(&mut tx, &mut job, landed, reason, now).await?;
            commit(tx).await?;
            self.remove_checkpoint(fallen).await;
            self.queued.notify_waiters();
            return Ok(());
        }
        for later in transactions::list_of_request(&mut tx, seen.request).await? {
            if later.id > transaction.id {
                drop_pending(&mut tx, later, now).await?;
            }
        }
        work::delete_work_from(&mut tx, job.request, first).await?;
        let checkpoint = checkpoints::find_checkpoint(&mut tx, job.request).await?;
        let fallen = checkpoint.filter(|kept| kept.sequence >= first);
        if fallen.is_some() {
            checkpoints::delete_checkpoint(&mut tx, job.request).await?;
        }
        if first <= job.sequence {
            job.sequence = first.saturating_sub(1);
            let last = work::find_commitment(&mut tx, job.request, job.sequence).await?;
            // Without a row it landed before this database was, or by another transaction.
            job.head = last.map_or(landed.head, |last| last.head);
        }
        match state_of(&job)? {
            JobState::Cancelling => {
                self.end(&mut tx, &mut job, Event::Stopped, reason, now).await?;
            }
            _ => {
                self.try_again(&mut tx, &mut job, reason, now).await?;
            }
        }
        commit(tx).await?;
        self.remove_checkpoint(fallen).await;
        self.queued.notify_waiters();
        Ok(())
    }

    /// Removes the file of a checkpoint whose row is gone.
    pub(super) async fn remove_checkpoint(&self, fallen: Option<CheckpointRow>) {
        if let Some(fallen) = fallen {
            self.checkpoints.remove(&checkpoint_name(fallen.request, fallen.digest)).await;
        }
    }
}

/// Drops what only made sense after what was dropped. What has a nonce already reverts by itself.
pub(super) async fn drop_pending(tx: &mut Tx, mut row: TransactionRow, now: u64) -> Result<(), RelayerError> {
    let pending = TransactionState::Pending.as_str();
    if row.state != pending || row.dedupe.starts_with("close:") {
        return Ok(());
    }
    row.state = TransactionState::Dropped.as_str().to_owned();
    row.reason = Some("what comes before it was dropped".to_owned());
    row.updated_at = Count(now);
    transactions::advance_transaction(tx, pending, &row).await?;
    Ok(())
}
