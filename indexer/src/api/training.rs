//! What happened to a request as the API shows it: attempts, commitments, points, payments, versions, the end.

use alloy::primitives::B256;
use async_graphql::{ComplexObject, Context, Enum, Result, SimpleObject};
use offsetdata_protocol::cid::{RAW, block_cid};
use offsetdata_protocol::messages::unpack_values;
use offsetdata_protocol::metrics::MetricValue;
use offsetdata_store::chain::fetch::FetchStatus;
use offsetdata_store::chain::points::{self, PointRow};
use offsetdata_store::chain::requests::{self, RequestStatus};
use offsetdata_store::chain::training::{
    AttemptRow, ClosingRow, DataPaymentRow, DataReleaseRow, LandedCommitment, UnitCollectionRow, VersionRow,
};
use offsetdata_store::chain::{Position, models};
use serde::Serialize;
use utoipa::ToSchema;

use super::block::BlockRef;
use super::located::located;
use super::model::Model;
use super::request::TrainingRequest;
use super::scalars::{Account, Amount, Bytes32, Long};
use super::snapshot::{conn, internal};

/// Where a request stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum, Serialize, ToSchema)]
#[graphql(remote = "RequestStatus")]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(crate) enum Status {
    /// Escrowed; commitments land.
    Open,
    /// The user asked to stop; signed work lands until the grace ends.
    Cancelling,
    /// A version was appended.
    Settled,
    /// Stopped by the user.
    Cancelled,
    /// The scheduler signed that the job can't succeed.
    Failed,
    /// Deadline and grace have passed.
    Expired,
}

/// One try by one worker.
#[derive(Debug, Clone, PartialEq, SimpleObject, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Attempt {
    /// From 1.
    attempt: i32,
    /// Key of the worker.
    worker: Account,
    /// Metric points that stand before it goes on.
    resume_point: Long,
    assigned_in: Option<BlockRef>,
}

located!(Attempt from AttemptRow, |row, block, _now| Self {
    attempt: row.attempt.into(),
    worker: Account(row.worker),
    resume_point: u64::from(row.resume_point).into(),
    assigned_in: block,
});

/// Whether the points of a commitment are here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum, Serialize, ToSchema)]
#[graphql(remote = "FetchStatus")]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(crate) enum PointsAvailability {
    /// Not asked for yet.
    Waiting,
    /// All are here.
    Stored,
    /// Nobody had the block so far; it is asked for from time to time.
    Unavailable,
    /// The block holds no such points.
    Invalid,
}

/// What a worker signed that it did since the commitment before.
#[derive(Debug, Clone, PartialEq, SimpleObject, Serialize, ToSchema)]
#[graphql(complex)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Commitment {
    #[graphql(skip)]
    #[serde(skip)]
    position: Option<Position>,
    /// From 1, over all attempts.
    sequence: Long,
    attempt: i32,
    /// Key of the worker.
    worker: Account,
    /// Metric points of the series after it.
    point_count: Long,
    /// Units done so far.
    units: Long,
    /// SHA-256 digest of the block with its points.
    points_digest: Bytes32,
    /// CID of that block.
    points_cid: String,
    last_values: LastValues,
    /// Who landed it.
    relayer: Account,
    landed_in: Option<BlockRef>,
}

located!(Commitment from LandedCommitment, |row, block, _now| Self {
    position: Some(row.position),
    sequence: u64::from(row.sequence).into(),
    attempt: row.attempt.into(),
    worker: Account(row.worker),
    point_count: u64::from(row.point_count).into(),
    units: row.units.into(),
    points_digest: row.points_digest.into(),
    points_cid: block_cid(RAW, row.points_digest.into()).to_string(),
    last_values: LastValues::of(row.last_values),
    relayer: Account(row.relayer),
    landed_in: block,
});

#[ComplexObject]
impl Commitment {
    async fn points_status(&self, ctx: &Context<'_>) -> Result<Option<PointsAvailability>> {
        let Some(position) = self.position else { return Ok(None) };
        let fetch = points::find_fetch(&mut *conn(ctx).await?, position).await.map_err(internal)?;
        Ok(fetch.map(|fetch| fetch.status.into()))
    }
}

/// Values that a commitment carries; null where not measured or not finite.
#[derive(Debug, Clone, Copy, PartialEq, SimpleObject, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct LastValues {
    train_loss: Option<f64>,
    train_accuracy: Option<f64>,
    validation_loss: Option<f64>,
    validation_accuracy: Option<f64>,
}

impl LastValues {
    fn of(word: B256) -> Self {
        let [train_loss, train_accuracy, validation_loss, validation_accuracy] =
            unpack_values(word).map(finite);
        Self { train_loss, train_accuracy, validation_loss, validation_accuracy }
    }
}

/// Values that a settlement carries; null where not measured or not finite.
#[derive(Debug, Clone, Copy, PartialEq, SimpleObject, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ResultValues {
    test_loss: Option<f64>,
    test_accuracy: Option<f64>,
    validation_loss: Option<f64>,
    validation_accuracy: Option<f64>,
}

impl ResultValues {
    fn of(word: B256) -> Self {
        let [test_loss, test_accuracy, validation_loss, validation_accuracy] =
            unpack_values(word).map(finite);
        Self { test_loss, test_accuracy, validation_loss, validation_accuracy }
    }
}

fn finite(value: MetricValue) -> Option<f64> {
    Some(value.to_f64()).filter(|number| number.is_finite())
}

