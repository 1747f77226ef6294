//! The HTTP interface on a loopback socket: the whole way of a job. All parts are the real ones.

mod hostile;

use std::sync::atomic::{AtomicU64, Ordering};

use alloy::primitives::aliases::{U40, U48};
use alloy::primitives::{Address, B256, Bytes};
use alloy::signers::SignerSync;
use alloy::signers::local::PrivateKeySigner;
use alloy::sol_types::{SolCall, SolStruct};
use offsetdata_protocol::bindings::training::TrainingCoordinator as training;
use offsetdata_protocol::cid::file_cid;
use offsetdata_protocol::deployments::Deployment;
use offsetdata_protocol::ids::RequestId;
use offsetdata_protocol::metrics::{PointsBlock, series_root};
use offsetdata_protocol::worker_api::{
    Accepted, Action, ArtifactStored, Finish, Hello, JobOffer, MAX_POINTS_BYTES, Problem, Welcome,
};
use offsetdata_protocol::{Digest, messages};
use offsetdata_store::relay::{transactions, work};
use reqwest::{Client, Response, StatusCode};
use serde_json::{Value, json};

use super::{Api, router, unix_now};
use crate::chain::Chain;
use crate::files::Files;
use crate::fixture::{Bench, CHAIN_ID, COORDINATOR, HYPERPARAMETERS, TRAINER, block, sign};
use crate::landing::Terms;
use crate::predictions::Predictions;
use crate::sponsor::Sponsor;

const AUDIENCE: &str = "https://relayer.example";

struct Server {
    bench: Bench,
    base: String,
    client: Client,
    last_hello: AtomicU64,
}

impl Server {
    async fn start() -> Self {
        let bench = Bench::new(unix_now() - 100).await;
        let artifacts = bench.folder.path().join("artifacts");
        // No node answers here: what asks one is tested on a whole network.
        let chain = Chain::new("http://127.0.0.1:1").unwrap();
        let relay_domain = messages::relay_domain(CHAIN_ID, COORDINATOR);
        let deployment = Deployment::dev().unwrap();
        let predictions = Predictions {
            pool: bench.jobs.pool.clone(),
            chain: chain.clone(),
            model_registry: deployment.model_registry,
            domain: relay_domain.clone(),
            audience: AUDIENCE.into(),
            confirmations: 1,
            settings: Default::default(),
            asked: Default::default(),
            answered: Default::default(),
        };
        let sponsor = Sponsor {
            pool: bench.jobs.pool.clone(),
            chain,
            deployment,
            sender: bench.jobs.senders[0],
            margin_percent: 25,
            settings: Default::default(),
            wanted: bench.jobs.wanted.clone(),
        };
        let api = Api {
            jobs: bench.jobs.clone(),
            sponsor,
            predictions,
            lanes: crate::transactions::Lanes::default(),
            chain_id: CHAIN_ID,
            relay_domain,
            public_url: AUDIENCE.into(),
            allowed: vec![bench.worker.address()],
            artifacts: Files::open(&artifacts).unwrap(),
        };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router(api)).await });
        let client = Client::builder().no_proxy().build().unwrap();
        // Each hello is later than the one before; within the allowed five minutes.
        Self { bench, base, client, last_hello: AtomicU64::new(unix_now() - 200) }
    }

    fn hello(&self, key: &PrivateKeySigner, audience: &str, issued_at: u64) -> Hello {
        let message = messages::WorkerHello {
            worker: key.address(),
            audience: audience.into(),
            issuedAt: U40::from(issued_at),
        };
        let hash = message.eip712_signing_hash(&messages::relay_domain(CHAIN_ID, COORDINATOR));
        Hello {
            worker: key.address(),
            trainers: vec![TRAINER],
            issued_at,
            signature: Bytes::from(key.sign_hash_sync(&hash).unwrap().as_bytes()),
        }
    }

    async fn session(&self) -> String {
        let issued_at = self.last_hello.fetch_add(1, Ordering::SeqCst);
        let hello = self.hello(&self.bench.worker, AUDIENCE, issued_at);
        let welcome: Welcome = self.post("/v1/workers", "", &json!(hello)).await.json().await.unwrap();
        assert_eq!((welcome.chain_id, welcome.coordinator), (CHAIN_ID, COORDINATOR));
        welcome.token
    }

    async fn post(&self, path: &str, token: &str, body: &Value) -> Response {
        self.client.post(format!("{}{path}", self.base)).bearer_auth(token).json(body).send().await.unwrap()
    }

    async fn claim(&self, token: &str) -> Option<JobOffer> {
        let response = self.post("/v1/claim", token, &json!({ "waitSeconds": 0 })).await;
        match response.status() {
            StatusCode::NO_CONTENT => None,
            StatusCode::OK => Some(response.json().await.unwrap()),
            status => panic!("{status}: {}", response.text().await.unwrap()),
        }
    }

    async fn put(&self, request: RequestId, attempt: u8, token: &str, body: Vec<u8>) -> Response {
        let url = format!("{}/v1/jobs/{request}/artifact?attempt={attempt}", self.base);
        self.client.put(url).bearer_auth(token).body(body).send().await.unwrap()
    }
}

