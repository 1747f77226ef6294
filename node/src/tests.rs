//! Endpoints that fail in each way, over real sockets: what is asked next, and what is told.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use alloy::primitives::Bytes;
use alloy::providers::Provider;
use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::{Response, StatusCode};
use axum::routing::post;
use serde_json::{Value, json};

use super::{EndpointError, Endpoints};

/// How an endpoint behaves.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Way {
    Well,
    Status(u16),
    Garbage,
    Truncated,
    Silent,
    Foreign,
    Behind,
    Busy,
    OtherId,
}

struct Node {
    url: String,
    way: Arc<Mutex<Way>>,
    calls: Arc<AtomicU32>,
    sent: Arc<AtomicU32>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Node {
    fn drop(&mut self) {
        self.task.abort();
    }
}

type Shared = (Arc<Mutex<Way>>, Arc<AtomicU32>, Arc<AtomicU32>);

async fn answer(State((way, calls, sent)): State<Shared>, body: String) -> Response<Body> {
    let way = *way.lock().unwrap();
    let call: Value = serde_json::from_str(&body).unwrap();
    // What is looked at in the background comes when it comes.
    if !["eth_chainId", "eth_blockNumber"].contains(&call["method"].as_str().unwrap()) {
        calls.fetch_add(1, Ordering::SeqCst);
    }
    let result = match call["method"].as_str().unwrap() {
        "eth_chainId" => json!(if way == Way::Foreign { "0x5" } else { "0x1" }),
        "eth_blockNumber" => json!(if way == Way::Behind { "0x10" } else { "0x64" }),
        "eth_sendRawTransaction" => {
            sent.fetch_add(1, Ordering::SeqCst);
            json!(format!("0x{}", "11".repeat(32)))
        }
        _ => json!("0x7"),
    };
    let mut whole = json!({ "jsonrpc": "2.0", "id": call["id"], "result": result });
    let told = |status: u16, text: String| {
        Response::builder().status(StatusCode::from_u16(status).unwrap()).body(Body::from(text)).unwrap()
    };
    match way {
        Way::Status(status) => told(status, "https://user:secret@node".to_owned()),
        Way::Garbage => told(200, "<html>".to_owned()),
        Way::Truncated => told(200, whole.to_string()[..30].to_owned()),
        Way::Silent => std::future::pending().await,
        Way::Busy => {
            let error = json!({ "code": -32005, "message": "rate limit exceeded" });
            told(200, json!({ "jsonrpc": "2.0", "id": call["id"], "error": error }).to_string())
        }
        Way::OtherId => {
            whole["id"] = json!(987_654);
            told(200, whole.to_string())
        }
        Way::Well | Way::Foreign | Way::Behind => told(200, whole.to_string()),
    }
}

impl Node {
    async fn start(way: Way) -> Self {
        let (way, calls, sent) = (Arc::new(Mutex::new(way)), Arc::default(), Arc::default());
        let shared: Shared = (way.clone(), Arc::clone(&calls), Arc::clone(&sent));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/key-of-the-provider", listener.local_addr().unwrap());
        let app = Router::new().route("/{key}", post(answer)).with_state(shared);
        let task = tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self { url, way, calls, sent, task }
    }

