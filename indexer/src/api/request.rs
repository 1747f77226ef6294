//! Training requests and all that happened to them, as the API shows them.

use async_graphql::connection::Connection;
use async_graphql::{ComplexObject, Context, Enum, Object, Result, SimpleObject};
use offsetdata_protocol::cid::{RAW, block_cid};
use offsetdata_protocol::ids::CollectionId;
use offsetdata_store::chain::points::{self, PointsFilter};
use offsetdata_store::chain::requests::{self, RequestInputRow, RequestRow};
use offsetdata_store::chain::{models, training};
use offsetdata_store::{Conn, StoreError};
use serde::Serialize;
use utoipa::ToSchema;

use super::block::BlockRef;
use super::collection::Collection;
use super::loaders::load;
use super::located::{Located, locate};
use super::model::{Method, Model};
use super::money::{self, Money};
use super::page::{Paging, Place, PointPlace, cost};
use super::scalars::{Account, Amount, Bytes32, Long};
use super::snapshot::{conn, internal};
use super::training::{Attempt, Closing, Commitment, DataPayment, Point, Status, UnitCollection, Version};

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
    /// The method as it is offered now; null once it was withdrawn.
    #[graphql(complexity = "3 + child_complexity")]
    async fn method(&self, ctx: &Context<'_>) -> Result<Option<Method>> {
        let row = models::find_method_of_model(&mut *conn(ctx).await?, self.0.model, self.0.method).await;
        Ok(row.map_err(internal)?.map(Method))
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
        Ok(rows.into_iter().map(Input::from).collect())
    }
    /// Attempts whose first commitment landed.
    #[graphql(complexity = "5 + 5 * child_complexity")]
    async fn attempts(&self, ctx: &Context<'_>) -> Result<Vec<Attempt>> {
        let mut conn = conn(ctx).await?;
        let rows = training::list_attempts(&mut conn, self.0.id).await;
        shown(&mut conn, rows).await
    }
    #[graphql(complexity = "cost(first, last, child_complexity)")]
    async fn commitments(
        &self,
        ctx: &Context<'_>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
        #[graphql(default)] newest_first: bool,
    ) -> Result<Connection<Place, Commitment>> {
        let paging = Paging::new(first, after, last, before)?;
        let mut conn = conn(ctx).await?;
        let rows = training::list_commitments(&mut conn, self.0.id, paging.page(newest_first)).await;
        paging.locate(&mut conn, rows).await
    }
    /// Names of the metrics that were measured.
    async fn keys(&self, ctx: &Context<'_>) -> Result<Vec<String>> {
        points::list_keys(&mut *conn(ctx).await?, self.0.id).await.map_err(internal)
    }
    /// Metric points in the order in which they were committed: of one metric, or of all.
    #[graphql(complexity = "cost(first, last, child_complexity)")]
    #[expect(clippy::too_many_arguments, reason = "each is an argument of the field")]
    async fn points(
        &self,
        ctx: &Context<'_>,
        key: Option<String>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
        #[graphql(
            default,
            desc = "Also points that a later attempt, which went on from an earlier one, replaced."
        )]
        with_replaced: bool,
    ) -> Result<Connection<PointPlace, Point>> {
        let paging = Paging::<PointPlace>::new(first, after, last, before)?;
        let (after, before, newest_first) = paging.window();
        let place = |place: Option<&PointPlace>| place.map(|place| (place.0, place.1));
        let filter =
            PointsFilter { key, with_replaced, after: place(after), before: place(before), newest_first };
        let rows = points::list_points(&mut *conn(ctx).await?, self.0.id, &filter, paging.limit()).await;
        Ok(paging
            .connect(rows.map_err(internal)?, |row| (PointPlace(row.position, row.sequence), row.into())))
    }
    /// What publishers were paid.
    #[graphql(complexity = "cost(first, last, child_complexity)")]
    async fn data_payments(
        &self,
        ctx: &Context<'_>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
    ) -> Result<Connection<Place, DataPayment>> {
        let paging = Paging::new(first, after, last, before)?;
        let mut conn = conn(ctx).await?;
        let rows = training::list_data_payments(&mut conn, self.0.id, paging.page(false)).await;
        paging.locate(&mut conn, rows).await
    }
    /// What the developer collected before the end.
    #[graphql(complexity = "cost(first, last, child_complexity)")]
    async fn unit_collections(
        &self,
        ctx: &Context<'_>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
    ) -> Result<Connection<Place, UnitCollection>> {
        let paging = Paging::new(first, after, last, before)?;
        let mut conn = conn(ctx).await?;
        let rows = training::list_unit_collections(&mut conn, self.0.id, paging.page(false)).await;
        paging.locate(&mut conn, rows).await
    }
    /// Where all of the escrow is, to the token's smallest unit.
    #[graphql(complexity = "20 + child_complexity")]
    async fn money(&self, ctx: &Context<'_>) -> Result<Money> {
        money::of(&mut *conn(ctx).await?, &self.0).await.map_err(internal)
    }
    /// The version that it made; at most one.
    #[graphql(complexity = "1 + child_complexity")]
    async fn versions(&self, ctx: &Context<'_>) -> Result<Vec<Version>> {
        let mut conn = conn(ctx).await?;
        let row = training::find_version(&mut conn, self.0.id).await;
        shown(&mut conn, row.map(Vec::from_iter)).await
    }
    /// How it ended.
    async fn closing(&self, ctx: &Context<'_>) -> Result<Option<Closing>> {
        let mut conn = conn(ctx).await?;
        let row = training::find_closing(&mut conn, self.0.id).await;
        Ok(shown(&mut conn, row.map(Vec::from_iter)).await?.pop())
    }
    /// The request that this one retrains.
    #[graphql(complexity = "2 + child_complexity")]
    async fn parent_request(&self, ctx: &Context<'_>) -> Result<Option<TrainingRequest>> {
        if self.0.parent.0.is_zero() {
            return Ok(None);
        }
        let row = requests::find_request(&mut *conn(ctx).await?, self.0.parent).await;
        Ok(row.map_err(internal)?.map(TrainingRequest))
    }
    /// Requests that retrain this one.
    #[graphql(complexity = "cost(first, last, child_complexity)")]
    async fn children(
        &self,
        ctx: &Context<'_>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
        #[graphql(default = true)] newest_first: bool,
    ) -> Result<Connection<Place, TrainingRequest>> {
        let paging = Paging::new(first, after, last, before)?;
        let page = paging.page(newest_first);
        let rows = requests::list_children(&mut *conn(ctx).await?, self.0.id, page).await;
        Ok(paging.connect(rows.map_err(internal)?, |row| (Place(row.position), TrainingRequest(row))))
    }
}