async fn problem(response: Response) -> (u16, String) {
    let status = response.status().as_u16();
    assert_eq!(response.headers()["content-type"], "application/problem+json", "status {status}");
    let problem: Problem = response.json().await.unwrap();
    assert_eq!(problem.status, status);
    (status, problem.code)
}

fn is(status: u16, code: &str) -> (u16, String) {
    (status, code.into())
}

#[tokio::test]
async fn a_job_goes_its_whole_way_and_each_call_can_be_repeated() {
    let server = Server::start().await;
    let token = server.session().await;
    assert_eq!(server.claim(&token).await, None);
    let request = server.bench.queue(1).await;
    let offer = server.claim(&token).await.unwrap();
    assert_eq!((offer.request, offer.attempt, offer.sequence, offer.head), (request.0, 1, 0, B256::ZERO));
    assert_eq!(offer.hyperparameters, HYPERPARAMETERS);
    assert_eq!(server.claim(&token).await, Some(offer.clone()), "asked again, the same");

    let path = |call: &str| format!("/v1/jobs/{request}/{call}");
    let beat = json!({ "attempt": 1, "phase": "training", "progressPpm": 5 });
    let answer: Value = server.post(&path("heartbeat"), &token, &beat).await.json().await.unwrap();
    assert_eq!(answer["action"], json!(Action::Continue));

    let (first, head) = server.bench.commitment(request, 1, 1, B256::ZERO, 0, 10);
    let (second, last) = server.bench.commitment(request, 1, 2, head, 2, 20);
    for upload in [&first, &first, &second, &second, &first] {
        let response = server.post(&path("commitments"), &token, &json!(upload)).await;
        let accepted: Accepted = response.json().await.unwrap();
        assert_eq!(accepted.sequence, upload.sequence);
    }

    let artifact = vec![7u8; 3_000_000];
    for _ in 0..2 {
        let stored: ArtifactStored =
            server.put(request, 1, &token, artifact.clone()).await.json().await.unwrap();
        assert_eq!(stored.digest, B256::from(Digest::of(&artifact)));
        assert_eq!(stored.cid, file_cid(&artifact).to_string());
    }
    let names: Vec<_> = std::fs::read_dir(server.bench.folder.path().join("artifacts")).unwrap().collect();
    assert_eq!(names.len(), 1, "nothing incomplete is left");

    let points =
        [block(0, 2), block(2, 2)].map(|bytes| PointsBlock::decode(&bytes).unwrap().into_points()).concat();
    let cid = offsetdata_protocol::cid::parts(&file_cid(&artifact)).unwrap().1;
    let mut finish = Finish {
        attempt: 1,
        sequence: 2,
        head: last,
        point_count: 4,
        units: 20,
        artifact_digest: Digest::of(&artifact).into(),
        artifact_cid: cid.into(),
        series_root: series_root(&points).unwrap().into(),
        inputs_root: B256::repeat_byte(6),
        result_values: B256::repeat_byte(7),
        signature: Bytes::new(),
    };
    let message = messages::Settlement {
        request: request.0,
        attempt: 1,
        sequence: 2,
        head: last,
        pointCount: 4,
        units: U48::from(20),
        artifactDigest: finish.artifact_digest,
        artifactCid: finish.artifact_cid,
        seriesRoot: finish.series_root,
        inputsRoot: finish.inputs_root,
        resultValues: finish.result_values,
    };
    finish.signature = sign(&server.bench.worker, &message, &server.bench.jobs.scheduler);
    for _ in 0..2 {
        let accepted: Accepted =
            server.post(&path("finish"), &token, &json!(finish)).await.json().await.unwrap();
        assert_eq!(accepted.sequence, 2);
    }
    assert_eq!(server.bench.jobs.find(request).await.unwrap().unwrap().state, "settling");

    let mut conn = server.bench.jobs.pool.acquire().await.unwrap();
    let queued = transactions::list_of_request(&mut conn, request).await.unwrap();
    assert_eq!(
        queued.iter().map(|row| row.kind.as_str()).collect::<Vec<_>>(),
        ["commitAssigned", "commit", "settle"]
    );
    let call = training::commitAssignedCall::abi_decode(&queued[0].calldata).unwrap();
    let assignment = messages::Assignment {
        request: request.0,
        attempt: 1,
        worker: server.bench.worker.address(),
        resumePoint: 0,
        validUntil: call.assignment.validUntil,
    };
    let scheduler = &server.bench.jobs.scheduler;
    crate::checks::signature::is_by(
        scheduler.address(),
        &assignment,
        scheduler.domain(),
        &call.assignmentSignature,
    )
    .unwrap();
    assert_eq!(call.signature, first.signature);
    let settle = training::settleCall::abi_decode(&queued[2].calldata).unwrap();
    assert_eq!(
        (settle.settlement.seriesRoot, settle.signature),
        (finish.series_root, finish.signature.clone())
    );
    let kept = server.bench.jobs.blocks.get_raw(Digest::of(&first.points), MAX_POINTS_BYTES).await.unwrap();
    assert_eq!(kept, first.points, "the points are stored before they land");

    let listed: Value =
        server.client.get(format!("{}/v1/jobs", server.base)).send().await.unwrap().json().await.unwrap();
    assert_eq!((&listed[0]["state"], &listed[0]["units"]), (&json!("settling"), &json!(20)));
    let health = server.client.get(format!("{}/health", server.base)).send().await.unwrap();
    assert_eq!(health.status(), StatusCode::OK);
}

