//! The whole service: from a deployment file and a node to an answer, and its end.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::time::Duration;

use alloy::transports::http::reqwest;
use offsetdata_indexer::{Config, IndexerError, Source, run};
use serde_json::{Value, json};
use support::node::Node;
use support::{deployment, events};

fn config(folder: &std::path::Path, rpc_url: &str, listen: std::net::SocketAddr) -> Config {
    Config {
        source: Source {
            rpc_url: rpc_url.into(),
            database_url: support::database::url_in(folder),
            deployment: Some(folder.join("deployment.json")),
            reorg_depth: 32,
            proven_depth: 32,
            rpc_timeout: 5,
        },
        blocks: folder.join("blocks"),
        kubo: Default::default(),
        gateways: Vec::new(),
        listen,
        poll_ms: 50,
        max_lag: 20,
        instance_lease_seconds: 3,
        read_only: false,
    }
}

#[tokio::test]
async fn follows_serves_and_ends() {
    let deployment = deployment(31_337, 0);
    let node = Node::start(&deployment).await;
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("deployment.json"), serde_json::to_string(&deployment).unwrap())
        .unwrap();
    let listen = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let running = tokio::spawn(run(config(folder.path(), &node.url, listen), async move {
        let _ = stopped.await;
    }));

    node.emit(deployment.training_coordinator, &events::requested(1)).await;
    node.mine(1).await;
    let id = events::word("request", 1);
    let query = json!({ "query": format!(
        r#"{{ block {{ number lag }} trainingRequest(id: "{id}") {{ status requestedIn {{ number }} }} }}"#
    ) });
    let client = reqwest::Client::new();
    let seen = tokio::time::timeout(Duration::from_secs(30), async {
        loop {
            let sent = client
                .post(format!("http://{listen}/graphql"))
                .header("content-type", "application/json")
                .body(query.to_string())
                .send()
                .await;
            if let Ok(answer) = sent {
                let answer: Value = serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap();
                if !answer["data"]["trainingRequest"].is_null() {
                    return answer["data"].clone();
                }
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    })
    .await
    .expect("the request is indexed");
    assert_eq!(
        seen,
        json!({
            "block": { "number": 1, "lag": 0 },
            "trainingRequest": { "status": "OPEN", "requestedIn": { "number": 1 } }
        })
    );
    let health = client.get(format!("http://{listen}/health")).send().await.unwrap();
    assert_eq!(health.status(), 200);

    stop.send(()).unwrap();
    tokio::time::timeout(Duration::from_secs(20), running).await.expect("it ends").unwrap().unwrap();
}

#[tokio::test]
async fn says_why_it_does_not_start() {
    let folder = tempfile::tempdir().unwrap();
    let listen = "127.0.0.1:0".parse().unwrap();
    let refused = async |config: Config| run(config, std::future::pending()).await.unwrap_err();

    let error = refused(config(folder.path(), "http://127.0.0.1:1", listen)).await;
    assert!(matches!(error, IndexerError::Setting { setting: "--deployment", .. }), "{error}");

    std::fs::write(folder.path().join("deployment.json"), "{}").unwrap();
    let error = refused(config(folder.path(), "http://127.0.0.1:1", listen)).await;
    assert!(error.to_string().contains("missing field"), "{error}");

    let text = serde_json::to_string(&deployment(31_337, 0)).unwrap();
    std::fs::write(folder.path().join("deployment.json"), text).unwrap();
    let error = refused(config(folder.path(), "http://user:secret@127.0.0.1:1", listen)).await;
    assert_eq!(error.to_string(), "RPC eth_chainId: the node can't be reached");
    for url in ["not a url", "ws://127.0.0.1:8545", "file:///etc/passwd"] {
        let error = refused(config(folder.path(), url, listen)).await;
        assert!(matches!(error, IndexerError::Setting { setting: "--rpc-url", .. }), "{error}");
    }
}
