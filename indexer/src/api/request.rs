//! Training requests and all that happened to them, as the API shows them.

use alloy::primitives::B256;
use async_graphql::connection::Connection;
use async_graphql::{Context, Enum, Object, Result, SimpleObject};
use offsetdata_protocol::cid::{RAW, block_cid};
use offsetdata_protocol::ids::CollectionId;
use offsetdata_protocol::messages::unpack_values;
use offsetdata_protocol::metrics::MetricValue;
use offsetdata_store::chain::fetch::FetchStatus;
use offsetdata_store::chain::models;
use offsetdata_store::chain::points::{self, PointRow, PointsFilter};
use offsetdata_store::chain::requests::{self, RequestInputRow, RequestRow, RequestStatus};
use offsetdata_store::chain::training::{self, AttemptRow, ClosingRow, DataPaymentRow, LandedCommitment};

use super::block::BlockRef;
use super::collection::Collection;
use super::loaders::load;
use super::model::{Model, Version};
use super::page::{Paging, Place, PointPlace, cost};
use super::scalars::{Account, Amount, Bytes32, Long};
use super::snapshot::{conn, internal};

/// Where a request stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum, serde::Serialize, utoipa::ToSchema)]
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

/// A request to train a model.
pub(crate) struct TrainingRequest(pub(crate) RequestRow);

#[Object]
impl TrainingRequest {
    async fn id(&self) -> Bytes32 {
        self.0.id.into()
    }
    async fn status(&self) -> Status {
        self.0.status.into()
    }
    async fn model_id(&self) -> Bytes32 {
        self.0.model.into()
    }
    async fn model(&self, ctx: &Context<'_>) -> Result<Option<Model>> {
        Ok(models::find_model(&mut *conn(ctx).await?, self.0.model).await.map_err(internal)?.map(Model))
    }
    async fn method_id(&self) -> Bytes32 {
        self.0.method.into()
    }
    /// Who pays.
    async fn user(&self) -> Account {
        Account(self.0.user_account)
    }
    async fn developer(&self) -> Account {
        Account(self.0.developer)
    }
    /// Key that signs assignments.
    async fn scheduler(&self) -> Account {
        Account(self.0.scheduler)
    }
    /// The request that this one retrains.
    async fn parent(&self) -> Option<Bytes32> {
        (!self.0.parent.0.is_zero()).then(|| self.0.parent.into())
    }
    /// SHA-256 digest of the hyperparameters.
    async fn hyperparameters_digest(&self) -> Bytes32 {
        self.0.hyperparameters_digest.into()
    }
    /// CID of the hyperparameters.
    async fn hyperparameters_cid(&self) -> String {
        block_cid(RAW, self.0.hyperparameters_digest.into()).to_string()
    }
    async fn trainer_digest(&self) -> Bytes32 {
        self.0.trainer_digest.into()
    }
    /// No more units are paid.
    async fn unit_limit(&self) -> Long {
        self.0.unit_limit.into()
    }
    /// Units that are paid.
    async fn units(&self) -> Long {
        self.0.units.into()
    }
    /// Unix seconds; so all times.
    async fn opened_at(&self) -> Long {
        self.0.opened_at.into()
    }
    async fn start_deadline(&self) -> Long {
        self.0.start_deadline.into()
    }
    async fn deadline(&self) -> Long {
        self.0.deadline.into()
    }
    /// Until when signed work lands after a cancellation.
    async fn grace_ends_at(&self) -> Option<Long> {
        self.0.grace_ends_at.map(Long::from)
    }
    /// The current attempt, 0 before the first.
    async fn attempt(&self) -> i32 {
        self.0.attempt.into()
    }
    /// Key of its worker.
    async fn worker(&self) -> Option<Account> {
        self.0.worker.map(Account)
    }
    /// Commitments that landed.
    async fn sequence(&self) -> Long {
        u64::from(self.0.sequence).into()
    }
    /// Metric points that they stand for.
    async fn point_count(&self) -> Long {
        u64::from(self.0.point_count).into()
    }
    /// Head of the chain of commitments, zero before the first.
    #[graphql(complexity = 10)]
    async fn head(&self, ctx: &Context<'_>) -> Result<Bytes32> {
        Ok(training::head_of(&mut *conn(ctx).await?, self.0.id).await.map_err(internal)?.into())
    }
    async fn requested_in(&self) -> BlockRef {
        BlockRef::new(self.0.block_number, self.0.block_hash, self.0.block_timestamp)
    }
    #[graphql(complexity = "5 + 5 * child_complexity")]
    async fn inputs(&self, ctx: &Context<'_>) -> Result<Vec<Input>> {
        let rows = requests::list_inputs(&mut *conn(ctx).await?, self.0.id).await.map_err(internal)?;
        Ok(rows.into_iter().map(Input).collect())
    }
    /// Attempts whose first commitment landed.
    #[graphql(complexity = "5 + 5 * child_complexity")]
    async fn attempts(&self, ctx: &Context<'_>) -> Result<Vec<Attempt>> {
        let rows = training::list_attempts(&mut *conn(ctx).await?, self.0.id).await.map_err(internal)?;
        Ok(rows.into_iter().map(Attempt).collect())
    }
    #[graphql(complexity = "cost(first, child_complexity)")]
    async fn commitments(
        &self,
        ctx: &Context<'_>,
        first: Option<i32>,
        after: Option<String>,
        #[graphql(default)] newest_first: bool,
    ) -> Result<Connection<Place, Commitment>> {
        let paging = Paging::new(first, after)?;
        let rows =
            training::list_commitments(&mut *conn(ctx).await?, self.0.id, paging.page(newest_first)).await;
        Ok(paging.connect(rows.map_err(internal)?, |row| (Place(row.position), Commitment(row))))
    }
    /// Names of the metrics that were measured.
    async fn keys(&self, ctx: &Context<'_>) -> Result<Vec<String>> {
        points::list_keys(&mut *conn(ctx).await?, self.0.id).await.map_err(internal)
    }
    /// Metric points in the order in which they were committed: of one metric, or of all.
    #[graphql(complexity = "cost(first, child_complexity)")]
    async fn points(
        &self,
        ctx: &Context<'_>,
        key: Option<String>,
        first: Option<i32>,
        after: Option<String>,
        #[graphql(
            default,
            desc = "Also points that a later attempt, which went on from an earlier one, replaced."
        )]
        with_replaced: bool,
    ) -> Result<Connection<PointPlace, Point>> {
        let paging = Paging::<PointPlace>::new(first, after)?;
        let filter =
            PointsFilter { key, with_replaced, after: paging.after().map(|place| (place.0, place.1)) };
        let rows = points::list_points(&mut *conn(ctx).await?, self.0.id, &filter, paging.limit()).await;
        Ok(paging
            .connect(rows.map_err(internal)?, |row| (PointPlace(row.position, row.sequence), Point(row))))
    }
    /// What publishers were paid.
    #[graphql(complexity = "cost(first, child_complexity)")]
    async fn data_payments(
        &self,
        ctx: &Context<'_>,
        first: Option<i32>,
        after: Option<String>,
    ) -> Result<Connection<Place, DataPayment>> {
        let paging = Paging::new(first, after)?;
        let rows = training::list_data_payments(&mut *conn(ctx).await?, self.0.id, paging.page(false)).await;
        Ok(paging.connect(rows.map_err(internal)?, |row| (Place(row.position), DataPayment(row))))
    }
    /// The version that it made; at most one.
    #[graphql(complexity = "1 + child_complexity")]
    async fn versions(&self, ctx: &Context<'_>) -> Result<Vec<Version>> {
        let row = training::find_version(&mut *conn(ctx).await?, self.0.id).await.map_err(internal)?;
        Ok(row.into_iter().map(Version).collect())
    }
    /// How it ended.
    async fn closing(&self, ctx: &Context<'_>) -> Result<Option<Closing>> {
        let row = training::find_closing(&mut *conn(ctx).await?, self.0.id).await.map_err(internal)?;
        Ok(row.map(Closing))
    }
}

