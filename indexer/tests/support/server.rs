//! The HTTP interface over a database, on a free port.

use std::sync::Arc;

use alloy::transports::http::reqwest;
use offsetdata_indexer::api::router;
use offsetdata_indexer::live::Live;
use offsetdata_indexer::metrics::Metrics;
use offsetdata_indexer::status::Status;
use offsetdata_store::{Lease, Tables};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::Database;

pub struct Server {
    pub url: String,
    pub client: reqwest::Client,
    pub status: Arc<Status>,
    pub live: Arc<Live>,
    pub stop: CancellationToken,
    task: tokio::task::JoinHandle<()>,
    pub database: Database,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Server {
    pub async fn start(database: Database) -> Self {
        let status = Arc::new(Status::new(5, Lease::new(Tables::Chain, 10)));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let stop = CancellationToken::new();
        let live = Arc::new(Live::new(stop.clone()));
        let app = router(database.pool.clone(), status.clone(), Arc::new(Metrics::default()), live.clone());
        let task = tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self { url, client: reqwest::Client::new(), status, live, stop, task, database }
    }

    pub async fn send(&self, body: impl Into<reqwest::Body>) -> (u16, Value) {
        let answer = self
            .client
            .post(format!("{}/graphql", self.url))
            .header("content-type", "application/json")
            .body(body)
            .send()
            .await
            .unwrap();
        let status = answer.status().as_u16();
        (status, serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap_or(Value::Null))
    }

    pub async fn ask(&self, query: &str) -> Value {
        let (status, answer) = self.send(json!({ "query": query }).to_string()).await;
        assert_eq!(status, 200, "{answer}");
        assert_eq!(answer["errors"], Value::Null, "{answer}");
        answer["data"].clone()
    }

    pub async fn error(&self, query: &str) -> String {
        let (status, answer) = self.send(json!({ "query": query }).to_string()).await;
        assert_eq!(status, 200, "{answer}");
        answer["errors"][0]["message"].as_str().unwrap_or_else(|| panic!("no error: {answer}")).to_owned()
    }

    /// What a GET answers: status, headers and JSON.
    pub async fn get(&self, path: &str) -> (u16, reqwest::header::HeaderMap, Value) {
        let answer = self.client.get(format!("{}{path}", self.url)).send().await.unwrap();
        let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
        (status, headers, serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap_or(Value::Null))
    }

    /// What a GET answers where it succeeds.
    pub async fn read(&self, path: &str) -> Value {
        let (status, headers, answer) = self.get(path).await;
        assert_eq!(status, 200, "{path}: {answer}");
        assert!(headers.contains_key("etag"), "{path}");
        let block = &answer["block"];
        assert!(block["number"].is_u64() && block["finality"].is_string() && block["lag"].is_u64(), "{path}");
        answer
    }
}
