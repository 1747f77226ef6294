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
use serde::{Deserialize, Serialize};

use crate::WorkerError;
use crate::offer::Job;
use crate::relay::sign;
use crate::trainers::{MetricEvent, metric};

/// A series up to a checkpoint: what the next attempt goes on from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Saved {
    pub(crate) tree: SeriesBuilder,
    pub(crate) units: u64,
    pub(crate) last: [MetricValue; 4],
    pub(crate) test: [MetricValue; 2],
}

impl Saved {
    /// Number of points.
    pub(crate) fn points(&self) -> u64 {
        self.tree.len()
    }

    /// Nothing measured yet.
    fn empty() -> Self {
        let unmeasured = MetricValue::from_f64(f64::NAN);
        Self { tree: SeriesBuilder::new(), units: 0, last: [unmeasured; 4], test: [unmeasured; 2] }
    }
}

/// The series of one attempt, and where its chain of commitments stands.
#[derive(Debug)]
pub(crate) struct Series {
    request: B256,
    attempt: u8,
    domain: Eip712Domain,
    sequence: u32,
    head: B256,
    pending: Vec<MetricPoint>,
    so_far: Saved,
    /// Units that an accepted commitment of this attempt covers; none before the first.
    committed: Option<u64>,
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
    /// Begins where the request stands; points go on after those of `saved`.
    pub(crate) fn new(job: &Job, domain: Eip712Domain, saved: Option<Saved>) -> Self {
        Self {
            request: job.request,
            attempt: job.attempt,
            domain,
            sequence: job.sequence,
            head: job.head,
            pending: Vec::new(),
            so_far: saved.unwrap_or_else(Saved::empty),
            committed: None,
        }
    }

    /// Takes an event as the next point.
    pub(crate) fn push(&mut self, event: &MetricEvent) -> Result<(), WorkerError> {
        let point = point(self.so_far.points(), event)?;
        let value = point.value;
        self.so_far.tree.push(&point)?;
        self.pending.push(point);
        self.so_far.units = event.units;
        let Saved { last, test, .. } = &mut self.so_far;
        match event.key {
            metric::TRAIN_LOSS => last[0] = value,
            metric::TRAIN_ACCURACY => last[1] = value,
            metric::VALIDATION_LOSS => last[2] = value,
            metric::VALIDATION_ACCURACY => last[3] = value,
            metric::TEST_LOSS => test[0] = value,
            metric::TEST_ACCURACY => test[1] = value,
            _ => {}
        }
        Ok(())
    }

    /// Whether a commitment has to be made now, lest its block becomes too long.
    pub(crate) fn is_full(&self) -> bool {
        self.pending.len() >= MAX_BLOCK_POINTS / 4
    }

    /// Whether there are points or units that no commitment of this attempt covers.
    pub(crate) fn is_behind(&self) -> bool {
        !self.pending.is_empty() || self.committed != Some(self.so_far.units)
    }

    /// Whether points wait for a commitment.
    pub(crate) fn has_points(&self) -> bool {
        !self.pending.is_empty()
    }

    /// So many units are done, as the trainer says between two measurements.
    pub(crate) fn reach(&mut self, units: u64) {
        self.so_far.units = units;
    }

    /// Last accepted sequence, points and units, and the series up to them. Only where [`Series::is_behind`] is false.
    pub(crate) fn saved(&self) -> Result<(u32, u32, u64, Saved), WorkerError> {
        Ok((self.sequence, self.count()?, self.so_far.units, self.so_far.clone()))
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
            units: self.so_far.units,
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
        self.committed = Some(upload.units);
        self.pending.clear();
        Ok(())
    }

    /// Signs the result. Every point is in an accepted commitment by then.
    pub(crate) fn finish(&self, outcome: Outcome, account: &Account) -> Result<Finish, WorkerError> {
        let Saved { last, test, .. } = self.so_far;
        let result_values = pack_values([test[0], test[1], last[2], last[3]]);
        let message = Settlement {
            request: self.request,
            attempt: self.attempt,
            sequence: self.sequence,
            head: self.head,
            pointCount: self.count()?,
            units: units(outcome.units)?,
            artifactDigest: outcome.artifact_digest,
            artifactCid: outcome.artifact_cid,
            seriesRoot: self.so_far.tree.root().0.into(),
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
        u32::try_from(self.so_far.tree.len()).map_err(|_| WorkerError::Unsupported("too many points".into()))
    }

    fn message(&self, points: Digest, point_count: u32) -> Result<Commitment, WorkerError> {
        Ok(Commitment {
            request: self.request,
            attempt: self.attempt,
            sequence: self.sequence + 1,
            previousHead: self.head,
            pointsDigest: points.0.into(),
            pointCount: point_count,
            units: units(self.so_far.units)?,
            lastValues: pack_values(self.so_far.last),
        })
    }
}

/// A measurement as the point with this number.
pub(crate) fn point(number: u64, event: &MetricEvent) -> Result<MetricPoint, WorkerError> {
    let sequence = u32::try_from(number)
        .map_err(|_| WorkerError::Unsupported("a series has at most 2^32 - 1 points".into()))?;
    let (key, value) = (MetricKey::new(event.key)?, MetricValue::from_f64(event.value));
    Ok(MetricPoint { sequence, step: event.step, key, value })
}

fn units(units: u64) -> Result<alloy::primitives::Uint<48, 1>, WorkerError> {
    alloy::primitives::Uint::try_from(units)
        .map_err(|_| WorkerError::Unsupported(format!("{units} units do not fit 48 bits")))
}
