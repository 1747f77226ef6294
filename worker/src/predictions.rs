//! Predictions beside the training: claims them, opens the version's artifact, predicts and signs. It decides nothing
//! about who may ask: the relayer and the user's client do.

use std::sync::Arc;
use std::time::Duration;

use alloy::sol_types::SolStruct;
use offsetdata_protocol::cid::{Cid, file_cid};
use offsetdata_protocol::deployments::Deployment;
use offsetdata_protocol::messages::{PredictionAnswer, relay_domain};
use offsetdata_protocol::record::RecordRef;
use offsetdata_protocol::relay_api::{
    MAX_PREDICTION_BYTES, MAX_PREDICTION_RECORDS, Prediction, predictions_digest,
};
use offsetdata_protocol::seal::{ContentPlace, ContentPurpose, SealingSecret};
use offsetdata_protocol::worker_api::{
    MAX_ARTIFACT_BYTES, PredictionDone, PredictionFailure, PredictionOffer,
};
use offsetdata_protocol::{Digest, relay_api};
use offsetdata_sdk::Account;

use crate::WorkerError;
use crate::dataset::DatasetError;
use crate::relay::{Relay, sign};
use crate::trainers::{BuiltIn, Model};

mod cache;

pub(crate) use cache::Cache;

/// How long a claim waits at the relayer.
const WAIT_SECONDS: u32 = 20;
/// Pause after a claim that failed.
const PAUSE: Duration = Duration::from_secs(10);

/// What predictions are made with.
#[derive(Debug, Clone)]
pub(crate) struct Predictor {
    pub(crate) relay: Relay,
    pub(crate) account: Account,
    pub(crate) deployment: Deployment,
    pub(crate) key: Arc<SealingSecret>,
    pub(crate) cache: Arc<Cache>,
}

impl Predictor {
    /// Answers one prediction after the other.
    pub(crate) async fn serve(&self) -> std::convert::Infallible {
        loop {
            match self.relay.claim_prediction(WAIT_SECONDS).await {
                Ok(Some(offer)) => self.answer(offer).await,
                Ok(None) => {}
                Err(error) => {
                    tracing::debug!(%error, "no prediction to claim");
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }

    async fn answer(&self, offer: PredictionOffer) {
        let (id, records) = (offer.id, offer.records.len());
        let told = match self.done(offer).await {
            Ok(done) => {
                tracing::info!(prediction = %id, records, "predicted");
                self.relay.answer_prediction(id, &done).await
            }
            Err(error) => {
                tracing::warn!(prediction = %id, %error, "not predicted");
                let reason = error.to_string().chars().take(2000).collect();
                let failure = PredictionFailure { reason, retryable: error.is_retryable() };
                self.relay.fail_prediction(id, &failure).await
            }
        };
        if let Err(error) = told {
            tracing::warn!(prediction = %id, %error, "the relayer was not told");
        }
    }

    async fn done(&self, offer: PredictionOffer) -> Result<PredictionDone, WorkerError> {
        let bytes: usize = offer.records.iter().map(|record| record.0.len()).sum();
        if offer.records.len() > MAX_PREDICTION_RECORDS || bytes > MAX_PREDICTION_BYTES {
            return Err(WorkerError::Offer(format!(
                "{} records with {bytes} bytes, at most {MAX_PREDICTION_RECORDS} with {MAX_PREDICTION_BYTES}",
                offer.records.len()
            )));
        }
        let trainer = BuiltIn::of_digest(offer.trainer).ok_or_else(|| {
            WorkerError::Unsupported(format!("no trainer here has the digest {}", offer.trainer))
        })?;
        let model = match self.cache.find(offer.artifact_digest, trainer) {
            Some(model) => model,
            None => self.fetch(&offer, trainer).await?,
        };
        let records = offer.records;
        let predicting = tokio::task::spawn_blocking(move || predict(&model, &records));
        let predictions = predicting.await.map_err(|error| {
            WorkerError::Trainer(crate::trainers::TrainerError::Backend(error.to_string()))
        })??;
        let answer = PredictionAnswer {
            prediction: offer.id,
            artifactDigest: offer.artifact_digest,
            predictionsDigest: predictions_digest(&predictions).0.into(),
        };
        let domain = relay_domain(self.deployment.chain_id, self.deployment.training_coordinator);
        let signature = sign(&self.account, answer.eip712_signing_hash(&domain))?;
        Ok(PredictionDone { predictions, signature })
    }

    /// The artifact: held against its CID, opened, held against its digest.
    async fn fetch(&self, offer: &PredictionOffer, trainer: BuiltIn) -> Result<Arc<Model>, WorkerError> {
        let refuse = |reason: String| WorkerError::Offer(reason);
        // Only a CID goes into the path of a call.
        let cid: Cid = offer.artifact_cid.parse().map_err(|error| refuse(format!("CID: {error}")))?;
        let sealed = self.relay.sealed_artifact(&cid.to_string(), MAX_ARTIFACT_BYTES as u64).await?;
        let (key, digest) = (self.key.clone(), offer.artifact_digest);
        let opening = tokio::task::spawn_blocking(move || open(&sealed, &cid, digest, trainer, &key));
        let (model, bytes) = opening.await.map_err(|error| refuse(error.to_string()))??;
        let model = Arc::new(model);
        self.cache.keep(digest, trainer, model.clone(), bytes);
        Ok(model)
    }
}

/// Opens a sealed artifact of the developer. Gives its length in the clear, too.
fn open(
    sealed: &[u8],
    cid: &Cid,
    digest: alloy::primitives::B256,
    trainer: BuiltIn,
    key: &SealingSecret,
) -> Result<(Model, usize), WorkerError> {
    let refuse = |reason: String| WorkerError::Artifact(reason);
    let found = file_cid(sealed);
    if found != *cid {
        return Err(refuse(format!("expected CID {cid}, found {found}")));
    }
    let place = ContentPlace::read(sealed)?;
    if place.purpose != ContentPurpose::Artifact {
        return Err(refuse(format!("sealed as {:?}", place.purpose)));
    }
    let clear = place
        .open(sealed, key)
        .map_err(|error| refuse(format!("{error}; is it the artifact key of the worker that trained?")))?;
    let found = Digest::of(&clear);
    if found.0 != digest.0 {
        return Err(refuse(format!("expected digest {digest}, found {found}")));
    }
    Ok((Model::load(trainer, &clear)?, clear.len()))
}

fn predict(
    model: &Model,
    records: &[offsetdata_protocol::gateway_api::Base64],
) -> Result<Vec<relay_api::Prediction>, WorkerError> {
    let decoded = (0u64..).zip(records).map(|(number, record)| {
        RecordRef::decode(&record.0)
            .map_err(|error| DatasetError::NoRecord { record: number, reason: error.to_string() })
    });
    let decoded = decoded.collect::<Result<Vec<_>, _>>()?;
    let predictions = model.predict(&decoded)?;
    Ok(predictions
        .into_iter()
        .map(|prediction| {
            let score = prediction.probabilities.get(prediction.label as usize).copied().unwrap_or(0.0);
            // Within 0 and 1,000,000, as probabilities are; the conversion saturates.
            let score_ppm = ((f64::from(score) * 1e6).round() as u32).min(1_000_000);
            Prediction { label: prediction.label, score_ppm }
        })
        .collect())
}

#[cfg(test)]
mod tests;
