//! Bases, projects, models and versions: from a collection's request to the model, and back.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use offsetdata_store::chain::models::{self, BaseState, ModelState, ProjectState};
use offsetdata_store::chain::training;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::accounts::PageParams;
use super::answer::{Many, One, Reading, page};
use super::params::{Named, Order, Params, paged};
use super::problem::{Problem, Problems};
use crate::api::Api;
use crate::api::model::Visibility;
use crate::api::scalars::{Account, Bytes32};
use crate::api::training::Version;

/// What a developer offers to train.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Base {
    id: Bytes32,
    developer: Account,
    /// SHA-256 digest of the metadata.
    metadata_digest: Bytes32,
    metadata_uri: String,
    retired: bool,
}

impl From<BaseState> for Base {
    fn from(row: BaseState) -> Self {
        Self {
            id: row.id.into(),
            developer: Account(row.developer),
            metadata_digest: row.metadata_digest.into(),
            metadata_uri: row.metadata_uri,
            retired: row.retired,
        }
    }
}

/// A user's container for models.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Project {
    id: Bytes32,
    owner: Account,
    /// SHA-256 digest of the metadata.
    metadata_digest: Bytes32,
    metadata_uri: String,
}

impl From<ProjectState> for Project {
    fn from(row: ProjectState) -> Self {
        Self {
            id: row.id.into(),
            owner: Account(row.owner),
            metadata_digest: row.metadata_digest.into(),
            metadata_uri: row.metadata_uri,
        }
    }
}

/// A model: an identity with its id, and the versions trained under it.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Model {
    id: Bytes32,
    base_id: Bytes32,
    project_id: Bytes32,
    owner: Account,
    visibility: Visibility,
    deleted: bool,
    /// SHA-256 digest of the metadata.
    metadata_digest: Bytes32,
    metadata_uri: String,
}

impl From<ModelState> for Model {
    fn from(row: ModelState) -> Self {
        Self {
            id: row.id.into(),
            base_id: row.base.into(),
            project_id: row.project.into(),
            owner: Account(row.owner),
            visibility: Visibility::from_code(row.visibility),
            deleted: row.deleted,
            metadata_digest: row.metadata_digest.into(),
            metadata_uri: row.metadata_uri,
        }
    }
}

macro_rules! list_params {
    ($($name:ident { $($(#[$doc:meta])* $field:ident: $type:ty,)* })*) => { $(
        #[derive(Debug, Deserialize, IntoParams)]
        #[into_params(parameter_in = Query)]
        #[serde(rename_all = "camelCase", deny_unknown_fields)]
        pub(super) struct $name {
            $($(#[$doc])* #[param(inline)] $field: Option<$type>,)*
            /// Rows of the page, 50 by default.
            #[param(minimum = 1, maximum = 200)]
            first: Option<u32>,
            /// `next` of the page before.
            #[param(pattern = "^[0-9]{1,18}$")]
            after: Option<String>,
            /// Where to begin.
            #[serde(default)]
            #[param(inline)]
            order: Order,
        }
        paged!($name);
    )* };
}
list_params! {
    BaseParams {
        /// Only of this developer.
        developer: Account,
    }
    ProjectParams {
        /// Only of this account.
        owner: Account,
    }
    ModelParams {
        /// Only of this base.
        base: Bytes32,
        /// Only in this project.
        project: Bytes32,
    }
}

/// What developers offer to train.
#[utoipa::path(get, path = "/v1/bases", tag = "models", params(BaseParams),
    responses((status = 200, description = "What was asked for", body = Many<Base>), Problems))]
pub(super) async fn list_bases(
    State(api): State<Api>,
    headers: HeaderMap,
    Params(params): Params<BaseParams>,
) -> Result<Response, Problem> {
    let page = page(&params)?;
    let mut reading = Reading::begin(&api, &headers).await?;
    let rows = models::list_bases(&mut reading.tx, params.developer.map(|account| account.0), page).await?;
    reading.many(rows.into_iter().map(|row| (row.position, Base::from(row))).collect(), page)
}

/// Projects of users.
#[utoipa::path(get, path = "/v1/projects", tag = "models", params(ProjectParams),
    responses((status = 200, description = "What was asked for", body = Many<Project>), Problems))]
pub(super) async fn list_projects(
    State(api): State<Api>,
    headers: HeaderMap,
    Params(params): Params<ProjectParams>,
) -> Result<Response, Problem> {
    let page = page(&params)?;
    let mut reading = Reading::begin(&api, &headers).await?;
    let rows = models::list_projects(&mut reading.tx, params.owner.map(|account| account.0), page).await?;
    reading.many(rows.into_iter().map(|row| (row.position, Project::from(row))).collect(), page)
}

/// Models of users.
#[utoipa::path(get, path = "/v1/models", tag = "models", params(ModelParams),
    responses((status = 200, description = "What was asked for", body = Many<Model>), Problems))]
pub(super) async fn list_models(
    State(api): State<Api>,
    headers: HeaderMap,
    Params(params): Params<ModelParams>,
) -> Result<Response, Problem> {
    let page = page(&params)?;
    let (base, project) = (params.base.map(|id| id.0.into()), params.project.map(|id| id.0.into()));
    let mut reading = Reading::begin(&api, &headers).await?;
    let rows = models::list_models(&mut reading.tx, base, project, page).await?;
    reading.many(rows.into_iter().map(|row| (row.position, Model::from(row))).collect(), page)
}

/// One model.
#[utoipa::path(get, path = "/v1/models/{id}", tag = "models",
    params(("id" = inline(Bytes32), Path, description = "Id of the model")),
    responses((status = 200, description = "What was asked for", body = One<Model>), Problems))]
pub(super) async fn get_model(
    State(api): State<Api>,
    headers: HeaderMap,
    Named(id): Named<Bytes32>,
) -> Result<Response, Problem> {
    let mut reading = Reading::begin(&api, &headers).await?;
    let row = models::find_model(&mut reading.tx, id.0.into()).await?;
    reading.one(Model::from(row.ok_or_else(|| Problem::missing("model"))?))
}

/// The versions of a model.
#[utoipa::path(get, path = "/v1/models/{id}/versions", tag = "models",
    params(("id" = inline(Bytes32), Path, description = "Id of the model"), PageParams),
    responses((status = 200, description = "What was asked for", body = Many<Version>), Problems))]
pub(super) async fn list_versions(
    State(api): State<Api>,
    headers: HeaderMap,
    Named(id): Named<Bytes32>,
    Params(params): Params<PageParams>,
) -> Result<Response, Problem> {
    let page = page(&params)?;
    let mut reading = Reading::begin(&api, &headers).await?;
    let rows = training::list_versions(&mut reading.tx, id.0.into(), page).await;
    reading.located::<Version>(rows, page).await
}
