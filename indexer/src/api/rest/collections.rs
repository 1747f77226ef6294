//! Collections, their usage and flags.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use offsetdata_store::chain::collections::{self, CollectionFilter};
use offsetdata_store::chain::usage::{self, UsageBy, UsageFilter};
use serde::Deserialize;
use utoipa::IntoParams;

use super::answer::{Many, One, Reading, page};
use super::params::{Named, Order, Params, paged};
use super::problem::{Problem, Problems};
use crate::api::Api;
use crate::api::billing::Usage;
use crate::api::collection::{Collection, Flag, show};
use crate::api::rights::Right;
use crate::api::scalars::{Account, Bytes32};
use crate::api::search::search_words;

/// Most sums of usage in an answer.
const MAX_USAGE: u32 = 1000;
/// Greatest time in seconds.
const MAX_TIME: u64 = (1 << 40) - 1;
/// Longest licence that is searched for, in characters.
const MAX_LICENCE: usize = 1024;

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct CollectionParams {
    /// Words of name, description, licence or keywords, or their beginnings: all have to be there; the first eight count.
    #[param(max_length = 256)]
    search: Option<String>,
    /// Only those that this account registered.
    #[param(inline)]
    registrant: Option<Account>,
    /// Only those that this account publishes now.
    #[param(inline)]
    publisher: Option<Account>,
    /// Only those with this licence in their manifest.
    #[param(max_length = 1024)]
    licence: Option<String>,
    /// Only those that everyone can decrypt, or only the others.
    public: Option<bool>,
    /// Only those with an offer for this right.
    #[param(inline)]
    offered: Option<Right>,
    /// Only retired ones, or only the others.
    retired: Option<bool>,
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
paged!(CollectionParams, FlagParams);

/// Lists and searches collections.
#[utoipa::path(get, path = "/v1/collections", tag = "collections", params(CollectionParams),
    responses((status = 200, description = "What was asked for", body = Many<Collection>), Problems))]
pub(super) async fn list_collections(
    State(api): State<Api>,
    headers: HeaderMap,
    Params(params): Params<CollectionParams>,
) -> Result<Response, Problem> {
    let page = page(&params)?;
    let words = search_words(params.search.as_deref().unwrap_or_default()).map_err(Problem::malformed)?;
    if params.licence.as_ref().is_some_and(|text| text.chars().count() > MAX_LICENCE) {
        return Err(Problem::malformed(format!("licence: at most {MAX_LICENCE} characters")));
    }
    let filter = CollectionFilter {
        registrant: params.registrant.map(|account| account.0),
        publisher: params.publisher.map(|account| account.0),
        previous: None,
        licence: params.licence,
        public: params.public,
        offered: params.offered.map(Right::code),
        retired: params.retired,
        words,
    };
    let mut reading = Reading::begin(&api, &headers).await?;
    let rows = collections::list_collections(&mut reading.tx, &filter, page).await?;
    let shown = show(&mut reading.tx, rows).await?;
    let rows = shown.into_iter().map(|collection| (collection.position(), collection)).collect();
    reading.many(rows, page)
}

/// One collection.
#[utoipa::path(get, path = "/v1/collections/{id}", tag = "collections",
    params(("id" = inline(Bytes32), Path, description = "Id of the collection")),
    responses((status = 200, description = "What was asked for", body = One<Collection>), Problems))]
pub(super) async fn get_collection(
    State(api): State<Api>,
    headers: HeaderMap,
    Named(id): Named<Bytes32>,
) -> Result<Response, Problem> {
    let mut reading = Reading::begin(&api, &headers).await?;
    let row = collections::find_collection(&mut reading.tx, id.0.into()).await?;
    let shown = show(&mut reading.tx, row.into_iter().collect()).await?;
    let collection = shown.into_iter().next().ok_or_else(|| Problem::missing("collection"))?;
    reading.one(collection)
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct UsageParams {
    /// Sums for each payer.
    #[serde(default)]
    by_payer: bool,
    /// Sums for each day (UTC).
    #[serde(default)]
    by_day: bool,
    /// Only by this payer.
    #[param(inline)]
    payer: Option<Account>,
    /// Only paid to this payee. Without it only what went to payees that an offer ever named counts, as anyone may settle a
    /// voucher with itself about any collection.
    #[param(inline)]
    payee: Option<Account>,
    /// Unix seconds: not before the day (UTC) of this time.
    #[param(minimum = 0, maximum = 1099511627775u64)]
    from: Option<u64>,
    /// Unix seconds: not after the day (UTC) of this time.
    #[param(minimum = 0, maximum = 1099511627775u64)]
    to: Option<u64>,
    /// At most so many sums, 1000 by default.
    #[param(minimum = 1, maximum = 1000)]
    first: Option<u32>,
}

/// What was settled for a collection, summed: over all, by payer, by day, or by both.
#[utoipa::path(get, path = "/v1/collections/{id}/usage", tag = "collections",
    params(("id" = inline(Bytes32), Path, description = "Id of the collection"), UsageParams),
    responses((status = 200, description = "What was asked for", body = One<Vec<Usage>>), Problems))]
pub(super) async fn get_usage(
    State(api): State<Api>,
    headers: HeaderMap,
    Named(id): Named<Bytes32>,
    Params(params): Params<UsageParams>,
) -> Result<Response, Problem> {
    let limit = params.first.unwrap_or(MAX_USAGE);
    if !(1..=MAX_USAGE).contains(&limit) {
        return Err(Problem::malformed(format!("first: expected 1 to {MAX_USAGE}, got {limit}")));
    }
    let filter = UsageFilter {
        payer: params.payer.map(|account| account.0),
        payee: params.payee.map(|account| account.0),
        from_day: day("from", params.from)?,
        to_day: day("to", params.to)?,
    };
    let by = UsageBy { payer: params.by_payer, day: params.by_day };
    let mut reading = Reading::begin(&api, &headers).await?;
    if collections::find_collection(&mut reading.tx, id.0.into()).await?.is_none() {
        return Err(Problem::missing("collection"));
    }
    let rows = usage::list_usage(&mut reading.tx, id.0.into(), filter, by, limit).await?;
    reading.one(rows.into_iter().map(Usage::from).collect::<Vec<_>>())
}

/// The day of a time, which is a `uint40` as in the contracts.
fn day(name: &str, time: Option<u64>) -> Result<Option<u64>, Problem> {
    match time {
        Some(time) if time > MAX_TIME => {
            Err(Problem::malformed(format!("{name}: expected at most {MAX_TIME}, got {time}")))
        }
        time => Ok(time.map(|time| time / 86_400)),
    }
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct FlagParams {
    /// Only those of this curator.
    #[param(inline)]
    curator: Option<Account>,
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

/// Flags of a collection. Readers choose whose they honour.
#[utoipa::path(get, path = "/v1/collections/{id}/flags", tag = "collections",
    params(("id" = inline(Bytes32), Path, description = "Id of the collection"), FlagParams),
    responses((status = 200, description = "What was asked for", body = Many<Flag>), Problems))]
pub(super) async fn list_flags(
    State(api): State<Api>,
    headers: HeaderMap,
    Named(id): Named<Bytes32>,
    Params(params): Params<FlagParams>,
) -> Result<Response, Problem> {
    let page = page(&params)?;
    let mut reading = Reading::begin(&api, &headers).await?;
    let curator = params.curator.map(|account| account.0);
    let rows = collections::list_flags(&mut reading.tx, id.0.into(), curator, page).await;
    reading.located::<Flag>(rows, page).await
}
