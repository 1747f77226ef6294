//! Taking a prediction: whether the account signed it, may use the model, and there is what a worker needs. It reads no
//! record beyond its form.

use alloy::eips::BlockId;
use alloy::primitives::aliases::U40;
use alloy::sol_types::SolStruct;
use offsetdata_protocol::bindings::models::ModelRegistry;
use offsetdata_protocol::cid::{Cid, parts};
use offsetdata_protocol::ids::ModelId;
use offsetdata_protocol::messages::PredictionRequest;
use offsetdata_protocol::record::RecordRef;
use offsetdata_protocol::relay_api::{MAX_PREDICTION_BYTES, MAX_PREDICTION_RECORDS, PredictionUpload};
use offsetdata_store::chain::requests::find_request;
use offsetdata_store::chain::training::VersionRow;
use offsetdata_store::relay::predictions::{self as rows, PredictionRow};
use offsetdata_store::relay::work::find_artifact;
use offsetdata_store::{Conn, Count};

use super::{Predictions, Stage, commit};
use crate::RelayerError;
use crate::checks::{Cause, Refusal};
use crate::jobs::JobError;

/// A request may be valid for so long at most.
const MAX_VALID: u64 = 3600;
/// Predictions of an account that wait at the same time.
const MAX_OPEN: u64 = 8;
/// Predictions that wait at the same time.
const MAX_OPEN_IN_ALL: u64 = 256;
const MINUTE: u64 = 60;

impl Predictions {
    /// Takes a prediction, or finds it where it was taken before.
    ///
    /// # Errors
    /// [`JobError::Refused`] with what does not hold.
    pub async fn ask(
        &self,
        model: ModelId,
        upload: &PredictionUpload,
        now: u64,
    ) -> Result<PredictionRow, JobError> {
        is_formed(upload)?;
        let message = PredictionRequest {
            model: model.0,
            version: upload.version,
            account: upload.account,
            recordsRoot: upload.records_root().into(),
            audience: self.audience.clone(),
            validUntil: U40::try_from(upload.valid_until)
                .map_err(|_| Refusal::malformed("validUntil has more than 40 bits"))?,
            salt: upload.salt,
        };
        let digest = message.eip712_signing_hash(&self.domain);
        if !self.chain.is_signed_by(upload.account, digest, &upload.signature).await? {
            let detail = format!("{} did not sign this for {}", upload.account, self.audience);
            return Err(Refusal::rejected(Cause::Untrue, "badSignature", detail).into());
        }
        let id = message.eip712_hash_struct();
        if let Some(row) = self.find(id).await? {
            return Ok(row);
        }
        if now > upload.valid_until || upload.valid_until > now.saturating_add(MAX_VALID) {
            let detail = format!(
                "validUntil is {}; it lies between now, {now}, and {MAX_VALID} seconds after it",
                upload.valid_until
            );
            return Err(Refusal::rejected(Cause::Conflict, "wrongTime", detail).into());
        }
        self.may_use(model, upload).await?;
        let mut tx = self.pool.write().await?;
        if let Some(row) = rows::find_prediction(&mut tx, id).await? {
            return Ok(row);
        }
        self.is_within_limits(&mut tx, upload, now).await?;
        let row = new_row(&mut tx, id, model, upload, now).await?;
        rows::insert_prediction(&mut tx, row.clone()).await?;
        commit(tx).await?;
        tracing::info!(%id, %model, version = row.version, account = %row.account, records = row.record_count, "prediction");
        self.asked.notify_waiters();
        Ok(row)
    }

    /// The right counts where the contract says so at the head and at the configured depth: one that a reorg took away
    /// never did, and one that was taken away counts no more.
    async fn may_use(&self, model: ModelId, upload: &PredictionUpload) -> Result<(), JobError> {
        let head = self.chain.head().await?;
        let deep = head.number.saturating_sub(self.confirmations.saturating_sub(1));
        let call = ModelRegistry::canUseCall { model: model.0, account: upload.account };
        for at in [BlockId::latest(), BlockId::number(deep)] {
            if self.chain.read(at, self.model_registry, &call).await? != Some(true) {
                let detail = format!("{} may not use model {model}, or it is deleted", upload.account);
                return Err(Refusal::rejected(Cause::Foreign, "notAllowed", detail).into());
            }
        }
        Ok(())
    }