/// Which records of an input a request takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
pub(crate) enum Selection {
    /// Every record of the collection.
    All,
    /// `count` records from `first`.
    Range,
    /// The records whose bits are set in the bitmap with this root.
    Bitmap,
    /// Data that the user brings.
    Direct,
}

/// One input of a request.
pub(crate) struct Input(RequestInputRow);

#[Object]
impl Input {
    /// Place in the request, from 0.
    async fn input(&self) -> Long {
        u64::from(self.0.input).into()
    }
    async fn collection_id(&self) -> Option<Bytes32> {
        (!self.0.collection.0.is_zero()).then(|| self.0.collection.into())
    }
    async fn collection(&self, ctx: &Context<'_>) -> Result<Option<Collection>> {
        load::<CollectionId>(ctx, self.0.collection).await
    }
    async fn selection(&self) -> Selection {
        match self.0.selection {
            0 => Selection::All,
            1 => Selection::Range,
            2 => Selection::Bitmap,
            _ => Selection::Direct,
        }
    }
    /// Bitmap root, or content root of direct data.
    async fn selection_root(&self) -> Option<Bytes32> {
        (!self.0.selection_root.is_zero()).then(|| self.0.selection_root.into())
    }
    async fn first(&self) -> Long {
        u64::from(self.0.first).into()
    }
    async fn count(&self) -> Long {
        u64::from(self.0.count).into()
    }
    /// No more records are paid.
    async fn record_cap(&self) -> Long {
        u64::from(self.0.record_cap).into()
    }
    async fn price_per_record(&self) -> Amount {
        self.0.price_per_record.into()
    }
    async fn payee(&self) -> Account {
        Account(self.0.payee)
    }
}

/// One try by one worker.
pub(crate) struct Attempt(AttemptRow);

#[Object]
impl Attempt {
    /// From 1.
    async fn attempt(&self) -> i32 {
        self.0.attempt.into()
    }
    async fn worker(&self) -> Account {
        Account(self.0.worker)
    }
    /// Metric points that stand before it goes on.
    async fn resume_point(&self) -> Long {
        u64::from(self.0.resume_point).into()
    }
    async fn assigned_in(&self, ctx: &Context<'_>) -> Result<Option<BlockRef>> {
        BlockRef::find(ctx, self.0.position).await
    }
}

