//! Fetches the metric points that commitments name, beside the chain: a block that nobody has delays nothing else.
//! It trusts no block: the digest is the address, and only points that fit their commitment are kept.

use std::time::Duration;

use offsetdata_content::{Blocks, ContentError};
use offsetdata_protocol::cid::{RAW, block_cid};
use offsetdata_protocol::metrics::PointsBlock;
use offsetdata_protocol::worker_api::MAX_POINTS_BYTES;
use offsetdata_store::chain::fetch::FetchStatus;
use offsetdata_store::chain::points::{self, PointRow, PointsToFetch};
use offsetdata_store::{Pool, StoreError};

use crate::error::IndexerError;

/// Fetches in one round.
const ROUND: u32 = 64;
/// How long a block store may take for one block.
const TIMEOUT: Duration = Duration::from_secs(15);
/// Longest wait before an unavailable block is asked for again, in seconds.
const LONGEST_WAIT: u64 = 600;

/// Fetches what is due at `now` (Unix seconds). Answers how many commitments were moved on.
///
/// # Errors
/// A database that can't be read or written. A block that is missing or wrong is no error.
pub async fn fetch_due(pool: &Pool, blocks: &Blocks, now: u64) -> Result<usize, IndexerError> {
    let due = points::list_due_fetches(&mut *pool.read().await?, now, ROUND).await?;
    let count = due.len();
    for wanted in due {
        let read = read_block(blocks, &wanted).await;
        let mut tx = pool.write().await?;
        match read {
            Ok(rows) => {
                points::insert_points(&mut tx, &wanted.commitment, &rows, now).await?;
            }
            Err(Refused::Invalid(reason)) => {
                tracing::warn!(request = %wanted.commitment.request, sequence = wanted.commitment.sequence, reason,
                    "a commitment names a block that holds no such points");
                points::advance_fetch(&mut tx, &wanted.commitment, FetchStatus::Invalid, now).await?;
            }
            Err(Refused::Missing(reason)) => {
                tracing::debug!(request = %wanted.commitment.request, sequence = wanted.commitment.sequence, reason,
                    "points are not available");
                // The relayer stores the block before it lands the commitment, so the first tries are close together.
                let wait =
                    1u64.checked_shl(wanted.fetch.tries.min(16)).unwrap_or(LONGEST_WAIT).min(LONGEST_WAIT);
                let status = FetchStatus::Unavailable;
                points::advance_fetch(&mut tx, &wanted.commitment, status, now + wait).await?;
            }
        }
        tx.commit().await.map_err(StoreError::from)?;
    }
    Ok(count)
}

enum Refused {
    Missing(String),
    Invalid(String),
}

async fn read_block(blocks: &Blocks, wanted: &PointsToFetch) -> Result<Vec<PointRow>, Refused> {
    let cid = block_cid(RAW, wanted.commitment.points_digest.into());
    let read = tokio::time::timeout(TIMEOUT, blocks.get(&cid, MAX_POINTS_BYTES)).await;
    let bytes = match read {
        Ok(Ok(bytes)) => bytes,
        Ok(Err(ContentError::NotFound { .. })) => {
            return Err(Refused::Missing("nobody has the block".to_owned()));
        }
        Ok(Err(error @ ContentError::TooLarge { .. })) => return Err(Refused::Invalid(error.to_string())),
        Ok(Err(error)) => return Err(Refused::Missing(error.to_string())),
        Err(_) => return Err(Refused::Missing(format!("no answer within {} s", TIMEOUT.as_secs()))),
    };
    rows_of(&bytes, wanted).map_err(Refused::Invalid)
}

/// The rows of a block, where it holds just the points that its commitment adds.
fn rows_of(block: &[u8], wanted: &PointsToFetch) -> Result<Vec<PointRow>, String> {
    let commitment = &wanted.commitment;
    let points = PointsBlock::decode(block).map_err(|error| error.to_string())?;
    let expected = wanted.points_before..commitment.point_count;
    let matches = points.points().len() as u64
        == u64::from(commitment.point_count.saturating_sub(wanted.points_before))
        && points.points().first().is_none_or(|point| point.sequence == expected.start);
    if !matches {
        let first = points.points().first().map(|point| point.sequence);
        return Err(format!("expected points {expected:?}, got {} from {first:?}", points.points().len()));
    }
    Ok(points
        .into_points()
        .into_iter()
        .map(|point| PointRow {
            position: commitment.position,
            sequence: point.sequence,
            request: commitment.request,
            attempt: commitment.attempt,
            step: point.step,
            key: point.key.into(),
            value: point.value.code(),
        })
        .collect())
}
