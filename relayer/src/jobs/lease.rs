//! Who works on what: leases, their renewal and their loss. A lease is a row; nothing is kept in memory.

use alloy::primitives::{Address, B256};
use offsetdata_protocol::worker_api::{
    Action, CheckpointRef, Failure, Heartbeat, HeartbeatAnswer, JobOffer, Phase as ApiPhase,
};
use offsetdata_store::chain::models::is_worker_of_model;
use offsetdata_store::relay::checkpoints;
use offsetdata_store::relay::jobs::{self as rows, AttemptRow, JobRow};
use offsetdata_store::relay::work;
use offsetdata_store::{Conn, Count, Tx};

use super::state::{Event, JobState, Phase};
use super::{JobError, Jobs, RelayerError, RequestId, advance, commit, state_of, write};
use crate::checks::{Refusal, attempt};

/// So many of the oldest queued jobs are looked at for one claim.
const LOOK_AT: u32 = 200;

/// A worker with a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claimant {
    /// Its key.
    pub worker: Address,
    /// Digests of its trainers.
    pub trainers: Vec<B256>,
    /// Whether it may work for every base.
    pub is_listed: bool,
}

impl Jobs {
    /// The job whose lease the worker has, or the oldest one that it can serve.
    ///
    /// # Errors
    /// The database; a key that can't sign.
    pub async fn claim(&self, claimant: &Claimant, now: u64) -> Result<Option<JobOffer>, RelayerError> {
        // Workers that wait ask again and again: they hold up no writer for nothing.
        if !self.has_for(claimant, now).await? {
            return Ok(None);
        }
        let mut tx = self.pool.write().await?;
        if let Some(mut job) = rows::find_job_of(&mut tx, claimant.worker, now).await? {
            let last = work::find_commitment(&mut tx, job.request, job.sequence).await?;
            let has_begun = last.is_some_and(|last| last.attempt == job.attempt);
            if !has_begun || state_of(&job)? == JobState::Cancelling {
                return self.offer(&mut tx, &job).await.map(Some);
            }
            // It forgot what it signed: the next attempt goes on from the checkpoint, or begins anew.
            let reason = "the worker began anew".to_owned();
            self.blocks.put(offsetdata_protocol::cid::RAW, reason.as_bytes()).await?;
            self.try_again(&mut tx, &mut job, reason, now).await?;
        }
        if self.settings.drain {
            commit(tx).await?;
            return Ok(None);
        }
        let Some(mut job) = self.first_for(&mut tx, claimant, now).await? else {
            commit(tx).await?;
            return Ok(None);
        };
        self.lease(&mut tx, &mut job, claimant.worker, now).await?;
        let offer = self.offer(&mut tx, &job).await?;
        commit(tx).await?;
        Ok(Some(offer))
    }

    async fn has_for(&self, claimant: &Claimant, now: u64) -> Result<bool, RelayerError> {
        let mut conn = self.pool.acquire().await?;
        Ok(rows::find_job_of(&mut conn, claimant.worker, now).await?.is_some()
            || (!self.settings.drain && self.first_for(&mut conn, claimant, now).await?.is_some()))
    }

    async fn first_for(
        &self,
        conn: &mut Conn,
        claimant: &Claimant,
        now: u64,
    ) -> Result<Option<JobRow>, RelayerError> {
        for job in rows::list_jobs_in(conn, JobState::Queued.as_str(), LOOK_AT).await? {
            if !claimant.trainers.contains(&job.trainer) {
                continue;
            }
            let terms = crate::landing::Terms::decode(&job.escrow, &job.details)?;
            let start = terms.escrow.landing.startDeadline.to::<u64>();
            if now > terms.last_moment() || (job.sequence == 0 && now > start) {
                continue;
            }
            if claimant.is_listed || is_worker_of_model(conn, job.model, claimant.worker).await? {
                return Ok(Some(job));
            }
        }
        Ok(None)
    }

