//! The HTTP interface: GraphQL, REST and the state of the service. It writes nothing and holds no secret, so anyone may ask.

mod account;
mod billing;
mod block;
mod collection;
mod deposits;
mod events;
mod loaders;
mod located;
mod model;
mod money;
mod page;
mod payments;
mod query;
mod request;
mod rest;
mod rights;
mod scalars;
mod search;
mod snapshot;
mod training;

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_graphql::{Response as Answer, to_value};
use axum::body::Bytes;
use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use offsetdata_store::chain::blocks;
use offsetdata_store::{Pool, StoreError};
use serde_json::json;
use tokio::sync::{Mutex, Semaphore};
use tower_http::cors::{Any, CorsLayer};
use tower_http::limit::RequestBodyLimitLayer;
use tower_http::timeout::TimeoutLayer;

use block::Block;
use loaders::Rows;
pub use query::{ApiSchema, schema};
use rest::Problem;
pub use rest::openapi;
use snapshot::Snapshot;

use crate::live::Live;
use crate::metrics::{self, Metrics};
use crate::status::Status;

/// Longest query, in bytes.
const MAX_BODY: usize = 64 * 1024;
/// Deepest nesting of brackets in a query.
const MAX_NESTING: usize = 64;
/// Most fragments that a query spreads: fragments within fragments multiply, and are counted one by one before any limit
/// on cost applies.
const MAX_SPREADS: usize = 32;
/// How long a query may take.
const QUERY_TIMEOUT: Duration = Duration::from_secs(10);
/// Queries at the same time: fewer than there are connections, so that the chain is followed whatever is asked.
const QUERIES: usize = 5;
/// How long a query waits for its turn.
pub(crate) const TURN_TIMEOUT: Duration = Duration::from_secs(5);

#[derive(Clone)]
pub(crate) struct Api {
    schema: ApiSchema,
    pool: Pool,
    status: Arc<Status>,
    metrics: Arc<Metrics>,
    turns: Arc<Semaphore>,
    live: Arc<Live>,
}

/// All routes.
pub fn router(pool: Pool, status: Arc<Status>, metrics: Arc<Metrics>, live: Arc<Live>) -> Router {
    let turns = Arc::new(Semaphore::new(QUERIES));
    let api = Api { schema: schema(), pool, status, metrics, turns, live };
    // Any page may ask: nothing here depends on who asks. Browsers keep the answer to their question for a day.
    let cors = CorsLayer::new()
        .allow_origin(Any)
        .allow_methods([Method::GET, Method::POST])
        .allow_headers([
            header::CONTENT_TYPE,
            header::IF_NONE_MATCH,
            header::HeaderName::from_static("last-event-id"),
        ])
        .expose_headers([header::ETAG, header::RETRY_AFTER])
        .max_age(Duration::from_secs(86_400));
    Router::new()
        .route("/graphql", post(graphql))
        .merge(rest::routes())
        .route("/health", get(health))
        .route("/ready", get(ready))
        .route("/metrics", get(metrics_text))
        .fallback(async || Problem::new(StatusCode::NOT_FOUND, "there is no such route"))
        .method_not_allowed_fallback(async || {
            Problem::new(StatusCode::METHOD_NOT_ALLOWED, "this route does not know this method")
        })
        .route_layer(middleware::from_fn_with_state(api.clone(), measure))
        .layer(TimeoutLayer::with_status_code(StatusCode::REQUEST_TIMEOUT, QUERY_TIMEOUT + TURN_TIMEOUT * 2))
        .layer(RequestBodyLimitLayer::new(MAX_BODY))
        .layer(cors)
        .with_state(api)
}

/// Counts and times answers by route.
async fn measure(State(api): State<Api>, path: MatchedPath, request: Request, next: Next) -> Response {
    let begun = Instant::now();
    let response = next.run(request).await;
    api.metrics.answered(path.as_str(), response.status().as_u16(), begun.elapsed());
    response
}

async fn metrics_text(State(api): State<Api>) -> Response {
    ([(header::CONTENT_TYPE, metrics::CONTENT_TYPE)], api.metrics.text()).into_response()
}

async fn graphql(State(api): State<Api>, headers: HeaderMap, body: Bytes) -> Response {
    // A page of another origin can't send this type without asking first, and no form can.
    let is_json = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|value| value.split(';').next().is_some_and(|kind| kind.trim() == "application/json"));
    if !is_json {
        return refused(StatusCode::UNSUPPORTED_MEDIA_TYPE, "expected Content-Type: application/json");
    }
    let request: async_graphql::Request = match serde_json::from_slice(&body) {
        Ok(request) => request,
        Err(error) => return refused(StatusCode::BAD_REQUEST, &format!("not a GraphQL request: {error}")),
    };
    if nesting(&request.query) > MAX_NESTING {
        return refused(
            StatusCode::BAD_REQUEST,
            &format!("the query nests deeper than {MAX_NESTING} brackets"),
        );
    }
    if request.query.matches("...").count() > MAX_SPREADS {
        return refused(
            StatusCode::BAD_REQUEST,
            &format!("the query spreads more than {MAX_SPREADS} fragments"),
        );
    }
    let Ok(Ok(_turn)) = tokio::time::timeout(TURN_TIMEOUT, api.turns.acquire()).await else {
        return refused(StatusCode::TOO_MANY_REQUESTS, "too many queries at once: try again");
    };
    let begun = async {
        let mut tx = api.pool.read().await?;
        let cursor = blocks::head(&mut tx).await?;
        Ok::<_, StoreError>((tx, cursor))
    };
    let (tx, cursor) = match begun.await {
        Ok(begun) => begun,
        Err(error) => {
            tracing::error!(%error, "no connection for a query");
            return refused(StatusCode::SERVICE_UNAVAILABLE, "the database could not answer");
        }
    };
    let tx = Arc::new(Mutex::new(tx));
    let run = api.schema.execute(request.data(Snapshot::new(tx.clone())).data(Rows::loader(tx)));
    match tokio::time::timeout(QUERY_TIMEOUT, run).await {
        Ok(answer) => {
            // Every answer says which block it is about, asked or not.
            let block = cursor.as_ref().and_then(|cursor| to_value(Block::from(cursor)).ok());
            Json(answer.extension("block", block.unwrap_or_default())).into_response()
        }
        Err(_) => refused(StatusCode::REQUEST_TIMEOUT, "the query takes too long: ask for less"),
    }
}

/// How deep brackets stand in each other. The parser calls itself for each, so this is looked at before it.
fn nesting(query: &str) -> usize {
    let (mut depth, mut deepest) = (0usize, 0);
    for byte in query.bytes() {
        match byte {
            b'{' | b'[' | b'(' => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b'}' | b']' | b')' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

fn refused(status: StatusCode, reason: &str) -> Response {
    let answer = Answer::from_errors(vec![async_graphql::ServerError::new(reason, None)]);
    (status, Json(answer)).into_response()
}

/// Good while the chain is followed closely.
async fn health(State(api): State<Api>) -> Response {
    let report = api.status.report();
    let status = if report.healthy { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(report)).into_response()
}

/// Good once the chain was caught up with for the first time.
async fn ready(State(api): State<Api>) -> Response {
    let ready = api.status.was_caught_up();
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(json!({ "ready": ready, "role": api.status.role() }))).into_response()
}