/// Whether the points of a commitment are here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(remote = "FetchStatus")]
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
pub(crate) struct Commitment(LandedCommitment);

#[Object]
impl Commitment {
    /// From 1, over all attempts.
    async fn sequence(&self) -> Long {
        u64::from(self.0.sequence).into()
    }
    async fn attempt(&self) -> i32 {
        self.0.attempt.into()
    }
    async fn worker(&self) -> Account {
        Account(self.0.worker)
    }
    /// Metric points of the series after it.
    async fn point_count(&self) -> Long {
        u64::from(self.0.point_count).into()
    }
    /// Units done so far.
    async fn units(&self) -> Long {
        self.0.units.into()
    }
    async fn points_digest(&self) -> Bytes32 {
        self.0.points_digest.into()
    }
    /// CID of the block with its points.
    async fn points_cid(&self) -> String {
        block_cid(RAW, self.0.points_digest.into()).to_string()
    }
    async fn points_status(&self, ctx: &Context<'_>) -> Result<Option<PointsAvailability>> {
        let fetch = points::find_fetch(&mut *conn(ctx).await?, self.0.position).await.map_err(internal)?;
        Ok(fetch.map(|fetch| fetch.status.into()))
    }
    async fn last_values(&self) -> LastValues {
        LastValues::of(self.0.last_values)
    }
    /// Who landed it.
    async fn relayer(&self) -> Account {
        Account(self.0.relayer)
    }
    async fn landed_in(&self, ctx: &Context<'_>) -> Result<Option<BlockRef>> {
        BlockRef::find(ctx, self.0.position).await
    }
}

/// Values that a commitment carries; null where not measured or not finite.
#[derive(SimpleObject)]
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
#[derive(SimpleObject)]
pub(crate) struct ResultValues {
    test_loss: Option<f64>,
    test_accuracy: Option<f64>,
    validation_loss: Option<f64>,
    validation_accuracy: Option<f64>,
}

impl ResultValues {
    /// The values of a settlement's word.
    pub(crate) fn of(word: B256) -> Self {
        let [test_loss, test_accuracy, validation_loss, validation_accuracy] =
            unpack_values(word).map(finite);
        Self { test_loss, test_accuracy, validation_loss, validation_accuracy }
    }
}

fn finite(value: MetricValue) -> Option<f64> {
    Some(value.to_f64()).filter(|number| number.is_finite())
}

/// One measurement.
pub(crate) struct Point(PointRow);

#[Object]
impl Point {
    /// Place in the series, from 0.
    async fn sequence(&self) -> Long {
        u64::from(self.0.sequence).into()
    }
    async fn attempt(&self) -> i32 {
        self.0.attempt.into()
    }
    async fn step(&self) -> Long {
        self.0.step.into()
    }
    async fn key(&self) -> &str {
        &self.0.key
    }
    /// The number; null where it is not finite.
    async fn value(&self) -> Option<f64> {
        finite(MetricValue::from_code(self.0.value))
    }
    /// The integer that was signed: the number times 1,000,000, or a code for what is not finite.
    async fn code(&self) -> String {
        self.0.value.to_string()
    }
}

/// What a publisher was paid for its records.
pub(crate) struct DataPayment(DataPaymentRow);

#[Object]
impl DataPayment {
    /// Place of the input in the request.
    async fn input(&self) -> Long {
        u64::from(self.0.input).into()
    }
    async fn payee(&self) -> Account {
        Account(self.0.payee)
    }
    async fn worker(&self) -> Account {
        Account(self.0.worker)
    }
    /// Records given so far.
    async fn records(&self) -> Long {
        u64::from(self.0.records).into()
    }
    async fn records_root(&self) -> Bytes32 {
        self.0.records_root.into()
    }
    /// Paid now.
    async fn amount(&self) -> Amount {
        self.0.amount.into()
    }
    async fn paid_in(&self, ctx: &Context<'_>) -> Result<Option<BlockRef>> {
        BlockRef::find(ctx, self.0.position).await
    }
}

/// How a request ended.
pub(crate) struct Closing(ClosingRow);

#[Object]
impl Closing {
    async fn status(&self) -> Status {
        self.0.status.into()
    }
    /// Units that are paid.
    async fn units(&self) -> Long {
        self.0.units.into()
    }
    /// Paid to the developer over all.
    async fn developer_paid(&self) -> Amount {
        self.0.developer_paid.into()
    }
    /// Paid to relayers over all.
    async fn relay_paid(&self) -> Amount {
        self.0.relay_paid.into()
    }
    /// Returned to the user.
    async fn refunded(&self) -> Amount {
        self.0.refunded.into()
    }
    /// SHA-256 digest of the reason.
    async fn reason_digest(&self) -> Option<Bytes32> {
        (!self.0.reason_digest.is_zero()).then(|| self.0.reason_digest.into())
    }
    async fn closed_in(&self, ctx: &Context<'_>) -> Result<Option<BlockRef>> {
        BlockRef::find(ctx, self.0.position).await
    }
}
