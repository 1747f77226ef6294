//! Checkpoints: where one may stand, which one a new attempt goes on from, and when its file goes. It reads no byte of
//! one.

use alloy::primitives::{Address, B256};
use offsetdata_protocol::Digest;
use offsetdata_protocol::cid::{Cid, parts};
use offsetdata_protocol::ids::RequestId;
use offsetdata_store::chain::models::is_worker_of_model;
use offsetdata_store::relay::checkpoints::{self as rows, CheckpointRow};
use offsetdata_store::relay::jobs::{find_attempt, find_job};
use offsetdata_store::relay::predictions::find_artifact_by_cid;
use offsetdata_store::relay::work::{self, ArtifactRow};
use offsetdata_store::{Conn, Count};

use super::lease::{Claimant, find};
use super::{JobError, Jobs, RelayerError, commit};
use crate::checks::{Cause, Refusal, attempt};

/// So many checkpoints of ended jobs are removed in a round.
const REMOVE_AT_ONCE: u32 = 100;

/// After which accepted commitment a checkpoint stands: every point before it is durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CheckpointPlace {
    /// The attempt.
    pub attempt: u8,
    /// Sequence of the commitment.
    pub sequence: u32,
    /// Its points.
    pub point_count: u32,
    /// Its units.
    pub units: u64,
}

/// The file of a checkpoint. No two jobs share one.
pub(crate) fn checkpoint_name(request: RequestId, digest: B256) -> String {
    format!("{}-{}", alloy::hex::encode(request.0), alloy::hex::encode(digest))
}

impl Jobs {
    /// Refuses a checkpoint before its bytes are taken.
    ///
    /// # Errors
    /// [`JobError::Refused`]: not this worker's attempt; no accepted commitment at this place; an older one.
    pub async fn expect_checkpoint(
        &self,
        request: RequestId,
        worker: Address,
        place: CheckpointPlace,
    ) -> Result<(), JobError> {
        let mut conn = self.pool.acquire().await?;
        check(&mut conn, request, worker, place).await
    }

    /// Notes a checkpoint whose file is durable; the file of the one before goes.
    ///
    /// # Errors
    /// As [`Jobs::expect_checkpoint`]: meanwhile another attempt may run.
    pub async fn note_checkpoint(
        &self,
        request: RequestId,
        worker: Address,
        place: CheckpointPlace,
        digest: Digest,
        bytes: u64,
        now: u64,
    ) -> Result<(), JobError> {
        let digest = B256::from(digest);
        let noted = self.replace(request, worker, place, digest, bytes, now).await;
        match &noted {
            Ok(Some(before)) if before.digest != digest => {
                self.checkpoints.remove(&checkpoint_name(request, before.digest)).await;
            }
            Ok(_) => {}
            Err(_) => self.remove_unless_noted(request, digest).await,
        }
        noted.map(|_| ())
    }

    async fn replace(
        &self,
        request: RequestId,
        worker: Address,
        place: CheckpointPlace,
        digest: B256,
        bytes: u64,
        now: u64,
    ) -> Result<Option<CheckpointRow>, JobError> {
        let mut tx = self.pool.write().await?;
        check(&mut tx, request, worker, place).await?;
        let before = rows::find_checkpoint(&mut tx, request).await?;
        let row = CheckpointRow {
            request,
            attempt: place.attempt,
            sequence: place.sequence,
            point_count: place.point_count,
            units: Count(place.units),
            digest,
            bytes: Count(bytes),
            stored_at: Count(now),
        };
        rows::put_checkpoint(&mut tx, row).await?;
        commit(tx).await?;
        Ok(before)
    }

    async fn remove_unless_noted(&self, request: RequestId, digest: B256) {
        let Ok(mut conn) = self.pool.acquire().await else { return };
        if let Ok(row) = rows::find_checkpoint(&mut conn, request).await
            && row.is_none_or(|row| row.digest != digest)
        {
            self.checkpoints.remove(&checkpoint_name(request, digest)).await;
        }
    }

    /// The checkpoint of a job, for the worker that makes its current attempt.
    ///
    /// # Errors
    /// [`JobError::Refused`]: another worker's job, or there is no checkpoint.
    pub async fn checkpoint_for(
        &self,
        request: RequestId,
        worker: Address,
    ) -> Result<CheckpointRow, JobError> {
        let mut conn = self.pool.acquire().await?;
        let job = find(&mut conn, request).await?;
        attempt::is_current(&job, worker, job.attempt)?;
        rows::find_checkpoint(&mut conn, request).await?.ok_or_else(|| {
            Refusal::rejected(Cause::Unknown, "noCheckpoint", "this job has no checkpoint").into()
        })
    }

