//! Sessions: a worker proves its key once, then brings a random token. The token itself is kept nowhere.

use alloy::primitives::aliases::U40;
use alloy::primitives::{Address, B256, Bytes};
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{StatusCode, header};
use offsetdata_protocol::Digest;
use offsetdata_protocol::messages::WorkerHello;
use offsetdata_protocol::worker_api::{Hello, Welcome};
use offsetdata_store::chain::models::is_worker_of_scheduler;
use offsetdata_store::relay::sessions::{self, SessionRow};
use offsetdata_store::{Count, StoreError};

use super::{Api, ApiError, Shared, unix_now};
use crate::RelayerError;
use crate::checks::signature;
use crate::jobs::Claimant;

/// A hello may be so many seconds off our clock.
const MAX_SKEW: u64 = 300;
/// A worker has at most so many trainers.
const MAX_TRAINERS: usize = 64;
const TOKEN_BYTES: usize = 32;

/// A call with a token that holds.
pub(super) struct Session(pub(super) Claimant);

impl FromRequestParts<Shared> for Session {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, shared: &Shared) -> Result<Self, ApiError> {
        let token = parts
            .headers
            .get(header::AUTHORIZATION)
            .and_then(|value| value.to_str().ok())
            .and_then(|text| text.strip_prefix("Bearer "))
            .filter(|token| token.len() == 2 * TOKEN_BYTES)
            .ok_or_else(|| unauthorized("bring the token of a welcome"))?;
        let mut conn = shared.api.jobs.pool.acquire().await.map_err(RelayerError::from)?;
        let row =
            sessions::find_session(&mut conn, hash(token), unix_now()).await.map_err(RelayerError::from)?;
        let row = row.ok_or_else(|| unauthorized("this token is not one of a session that runs"))?;
        Ok(Self(Claimant {
            worker: row.worker,
            trainers: row.trainers.chunks_exact(32).map(B256::from_slice).collect(),
            is_listed: shared.api.allowed.contains(&row.worker),
        }))
    }
}

fn unauthorized(detail: &str) -> ApiError {
    ApiError::new(StatusCode::UNAUTHORIZED, "noSession", detail)
}

fn hash(token: &str) -> B256 {
    Digest::of(token.as_bytes()).into()
}

/// Opens a session for a hello that holds.
pub(super) async fn open(api: &Api, hello: &Hello, now: u64) -> Result<Welcome, ApiError> {
    if hello.trainers.len() > MAX_TRAINERS {
        let detail = format!("at most {MAX_TRAINERS} trainers, got {}", hello.trainers.len());
        return Err(ApiError::malformed(detail));
    }
    if now.abs_diff(hello.issued_at) > MAX_SKEW {
        let detail = format!(
            "issuedAt is {}, the relayer's clock says {now}: at most {MAX_SKEW} seconds",
            hello.issued_at
        );
        return Err(ApiError::new(StatusCode::UNAUTHORIZED, "wrongTime", detail));
    }
    is_signed(api, hello)?;
    let pool = &api.jobs.pool;
    let mut tx = pool.write().await.map_err(RelayerError::from)?;
    let is_allowed = api.allowed.contains(&hello.worker)
        || is_worker_of_scheduler(&mut tx, api.jobs.scheduler.address(), hello.worker)
            .await
            .map_err(RelayerError::from)?;
    if !is_allowed {
        let detail = format!("{} is a worker of no base that this relayer serves", hello.worker);
        return Err(ApiError::new(StatusCode::FORBIDDEN, "notAllowed", detail));
    }
    let last = sessions::find_session_of(&mut tx, hello.worker).await.map_err(RelayerError::from)?;
    if last.is_some_and(|last| last.issued_at.0 >= hello.issued_at) {
        let detail = "this hello, or a later one, opened a session already: sign a new one";
        return Err(ApiError::new(StatusCode::UNAUTHORIZED, "replayedHello", detail));
    }
    let token = random_token()?;
    let expires_at = now + u64::from(api.jobs.settings.session_seconds);
    let row = SessionRow {
        token_hash: hash(&token),
        worker: hello.worker,
        trainers: Bytes::from(hello.trainers.concat()),
        issued_at: Count(hello.issued_at),
        expires_at: Count(expires_at),
    };
    sessions::insert_session(&mut tx, row).await.map_err(RelayerError::from)?;
    tx.commit().await.map_err(StoreError::from).map_err(RelayerError::from)?;
    tracing::info!(worker = %hello.worker, trainers = hello.trainers.len(), "session");
    Ok(Welcome {
        token,
        expires_at,
        heartbeat_seconds: api.jobs.settings.heartbeat_seconds,
        lease_seconds: api.jobs.settings.lease_seconds,
        chain_id: api.chain_id,
        coordinator: api.jobs.coordinator,
    })
}

/// The audience is our public URL; a slash at its end makes no difference.
fn is_signed(api: &Api, hello: &Hello) -> Result<(), ApiError> {
    let message = |audience: String| WorkerHello {
        worker: hello.worker,
        audience,
        issuedAt: U40::from(hello.issued_at),
    };
    let plain = check(api, hello.worker, &message(api.public_url.clone()), &hello.signature);
    if plain.is_ok() {
        return plain;
    }
    check(api, hello.worker, &message(format!("{}/", api.public_url)), &hello.signature).or(plain)
}

fn check(api: &Api, worker: Address, message: &WorkerHello, bytes: &[u8]) -> Result<(), ApiError> {
    Ok(signature::is_by(worker, message, &api.relay_domain, bytes)?)
}

fn random_token() -> Result<String, ApiError> {
    let mut bytes = [0u8; TOKEN_BYTES];
    aws_lc_rs::rand::fill(&mut bytes).map_err(|_| {
        ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "tryAgain", "the machine has no randomness")
    })?;
    Ok(alloy::hex::encode(bytes))
}