    async fn is_within_limits(
        &self,
        conn: &mut Conn,
        upload: &PredictionUpload,
        now: u64,
    ) -> Result<(), JobError> {
        let too_many = |detail: String| Refusal::rejected(Cause::TooMany, "tooMany", detail);
        let recent = rows::count_since(conn, upload.account, now.saturating_sub(MINUTE)).await?;
        if recent >= u64::from(self.settings.predictions_per_minute) {
            let most = self.settings.predictions_per_minute;
            return Err(too_many(format!("at most {most} predictions a minute for an account")).into());
        }
        if rows::count_open(conn, Some(upload.account)).await? >= MAX_OPEN {
            return Err(too_many(format!("{MAX_OPEN} predictions of this account wait already")).into());
        }
        if rows::count_open(conn, None).await? >= MAX_OPEN_IN_ALL {
            return Err(Refusal::try_again("too many predictions wait").into());
        }
        Ok(())
    }
}

fn is_formed(upload: &PredictionUpload) -> Result<(), Refusal> {
    let bytes: usize = upload.records.iter().map(|record| record.0.len()).sum();
    let count = upload.records.len();
    if count == 0 || count > MAX_PREDICTION_RECORDS || bytes > MAX_PREDICTION_BYTES {
        return Err(Refusal::malformed(format!(
            "1 to {MAX_PREDICTION_RECORDS} records of together {MAX_PREDICTION_BYTES} bytes, got {count} of {bytes}"
        )));
    }
    for (index, record) in upload.records.iter().enumerate() {
        RecordRef::decode(&record.0)
            .map_err(|error| Refusal::malformed(format!("record {index}: {error}")))?;
    }
    Ok(())
}

async fn new_row(
    conn: &mut Conn,
    id: alloy::primitives::B256,
    model: ModelId,
    upload: &PredictionUpload,
    now: u64,
) -> Result<PredictionRow, JobError> {
    let version = rows::find_version_of(conn, model, upload.version).await?.ok_or_else(|| {
        let detail = match upload.version {
            0 => format!("model {model} has no version yet"),
            version => format!("model {model} has no version {version}"),
        };
        Refusal::rejected(Cause::Unknown, "unknownVersion", detail)
    })?;
    let request = find_request(conn, version.request).await?;
    let request = request.ok_or_else(|| Refusal::try_again("the version's request is not indexed yet"))?;
    let records = serde_json::to_string(&upload.records)
        .map_err(|error| RelayerError::Corrupt { what: "records", reason: error.to_string() })?;
    Ok(PredictionRow {
        id,
        model,
        version: version.version,
        account: upload.account,
        request: version.request,
        trainer: request.trainer_digest,
        version_worker: version.worker,
        artifact_digest: version.artifact_digest,
        artifact_cid: artifact_cid(conn, &version).await?,
        records,
        record_count: u32::try_from(upload.records.len()).unwrap_or(u32::MAX),
        state: Stage::Waiting.as_str().to_owned(),
        worker: None,
        lease_until: None,
        tries: 0,
        predictions: None,
        signature: None,
        failure: None,
        valid_until: Count(upload.valid_until),
        created_at: Count(now),
        updated_at: Count(now),
    })
}

/// The CID under which this relayer keeps the version's artifact.
async fn artifact_cid(conn: &mut Conn, version: &VersionRow) -> Result<String, JobError> {
    let kept = find_artifact(conn, version.request, version.attempt).await?;
    let is_it = |cid: &str| {
        cid.parse::<Cid>()
            .ok()
            .and_then(|cid| parts(&cid).ok())
            .is_some_and(|(_, digest)| digest.0 == version.artifact_cid.0)
    };
    kept.map(|row| row.cid).filter(|cid| is_it(cid)).ok_or_else(|| {
        let detail = "this relayer does not keep the artifact of this version: ask the one that trained it";
        Refusal::rejected(Cause::Unknown, "noArtifact", detail).into()
    })
}
