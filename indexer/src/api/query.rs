//! The roots of a query, and the limits of all of them.

use async_graphql::connection::Connection;
use async_graphql::{Context, EmptyMutation, EmptySubscription, Error, Object, Result, Schema};
use offsetdata_protocol::ids::CollectionId;
use offsetdata_store::chain::collections::CollectionFilter;
use offsetdata_store::chain::{access, blocks, collections, models, requests};

use super::account;
use super::block::Block;
use super::collection::{Collection, Offer, show};
use super::loaders::load;
use super::model::{Base, Model, Project};
use super::page::{Paging, Place, cost};
use super::request::TrainingRequest;
use super::rights::Right;
use super::scalars::{Account, Bytes32};
use super::search::search_words;
use super::snapshot::{conn, internal};

/// Deepest nesting of a query: model → requests → edges → node → points → edges → node → a field, and some more.
const MAX_DEPTH: usize = 14;
/// Greatest cost of a query: about ten full pages of a list within a list of pages of 200 would be far over it.
const MAX_COMPLEXITY: usize = 25_000;

/// What can be asked.
pub type ApiSchema = Schema<Query, EmptyMutation, EmptySubscription>;

/// The schema with its limits.
pub fn schema() -> ApiSchema {
    Schema::build(Query, EmptyMutation, EmptySubscription)
        .limit_depth(MAX_DEPTH)
        .limit_complexity(MAX_COMPLEXITY)
        .limit_recursive_depth(24)
        .limit_directives(8)
        .finish()
}

/// Root of all queries.
pub struct Query;

#[Object]
impl Query {
    /// The block that this answer is about.
    async fn block(&self, ctx: &Context<'_>) -> Result<Block> {
        let cursor = blocks::head(&mut *conn(ctx).await?).await.map_err(internal)?;
        cursor.as_ref().map(Block::from).ok_or_else(|| Error::new("nothing is indexed yet"))
    }

    #[graphql(complexity = "6 + child_complexity")]
    async fn collection(&self, ctx: &Context<'_>, id: Bytes32) -> Result<Option<Collection>> {
        load::<CollectionId>(ctx, id.0.into()).await
    }

