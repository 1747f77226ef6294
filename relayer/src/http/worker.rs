//! The calls of workers. Each reads the clock once, asks `jobs` and answers.

use std::time::Duration;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use offsetdata_protocol::worker_api::{
    Accepted, Claim, CommitmentUpload, Failure, Finish, Heartbeat, HeartbeatAnswer, Hello,
    MAX_CLAIM_WAIT_SECONDS, MAX_POINTS_BYTES, PredictionDone, PredictionFailure, Release, Welcome,
};
use tokio::time::Instant;

use super::body::{Body, OfRequest, word};
use super::session::{self, Session};
use super::{ApiError, Shared, unix_now};

/// Another process may have queued a job: so often a waiting claim looks itself.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// Longest reason of a failure, in characters.
const MAX_REASON: usize = 2000;

pub(super) async fn hello(
    State(shared): State<Shared>,
    Body(hello): Body<Hello>,
) -> Result<Json<Welcome>, ApiError> {
    session::open(&shared.api, &hello, unix_now()).await.map(Json)
}

pub(super) async fn claim(
    State(shared): State<Shared>,
    Session(claimant): Session,
    Body(claim): Body<Claim>,
) -> Result<Response, ApiError> {
    let wait = Duration::from_secs(claim.wait_seconds.min(MAX_CLAIM_WAIT_SECONDS).into());
    let until = Instant::now() + wait;
    loop {
        let queued = shared.api.jobs.queued.notified();
        if let Some(offer) = shared.api.jobs.claim(&claimant, unix_now()).await? {
            return Ok(Json(offer).into_response());
        }
        if Instant::now() >= until {
            return Ok(StatusCode::NO_CONTENT.into_response());
        }
        let look = (Instant::now() + LOOK_EVERY).min(until);
        // Either way there may be a job now.
        let _ = tokio::time::timeout_at(look, queued).await;
    }
}

pub(super) async fn heartbeat(
    State(shared): State<Shared>,
    Session(claimant): Session,
    OfRequest(request): OfRequest,
    Body(beat): Body<Heartbeat>,
) -> Result<Json<HeartbeatAnswer>, ApiError> {
    if beat.progress_ppm > 1_000_000 {
        return Err(ApiError::malformed(format!(
            "progressPpm is at most 1000000, got {}",
            beat.progress_ppm
        )));
    }
    Ok(Json(shared.api.jobs.heartbeat(request, claimant.worker, &beat, unix_now()).await?))
}

pub(super) async fn commitment(
    State(shared): State<Shared>,
    Session(claimant): Session,
    OfRequest(request): OfRequest,
    Body(upload): Body<CommitmentUpload>,
) -> Result<Json<Accepted>, ApiError> {
    if upload.points.len() > MAX_POINTS_BYTES {
        let detail = format!("points have at most {MAX_POINTS_BYTES} bytes, got {}", upload.points.len());
        return Err(ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, "tooLarge", detail));
    }
    let sequence = shared.api.jobs.accept_commitment(request, claimant.worker, &upload, unix_now()).await?;
    Ok(Json(Accepted { sequence }))
}

pub(super) async fn finish(
    State(shared): State<Shared>,
    Session(claimant): Session,
    OfRequest(request): OfRequest,
    Body(finish): Body<Finish>,
) -> Result<Json<Accepted>, ApiError> {
    let sequence = shared.api.jobs.finish(request, claimant.worker, &finish, unix_now()).await?;
    Ok(Json(Accepted { sequence }))
}

pub(super) async fn fail(
    State(shared): State<Shared>,
    Session(claimant): Session,
    OfRequest(request): OfRequest,
    Body(failure): Body<Failure>,
) -> Result<Json<Accepted>, ApiError> {
    if failure.reason.chars().count() > MAX_REASON {
        return Err(ApiError::malformed(format!("reason has at most {MAX_REASON} characters")));
    }
    let sequence = shared.api.jobs.fail(request, claimant.worker, &failure, unix_now()).await?;
    Ok(Json(Accepted { sequence }))
}

pub(super) async fn release(
    State(shared): State<Shared>,
    Session(claimant): Session,
    OfRequest(request): OfRequest,
    Body(release): Body<Release>,
) -> Result<Json<Accepted>, ApiError> {
    let sequence = shared.api.jobs.release(request, claimant.worker, release.attempt, unix_now()).await?;
    Ok(Json(Accepted { sequence }))
}

pub(super) async fn claim_prediction(
    State(shared): State<Shared>,
    Session(claimant): Session,
    Body(claim): Body<Claim>,
) -> Result<Response, ApiError> {
    let predictions = &shared.api.predictions;
    let wait = Duration::from_secs(claim.wait_seconds.min(MAX_CLAIM_WAIT_SECONDS).into());
    let until = Instant::now() + wait;
    loop {
        let asked = predictions.asked.notified();
        if let Some(offer) = predictions.claim(&claimant, unix_now()).await? {
            return Ok(Json(offer).into_response());
        }
        if Instant::now() >= until {
            return Ok(StatusCode::NO_CONTENT.into_response());
        }
        let look = (Instant::now() + LOOK_EVERY).min(until);
        let _ = tokio::time::timeout_at(look, asked).await;
    }
}

pub(super) async fn answer_prediction(
    State(shared): State<Shared>,
    Session(claimant): Session,
    Path(id): Path<String>,
    Body(done): Body<PredictionDone>,
) -> Result<StatusCode, ApiError> {
    shared.api.predictions.answer(word(&id)?, &claimant, &done, unix_now()).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(super) async fn fail_prediction(
    State(shared): State<Shared>,
    Session(claimant): Session,
    Path(id): Path<String>,
    Body(failure): Body<PredictionFailure>,
) -> Result<StatusCode, ApiError> {
    if failure.reason.chars().count() > MAX_REASON {
        return Err(ApiError::malformed(format!("reason has at most {MAX_REASON} characters")));
    }
    shared.api.predictions.fail(word(&id)?, &claimant, &failure, unix_now()).await?;
    Ok(StatusCode::NO_CONTENT)
}