    async fn lease(
        &self,
        tx: &mut Tx,
        job: &mut JobRow,
        worker: Address,
        now: u64,
    ) -> Result<(), RelayerError> {
        let from = state_of(job)?;
        let before = job.attempt;
        let attempt = before.checked_add(1).ok_or_else(|| RelayerError::Corrupt {
            what: "relay_jobs.attempt",
            reason: "there are no more than 255".to_owned(),
        })?;
        let next = from
            .next(Event::Leased)
            .map_err(|error| RelayerError::Corrupt { what: "relay_jobs.state", reason: error.to_string() })?;
        let checkpoint = checkpoints::find_checkpoint(tx, job.request).await?;
        let resume_point = checkpoint.as_ref().map_or(0, |kept| kept.point_count);
        let valid_until = now + u64::from(self.settings.assignment_seconds);
        let (_, signature) =
            self.scheduler.assign(job.request, attempt, worker, resume_point, valid_until)?;
        rows::insert_attempt(
            tx,
            AttemptRow {
                request: job.request,
                attempt,
                worker,
                resume_point,
                valid_until: Count(valid_until),
                signature,
                started_at: Count(now),
                ended_at: None,
                outcome: None,
            },
        )
        .await?;
        job.attempt = attempt;
        job.worker = Some(worker);
        job.lease_until = Some(Count(self.lease_end(now)));
        job.progress_ppm = 0;
        job.point_count = resume_point;
        job.units = checkpoint.map_or(Count(0), |kept| kept.units);
        job.reason = None;
        job.state = next.as_str().to_owned();
        job.updated_at = Count(now);
        if !rows::advance_job(tx, from.as_str(), before, job).await? {
            return Err(RelayerError::Corrupt {
                what: "relay_jobs",
                reason: "the job changed while it was leased".into(),
            });
        }
        tracing::info!(request = %job.request, attempt, %worker, "leased");
        Ok(())
    }

    fn lease_end(&self, now: u64) -> u64 {
        now + u64::from(self.settings.lease_seconds)
    }

