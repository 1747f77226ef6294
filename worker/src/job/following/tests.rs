//! A training that is followed over HTTP: the calls are held against the rules that a relayer holds workers to. What the
//! relayer itself does with them is tested there.

use std::sync::Mutex;

use alloy::primitives::{B256, Signature};
use alloy::sol_types::SolStruct;
use axum::body::Bytes;
use axum::extract::{Path, Query, State as Shared};
use axum::http::StatusCode;
use axum::routing::{get, post, put};
use axum::{Json, Router};
use offsetdata_protocol::deployments::Deployment;
use offsetdata_protocol::messages::{Commitment, training_domain};
use offsetdata_protocol::metrics::{MetricPoint, PointsBlock, series_root};
use offsetdata_protocol::record::{Record, Value as Field};
use offsetdata_protocol::selection::Split;
use offsetdata_protocol::worker_api::{
    Accepted, CheckpointRef, CheckpointStored, CommitmentUpload, Hello, Problem, Welcome,
};
use serde_json::json;

use super::*;
use crate::job::training;
use crate::offer::tests::{deployment, job};
use crate::trainers::{BuiltIn, Examples, MetricEvent, Trained};

/// What stands at the other end: accepted commitments and the newest checkpoint.
#[derive(Default)]
struct Standing {
    worker: alloy::primitives::Address,
    sequence: u32,
    head: B256,
    units: u64,
    points: Vec<MetricPoint>,
    checkpoints: Vec<(CheckpointRef, Vec<u8>)>,
    /// Calls with an old token are refused.
    sessions: u32,
}

type Wire = Arc<Mutex<Standing>>;
type Answer<T> = Result<Json<T>, (StatusCode, Json<Problem>)>;

fn refuse<T>(status: StatusCode, code: &str) -> Answer<T> {
    let problem = Problem { code: code.into(), title: code.into(), status: status.as_u16(), detail: None };
    Err((status, Json(problem)))
}

async fn hello(Shared(wire): Shared<Wire>, Json(hello): Json<Hello>) -> Json<Welcome> {
    let mut standing = wire.lock().unwrap();
    standing.worker = hello.worker;
    standing.sessions += 1;
    Json(Welcome {
        token: format!("session {}", standing.sessions),
        expires_at: u64::MAX,
        heartbeat_seconds: 10,
        lease_seconds: 30,
        chain_id: deployment().chain_id,
        coordinator: deployment().training_coordinator,
    })
}

async fn commitments(
    Shared(wire): Shared<Wire>,
    Path(request): Path<B256>,
    headers: axum::http::HeaderMap,
    Json(upload): Json<CommitmentUpload>,
) -> Answer<Accepted> {
    let mut standing = wire.lock().unwrap();
    if headers["authorization"] != format!("Bearer session {}", standing.sessions).as_str() {
        return refuse(StatusCode::UNAUTHORIZED, "noSession");
    }
    let message = Commitment {
        request,
        attempt: upload.attempt,
        sequence: upload.sequence,
        previousHead: upload.previous_head,
        pointsDigest: Digest::of(&upload.points).0.into(),
        pointCount: upload.point_count,
        units: alloy::primitives::Uint::from(upload.units),
        lastValues: upload.last_values,
    };
    let domain = training_domain(deployment().chain_id, deployment().training_coordinator);
    let signer = Signature::from_raw(&upload.signature)
        .unwrap()
        .recover_address_from_prehash(&message.eip712_signing_hash(&domain))
        .unwrap();
    assert_eq!(signer, standing.worker);
    assert_eq!((upload.sequence, upload.previous_head), (standing.sequence + 1, standing.head));
    assert!(upload.units >= standing.units);
    let block = PointsBlock::decode(&upload.points).unwrap();
    standing.points.extend(block.into_points());
    assert_eq!(standing.points.len() as u32, upload.point_count);
    (standing.sequence, standing.head) = (upload.sequence, message.eip712_hash_struct());
    standing.units = upload.units;
    Ok(Json(Accepted { sequence: upload.sequence }))
}

#[derive(serde::Deserialize)]
#[serde(rename_all = "camelCase")]
struct After {
    attempt: u8,
    sequence: u32,
    point_count: u32,
    units: u64,
}

async fn keep(
    Shared(wire): Shared<Wire>,
    Query(after): Query<After>,
    bytes: Bytes,
) -> Json<CheckpointStored> {
    let mut standing = wire.lock().unwrap();
    let stands = (standing.sequence, standing.points.len() as u32, standing.units);
    assert_eq!((after.sequence, after.point_count, after.units), stands, "behind the last commitment");
    let digest = Digest::of(&bytes).0.into();
    let reference = CheckpointRef {
        attempt: after.attempt,
        point_count: after.point_count,
        units: after.units,
        digest,
        bytes: bytes.len() as u64,
    };
    standing.checkpoints.push((reference, bytes.to_vec()));
    Json(CheckpointStored { digest })
}

async fn kept(Shared(wire): Shared<Wire>) -> Vec<u8> {
    wire.lock().unwrap().checkpoints.last().unwrap().1.clone()
}

/// The other end, listening, and a session with it.
async fn connect(wire: &Wire, account: &Account) -> Relay {
    let router = Router::new()
        .route("/v1/workers", post(hello))
        .route("/v1/jobs/{request}/commitments", post(commitments))
        .route("/v1/jobs/{request}/checkpoint", put(keep))
        .route("/v1/jobs/{request}/checkpoint", get(kept))
        .layer(axum::extract::DefaultBodyLimit::disable())
        .with_state(wire.clone());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    let deployment: Deployment = deployment();
    Relay::open(&url, account, Vec::new(), &deployment).await.unwrap()
}