/// One measurement.
#[derive(Debug, Clone, PartialEq, SimpleObject, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Point {
    /// Place in the series, from 0.
    sequence: Long,
    attempt: i32,
    step: Long,
    key: String,
    /// The number; null where it is not finite.
    value: Option<f64>,
    /// The integer that was signed: the number times 1,000,000, or a code for what is not finite.
    code: String,
}

impl From<PointRow> for Point {
    fn from(row: PointRow) -> Self {
        Self {
            sequence: u64::from(row.sequence).into(),
            attempt: row.attempt.into(),
            step: row.step.into(),
            key: row.key,
            value: finite(MetricValue::from_code(row.value)),
            code: row.value.to_string(),
        }
    }
}

/// What a publisher was paid for its records.
#[derive(Debug, Clone, PartialEq, SimpleObject, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DataPayment {
    /// Place of the input in the request.
    input: Long,
    payee: Account,
    /// Key of the worker whose receipt it was.
    worker: Account,
    /// Records given so far.
    records: Long,
    records_root: Bytes32,
    /// Paid now.
    amount: Amount,
    paid_in: Option<BlockRef>,
}

located!(DataPayment from DataPaymentRow, |row, block, _now| Self {
    input: u64::from(row.input).into(),
    payee: Account(row.payee),
    worker: Account(row.worker),
    records: u64::from(row.records).into(),
    records_root: row.records_root.into(),
    amount: row.amount.into(),
    paid_in: block,
});

/// What a developer collected for units before the end.
#[derive(Debug, Clone, PartialEq, SimpleObject, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct UnitCollection {
    developer: Account,
    /// Units collected so far.
    units: Long,
    /// Paid now.
    amount: Amount,
    collected_in: Option<BlockRef>,
}

located!(UnitCollection from UnitCollectionRow, |row, block, _now| Self {
    developer: Account(row.developer),
    units: row.units.into(),
    amount: row.amount.into(),
    collected_in: block,
});

/// Escrow for data that went back to the user.
#[derive(Debug, Clone, PartialEq, SimpleObject, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DataRelease {
    user: Account,
    amount: Amount,
    released_in: Option<BlockRef>,
}

located!(DataRelease from DataReleaseRow, |row, block, _now| Self {
    user: Account(row.user_account),
    amount: row.amount.into(),
    released_in: block,
});

/// How a request ended.
#[derive(Debug, Clone, PartialEq, SimpleObject, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Closing {
    status: Status,
    /// Units that are paid.
    units: Long,
    /// Paid to the developer over all.
    developer_paid: Amount,
    /// Paid to relayers over all.
    relay_paid: Amount,
    /// Returned to the user.
    refunded: Amount,
    /// SHA-256 digest of the reason.
    reason_digest: Option<Bytes32>,
    closed_in: Option<BlockRef>,
}

located!(Closing from ClosingRow, |row, block, _now| Self {
    status: row.status.into(),
    units: row.units.into(),
    developer_paid: row.developer_paid.into(),
    relay_paid: row.relay_paid.into(),
    refunded: row.refunded.into(),
    reason_digest: (!row.reason_digest.is_zero()).then(|| row.reason_digest.into()),
    closed_in: block,
});

/// One trained state of a model.
#[derive(Debug, Clone, PartialEq, SimpleObject, Serialize, ToSchema)]
#[graphql(complex)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Version {
    /// From 1.
    version: Long,
    request_id: Bytes32,
    model_id: Bytes32,
    /// Key of the worker that trained it.
    worker: Account,
    attempt: i32,
    units: Long,
    point_count: Long,
    /// SHA-256 digest of the artifact in the clear.
    artifact_digest: Bytes32,
    /// SHA-256 digest in the CID of the stored artifact.
    artifact_cid: Bytes32,
    /// Root over all metric points.
    series_root: Bytes32,
    /// Root over all records given to training.
    inputs_root: Bytes32,
    /// Test loss, test accuracy, validation loss, validation accuracy.
    results: ResultValues,
    settled_in: Option<BlockRef>,
}

located!(Version from VersionRow, |row, block, _now| Self {
    version: u64::from(row.version).into(),
    request_id: row.request.into(),
    model_id: row.model.into(),
    worker: Account(row.worker),
    attempt: row.attempt.into(),
    units: row.units.into(),
    point_count: u64::from(row.point_count).into(),
    artifact_digest: row.artifact_digest.into(),
    artifact_cid: row.artifact_cid.into(),
    series_root: row.series_root.into(),
    inputs_root: row.inputs_root.into(),
    results: ResultValues::of(row.result_values),
    settled_in: block,
});

#[ComplexObject]
impl Version {
    /// The request that made it.
    #[graphql(complexity = "2 + child_complexity")]
    async fn request(&self, ctx: &Context<'_>) -> Result<Option<TrainingRequest>> {
        let row = requests::find_request(&mut *conn(ctx).await?, self.request_id.0.into()).await;
        Ok(row.map_err(internal)?.map(TrainingRequest))
    }
    /// The model of which it is a version.
    #[graphql(complexity = "2 + child_complexity")]
    async fn model(&self, ctx: &Context<'_>) -> Result<Option<Model>> {
        let row = models::find_model(&mut *conn(ctx).await?, self.model_id.0.into()).await;
        Ok(row.map_err(internal)?.map(Model))
    }
}