    fn calls(&self) -> u32 {
        self.calls.swap(0, Ordering::SeqCst)
    }
}

fn over(nodes: &[&Node]) -> Endpoints {
    let list: Vec<&str> = nodes.iter().map(|node| node.url.as_str()).collect();
    let endpoints = Endpoints::parse(&list.join(", "), Duration::from_secs(2)).unwrap();
    endpoints.expect_chain(1);
    endpoints
}

#[tokio::test]
async fn whatever_is_wrong_with_the_first_the_second_answers() {
    for way in [
        Way::Status(500),
        Way::Status(429),
        Way::Garbage,
        Way::Truncated,
        Way::Silent,
        Way::Foreign,
        Way::Busy,
        Way::OtherId,
    ] {
        let (first, second) = (Node::start(way).await, Node::start(Way::Well).await);
        let provider = over(&[&first, &second]).provider();
        assert_eq!(provider.get_transaction_count(Default::default()).await.unwrap(), 7, "{way:?}");
        first.calls();
        assert_eq!(provider.get_transaction_count(Default::default()).await.unwrap(), 7, "{way:?}");
        assert_eq!(first.calls(), 0, "{way:?}: it rests, and is only looked at");
    }
}

#[tokio::test]
async fn the_first_is_asked_again_once_it_is_well() {
    let (first, second) = (Node::start(Way::Status(503)).await, Node::start(Way::Well).await);
    let provider = over(&[&first, &second]).provider();
    provider.get_transaction_count(Default::default()).await.unwrap();
    *first.way.lock().unwrap() = Way::Well;
    tokio::time::sleep(Duration::from_millis(2500)).await;
    second.calls();
    provider.get_transaction_count(Default::default()).await.unwrap();
    assert_eq!(second.calls(), 0);
}

#[tokio::test]
async fn a_look_finds_who_is_behind_and_who_serves_another_chain() {
    let (late, foreign, well) =
        (Node::start(Way::Behind).await, Node::start(Way::Foreign).await, Node::start(Way::Well).await);
    let endpoints = over(&[&late, &foreign, &well]);
    let looks = endpoints.look().await;
    assert_eq!((looks[0].head, looks[0].is_behind), (Some(16), true));
    assert_eq!((looks[1].chain, looks[1].trouble.as_deref()), (Some(5), Some("serves chain 5")));
    assert_eq!((looks[2].is_behind, looks[2].trouble.clone()), (false, None));
    for node in [&late, &foreign, &well] {
        node.calls();
    }
    endpoints.provider().get_transaction_count(Default::default()).await.unwrap();
    assert_eq!([&late, &foreign, &well].map(Node::calls), [0, 0, 1]);
}

#[tokio::test]
async fn a_signed_transaction_goes_to_all_and_a_failure_of_some_does_not_matter() {
    let nodes =
        [Node::start(Way::Well).await, Node::start(Way::Status(500)).await, Node::start(Way::Well).await];
    let endpoints = over(&[&nodes[0], &nodes[1], &nodes[2]]);
    let _ = endpoints.provider().send_raw_transaction(&Bytes::from_static(b"tx")).await.unwrap();
    for _ in 0..100 {
        if nodes[2].sent.load(Ordering::SeqCst) == 1 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!((nodes[0].sent.load(Ordering::SeqCst), nodes[2].sent.load(Ordering::SeqCst)), (1, 1));
}

#[tokio::test]
async fn all_that_is_wrong_is_told_without_an_address() {
    let (first, second) = (Node::start(Way::Status(500)).await, Node::start(Way::Foreign).await);
    let error = over(&[&first, &second]).provider().get_chain_id().await.unwrap_err().to_string();
    assert!(error.contains("endpoint 1: HTTP status 500"), "{error}");
    assert!(error.contains("endpoint 2: serves"), "{error}");
    assert!(
        !error.contains("key-of") && !error.contains("secret") && !error.contains("127.0.0.1"),
        "{error}"
    );
}

#[tokio::test]
async fn who_is_distrusted_is_not_asked_next() {
    let (first, second) = (Node::start(Way::Well).await, Node::start(Way::Well).await);
    let endpoints = over(&[&first, &second]);
    let provider = endpoints.provider();
    provider.get_transaction_count(Default::default()).await.unwrap();
    tokio::time::sleep(Duration::from_millis(100)).await;
    endpoints.distrust("it said two things");
    second.calls();
    provider.get_transaction_count(Default::default()).await.unwrap();
    assert!(second.calls() >= 1);
}

#[test]
fn a_list_that_is_none() {
    let parse = |list: &str| Endpoints::parse(list, Duration::from_secs(1)).map(|all| all.count());
    assert_eq!(parse("http://a, https://b"), Ok(2));
    for (list, position) in [("", 1), ("http://a,", 2), ("ws://a", 1), ("http://a,file:///b", 2)] {
        let error = parse(list).unwrap_err();
        assert!(
            matches!(error, EndpointError::NotAUrl { position: p, .. } if p == position),
            "{list}: {error}"
        );
    }
    assert_eq!(parse(&["http://a"; 9].join(",")), Err(EndpointError::Count(9)));
}
