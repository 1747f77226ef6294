//! What belongs to one training request: inputs, attempts, commitments, points, payments, where its money is, its version.

use async_graphql::connection::CursorType;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use offsetdata_protocol::ids::RequestId;
use offsetdata_store::chain::points::{self, PointsFilter};
use offsetdata_store::chain::requests::{self, RequestRow};
use offsetdata_store::chain::training;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::accounts::PageParams;
use super::answer::{Many, One, Reading, page};
use super::params::{Named, Order, Params, checked};
use super::problem::{Problem, Problems};
use crate::api::Api;
use crate::api::located::locate;
use crate::api::money::{self, Money};
use crate::api::page::PointPlace;
use crate::api::request::Input;
use crate::api::scalars::Bytes32;
use crate::api::training::{Attempt, Closing, Commitment, DataPayment, Point, UnitCollection, Version};

/// What was promised to a request, who tried, and how it ended.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Course {
    inputs: Vec<Input>,
    attempts: Vec<Attempt>,
    /// Names of the metrics that were measured.
    keys: Vec<String>,
    /// The version that it made.
    version: Option<Version>,
    closing: Option<Closing>,
    /// Where all of its escrow is.
    money: Money,
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct PointParams {
    /// Only this metric.
    key: Option<String>,
    /// Also points that a later attempt, which went on from an earlier one, replaced.
    #[serde(default)]
    with_replaced: bool,
    /// Rows of the page, 50 by default.
    #[param(minimum = 1, maximum = 200)]
    first: Option<u32>,
    /// `next` of the page before.
    #[param(pattern = "^[0-9]{1,18}\\.[0-9]{1,10}$")]
    after: Option<String>,
}

/// Longest name of a metric, in bytes.
const MAX_KEY: usize = offsetdata_protocol::metrics::MAX_KEY_BYTES;

async fn existing(reading: &mut Reading, id: Bytes32) -> Result<RequestRow, Problem> {
    let row = requests::find_request(&mut reading.tx, id.0.into()).await?;
    row.ok_or_else(|| Problem::missing("request"))
}

/// What belongs to a request, but for its lists.
#[utoipa::path(get, path = "/v1/requests/{id}/course", tag = "requests",
    params(("id" = inline(Bytes32), Path, description = "Id of the request")),
    responses((status = 200, description = "What was asked for", body = One<Course>), Problems))]
pub(super) async fn get_course(
    State(api): State<Api>,
    headers: HeaderMap,
    Named(id): Named<Bytes32>,
) -> Result<Response, Problem> {
    let mut reading = Reading::begin(&api, &headers).await?;
    let row = existing(&mut reading, id).await?;
    let conn = &mut *reading.tx;
    let inputs = requests::list_inputs(conn, row.id).await?.into_iter().map(Input::from).collect();
    let attempts = training::list_attempts(conn, row.id).await?;
    let attempts = locate::<Attempt>(conn, attempts).await?.into_iter().map(|(_, row)| row).collect();
    let version = Vec::from_iter(training::find_version(conn, row.id).await?);
    let version = locate::<Version>(conn, version).await?.pop().map(|(_, row)| row);
    let closing = Vec::from_iter(training::find_closing(conn, row.id).await?);
    let closing = locate::<Closing>(conn, closing).await?.pop().map(|(_, row)| row);
    let keys = points::list_keys(conn, row.id).await?;
    let money = money::of(conn, &row).await?;
    reading.one(Course { inputs, attempts, keys, version, closing, money })
}

/// Commitments that landed.
#[utoipa::path(get, path = "/v1/requests/{id}/commitments", tag = "requests",
    params(("id" = inline(Bytes32), Path, description = "Id of the request"), PageParams),
    responses((status = 200, description = "What was asked for", body = Many<Commitment>), Problems))]
pub(super) async fn list_commitments(
    State(api): State<Api>,
    headers: HeaderMap,
    Named(id): Named<Bytes32>,
    Params(params): Params<PageParams>,
) -> Result<Response, Problem> {
    let page = page(&params)?;
    let mut reading = Reading::begin(&api, &headers).await?;
    let id: RequestId = existing(&mut reading, id).await?.id;
    let rows = training::list_commitments(&mut reading.tx, id, page).await;
    reading.located::<Commitment>(rows, page).await
}

/// What publishers were paid by receipts.
#[utoipa::path(get, path = "/v1/requests/{id}/data-payments", tag = "requests",
    params(("id" = inline(Bytes32), Path, description = "Id of the request"), PageParams),
    responses((status = 200, description = "What was asked for", body = Many<DataPayment>), Problems))]
pub(super) async fn list_data_payments(
    State(api): State<Api>,
    headers: HeaderMap,
    Named(id): Named<Bytes32>,
    Params(params): Params<PageParams>,
) -> Result<Response, Problem> {
    let page = page(&params)?;
    let mut reading = Reading::begin(&api, &headers).await?;
    let id: RequestId = existing(&mut reading, id).await?.id;
    let rows = training::list_data_payments(&mut reading.tx, id, page).await;
    reading.located::<DataPayment>(rows, page).await
}

/// What the developer collected before the end.
#[utoipa::path(get, path = "/v1/requests/{id}/unit-collections", tag = "requests",
    params(("id" = inline(Bytes32), Path, description = "Id of the request"), PageParams),
    responses((status = 200, description = "What was asked for", body = Many<UnitCollection>), Problems))]
pub(super) async fn list_unit_collections(
    State(api): State<Api>,
    headers: HeaderMap,
    Named(id): Named<Bytes32>,
    Params(params): Params<PageParams>,
) -> Result<Response, Problem> {
    let page = page(&params)?;
    let mut reading = Reading::begin(&api, &headers).await?;
    let id: RequestId = existing(&mut reading, id).await?.id;
    let rows = training::list_unit_collections(&mut reading.tx, id, page).await;
    reading.located::<UnitCollection>(rows, page).await
}

/// Metric points in the order in which they were committed.
#[utoipa::path(get, path = "/v1/requests/{id}/points", tag = "requests",
    params(("id" = inline(Bytes32), Path, description = "Id of the request"), PointParams),
    responses((status = 200, description = "What was asked for", body = Many<Point>), Problems))]
pub(super) async fn list_points(
    State(api): State<Api>,
    headers: HeaderMap,
    Named(id): Named<Bytes32>,
    Params(params): Params<PointParams>,
) -> Result<Response, Problem> {
    let PointParams { key, with_replaced, first, after } = params;
    let (first, ..) = checked(first, None, Order::Oldest)?;
    if key.as_ref().is_some_and(|key| key.len() > MAX_KEY) {
        return Err(Problem::malformed(format!("key: at most {MAX_KEY} bytes")));
    }
    let after = after
        .map(|after| PointPlace::decode_cursor(&after))
        .transpose()
        .map_err(|_| Problem::malformed("after: not a cursor of this list"))?;
    let filter = PointsFilter {
        key,
        with_replaced,
        after: after.map(|place| (place.0, place.1)),
        ..PointsFilter::default()
    };
    let mut reading = Reading::begin(&api, &headers).await?;
    let id: RequestId = existing(&mut reading, id).await?.id;
    let rows = points::list_points(&mut reading.tx, id, &filter, first + 1).await?;
    let place = |row: &points::PointRow| PointPlace(row.position, row.sequence).encode_cursor();
    let rows = rows.into_iter().map(|row| (place(&row), Point::from(row))).collect();
    reading.part(rows, first as usize)
}
