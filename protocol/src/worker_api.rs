//! The JSON that workers and a relayer exchange (docs/protocol.md, "Worker protocol"). It sends nothing.
//!
//! Workers call the relayer; nobody calls a worker. Every call can be repeated: the same call gets the same answer.
//!
//! | call | body → answer |
//! |---|---|
//! | `POST /v1/workers` | [`Hello`] → [`Welcome`] |
//! | `POST /v1/claim` | [`Claim`] → [`JobOffer`], or 204 where there is nothing within `waitSeconds` |
//! | `POST /v1/jobs/{request}/heartbeat` | [`Heartbeat`] → [`HeartbeatAnswer`] |
//! | `POST /v1/jobs/{request}/commitments` | [`CommitmentUpload`] → [`Accepted`] |
//! | `PUT /v1/jobs/{request}/artifact?attempt=N` | the artifact's bytes → [`ArtifactStored`] |
//! | `PUT /v1/jobs/{request}/checkpoint?attempt=N&sequence=S&pointCount=P&units=U` | the checkpoint's bytes → [`CheckpointStored`] |
//! | `GET /v1/jobs/{request}/checkpoint` | → the bytes of [`JobOffer::checkpoint`] |
//! | `POST /v1/jobs/{request}/finish` | [`Finish`] → [`Accepted`] |
//! | `POST /v1/jobs/{request}/fail` | [`Failure`] → [`Accepted`] |
//! | `POST /v1/jobs/{request}/release` | [`Release`] → [`Accepted`] |
//! | `POST /v1/predictions/claim` | [`Claim`] → [`PredictionOffer`], or 204 |
//! | `POST /v1/predictions/{id}/answer` | [`PredictionDone`] → 204 |
//! | `POST /v1/predictions/{id}/fail` | [`PredictionFailure`] → 204 |
//! | `GET /v1/artifacts/{cid}` | → the bytes of a [`PredictionOffer`]'s artifact |
//!
//! All but the first carry `Authorization: Bearer <token of the welcome>`. Errors are [`Problem`]s: 400 malformed,
//! 401 no or old token, 403 not this worker's job, 404 unknown job, 409 stale attempt or wrong sequence, 413 too
//! large, 422 a signature or digest that does not hold, 503 try again.

use alloy::primitives::{Address, B256, Bytes};
use serde::{Deserialize, Serialize};

use crate::gateway_api::Base64;
use crate::relay_api::Prediction;

/// Largest block of metric points in one commitment, in bytes.
pub const MAX_POINTS_BYTES: usize = 256 * 1024;
/// Largest artifact, in bytes.
pub const MAX_ARTIFACT_BYTES: usize = 256 * 1024 * 1024;
/// Largest checkpoint, in bytes.
pub const MAX_CHECKPOINT_BYTES: usize = 1024 * 1024 * 1024;
/// Longest wait of a claim, in seconds.
pub const MAX_CLAIM_WAIT_SECONDS: u32 = 30;

/// A worker says who it is and what it can run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Hello {
    /// Address of the worker's key.
    pub worker: Address,
    /// Digests of the trainers that it has.
    pub trainers: Vec<B256>,
    /// Unix seconds; at most five minutes from the relayer's clock.
    pub issued_at: u64,
    /// Signature over [`crate::messages::WorkerHello`] with the relayer's public URL as audience.
    pub signature: Bytes,
}

/// A session for a worker.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Welcome {
    /// Bearer token of the session.
    pub token: String,
    /// Unix seconds at which the token ends.
    pub expires_at: u64,
    /// Send a heartbeat this often while there is a job.
    pub heartbeat_seconds: u32,
    /// A job whose worker is not heard for so long goes to another one.
    pub lease_seconds: u32,
    /// The chain of the deployment.
    pub chain_id: u64,
    /// Its coordinator.
    pub coordinator: Address,
}

/// A worker asks for a job and waits for one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Claim {
    /// How long to wait, at most [`MAX_CLAIM_WAIT_SECONDS`].
    pub wait_seconds: u32,
}

/// A job for the worker that claimed it. Asked again while it holds the lease, it gets the same one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct JobOffer {
    /// The request.
    pub request: B256,
    /// abi.encode(EscrowTerms).
    pub escrow: Bytes,
    /// abi.encode(RequestDetails).
    pub details: Bytes,
    /// abi.encode(DataInput\[\]).
    pub inputs: Bytes,
    /// The JSON text whose SHA-256 is `details.hyperparametersDigest`.
    pub hyperparameters: String,
    /// The attempt, from 1.
    pub attempt: u8,
    /// Metric points that stand before this attempt.
    pub resume_point: u32,
    /// Unix seconds; the attempt's first commitment lands by then.
    pub valid_until: u64,
    /// The scheduler's signature over the assignment.
    pub assignment_signature: Bytes,
    /// Last accepted sequence of the request, 0 before the first.
    pub sequence: u32,
    /// Head after it, zero before the first.
    pub head: B256,
    /// Where an attempt before left off; the points before it stand.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checkpoint: Option<CheckpointRef>,
}

