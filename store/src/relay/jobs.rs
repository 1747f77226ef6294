//! Jobs and their attempts. The states' meaning and order are the relayer's.

use alloy::primitives::{Address, B256, Bytes};
use offsetdata_protocol::ids::{ModelId, RequestId};

use super::{execute, values};
use crate::codec::Count;
use crate::record::{find, insert, record, select, select_in};
use crate::{Conn, StoreError};

record! {
    /// A job.
    JobRow in "relay_jobs" {
        /// The request that it serves.
        request: RequestId,
        /// A word of the relayer's `JobState`.
        state: String,
        /// The model.
        model: ModelId,
        /// Digest of the trainer.
        trainer: B256,
        /// abi.encode(EscrowTerms).
        escrow: Bytes,
        /// abi.encode(RequestDetails).
        details: Bytes,
        /// abi.encode(DataInput[]).
        inputs: Bytes,
        /// JSON text, once it was fetched.
        hyperparameters: Option<String>,
        /// The current or last attempt, 0 before the first.
        attempt: u8,
        /// Who has or had the lease of this attempt.
        worker: Option<Address>,
        /// End of the lease.
        lease_until: Option<Count>,
        /// Part done, 0 to 1,000,000.
        progress_ppm: u32,
        /// Last accepted sequence, over all attempts.
        sequence: u32,
        /// Head after it.
        head: B256,
        /// Points of the series in this attempt.
        point_count: u32,
        /// Units of this attempt.
        units: Count,
        /// Why it ended, or why it was last tried again.
        reason: Option<String>,
        /// Unix seconds.
        created_at: Count,
        /// Unix seconds.
        updated_at: Count,
        /// Attempts that workers gave back: they are no failures.
        released: u8,
    }
}

record! {
    /// One try by one worker.
    AttemptRow in "relay_attempts" {
        /// The request.
        request: RequestId,
        /// From 1.
        attempt: u8,
        /// Who tries.
        worker: Address,
        /// Points that stand before it.
        resume_point: u32,
        /// Unix seconds by which its first commitment lands.
        valid_until: Count,
        /// The scheduler's signature.
        signature: Bytes,
        /// Unix seconds.
        started_at: Count,
        /// Unix seconds.
        ended_at: Option<Count>,
        /// The state that followed it.
        outcome: Option<String>,
    }
}

record! {
    /// That there is a job, and where it stands.
    KnownRow in "relay_jobs" {
        /// The request that it serves.
        request: RequestId,
        /// A word of the relayer's.
        state: String,
    }
}

/// Keeps a new job.
pub async fn insert_job(conn: &mut Conn, job: JobRow) -> Result<(), StoreError> {
    insert(conn, &[job]).await
}

/// A job.
pub async fn find_job(conn: &mut Conn, request: RequestId) -> Result<Option<JobRow>, StoreError> {
    find(conn, "request", &request).await
}

/// Those of these requests that have a job, with its state.
pub async fn states_of(
    conn: &mut Conn,
    requests: &[RequestId],
) -> Result<Vec<(RequestId, String)>, StoreError> {
    let known: Vec<KnownRow> = select_in(conn, "request", requests, "").await?;
    Ok(known.into_iter().map(|row| (row.request, row.state)).collect())
}

/// Writes back what may change of a job, if it still is in `from` and `attempt`. Whether it was.
pub async fn advance_job(conn: &mut Conn, from: &str, attempt: u8, job: &JobRow) -> Result<bool, StoreError> {
    let changed = execute(
        conn,
        "update relay_jobs set state = $1, hyperparameters = $2, attempt = $3, worker = $4, lease_until = $5, \
         progress_ppm = $6, sequence = $7, head = $8, point_count = $9, units = $10, reason = $11, updated_at = $12, \
         released = $13 where request = $14 and state = $15 and attempt = $16",
        values![
            job.state,
            job.hyperparameters,
            job.attempt,
            job.worker,
            job.lease_until,
            job.progress_ppm,
            job.sequence,
            job.head,
            job.point_count,
            job.units,
            job.reason,
            job.updated_at,
            job.released,
            job.request,
            from.to_owned(),
            attempt,
        ],
    )
    .await?;
    Ok(changed == 1)
}

/// Jobs in a state, oldest first.
pub async fn list_jobs_in(conn: &mut Conn, state: &str, limit: u32) -> Result<Vec<JobRow>, StoreError> {
    select(conn, "state = $1 order by created_at, request limit $2", &values![state.to_owned(), limit]).await
}

/// The newest jobs, for people.
pub async fn list_jobs(conn: &mut Conn, limit: u32) -> Result<Vec<JobRow>, StoreError> {
    select(conn, "state <> '' order by created_at desc, request limit $1", &values![limit]).await
}

/// The job whose lease this worker has.
pub async fn find_job_of(conn: &mut Conn, worker: Address, now: u64) -> Result<Option<JobRow>, StoreError> {
    let rest = "worker = $1 and lease_until > $2 order by updated_at desc limit 1";
    Ok(select(conn, rest, &values![worker, Count(now)]).await?.pop())
}

/// Jobs whose lease has ended.
pub async fn list_overdue(conn: &mut Conn, now: u64, limit: u32) -> Result<Vec<JobRow>, StoreError> {
    select(conn, "lease_until <= $1 order by lease_until limit $2", &values![Count(now), limit]).await
}

/// Keeps an attempt.
pub async fn insert_attempt(conn: &mut Conn, attempt: AttemptRow) -> Result<(), StoreError> {
    insert(conn, &[attempt]).await
}

/// An attempt.
pub async fn find_attempt(
    conn: &mut Conn,
    request: RequestId,
    attempt: u8,
) -> Result<Option<AttemptRow>, StoreError> {
    Ok(select(conn, "request = $1 and attempt = $2", &values![request, attempt]).await?.pop())
}

/// Says how an attempt ended. What was said first stays.
pub async fn end_attempt(
    conn: &mut Conn,
    request: RequestId,
    attempt: u8,
    outcome: &str,
    now: u64,
) -> Result<(), StoreError> {
    let sql = "update relay_attempts set ended_at = $1, outcome = $2 \
               where request = $3 and attempt = $4 and ended_at is null";
    execute(conn, sql, values![Count(now), outcome.to_owned(), request, attempt]).await?;
    Ok(())
}
