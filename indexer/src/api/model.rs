//! Bases, projects, models and versions as the API shows them.

use async_graphql::connection::Connection;
use async_graphql::{Context, Enum, Object, Result, SimpleObject};
use offsetdata_store::chain::models::{
    self, BaseState, MethodState, ModelAccessState, ModelState, ProjectState,
};
use offsetdata_store::chain::requests;
use offsetdata_store::chain::training;

use super::block::BlockRef;
use super::page::{MAX_PAGE, Paging, Place, cost};
use super::request::TrainingRequest;
use super::scalars::{Account, Amount, Bytes32};
use super::snapshot::{conn, internal};
use super::training::Version;
use offsetdata_store::chain::Page;

/// What a developer offers to train.
pub(crate) struct Base(pub(crate) BaseState);

#[Object]
impl Base {
    async fn id(&self) -> Bytes32 {
        self.0.id.into()
    }
    async fn developer(&self) -> Account {
        Account(self.0.developer)
    }
    /// SHA-256 digest of the metadata.
    async fn metadata_digest(&self) -> Bytes32 {
        self.0.metadata_digest.into()
    }
    async fn metadata_uri(&self) -> &str {
        &self.0.metadata_uri
    }
    async fn retired(&self) -> bool {
        self.0.retired
    }
    async fn published_in(&self, ctx: &Context<'_>) -> Result<Option<BlockRef>> {
        BlockRef::find(ctx, self.0.position).await
    }
    /// The ways to train it that are offered, at most 200.
    #[graphql(complexity = "5 + 5 * child_complexity")]
    async fn methods(&self, ctx: &Context<'_>) -> Result<Vec<Method>> {
        let rows = models::list_methods(&mut *conn(ctx).await?, self.0.id, Page::first(MAX_PAGE)).await;
        Ok(rows.map_err(internal)?.into_iter().map(Method).collect())
    }
    /// Keys of the workers that are allowed, at most 200.
    #[graphql(complexity = 5)]
    async fn workers(&self, ctx: &Context<'_>) -> Result<Vec<Account>> {
        let rows = models::list_workers(&mut *conn(ctx).await?, self.0.id, Page::first(MAX_PAGE)).await;
        Ok(rows.map_err(internal)?.into_iter().map(|row| Account(row.worker)).collect())
    }
    #[graphql(complexity = "cost(first, last, child_complexity)")]
    async fn models(
        &self,
        ctx: &Context<'_>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
        #[graphql(default = true)] newest_first: bool,
    ) -> Result<Connection<Place, Model>> {
        let paging = Paging::new(first, after, last, before)?;
        let rows =
            models::list_models(&mut *conn(ctx).await?, Some(self.0.id), None, paging.page(newest_first))
                .await;
        Ok(paging.connect(rows.map_err(internal)?, |row| (Place(row.position), Model(row))))
    }
}

/// A way to train a base.
pub(crate) struct Method(pub(crate) MethodState);

#[Object]
impl Method {
    async fn id(&self) -> Bytes32 {
        self.0.method.into()
    }
    async fn name(&self) -> &str {
        &self.0.name
    }
    /// Price of one unit (one record seen in training) in the token's smallest unit.
    async fn unit_price(&self) -> Amount {
        self.0.unit_price.into()
    }
    /// No more units a second are paid.
    async fn max_units_per_second(&self) -> Amount {
        u128::from(self.0.max_units_per_second).into()
    }
    /// Held back until settlement, in basis points.
    async fn holdback_bps(&self) -> i32 {
        self.0.holdback_bps.into()
    }
    /// Whether it takes collections.
    async fn takes_collections(&self) -> bool {
        self.0.intake & 1 != 0
    }
    /// Whether it takes data that the user brings.
    async fn takes_direct_data(&self) -> bool {
        self.0.intake & 2 != 0
    }
    /// Key that signs assignments.
    async fn scheduler(&self) -> Account {
        Account(self.0.scheduler)
    }
    async fn trainer_digest(&self) -> Bytes32 {
        self.0.trainer_digest.into()
    }
    /// SHA-256 digest of the hyperparameters' JSON Schema.
    async fn schema_digest(&self) -> Bytes32 {
        self.0.schema_digest.into()
    }
}

/// A user's container for models.
pub(crate) struct Project(pub(crate) ProjectState);

