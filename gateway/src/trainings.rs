//! Trainings: opened once with their terms and the scheduler's word on the worker, and the receipts that are evidence
//! afterwards. Keys are given out, and receipts landed, elsewhere.

mod claims;
mod receipt;
mod release;
mod standing;
mod terms;

use alloy::primitives::Address;
use offsetdata_protocol::gateway_api::{
    ReceiptEvidence, ReceiptUpload, TrainingOpened, TrainingUpload, code,
};
use offsetdata_protocol::ids::{CollectionId, RequestId};
use offsetdata_store::gateway::trainings::{
    ReceiptRow, find_training, list_receipts, list_trainings, put_training,
};
use offsetdata_store::{Count, StoreError};

use crate::Refused;
use crate::context::Shared;
use terms::{Training, selects_rising};

/// TRAIN, as the contract counts rights.
const TRAIN: u8 = 1;

impl Shared {
    /// Opens an attempt of a request for the worker that it is assigned to.
    ///
    /// # Errors
    /// `malformed`, `notAssigned`, `foreignSignature`, `staleHead`.
    pub async fn open_training(
        &self,
        account: Address,
        request: RequestId,
        upload: &TrainingUpload,
        now: u64,
    ) -> Result<TrainingOpened, Refused> {
        let training = Training::of_upload(&self.deployment, request, account, upload)?;
        self.require_assigned(&training).await?;
        self.require_running(&training, now).await?;
        let mut served = Vec::new();
        for (position, input) in (0u32..).zip(&training.inputs) {
            if !selects_rising(input) {
                continue;
            }
            match self.served(CollectionId(input.collection)).await {
                Ok(_) => served.push(position),
                Err(refused) if refused.code() == code::UNKNOWN_COLLECTION => {}
                Err(refused) => return Err(refused),
            }
        }
        if served.is_empty() {
            return Ok(TrainingOpened { inputs: served });
        }
        let mut tx = self.pool.write().await?;
        if let Some(row) = find_training(&mut tx, request, training.assignment.attempt).await?
            && row.worker != account
        {
            let detail = format!(
                "attempt {} was opened by {}: the scheduler assigned it twice",
                row.attempt, row.worker
            );
            return Err(Refused::new(code::NOT_ASSIGNED, detail));
        }
        put_training(&mut tx, training.row(upload, Count(now))).await?;
        tx.commit().await.map_err(StoreError::from)?;
        let attempt = training.assignment.attempt;
        tracing::info!(%request, attempt, worker = %account, inputs = ?served, "training opened");
        Ok(TrainingOpened { inputs: served })
    }

    /// The last receipt of each input in each attempt, as far as the account may see them: a worker its own, publisher
    /// and payee those of their collection, the user all.
    ///
    /// # Errors
    /// `unknownTraining`, `notAssigned`.
    pub async fn receipts(
        &self,
        account: Address,
        request: RequestId,
    ) -> Result<Vec<ReceiptEvidence>, Refused> {
        let mut conn = self.pool.acquire().await?;
        let trainings = list_trainings(&mut conn, request).await?;
        let Some(first) = trainings.first() else {
            return Err(Refused::new(code::UNKNOWN_TRAINING, "the training was not opened here"));
        };
        let user = first.requested_by;
        let mut rows = list_receipts(&mut conn, request).await?;
        drop(conn);
        let mut related = user == account || trainings.iter().any(|row| row.worker == account);
        if user != account {
            let mut seen = Vec::with_capacity(rows.len());
            for row in rows {
                let own = row.worker == account || row.payee == account;
                if own || self.served(row.collection).await.is_ok_and(|served| served.is_publisher(account)) {
                    seen.push(row);
                }
            }
            rows = seen;
            related |= !rows.is_empty();
        }
        if !related {
            let detail = format!(
                "{account} is not the user, a worker, a publisher or a payee of this training at this gateway"
            );
            return Err(Refused::new(code::NOT_ASSIGNED, detail));
        }
        Ok(rows.iter().map(evidence).collect())
    }
}

fn evidence(row: &ReceiptRow) -> ReceiptEvidence {
    ReceiptEvidence {
        request: row.request.0,
        attempt: row.attempt,
        input: row.input,
        receipt: ReceiptUpload {
            records: row.records,
            records_root: row.records_root.into(),
            signature: row.signature.clone(),
        },
    }
}
