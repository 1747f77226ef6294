//! Metric points, read from the blocks that commitments name, and what is still to be fetched. It fetches nothing itself.

use alloy::primitives::B256;
use offsetdata_protocol::ids::RequestId;
use sqlx::Row;

use crate::codec::{Column, Count, Put};
use crate::record::{find, insert, record, select};
use crate::{Conn, StoreError};

use super::Position;
use super::fetch::FetchStatus;
use super::training::{CommitmentRow, LandedCommitment};

record! {
    /// State of a commitment's points.
    PointsFetchRow in "points_fetches" {
        /// Of the commitment.
        position: Position,
        /// The request.
        request: RequestId,
        /// Whether they are here.
        status: FetchStatus,
        /// How often they were asked for.
        tries: u32,
        /// When they are asked for next, Unix seconds.
        next_try_at: Count,
    }
}

record! {
    /// A metric point.
    PointRow in "metric_points" {
        /// Of the commitment.
        position: Position,
        /// Place in the series, from 0.
        sequence: u32,
        /// The request.
        request: RequestId,
        /// The attempt that measured it.
        attempt: u8,
        /// Step of the training.
        step: u64,
        /// What was measured.
        key: String,
        /// Times 1,000,000; codes as `protocol::metrics` says.
        value: i64,
    }
}

/// Points to be fetched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PointsToFetch {
    /// State of the fetch.
    pub fetch: PointsFetchRow,
    /// The commitment that names the block.
    pub commitment: LandedCommitment,
    /// Points of the series before it, so that the block's first sequence is known: `resumePoint` for the first
    /// commitment of an attempt.
    pub points_before: u32,
}

/// Fetches that are due at `now` (Unix seconds), those never tried first.
///
/// # Errors
/// A database that can't be read; so everywhere below.
pub async fn list_due_fetches(
    conn: &mut Conn,
    now: u64,
    limit: u32,
) -> Result<Vec<PointsToFetch>, StoreError> {
    let fetches: Vec<PointsFetchRow> = select(
        conn,
        "status in (0, 2) and next_try_at <= $1 order by status, next_try_at, position limit $2",
        &[Count(now).value(), limit.value()],
    )
    .await?;
    let mut due = Vec::with_capacity(fetches.len());
    for fetch in fetches {
        let Some(commitment) = find::<LandedCommitment>(conn, "position", &fetch.position).await? else {
            continue;
        };
        let points_before = points_before(conn, &commitment).await?;
        due.push(PointsToFetch { fetch, commitment, points_before });
    }
    Ok(due)
}

async fn points_before(conn: &mut Conn, commitment: &LandedCommitment) -> Result<u32, StoreError> {
    let row = sqlx::query(
        "select coalesce((select c.point_count from landed_commitments c where c.request = $1 and c.attempt = $2
                              and c.sequence < $3 order by c.sequence desc limit 1),
                         (select a.resume_point from attempts a where a.request = $1 and a.attempt = $2),
                         0) as points",
    )
    .put(&commitment.request)
    .put(&commitment.attempt)
    .put(&commitment.sequence)
    .fetch_one(conn)
    .await?;
    u32::read(&row, "points")
}

/// Keeps the points of a commitment, if the chain still has it under this digest and they are not kept already.
/// Answers whether anything was written.
pub async fn insert_points(
    conn: &mut Conn,
    commitment: &LandedCommitment,
    points: &[PointRow],
    now: u64,
) -> Result<bool, StoreError> {
    if !advance_fetch(conn, commitment, FetchStatus::Stored, now).await? {
        return Ok(false);
    }
    insert(conn, points).await?;
    Ok(true)
}

