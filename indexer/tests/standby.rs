//! Two indexers in processes of their own on one database: both answer, one writes. A writer that is killed or sleeps is followed by
//! the other, and what it still wants to write is refused.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::time::{Duration, Instant};

use alloy::transports::http::reqwest;
use offsetdata_indexer::verify_database;
use offsetdata_store::chain::blocks;
use offsetdata_store::{Tables, lease};
use serde_json::{Value, json};
use support::database::stop_between_writes;
use support::node::Node;
use support::process::{Process, source};
use support::{deployment, events};

#[tokio::test]
async fn indexes_when_it_is_started_to_be_killed() {
    support::process::index_where_asked().await;
}

fn free_address() -> String {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string()
}

/// What an instance says of itself; nothing where it does not answer.
async fn role(address: &str) -> Option<String> {
    let client = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(2)).build().unwrap();
    let answer = client.get(format!("http://{address}/ready")).send().await.ok()?;
    let said: Value = serde_json::from_slice(&answer.bytes().await.ok()?).ok()?;
    said["role"].as_str().map(str::to_owned)
}

/// The block that an instance speaks of.
async fn block(address: &str) -> Option<u64> {
    let client = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(5)).build().unwrap();
    let body = json!({ "query": "{ block { number } }" }).to_string();
    let call = client
        .post(format!("http://{address}/graphql"))
        .header("content-type", "application/json")
        .body(body);
    let said: Value = serde_json::from_slice(&call.send().await.ok()?.bytes().await.ok()?).ok()?;
    said["data"]["block"]["number"].as_u64()
}