#[tokio::test]
async fn a_lost_worker_is_followed_by_another_attempt_and_its_work_is_stale() {
    let server = Server::start().await;
    let token = server.session().await;
    let request = server.bench.queue(1).await;
    server.claim(&token).await.unwrap();
    let (first, head) = server.bench.commitment(request, 1, 1, B256::ZERO, 0, 10);
    let path = format!("/v1/jobs/{request}/commitments");
    assert_eq!(server.post(&path, &token, &json!(first)).await.status(), StatusCode::OK);
    let later = unix_now() + 31;
    assert_eq!(server.bench.jobs.reap(later).await.unwrap(), 1);
    let (second, _) = server.bench.commitment(request, 1, 2, head, 2, 20);
    assert_eq!(problem(server.post(&path, &token, &json!(second)).await).await, is(409, "staleAttempt"));

    let offer = server.claim(&token).await.unwrap();
    assert_eq!((offer.attempt, offer.sequence, offer.head, offer.resume_point), (2, 1, head, 0));
    assert_eq!(problem(server.post(&path, &token, &json!(second)).await).await, is(409, "staleAttempt"));
    let (again, _) = server.bench.commitment(request, 2, 2, head, 0, 5);
    assert_eq!(server.post(&path, &token, &json!(again)).await.status(), StatusCode::OK);
    let mut conn = server.bench.jobs.pool.acquire().await.unwrap();
    let queued = transactions::list_of_request(&mut conn, request).await.unwrap();
    assert_eq!(
        queued.iter().map(|row| row.kind.as_str()).collect::<Vec<_>>(),
        ["commitAssigned", "commitAssigned"]
    );
    let kept = work::list_commitments(&mut conn, request).await.unwrap();
    assert_eq!(kept.iter().map(|row| row.attempt).collect::<Vec<_>>(), [1, 2]);
}

#[tokio::test]
async fn failures_are_tried_again_until_the_last_attempt_and_then_closed() {
    let server = Server::start().await;
    let token = server.session().await;
    let request = server.bench.queue(1).await;
    let path = format!("/v1/jobs/{request}/fail");
    for attempt in 1..=5u8 {
        assert_eq!(server.claim(&token).await.unwrap().attempt, attempt);
        let failure = json!({ "attempt": attempt, "reason": "no memory", "retryable": true });
        for _ in 0..2 {
            assert_eq!(
                server.post(&path, &token, &failure).await.status(),
                StatusCode::OK,
                "repeated, the same"
            );
        }
    }
    assert_eq!(server.claim(&token).await, None);
    let job = server.bench.jobs.find(request).await.unwrap().unwrap();
    assert_eq!((job.state.as_str(), job.attempt), ("failed", 5));
    let mut conn = server.bench.jobs.pool.acquire().await.unwrap();
    let queued = transactions::list_of_request(&mut conn, request).await.unwrap();
    let call = training::closeCall::abi_decode(&queued[0].calldata).unwrap();
    assert_eq!(call.closure.sequence, 0);
    let closure =
        messages::Closure { request: request.0, sequence: 0, reasonDigest: Digest::of(b"no memory").into() };
    let scheduler = &server.bench.jobs.scheduler;
    crate::checks::signature::is_by(scheduler.address(), &closure, scheduler.domain(), &call.signature)
        .unwrap();
    let reason = server.bench.jobs.blocks.get_raw(Digest::of(b"no memory"), 100).await.unwrap();
    assert_eq!(reason, b"no memory");
    let terms = Terms::decode(&job.escrow, &job.details).unwrap();
    assert_eq!(call.escrow, terms.escrow);
}

#[tokio::test]
async fn a_worker_that_cannot_serve_the_trainer_gets_nothing() {
    let server = Server::start().await;
    let issued_at = server.last_hello.fetch_add(1, Ordering::SeqCst);
    let hello =
        Hello { trainers: vec![B256::ZERO], ..server.hello(&server.bench.worker, AUDIENCE, issued_at) };
    let welcome: Welcome = server.post("/v1/workers", "", &json!(hello)).await.json().await.unwrap();
    server.bench.queue(1).await;
    assert_eq!(server.claim(&welcome.token).await, None);
    let foreign =
        crate::jobs::Claimant { worker: Address::repeat_byte(5), trainers: vec![TRAINER], is_listed: false };
    assert_eq!(
        server.bench.jobs.claim(&foreign, unix_now()).await.unwrap(),
        None,
        "of no base, and not listed"
    );
}
