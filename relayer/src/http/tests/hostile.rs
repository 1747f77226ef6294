//! Calls that do not hold: signatures, tokens, bodies and paths, work that does not follow, files of others.

use alloy::primitives::{Address, B256, Bytes};
use alloy::signers::local::PrivateKeySigner;
use offsetdata_protocol::Digest;
use offsetdata_protocol::worker_api::{ArtifactStored, Hello, MAX_ARTIFACT_BYTES, MAX_POINTS_BYTES};
use offsetdata_store::relay::{sessions, transactions};
use reqwest::{Response, StatusCode};
use serde_json::json;

use super::{AUDIENCE, Server, is, problem};
use crate::fixture::TRAINER;
use crate::http::unix_now;

#[tokio::test]
async fn hellos_that_do_not_hold() {
    let server = Server::start().await;
    let now = unix_now();
    let worker = &server.bench.worker;
    async fn server_post(server: &Server, hello: Hello) -> Response {
        server.post("/v1/workers", "", &json!(hello)).await
    }
    let check = |hello: Hello| server_post(&server, hello);
    assert_eq!(
        problem(check(server.hello(worker, "https://other.example", now)).await).await,
        is(422, "badSignature")
    );
    assert_eq!(problem(check(server.hello(worker, AUDIENCE, now - 301)).await).await, is(401, "wrongTime"));
    assert_eq!(problem(check(server.hello(worker, AUDIENCE, now + 400)).await).await, is(401, "wrongTime"));
    let stranger = PrivateKeySigner::random();
    assert_eq!(problem(check(server.hello(&stranger, AUDIENCE, now)).await).await, is(403, "notAllowed"));
    let forged = Hello { worker: worker.address(), ..server.hello(&stranger, AUDIENCE, now) };
    assert_eq!(problem(check(forged).await).await, is(422, "badSignature"));
    let many = Hello { trainers: vec![TRAINER; 65], ..server.hello(worker, AUDIENCE, now) };
    assert_eq!(problem(check(many).await).await, is(400, "malformed"));

    let hello = server.hello(worker, &format!("{AUDIENCE}/"), now - 5);
    assert_eq!(
        check(hello.clone()).await.status(),
        StatusCode::OK,
        "a slash at the end is the same audience"
    );
    assert_eq!(problem(check(hello).await).await, is(401, "replayedHello"));
    assert_eq!(problem(check(server.hello(worker, AUDIENCE, now - 6)).await).await, is(401, "replayedHello"));
}

#[tokio::test]
async fn tokens_that_do_not_hold() {
    let server = Server::start().await;
    let old = server.session().await;
    let new = server.session().await;
    let claim = json!({ "waitSeconds": 0 });
    for token in ["", "x", &"00".repeat(32), &old, &new.to_uppercase()] {
        assert_eq!(problem(server.post("/v1/claim", token, &claim).await).await, is(401, "noSession"));
    }
    assert_eq!(server.post("/v1/claim", &new, &claim).await.status(), StatusCode::NO_CONTENT);
    let mut conn = server.bench.jobs.pool.acquire().await.unwrap();
    let row = sessions::find_session_of(&mut conn, server.bench.worker.address()).await.unwrap().unwrap();
    assert_eq!(row.token_hash, B256::from(Digest::of(new.as_bytes())), "only its hash is kept");
}

