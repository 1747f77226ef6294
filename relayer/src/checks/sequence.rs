//! Whether signed work follows what was accepted before: sequence and head.

use super::{Cause, CommitmentCase, FinishCase, Refusal};

pub(super) fn of_commitment(case: &CommitmentCase<'_>) -> Result<(), Refusal> {
    let expected = u64::from(case.job.sequence) + 1;
    if u64::from(case.upload.sequence) != expected {
        return Err(wrong_sequence(expected, case.upload.sequence));
    }
    if case.upload.previous_head != case.job.head {
        let detail =
            format!("expected {} as the head before, got {}", case.job.head, case.upload.previous_head);
        return Err(Refusal::rejected(Cause::Conflict, "wrongHead", detail));
    }
    Ok(())
}

pub(super) fn of_finish(case: &FinishCase<'_>) -> Result<(), Refusal> {
    if case.finish.sequence != case.job.sequence {
        return Err(wrong_sequence(case.job.sequence.into(), case.finish.sequence));
    }
    if case.last.is_none_or(|last| last.attempt != case.finish.attempt) {
        let detail = "a result follows a commitment of the same attempt, and there is none";
        return Err(Refusal::rejected(Cause::Conflict, "noCommitment", detail));
    }
    if case.finish.head != case.job.head {
        let detail = format!("expected head {}, got {}", case.job.head, case.finish.head);
        return Err(Refusal::rejected(Cause::Conflict, "wrongHead", detail));
    }
    Ok(())
}

fn wrong_sequence(expected: u64, actual: u32) -> Refusal {
    Refusal::rejected(Cause::Conflict, "wrongSequence", format!("expected sequence {expected}, got {actual}"))
}
