//! How long a job may wait, run and take in all, and what ends or interrupts it without being a failure: the end of a
//! run, a worker that gives the job back. It ends nothing by the terms of the request: `intake` does.

use alloy::primitives::Address;
use offsetdata_store::Conn;
use offsetdata_store::relay::jobs::{self as rows, JobRow};
use offsetdata_store::relay::{checkpoints, work};

use super::lease::find;
use super::state::{Event, JobState};
use super::{JobError, Jobs, RelayerError, RequestId, commit, state_of};
use crate::checks::attempt as checks_attempt;

/// A job may be given back so often; after that it counts as a failure, as attempts are numbered up to 255.
const MAX_RELEASED: u8 = 100;
/// So many leases before the end of a run its worker is asked for a checkpoint.
const ASK_BEFORE: u64 = 4;

impl Jobs {
    /// Whether the worker is to send a checkpoint now: the operator drains, or the run nears its end, and there was a
    /// commitment since the last checkpoint.
    pub(super) async fn wants_checkpoint(
        &self,
        conn: &mut Conn,
        job: &JobRow,
        now: u64,
    ) -> Result<bool, RelayerError> {
        if !self.settings.drain && !self.is_near_end(conn, job, now).await? {
            return Ok(false);
        }
        let kept = checkpoints::find_checkpoint(conn, job.request).await?;
        if kept.is_some_and(|kept| kept.sequence == job.sequence) {
            return Ok(false);
        }
        // Before its first commitment an attempt has no place for a checkpoint.
        let last = work::find_commitment(conn, job.request, job.sequence).await?;
        Ok(last.is_some_and(|last| last.attempt == job.attempt))
    }

    async fn is_near_end(&self, conn: &mut Conn, job: &JobRow, now: u64) -> Result<bool, RelayerError> {
        let ahead = ASK_BEFORE * u64::from(self.settings.lease_seconds);
        Ok(self.run_end(conn, job).await?.is_some_and(|end| now.saturating_add(ahead) > end))
    }

    async fn run_end(&self, conn: &mut Conn, job: &JobRow) -> Result<Option<u64>, RelayerError> {
        let attempt = rows::find_attempt(conn, job.request, job.attempt).await?;
        Ok(attempt.map(|row| row.started_at.0.saturating_add(self.settings.run_seconds.into())))
    }

    /// Gives up a job that waited too long for a worker, or took too long in all.
    pub(super) async fn limit_queue(&self, seen: &JobRow, now: u64) -> Result<(), RelayerError> {
        let queued = now.saturating_sub(seen.updated_at.0) > u64::from(self.settings.queue_seconds);
        let total = now.saturating_sub(seen.created_at.0) > u64::from(self.settings.total_seconds);
        if !queued && !total {
            return Ok(());
        }
        let reason = if queued { "no worker took the job in time" } else { "the job took too long in all" };
        let reason = self.keep_reason(reason).await?;
        let mut tx = self.pool.write().await?;
        if let Some(mut job) = rows::find_job(&mut tx, seen.request).await?
            && job == *seen
        {
            self.end(&mut tx, &mut job, Event::GaveUp, reason, now).await?;
            commit(tx).await?;
        }
        Ok(())
    }

    /// Ends a run that is too long, or a job that took too long in all. Whether it did.
    pub(super) async fn limit_run(&self, seen: &JobRow, now: u64) -> Result<bool, RelayerError> {
        if !state_of(seen)?.is_working() {
            return Ok(false);
        }
        let total = now.saturating_sub(seen.created_at.0) > u64::from(self.settings.total_seconds);
        let run_end = {
            let mut conn = self.pool.acquire().await?;
            self.run_end(&mut conn, seen).await?
        };
        if !total && run_end.is_none_or(|end| now <= end) {
            return Ok(false);
        }
        let reason = if total { "the job took too long in all" } else { "the attempt ran too long" };
        let reason = self.keep_reason(reason).await?;
        let mut tx = self.pool.write().await?;
        let Some(mut job) = rows::find_job(&mut tx, seen.request).await? else { return Ok(false) };
        if job.attempt != seen.attempt || !state_of(&job)?.is_working() {
            return Ok(false);
        }
        if total {
            self.end(&mut tx, &mut job, Event::GaveUp, reason, now).await?;
        } else {
            // Who left a checkpoint did what was asked.
            let kept = checkpoints::find_checkpoint(&mut tx, job.request).await?;
            if kept.is_some_and(|kept| kept.attempt == job.attempt) {
                count_as_released(&mut job);
            }
            self.try_again(&mut tx, &mut job, reason, now).await?;
        }
        commit(tx).await?;
        self.queued.notify_waiters();
        Ok(true)
    }

    /// The worker gives the job back: another attempt goes on from the last checkpoint.
    ///
    /// # Errors
    /// [`JobError::Refused`] where it is not this worker's attempt.
    pub async fn release(
        &self,
        request: RequestId,
        worker: Address,
        attempt: u8,
        now: u64,
    ) -> Result<u32, JobError> {
        let reason = self.keep_reason("the worker gave the job back").await?;
        let mut tx = self.pool.write().await?;
        let mut job = find(&mut tx, request).await?;
        // The same call again: the attempt has ended, and this worker had it.
        if let Some(past) = rows::find_attempt(&mut tx, request, attempt).await?
            && past.worker == worker
            && past.ended_at.is_some()
        {
            return Ok(job.sequence);
        }
        checks_attempt::is_current(&job, worker, attempt)?;
        match state_of(&job)? {
            JobState::Cancelling => {
                self.end(&mut tx, &mut job, Event::Stopped, reason, now).await?;
            }
            state if state.is_working() => {
                count_as_released(&mut job);
                self.try_again(&mut tx, &mut job, reason, now).await?;
            }
            _ => return Ok(job.sequence),
        }
        let sequence = job.sequence;
        commit(tx).await?;
        self.queued.notify_waiters();
        Ok(sequence)
    }
}

/// The attempt that runs is no failure: it was given back, or taken away by what no worker can help.
pub(super) fn count_as_released(job: &mut JobRow) {
    if job.released < MAX_RELEASED {
        job.released += 1;
    }
}
