//! Bodies and path parts, with refusals as problems.

use axum::extract::rejection::JsonRejection;
use axum::extract::{FromRequest, FromRequestParts, Path, Request};
use axum::http::StatusCode;
use axum::http::request::Parts;
use offsetdata_protocol::ids::RequestId;
use serde::de::DeserializeOwned;

use super::ApiError;

/// A JSON body.
pub(super) struct Body<T>(pub(super) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Body<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        match axum::Json::<T>::from_request(request, state).await {
            Ok(axum::Json(value)) => Ok(Self(value)),
            Err(JsonRejection::BytesRejection(error)) if error.status() == StatusCode::PAYLOAD_TOO_LARGE => {
                Err(ApiError::new(
                    StatusCode::PAYLOAD_TOO_LARGE,
                    "tooLarge",
                    "the body is larger than this call takes",
                ))
            }
            Err(error) => Err(ApiError::malformed(error.body_text())),
        }
    }
}

/// The request in the path.
pub(super) struct OfRequest(pub(super) RequestId);

impl<S: Send + Sync> FromRequestParts<S> for OfRequest {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let Path(text) = Path::<String>::from_request_parts(parts, state)
            .await
            .map_err(|error| ApiError::malformed(error.body_text()))?;
        text.parse()
            .map(Self)
            .map_err(|error: offsetdata_protocol::ids::IdError| ApiError::malformed(error.to_string()))
    }
}

/// 32 bytes in the path, as `0x` and digits.
pub(super) fn word(text: &str) -> Result<alloy::primitives::B256, ApiError> {
    text.parse::<RequestId>()
        .map(|id| id.0)
        .map_err(|_| ApiError::malformed("expected 0x and 64 digits in the path"))
}