    /// Forgets a checkpoint whose file is lost.
    ///
    /// # Errors
    /// The database.
    pub async fn forget_checkpoint(&self, lost: &CheckpointRow) -> Result<(), RelayerError> {
        tracing::error!(request = %lost.request, "the file of a checkpoint is lost; the next attempt begins anew");
        let mut tx = self.pool.write().await?;
        if rows::find_checkpoint(&mut tx, lost.request).await?.as_ref() == Some(lost) {
            rows::delete_checkpoint(&mut tx, lost.request).await?;
        }
        commit(tx).await
    }

    /// Removes checkpoints of jobs that have ended.
    ///
    /// # Errors
    /// The database.
    pub async fn clear_checkpoints(&self) -> Result<(), RelayerError> {
        let ended = {
            let mut conn = self.pool.acquire().await?;
            rows::list_of_ended(&mut conn, REMOVE_AT_ONCE).await?
        };
        for row in ended {
            let mut tx = self.pool.write().await?;
            rows::delete_checkpoint(&mut tx, row.request).await?;
            commit(tx).await?;
            self.checkpoints.remove(&checkpoint_name(row.request, row.digest)).await;
        }
        Ok(())
    }

    /// Removes files that no row names, as a kill between file and row leaves them. Before anything is served.
    ///
    /// # Errors
    /// The database, the disk.
    pub async fn sweep_checkpoints(&self) -> Result<(), RelayerError> {
        for name in self.checkpoints.names()? {
            let request =
                name.split_once('-').and_then(|(request, _)| request.parse::<B256>().ok()).map(RequestId);
            let named = match request {
                Some(request) => {
                    let mut conn = self.pool.acquire().await?;
                    let row = rows::find_checkpoint(&mut conn, request).await?;
                    row.is_some_and(|row| checkpoint_name(request, row.digest) == name)
                }
                None => false,
            };
            if !named {
                self.checkpoints.remove(&name).await;
            }
        }
        Ok(())
    }

    /// The artifact with this CID, for a worker of the base that it was trained for.
    ///
    /// # Errors
    /// [`JobError::Refused`]: none is kept here, or it is not this worker's.
    pub async fn artifact_for(&self, cid: &Cid, claimant: &Claimant) -> Result<ArtifactRow, JobError> {
        parts(cid).map_err(|error| Refusal::malformed(error.to_string()))?;
        let mut conn = self.pool.acquire().await?;
        let unknown =
            || Refusal::rejected(Cause::Unknown, "noArtifact", format!("no artifact {cid} is kept here"));
        let row = find_artifact_by_cid(&mut conn, &cid.to_string()).await?.ok_or_else(unknown)?;
        let job = find_job(&mut conn, row.request).await?.ok_or_else(unknown)?;
        let made = find_attempt(&mut conn, row.request, row.attempt).await?;
        let is_its_own = made.is_some_and(|made| made.worker == claimant.worker);
        if is_its_own
            || claimant.is_listed
            || is_worker_of_model(&mut conn, job.model, claimant.worker).await?
        {
            return Ok(row);
        }
        let detail = "only workers of the model's base get its artifacts";
        Err(Refusal::rejected(Cause::Foreign, "notYourArtifact", detail).into())
    }
}

async fn check(
    conn: &mut Conn,
    request: RequestId,
    worker: Address,
    place: CheckpointPlace,
) -> Result<(), JobError> {
    let job = find(conn, request).await?;
    attempt::is_running(&job, worker, place.attempt)?;
    let commitment = work::find_commitment(conn, request, place.sequence).await?;
    let stands = commitment.is_some_and(|row| {
        (row.attempt, row.point_count, row.units.0) == (place.attempt, place.point_count, place.units)
    });
    if !stands {
        let detail = format!(
            "attempt {} has no accepted commitment {} with {} points and {} units; the last of the job is {} with {} and {}",
            place.attempt,
            place.sequence,
            place.point_count,
            place.units,
            job.sequence,
            job.point_count,
            job.units.0
        );
        return Err(Refusal::rejected(Cause::Conflict, "wrongCheckpoint", detail).into());
    }
    let newer = rows::find_checkpoint(conn, request).await?.filter(|kept| kept.sequence > place.sequence);
    if let Some(newer) = newer {
        let detail = format!("one after commitment {} is kept already", newer.sequence);
        return Err(Refusal::rejected(Cause::Conflict, "olderCheckpoint", detail).into());
    }
    Ok(())
}
