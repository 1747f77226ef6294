//! Offers, rights, and what happened to rights.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use offsetdata_store::chain::access;
use offsetdata_store::chain::rights::{self, AccessFilter};
use serde::Deserialize;
use utoipa::IntoParams;

use super::answer::{Many, Reading, page};
use super::params::{Order, Params, paged};
use super::problem::{Problem, Problems};
use crate::api::Api;
use crate::api::collection::Offer;
use crate::api::rights::{Access, AccessEvent, Right};
use crate::api::scalars::{Account, Bytes32};

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct OfferParams {
    /// Only for this collection.
    #[param(inline)]
    collection: Option<Bytes32>,
    /// Only for this right.
    #[param(inline)]
    right: Option<Right>,
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

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct AccessParams {
    /// Only to this collection.
    #[param(inline)]
    collection: Option<Bytes32>,
    /// Only of this account.
    #[param(inline)]
    holder: Option<Account>,
    /// Only this right.
    #[param(inline)]
    right: Option<Right>,
    /// Only rights that hold at the time of the block of the answer.
    #[serde(default)]
    held: bool,
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

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct AccessEventParams {
    /// Only to this collection.
    #[param(inline)]
    collection: Option<Bytes32>,
    /// Only of this account.
    #[param(inline)]
    holder: Option<Account>,
    /// Only this right.
    #[param(inline)]
    right: Option<Right>,
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
paged!(OfferParams, AccessParams, AccessEventParams);

/// Offers that stand.
#[utoipa::path(get, path = "/v1/offers", tag = "access", params(OfferParams),
    responses((status = 200, description = "What was asked for", body = Many<Offer>), Problems))]
pub(super) async fn list_offers(
    State(api): State<Api>,
    headers: HeaderMap,
    Params(params): Params<OfferParams>,
) -> Result<Response, Problem> {
    let page = page(&params)?;
    let mut reading = Reading::begin(&api, &headers).await?;
    let (collection, right) = (params.collection.map(|id| id.0.into()), params.right.map(Right::code));
    let rows = access::list_all_offers(&mut reading.tx, collection, right, page).await;
    reading.located::<Offer>(rows, page).await
}

/// Who holds or held rights by token. The order is that in which they first appeared.
#[utoipa::path(get, path = "/v1/access", tag = "access", params(AccessParams),
    responses((status = 200, description = "What was asked for", body = Many<Access>), Problems))]
pub(super) async fn list_access(
    State(api): State<Api>,
    headers: HeaderMap,
    Params(params): Params<AccessParams>,
) -> Result<Response, Problem> {
    let page = page(&params)?;
    let filter = filter(params.collection, params.holder, params.right);
    let mut reading = Reading::begin(&api, &headers).await?;
    let held_at = params.held.then_some(reading.time);
    let rows = rights::list_access(&mut reading.tx, filter, held_at, page).await;
    reading.located::<Access>(rows, page).await
}

/// What happened to rights.
#[utoipa::path(get, path = "/v1/access-events", tag = "access", params(AccessEventParams),
    responses((status = 200, description = "What was asked for", body = Many<AccessEvent>), Problems))]
pub(super) async fn list_access_events(
    State(api): State<Api>,
    headers: HeaderMap,
    Params(params): Params<AccessEventParams>,
) -> Result<Response, Problem> {
    let page = page(&params)?;
    let filter = filter(params.collection, params.holder, params.right);
    let mut reading = Reading::begin(&api, &headers).await?;
    let rows = rights::list_access_events(&mut reading.tx, filter, page).await;
    reading.located::<AccessEvent>(rows, page).await
}

fn filter(collection: Option<Bytes32>, holder: Option<Account>, right: Option<Right>) -> AccessFilter {
    AccessFilter {
        collection: collection.map(|id| id.0.into()),
        holder: holder.map(|account| account.0),
        access_right: right.map(Right::code),
    }
}
