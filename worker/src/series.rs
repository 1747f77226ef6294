//! Turns a training's events into metric points and the points into signed commitments. It sends nothing.

use alloy::primitives::B256;
use alloy::sol_types::{Eip712Domain, SolStruct};
use offsetdata_protocol::messages::{Commitment, Settlement, pack_values};
use offsetdata_protocol::metrics::{
    MAX_BLOCK_POINTS, MetricKey, MetricPoint, MetricValue, PointsBlock, SeriesBuilder,
};
use offsetdata_protocol::worker_api::{CommitmentUpload, Finish};
use offsetdata_protocol::{Digest, Root};
use offsetdata_sdk::Account;

use crate::WorkerError;
use crate::offer::Job;
use crate::relay::sign;
use crate::trainers::{MetricEvent, metric};

/// The series of one attempt, and where its chain of commitments stands.
#[derive(Debug)]
pub(crate) struct Series {
    request: B256,
    attempt: u8,
    domain: Eip712Domain,
    sequence: u32,
    head: B256,
    tree: SeriesBuilder,
    pending: Vec<MetricPoint>,
    units: u64,
    last: [MetricValue; 4],
    test: [MetricValue; 2],
}

/// What the artifact and the inputs were.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Outcome {
    pub(crate) artifact_digest: B256,
    pub(crate) artifact_cid: B256,
    pub(crate) inputs_root: Root,
    pub(crate) units: u64,
}

impl Series {
    /// Begins where the request stands; points begin anew, as there is no checkpoint.
    pub(crate) fn new(job: &Job, domain: Eip712Domain) -> Self {
        Self {
            request: job.request,
            attempt: job.attempt,
            domain,
            sequence: job.sequence,
            head: job.head,
            tree: SeriesBuilder::new(),
            pending: Vec::new(),
            units: 0,
            last: [MetricValue::from_f64(f64::NAN); 4],
            test: [MetricValue::from_f64(f64::NAN); 2],
        }
    }

    /// Takes an event as the next point.
    pub(crate) fn push(&mut self, event: &MetricEvent) -> Result<(), WorkerError> {
        let value = MetricValue::from_f64(event.value);
        let sequence = u32::try_from(self.tree.len())
            .map_err(|_| WorkerError::Unsupported("a series has at most 2^32 - 1 points".into()))?;
        let point = MetricPoint { sequence, step: event.step, key: MetricKey::new(event.key)?, value };
        self.tree.push(&point)?;
        self.pending.push(point);
        self.units = event.units;
        match event.key {
            metric::TRAIN_LOSS => self.last[0] = value,
            metric::TRAIN_ACCURACY => self.last[1] = value,
            metric::VALIDATION_LOSS => self.last[2] = value,
            metric::VALIDATION_ACCURACY => self.last[3] = value,
            metric::TEST_LOSS => self.test[0] = value,
            metric::TEST_ACCURACY => self.test[1] = value,
            _ => {}
        }
        Ok(())
    }

    /// Whether a commitment has to be made now, lest its block becomes too long.
    pub(crate) fn is_full(&self) -> bool {
        self.pending.len() >= MAX_BLOCK_POINTS / 4
    }

    /// Points that no commitment covers yet.
    pub(crate) fn pending(&self) -> usize {
        self.pending.len()
    }

    /// Signs what came since the commitment before. The chain moves on when it is [`Series::landed`].
    pub(crate) fn commitment(&self, account: &Account) -> Result<CommitmentUpload, WorkerError> {
        let points = PointsBlock::new(self.pending.clone())?.encode()?;
        let point_count = self.count()?;
        let message = self.message(Digest::of(&points), point_count)?;
        Ok(CommitmentUpload {
            attempt: self.attempt,
            sequence: message.sequence,
            previous_head: self.head,
            point_count,
            units: self.units,
            last_values: message.lastValues,
            points: points.into(),
            signature: sign(account, message.eip712_signing_hash(&self.domain))?,
        })
    }

    /// The relayer has the commitment durably.
    pub(crate) fn accepted(&mut self, upload: &CommitmentUpload) -> Result<(), WorkerError> {
        let message = self.message(Digest::of(&upload.points), upload.point_count)?;
        self.head = message.eip712_hash_struct();
        self.sequence = upload.sequence;
        self.pending.clear();
        Ok(())
    }

    /// Signs the result. Every point is in an accepted commitment by then.
    pub(crate) fn finish(&self, outcome: Outcome, account: &Account) -> Result<Finish, WorkerError> {
        let [train_loss, train_accuracy, validation_loss, validation_accuracy] = self.last;
        tracing::debug!(?train_loss, ?train_accuracy, "last values of the training");
        let result_values = pack_values([self.test[0], self.test[1], validation_loss, validation_accuracy]);
        let message = Settlement {
            request: self.request,
            attempt: self.attempt,
            sequence: self.sequence,
            head: self.head,
            pointCount: self.count()?,
            units: units(outcome.units)?,
            artifactDigest: outcome.artifact_digest,
            artifactCid: outcome.artifact_cid,
            seriesRoot: self.tree.root().0.into(),
            inputsRoot: outcome.inputs_root.0.into(),
            resultValues: result_values,
        };
        Ok(Finish {
            attempt: self.attempt,
            sequence: self.sequence,
            head: self.head,
            point_count: message.pointCount,
            units: outcome.units,
            artifact_digest: outcome.artifact_digest,
            artifact_cid: outcome.artifact_cid,
            series_root: message.seriesRoot,
            inputs_root: message.inputsRoot,
            result_values,
            signature: sign(account, message.eip712_signing_hash(&self.domain))?,
        })
    }

    fn count(&self) -> Result<u32, WorkerError> {
        u32::try_from(self.tree.len()).map_err(|_| WorkerError::Unsupported("too many points".into()))
    }

    fn message(&self, points: Digest, point_count: u32) -> Result<Commitment, WorkerError> {
        Ok(Commitment {
            request: self.request,
            attempt: self.attempt,
            sequence: self.sequence + 1,
            previousHead: self.head,
            pointsDigest: points.0.into(),
            pointCount: point_count,
            units: units(self.units)?,
            lastValues: pack_values(self.last),
        })
    }
}

fn units(units: u64) -> Result<alloy::primitives::Uint<48, 1>, WorkerError> {
    alloy::primitives::Uint::try_from(units)
        .map_err(|_| WorkerError::Unsupported(format!("{units} units do not fit 48 bits")))
}
