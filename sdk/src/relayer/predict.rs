//! Predictions of a model: asked for with the account's signature, answered by a worker, verified here. It reads no
//! record.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use alloy::primitives::aliases::U40;
use alloy::primitives::{Address, B256, Bytes, Signature};
use alloy::signers::SignerSync;
use alloy::sol_types::{Eip712Domain, SolStruct};
use offsetdata_protocol::bindings::models::ModelRegistry;
use offsetdata_protocol::bindings::training::TrainingCoordinator::{VersionAppended, versionCountOfCall};
use offsetdata_protocol::gateway_api::Base64;
use offsetdata_protocol::ids::ModelId;
use offsetdata_protocol::messages::{PredictionAnswer, PredictionRequest, relay_domain};
use offsetdata_protocol::relay_api::{
    MAX_PREDICTION_BYTES, MAX_PREDICTION_RECORDS, MAX_PREDICTION_WAIT_SECONDS, Prediction, PredictionResult,
    PredictionState, PredictionUpload, predictions_digest,
};
use tokio::time::Instant;

use super::Relayer;
use crate::{Account, SdkError};

/// How long predictions are waited for, in seconds.
const ANSWERED_WITHIN: u64 = 600;

/// Predictions whose worker, signature and version hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Predictions {
    /// hashStruct of the signed request.
    pub id: B256,
    /// The version that answered.
    pub version: u32,
    /// Who predicted.
    pub worker: Address,
    /// SHA-256 of the version's artifact in the clear, as it stands on the chain.
    pub artifact_digest: B256,
    /// One for each record, in their order.
    pub predictions: Vec<Prediction>,
    /// The worker's signature over `PredictionAnswer`.
    pub signature: Bytes,
}

impl Relayer {
    /// Asks for predictions of a model's version (0 for the newest) for up to 1024 DAG-CBOR records of together 4 MiB,
    /// waits for them and verifies: the worker's signature over exactly these, that it is a worker of the model's base or
    /// made the version, and that the artifact is the version's.
    ///
    /// # Errors
    /// A refusal: not allowed, deleted, no such version, no worker; an answer that does not hold.
    pub async fn predict(
        &self,
        account: &Account,
        model: ModelId,
        version: u32,
        records: &[Vec<u8>],
    ) -> Result<Predictions, SdkError> {
        let bytes: usize = records.iter().map(Vec::len).sum();
        if records.is_empty() || records.len() > MAX_PREDICTION_RECORDS || bytes > MAX_PREDICTION_BYTES {
            return Err(SdkError::Terms(format!(
                "a prediction is of 1 to {MAX_PREDICTION_RECORDS} records of together {MAX_PREDICTION_BYTES} bytes, got \
                 {} of {bytes}",
                records.len()
            )));
        }
        let made = self.version(model, version).await?;
        let (upload, id) = self.ask(account, model, made.version, records)?;
        let path = format!("/v1/models/{model}/predictions?waitSeconds={MAX_PREDICTION_WAIT_SECONDS}");
        let until = Instant::now() + Duration::from_secs(ANSWERED_WITHIN);
        loop {
            let state: PredictionState = self.wire.post(&path, &upload).await?;
            if state.id != id || state.version != made.version {
                return Err(self.wire.failed(format!("it answers another request than {id}")));
            }
            if let Some(result) = state.result {
                self.verify(id, model, &made, records.len(), &result).await?;
                return Ok(Predictions {
                    id,
                    version: made.version,
                    worker: result.worker,
                    artifact_digest: result.artifact_digest,
                    predictions: result.predictions,
                    signature: result.signature,
                });
            }
            if let Some(reason) = state.failure {
                return Err(self.wire.failed(format!("no prediction: {reason}")));
            }
            if Instant::now() >= until {
                return Err(self.wire.failed(format!("no worker predicted within {ANSWERED_WITHIN} s")));
            }
        }
    }

    /// A version as the chain tells it; the newest for 0.
    async fn version(&self, model: ModelId, version: u32) -> Result<VersionAppended, SdkError> {
        let coordinator = self.chain.deployment().training_coordinator;
        let wanted = match version {
            0 => self.chain.call(coordinator, &versionCountOfCall { model: model.0 }).await?,
            version => version,
        };
        let events = self.chain.events::<VersionAppended>(coordinator, model.0).await?;
        let found = events.into_iter().map(|(event, _)| event).find(|event| event.version == wanted);
        found.ok_or_else(|| match version {
            0 => SdkError::Terms(format!("model {model} has no version yet: train it first")),
            version => SdkError::Terms(format!("model {model} has no version {version}")),
        })
    }

