//! What concerns one account.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use offsetdata_store::chain::statement::{self, Side as StoreSide};
use offsetdata_store::chain::{billing, payments};
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

use super::answer::{Many, One, Reading, page};
use super::params::{Named, Order, Params, paged};
use super::problem::{Problem, Problems};
use crate::api::Api;
use crate::api::billing::{DepositEvent, Spender};
use crate::api::deposits::{self, Deposit};
use crate::api::payments::{Credit, StatementLine, Withdrawal};
use crate::api::scalars::Account;

/// On which side of a payment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum Side {
    /// Who pays.
    #[default]
    Payer,
    /// Who is paid.
    Payee,
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct StatementParams {
    /// Whether the account's payments or its income are told.
    #[serde(default, rename = "as")]
    #[param(inline)]
    side: Side,
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct DepositParams {
    /// Whether the account's deposits or those for it are told.
    #[serde(default, rename = "as")]
    #[param(inline)]
    side: Side,
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
pub(super) struct PageParams {
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
paged!(DepositParams, PageParams);

/// What an account paid or was paid for collections, summed by the other side and collection.
#[utoipa::path(get, path = "/v1/accounts/{account}/statement", tag = "accounts",
    params(("account" = inline(Account), Path, description = "The account"), StatementParams),
    responses((status = 200, description = "What was asked for", body = One<Vec<StatementLine>>), Problems))]
pub(super) async fn get_statement(
    State(api): State<Api>,
    headers: HeaderMap,
    Named(account): Named<Account>,
    Params(params): Params<StatementParams>,
) -> Result<Response, Problem> {
    let mut reading = Reading::begin(&api, &headers).await?;
    let side = match params.side {
        Side::Payer => StoreSide::Payer,
        Side::Payee => StoreSide::Payee,
    };
    let lines = statement::list_statement(&mut reading.tx, account.0, side).await?;
    reading.one(lines.into_iter().map(StatementLine::from).collect::<Vec<_>>())
}

/// Keys that may sign vouchers for an account, as they stand.
#[utoipa::path(get, path = "/v1/accounts/{account}/spenders", tag = "accounts",
    params(("account" = inline(Account), Path, description = "The account"), PageParams),
    responses((status = 200, description = "What was asked for", body = Many<Spender>), Problems))]
pub(super) async fn list_spenders(
    State(api): State<Api>,
    headers: HeaderMap,
    Named(account): Named<Account>,
    Params(params): Params<PageParams>,
) -> Result<Response, Problem> {
    let page = page(&params)?;
    let mut reading = Reading::begin(&api, &headers).await?;
    let rows = billing::list_spenders(&mut reading.tx, account.0, page).await;
    reading.located::<Spender>(rows, page).await
}

/// What happened to deposits.
#[utoipa::path(get, path = "/v1/accounts/{account}/deposits", tag = "accounts",
    params(("account" = inline(Account), Path, description = "The account"), DepositParams),
    responses((status = 200, description = "What was asked for", body = Many<DepositEvent>), Problems))]
pub(super) async fn list_deposits(
    State(api): State<Api>,
    headers: HeaderMap,
    Named(account): Named<Account>,
    Params(params): Params<DepositParams>,
) -> Result<Response, Problem> {
    let page = page(&params)?;
    let mut reading = Reading::begin(&api, &headers).await?;
    let (payer, payee) = match params.side {
        Side::Payer => (Some(account.0), None),
        Side::Payee => (None, Some(account.0)),
    };
    let rows = billing::list_deposit_events(&mut reading.tx, payer, payee, page).await;
    reading.located::<DepositEvent>(rows, page).await
}

/// Deposits as they stand, in the order of their first events.
#[utoipa::path(get, path = "/v1/accounts/{account}/deposit-states", tag = "accounts",
    params(("account" = inline(Account), Path, description = "The account"), DepositParams),
    responses((status = 200, description = "What was asked for", body = Many<Deposit>), Problems))]
pub(super) async fn list_deposit_states(
    State(api): State<Api>,
    headers: HeaderMap,
    Named(account): Named<Account>,
    Params(params): Params<DepositParams>,
) -> Result<Response, Problem> {
    let page = page(&params)?;
    let mut reading = Reading::begin(&api, &headers).await?;
    let (payer, payee) = match params.side {
        Side::Payer => (Some(account.0), None),
        Side::Payee => (None, Some(account.0)),
    };
    let rows = deposits::list(&mut reading.tx, payer, payee, page).await?;
    reading.many(rows, page)
}

/// What AccessToken and UsageBilling came to owe an account.
#[utoipa::path(get, path = "/v1/accounts/{account}/credits", tag = "accounts",
    params(("account" = inline(Account), Path, description = "The account"), PageParams),
    responses((status = 200, description = "What was asked for", body = Many<Credit>), Problems))]
pub(super) async fn list_credits(
    State(api): State<Api>,
    headers: HeaderMap,
    Named(account): Named<Account>,
    Params(params): Params<PageParams>,
) -> Result<Response, Problem> {
    let page = page(&params)?;
    let mut reading = Reading::begin(&api, &headers).await?;
    let rows = payments::list_credits(&mut reading.tx, account.0, page).await;
    reading.located::<Credit>(rows, page).await
}

/// What an account pulled from any of the contracts.
#[utoipa::path(get, path = "/v1/accounts/{account}/withdrawals", tag = "accounts",
    params(("account" = inline(Account), Path, description = "The account"), PageParams),
    responses((status = 200, description = "What was asked for", body = Many<Withdrawal>), Problems))]
pub(super) async fn list_withdrawals(
    State(api): State<Api>,
    headers: HeaderMap,
    Named(account): Named<Account>,
    Params(params): Params<PageParams>,
) -> Result<Response, Problem> {
    let page = page(&params)?;
    let mut reading = Reading::begin(&api, &headers).await?;
    let rows = payments::list_withdrawals(&mut reading.tx, account.0, page).await;
    reading.located::<Withdrawal>(rows, page).await
}
