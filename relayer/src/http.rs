//! The HTTP interface that workers call (`offsetdata_protocol::worker_api`), and read-only pages for the operator.
//! It never calls a worker.

mod artifact;
mod body;
mod operator;
mod problem;
mod session;
mod user;
mod worker;

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use alloy::primitives::Address;
use alloy::sol_types::Eip712Domain;
use axum::Router;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::StatusCode;
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post, put};
use offsetdata_protocol::relay_api::{MAX_PREDICTION_BYTES, MAX_PREDICTION_RECORDS};
use offsetdata_protocol::worker_api::MAX_POINTS_BYTES;
use offsetdata_store::Lease;
use tokio::sync::Semaphore;

use crate::files::Files;
use crate::jobs::Jobs;
use crate::predictions::Predictions;
use crate::sponsor::Sponsor;
use crate::transactions::Lanes;
pub use problem::ApiError;

/// Largest body of a call without points, in bytes.
const MAX_BODY: usize = 64 * 1024;
/// A commitment's points as hexadecimal digits, and the rest.
const MAX_COMMITMENT_BODY: usize = 2 * MAX_POINTS_BYTES + MAX_BODY;
/// Calldata of a sponsored call as hexadecimal digits, and the rest.
const MAX_SPONSOR_BODY: usize = 2 * 128 * 1024 + MAX_BODY;
/// Records in base64, each with its quotes, and the rest.
const MAX_PREDICTION_BODY: usize = MAX_PREDICTION_BYTES / 3 * 4 + 8 * MAX_PREDICTION_RECORDS + MAX_BODY;
/// No call but an upload takes longer: the longest wait of a claim, and time to answer.
const CALL_TIMEOUT: Duration = Duration::from_secs(60);
/// No upload takes longer.
const UPLOAD_TIMEOUT: Duration = Duration::from_secs(1800);
/// Uploads at the same time.
const MAX_UPLOADS: usize = 4;
/// Sponsored calls that are tried, and predictions that are read, at the same time.
const MAX_TRIES: usize = 32;

/// What the calls need.
#[derive(Debug, Clone)]
pub struct Api {
    /// All steps of jobs.
    pub jobs: Jobs,
    /// EIP-155 chain id.
    pub chain_id: u64,
    /// The domain of hellos.
    pub relay_domain: Eip712Domain,
    /// What workers sign as audience, without a slash at its end.
    pub public_url: String,
    /// Workers that may serve every base.
    pub allowed: Vec<Address>,
    /// Where artifacts lie.
    pub artifacts: Files,
    /// Pays for users' calls.
    pub sponsor: Sponsor,
    /// All steps of predictions.
    pub predictions: Predictions,
    /// How the signers are doing.
    pub lanes: Lanes,
}

#[derive(Debug)]
pub(crate) struct Context {
    pub(crate) api: Api,
    pub(crate) uploads: Semaphore,
    pub(crate) tries: Semaphore,
}

type Shared = Arc<Context>;

/// The routes.
pub fn router(api: Api) -> Router {
    let shared: Shared =
        Arc::new(Context { api, uploads: Semaphore::new(MAX_UPLOADS), tries: Semaphore::new(MAX_TRIES) });
    let calls = Router::new()
        .route("/v1/workers", post(worker::hello))
        .route("/v1/claim", post(worker::claim))
        .route("/v1/jobs/{request}/heartbeat", post(worker::heartbeat))
        .route("/v1/jobs/{request}/finish", post(worker::finish))
        .route("/v1/jobs/{request}/fail", post(worker::fail))
        .route("/v1/jobs/{request}/release", post(worker::release))
        .route("/v1/predictions/claim", post(worker::claim_prediction))
        .route("/v1/predictions/{id}/answer", post(worker::answer_prediction))
        .route("/v1/predictions/{id}/fail", post(worker::fail_prediction))
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .route(
            "/v1/jobs/{request}/commitments",
            post(worker::commitment).layer(DefaultBodyLimit::max(MAX_COMMITMENT_BODY)),
        )
        .route("/v1/relayer", get(user::info))
        .route("/v1/sponsor", post(user::sponsor).layer(DefaultBodyLimit::max(MAX_SPONSOR_BODY)))
        .route("/v1/sponsor/{id}", get(user::sponsored))
        .route(
            "/v1/models/{model}/predictions",
            post(user::predict).layer(DefaultBodyLimit::max(MAX_PREDICTION_BODY)),
        )
        .route("/v1/jobs", get(operator::list_jobs))
        .route("/v1/transactions", get(operator::list_transactions))
        .route("/health", get(operator::health))
        .route("/ready", get(operator::ready))
        .route("/metrics", get(operator::metrics))
        .layer(middleware::from_fn(|request: Request, next: Next| in_time(CALL_TIMEOUT, request, next)));
    let uploads = Router::new()
        .route("/v1/jobs/{request}/artifact", put(artifact::upload))
        .route("/v1/artifacts/{cid}", get(artifact::download))
        .route(
            "/v1/jobs/{request}/checkpoint",
            put(artifact::upload_checkpoint).get(artifact::download_checkpoint),
        )
        .layer(DefaultBodyLimit::disable())
        .layer(middleware::from_fn(|request: Request, next: Next| in_time(UPLOAD_TIMEOUT, request, next)));
    Router::new()
        .merge(calls)
        .merge(uploads)
        .fallback(|| async { ApiError::new(StatusCode::NOT_FOUND, "notFound", "there is no such page") })
        .method_not_allowed_fallback(|| async {
            ApiError::new(StatusCode::METHOD_NOT_ALLOWED, "methodNotAllowed", "this page has other methods")
        })
        .with_state(shared)
}

/// Pages that an instance without the lease serves too: they only read, or say how it is.
const STANDBY_PAGES: [&str; 5] = ["/health", "/metrics", "/v1/jobs", "/v1/relayer", "/v1/transactions"];

/// The same, for one of several instances: without the lease all calls but a few are told to come again, and `/ready` says
/// that it stands by, so that whatever distributes calls sends them to the one that works.
pub fn while_held(router: Router, lease: Lease) -> Router {
    router.layer(middleware::from_fn_with_state(lease, by_holder))
}

async fn by_holder(State(lease): State<Lease>, request: Request, next: Next) -> Response {
    if lease.is_held() || STANDBY_PAGES.contains(&request.uri().path()) {
        return next.run(request).await;
    }
    let detail = "this relayer stands by: another one works, or will in a moment";
    ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "standby", detail).into_response()
}

async fn in_time(limit: Duration, request: Request, next: Next) -> Response {
    match tokio::time::timeout(limit, next.run(request)).await {
        Ok(response) => response,
        Err(_) => {
            ApiError::new(StatusCode::REQUEST_TIMEOUT, "timeout", "the call took too long").into_response()
        }
    }
}

/// Seconds since 1970 by this machine's clock.
pub(crate) fn unix_now() -> u64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