fn examples() -> Examples {
    let hyperparameters = json!({"hashBits": 8, "epochs": 30, "batchSize": 4, "lossEvery": 2});
    let mut examples = Examples::new(BuiltIn::TextClassifier, &hyperparameters).unwrap();
    for number in 0..30u32 {
        let fields = [
            ("text", Field::from(format!("w{} w{}", number % 2, number % 5))),
            ("label", Field::from(number % 2)),
        ];
        let split = if number % 10 == 0 { Split::Validation } else { Split::Train };
        let record = Record::from_fields(fields).unwrap();
        examples.push(split, number.into(), record.view()).unwrap();
    }
    examples
}

/// One attempt over the wire: trained from what the job names, until it ends or is stopped.
async fn attempt(
    wire: &Wire,
    account: &Account,
    job: &Job,
    stopping: bool,
) -> (Result<Trained, WorkerError>, Series) {
    let relay = connect(wire, account).await;
    let key = Arc::new(SealingSecret::from_bytes([8; 32]));
    let progress = Progress::new(Duration::ZERO);
    let checkpoint = match &job.checkpoint {
        None => None,
        Some(reference) => {
            let sealed = relay.checkpoint(job.request, reference.bytes).await.unwrap();
            Some(Checkpoint::open(&sealed, reference, job.request, job.trainer, &key).unwrap())
        }
    };
    let (saved, state) = checkpoint.map(|at| (at.series, at.state)).unzip();
    let domain = training_domain(deployment().chain_id, deployment().training_coordinator);
    let mut series = Series::new(job, domain, saved);
    let (stop, wish) = (progress.stop.clone(), progress.wish.clone());
    let (training, mut messages) = training::start(examples(), [3; 32], state, stop, wish);
    let (_sender, stopping) = watch::channel(stopping);
    let desk = Desk {
        job,
        relay: &relay,
        account,
        key: &key,
        commit_every: Duration::from_millis(20),
        stopping: &stopping,
        progress: &progress,
    };
    let followed = desk.follow(&mut series, &mut messages, 810).await;
    progress.stop.store(true, Ordering::Relaxed);
    assert_eq!(*progress.kept.borrow(), *stopping.borrow());
    let trained = training.await.unwrap();
    (followed.and_then(|()| Ok(trained?)), series)
}

fn undisturbed() -> (offsetdata_protocol::Root, Trained) {
    let mut series = offsetdata_protocol::metrics::SeriesBuilder::new();
    let trained = examples()
        .train([3; 32], None, &std::sync::atomic::AtomicBool::new(false), &mut |event: MetricEvent| {
            series.push(&crate::series::point(series.len(), &event).unwrap()).unwrap();
        })
        .unwrap();
    (series.root(), trained)
}

#[tokio::test]
async fn a_job_that_is_given_back_again_and_again_ends_as_an_undisturbed_one() {
    let account = Account::dev(4).unwrap();
    let (wire, mut job) = (Wire::default(), job(BuiltIn::TextClassifier));
    let trained = loop {
        // Every attempt but the last is told to stop at once: it keeps one checkpoint and ends.
        match attempt(&wire, &account, &job, job.attempt < 20).await.0 {
            Err(WorkerError::Released) => {}
            other => break other.unwrap(),
        }
        let standing = wire.lock().unwrap();
        let reference = standing.checkpoints.last().unwrap().0;
        assert_eq!(reference.attempt, job.attempt);
        assert_eq!(reference.point_count as usize, standing.points.len());
        job.attempt += 1;
        job.checkpoint = Some(reference);
        (job.sequence, job.head) = (standing.sequence, standing.head);
    };
    assert!(job.attempt >= 5, "{} attempts", job.attempt);
    let standing = wire.lock().unwrap();
    let (root, expected) = undisturbed();
    assert_eq!(series_root(&standing.points).unwrap(), root);
    assert_eq!(trained.artifact, expected.artifact);
    assert_eq!(standing.units, expected.units);
}

#[tokio::test]
async fn points_past_the_checkpoint_are_measured_again_by_the_next_attempt() {
    let account = Account::dev(4).unwrap();
    let (wire, mut job) = (Wire::default(), job(BuiltIn::TextClassifier));
    let (first, series) = attempt(&wire, &account, &job, false).await;
    let (root, expected) = undisturbed();
    assert_eq!(first.unwrap().artifact, expected.artifact);
    assert!(!series.is_behind());
    {
        // The worker was lost: of what it committed, the points up to an earlier checkpoint stand.
        let mut standing = wire.lock().unwrap();
        assert!(standing.checkpoints.len() >= 2, "{}", standing.checkpoints.len());
        standing.checkpoints.pop();
        let reference = standing.checkpoints.last().unwrap().0;
        assert!((reference.point_count as usize) < standing.points.len());
        standing.points.truncate(reference.point_count as usize);
        standing.units = reference.units;
        job.attempt = 2;
        job.checkpoint = Some(reference);
        (job.sequence, job.head) = (standing.sequence, standing.head);
    }
    let (again, _) = attempt(&wire, &account, &job, false).await;
    assert_eq!(again.unwrap().artifact, expected.artifact);
    assert_eq!(series_root(&wire.lock().unwrap().points).unwrap(), root);
}

#[tokio::test]
async fn a_forgotten_session_is_made_again() {
    let account = Account::dev(4).unwrap();
    let (wire, job) = (Wire::default(), job(BuiltIn::TextClassifier));
    let relay = connect(&wire, &account).await;
    wire.lock().unwrap().sessions = 40;
    let domain = training_domain(deployment().chain_id, deployment().training_coordinator);
    let series = Series::new(&job, domain, None);
    let upload = series.commitment(&account).unwrap();
    relay.commit(job.request, &upload).await.unwrap();
    assert_eq!(wire.lock().unwrap().sessions, 41);
}
