//! The HTTP interface (`offsetdata_protocol::gateway_api`). Bodies, heads and times are bounded before anything is done.

mod body;
mod calls;
mod limit;
mod serve;

use std::time::Duration;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post, put};
use offsetdata_protocol::gateway_api::code;

use crate::Refused;
use crate::context::Context;
pub use limit::Limits;
pub(crate) use serve::serve;

/// Largest body, in bytes: signatures and numbers.
const MAX_BODY: usize = 32 * 1024;
/// No call takes longer.
const CALL_TIMEOUT: Duration = Duration::from_secs(30);

/// The routes.
pub fn router(context: Context) -> Router {
    Router::new()
        .route("/v1/gateway", get(calls::gateway))
        .route("/v1/challenges", post(calls::challenge))
        .route("/v1/sessions", post(calls::sign_in))
        .route("/v1/spenders", post(calls::spender))
        .route("/v1/permits", get(calls::allowance).post(calls::permit))
        .route("/v1/collections/{id}", get(calls::collection))
        .route("/v1/collections/{id}/chunks/{ordinal}", get(calls::quote))
        .route("/v1/collections/{id}/chunks/{ordinal}/key", post(calls::key))
        .route("/v1/collections/{id}/records", post(calls::records))
        .route("/v1/collections/{id}/vouchers", post(calls::voucher))
        .route("/v1/collections/{id}/use", post(calls::word_of_use))
        .route("/v1/collections/{id}/statement", get(calls::statement))
        .route("/v1/collections/{id}/sales", get(calls::sales))
        .route("/v1/collections/{id}/settle", post(calls::settle))
        .route("/v1/trainings/{request}", put(calls::training))
        .route("/v1/trainings/{request}/inputs/{input}/chunks/{ordinal}/key", post(calls::training_key))
        .route("/v1/trainings/{request}/receipts", get(calls::receipts))
        .route("/health", get(calls::health))
        .route("/ready", get(calls::ready))
        .route("/metrics", get(calls::metrics))
        .fallback(|| async { Refused::new(code::NOT_FOUND, "there is no such call") })
        .method_not_allowed_fallback(|| async {
            Refused::new(code::WRONG_METHOD, "this call has another method")
        })
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .layer(middleware::from_fn(in_time))
        .layer(middleware::from_fn_with_state(context.clone(), counted))
        .with_state(context)
}

async fn in_time(request: Request, next: Next) -> Response {
    match tokio::time::timeout(CALL_TIMEOUT, next.run(request)).await {
        Ok(response) => response,
        Err(_) => Refused::new(code::TOO_SLOW, "the call took too long").into_response(),
    }
}

/// Counts refusals, by the word that the answer carries.
async fn counted(State(context): State<Context>, request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    if let Some(Reason(code)) = response.extensions_mut().remove::<Reason>() {
        context.metrics.refused(code);
    }
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

#[derive(Debug, Clone, Copy)]
struct Reason(&'static str);

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let problem = self.problem();
        let status = StatusCode::from_u16(problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        // A problem of ours always serializes: texts and numbers.
        let body = serde_json::to_vec(&problem).unwrap_or_default();
        let mut response =
            (status, [(header::CONTENT_TYPE, "application/problem+json")], body).into_response();
        if let Some(seconds) = problem.retry_after_seconds {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if status == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response.extensions_mut().insert(Reason(self.code()));
        response
    }
}

/// Seconds since 1970 by this machine's clock.
pub(crate) fn unix_now() -> u64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
