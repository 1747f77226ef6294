//! What workers hand in: commitments, the artifact, the result. Everything is durable before it is acknowledged.

use alloy::primitives::{Address, B256};
use alloy::sol_types::{SolStruct, SolValue};
use offsetdata_protocol::cid::{Cid, RAW};
use offsetdata_protocol::metrics::{PointsBlock, SeriesBuilder};
use offsetdata_protocol::worker_api::{CommitmentUpload, Finish, MAX_POINTS_BYTES};
use offsetdata_protocol::{Digest, messages};
use offsetdata_store::chain::requests::find_grace_end;
use offsetdata_store::relay::jobs::{self as rows, JobRow};
use offsetdata_store::relay::work::{self, ArtifactRow, CommitmentRow, SettlementRow};
use offsetdata_store::{Conn, Count, Tx};

use super::lease::find;
use super::state::Event;
use super::{JobError, Jobs, RelayerError, RequestId, Wanted, advance, commit, commit_key, settle_key};
use crate::checks::{self, CommitmentCase, FinishCase, Refusal, attempt};
use crate::landing::Terms;
use crate::scheduler::narrow;
use crate::transactions::Kind;
use offsetdata_protocol::bindings::training::TrainingCoordinator as training;

/// An artifact in the relayer's directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredArtifact {
    /// SHA-256 of the bytes.
    pub digest: Digest,
    /// CID.
    pub cid: Cid,
    /// Length.
    pub bytes: u64,
}

impl Jobs {
    /// Takes a commitment: checks it, stores its points, then row and transaction together. The last accepted sequence.
    ///
    /// # Errors
    /// [`JobError::Refused`] with what does not hold.
    pub async fn accept_commitment(
        &self,
        request: RequestId,
        worker: Address,
        upload: &CommitmentUpload,
        now: u64,
    ) -> Result<u32, JobError> {
        {
            let mut conn = self.pool.acquire().await?;
            if self.is_repeated(&mut conn, request, worker, upload).await? {
                return Ok(upload.sequence);
            }
            self.check_commitment(&mut conn, request, worker, upload, now, checks::check_commitment).await?;
        }
        self.blocks.put(RAW, &upload.points).await.map_err(RelayerError::from)?;
        // With all that other workers hand in at this moment: it is on disk once for all of them.
        let (this, upload) = (self.clone(), upload.clone());
        let kept = self.pool.write_together(move |tx| {
            Box::pin(async move { this.keep_commitment(tx, request, worker, &upload, now).await })
        });
        let sequence = kept.await?;
        self.wanted.notify_one();
        Ok(sequence)
    }

    /// Row and transaction of a commitment that was checked. Everyone else who writes waits meanwhile.
    async fn keep_commitment(
        &self,
        tx: &mut Tx,
        request: RequestId,
        worker: Address,
        upload: &CommitmentUpload,
        now: u64,
    ) -> Result<u32, JobError> {
        if self.is_repeated(tx, request, worker, upload).await? {
            return Ok(upload.sequence);
        }
        let again = checks::check_commitment_again;
        let (mut job, terms, head) = self.check_commitment(tx, request, worker, upload, now, again).await?;
        let previous = work::find_commitment(tx, request, job.sequence).await?;
        let is_first = previous.is_none_or(|previous| previous.attempt != upload.attempt);
        let assignment = if is_first {
            let resume_point =
                rows::find_attempt(tx, request, upload.attempt).await?.map_or(0, |row| row.resume_point);
            // Signed anew: the worker's own began to run when it got the job.
            let valid_until = now + u64::from(self.settings.assignment_seconds);
            Some(self.scheduler.assign(request, upload.attempt, worker, resume_point, valid_until)?)
        } else {
            None
        };
        let points_digest = B256::from(Digest::of(&upload.points));
        let call = training::Commitment {
            attempt: upload.attempt,
            sequence: upload.sequence,
            pointCount: upload.point_count,
            units: narrow(upload.units, "commitment.units")?,
            pointsDigest: points_digest,
            lastValues: upload.last_values,
        };
        let (kind, calldata) = terms.commit_call(assignment, call, upload.signature.clone());
        let dedupe = commit_key(request, upload.attempt, upload.sequence);
        self.want(tx, Wanted { kind, dedupe, request, terms: &terms, calldata }, now).await?;
        work::insert_commitment(
            tx,
            CommitmentRow {
                request,
                sequence: upload.sequence,
                attempt: upload.attempt,
                previous_head: upload.previous_head,
                head,
                points_digest,
                point_count: upload.point_count,
                units: Count(upload.units),
                last_values: upload.last_values,
                signature: upload.signature.clone(),
                accepted_at: Count(now),
            },
        )
        .await?;
        job.sequence = upload.sequence;
        job.head = head;
        job.point_count = upload.point_count;
        job.units = Count(upload.units);
        // Signed work is as good as a heartbeat.
        job.lease_until =
            job.lease_until.map(|until| Count(until.0.max(now + u64::from(self.settings.lease_seconds))));
        job.updated_at = Count(now);
        let state = job.state.clone();
        if !rows::advance_job(tx, &state, upload.attempt, &job).await? {
            return Err(Refusal::try_again("the job changed meanwhile").into());
        }
        Ok(upload.sequence)
    }