/// What a checkpoint is of. Its bytes are the trainer's state, encrypted by the developer's workers: a relayer keeps
/// them and can't read them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CheckpointRef {
    /// The attempt that made it.
    pub attempt: u8,
    /// Metric points of the series before it: `resumePoint` of the attempt that goes on from it.
    pub point_count: u32,
    /// Units done before it.
    pub units: u64,
    /// SHA-256 of the stored bytes.
    pub digest: B256,
    /// Their number.
    pub bytes: u64,
}

/// The relayer keeps a checkpoint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CheckpointStored {
    /// SHA-256 of the bytes.
    pub digest: B256,
}

/// What a worker is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Phase {
    /// Reading and verifying data.
    Preparing,
    /// Training.
    Training,
    /// Measuring the result on held-out data.
    Evaluating,
    /// Sending the artifact and the settlement.
    Publishing,
}

/// A worker is still there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Heartbeat {
    /// The attempt.
    pub attempt: u8,
    /// What it does.
    pub phase: Phase,
    /// Part done, 0 to 1,000,000.
    pub progress_ppm: u32,
}

/// What the relayer wants of the worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Action {
    /// Go on.
    Continue,
    /// Stop: the user cancelled or the request is gone. Call `fail` with reason "cancelled".
    Cancel,
    /// Send a checkpoint as soon as there is one, and go on.
    Checkpoint,
}

/// Answer to a heartbeat.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HeartbeatAnswer {
    /// What to do.
    pub action: Action,
    /// Unix seconds at which the lease ends without another heartbeat.
    pub lease_until: u64,
}

/// A signed commitment with the block of points that it stands for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CommitmentUpload {
    /// The attempt.
    pub attempt: u8,
    /// One more than the last accepted.
    pub sequence: u32,
    /// Head after the last accepted.
    pub previous_head: B256,
    /// Points of the series after this commitment.
    pub point_count: u32,
    /// Units done.
    pub units: u64,
    /// Four int64: train loss, train accuracy, validation loss, validation accuracy, times 1,000,000.
    pub last_values: B256,
    /// The points block, DAG-CBOR, at most [`MAX_POINTS_BYTES`]. Its SHA-256 is what is signed.
    pub points: Bytes,
    /// Signature over [`crate::messages::Commitment`].
    pub signature: Bytes,
}

/// The relayer has it durably.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Accepted {
    /// Last accepted sequence.
    pub sequence: u32,
}

/// The relayer keeps the artifact.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ArtifactStored {
    /// SHA-256 of the bytes.
    pub digest: B256,
    /// The CID they are stored under (CIDv1, base32).
    pub cid: String,
}

/// The signed result.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Finish {
    /// The attempt.
    pub attempt: u8,
    /// Last accepted sequence.
    pub sequence: u32,
    /// Head after it.
    pub head: B256,
    /// Points of the whole series.
    pub point_count: u32,
    /// Units done.
    pub units: u64,
    /// SHA-256 of the artifact.
    pub artifact_digest: B256,
    /// SHA-256 digest inside the artifact's CID.
    pub artifact_cid: B256,
    /// Root over the series.
    pub series_root: B256,
    /// Root over the records given to training.
    pub inputs_root: B256,
    /// Four int64: test loss, test accuracy, validation loss, validation accuracy, times 1,000,000.
    pub result_values: B256,
    /// Signature over [`crate::messages::Settlement`].
    pub signature: Bytes,
}

/// The worker could not, or was told to stop.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Failure {
    /// The attempt.
    pub attempt: u8,
    /// What happened, for people; at most 2,000 characters.
    pub reason: String,
    /// Whether another attempt may help.
    pub retryable: bool,
}

/// The worker gives the job back, as it shuts down: another attempt goes on from the last checkpoint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Release {
    /// The attempt.
    pub attempt: u8,
}

/// A prediction for the worker that claimed it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PredictionOffer {
    /// hashStruct of the signed request.
    pub id: B256,
    /// The model.
    pub model: B256,
    /// Its version.
    pub version: u32,
    /// Digest of the trainer that made the version.
    pub trainer: B256,
    /// SHA-256 of the artifact in the clear.
    pub artifact_digest: B256,
    /// CID of the stored artifact (CIDv1, base32).
    pub artifact_cid: String,
    /// DAG-CBOR records.
    pub records: Vec<Base64>,
    /// Unix seconds; another worker gets it then.
    pub lease_until: u64,
}

/// A worker's predictions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PredictionDone {
    /// One for each record, in their order.
    pub predictions: Vec<Prediction>,
    /// Signature over [`crate::messages::PredictionAnswer`].
    pub signature: Bytes,
}

/// The worker could not predict.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PredictionFailure {
    /// What happened, for people; at most 2,000 characters.
    pub reason: String,
    /// Whether another worker, or the same one later, may be able to.
    pub retryable: bool,
}

/// An error, as every service of ours answers it (RFC 9457, `application/problem+json`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Problem {
    /// A word for programs, e.g. `staleAttempt`.
    pub code: String,
    /// What is wrong, for people.
    pub title: String,
    /// HTTP status.
    pub status: u16,
    /// Expected and actual, and the next step.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}