    fn ask(
        &self,
        account: &Account,
        model: ModelId,
        version: u32,
        records: &[Vec<u8>],
    ) -> Result<(PredictionUpload, B256), SdkError> {
        let mut salt = B256::ZERO;
        aws_lc_rs::rand::fill(&mut salt.0)
            .map_err(|_| SdkError::Account("the machine has no randomness".into()))?;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let valid_until = now.saturating_add(ANSWERED_WITHIN);
        let mut upload = PredictionUpload {
            account: account.address(),
            version,
            records: records.iter().cloned().map(Base64).collect(),
            valid_until,
            salt,
            signature: Bytes::new(),
        };
        let message = PredictionRequest {
            model: model.0,
            version,
            account: account.address(),
            recordsRoot: upload.records_root().into(),
            audience: self.info.audience.clone(),
            validUntil: U40::saturating_from(valid_until),
            salt,
        };
        let signed = account
            .signer()
            .sign_hash_sync(&message.eip712_signing_hash(&self.domain()))
            .map_err(|error| SdkError::Account(format!("signing: {error}")))?;
        upload.signature = Bytes::copy_from_slice(&signed.as_bytes());
        Ok((upload, message.eip712_hash_struct()))
    }

    fn domain(&self) -> Eip712Domain {
        let deployment = self.chain.deployment();
        relay_domain(deployment.chain_id, deployment.training_coordinator)
    }

    async fn verify(
        &self,
        id: B256,
        model: ModelId,
        made: &VersionAppended,
        count: usize,
        result: &PredictionResult,
    ) -> Result<(), SdkError> {
        let untrue = |what: String| self.wire.failed(format!("its predictions do not hold: {what}"));
        let artifact = made.settlement.artifactDigest;
        let signer = signer_of(id, artifact, count, result, &self.domain()).map_err(untrue)?;
        if signer == made.worker {
            return Ok(());
        }
        let registry = self.chain.deployment().model_registry;
        let base = self.chain.call(registry, &ModelRegistry::modelOfCall { model: model.0 }).await?.base;
        let worker = ModelRegistry::isWorkerCall { base, worker: signer };
        if self.chain.call(registry, &worker).await? {
            return Ok(());
        }
        Err(untrue(format!("{signer} is no worker of the model's base")))
    }
}

/// Who signed exactly these predictions, of exactly this artifact, for exactly this request.
fn signer_of(
    id: B256,
    artifact: B256,
    count: usize,
    result: &PredictionResult,
    domain: &Eip712Domain,
) -> Result<Address, String> {
    if result.predictions.len() != count {
        return Err(format!("{} for {count} records", result.predictions.len()));
    }
    if result.artifact_digest != artifact {
        return Err(format!("of artifact {}, the version has {artifact}", result.artifact_digest));
    }
    let message = PredictionAnswer {
        prediction: id,
        artifactDigest: artifact,
        predictionsDigest: predictions_digest(&result.predictions).into(),
    };
    let signer = Signature::from_raw(&result.signature)
        .and_then(|signature| signature.recover_address_from_prehash(&message.eip712_signing_hash(domain)))
        .map_err(|error| error.to_string())?;
    if signer == result.worker {
        Ok(signer)
    } else {
        Err(format!("signed by {signer}, not by {}", result.worker))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_the_worker_signed_holds() {
        let worker = Account::dev(4).unwrap();
        let domain = relay_domain(31_337, Address::repeat_byte(1));
        let (id, artifact) = (B256::repeat_byte(2), B256::repeat_byte(3));
        let predictions = vec![Prediction { label: 1, score_ppm: 5 }, Prediction { label: 2, score_ppm: 6 }];
        let message = PredictionAnswer {
            prediction: id,
            artifactDigest: artifact,
            predictionsDigest: predictions_digest(&predictions).into(),
        };
        let signed = worker.signer().sign_hash_sync(&message.eip712_signing_hash(&domain)).unwrap();
        let good = PredictionResult {
            worker: worker.address(),
            artifact_digest: artifact,
            predictions,
            signature: Bytes::copy_from_slice(&signed.as_bytes()),
        };
        assert_eq!(signer_of(id, artifact, 2, &good, &domain), Ok(worker.address()));
        let refused = |id: B256, artifact: B256, count: usize, result: PredictionResult| {
            assert!(signer_of(id, artifact, count, &result, &domain).is_err(), "{result:?}");
        };
        refused(B256::ZERO, artifact, 2, good.clone());
        refused(id, B256::ZERO, 2, good.clone());
        refused(id, artifact, 3, good.clone());
        let mut turned = good.clone();
        turned.predictions.swap(0, 1);
        refused(id, artifact, 2, turned);
        refused(id, artifact, 2, PredictionResult { worker: Address::ZERO, ..good.clone() });
        refused(id, artifact, 2, PredictionResult { signature: Bytes::new(), ..good.clone() });
        let other = relay_domain(1, Address::repeat_byte(1));
        assert!(signer_of(id, artifact, 2, &good, &other).is_err(), "for another chain");
    }
}