async fn until(what: &str, mut condition: impl AsyncFnMut() -> bool) -> Duration {
    let begun = Instant::now();
    while !condition().await {
        assert!(begun.elapsed() < Duration::from_secs(60), "waited in vain: {what}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    begun.elapsed()
}

async fn grow(node: &Node, n: &mut u64) {
    let deployment = deployment(31_337, 0);
    for _ in 0..5 {
        *n += 1;
        node.emit(deployment.collection_registry, &events::registered(*n)).await;
        node.emit(deployment.training_coordinator, &events::requested(*n)).await;
        node.mine(1).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_writes_and_the_other_takes_over() {
    let deployment = deployment(31_337, 0);
    let node = Node::start(&deployment).await;
    let folder = tempfile::tempdir().unwrap();
    let text = serde_json::to_string(&deployment).unwrap();
    std::fs::write(folder.path().join("deployment.json"), text).unwrap();
    let source = source(folder.path(), &node.url);
    let mut n = 0;
    grow(&node, &mut n).await;

    let (at_first, at_second) = (free_address(), free_address());
    let first = Process::start(folder.path(), &node.url, &at_first);
    until("the first writes", async || role(&at_first).await.as_deref() == Some("writer")).await;
    let second = Process::start(folder.path(), &node.url, &at_second);
    until("the second stands by", async || role(&at_second).await.as_deref() == Some("standby")).await;
    let head = node.head().await;
    for address in [&at_first, &at_second] {
        until("both answer for the head", async || block(address).await == Some(head)).await;
    }

    // Asleep for longer than its lease, the first one is not the writer any more; awake again, it sees that.
    let pool = offsetdata_store::connect(&source.database_url).await.unwrap();
    stop_between_writes(&pool, |name| first.signal(name)).await;
    let took =
        until("the second takes over", async || role(&at_second).await.as_deref() == Some("writer")).await;
    assert!(took < Duration::from_secs(15), "{took:?}");
    grow(&node, &mut n).await;
    node.reorg(2).await;
    grow(&node, &mut n).await;
    let head = node.head().await;
    until("the second writes", async || block(&at_second).await == Some(head)).await;
    first.signal("CONT");
    until("the first stands by", async || role(&at_first).await.as_deref() == Some("standby")).await;
    until("it answers with what the other wrote", async || block(&at_first).await == Some(head)).await;
    grow(&node, &mut n).await;
    assert_eq!(role(&at_second).await.as_deref(), Some("writer"));

    // Killed, the second one leaves the lease: its process is seen to be gone, and nobody waits for the end.
    drop(second);
    until("the first takes over", async || role(&at_first).await.as_deref() == Some("writer")).await;
    node.reorg(3).await;
    grow(&node, &mut n).await;
    node.mine(20).await;
    let head = node.head().await;
    until("the first writes", async || block(&at_first).await == Some(head)).await;

    let mut conn = pool.acquire().await.unwrap();
    let lease = lease::find(&mut conn, Tables::Chain).await.unwrap().unwrap();
    assert_eq!(lease.epoch.0, 3, "each takeover has an epoch of its own");
    assert_eq!(blocks::head(&mut conn).await.unwrap().unwrap().number.0, head);
    drop(first);
    let scratch = tempfile::tempdir().unwrap();
    let found = verify_database(&source, scratch.path(), |_, _| {}, |_| {}).await.unwrap();
    assert_eq!(found.differences, []);
    assert!(found.rows > 40, "{}", found.rows);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_answers_and_never_writes() {
    let deployment = deployment(31_337, 0);
    let node = Node::start(&deployment).await;
    let folder = tempfile::tempdir().unwrap();
    let text = serde_json::to_string(&deployment).unwrap();
    std::fs::write(folder.path().join("deployment.json"), text).unwrap();
    let source = source(folder.path(), &node.url);
    let mut n = 0;
    grow(&node, &mut n).await;

    // Nobody has written yet: it does not begin, and makes nothing.
    let alone = offsetdata_indexer::Config {
        source: source.clone(),
        blocks: folder.path().join("blocks"),
        kubo: Default::default(),
        gateways: Vec::new(),
        listen: free_address().parse().unwrap(),
        poll_ms: 10,
        max_lag: 20,
        instance_lease_seconds: 3,
        read_only: true,
    };
    let refused = offsetdata_indexer::run(alone, std::future::pending()).await.unwrap_err();
    assert!(refused.to_string().starts_with("--read-only"), "{refused}");
    assert!(offsetdata_store::connect_existing(&source.database_url).await.unwrap().is_none());

    let (at_writer, at_reader) = (free_address(), free_address());
    let writer = Process::start(folder.path(), &node.url, &at_writer);
    until("one writes", async || role(&at_writer).await.as_deref() == Some("writer")).await;
    let mut reader = Process::start_reader(folder.path(), &node.url, &at_reader);
    until("the other reads", async || role(&at_reader).await.as_deref() == Some("reader")).await;
    grow(&node, &mut n).await;
    let indexed = node.head().await;
    until("the reader answers for the head", async || block(&at_reader).await == Some(indexed)).await;

    // The writer is gone, and its lease could be taken for twice its time: the reader answers, with what there is.
    let pool = offsetdata_store::connect(&source.database_url).await.unwrap();
    let epoch = async || {
        lease::find(&mut pool.acquire().await.unwrap(), Tables::Chain).await.unwrap().unwrap().epoch.0
    };
    assert_eq!(epoch().await, 1);
    drop(writer);
    grow(&node, &mut n).await;
    for _ in 0..12 {
        tokio::time::sleep(Duration::from_millis(500)).await;
        assert_eq!(role(&at_reader).await.as_deref(), Some("reader"));
        assert_eq!((epoch().await, block(&at_reader).await), (1, Some(indexed)));
    }
    assert!(reader.is_running());

    // Another writer comes, takes a reorg back and goes on; the reader follows.
    let at_next = free_address();
    let next = Process::start(folder.path(), &node.url, &at_next);
    until("the next one writes", async || role(&at_next).await.as_deref() == Some("writer")).await;
    node.reorg(3).await;
    grow(&node, &mut n).await;
    let head = node.head().await;
    until("the reader follows", async || block(&at_reader).await == Some(head)).await;
    assert_eq!((epoch().await, role(&at_reader).await.as_deref()), (2, Some("reader")));
    node.mine(20).await;
    let head = node.head().await;
    until("the next one writes on", async || block(&at_next).await == Some(head)).await;
    drop((next, reader));
    let scratch = tempfile::tempdir().unwrap();
    let found = verify_database(&source, scratch.path(), |_, _| {}, |_| {}).await.unwrap();
    assert_eq!(found.differences, []);
}
