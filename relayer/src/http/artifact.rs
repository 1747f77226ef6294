//! Artifacts and checkpoints on their way in and out. Both are ciphertext of the developer's workers; who is not one of
//! them gets none.

use axum::Json;
use axum::body::Body;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use offsetdata_protocol::cid::Cid;
use offsetdata_protocol::worker_api::{
    ArtifactStored, CheckpointStored, MAX_ARTIFACT_BYTES, MAX_CHECKPOINT_BYTES,
};
use serde::Deserialize;

use super::body::OfRequest;
use super::session::Session;
use super::{ApiError, Shared, unix_now};
use crate::files::{Files, Incoming, UploadError};
use crate::jobs::{CheckpointPlace, StoredArtifact, checkpoint_name};

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct ArtifactQuery {
    attempt: u8,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct CheckpointQuery {
    attempt: u8,
    sequence: u32,
    point_count: u32,
    units: u64,
}

pub(super) async fn upload(
    State(shared): State<Shared>,
    Session(claimant): Session,
    OfRequest(request): OfRequest,
    query: Result<Query<ArtifactQuery>, QueryRejection>,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<ArtifactStored>, ApiError> {
    let Query(query) = query.map_err(|error| ApiError::malformed(error.body_text()))?;
    expect_length(&headers, MAX_ARTIFACT_BYTES)?;
    let jobs = &shared.api.jobs;
    jobs.expect_artifact(request, claimant.worker, query.attempt).await?;
    let incoming = take(&shared, &shared.api.artifacts, body, MAX_ARTIFACT_BYTES).await?;
    let stored = StoredArtifact { digest: incoming.digest, cid: incoming.cid, bytes: incoming.bytes };
    shared.api.artifacts.keep(incoming, &artifact_name(stored.digest.0)).await?;
    jobs.note_artifact(request, claimant.worker, query.attempt, &stored, unix_now()).await?;
    tracing::info!(%request, attempt = query.attempt, bytes = stored.bytes, cid = %stored.cid, "artifact");
    Ok(Json(ArtifactStored { digest: stored.digest.into(), cid: stored.cid.to_string() }))
}

pub(super) async fn download(
    State(shared): State<Shared>,
    Session(claimant): Session,
    cid: Result<Path<String>, axum::extract::rejection::PathRejection>,
) -> Result<Response, ApiError> {
    let Path(cid) = cid.map_err(|error| ApiError::malformed(error.body_text()))?;
    let cid = cid.parse::<Cid>().map_err(|_| ApiError::malformed("this is no CID"))?;
    let row = shared.api.jobs.artifact_for(&cid, &claimant).await?;
    let file = shared.api.artifacts.read(&artifact_name(row.digest.0)).await?;
    file.map(|(body, bytes)| stream(body, bytes)).ok_or_else(|| missing("this artifact is not here any more"))
}

pub(super) async fn upload_checkpoint(
    State(shared): State<Shared>,
    Session(claimant): Session,
    OfRequest(request): OfRequest,
    query: Result<Query<CheckpointQuery>, QueryRejection>,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<CheckpointStored>, ApiError> {
    let Query(query) = query.map_err(|error| ApiError::malformed(error.body_text()))?;
    expect_length(&headers, MAX_CHECKPOINT_BYTES)?;
    let place = CheckpointPlace {
        attempt: query.attempt,
        sequence: query.sequence,
        point_count: query.point_count,
        units: query.units,
    };
    let (jobs, worker) = (&shared.api.jobs, claimant.worker);
    jobs.expect_checkpoint(request, worker, place).await?;
    let incoming = take(&shared, &jobs.checkpoints, body, MAX_CHECKPOINT_BYTES).await?;
    let (digest, bytes) = (incoming.digest, incoming.bytes);
    jobs.checkpoints.keep(incoming, &checkpoint_name(request, digest.into())).await?;
    jobs.note_checkpoint(request, worker, place, digest, bytes, unix_now()).await?;
    tracing::info!(%request, attempt = place.attempt, points = place.point_count, bytes, "checkpoint");
    Ok(Json(CheckpointStored { digest: digest.into() }))
}

pub(super) async fn download_checkpoint(
    State(shared): State<Shared>,
    Session(claimant): Session,
    OfRequest(request): OfRequest,
) -> Result<Response, ApiError> {
    let jobs = &shared.api.jobs;
    let row = jobs.checkpoint_for(request, claimant.worker).await?;
    match jobs.checkpoints.read(&checkpoint_name(request, row.digest)).await? {
        Some((body, bytes)) => Ok(stream(body, bytes)),
        None => {
            // The next attempt begins anew rather than from what is lost.
            jobs.forget_checkpoint(&row).await?;
            Err(missing("this checkpoint is not here any more"))
        }
    }
}

fn artifact_name(digest: [u8; 32]) -> String {
    alloy::hex::encode(digest)
}

fn missing(detail: &str) -> ApiError {
    ApiError::new(StatusCode::NOT_FOUND, "notHere", detail)
}

fn stream(body: Body, bytes: u64) -> Response {
    let headers = [
        (header::CONTENT_TYPE, "application/octet-stream".to_owned()),
        (header::CONTENT_LENGTH, bytes.to_string()),
    ];
    (headers, body).into_response()
}

fn expect_length(headers: &HeaderMap, most: usize) -> Result<(), ApiError> {
    let declared =
        headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    if declared.is_some_and(|bytes| bytes > most as u64) {
        return Err(refused(UploadError::TooLarge { most: most as u64 }));
    }
    Ok(())
}

async fn take(shared: &Shared, files: &Files, body: Body, most: usize) -> Result<Incoming, ApiError> {
    let _permit = shared.uploads.try_acquire().map_err(|_| {
        ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "tryAgain", "too many uploads at once")
    })?;
    files.take(body.into_data_stream(), most as u64).await.map_err(refused)
}

fn refused(error: UploadError) -> ApiError {
    let detail = error.to_string();
    match error {
        UploadError::Failed(error) => error.into(),
        UploadError::TooLarge { .. } => ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, "tooLarge", detail),
        UploadError::Stalled => ApiError::new(StatusCode::REQUEST_TIMEOUT, "timeout", detail),
        UploadError::BrokeOff | UploadError::Empty => ApiError::malformed(detail),
    }
}
