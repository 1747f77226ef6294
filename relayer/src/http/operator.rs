//! What the operator looks at: jobs, transactions and whether the relayer is well. It changes nothing and shows no key.

use alloy::primitives::{Address, B256};
use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use offsetdata_store::chain::blocks;
use offsetdata_store::relay::jobs::JobRow;
use offsetdata_store::relay::transactions::{ANYONE, TransactionRow, list_recent};
use serde::{Deserialize, Serialize};

use super::{ApiError, Shared};
use crate::RelayerError;

/// Most rows of an answer.
const MAX_LISTED: u32 = 200;
const LISTED: u32 = 50;
/// An index that is further behind the chain knows too little.
const MAX_LAG: u64 = 20;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct ListQuery {
    limit: Option<u32>,
}

fn limit(query: Result<Query<ListQuery>, QueryRejection>) -> Result<u32, ApiError> {
    let Query(query) = query.map_err(|error| ApiError::malformed(error.body_text()))?;
    Ok(query.limit.unwrap_or(LISTED).min(MAX_LISTED))
}

/// A job as the operator sees it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct JobView {
    request: String,
    model: String,
    state: String,
    attempt: u8,
    worker: Option<Address>,
    lease_until: Option<u64>,
    progress_ppm: u32,
    sequence: u32,
    point_count: u32,
    units: u64,
    reason: Option<String>,
    created_at: u64,
    updated_at: u64,
}

impl From<JobRow> for JobView {
    fn from(job: JobRow) -> Self {
        Self {
            request: job.request.to_string(),
            model: job.model.to_string(),
            state: job.state,
            attempt: job.attempt,
            worker: job.worker,
            lease_until: job.lease_until.map(|time| time.0),
            progress_ppm: job.progress_ppm,
            sequence: job.sequence,
            point_count: job.point_count,
            units: job.units.0,
            reason: job.reason,
            created_at: job.created_at.0,
            updated_at: job.updated_at.0,
        }
    }
}

/// A transaction as the operator sees it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct TransactionView {
    id: u64,
    kind: String,
    request: Option<String>,
    signer: Option<Address>,
    carrier: Option<u64>,
    state: String,
    reason: Option<String>,
    nonce: Option<u64>,
    hash: Option<B256>,
    block_number: Option<u64>,
    gas_used: Option<u64>,
    created_at: u64,
    updated_at: u64,
}

impl From<TransactionRow> for TransactionView {
    fn from(row: TransactionRow) -> Self {
        Self {
            id: row.id.0,
            kind: row.kind,
            signer: Some(row.signer).filter(|signer| *signer != ANYONE),
            carrier: row.carrier.map(|carrier| carrier.0),
            request: row.request.map(|request| request.to_string()),
            state: row.state,
            reason: row.reason,
            nonce: row.nonce.map(|nonce| nonce.0),
            hash: row.hash,
            block_number: row.block_number.map(|number| number.0),
            gas_used: row.gas_used.map(|gas| gas.0),
            created_at: row.created_at.0,
            updated_at: row.updated_at.0,
        }
    }
}

pub(super) async fn list_jobs(
    State(shared): State<Shared>,
    query: Result<Query<ListQuery>, QueryRejection>,
) -> Result<Json<Vec<JobView>>, ApiError> {
    let jobs = shared.api.jobs.list(limit(query)?).await?;
    Ok(Json(jobs.into_iter().map(JobView::from).collect()))
}

pub(super) async fn list_transactions(
    State(shared): State<Shared>,
    query: Result<Query<ListQuery>, QueryRejection>,
) -> Result<Json<Vec<TransactionView>>, ApiError> {
    let limit = limit(query)?;
    let mut conn = shared.api.jobs.pool.acquire().await.map_err(RelayerError::from)?;
    let rows = list_recent(&mut conn, limit).await.map_err(RelayerError::from)?;
    Ok(Json(rows.into_iter().map(TransactionView::from).collect()))
}

/// Whether it can serve now: database and node answer, and the index is not far behind.
pub(super) async fn ready(State(shared): State<Shared>) -> Result<Json<serde_json::Value>, ApiError> {
    let api = &shared.api;
    let head = api.sponsor.chain.head().await?;
    let mut conn = api.jobs.pool.acquire().await.map_err(RelayerError::from)?;
    let indexed = blocks::head(&mut conn).await.map_err(RelayerError::from)?;
    let indexed = indexed.map_or(0, |cursor| cursor.number.0);
    let lag = head.number.saturating_sub(indexed);
    if lag > MAX_LAG {
        let detail = format!("the index is {lag} blocks behind the chain");
        return Err(ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "behind", detail));
    }
    let signers = api.lanes.list();
    // Work is taken without money too: it lands once a signer has some.
    let lands = signers.iter().any(|lane| !lane.is_empty);
    Ok(Json(serde_json::json!({
        "status": "ready", "head": head.number, "indexed": indexed, "lands": lands, "signers": signers,
    })))
}

pub(super) async fn metrics(State(shared): State<Shared>) -> Result<Response, ApiError> {
    let text = crate::metrics::text(&shared.api.sponsor, &shared.api.lanes, super::unix_now()).await?;
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    Ok(([(header::CONTENT_TYPE, kind)], text).into_response())
}

pub(super) async fn health(State(shared): State<Shared>) -> Result<Json<serde_json::Value>, ApiError> {
    let api = &shared.api;
    api.jobs.list(1).await?;
    Ok(Json(
        serde_json::json!({ "status": "ok", "chainId": api.chain_id, "coordinator": api.jobs.coordinator }),
    ))
}