#[tokio::test]
async fn bodies_and_paths_that_are_none() {
    let server = Server::start().await;
    let token = server.session().await;
    let request = server.bench.queue(1).await;
    server.claim(&token).await.unwrap();
    let url = |path: &str| format!("{}{path}", server.base);
    for body in [
        "",
        "{",
        "[]",
        "null",
        r#"{"waitSeconds":-1}"#,
        r#"{"waitSeconds":0,"more":1}"#,
        r#"{"waitSeconds":"1"}"#,
    ] {
        let call = server
            .client
            .post(url("/v1/claim"))
            .bearer_auth(&token)
            .header("content-type", "application/json");
        assert_eq!(problem(call.body(body).send().await.unwrap()).await, is(400, "malformed"), "{body:?}");
    }
    let call = server.client.post(url("/v1/claim")).bearer_auth(&token).body(r#"{"waitSeconds":0}"#);
    assert_eq!(problem(call.send().await.unwrap()).await, is(400, "malformed"), "no content type");
    for id in ["1", "0x12", "..%2f..", &"f".repeat(64)] {
        let beat = json!({ "attempt": 1, "phase": "training", "progressPpm": 0 });
        let answer = problem(server.post(&format!("/v1/jobs/{id}/heartbeat"), &token, &beat).await).await;
        assert_eq!(answer, is(400, "malformed"), "{id}");
    }
    let beat = |ppm: u64, phase: &str| json!({ "attempt": 1, "phase": phase, "progressPpm": ppm });
    let path = format!("/v1/jobs/{request}/heartbeat");
    assert_eq!(
        problem(server.post(&path, &token, &beat(1_000_001, "training")).await).await,
        is(400, "malformed")
    );
    assert_eq!(problem(server.post(&path, &token, &beat(0, "sleeping")).await).await, is(400, "malformed"));
    let unknown = format!("/v1/jobs/{}/heartbeat", B256::repeat_byte(1));
    assert_eq!(
        problem(server.post(&unknown, &token, &beat(0, "training")).await).await,
        is(404, "unknownJob")
    );
    assert_eq!(problem(server.client.get(url("/nothing")).send().await.unwrap()).await, is(404, "notFound"));
    assert_eq!(
        problem(server.client.get(url("/v1/claim")).send().await.unwrap()).await,
        is(405, "methodNotAllowed")
    );
    assert_eq!(
        problem(server.client.get(url("/v1/jobs?limit=x")).send().await.unwrap()).await,
        is(400, "malformed")
    );
}

#[tokio::test]
async fn bodies_that_are_too_large() {
    let server = Server::start().await;
    let token = server.session().await;
    let request = server.bench.queue(1).await;
    server.claim(&token).await.unwrap();
    let long = json!({ "attempt": 1, "reason": "x".repeat(70_000), "retryable": true });
    let fail = format!("/v1/jobs/{request}/fail");
    assert_eq!(problem(server.post(&fail, &token, &long).await).await, is(413, "tooLarge"));
    let long = json!({ "attempt": 1, "reason": "x".repeat(2001), "retryable": true });
    assert_eq!(problem(server.post(&fail, &token, &long).await).await, is(400, "malformed"));

    let commitments = format!("/v1/jobs/{request}/commitments");
    let (mut upload, _) = server.bench.commitment(request, 1, 1, B256::ZERO, 0, 10);
    upload.points = Bytes::from(vec![0; MAX_POINTS_BYTES + 1]);
    assert_eq!(problem(server.post(&commitments, &token, &json!(upload)).await).await, is(413, "tooLarge"));
    upload.points = Bytes::from(vec![0; MAX_POINTS_BYTES + 100_000]);
    assert_eq!(problem(server.post(&commitments, &token, &json!(upload)).await).await, is(413, "tooLarge"));

    // Only announced: the relayer answers before it reads.
    let mut socket = tokio::net::TcpStream::connect(server.base.trim_start_matches("http://")).await.unwrap();
    let head = format!(
        "PUT /v1/jobs/{request}/artifact?attempt=1 HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\ncontent-length: {}\r\n\r\n",
        MAX_ARTIFACT_BYTES + 1
    );
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    socket.write_all(head.as_bytes()).await.unwrap();
    let mut answer = vec![0; 12];
    socket.read_exact(&mut answer).await.unwrap();
    assert_eq!(answer, b"HTTP/1.1 413");
    assert_eq!(problem(server.put(request, 1, &token, Vec::new()).await).await, is(400, "malformed"));
    assert_eq!(problem(server.put(request, 2, &token, vec![1]).await).await, is(409, "staleAttempt"));
}

#[tokio::test]
async fn signed_work_that_does_not_follow() {
    let server = Server::start().await;
    let token = server.session().await;
    let request = server.bench.queue(1).await;
    server.claim(&token).await.unwrap();
    let path = format!("/v1/jobs/{request}/commitments");
    let send = |upload| {
        let (server, path, token) = (&server, &path, &token);
        async move { problem(server.post(path, token, &json!(upload)).await).await }
    };
    let bench = &server.bench;
    assert_eq!(send(bench.commitment(request, 2, 1, B256::ZERO, 0, 1).0).await, is(409, "staleAttempt"));
    assert_eq!(send(bench.commitment(request, 1, 2, B256::ZERO, 0, 1).0).await, is(409, "wrongSequence"));
    assert_eq!(
        send(bench.commitment(request, 1, 1, B256::repeat_byte(1), 0, 1).0).await,
        is(409, "wrongHead")
    );
    assert_eq!(send(bench.commitment(request, 1, 1, B256::ZERO, 5, 1).0).await, is(409, "wrongPoint"));
    assert_eq!(send(bench.commitment(request, 1, 1, B256::ZERO, 0, 1001).0).await, is(422, "unitsOverLimit"));
    let (mut foreign, _) = bench.commitment(request, 1, 1, B256::ZERO, 0, 1);
    foreign.signature = bench.commitment(bench.request(2), 1, 1, B256::ZERO, 0, 1).0.signature;
    assert_eq!(send(foreign).await, is(422, "badSignature"), "signed for another request");
    let (mut wide, _) = bench.commitment(request, 1, 1, B256::ZERO, 0, 1);
    wide.units = 1 << 48;
    assert_eq!(send(wide).await, is(400, "malformed"));

    let (first, _) = bench.commitment(request, 1, 1, B256::ZERO, 0, 1);
    assert_eq!(server.post(&path, &token, &json!(first)).await.status(), StatusCode::OK);
    let (other, _) = bench.commitment(request, 1, 1, B256::ZERO, 0, 2);
    assert_eq!(send(other).await, is(409, "wrongSequence"), "another one with a sequence that was accepted");
    let mut conn = bench.jobs.pool.acquire().await.unwrap();
    assert_eq!(transactions::list_of_request(&mut conn, request).await.unwrap().len(), 1);
}

#[tokio::test]
async fn files_of_workers_are_for_workers_of_the_base() {
    let server = Server::start().await;
    let token = server.session().await;
    let request = server.bench.queue(1).await;
    server.claim(&token).await.unwrap();
    let stored: ArtifactStored = server.put(request, 1, &token, vec![7; 10]).await.json().await.unwrap();
    let get = |path: String, token: String| {
        let call = server.client.get(format!("{}{path}", server.base)).bearer_auth(token);
        async move { call.send().await.unwrap() }
    };
    let path = format!("/v1/artifacts/{}", stored.cid);
    assert_eq!(get(path.clone(), token.clone()).await.bytes().await.unwrap(), vec![7; 10]);
    assert_eq!(problem(get(path.clone(), String::new()).await).await, is(401, "noSession"));
    assert_eq!(problem(get("/v1/artifacts/x".into(), token.clone()).await).await, is(400, "malformed"));

    // A worker of no base of this model, and one that makes another attempt.
    let foreign =
        crate::jobs::Claimant { worker: Address::repeat_byte(5), trainers: vec![TRAINER], is_listed: false };
    let jobs = &server.bench.jobs;
    let refused = jobs.artifact_for(&stored.cid.parse().unwrap(), &foreign).await.unwrap_err();
    assert!(refused.to_string().starts_with("notYourArtifact"), "{refused}");
    let refused = jobs.checkpoint_for(request, foreign.worker).await.unwrap_err();
    assert!(refused.to_string().starts_with("notYourJob"), "{refused}");
    let path = format!("/v1/jobs/{request}/checkpoint");
    assert_eq!(problem(get(path.clone(), token.clone()).await).await, is(404, "noCheckpoint"));

    // A file that is lost is said so, and the next attempt begins anew.
    let (first, _) = server.bench.commitment(request, 1, 1, B256::ZERO, 0, 10);
    let commitments = format!("/v1/jobs/{request}/commitments");
    assert_eq!(server.post(&commitments, &token, &json!(first)).await.status(), StatusCode::OK);
    let place = format!("{}{path}?attempt=1&sequence=1&pointCount=2&units=10", server.base);
    let sent = server.client.put(place).bearer_auth(&token).body(vec![1; 5]).send().await.unwrap();
    assert_eq!(sent.status(), StatusCode::OK);
    let folder = server.bench.folder.path().join("checkpoints");
    for file in std::fs::read_dir(&folder).unwrap() {
        std::fs::remove_file(file.unwrap().path()).unwrap();
    }
    assert_eq!(problem(get(path.clone(), token.clone()).await).await, is(404, "notHere"));
    assert_eq!(problem(get(path, token.clone()).await).await, is(404, "noCheckpoint"));
    std::fs::write(folder.join("left-behind"), b"x").unwrap();
    jobs.sweep_checkpoints().await.unwrap();
    assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 0, "what no row names goes");
}
