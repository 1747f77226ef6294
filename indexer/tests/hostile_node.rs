//! A node that leaves out logs, mixes up branches or refuses ranges: a real one behind a proxy that tampers with answers.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use alloy::transports::http::reqwest;
use axum::extract::State;
use axum::routing::post;
use axum::{Json, Router};
use offsetdata_indexer::IndexerError;
use offsetdata_indexer::follow::{Follower, Step};
use offsetdata_indexer::preflight::check_database;
use offsetdata_indexer::rpc::Rpc;
use offsetdata_store::chain::blocks;
use serde_json::{Value, json};
use support::node::Node;
use support::{Database, deployment, events};

/// What is done to the answer of a call.
type Tamper = Box<dyn Fn(&Value, Value) -> Value + Send + Sync>;

struct Proxy {
    url: String,
    tamper: Arc<Mutex<Tamper>>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

#[derive(Clone)]
struct Upstream {
    url: String,
    client: reqwest::Client,
    tamper: Arc<Mutex<Tamper>>,
}

async fn forward(State(upstream): State<Upstream>, Json(call): Json<Value>) -> Json<Value> {
    let request =
        upstream.client.post(&upstream.url).header("content-type", "application/json").body(call.to_string());
    let answer = serde_json::from_slice(&request.send().await.unwrap().bytes().await.unwrap()).unwrap();
    Json((upstream.tamper.lock().unwrap())(&call, answer))
}

impl Proxy {
    async fn before(node: &Node) -> Self {
        let tamper: Arc<Mutex<Tamper>> = Arc::new(Mutex::new(Box::new(|_, answer| answer)));
        let upstream =
            Upstream { url: node.url.clone(), client: reqwest::Client::new(), tamper: tamper.clone() };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let app = Router::new().route("/", post(forward)).with_state(upstream);
        let task = tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self { url, tamper, task }
    }

    fn set(&self, tamper: impl Fn(&Value, Value) -> Value + Send + Sync + 'static) {
        *self.tamper.lock().unwrap() = Box::new(tamper);
    }

