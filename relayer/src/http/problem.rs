//! Errors as RFC 9457 problems. This is the one place that decides on statuses; what is of ours is logged, not sent.

use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use offsetdata_protocol::worker_api::Problem;

use crate::RelayerError;
use crate::checks::{Cause, Refusal};
use crate::jobs::JobError;

/// Longest detail that is sent, in characters.
const MAX_DETAIL: usize = 500;

/// An answer that is an error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiError(Problem);

impl ApiError {
    /// A problem with this status, word and detail.
    pub fn new(status: StatusCode, code: &str, detail: impl Into<String>) -> Self {
        let detail: String = detail.into();
        Self(Problem {
            code: code.to_owned(),
            title: title(status).to_owned(),
            status: status.as_u16(),
            detail: Some(detail.chars().take(MAX_DETAIL).collect()),
        })
    }

    pub(crate) fn malformed(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "malformed", detail)
    }
}

fn title(status: StatusCode) -> &'static str {
    match status {
        StatusCode::BAD_REQUEST => "The call is not of the form that it should have",
        StatusCode::UNAUTHORIZED => "Say hello first",
        StatusCode::FORBIDDEN => "This is not for you",
        StatusCode::NOT_FOUND => "There is no such thing",
        StatusCode::CONFLICT => "This does not follow what was accepted before",
        StatusCode::PAYLOAD_TOO_LARGE => "Too large",
        StatusCode::UNPROCESSABLE_ENTITY => "A signature, digest or root does not hold",
        StatusCode::TOO_MANY_REQUESTS => "More than this relayer does for one account",
        StatusCode::SERVICE_UNAVAILABLE => "Try again",
        _ => status.canonical_reason().unwrap_or("Error"),
    }
}

impl From<Refusal> for ApiError {
    fn from(refusal: Refusal) -> Self {
        let finding = refusal.finding();
        let status = match finding.cause {
            Cause::Malformed => StatusCode::BAD_REQUEST,
            Cause::Foreign => StatusCode::FORBIDDEN,
            Cause::Unknown => StatusCode::NOT_FOUND,
            Cause::Conflict => StatusCode::CONFLICT,
            Cause::Untrue => StatusCode::UNPROCESSABLE_ENTITY,
            Cause::NotNow => StatusCode::SERVICE_UNAVAILABLE,
            Cause::TooMany => StatusCode::TOO_MANY_REQUESTS,
        };
        Self::new(status, finding.code, finding.detail.clone())
    }
}

impl From<RelayerError> for ApiError {
    fn from(error: RelayerError) -> Self {
        if error.is_retryable() {
            tracing::warn!(%error, "a call could not be served now");
            Self::new(StatusCode::SERVICE_UNAVAILABLE, "tryAgain", "the relayer can't serve this now")
        } else {
            tracing::error!(%error, "a call failed");
            Self::new(
                StatusCode::INTERNAL_SERVER_ERROR,
                "internal",
                "the relayer has an error; its log says more",
            )
        }
    }
}

impl From<JobError> for ApiError {
    fn from(error: JobError) -> Self {
        match error {
            JobError::Refused(refusal) => refusal.into(),
            JobError::Failed(error) => error.into(),
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.0.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        // A problem of ours always serializes: strings and a number.
        let body = serde_json::to_vec(&self.0).unwrap_or_default();
        let mut response =
            (status, [(header::CONTENT_TYPE, "application/problem+json")], body).into_response();
        let again = match status {
            StatusCode::SERVICE_UNAVAILABLE => Some("1"),
            StatusCode::TOO_MANY_REQUESTS => Some("60"),
            _ => None,
        };
        if let Some(seconds) = again {
            response.headers_mut().insert(header::RETRY_AFTER, header::HeaderValue::from_static(seconds));
        }
        if status == StatusCode::UNAUTHORIZED {
            response
                .headers_mut()
                .insert(header::WWW_AUTHENTICATE, header::HeaderValue::from_static("Bearer"));
        }
        response
    }
}
