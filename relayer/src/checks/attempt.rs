//! Whether a call is about the current attempt of the worker that makes it. It does not look at the lease's end: until
//! the job went to another one, the attempt stands.

use alloy::primitives::Address;
use offsetdata_store::relay::jobs::JobRow;

use super::{Cause, CommitmentCase, FinishCase, Refusal};
use crate::jobs::state::JobState;

/// The job's current attempt is this one, by this worker, in whatever state.
///
/// # Errors
/// `staleAttempt` or `notYourJob`.
pub fn is_current(job: &JobRow, worker: Address, attempt: u8) -> Result<(), Refusal> {
    if attempt != job.attempt || job.worker.is_none() {
        let detail = format!("attempt {attempt} does not run; the last one is {}", job.attempt);
        return Err(Refusal::rejected(Cause::Conflict, "staleAttempt", detail));
    }
    if job.worker != Some(worker) {
        return Err(Refusal::rejected(Cause::Foreign, "notYourJob", "another worker makes this attempt"));
    }
    Ok(())
}

/// The same, and the job takes signed work.
///
/// # Errors
/// As [`is_current`]; `notRunning`.
pub fn is_running(job: &JobRow, worker: Address, attempt: u8) -> Result<(), Refusal> {
    is_current(job, worker, attempt)?;
    match job.state.parse::<JobState>() {
        Ok(state) if state.is_working() || state == JobState::Cancelling => Ok(()),
        Ok(JobState::Vanished) => {
            Err(Refusal::retryable("vanished", "a reorg took the request away; it may come back"))
        }
        _ => Err(Refusal::rejected(Cause::Conflict, "notRunning", format!("the job is {}", job.state))),
    }
}

pub(super) fn of_commitment(case: &CommitmentCase<'_>) -> Result<(), Refusal> {
    is_running(case.job, case.worker, case.upload.attempt)
}

pub(super) fn of_finish(case: &FinishCase<'_>) -> Result<(), Refusal> {
    is_running(case.job, case.worker, case.finish.attempt)
}
