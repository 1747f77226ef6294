//! Training requests. What belongs to one is told in `training`.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use offsetdata_store::chain::requests::{self, RequestRow};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::answer::{Many, One, Reading, page};
use super::params::{Named, Order, Params, paged};
use super::problem::{Problem, Problems};
use crate::api::Api;
use crate::api::block::BlockRef;
use crate::api::scalars::{Account, Bytes32, Long};
use crate::api::training::Status;

/// A request to train a model.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Request {
    id: Bytes32,
    status: Status,
    model_id: Bytes32,
    method_id: Bytes32,
    /// Who pays.
    user: Account,
    developer: Account,
    /// Key that signs assignments.
    scheduler: Account,
    /// The request that this one retrains.
    parent: Option<Bytes32>,
    /// No more units are paid.
    unit_limit: Long,
    /// Units that are paid.
    units: Long,
    /// Unix seconds; so all times.
    opened_at: Long,
    start_deadline: Long,
    deadline: Long,
    /// Until when signed work lands after a cancellation.
    grace_ends_at: Option<Long>,
    /// The current attempt, 0 before the first.
    attempt: u8,
    /// Key of its worker.
    worker: Option<Account>,
    /// Commitments that landed.
    sequence: u32,
    /// Metric points that they stand for.
    point_count: u32,
    requested_in: BlockRef,
}

impl From<RequestRow> for Request {
    fn from(row: RequestRow) -> Self {
        Self {
            id: row.id.into(),
            status: row.status.into(),
            model_id: row.model.into(),
            method_id: row.method.into(),
            user: Account(row.user_account),
            developer: Account(row.developer),
            scheduler: Account(row.scheduler),
            parent: (!row.parent.0.is_zero()).then(|| row.parent.into()),
            unit_limit: row.unit_limit.into(),
            units: row.units.into(),
            opened_at: row.opened_at.into(),
            start_deadline: row.start_deadline.into(),
            deadline: row.deadline.into(),
            grace_ends_at: row.grace_ends_at.map(Long::from),
            attempt: row.attempt,
            worker: row.worker.map(Account),
            sequence: row.sequence,
            point_count: row.point_count,
            requested_in: BlockRef::new(row.block_number, row.block_hash, row.block_timestamp),
        }
    }
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct RequestParams {
    /// Only for this model.
    #[param(inline)]
    model: Option<Bytes32>,
    /// Only by this account.
    #[param(inline)]
    user: Option<Account>,
    /// Only those that retrain this one; then `model` and `user` are not looked at.
    #[param(inline)]
    parent: Option<Bytes32>,
    /// Only those that name this collection among their inputs; then nothing else is looked at.
    #[param(inline)]
    collection: Option<Bytes32>,
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
paged!(RequestParams);

/// Lists training requests.
#[utoipa::path(get, path = "/v1/requests", tag = "requests", params(RequestParams),
    responses((status = 200, description = "What was asked for", body = Many<Request>), Problems))]
pub(super) async fn list_requests(
    State(api): State<Api>,
    headers: HeaderMap,
    Params(params): Params<RequestParams>,
) -> Result<Response, Problem> {
    let page = page(&params)?;
    let mut reading = Reading::begin(&api, &headers).await?;
    let rows = match (params.collection, params.parent) {
        (Some(id), _) => requests::list_requests_of_collection(&mut reading.tx, id.0.into(), page).await?,
        (None, Some(id)) => requests::list_children(&mut reading.tx, id.0.into(), page).await?,
        (None, None) => {
            let (model, user) = (params.model.map(|id| id.0.into()), params.user.map(|account| account.0));
            requests::list_requests(&mut reading.tx, model, user, page).await?
        }
    };
    let rows = rows.into_iter().map(|row| (row.position, Request::from(row))).collect();
    reading.many(rows, page)
}

/// One training request.
#[utoipa::path(get, path = "/v1/requests/{id}", tag = "requests",
    params(("id" = inline(Bytes32), Path, description = "Id of the request")),
    responses((status = 200, description = "What was asked for", body = One<Request>), Problems))]
pub(super) async fn get_request(
    State(api): State<Api>,
    headers: HeaderMap,
    Named(id): Named<Bytes32>,
) -> Result<Response, Problem> {
    let mut reading = Reading::begin(&api, &headers).await?;
    let row = requests::find_request(&mut reading.tx, id.0.into()).await?;
    reading.one(Request::from(row.ok_or_else(|| Problem::missing("request"))?))
}