    fn be_honest(&self) {
        self.set(|_, answer| answer);
    }
}

fn asks_for_logs_of_range(call: &Value) -> bool {
    call["method"] == "eth_getLogs" && call["params"][0]["blockHash"].is_null()
}

async fn setup() -> (Node, Proxy, Database, Follower) {
    let deployment = deployment(31_337, 1);
    let node = Node::start(&deployment).await;
    let proxy = Proxy::before(&node).await;
    let database = Database::new().await;
    let rpc = Rpc::new(&proxy.url, Duration::from_secs(10)).unwrap();
    check_database(&database.pool, &rpc, &deployment, 0).await.unwrap();
    let follower = Follower::new(rpc, database.pool.clone(), &deployment, 8);
    for n in 1..=4 {
        node.emit(deployment.collection_registry, &events::registered(n)).await;
        node.emit(deployment.collection_registry, &events::registered(100 + n)).await;
        node.mine(1).await;
    }
    (node, proxy, database, follower)
}

async fn collections(database: &Database) -> usize {
    database.dump().await.iter().filter(|line| line.starts_with("collections:")).count()
}

async fn number(database: &Database) -> u64 {
    blocks::head(&mut database.pool.acquire().await.unwrap()).await.unwrap().unwrap().number.0
}

#[tokio::test]
async fn left_out_logs_of_a_block_are_found_by_its_header() {
    let (_node, proxy, database, mut follower) = setup().await;
    proxy.set(|call, mut answer| {
        if asks_for_logs_of_range(call) {
            answer["result"].as_array_mut().unwrap().retain(|log| log["blockNumber"] != "0x2");
        }
        answer
    });
    assert_eq!(follower.step(0).await.unwrap(), Step::Advanced { to: 4, rows: 16 });
    assert_eq!(collections(&database).await, 8);
}

#[tokio::test]
async fn a_log_that_is_left_out_among_others_of_its_block_is_found_by_the_receipts() {
    let (_node, proxy, database, mut follower) = setup().await;
    proxy.set(|call, mut answer| {
        if call["method"] == "eth_getLogs" {
            // One of the four of each block: its bloom filter still has all that the others need.
            let mut count = 0;
            answer["result"].as_array_mut().unwrap().retain(|_| {
                count += 1;
                count % 4 != 2
            });
        }
        answer
    });
    assert_eq!(follower.step(0).await.unwrap(), Step::Advanced { to: 4, rows: 16 });
    assert_eq!(collections(&database).await, 8);
}

#[tokio::test]
async fn receipts_that_prove_nothing_change_nothing_and_a_node_without_them_says_the_same_twice() {
    let (_node, proxy, database, mut follower) = setup().await;
    proxy.set(|call, mut answer| {
        if call["method"] == "eth_getBlockReceipts" {
            answer["result"].as_array_mut().unwrap().pop();
        }
        answer
    });
    let error = follower.step(0).await.unwrap_err();
    assert!(error.is_retryable() && error.to_string().contains("have the root"), "{error}");
    assert_eq!(number(&database).await, 0);
    let without = |call: &Value, answer: &Value| {
        let error = json!({ "code": -32601, "message": "the method does not exist" });
        (call["method"] == "eth_getBlockReceipts")
            .then(|| json!({ "jsonrpc": "2.0", "id": answer["id"], "error": error }))
    };
    proxy.set(move |call, mut answer| {
        if let Some(refused) = without(call, &answer) {
            return refused;
        }
        if call["method"] == "eth_getLogs" && !call["params"][0]["blockHash"].is_null() {
            answer["result"].as_array_mut().unwrap().pop();
        }
        answer
    });
    let error = follower.step(0).await.unwrap_err();
    assert!(error.to_string().contains("logs of ours, and"), "{error}");
    assert_eq!(number(&database).await, 0);
    proxy.set(move |call, answer| without(call, &answer).unwrap_or(answer));
    assert_eq!(follower.step(0).await.unwrap(), Step::Advanced { to: 4, rows: 16 });
    assert_eq!(collections(&database).await, 8);
}

#[tokio::test]
async fn answers_that_contradict_each_other_change_nothing() {
    let (_node, proxy, database, mut follower) = setup().await;
    let other_branch = |call: &Value, mut answer: Value| {
        if asks_for_logs_of_range(call) {
            answer["result"][3]["blockHash"] = json!(format!("0x{}", "ab".repeat(32)));
        }
        answer
    };
    let outside = |call: &Value, mut answer: Value| {
        if asks_for_logs_of_range(call) {
            answer["result"][3]["blockNumber"] = json!("0x77");
        }
        answer
    };
    let twice = |call: &Value, mut answer: Value| {
        if asks_for_logs_of_range(call) {
            let log = answer["result"][0].clone();
            answer["result"].as_array_mut().unwrap().push(log);
        }
        answer
    };
    let torn = |call: &Value, mut answer: Value| {
        if call["method"] == "eth_getBlockByNumber" && call["params"][0] == "0x3" {
            answer["result"]["parentHash"] = json!(format!("0x{}", "cd".repeat(32)));
        }
        answer
    };
    let taken_back = |call: &Value, mut answer: Value| {
        if asks_for_logs_of_range(call) {
            answer["result"][0]["removed"] = json!(true);
        }
        answer
    };
    let tampers: [(&str, Tamper); 5] = [
        ("is 0x", Box::new(other_branch)),
        ("asked for logs of 1 to 4", Box::new(outside)),
        ("the same log twice", Box::new(twice)),
        ("names 0xcdcdcdcdcdcd… as its parent", Box::new(torn)),
        ("was taken back", Box::new(taken_back)),
    ];
    for (reason, tamper) in tampers {
        proxy.set(tamper);
        let error = follower.step(0).await.unwrap_err();
        assert!(
            matches!(&error, IndexerError::Inconsistent { reason: told } if told.contains(reason)),
            "{error}"
        );
        assert!(error.is_retryable());
        assert_eq!((number(&database).await, collections(&database).await), (0, 0), "{reason}");
    }
    proxy.be_honest();
    assert_eq!(follower.step(0).await.unwrap(), Step::Advanced { to: 4, rows: 16 });
}

#[tokio::test]
async fn a_node_that_refuses_ranges_is_asked_for_less() {
    let (node, proxy, database, mut follower) = setup().await;
    node.mine(500).await;
    proxy.set(|call, answer| {
        let block = |name: &str| {
            let text = call["params"][0][name].as_str().unwrap_or("0x0").to_owned();
            u64::from_str_radix(text.trim_start_matches("0x"), 16).unwrap()
        };
        if asks_for_logs_of_range(call) && block("toBlock") - block("fromBlock") >= 100 {
            return json!({ "jsonrpc": "2.0", "id": answer["id"], "error": { "code": -32005, "message": "range too large" } });
        }
        answer
    });
    let mut refusals = 0;
    for _ in 0..200 {
        match follower.step(0).await {
            Ok(Step::Idle) => break,
            Ok(_) => {}
            Err(error) => {
                assert!(error.to_string().contains("range too large") && error.is_retryable(), "{error}");
                refusals += 1;
            }
        }
    }
    assert_eq!(number(&database).await, 504);
    assert_eq!(collections(&database).await, 8);
    assert!((1..30).contains(&refusals), "{refusals} refusals");
}

#[tokio::test]
async fn a_node_that_lags_behind_takes_nothing_back() {
    let (node, proxy, database, mut follower) = setup().await;
    let stale: Value = node.call("eth_getBlockByNumber", json!(["latest", false])).await;
    node.mine(3).await;
    while follower.step(0).await.unwrap() != Step::Idle {}
    proxy.set(move |call, mut answer| {
        if call["params"][0] == "latest" {
            answer["result"] = stale.clone();
        }
        answer
    });
    assert_eq!(follower.step(0).await.unwrap(), Step::Idle);
    assert_eq!((number(&database).await, collections(&database).await), (7, 8));
}
