//! Vouchers and payments.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use offsetdata_store::chain::billing::{self, VoucherFilter};
use offsetdata_store::chain::payments::{self, PaymentFilter};
use serde::Deserialize;
use utoipa::IntoParams;

use super::answer::{Many, Reading, page};
use super::params::{Order, Params, paged};
use super::problem::{Problem, Problems};
use crate::api::Api;
use crate::api::billing::Voucher;
use crate::api::payments::Payment;
use crate::api::scalars::{Account, Bytes32};

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct MoneyParams {
    /// Only what this account paid.
    #[param(inline)]
    payer: Option<Account>,
    /// Only what this account was paid.
    #[param(inline)]
    payee: Option<Account>,
    /// Only for this collection.
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
paged!(MoneyParams);

/// Settled vouchers.
#[utoipa::path(get, path = "/v1/vouchers", tag = "money", params(MoneyParams),
    responses((status = 200, description = "What was asked for", body = Many<Voucher>), Problems))]
pub(super) async fn list_vouchers(
    State(api): State<Api>,
    headers: HeaderMap,
    Params(params): Params<MoneyParams>,
) -> Result<Response, Problem> {
    let page = page(&params)?;
    let filter = VoucherFilter {
        payer: params.payer.map(|account| account.0),
        payee: params.payee.map(|account| account.0),
        collection: params.collection.map(|id| id.0.into()),
        lane: None,
    };
    let mut reading = Reading::begin(&api, &headers).await?;
    let rows = billing::list_vouchers(&mut reading.tx, filter, page).await;
    reading.located::<Voucher>(rows, page).await
}

/// Payments for collections: vouchers, purchases, refunds, and records that training paid for.
#[utoipa::path(get, path = "/v1/payments", tag = "money", params(MoneyParams),
    responses((status = 200, description = "What was asked for", body = Many<Payment>), Problems))]
pub(super) async fn list_payments(
    State(api): State<Api>,
    headers: HeaderMap,
    Params(params): Params<MoneyParams>,
) -> Result<Response, Problem> {
    let page = page(&params)?;
    let filter = PaymentFilter {
        payer: params.payer.map(|account| account.0),
        payee: params.payee.map(|account| account.0),
        collection: params.collection.map(|id| id.0.into()),
    };
    let mut reading = Reading::begin(&api, &headers).await?;
    let rows = payments::list_payments(&mut reading.tx, filter, page).await;
    reading.located::<Payment>(rows, page).await
}
