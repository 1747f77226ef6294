//! Predictions: small jobs for whoever may use a model. Asked for with the account's signature, given to a worker of the
//! model's base, answered with the worker's. It predicts nothing and can't: artifacts are ciphertext here.

mod ask;
mod settings;
mod stage;
mod work;

use std::sync::Arc;

use alloy::primitives::{Address, B256};
use alloy::sol_types::Eip712Domain;
use offsetdata_protocol::relay_api::{Prediction, PredictionResult, PredictionState};
use offsetdata_store::relay::predictions::{self as rows, PredictionRow};
use offsetdata_store::{Count, Pool, StoreError, Tx};
use tokio::sync::Notify;

use crate::RelayerError;
use crate::chain::Chain;
pub use settings::PredictionSettings;
pub use stage::Stage;

/// Rows are kept for so long.
const KEPT_SECONDS: u64 = 86_400;
/// A prediction is given to a worker so often at most.
const MAX_TRIES: u8 = 3;
const AT_ONCE: u32 = 200;

/// All steps of predictions. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Predictions {
    /// The database.
    pub pool: Pool,
    /// The node.
    pub chain: Chain,
    /// Where models and their users stand.
    pub model_registry: Address,
    /// The domain of requests and answers.
    pub domain: Eip712Domain,
    /// Our public URL, which requests name.
    pub audience: String,
    /// Blocks until a right counts.
    pub confirmations: u64,
    /// Limits.
    pub settings: PredictionSettings,
    /// Wakes claims that wait.
    pub asked: Arc<Notify>,
    /// Wakes users that wait.
    pub answered: Arc<Notify>,
}

impl Predictions {
    /// A prediction by its id.
    ///
    /// # Errors
    /// The database.
    pub async fn find(&self, id: B256) -> Result<Option<PredictionRow>, RelayerError> {
        let mut conn = self.pool.acquire().await?;
        Ok(rows::find_prediction(&mut conn, id).await?)
    }

    /// Takes back what workers did not answer in time, ends what nobody answered, and forgets what is old.
    ///
    /// # Errors
    /// The database.
    pub async fn round(&self, now: u64) -> Result<(), RelayerError> {
        for stage in [Stage::Leased, Stage::Waiting] {
            let open = {
                let mut conn = self.pool.acquire().await?;
                rows::list_in(&mut conn, stage.as_str(), AT_ONCE).await?
            };
            for row in open {
                let is_lost = row.lease_until.is_some_and(|until| until.0 <= now);
                let is_late = now > row.valid_until.0;
                match stage {
                    Stage::Leased if is_lost => {
                        self.give_back(row, "the worker was not heard in time", now).await?
                    }
                    Stage::Waiting if is_late => {
                        self.step(row, Stage::Failed, "no worker answered in time", now).await?;
                    }
                    _ => {}
                }
            }
        }
        let oldest = now.saturating_sub(KEPT_SECONDS);
        let has_old = {
            let mut conn = self.pool.acquire().await?;
            rows::has_before(&mut conn, oldest).await?
        };
        if has_old {
            let mut tx = self.pool.write().await?;
            rows::delete_before(&mut tx, oldest).await?;
            commit(tx).await?;
        }
        Ok(())
    }

    /// To another worker, or the end after too many.
    async fn give_back(&self, row: PredictionRow, reason: &str, now: u64) -> Result<(), RelayerError> {
        let over = row.tries >= MAX_TRIES || now > row.valid_until.0;
        self.step(row, if over { Stage::Failed } else { Stage::Waiting }, reason, now).await
    }

    /// Moves a prediction on without an answer.
    async fn step(
        &self,
        mut row: PredictionRow,
        next: Stage,
        reason: &str,
        now: u64,
    ) -> Result<(), RelayerError> {
        let mut tx = self.pool.write().await?;
        row.lease_until = None;
        if next == Stage::Failed {
            row.failure = Some(reason.to_owned());
        }
        advance(&mut tx, &mut row, next, now).await?;
        commit(tx).await?;
        tracing::info!(id = %row.id, state = row.state, reason, "prediction");
        if next == Stage::Failed {
            self.answered.notify_waiters();
        } else {
            self.asked.notify_waiters();
        }
        Ok(())
    }
}

/// Writes a prediction's next stage with what else changed in it. False where it is not where `row` says any more.
async fn advance(tx: &mut Tx, row: &mut PredictionRow, next: Stage, now: u64) -> Result<bool, RelayerError> {
    let from = Stage::read(&row.state)?;
    if !from.may_become(next) {
        let reason = format!("{} is {} and can't become {}", row.id, row.state, next.as_str());
        return Err(RelayerError::Corrupt { what: "relay_predictions.state", reason });
    }
    let tries = row.tries;
    row.state = next.as_str().to_owned();
    row.updated_at = Count(now);
    match next {
        Stage::Leased => row.tries = tries.saturating_add(1),
        Stage::Answered | Stage::Failed => {
            row.lease_until = None;
            // Nobody needs the user's records any more.
            row.records.clear();
        }
        Stage::Waiting => {}
    }
    Ok(rows::advance_prediction(tx, from.as_str(), tries, row).await?)
}

async fn commit(tx: Tx) -> Result<(), RelayerError> {
    Ok(tx.commit().await.map_err(StoreError::from)?)
}

/// A row as its user sees it.
///
/// # Errors
/// A row of ours that does not hold what it should.
pub fn state_of(row: &PredictionRow) -> Result<PredictionState, RelayerError> {
    let corrupt =
        |reason: &str| RelayerError::Corrupt { what: "relay_predictions", reason: reason.to_owned() };
    let result = match Stage::read(&row.state)? {
        Stage::Answered => {
            let bytes = row.predictions.as_ref().ok_or_else(|| corrupt("an answer without predictions"))?;
            Some(PredictionResult {
                worker: row.worker.ok_or_else(|| corrupt("an answer without a worker"))?,
                artifact_digest: row.artifact_digest,
                predictions: unpack(bytes),
                signature: row.signature.clone().ok_or_else(|| corrupt("an answer without a signature"))?,
            })
        }
        _ => None,
    };
    Ok(PredictionState { id: row.id, version: row.version, failure: row.failure.clone(), result })
}

fn pack(predictions: &[Prediction]) -> Vec<u8> {
    let words = predictions.iter().flat_map(|one| [one.label.to_be_bytes(), one.score_ppm.to_be_bytes()]);
    words.flatten().collect()
}

fn unpack(bytes: &[u8]) -> Vec<Prediction> {
    let word = |bytes: &[u8]| bytes.iter().fold(0u32, |word, byte| word << 8 | u32::from(*byte));
    let one = |part: &[u8]| Prediction { label: word(&part[..4]), score_ppm: word(&part[4..]) };
    bytes.chunks_exact(8).map(one).collect()
}
