//! Hostile HTTP: clear 4xx, no 5xx, and nothing that grows.

use std::time::{Duration, Instant};

use offsetdata_protocol::gateway_api::{Challenge, Session, SignIn, code};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::World;
use crate::support::reader::{Reader, read};
use alloy::primitives::Bytes;
use alloy::signers::SignerSync;

#[tokio::test]
async fn malformed_calls_are_refused_with_4xx() {
    let world = World::new().await;
    let reader = Reader::sign_in(&world).await;
    let (client, url, id) = (&reader.client, world.url(), world.collection);
    let key = format!("/v1/collections/{id}/chunks/0/key");
    let post = async |path: &str, kind: &str, body: Vec<u8>| {
        let call = client.post(format!("{url}{path}")).bearer_auth(&reader.token);
        read::<serde_json::Value>(call.header("content-type", kind).body(body).send().await.unwrap()).await
    };
    let json_kind = "application/json";
    let deep = format!("{}{}", "[".repeat(5000), "]".repeat(5000));
    for (path, kind, body, expected) in [
        (key.as_str(), json_kind, b"{".to_vec(), code::MALFORMED),
        (&key, json_kind, b"null".to_vec(), code::MALFORMED),
        (&key, json_kind, b"{\"readerKey\":5}".to_vec(), code::MALFORMED),
        (&key, json_kind, b"\xff\xfe".to_vec(), code::MALFORMED),
        (&key, json_kind, deep.into_bytes(), code::MALFORMED),
        (&key, "text/plain", b"{}".to_vec(), code::NOT_JSON),
        (&key, "", b"{}".to_vec(), code::NOT_JSON),
        (&key, json_kind, vec![b' '; 1 << 20], code::TOO_LARGE),
        ("/v1/sessions", json_kind, b"{\"message\":\"x\",\"signature\":\"0x\"}".to_vec(), code::MALFORMED),
        ("/v1/permits", json_kind, b"{\"value\":1}".to_vec(), code::MALFORMED),
        ("/v1/challenges", json_kind, b"{\"account\":\"0x12\"}".to_vec(), code::MALFORMED),
        ("/v1/nothing", json_kind, b"{}".to_vec(), code::NOT_FOUND),
        ("/v1/gateway", json_kind, b"{}".to_vec(), code::WRONG_METHOD),
    ] {
        let refusal = post(path, kind, body).await.unwrap_err();
        assert_eq!(refusal.code, expected, "{path} {kind}");
        assert!((400..500).contains(&refusal.status));
    }
    for path in [
        "/v1/collections/0x12".to_owned(),
        format!("/v1/collections/{}", "f".repeat(64)),
        format!("/v1/collections/{id}00"),
        "/v1/collections/..%2f..%2fetc%2fpasswd".to_owned(),
        "/v1/collections/%00".to_owned(),
        "/v1/collections/%ff".to_owned(),
        format!("/v1/collections/0x{}", "0".repeat(64)),
        format!("/v1/collections/{id}/chunks/-1"),
        format!("/v1/collections/{id}/chunks/4294967296"),
        format!("/v1/collections/{id}/chunks/%2e%2e"),
        format!("/v1/collections/{id}/chunks/+1"),
        format!("/v1/collections/{id}/chunks/99"),
        format!("/v1/collections/{id}/sales?after=zz"),
        format!("/v1/collections/{id}/sales?before=1"),
        format!("/v1/{}", "a/".repeat(3000)),
    ] {
        let refusal = read::<serde_json::Value>(reader.get(&path).await).await.unwrap_err();
        assert!((400..500).contains(&refusal.status), "{path}: {refusal:?}");
    }
    // A well-formed answer afterwards, and the counters say what happened.
    assert_eq!(reader.get("/health").await.status(), 200);
    let metrics = reader.get("/metrics").await.text().await.unwrap();
    assert!(metrics.contains("offsetdata_gateway_refusals_total{code=\"malformed\"}"), "{metrics}");
    assert!(!metrics.contains(&reader.account.address().to_string()));
}