    /// Whether the very same was accepted before.
    async fn is_repeated(
        &self,
        conn: &mut Conn,
        request: RequestId,
        worker: Address,
        upload: &CommitmentUpload,
    ) -> Result<bool, JobError> {
        let Some(row) = work::find_commitment(conn, request, upload.sequence).await? else {
            return Ok(false);
        };
        let attempt = rows::find_attempt(conn, request, row.attempt).await?;
        Ok(attempt.is_some_and(|attempt| attempt.worker == worker)
            && row.attempt == upload.attempt
            && row.previous_head == upload.previous_head
            && row.point_count == upload.point_count
            && row.units.0 == upload.units
            && row.last_values == upload.last_values
            && row.signature == upload.signature
            && row.points_digest == B256::from(Digest::of(&upload.points)))
    }

    async fn check_commitment(
        &self,
        conn: &mut Conn,
        request: RequestId,
        worker: Address,
        upload: &CommitmentUpload,
        now: u64,
        check: fn(&CommitmentCase<'_>) -> Result<(), Refusal>,
    ) -> Result<(JobRow, Terms, B256), JobError> {
        let job = find(conn, request).await?;
        let terms = Terms::decode(&job.escrow, &job.details)?;
        let message = messages::Commitment {
            request: request.0,
            attempt: upload.attempt,
            sequence: upload.sequence,
            previousHead: upload.previous_head,
            pointsDigest: Digest::of(&upload.points).into(),
            pointCount: upload.point_count,
            units: narrow(upload.units, "units")
                .map_err(|_| Refusal::malformed("units has more than 48 bits"))?,
            lastValues: upload.last_values,
        };
        check(&CommitmentCase {
            job: &job,
            terms: &terms,
            grace_ends_at: self.grace_end(conn, request).await?,
            worker,
            upload,
            message: &message,
            domain: self.scheduler.domain(),
            now,
        })?;
        Ok((job, terms, message.eip712_hash_struct()))
    }

    async fn grace_end(&self, conn: &mut Conn, request: RequestId) -> Result<Option<u64>, JobError> {
        Ok(find_grace_end(conn, request).await?.map(|time| time.0))
    }

    /// Refuses an artifact before its bytes are taken.
    ///
    /// # Errors
    /// [`JobError::Refused`] where it is not this worker's attempt.
    pub async fn expect_artifact(
        &self,
        request: RequestId,
        worker: Address,
        attempt: u8,
    ) -> Result<(), JobError> {
        let mut conn = self.pool.acquire().await?;
        let job = find(&mut conn, request).await?;
        Ok(attempt::is_running(&job, worker, attempt)?)
    }

    /// Notes an artifact that lies in the directory.
    ///
    /// # Errors
    /// [`JobError::Refused`] where it is not this worker's attempt any more.
    pub async fn note_artifact(
        &self,
        request: RequestId,
        worker: Address,
        attempt: u8,
        artifact: &StoredArtifact,
        now: u64,
    ) -> Result<(), JobError> {
        let mut tx = self.pool.write().await?;
        let job = find(&mut tx, request).await?;
        attempt::is_running(&job, worker, attempt)?;
        let row = ArtifactRow {
            request,
            attempt,
            digest: artifact.digest.into(),
            cid: artifact.cid.to_string(),
            bytes: Count(artifact.bytes),
            stored_at: Count(now),
        };
        work::put_artifact(&mut tx, row).await?;
        Ok(commit(tx).await?)
    }

    /// Takes the result: checks it against all that was accepted, then row, state and transaction together.
    ///
    /// # Errors
    /// [`JobError::Refused`] with what does not hold.
    pub async fn finish(
        &self,
        request: RequestId,
        worker: Address,
        finish: &Finish,
        now: u64,
    ) -> Result<u32, JobError> {
        {
            let mut conn = self.pool.acquire().await?;
            if self.is_finished(&mut conn, request, worker, finish).await? {
                return Ok(finish.sequence);
            }
        }
        let series_root = self.series_root(request, finish.attempt).await?;
        let mut tx = self.pool.write().await?;
        let mut job = find(&mut tx, request).await?;
        let terms = Terms::decode(&job.escrow, &job.details)?;
        let artifact = work::find_artifact(&mut tx, request, finish.attempt).await?;
        let last = work::find_commitment(&mut tx, request, finish.sequence).await?;
        let units =
            narrow(finish.units, "units").map_err(|_| Refusal::malformed("units has more than 48 bits"))?;
        let message = messages::Settlement {
            request: request.0,
            attempt: finish.attempt,
            sequence: finish.sequence,
            head: finish.head,
            pointCount: finish.point_count,
            units,
            artifactDigest: finish.artifact_digest,
            artifactCid: finish.artifact_cid,
            seriesRoot: finish.series_root,
            inputsRoot: finish.inputs_root,
            resultValues: finish.result_values,
        };
        checks::check_finish(&FinishCase {
            job: &job,
            terms: &terms,
            grace_ends_at: self.grace_end(&mut tx, request).await?,
            worker,
            finish,
            message: &message,
            domain: self.scheduler.domain(),
            artifact: artifact.as_ref(),
            last: last.as_ref(),
            series_root,
            now,
        })?;
        let settlement = training::Settlement {
            attempt: finish.attempt,
            sequence: finish.sequence,
            pointCount: finish.point_count,
            units,
            artifactDigest: finish.artifact_digest,
            artifactCid: finish.artifact_cid,
            seriesRoot: finish.series_root,
            inputsRoot: finish.inputs_root,
            resultValues: finish.result_values,
        };
        work::put_settlement(
            &mut tx,
            SettlementRow {
                request,
                attempt: finish.attempt,
                settlement: settlement.abi_encode().into(),
                signature: finish.signature.clone(),
                accepted_at: Count(now),
            },
        )
        .await?;
        let calldata = terms.settle_call(settlement, finish.signature.clone());
        let dedupe = settle_key(request, finish.attempt);
        self.want(&mut tx, Wanted { kind: Kind::Settle, dedupe, request, terms: &terms, calldata }, now)
            .await?;
        job.units = Count(finish.units);
        job.progress_ppm = 1_000_000;
        advance(&mut tx, &mut job, Event::Finished, now).await?;
        commit(tx).await?;
        self.wanted.notify_one();
        Ok(finish.sequence)
    }

    async fn is_finished(
        &self,
        conn: &mut Conn,
        request: RequestId,
        worker: Address,
        finish: &Finish,
    ) -> Result<bool, JobError> {
        let Some(row) = work::find_settlement(conn, request).await? else { return Ok(false) };
        let attempt = rows::find_attempt(conn, request, row.attempt).await?;
        Ok(attempt.is_some_and(|attempt| attempt.worker == worker)
            && row.attempt == finish.attempt
            && row.signature == finish.signature)
    }

    /// Root over the points that count for this attempt, from their blocks: of each attempt before it those up to where
    /// a later one went on.
    async fn series_root(&self, request: RequestId, attempt: u8) -> Result<B256, JobError> {
        let commitments = {
            let mut conn = self.pool.acquire().await?;
            let mut commitments = work::list_commitments(&mut conn, request).await?;
            commitments.retain(|row| row.attempt <= attempt);
            let mut resumed = Vec::new();
            for row in &commitments {
                if resumed.last().is_none_or(|(last, _)| *last != row.attempt) {
                    let found = rows::find_attempt(&mut conn, request, row.attempt).await?;
                    resumed.push((row.attempt, found.map_or(0, |found| found.resume_point)));
                }
            }
            commitments
                .into_iter()
                .map(|row| (points_that_count(row.attempt, &resumed), row.points_digest))
                .collect::<Vec<_>>()
        };
        let corrupt = |error: offsetdata_protocol::ProtocolError| RelayerError::Corrupt {
            what: "points block",
            reason: error.to_string(),
        };
        let mut series = SeriesBuilder::new();
        for (end, digest) in commitments {
            let digest = Digest::from(digest);
            let bytes = self.blocks.get_raw(digest, MAX_POINTS_BYTES).await.map_err(RelayerError::from)?;
            let block = PointsBlock::decode(&bytes).map_err(corrupt)?;
            for point in block.points().iter().filter(|point| point.sequence < end) {
                series.push(point).map_err(corrupt)?;
            }
        }
        Ok(series.root().into())
    }
}

/// The first point of an attempt that does not count any more, as a later attempt measured it again. `resumed` has the
/// attempts that committed, in their order, each with its resume point.
fn points_that_count(attempt: u8, resumed: &[(u8, u32)]) -> u32 {
    resumed.iter().filter(|(later, _)| *later > attempt).map(|(_, point)| *point).min().unwrap_or(u32::MAX)
}
