//! What stands on the chain against what a job goes on from. They differ where a transaction that was given up landed after
//! all, as reorgs make it, and where a database was restored: then the chain is right, and the job goes on from there.

use alloy::primitives::B256;
use offsetdata_store::chain::requests::{self, RequestRow};
use offsetdata_store::chain::training;
use offsetdata_store::relay::checkpoints::{self, CheckpointRow};
use offsetdata_store::relay::jobs::{self as rows, JobRow};
use offsetdata_store::relay::transactions;
use offsetdata_store::relay::work;
use offsetdata_store::{Conn, Tx};

use super::follow::drop_pending;
use super::limits::count_as_released;
use super::state::{Event, JobState};
use super::{Jobs, NO_HEAD, RelayerError, RequestId, commit, state_of};

/// The last commitment that landed, or none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Landed {
    pub(super) sequence: u32,
    pub(super) head: B256,
    /// Its attempt.
    attempt: u8,
}

impl Landed {
    /// As the index has it.
    pub(super) async fn read(conn: &mut Conn, request: RequestId) -> Result<Self, RelayerError> {
        let row = requests::find_request(conn, request).await?;
        let (sequence, attempt) = row.map_or((0, 0), |row| (row.sequence, row.attempt));
        let head = if sequence == 0 { NO_HEAD } else { training::head_of(conn, request).await? };
        Ok(Self { sequence, head, attempt })
    }

    /// Whether what the job goes on from follows it.
    pub(super) async fn is_known(&self, conn: &mut Conn, job: &JobRow) -> Result<bool, RelayerError> {
        if self.sequence == job.sequence {
            return Ok(self.head == job.head);
        }
        if self.sequence > job.sequence {
            return Ok(false);
        }
        let next = work::find_commitment(conn, job.request, self.sequence + 1).await?;
        Ok(next.is_some_and(|next| next.previous_head == self.head))
    }
}

impl Jobs {
    /// Goes on from the chain where more landed than the job knows of. Whether it did.
    pub(super) async fn catch_up(
        &self,
        seen: &JobRow,
        on_chain: &RequestRow,
        now: u64,
    ) -> Result<bool, RelayerError> {
        if on_chain.sequence <= seen.sequence {
            return Ok(false);
        }
        let reason = self.keep_reason("more landed than was known here").await?;
        let mut tx = self.pool.write().await?;
        let Some(mut job) = rows::find_job(&mut tx, seen.request).await? else { return Ok(true) };
        let landed = Landed::read(&mut tx, seen.request).await?;
        if state_of(&job)? != state_of(seen)? || landed.sequence <= job.sequence {
            return Ok(true);
        }
        let fallen = self.adopt(&mut tx, &mut job, landed, reason, now).await?;
        commit(tx).await?;
        self.remove_checkpoint(fallen).await;
        self.queued.notify_waiters();
        Ok(true)
    }

    /// Forgets all accepted work and goes on after `landed`. It is no failure of a worker.
    pub(super) async fn adopt(
        &self,
        tx: &mut Tx,
        job: &mut JobRow,
        landed: Landed,
        reason: String,
        now: u64,
    ) -> Result<Option<CheckpointRow>, RelayerError> {
        tracing::warn!(request = %job.request, known = job.sequence, landed = landed.sequence, "goes on from the chain");
        for row in transactions::list_of_request(tx, job.request).await? {
            drop_pending(tx, row, now).await?;
        }
        work::delete_work_from(tx, job.request, 0).await?;
        let fallen = checkpoints::find_checkpoint(tx, job.request).await?;
        checkpoints::delete_checkpoint(tx, job.request).await?;
        (job.sequence, job.head) = (landed.sequence, landed.head);
        let state = state_of(job)?;
        if state == JobState::Cancelling {
            self.end(tx, job, Event::Stopped, reason, now).await?;
        } else if state.is_working() || state == JobState::Settling {
            count_as_released(job);
            self.try_again(tx, job, reason, now).await?;
        }
        let (state, attempt) = (job.state.clone(), job.attempt);
        // The contract takes greater attempts only.
        job.attempt = attempt.max(landed.attempt);
        rows::advance_job(tx, &state, attempt, job).await?;
        Ok(fallen)
    }
}