    async fn offer(&self, conn: &mut Conn, job: &JobRow) -> Result<JobOffer, RelayerError> {
        let missing = |what: &'static str| RelayerError::Corrupt {
            what,
            reason: format!("missing for {}", job.request),
        };
        let attempt = rows::find_attempt(conn, job.request, job.attempt)
            .await?
            .ok_or_else(|| missing("relay_attempts"))?;
        let checkpoint = checkpoints::find_checkpoint(conn, job.request).await?;
        let checkpoint = checkpoint
            .filter(|kept| kept.attempt < job.attempt && kept.point_count == attempt.resume_point)
            .map(|kept| CheckpointRef {
                attempt: kept.attempt,
                point_count: kept.point_count,
                units: kept.units.0,
                digest: kept.digest,
                bytes: kept.bytes.0,
            });
        Ok(JobOffer {
            request: job.request.0,
            escrow: job.escrow.clone(),
            details: job.details.clone(),
            inputs: job.inputs.clone(),
            hyperparameters: job
                .hyperparameters
                .clone()
                .ok_or_else(|| missing("relay_jobs.hyperparameters"))?,
            attempt: job.attempt,
            resume_point: attempt.resume_point,
            valid_until: attempt.valid_until.0,
            assignment_signature: attempt.signature,
            sequence: job.sequence,
            head: job.head,
            checkpoint,
        })
    }

    /// Lengthens the lease and says whether to go on.
    ///
    /// # Errors
    /// [`JobError::Refused`] where it is not this worker's attempt.
    pub async fn heartbeat(
        &self,
        request: RequestId,
        worker: Address,
        beat: &Heartbeat,
        now: u64,
    ) -> Result<HeartbeatAnswer, JobError> {
        let mut tx = self.pool.write().await?;
        let mut job = find(&mut tx, request).await?;
        attempt::is_current(&job, worker, beat.attempt)?;
        let state = state_of(&job)?;
        if state == JobState::Settling {
            return Ok(HeartbeatAnswer { action: Action::Continue, lease_until: self.lease_end(now) });
        }
        if !state.is_working() && state != JobState::Cancelling {
            return Ok(HeartbeatAnswer { action: Action::Cancel, lease_until: now });
        }
        let phase = match beat.phase {
            ApiPhase::Preparing => Phase::Preparing,
            ApiPhase::Training => Phase::Training,
            ApiPhase::Evaluating => Phase::Evaluating,
            ApiPhase::Publishing => Phase::Publishing,
        };
        // A phase that was before keeps the state: the worker is there, and that counts.
        let next = state.next(Event::Phase(phase)).unwrap_or(state);
        let lease_until = if state == JobState::Cancelling {
            // No longer than the lease that it had when it was told: a worker that does not stop is not waited for.
            job.lease_until.map_or(now, |until| until.0)
        } else {
            self.lease_end(now)
        };
        job.lease_until = Some(Count(lease_until));
        job.progress_ppm = beat.progress_ppm.min(1_000_000);
        let wants_checkpoint = self.wants_checkpoint(&mut tx, &job, now).await?;
        write(&mut tx, &mut job, state, next, now).await?;
        commit(tx).await?;
        let action = match next {
            JobState::Cancelling => Action::Cancel,
            _ if wants_checkpoint => Action::Checkpoint,
            _ => Action::Continue,
        };
        Ok(HeartbeatAnswer { action, lease_until })
    }

    /// The worker gives up, or stops as it was told.
    ///
    /// # Errors
    /// [`JobError::Refused`] where it is not this worker's attempt.
    pub async fn fail(
        &self,
        request: RequestId,
        worker: Address,
        failure: &Failure,
        now: u64,
    ) -> Result<u32, JobError> {
        let reason = self.keep_reason(&failure.reason).await?;
        let mut tx = self.pool.write().await?;
        let mut job = find(&mut tx, request).await?;
        // The same call again: the attempt has ended, and this worker had it.
        if let Some(past) = rows::find_attempt(&mut tx, request, failure.attempt).await?
            && past.worker == worker
            && past.ended_at.is_some()
        {
            return Ok(job.sequence);
        }
        attempt::is_current(&job, worker, failure.attempt)?;
        let state = state_of(&job)?;
        if state == JobState::Cancelling {
            self.end(&mut tx, &mut job, Event::Stopped, reason, now).await?;
        } else if state.is_working() {
            if failure.retryable {
                self.try_again(&mut tx, &mut job, reason, now).await?;
            } else {
                self.end(&mut tx, &mut job, Event::GaveUp, reason, now).await?;
            }
        } else {
            return Ok(job.sequence);
        }
        let sequence = job.sequence;
        commit(tx).await?;
        self.queued.notify_waiters();
        Ok(sequence)
    }

    /// Takes back leases that have ended. A worker that was told to stop and is not heard counts as stopped.
    ///
    /// # Errors
    /// The database.
    pub async fn reap(&self, now: u64) -> Result<u32, RelayerError> {
        let overdue = {
            let mut conn = self.pool.acquire().await?;
            rows::list_overdue(&mut conn, now, LOOK_AT).await?
        };
        let mut count = 0;
        for seen in overdue {
            let reason = self.keep_reason("the worker was not heard in time").await?;
            let mut tx = self.pool.write().await?;
            let Some(mut job) = rows::find_job(&mut tx, seen.request).await? else { continue };
            if job.lease_until.is_none_or(|until| until.0 > now) {
                continue;
            }
            match state_of(&job)? {
                JobState::Cancelling => {
                    self.end(&mut tx, &mut job, Event::Stopped, reason, now).await?;
                }
                state if state.is_working() => {
                    self.try_again(&mut tx, &mut job, reason, now).await?;
                }
                state => write(&mut tx, &mut job, state, state, now).await?,
            }
            commit(tx).await?;
            count += 1;
        }
        if count > 0 {
            self.queued.notify_waiters();
        }
        Ok(count)
    }

    /// Moves a job on by an event without a reason of its own.
    pub(super) async fn step(&self, request: RequestId, event: Event, now: u64) -> Result<(), RelayerError> {
        let mut tx = self.pool.write().await?;
        if let Some(mut job) = rows::find_job(&mut tx, request).await?
            && state_of(&job)?.next(event).is_ok()
        {
            advance(&mut tx, &mut job, event, now).await?;
            commit(tx).await?;
        }
        Ok(())
    }
}

/// A job, or the refusal that there is none.
pub(super) async fn find(conn: &mut Conn, request: RequestId) -> Result<JobRow, JobError> {
    rows::find_job(conn, request).await?.ok_or_else(|| Refusal::unknown_job(request).into())
}
