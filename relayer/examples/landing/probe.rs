//! What a measurement needs beside the relayer: a proxy that notes when a transaction is sent, and what the machine can do
//! without the relayer. It changes no call.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use alloy::primitives::hex;
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::Response;
use axum::routing::post;
use offsetdata_store::relay::transactions::{ANYONE, NewTransaction, insert_transaction};
use offsetdata_store::{Pool, connect, migrate};
use tempfile::TempDir;

/// Notes each `eth_sendRawTransaction` when it arrives, and passes everything on.
pub(crate) struct Probe {
    pub(crate) url: String,
    sent: Arc<Mutex<Vec<(Instant, Bytes)>>>,
}

#[derive(Clone)]
struct Shared {
    node: String,
    client: reqwest::Client,
    sent: Arc<Mutex<Vec<(Instant, Bytes)>>>,
}

async fn pass(State(shared): State<Shared>, body: Bytes) -> Response<Body> {
    if memory_has(&body, b"eth_sendRawTransaction") {
        shared.sent.lock().unwrap().push((Instant::now(), body.clone()));
    }
    let request = shared.client.post(&shared.node).header("content-type", "application/json").body(body);
    Response::new(Body::from(request.send().await.unwrap().bytes().await.unwrap()))
}

fn memory_has(text: &[u8], wanted: &[u8]) -> bool {
    text.windows(wanted.len()).any(|window| window == wanted)
}

impl Probe {
    pub(crate) async fn before(node: &str) -> Self {
        let sent = Arc::<Mutex<Vec<_>>>::default();
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let shared = Shared { node: node.to_owned(), client, sent: sent.clone() };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let app = Router::new().route("/", post(pass)).with_state(shared);
        tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self { url, sent }
    }

    /// When a transaction that holds these bytes was first sent.
    pub(crate) async fn when_sent(&self, bytes: &[u8]) -> Instant {
        let wanted = hex::encode(bytes).into_bytes();
        let until = Instant::now() + Duration::from_secs(60);
        loop {
            let found = self
                .sent
                .lock()
                .unwrap()
                .iter()
                .find(|(_, body)| memory_has(body, &wanted))
                .map(|(at, _)| *at);
            if let Some(at) = found {
                return at;
            }
            assert!(Instant::now() < until, "it was never sent");
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }
}

/// One small row, durable: what every answer waits for at least.
pub(crate) struct Durable {
    pool: Pool,
    _folder: TempDir,
}

impl Durable {
    pub(crate) async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let pool = connect(&format!("sqlite:{}", folder.path().join("floor").display())).await.unwrap();
        migrate(&pool).await.unwrap();
        Self { pool, _folder: folder }
    }

    pub(crate) async fn commit(&self, name: String) {
        let new = NewTransaction {
            dedupe: name,
            signer: ANYONE,
            kind: "call".into(),
            request: None,
            target: ANYONE,
            calldata: Default::default(),
            expires_at: 0,
            max_gas: None,
        };
        let mut tx = self.pool.write().await.unwrap();
        insert_transaction(&mut tx, new, 0).await.unwrap();
        tx.commit().await.unwrap();
    }
}

/// Milliseconds of an empty POST and a bare commit, by so many hands at a time.
pub(crate) async fn floor(url: &str, hands: usize, count: usize) -> Vec<f64> {
    use futures::StreamExt;
    let (durable, client) = (Durable::new().await, reqwest::Client::builder().no_proxy().build().unwrap());
    let (durable, client) = (&durable, &client);
    futures::stream::iter(0..count)
        .map(|n| async move {
            let begun = Instant::now();
            client.post(url).body("").send().await.unwrap().bytes().await.unwrap();
            durable.commit(format!("{n}")).await;
            begun.elapsed().as_secs_f64() * 1000.0
        })
        .buffer_unordered(hands)
        .collect()
        .await
}