/// Rows of events with their blocks.
async fn shown<T: Located>(conn: &mut Conn, rows: Result<Vec<T::Row>, StoreError>) -> Result<Vec<T>> {
    let shown = locate::<T>(conn, rows.map_err(internal)?).await.map_err(internal)?;
    Ok(shown.into_iter().map(|(_, row)| row).collect())
}

/// Which records of an input a request takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum, Serialize, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
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
#[derive(Debug, Clone, PartialEq, SimpleObject, Serialize, ToSchema)]
#[graphql(complex)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Input {
    /// Place in the request, from 0.
    input: Long,
    collection_id: Option<Bytes32>,
    selection: Selection,
    /// Bitmap root, or content root of direct data.
    selection_root: Option<Bytes32>,
    first: Long,
    count: Long,
    /// No more records are paid.
    record_cap: Long,
    price_per_record: Amount,
    payee: Account,
}

impl From<RequestInputRow> for Input {
    fn from(row: RequestInputRow) -> Self {
        Self {
            input: u64::from(row.input).into(),
            collection_id: (!row.collection.0.is_zero()).then(|| row.collection.into()),
            selection: match row.selection {
                0 => Selection::All,
                1 => Selection::Range,
                2 => Selection::Bitmap,
                _ => Selection::Direct,
            },
            selection_root: (!row.selection_root.is_zero()).then(|| row.selection_root.into()),
            first: u64::from(row.first).into(),
            count: u64::from(row.count).into(),
            record_cap: u64::from(row.record_cap).into(),
            price_per_record: row.price_per_record.into(),
            payee: Account(row.payee),
        }
    }
}

#[ComplexObject]
impl Input {
    async fn collection(&self, ctx: &Context<'_>) -> Result<Option<Collection>> {
        match self.collection_id {
            Some(id) => load::<CollectionId>(ctx, id.0.into()).await,
            None => Ok(None),
        }
    }
}
