//! Whether units rise within an attempt and stay under the limit and the rate of the terms.

use super::{Cause, CommitmentCase, FinishCase, Refusal};
use crate::landing::Terms;

pub(super) fn of_commitment(case: &CommitmentCase<'_>) -> Result<(), Refusal> {
    within(case.terms, case.job.units.0, case.upload.units, case.now)
}

pub(super) fn of_finish(case: &FinishCase<'_>) -> Result<(), Refusal> {
    within(case.terms, case.job.units.0, case.finish.units, case.now)
}

fn within(terms: &Terms, before: u64, units: u64, now: u64) -> Result<(), Refusal> {
    if units < before {
        let detail = format!("{before} units were accepted before, {units} are fewer");
        return Err(Refusal::rejected(Cause::Conflict, "unitsFell", detail));
    }
    let limit = terms.escrow.landing.unitLimit.to::<u64>();
    if units > limit {
        let detail = format!("at most {limit} units are paid, got {units}");
        return Err(Refusal::rejected(Cause::Untrue, "unitsOverLimit", detail));
    }
    let elapsed = now.saturating_sub(terms.escrow.landing.openedAt.to::<u64>());
    let maximum = u128::from(elapsed) * u128::from(terms.escrow.landing.maxUnitsPerSecond);
    if u128::from(units) > maximum {
        let detail = format!("after {elapsed} seconds at most {maximum} units are paid, got {units}");
        return Err(Refusal::retryable("unitsTooFast", detail));
    }
    Ok(())
}
