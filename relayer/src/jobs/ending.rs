//! How jobs go back to the queue or end without a result: the reason is kept as a block, the scheduler signs the closure,
//! the transaction is queued with the state. It does not wait for it to land.

use offsetdata_protocol::cid::RAW;
use offsetdata_store::Tx;
use offsetdata_store::relay::jobs::{self as rows, JobRow};

use super::state::{Event, JobState};
use super::{Jobs, RelayerError, RequestId, Wanted, advance, close_key, commit, expire_key, state_of};
use crate::landing::{Terms, reason_digest};
use crate::transactions::Kind;

/// Longest reason that is kept, in characters.
const MAX_REASON: usize = 2000;

impl Jobs {
    /// Makes the text of a reason readable for whoever finds its digest on the chain.
    pub(super) async fn keep_reason(&self, reason: &str) -> Result<String, RelayerError> {
        let reason: String = reason.chars().filter(|c| *c != '\0').take(MAX_REASON).collect();
        self.blocks.put(RAW, reason.as_bytes()).await?;
        Ok(reason)
    }

    /// Another attempt, or the end after too many.
    pub(super) async fn try_again(
        &self,
        tx: &mut Tx,
        job: &mut JobRow,
        reason: String,
        now: u64,
    ) -> Result<JobState, RelayerError> {
        // What workers gave back is no failure; attempts themselves are numbered up to 255.
        let failures = job.attempt.saturating_sub(job.released);
        if failures >= self.settings.max_attempts || job.attempt == u8::MAX {
            return self.end(tx, job, Event::GaveUp, reason, now).await;
        }
        job.reason = Some(reason);
        let state = advance(tx, job, Event::Lost, now).await?;
        Ok(state)
    }

    /// Ends a job and queues its closure. `reason` was kept by [`Jobs::keep_reason`].
    pub(super) async fn end(
        &self,
        tx: &mut Tx,
        job: &mut JobRow,
        event: Event,
        reason: String,
        now: u64,
    ) -> Result<JobState, RelayerError> {
        let digest = reason_digest(&reason);
        job.reason = Some(reason);
        let state = advance(tx, job, event, now).await?;
        let terms = Terms::decode(&job.escrow, &job.details)?;
        // Commitments that were accepted land first. Should one of them be dropped, the closure is signed again.
        let (closure, signature) = self.scheduler.close(job.request, job.sequence, digest)?;
        let wanted = Wanted {
            kind: Kind::Close,
            dedupe: close_key(job.request),
            request: job.request,
            terms: &terms,
            calldata: terms.close_call(closure, signature),
        };
        self.want(tx, wanted, now).await?;
        self.wanted.notify_one();
        Ok(state)
    }

    /// Ends a job whose time has passed, and lands that where we are told to.
    pub(super) async fn time_out(&self, request: RequestId, now: u64) -> Result<(), RelayerError> {
        let mut tx = self.pool.write().await?;
        let Some(mut job) = rows::find_job(&mut tx, request).await? else { return Ok(()) };
        if state_of(&job)?.next(Event::TimedOut).is_err() {
            return Ok(());
        }
        advance(&mut tx, &mut job, Event::TimedOut, now).await?;
        if self.settings.expire {
            let terms = Terms::decode(&job.escrow, &job.details)?;
            let dedupe = expire_key(request);
            let calldata = terms.expire_call();
            self.want(&mut tx, Wanted { kind: Kind::Call, dedupe, request, terms: &terms, calldata }, now)
                .await?;
        }
        commit(tx).await?;
        self.wanted.notify_one();
        Ok(())
    }

    /// Stops a job whose user asked for it: at once where no worker has it, otherwise the worker is told.
    pub(super) async fn cancel(
        &self,
        tx: &mut Tx,
        job: &mut JobRow,
        reason: String,
        now: u64,
    ) -> Result<(), RelayerError> {
        let next = state_of(job)?.next(Event::CancelRequested);
        match next {
            Ok(JobState::Cancelled) => {
                self.end(tx, job, Event::CancelRequested, reason, now).await?;
            }
            Ok(_) => {
                job.reason = Some(reason);
                advance(tx, job, Event::CancelRequested, now).await?;
            }
            // Being told already, or the result was quicker.
            Err(_) => {}
        }
        Ok(())
    }
}
