//! Errors as RFC 9457 problems. This is the one place that decides on statuses; what is of ours is logged, not sent.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use offsetdata_store::StoreError;
use serde::Serialize;
use utoipa::{IntoResponses, ToSchema};

/// Longest detail that is sent, in characters.
const MAX_DETAIL: usize = 300;
/// When to come again, in seconds.
const RETRY_AFTER: u64 = 2;

/// An answer that is an error (RFC 9457).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct Problem {
    /// `about:blank`: the status says it all.
    #[serde(rename = "type")]
    kind: &'static str,
    title: &'static str,
    status: u16,
    detail: String,
}

impl Problem {
    pub(crate) fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        let detail: String = detail.into();
        Self {
            kind: "about:blank",
            title: status.canonical_reason().unwrap_or("Error"),
            status: status.as_u16(),
            detail: detail.chars().take(MAX_DETAIL).collect(),
        }
    }

    pub(crate) fn malformed(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, detail)
    }

    pub(crate) fn missing(what: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, format!("there is no such {what}"))
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        tracing::error!(%error, "a request could not be answered");
        let status = if error.is_retryable() {
            StatusCode::SERVICE_UNAVAILABLE
        } else {
            StatusCode::INTERNAL_SERVER_ERROR
        };
        Self::new(status, "the database could not answer")
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = (status, axum::Json(self)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if [StatusCode::TOO_MANY_REQUESTS, StatusCode::SERVICE_UNAVAILABLE].contains(&status) {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(RETRY_AFTER));
        }
        response
    }
}

/// What every call may answer beside what it is asked for.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "read by the derived description only")]
pub(crate) enum Problems {
    /// The answer is the one that the caller has (`If-None-Match`).
    #[response(status = 304)]
    NotModified,
    /// A parameter that can't be.
    #[response(status = 400, content_type = "application/problem+json")]
    BadRequest(Problem),
    /// Nothing has this id.
    #[response(status = 404, content_type = "application/problem+json")]
    NotFound(Problem),
    /// Too many calls at once: come again after `Retry-After` seconds.
    #[response(status = 429, content_type = "application/problem+json")]
    TooMany(Problem),
    /// Nothing is indexed yet, or the database is busy: come again after `Retry-After` seconds.
    #[response(status = 503, content_type = "application/problem+json")]
    Unavailable(Problem),
}
