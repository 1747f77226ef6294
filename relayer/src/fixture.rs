//! What the tests of this crate share: a database file, a request with its terms, a worker that signs. No fake parts.

use std::sync::Arc;

use alloy::primitives::aliases::{U40, U48};
use alloy::primitives::{Address, B256, Bytes};
use alloy::signers::SignerSync;
use alloy::signers::local::PrivateKeySigner;
use alloy::sol_types::{SolStruct, SolValue};
use offsetdata_content::Blocks;
use offsetdata_protocol::bindings::training::TrainingCoordinator as training;
use offsetdata_protocol::ids::{ModelId, RequestId, details_hash};
use offsetdata_protocol::metrics::{MetricKey, MetricPoint, MetricValue, PointsBlock};
use offsetdata_protocol::worker_api::CommitmentUpload;
use offsetdata_protocol::{Digest, messages};
use offsetdata_store::relay::jobs::{JobRow, insert_job};
use offsetdata_store::{Count, Pool, connect, migrate};
use tempfile::TempDir;
use tokio::sync::Notify;

use crate::files::Files;
use crate::jobs::{Claimant, JobSettings, Jobs};
use crate::scheduler::Scheduler;

pub(crate) const CHAIN_ID: u64 = 31_337;
pub(crate) const COORDINATOR: Address = Address::repeat_byte(0xc0);
pub(crate) const TRAINER: B256 = B256::repeat_byte(0x77);
pub(crate) const HYPERPARAMETERS: &str = r#"{"epochs":3}"#;

pub(crate) struct Bench {
    pub(crate) folder: TempDir,
    pub(crate) jobs: Jobs,
    pub(crate) worker: PrivateKeySigner,
    pub(crate) opened_at: u64,
}

pub(crate) async fn database(folder: &TempDir) -> Pool {
    let pool = connect(&format!("sqlite:{}", folder.path().join("relay.db").display())).await.unwrap();
    migrate(&pool).await.unwrap();
    pool
}

impl Bench {
    /// `opened_at`: the time at which its requests were opened; their deadline is an hour later.
    pub(crate) async fn new(opened_at: u64) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let scheduler = PrivateKeySigner::random();
        let jobs = Jobs {
            pool: database(&folder).await,
            blocks: Blocks::directory(folder.path().join("blocks")).unwrap(),
            checkpoints: Files::open(&folder.path().join("checkpoints")).unwrap(),
            senders: vec![scheduler.address()],
            scheduler: Scheduler::new(scheduler, CHAIN_ID, COORDINATOR),
            coordinator: COORDINATOR,
            settings: JobSettings::default(),
            confirmations: 1,
            queued: Arc::new(Notify::new()),
            wanted: Arc::new(Notify::new()),
        };
        Self { folder, jobs, worker: PrivateKeySigner::random(), opened_at }
    }

    pub(crate) fn claimant(&self) -> Claimant {
        Claimant { worker: self.worker.address(), trainers: vec![TRAINER], is_listed: true }
    }

    pub(crate) fn terms(&self, salt: u8) -> (training::EscrowTerms, training::RequestDetails) {
        let at = |seconds: u64| U40::from(self.opened_at + seconds);
        let escrow = training::EscrowTerms {
            user: Address::repeat_byte(1),
            developer: Address::repeat_byte(2),
            scheduler: self.jobs.scheduler.address(),
            unitPrice: 5,
            holdbackBps: 1000,
            dataEscrow: 0,
            receiptWindow: 600,
            landing: training::LandingTerms {
                unitLimit: U48::from(1000),
                maxUnitsPerSecond: 10,
                relayFee: 1,
                relayFeeCap: 100,
                openedAt: at(0),
                startDeadline: at(1800),
                deadline: at(3600),
                gracePeriod: 600,
            },
        };
        let details = training::RequestDetails {
            model: B256::repeat_byte(3),
            method: B256::repeat_byte(4),
            inputsHash: B256::repeat_byte(5),
            hyperparametersDigest: Digest::of(HYPERPARAMETERS.as_bytes()).into(),
            trainerDigest: TRAINER,
            seed: B256::repeat_byte(6),
            splitSeed: B256::repeat_byte(7),
            validationBps: 1000,
            testBps: 1000,
            parent: B256::ZERO,
            salt: B256::repeat_byte(salt),
        };
        (escrow, details)
    }

    pub(crate) fn request(&self, salt: u8) -> RequestId {
        let (escrow, details) = self.terms(salt);
        RequestId::of_terms(CHAIN_ID, COORDINATOR, &escrow, details_hash(&details))
    }

    /// A job that waits for a worker.
    pub(crate) async fn queue(&self, salt: u8) -> RequestId {
        let (escrow, details) = self.terms(salt);
        let request = self.request(salt);
        let job = JobRow {
            request,
            state: "queued".into(),
            model: ModelId(details.model),
            trainer: TRAINER,
            escrow: escrow.abi_encode().into(),
            details: details.abi_encode().into(),
            inputs: Bytes::new(),
            hyperparameters: Some(HYPERPARAMETERS.into()),
            attempt: 0,
            worker: None,
            lease_until: None,
            progress_ppm: 0,
            sequence: 0,
            head: B256::ZERO,
            point_count: 0,
            units: Count(0),
            reason: None,
            created_at: Count(self.opened_at),
            updated_at: Count(self.opened_at),
            released: 0,
        };
        let mut tx = self.jobs.pool.write().await.unwrap();
        insert_job(&mut tx, job).await.unwrap();
        tx.commit().await.unwrap();
        request
    }

    /// A signed commitment with two points, and the head after it.
    pub(crate) fn commitment(
        &self,
        request: RequestId,
        attempt: u8,
        sequence: u32,
        previous_head: B256,
        first_point: u32,
        units: u64,
    ) -> (CommitmentUpload, B256) {
        let points = block(first_point, 2);
        let message = messages::Commitment {
            request: request.0,
            attempt,
            sequence,
            previousHead: previous_head,
            pointsDigest: Digest::of(&points).into(),
            pointCount: first_point + 2,
            units: U48::from(units),
            lastValues: B256::repeat_byte(9),
        };
        let upload = CommitmentUpload {
            attempt,
            sequence,
            previous_head,
            point_count: first_point + 2,
            units,
            last_values: B256::repeat_byte(9),
            points: points.into(),
            signature: sign(&self.worker, &message, &self.jobs.scheduler),
        };
        (upload, message.eip712_hash_struct())
    }
}

/// A points block.
pub(crate) fn block(first: u32, count: u32) -> Vec<u8> {
    let points = (first..first + count).map(|sequence| MetricPoint {
        sequence,
        step: sequence.into(),
        key: MetricKey::new("train/loss").unwrap(),
        value: MetricValue::from_f64(1.0 / f64::from(sequence + 1)),
    });
    PointsBlock::new(points.collect()).unwrap().encode().unwrap()
}

/// A signature for the coordinator's domain.
pub(crate) fn sign(key: &PrivateKeySigner, message: &impl SolStruct, scheduler: &Scheduler) -> Bytes {
    Bytes::from(key.sign_hash_sync(&message.eip712_signing_hash(scheduler.domain())).unwrap().as_bytes())
}