#[tokio::test]
async fn slow_clients_are_let_go() {
    let world = World::new().await;
    let address = world.url().trim_start_matches("http://").to_owned();
    let begun = Instant::now();
    let mut slow = TcpStream::connect(&address).await.unwrap();
    slow.write_all(b"POST /v1/challenges HTTP/1.1\r\nHost: x\r\nX-Slow: ").await.unwrap();
    // Many of them do not keep others out.
    let mut others = Vec::new();
    for _ in 0..50 {
        let mut other = TcpStream::connect(&address).await.unwrap();
        other.write_all(b"GET /v1/gateway HTTP/1.1\r\n").await.unwrap();
        others.push(other);
    }
    assert_eq!(reqwest::get(format!("{}/health", world.url())).await.unwrap().status(), 200);
    let mut rest = Vec::new();
    let closed = tokio::time::timeout(Duration::from_secs(30), slow.read_to_end(&mut rest)).await;
    assert!(closed.is_ok(), "the connection is closed");
    assert!(begun.elapsed() >= Duration::from_secs(5));
}

#[tokio::test]
async fn challenges_count_once_for_one_account_and_one_gateway() {
    let world = World::new().await;
    let reader = Reader::sign_in(&world).await;
    let (account, chain_id) = (reader.account.address(), reader.info.chain_id);
    let answer = async |message: String| {
        let signature = Bytes::from(reader.account.sign_message_sync(message.as_bytes()).unwrap().as_bytes());
        read::<Session>(reader.post("/v1/sessions", &SignIn { message, signature }).await).await
    };
    let challenge = reader.challenge().await;
    let message = challenge.message(&reader.info.audience, account, chain_id).unwrap();
    answer(message.clone()).await.unwrap();
    assert_eq!(answer(message.clone()).await.unwrap_err().code, code::CHALLENGE_USED);

    let fresh = reader.challenge().await;
    let message = fresh.message(&reader.info.audience, account, chain_id).unwrap();
    for (what, changed, expected) in [
        (
            "another site",
            message.replace("gateway.example:8652 wants", "evil.example wants"),
            code::WRONG_MESSAGE,
        ),
        ("another URI", message.replace("URI: http://gateway", "URI: http://evil"), code::WRONG_MESSAGE),
        ("another chain", message.replace("Chain ID: 31337", "Chain ID: 1"), code::WRONG_MESSAGE),
        (
            "a longer time",
            message.replace(&fresh.expiration_time, "2100-01-01T00:00:00Z"),
            code::CHALLENGE_USED,
        ),
        ("a nonce of its own", message.replace(&fresh.nonce, "abcdefgh12345678"), code::CHALLENGE_USED),
        ("no message", "sign in please".into(), code::MALFORMED),
        ("a long message", "x".repeat(5000), code::MALFORMED),
    ] {
        let refusal = answer(changed).await.expect_err(what);
        assert_eq!(refusal.code, expected, "{what}: {refusal:?}");
    }
    // A challenge of somebody else, and a signature of somebody else.
    let other = Reader::sign_in(&world).await;
    let foreign: Challenge = other.challenge().await;
    let message = foreign.message(&reader.info.audience, account, chain_id).unwrap();
    assert_eq!(answer(message).await.unwrap_err().code, code::CHALLENGE_USED);
    let message = foreign.message(&reader.info.audience, other.account.address(), chain_id).unwrap();
    assert_eq!(answer(message).await.unwrap_err().code, code::FOREIGN_SIGNATURE);
    // Many challenges leave nothing behind.
    let mut conn = world.gateway().context.pool.acquire().await.unwrap();
    let rows =
        offsetdata_store::select::<offsetdata_store::gateway::sessions::SessionRow>(&mut conn, "1 = 1", &[]);
    assert_eq!(rows.await.unwrap().len(), 3);
    assert_eq!(reader.post("/v1/challenges", &json!({ "account": account, "more": 1 })).await.status(), 400);
}

#[tokio::test]
async fn too_many_calls_are_put_off() {
    let mut world = World::without_gateway().await;
    world.calls_per_second = 1;
    world.start().await;
    let client = reqwest::Client::new();
    let call = async || client.get(format!("{}/v1/gateway", world.url())).send().await.unwrap();
    let mut refused = None;
    for _ in 0..8 {
        let answer = call().await;
        if answer.status() == 429 {
            assert!(answer.headers().contains_key("retry-after"));
            refused = Some(read::<serde_json::Value>(answer).await.unwrap_err());
        }
    }
    assert_eq!(refused.expect("five seconds' worth, then no more").code, code::TOO_MANY);
    tokio::time::sleep(Duration::from_millis(1200)).await;
    assert_eq!(call().await.status(), 200);
}