#[Object]
impl Project {
    async fn id(&self) -> Bytes32 {
        self.0.id.into()
    }
    async fn owner(&self) -> Account {
        Account(self.0.owner)
    }
    /// SHA-256 digest of the metadata.
    async fn metadata_digest(&self) -> Bytes32 {
        self.0.metadata_digest.into()
    }
    async fn metadata_uri(&self) -> &str {
        &self.0.metadata_uri
    }
    async fn created_in(&self, ctx: &Context<'_>) -> Result<Option<BlockRef>> {
        BlockRef::find(ctx, self.0.position).await
    }
    #[graphql(complexity = "cost(first, last, child_complexity)")]
    async fn models(
        &self,
        ctx: &Context<'_>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
        #[graphql(default = true)] newest_first: bool,
    ) -> Result<Connection<Place, Model>> {
        let paging = Paging::new(first, after, last, before)?;
        let rows =
            models::list_models(&mut *conn(ctx).await?, None, Some(self.0.id), paging.page(newest_first))
                .await;
        Ok(paging.connect(rows.map_err(internal)?, |row| (Place(row.position), Model(row))))
    }
}

/// Who may use a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum, serde::Serialize, utoipa::ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(crate) enum Visibility {
    /// The owner and those allowed.
    Restricted,
    /// Everyone who is not denied.
    Public,
}

impl Visibility {
    /// From the contract's number.
    pub(crate) fn from_code(code: u8) -> Self {
        if code == 0 { Self::Restricted } else { Self::Public }
    }
}

/// What was set for an account of a model.
#[derive(SimpleObject)]
pub(crate) struct ModelAccess {
    account: Account,
    allowed: bool,
    denied: bool,
}

impl From<ModelAccessState> for ModelAccess {
    fn from(row: ModelAccessState) -> Self {
        Self { account: Account(row.account), allowed: row.allowed, denied: row.denied }
    }
}

/// A model: an identity with its id, and the versions trained under it.
pub(crate) struct Model(pub(crate) ModelState);

#[Object]
impl Model {
    async fn id(&self) -> Bytes32 {
        self.0.id.into()
    }
    async fn owner(&self) -> Account {
        Account(self.0.owner)
    }
    async fn visibility(&self) -> Visibility {
        Visibility::from_code(self.0.visibility)
    }
    async fn deleted(&self) -> bool {
        self.0.deleted
    }
    /// SHA-256 digest of the metadata.
    async fn metadata_digest(&self) -> Bytes32 {
        self.0.metadata_digest.into()
    }
    async fn metadata_uri(&self) -> &str {
        &self.0.metadata_uri
    }
    async fn created_in(&self, ctx: &Context<'_>) -> Result<Option<BlockRef>> {
        BlockRef::find(ctx, self.0.position).await
    }
    async fn base(&self, ctx: &Context<'_>) -> Result<Option<Base>> {
        Ok(models::find_base(&mut *conn(ctx).await?, self.0.base).await.map_err(internal)?.map(Base))
    }
    async fn project(&self, ctx: &Context<'_>) -> Result<Option<Project>> {
        Ok(models::find_project(&mut *conn(ctx).await?, self.0.project).await.map_err(internal)?.map(Project))
    }
    /// Accounts for which something was set.
    #[graphql(complexity = "cost(first, last, child_complexity)")]
    async fn accesses(
        &self,
        ctx: &Context<'_>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
    ) -> Result<Connection<Place, ModelAccess>> {
        let paging = Paging::new(first, after, last, before)?;
        let rows = models::list_model_accesses(&mut *conn(ctx).await?, self.0.id, paging.page(false)).await;
        Ok(paging.connect(rows.map_err(internal)?, |row| (Place(row.position), row.into())))
    }
    #[graphql(complexity = "cost(first, last, child_complexity)")]
    async fn versions(
        &self,
        ctx: &Context<'_>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
        #[graphql(default = true)] newest_first: bool,
    ) -> Result<Connection<Place, Version>> {
        let paging = Paging::new(first, after, last, before)?;
        let mut conn = conn(ctx).await?;
        let rows = training::list_versions(&mut conn, self.0.id, paging.page(newest_first)).await;
        paging.locate(&mut conn, rows).await
    }
    #[graphql(complexity = "cost(first, last, child_complexity)")]
    async fn requests(
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
        let rows = requests::list_requests(&mut *conn(ctx).await?, Some(self.0.id), None, page).await;
        Ok(paging.connect(rows.map_err(internal)?, |row| (Place(row.position), TrainingRequest(row))))
    }
}
