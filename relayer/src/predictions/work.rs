//! What workers do about predictions: claim, answer, give up. A lease is a row; nothing is kept in memory.

use alloy::primitives::B256;
use offsetdata_protocol::gateway_api::Base64;
use offsetdata_protocol::messages::PredictionAnswer;
use offsetdata_protocol::relay_api::predictions_digest;
use offsetdata_protocol::worker_api::{PredictionDone, PredictionFailure, PredictionOffer};
use offsetdata_store::chain::models::is_worker_of_model;
use offsetdata_store::relay::predictions::{self as rows, PredictionRow};
use offsetdata_store::{Conn, Count};

use super::{AT_ONCE, Predictions, Stage, advance, commit, pack};
use crate::RelayerError;
use crate::checks::{Cause, Refusal, signature};
use crate::jobs::{Claimant, JobError};

/// The greatest score.
const CERTAIN: u32 = 1_000_000;

impl Predictions {
    /// The prediction whose lease the worker has, or the oldest one that it can make. Users believe workers of the base,
    /// and the one that made the version; whoever else this relayer lets train gets none.
    ///
    /// # Errors
    /// The database.
    pub async fn claim(
        &self,
        claimant: &Claimant,
        now: u64,
    ) -> Result<Option<PredictionOffer>, RelayerError> {
        // Workers that wait ask again and again: they hold up no writer for nothing.
        if !self.has_for(claimant, now).await? {
            return Ok(None);
        }
        let mut tx = self.pool.write().await?;
        if let Some(row) = rows::find_leased_to(&mut tx, claimant.worker, now).await? {
            return offer(row).map(Some);
        }
        for mut row in rows::list_in(&mut tx, Stage::Waiting.as_str(), AT_ONCE).await? {
            if now > row.valid_until.0 || !serves(&mut tx, claimant, &row).await? {
                continue;
            }
            row.worker = Some(claimant.worker);
            row.lease_until = Some(Count(now + u64::from(self.settings.prediction_seconds)));
            if advance(&mut tx, &mut row, Stage::Leased, now).await? {
                commit(tx).await?;
                return offer(row).map(Some);
            }
        }
        Ok(None)
    }

    async fn has_for(&self, claimant: &Claimant, now: u64) -> Result<bool, RelayerError> {
        let mut conn = self.pool.acquire().await?;
        if rows::find_leased_to(&mut conn, claimant.worker, now).await?.is_some() {
            return Ok(true);
        }
        for row in rows::list_in(&mut conn, Stage::Waiting.as_str(), AT_ONCE).await? {
            if now <= row.valid_until.0 && serves(&mut conn, claimant, &row).await? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Takes a worker's answer: its signature, its length, its lease.
    ///
    /// # Errors
    /// [`JobError::Refused`] with what does not hold.
    pub async fn answer(
        &self,
        id: B256,
        claimant: &Claimant,
        done: &PredictionDone,
        now: u64,
    ) -> Result<(), JobError> {
        let mut tx = self.pool.write().await?;
        let mut row = find(&mut tx, id).await?;
        if row.state == Stage::Answered.as_str()
            && row.worker == Some(claimant.worker)
            && row.signature.as_ref() == Some(&done.signature)
        {
            return Ok(());
        }
        is_leased_to(&row, claimant)?;
        if done.predictions.len() != row.record_count as usize {
            let detail = format!("{} records, got {} predictions", row.record_count, done.predictions.len());
            return Err(Refusal::rejected(Cause::Untrue, "wrongCount", detail).into());
        }
        if done.predictions.iter().any(|one| one.score_ppm > CERTAIN) {
            return Err(Refusal::malformed(format!("scorePpm is at most {CERTAIN}")).into());
        }
        let message = PredictionAnswer {
            prediction: id,
            artifactDigest: row.artifact_digest,
            predictionsDigest: predictions_digest(&done.predictions).into(),
        };
        signature::is_by(claimant.worker, &message, &self.domain, &done.signature)?;
        row.predictions = Some(pack(&done.predictions).into());
        row.signature = Some(done.signature.clone());
        if !advance(&mut tx, &mut row, Stage::Answered, now).await? {
            return Err(Refusal::try_again("the prediction changed meanwhile").into());
        }
        commit(tx).await?;
        self.answered.notify_waiters();
        Ok(())
    }

    /// The worker could not.
    ///
    /// # Errors
    /// [`JobError::Refused`] where it does not have the lease.
    pub async fn fail(
        &self,
        id: B256,
        claimant: &Claimant,
        failure: &PredictionFailure,
        now: u64,
    ) -> Result<(), JobError> {
        let row = {
            let mut conn = self.pool.acquire().await?;
            find(&mut conn, id).await?
        };
        // The same call again.
        if row.worker == Some(claimant.worker) && row.state != Stage::Leased.as_str() {
            return Ok(());
        }
        is_leased_to(&row, claimant)?;
        if failure.retryable {
            self.give_back(row, &failure.reason, now).await?;
        } else {
            self.step(row, Stage::Failed, &failure.reason, now).await?;
        }
        Ok(())
    }
}

async fn serves(conn: &mut Conn, claimant: &Claimant, row: &PredictionRow) -> Result<bool, RelayerError> {
    Ok(claimant.trainers.contains(&row.trainer)
        && (row.version_worker == claimant.worker
            || is_worker_of_model(conn, row.model, claimant.worker).await?))
}

async fn find(conn: &mut Conn, id: B256) -> Result<PredictionRow, JobError> {
    rows::find_prediction(conn, id).await?.ok_or_else(|| {
        Refusal::rejected(Cause::Unknown, "unknownPrediction", format!("no prediction {id}")).into()
    })
}

/// A lease that has ended is still one until the prediction went to another worker.
fn is_leased_to(row: &PredictionRow, claimant: &Claimant) -> Result<(), Refusal> {
    if row.worker != Some(claimant.worker) {
        return Err(Refusal::rejected(Cause::Foreign, "notYourPrediction", "another worker has it"));
    }
    if row.state != Stage::Leased.as_str() {
        return Err(Refusal::rejected(Cause::Conflict, "stale", format!("the prediction is {}", row.state)));
    }
    Ok(())
}

fn offer(row: PredictionRow) -> Result<PredictionOffer, RelayerError> {
    let records: Vec<Base64> = serde_json::from_str(&row.records).map_err(|error| RelayerError::Corrupt {
        what: "relay_predictions.records",
        reason: error.to_string(),
    })?;
    Ok(PredictionOffer {
        id: row.id,
        model: row.model.0,
        version: row.version,
        trainer: row.trainer,
        artifact_digest: row.artifact_digest,
        artifact_cid: row.artifact_cid,
        records,
        lease_until: row.lease_until.map_or(0, |until| until.0),
    })
}
