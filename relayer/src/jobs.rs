//! Jobs: our work for requests, from the chain's row to the last transaction. What workers say comes through `http`.

mod adopt;
mod checkpoint;
mod ending;
mod follow;
mod intake;
mod lease;
mod limits;
mod settings;
pub mod state;
#[cfg(test)]
mod tests;
mod uploads;

use std::sync::Arc;

use alloy::primitives::{Address, B256, Bytes};
use offsetdata_content::Blocks;
use offsetdata_protocol::ids::RequestId;
use offsetdata_store::relay::jobs::{self as rows, JobRow};
use offsetdata_store::relay::transactions::{ANYONE, NewTransaction, insert_transaction};
use offsetdata_store::{Count, Pool, StoreError, Tx};
use tokio::sync::Notify;

pub use checkpoint::CheckpointPlace;
pub(crate) use checkpoint::checkpoint_name;
pub use lease::Claimant;
pub use settings::JobSettings;
pub use uploads::StoredArtifact;

use crate::RelayerError;
use crate::checks::Refusal;
use crate::files::Files;
use crate::landing::Terms;
use crate::scheduler::Scheduler;
use crate::transactions::Kind;
use state::{Event, JobState};

/// Seconds after the last moment of a request in which a transaction of it is still tried.
const EXPIRY_MARGIN: u64 = 3600;

/// What all steps of jobs need.
#[derive(Debug, Clone)]
pub struct Jobs {
    /// The database.
    pub pool: Pool,
    /// Where points blocks and reasons go, and hyperparameters come from.
    pub blocks: Blocks,
    /// Where checkpoints lie.
    pub checkpoints: Files,
    /// The key that methods name.
    pub scheduler: Scheduler,
    /// The contract.
    pub coordinator: Address,
    /// Addresses of the keys that pay for transactions.
    pub senders: Vec<Address>,
    /// How long and how often.
    pub settings: JobSettings,
    /// Blocks until a request counts.
    pub confirmations: u64,
    /// Wakes claims that wait.
    pub queued: Arc<Notify>,
    /// Wakes the transaction loop.
    pub wanted: Arc<Notify>,
}

/// A step that was refused, or one that failed.
#[derive(Debug, thiserror::Error)]
pub enum JobError {
    /// The worker's call does not fit.
    #[error("{0}")]
    Refused(Refusal),
    /// Something of ours.
    #[error(transparent)]
    Failed(#[from] RelayerError),
}

impl From<Refusal> for JobError {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<StoreError> for JobError {
    fn from(error: StoreError) -> Self {
        Self::Failed(error.into())
    }
}

/// The state in a row.
pub(crate) fn state_of(job: &JobRow) -> Result<JobState, RelayerError> {
    job.state.parse().map_err(|error: state::UnknownState| RelayerError::Corrupt {
        what: "relay_jobs.state",
        reason: error.to_string(),
    })
}

/// Writes a job's next state with what else changed in it. Leaving the hands of a worker ends the attempt.
async fn advance(tx: &mut Tx, job: &mut JobRow, event: Event, now: u64) -> Result<JobState, RelayerError> {
    let from = state_of(job)?;
    let next = from.next(event).map_err(|error| RelayerError::Corrupt {
        what: "relay_jobs.state",
        reason: format!("{}: {error}", job.request),
    })?;
    write(tx, job, from, next, now).await?;
    Ok(next)
}

async fn write(
    tx: &mut Tx,
    job: &mut JobRow,
    from: JobState,
    next: JobState,
    now: u64,
) -> Result<(), RelayerError> {
    let attempt = job.attempt;
    job.state = next.as_str().to_owned();
    job.updated_at = Count(now);
    if !next.is_working() && next != JobState::Cancelling {
        job.lease_until = None;
        if attempt > 0 && from != next {
            rows::end_attempt(tx, job.request, attempt, next.as_str(), now).await?;
        }
    }
    if next == JobState::Queued {
        job.worker = None;
    }
    if !rows::advance_job(tx, from.as_str(), attempt, job).await? {
        let reason = format!("{} is not {from} in attempt {attempt} any more", job.request);
        return Err(RelayerError::Corrupt { what: "relay_jobs.state", reason });
    }
    if from != next {
        tracing::info!(request = %job.request, attempt, %from, to = %next, reason = job.reason, "job");
    }
    Ok(())
}

async fn commit(tx: Tx) -> Result<(), RelayerError> {
    Ok(tx.commit().await.map_err(StoreError::from)?)
}

/// A transaction that a step of a job wants.
struct Wanted<'a> {
    kind: Kind,
    dedupe: String,
    request: RequestId,
    terms: &'a Terms,
    calldata: Bytes,
}

impl Jobs {
    /// Queues a transaction, with the rows that cause it. False where it was queued before.
    async fn want(&self, tx: &mut Tx, wanted: Wanted<'_>, now: u64) -> Result<bool, RelayerError> {
        let new = NewTransaction {
            dedupe: wanted.dedupe,
            signer: ANYONE,
            kind: wanted.kind.as_str().to_owned(),
            request: Some(wanted.request),
            target: self.coordinator,
            calldata: wanted.calldata,
            expires_at: wanted.terms.last_moment().max(now).saturating_add(EXPIRY_MARGIN),
            max_gas: None,
        };
        Ok(insert_transaction(tx, new, now).await?)
    }

    /// A job by its request.
    ///
    /// # Errors
    /// The database.
    pub async fn find(&self, request: RequestId) -> Result<Option<JobRow>, RelayerError> {
        let mut conn = self.pool.acquire().await?;
        Ok(rows::find_job(&mut conn, request).await?)
    }

    /// The newest jobs.
    ///
    /// # Errors
    /// The database.
    pub async fn list(&self, limit: u32) -> Result<Vec<JobRow>, RelayerError> {
        let mut conn = self.pool.acquire().await?;
        Ok(rows::list_jobs(&mut conn, limit).await?)
    }
}

fn commit_key(request: RequestId, attempt: u8, sequence: u32) -> String {
    format!("commit:{request}:{attempt}:{sequence}")
}

fn settle_key(request: RequestId, attempt: u8) -> String {
    format!("settle:{request}:{attempt}")
}

fn close_key(request: RequestId) -> String {
    format!("close:{request}")
}

fn expire_key(request: RequestId) -> String {
    format!("expire:{request}")
}

/// A new job has no head.
const NO_HEAD: B256 = B256::ZERO;
