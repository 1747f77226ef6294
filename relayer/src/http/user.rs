//! The calls of users (`offsetdata_protocol::relay_api`): who the relayer is, what it pays for, predictions. No session:
//! what matters is signed in the body.

use std::time::Duration;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{FromRequest, Path, Query, Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use offsetdata_protocol::ids::ModelId;
use offsetdata_protocol::relay_api::{
    MAX_PREDICTION_WAIT_SECONDS, PredictionUpload, RelayerInfo, SponsorAnswer, SponsorRequest,
};
use serde::Deserialize;
use tokio::time::Instant;

use super::body::{Body, word};
use super::{ApiError, Shared, unix_now};
use crate::predictions::{Stage, state_of};

/// Another process may take the answer: so often a waiting call looks itself.
const LOOK_EVERY: Duration = Duration::from_millis(500);

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct WaitQuery {
    wait_seconds: Option<u32>,
}

pub(super) async fn info(State(shared): State<Shared>) -> Result<Json<RelayerInfo>, ApiError> {
    let api = &shared.api;
    Ok(Json(RelayerInfo {
        audience: api.public_url.clone(),
        chain_id: api.chain_id,
        coordinator: api.jobs.coordinator,
        scheduler: api.jobs.scheduler.address(),
        sponsor: api.sponsor.terms(unix_now()).await?,
    }))
}

pub(super) async fn sponsor(
    State(shared): State<Shared>,
    Body(request): Body<SponsorRequest>,
) -> Result<(StatusCode, Json<SponsorAnswer>), ApiError> {
    let _permit = shared.tries.try_acquire().map_err(|_| busy())?;
    let answer = shared.api.sponsor.accept(&request, unix_now()).await?;
    Ok((StatusCode::ACCEPTED, Json(answer)))
}

pub(super) async fn sponsored(
    State(shared): State<Shared>,
    Path(id): Path<String>,
) -> Result<Json<SponsorAnswer>, ApiError> {
    let answer = shared.api.sponsor.find(word(&id)?).await?;
    answer
        .map(Json)
        .ok_or_else(|| ApiError::new(StatusCode::NOT_FOUND, "unknownCall", "no such call was taken"))
}

pub(super) async fn predict(
    State(shared): State<Shared>,
    Path(model): Path<String>,
    query: Result<Query<WaitQuery>, QueryRejection>,
    request: Request,
) -> Result<Response, ApiError> {
    let model = ModelId(word(&model)?);
    let Query(query) = query.map_err(|error| ApiError::malformed(error.body_text()))?;
    let wait = query.wait_seconds.unwrap_or(0).min(MAX_PREDICTION_WAIT_SECONDS);
    let until = Instant::now() + Duration::from_secs(wait.into());
    let predictions = &shared.api.predictions;
    let mut row = {
        // Bodies are large: so many at once are read, and who waits for an answer holds none.
        let _permit = shared.tries.try_acquire().map_err(|_| busy())?;
        let Body(upload) = Body::<PredictionUpload>::from_request(request, &shared).await?;
        predictions.ask(model, &upload, unix_now()).await?
    };
    loop {
        let answered = predictions.answered.notified();
        let has_ended = [Stage::Answered, Stage::Failed].iter().any(|stage| row.state == stage.as_str());
        if has_ended || Instant::now() >= until {
            let status = if has_ended { StatusCode::OK } else { StatusCode::ACCEPTED };
            return Ok((status, Json(state_of(&row)?)).into_response());
        }
        let look = (Instant::now() + LOOK_EVERY).min(until);
        let _ = tokio::time::timeout_at(look, answered).await;
        row = predictions.find(row.id).await?.unwrap_or(row);
    }
}

fn busy() -> ApiError {
    ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "tryAgain", "too many calls at once")
}
