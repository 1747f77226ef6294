//! Bodies, path parts and sessions, with refusals as problems.

use alloy::primitives::Address;
use axum::extract::rejection::JsonRejection;
use axum::extract::{FromRequest, FromRequestParts, Path, Request};
use axum::http::request::Parts;
use axum::http::{StatusCode, header};
use offsetdata_protocol::gateway_api::code;
use offsetdata_protocol::ids::{CollectionId, IdError, RequestId};
use serde::de::DeserializeOwned;

use super::limit::Client;
use super::serve::Peer;
use super::unix_now;
use crate::Refused;
use crate::context::Context;

/// A JSON body.
pub(super) struct Body<T>(pub(super) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Body<T> {
    type Rejection = Refused;

    async fn from_request(request: Request, state: &S) -> Result<Self, Refused> {
        match axum::Json::<T>::from_request(request, state).await {
            Ok(axum::Json(value)) => Ok(Self(value)),
            Err(JsonRejection::MissingJsonContentType(_)) => {
                Err(Refused::new(code::NOT_JSON, "expected a body with Content-Type: application/json"))
            }
            Err(JsonRejection::BytesRejection(error)) if error.status() == StatusCode::PAYLOAD_TOO_LARGE => {
                Err(Refused::new(code::TOO_LARGE, "the body is larger than this call takes"))
            }
            Err(error) => Err(Refused::new(code::MALFORMED, error.body_text())),
        }
    }
}

fn malformed<E: ToString>(error: E) -> Refused {
    Refused::new(code::MALFORMED, error.to_string())
}

/// The collection in the path.
pub(super) struct OfCollection(pub(super) CollectionId);

impl<S: Send + Sync> FromRequestParts<S> for OfCollection {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refused> {
        let Path(text) = Path::<String>::from_request_parts(parts, state)
            .await
            .map_err(|error| malformed(error.body_text()))?;
        text.parse().map(Self).map_err(malformed::<IdError>)
    }
}

/// The chunk in the path.
pub(super) struct OfChunk(pub(super) CollectionId, pub(super) u32);

impl<S: Send + Sync> FromRequestParts<S> for OfChunk {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refused> {
        let Path((id, ordinal)) = Path::<(String, String)>::from_request_parts(parts, state)
            .await
            .map_err(|error| malformed(error.body_text()))?;
        let id = id.parse().map_err(malformed::<IdError>)?;
        Ok(Self(id, number(&ordinal, "expected a chunk's ordinal")?))
    }
}

/// Digits and nothing else.
fn number(text: &str, expected: &str) -> Result<u32, Refused> {
    let plain = !text.is_empty() && text.len() <= 10 && text.bytes().all(|b| b.is_ascii_digit());
    text.parse().ok().filter(|_| plain).ok_or_else(|| malformed(expected))
}

/// The request in the path.
pub(super) struct OfTraining(pub(super) RequestId);

impl<S: Send + Sync> FromRequestParts<S> for OfTraining {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refused> {
        let Path(text) = Path::<String>::from_request_parts(parts, state)
            .await
            .map_err(|error| malformed(error.body_text()))?;
        text.parse().map(Self).map_err(malformed::<IdError>)
    }
}

/// Request, input and chunk in the path.
pub(super) struct OfTrainingChunk(pub(super) RequestId, pub(super) u32, pub(super) u32);

impl<S: Send + Sync> FromRequestParts<S> for OfTrainingChunk {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refused> {
        let Path((request, input, ordinal)) =
            Path::<(String, String, String)>::from_request_parts(parts, state)
                .await
                .map_err(|error| malformed(error.body_text()))?;
        let request = request.parse().map_err(malformed::<IdError>)?;
        let input = number(&input, "expected the position of an input")?;
        Ok(Self(request, input, number(&ordinal, "expected a chunk's ordinal")?))
    }
}

/// The account of the session.
pub(super) struct Account(pub(super) Address);

impl FromRequestParts<Context> for Account {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, context: &Context) -> Result<Self, Refused> {
        let Guest(account) = Guest::from_request_parts(parts, context).await?;
        account.map(Self).ok_or_else(|| {
            Refused::new(code::NO_SESSION, "bring the token of a session: Authorization: Bearer …")
        })
    }
}

/// The account of the session, if there is one. A token that does not hold is refused all the same.
pub(super) struct Guest(pub(super) Option<Address>);

impl FromRequestParts<Context> for Guest {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, context: &Context) -> Result<Self, Refused> {
        let Some(value) = parts.headers.get(header::AUTHORIZATION) else {
            if let Some(Peer(peer)) = parts.extensions.get::<Peer>() {
                context.limits.check(Client::peer(peer.ip()))?;
            }
            return Ok(Self(None));
        };
        let token =
            value.to_str().ok().and_then(|text| text.strip_prefix("Bearer ")).ok_or_else(|| {
                Refused::new(code::NO_SESSION, "expected Authorization: Bearer and a token")
            })?;
        let account = context.account_of(token, unix_now()).await?;
        context.limits.check(Client::Account(account))?;
        Ok(Self(Some(account)))
    }
}
