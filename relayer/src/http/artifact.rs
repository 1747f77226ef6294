//! Artifacts: streamed to the relayer's own directory, hashed on the way. They never go to the public block store:
//! the developer alone holds weights.

use std::path::{Path, PathBuf};
use std::time::Duration;

use aws_lc_rs::digest::{Context as Hasher, SHA256};
use axum::Json;
use axum::body::Body;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use futures::StreamExt;
use offsetdata_protocol::Digest;
use offsetdata_protocol::cid::FileWriter;
use offsetdata_protocol::worker_api::{ArtifactStored, MAX_ARTIFACT_BYTES};
use serde::Deserialize;
use tokio::io::AsyncWriteExt;

use super::body::OfRequest;
use super::session::Session;
use super::{ApiError, Shared, unix_now};
use crate::RelayerError;
use crate::jobs::StoredArtifact;

/// The next bytes come within this time, or the upload ends.
const IDLE: Duration = Duration::from_secs(30);
const INCOMING: &str = "incoming-";

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct UploadQuery {
    attempt: u8,
}

pub(super) async fn upload(
    State(shared): State<Shared>,
    Session(claimant): Session,
    OfRequest(request): OfRequest,
    query: Result<Query<UploadQuery>, axum::extract::rejection::QueryRejection>,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<ArtifactStored>, ApiError> {
    let Query(query) = query.map_err(|error| ApiError::malformed(error.body_text()))?;
    let declared =
        headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    if declared.is_some_and(|bytes| bytes > MAX_ARTIFACT_BYTES as u64) {
        return Err(too_large());
    }
    let jobs = &shared.api.jobs;
    jobs.expect_artifact(request, claimant.worker, query.attempt).await?;
    let _permit = shared.uploads.try_acquire().map_err(|_| {
        ApiError::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "tryAgain",
            "too many artifacts are being sent at once",
        )
    })?;
    let stored = store(&shared.api.artifacts, body).await?;
    jobs.note_artifact(request, claimant.worker, query.attempt, &stored, unix_now()).await?;
    tracing::info!(%request, attempt = query.attempt, bytes = stored.bytes, cid = %stored.cid, "artifact");
    Ok(Json(ArtifactStored { digest: stored.digest.into(), cid: stored.cid.to_string() }))
}

fn too_large() -> ApiError {
    let detail = format!("an artifact has at most {MAX_ARTIFACT_BYTES} bytes");
    ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, "tooLarge", detail)
}

/// A file that goes away unless it is kept.
struct Incoming(Option<PathBuf>);

impl Drop for Incoming {
    fn drop(&mut self) {
        if let Some(path) = &self.0
            && let Err(error) = std::fs::remove_file(path)
        {
            tracing::debug!(%error, "an incomplete artifact could not be removed");
        }
    }
}

async fn store(folder: &Path, body: Body) -> Result<StoredArtifact, ApiError> {
    let mut name = [0u8; 16];
    aws_lc_rs::rand::fill(&mut name).map_err(|_| {
        ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "tryAgain", "the machine has no randomness")
    })?;
    let path = folder.join(format!("{INCOMING}{}", alloy::hex::encode(name)));
    let mut file =
        tokio::fs::File::create_new(&path).await.map_err(|error| failed("create an artifact", error))?;
    let mut incoming = Incoming(Some(path.clone()));
    let mut hasher = Hasher::new(&SHA256);
    let mut writer = FileWriter::new();
    let mut bytes = 0u64;
    let mut stream = body.into_data_stream();
    loop {
        let part = match tokio::time::timeout(IDLE, stream.next()).await {
            Ok(Some(Ok(part))) => part,
            Ok(Some(Err(_))) => return Err(ApiError::malformed("the upload broke off")),
            Ok(None) => break,
            Err(_) => {
                let detail = format!("no bytes within {} seconds", IDLE.as_secs());
                return Err(ApiError::new(StatusCode::REQUEST_TIMEOUT, "timeout", detail));
            }
        };
        bytes += part.len() as u64;
        if bytes > MAX_ARTIFACT_BYTES as u64 {
            return Err(too_large());
        }
        hasher.update(&part);
        writer.write(&part, &mut |_, _| {});
        file.write_all(&part).await.map_err(|error| failed("write an artifact", error))?;
    }
    if bytes == 0 {
        return Err(ApiError::malformed("an artifact has at least one byte"));
    }
    file.sync_all().await.map_err(|error| failed("write an artifact", error))?;
    drop(file);
    let mut digest = [0u8; 32];
    digest.copy_from_slice(hasher.finish().as_ref());
    let kept = folder.join(alloy::hex::encode(digest));
    tokio::fs::rename(&path, &kept).await.map_err(|error| failed("keep an artifact", error))?;
    incoming.0 = None;
    // The name is durable with the folder.
    let folder =
        tokio::fs::File::open(folder).await.map_err(|error| failed("open the artifacts' folder", error))?;
    folder.sync_all().await.map_err(|error| failed("keep an artifact", error))?;
    Ok(StoredArtifact { digest: Digest(digest), cid: writer.finish(&mut |_, _| {}).cid, bytes })
}

fn failed(what: &str, source: std::io::Error) -> ApiError {
    RelayerError::Io { what: what.to_owned(), source }.into()
}

/// Makes the folder and removes what an earlier run left incomplete.
///
/// # Errors
/// A folder that can't be made or read.
pub(crate) fn prepare(folder: &Path) -> Result<(), RelayerError> {
    let failed = |source| RelayerError::Io { what: format!("artifacts folder {}", folder.display()), source };
    std::fs::create_dir_all(folder).map_err(failed)?;
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        if entry.file_name().to_string_lossy().starts_with(INCOMING) {
            std::fs::remove_file(entry.path()).map_err(failed)?;
        }
    }
    Ok(())
}
