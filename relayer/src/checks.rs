//! Whether what a worker hands in holds. Each check has its file; the lists are put together here. Nothing is written.

pub mod artifact;
pub mod attempt;
pub mod points;
pub mod sequence;
pub mod series;
pub mod signature;
pub mod time;
pub mod units;

#[cfg(test)]
mod tests;

use std::fmt;

use alloy::primitives::{Address, B256};
use alloy::sol_types::Eip712Domain;
use offsetdata_protocol::ids::RequestId;
use offsetdata_protocol::messages;
use offsetdata_protocol::worker_api::{CommitmentUpload, Finish};
use offsetdata_store::relay::jobs::JobRow;
use offsetdata_store::relay::work::{ArtifactRow, CommitmentRow};

use crate::landing::Terms;

/// What kind of thing does not hold. `http` makes a status of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// It is not what the format says.
    Malformed,
    /// It is another worker's.
    Foreign,
    /// There is no such job.
    Unknown,
    /// It does not follow what was accepted.
    Conflict,
    /// A signature, digest or root does not hold.
    Untrue,
    /// It may hold later.
    NotNow,
    /// More than this relayer does for one account.
    TooMany,
}

/// What does not hold: a word for programs, and what was expected and came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Which kind.
    pub cause: Cause,
    /// A word for programs.
    pub code: &'static str,
    /// Expected and actual.
    pub detail: String,
}

/// The answer of a check that does not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// The same call can be accepted later.
    Retryable(Finding),
    /// The same call is never accepted.
    Rejected(Finding),
}

impl Refusal {
    /// What does not hold.
    pub fn finding(&self) -> &Finding {
        match self {
            Self::Retryable(finding) | Self::Rejected(finding) => finding,
        }
    }

    pub(crate) fn rejected(cause: Cause, code: &'static str, detail: impl Into<String>) -> Self {
        Self::Rejected(Finding { cause, code, detail: detail.into() })
    }

    pub(crate) fn retryable(code: &'static str, detail: impl Into<String>) -> Self {
        Self::Retryable(Finding { cause: Cause::NotNow, code, detail: detail.into() })
    }

    /// There is no such job.
    pub fn unknown_job(request: RequestId) -> Self {
        Self::rejected(Cause::Unknown, "unknownJob", format!("no job for request {request}"))
    }

    /// The call is not what the format says.
    pub fn malformed(detail: impl Into<String>) -> Self {
        Self::rejected(Cause::Malformed, "malformed", detail)
    }

    /// Something of ours changed or failed meanwhile.
    pub fn try_again(detail: impl Into<String>) -> Self {
        Self::retryable("tryAgain", detail)
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let finding = self.finding();
        write!(f, "{}: {}", finding.code, finding.detail)
    }
}

/// A commitment and what it is held against.
#[derive(Debug)]
pub struct CommitmentCase<'a> {
    /// The job as it stands.
    pub job: &'a JobRow,
    /// Its terms.
    pub terms: &'a Terms,
    /// End of the grace after a cancellation, Unix seconds.
    pub grace_ends_at: Option<u64>,
    /// Whose session it is.
    pub worker: Address,
    /// What came.
    pub upload: &'a CommitmentUpload,
    /// What is signed.
    pub message: &'a messages::Commitment,
    /// For which deployment.
    pub domain: &'a Eip712Domain,
    /// Unix seconds.
    pub now: u64,
}

/// A result and what it is held against.
#[derive(Debug)]
pub struct FinishCase<'a> {
    /// The job as it stands.
    pub job: &'a JobRow,
    /// Its terms.
    pub terms: &'a Terms,
    /// End of the grace after a cancellation, Unix seconds.
    pub grace_ends_at: Option<u64>,
    /// Whose session it is.
    pub worker: Address,
    /// What came.
    pub finish: &'a Finish,
    /// What is signed.
    pub message: &'a messages::Settlement,
    /// For which deployment.
    pub domain: &'a Eip712Domain,
    /// The artifact that this attempt sent.
    pub artifact: Option<&'a ArtifactRow>,
    /// The commitment with the sequence that the result names.
    pub last: Option<&'a CommitmentRow>,
    /// Root over the accepted points.
    pub series_root: B256,
    /// Unix seconds.
    pub now: u64,
}

type CommitmentCheck = fn(&CommitmentCase<'_>) -> Result<(), Refusal>;
type FinishCheck = fn(&FinishCase<'_>) -> Result<(), Refusal>;

/// In the order in which a worker can do something about it; what costs most, and depends on nothing else, comes last.
const COMMITMENT_CHECKS: [CommitmentCheck; 6] = [
    attempt::of_commitment,
    sequence::of_commitment,
    time::of_commitment,
    units::of_commitment,
    points::of_commitment,
    signature::of_commitment,
];

const FINISH_CHECKS: [FinishCheck; 7] = [
    attempt::of_finish,
    sequence::of_finish,
    time::of_finish,
    units::of_finish,
    artifact::of_finish,
    series::of_finish,
    signature::of_finish,
];

/// The first check that a commitment does not pass.
///
/// # Errors
/// That check's refusal.
pub fn check_commitment(case: &CommitmentCase<'_>) -> Result<(), Refusal> {
    COMMITMENT_CHECKS.iter().try_for_each(|check| check(case))
}

/// The same for one that passed and whose job may have changed since: who signed it has not.
///
/// # Errors
/// That check's refusal.
pub fn check_commitment_again(case: &CommitmentCase<'_>) -> Result<(), Refusal> {
    let [of_the_job @ .., _signature] = &COMMITMENT_CHECKS;
    of_the_job.iter().try_for_each(|check| check(case))
}

/// The first check that a result does not pass.
///
/// # Errors
/// That check's refusal.
pub fn check_finish(case: &FinishCase<'_>) -> Result<(), Refusal> {
    FINISH_CHECKS.iter().try_for_each(|check| check(case))
}
