//! Whether signed work comes before its last moment. The contract has the last word, by its own clock.

use super::{Cause, CommitmentCase, FinishCase, Refusal};
use crate::landing::Terms;

pub(super) fn of_commitment(case: &CommitmentCase<'_>) -> Result<(), Refusal> {
    let mut last = last_moment(case.terms, case.grace_ends_at);
    if case.job.sequence == 0 {
        last = last.min(case.terms.escrow.landing.startDeadline.to::<u64>());
    }
    in_time(case.now, last)
}

pub(super) fn of_finish(case: &FinishCase<'_>) -> Result<(), Refusal> {
    in_time(case.now, last_moment(case.terms, case.grace_ends_at))
}

fn last_moment(terms: &Terms, grace_ends_at: Option<u64>) -> u64 {
    terms.last_moment().min(grace_ends_at.unwrap_or(u64::MAX))
}

fn in_time(now: u64, last: u64) -> Result<(), Refusal> {
    if now <= last {
        return Ok(());
    }
    Err(Refusal::rejected(Cause::Conflict, "tooLate", format!("signed work lands until {last}, it is {now}")))
}