    /// Collections, of which all that is named holds.
    #[graphql(complexity = "cost(first, last, child_complexity)")]
    #[expect(clippy::too_many_arguments, reason = "each is an argument of the field")]
    async fn collections(
        &self,
        ctx: &Context<'_>,
        #[graphql(
            desc = "Words of name, description, licence or keywords, or their beginnings: all have to be there."
        )]
        search: Option<String>,
        registrant: Option<Account>,
        #[graphql(desc = "Who publishes it now.")] publisher: Option<Account>,
        #[graphql(desc = "The licence of the manifest, to the letter.")] licence: Option<String>,
        #[graphql(desc = "Whether everyone can decrypt it.")] public: Option<bool>,
        #[graphql(desc = "Whether an offer for this right stands.")] offered: Option<Right>,
        retired: Option<bool>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
        #[graphql(default = true)] newest_first: bool,
    ) -> Result<Connection<Place, Collection>> {
        let paging = Paging::new(first, after, last, before)?;
        let words = match search {
            Some(text) => search_words(&text).map_err(Error::new)?,
            None => Vec::new(),
        };
        let filter = CollectionFilter {
            registrant: registrant.map(|account| account.0),
            publisher: publisher.map(|account| account.0),
            previous: None,
            licence,
            public,
            offered: offered.map(Right::code),
            retired,
            words,
        };
        let mut conn = conn(ctx).await?;
        let rows = collections::list_collections(&mut conn, &filter, paging.page(newest_first)).await;
        let shown = show(&mut conn, rows.map_err(internal)?).await.map_err(internal)?;
        Ok(paging.connect(shown, |collection| (Place(collection.position()), collection)))
    }

    /// Offers that stand.
    #[graphql(complexity = "cost(first, last, child_complexity)")]
    #[expect(clippy::too_many_arguments, reason = "each is an argument of the field")]
    async fn offers(
        &self,
        ctx: &Context<'_>,
        collection: Option<Bytes32>,
        right: Option<Right>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
        #[graphql(default = true)] newest_first: bool,
    ) -> Result<Connection<Place, Offer>> {
        let paging = Paging::new(first, after, last, before)?;
        let (collection, right) = (collection.map(|id| id.0.into()), right.map(Right::code));
        let mut conn = conn(ctx).await?;
        let page = paging.page(newest_first);
        let rows = access::list_all_offers(&mut conn, collection, right, page).await;
        paging.locate(&mut conn, rows).await
    }

    /// What concerns an account, whether or not it ever did anything.
    async fn account(&self, address: Account) -> account::Account {
        account::Account(address.0)
    }

    async fn base(&self, ctx: &Context<'_>, id: Bytes32) -> Result<Option<Base>> {
        Ok(models::find_base(&mut *conn(ctx).await?, id.0.into()).await.map_err(internal)?.map(Base))
    }

    #[graphql(complexity = "cost(first, last, child_complexity)")]
    #[expect(clippy::too_many_arguments, reason = "each is an argument of the field")]
    async fn bases(
        &self,
        ctx: &Context<'_>,
        developer: Option<Account>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
        #[graphql(default = true)] newest_first: bool,
    ) -> Result<Connection<Place, Base>> {
        let paging = Paging::new(first, after, last, before)?;
        let page = paging.page(newest_first);
        let rows = models::list_bases(&mut *conn(ctx).await?, developer.map(|a| a.0), page).await;
        Ok(paging.connect(rows.map_err(internal)?, |row| (Place(row.position), Base(row))))
    }

    async fn project(&self, ctx: &Context<'_>, id: Bytes32) -> Result<Option<Project>> {
        Ok(models::find_project(&mut *conn(ctx).await?, id.0.into()).await.map_err(internal)?.map(Project))
    }

    #[graphql(complexity = "cost(first, last, child_complexity)")]
    #[expect(clippy::too_many_arguments, reason = "each is an argument of the field")]
    async fn projects(
        &self,
        ctx: &Context<'_>,
        owner: Option<Account>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
        #[graphql(default = true)] newest_first: bool,
    ) -> Result<Connection<Place, Project>> {
        let paging = Paging::new(first, after, last, before)?;
        let page = paging.page(newest_first);
        let rows = models::list_projects(&mut *conn(ctx).await?, owner.map(|a| a.0), page).await;
        Ok(paging.connect(rows.map_err(internal)?, |row| (Place(row.position), Project(row))))
    }

    async fn model(&self, ctx: &Context<'_>, id: Bytes32) -> Result<Option<Model>> {
        Ok(models::find_model(&mut *conn(ctx).await?, id.0.into()).await.map_err(internal)?.map(Model))
    }

    #[graphql(complexity = "cost(first, last, child_complexity)")]
    #[expect(clippy::too_many_arguments, reason = "each is an argument of the field")]
    async fn models(
        &self,
        ctx: &Context<'_>,
        base: Option<Bytes32>,
        project: Option<Bytes32>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
        #[graphql(default = true)] newest_first: bool,
    ) -> Result<Connection<Place, Model>> {
        let paging = Paging::new(first, after, last, before)?;
        let (base, project) = (base.map(|id| id.0.into()), project.map(|id| id.0.into()));
        let rows =
            models::list_models(&mut *conn(ctx).await?, base, project, paging.page(newest_first)).await;
        Ok(paging.connect(rows.map_err(internal)?, |row| (Place(row.position), Model(row))))
    }

    async fn training_request(&self, ctx: &Context<'_>, id: Bytes32) -> Result<Option<TrainingRequest>> {
        let row = requests::find_request(&mut *conn(ctx).await?, id.0.into()).await.map_err(internal)?;
        Ok(row.map(TrainingRequest))
    }

    #[graphql(complexity = "cost(first, last, child_complexity)")]
    #[expect(clippy::too_many_arguments, reason = "each is an argument of the field")]
    async fn training_requests(
        &self,
        ctx: &Context<'_>,
        model: Option<Bytes32>,
        user: Option<Account>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
        #[graphql(default = true)] newest_first: bool,
    ) -> Result<Connection<Place, TrainingRequest>> {
        let paging = Paging::new(first, after, last, before)?;
        let (model, user) = (model.map(|id| id.0.into()), user.map(|account| account.0));
        let rows =
            requests::list_requests(&mut *conn(ctx).await?, model, user, paging.page(newest_first)).await;
        Ok(paging.connect(rows.map_err(internal)?, |row| (Place(row.position), TrainingRequest(row))))
    }
}