/// Moves a fetch on, if the chain still has the commitment under this digest and the fetch is not at its end already.
/// Answers whether it moved. `next_try_at` is when it is tried again, in Unix seconds.
pub async fn advance_fetch(
    conn: &mut Conn,
    commitment: &LandedCommitment,
    status: FetchStatus,
    next_try_at: u64,
) -> Result<bool, StoreError> {
    let done = sqlx::query(
        "update points_fetches set status = $1, tries = tries + 1, next_try_at = $2
         where position = $3 and status in (0, 2) and exists (
             select 1 from commitments c where c.position = $3 and c.points_digest = $4 and c.request = $5)",
    )
    .put(&status)
    .put(&Count(next_try_at))
    .put(&commitment.position)
    .put(&commitment.points_digest)
    .put(&commitment.request)
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// The state of a commitment's points.
pub async fn find_fetch(conn: &mut Conn, commitment: Position) -> Result<Option<PointsFetchRow>, StoreError> {
    find(conn, "position", &commitment).await
}

/// Which points of a request.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PointsFilter {
    /// Only this metric.
    pub key: Option<String>,
    /// Also those that a later attempt, which went on from an earlier point, replaced.
    pub with_replaced: bool,
    /// Only points beyond this (commitment, sequence), in the direction of the list.
    pub after: Option<(Position, u32)>,
    /// Only points on this side of this one.
    pub before: Option<(Position, u32)>,
    /// The last committed first.
    pub newest_first: bool,
}

/// Points of a request, in the order in which they were committed or against it.
pub async fn list_points(
    conn: &mut Conn,
    request: RequestId,
    filter: &PointsFilter,
    limit: u32,
) -> Result<Vec<PointRow>, StoreError> {
    let mut values = vec![request.value()];
    let mut rest = "request = $1".to_owned();
    if let Some(key) = &filter.key {
        values.push(key.value());
        rest += &format!(" and key = ${}", values.len());
    }
    let (beyond, within, direction) = if filter.newest_first { ("<", ">", " desc") } else { (">", "<", "") };
    for (bound, side) in [(filter.after, beyond), (filter.before, within)] {
        if let Some((position, sequence)) = bound {
            values.push(position.value());
            values.push(sequence.value());
            rest += &format!(" and (position, sequence) {side} (${}, ${})", values.len() - 1, values.len());
        }
    }
    if !filter.with_replaced {
        rest += " and not exists (select 1 from attempts a where a.request = metric_points.request
                  and a.attempt > metric_points.attempt and a.resume_point <= metric_points.sequence)";
    }
    values.push(limit.value());
    rest += &format!(" order by position{direction}, sequence{direction} limit ${}", values.len());
    select(conn, &rest, &values).await
}

/// Points of one commitment beyond a sequence, in order.
pub async fn list_points_of(
    conn: &mut Conn,
    commitment: Position,
    after: Option<u32>,
    limit: u32,
) -> Result<Vec<PointRow>, StoreError> {
    let after = after.map_or(-1, i64::from);
    let values = [commitment.value(), after.value(), limit.value()];
    select(conn, "position = $1 and sequence > $2 order by sequence limit $3", &values).await
}

/// The names of the metrics of a request.
pub async fn list_keys(conn: &mut Conn, request: RequestId) -> Result<Vec<String>, StoreError> {
    let rows =
        sqlx::query("select distinct key from metric_points where request = $1 order by key limit 1000")
            .put(&request)
            .fetch_all(conn)
            .await?;
    rows.iter().map(|row| Ok(row.try_get("key")?)).collect()
}

/// How many fetches stand at each status, for whoever watches the service.
pub async fn count_fetches(conn: &mut Conn, status: FetchStatus) -> Result<u64, StoreError> {
    let row = sqlx::query("select count(*) as n from points_fetches where status = $1")
        .put(&status)
        .fetch_one(conn)
        .await?;
    Ok(Count::read(&row, "n")?.0)
}

/// The fetch that a new commitment needs.
pub fn fetch_of(commitment: &CommitmentRow) -> PointsFetchRow {
    let empty = commitment.points_digest == B256::ZERO;
    PointsFetchRow {
        position: commitment.position,
        request: commitment.request,
        status: if empty { FetchStatus::Stored } else { FetchStatus::Waiting },
        tries: 0,
        next_try_at: Count(0),
    }
}
