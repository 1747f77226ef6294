//! An RPC endpoint with faults: a proxy in front of a real node that does each wrong thing that endpoints do, in an order
//! that a seed fixes. It makes no chain up: what it tells is from the node, late, cut, left out or lost.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use alloy::primitives::{Bytes, keccak256};
use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::{Response, StatusCode};
use axum::routing::post;
use serde_json::{Value, json};
use tokio::task::JoinHandle;

/// What an endpoint does wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Fault {
    Slow,
    Status5xx,
    Garbage,
    CutJson,
    LeftOutLogs,
    SwallowedSending,
    AlreadyKnown,
    NonceTooLow,
    LostReceipt,
    StaleHead,
}

/// Each with its chance in a thousand, among the calls that it concerns.
const CHANCES: [(Fault, u64); 10] = [
    (Fault::Slow, 30),
    (Fault::Status5xx, 40),
    (Fault::Garbage, 20),
    (Fault::CutJson, 20),
    (Fault::LeftOutLogs, 300),
    (Fault::SwallowedSending, 150),
    (Fault::AlreadyKnown, 80),
    (Fault::NonceTooLow, 40),
    (Fault::LostReceipt, 200),
    (Fault::StaleHead, 50),
];

/// A proxy that runs until it is dropped.
pub(crate) struct Faulty {
    pub(crate) url: String,
    inner: Arc<Inner>,
    task: JoinHandle<()>,
}

impl Drop for Faulty {
    fn drop(&mut self) {
        self.task.abort();
    }
}

struct Inner {
    node: String,
    client: reqwest::Client,
    state: Mutex<Chance>,
}

struct Chance {
    random: u64,
    is_honest: bool,
    done: BTreeMap<Fault, u32>,
    head: Option<Value>,
}

impl Chance {
    /// xorshift64*
    fn next(&mut self) -> u64 {
        self.random ^= self.random >> 12;
        self.random ^= self.random << 25;
        self.random ^= self.random >> 27;
        self.random.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 16
    }

    fn happens(&mut self, fault: Fault) -> bool {
        let drawn = self.next() % 1000;
        let (_, chance) = CHANCES.iter().find(|(other, _)| *other == fault).unwrap();
        let happens = !self.is_honest && drawn < *chance;
        if happens {
            *self.done.entry(fault).or_default() += 1;
        }
        happens
    }
}

impl Inner {
    fn happens(&self, fault: Fault) -> bool {
        self.state.lock().unwrap().happens(fault)
    }

    async fn forward(&self, call: &Value) -> Option<Value> {
        let request = self.client.post(&self.node).header("content-type", "application/json");
        let answer = request.body(call.to_string()).send().await.ok()?;
        serde_json::from_slice(&answer.bytes().await.ok()?).ok()
    }

    async fn answer(&self, body: &str) -> Response<Body> {
        let told = |status: u16, text: String| {
            Response::builder().status(StatusCode::from_u16(status).unwrap()).body(Body::from(text)).unwrap()
        };
        let Ok(call) = serde_json::from_str::<Value>(body) else { return told(400, String::new()) };
        if self.happens(Fault::Slow) {
            tokio::time::sleep(Duration::from_millis(400)).await;
        }
        if self.happens(Fault::Status5xx) {
            return told(502, "bad gateway".to_owned());
        }
        if self.happens(Fault::Garbage) {
            return told(200, "<html>it works!</html>".to_owned());
        }
        let Some(answer) = self.tamper(&call).await else { return told(503, String::new()) };
        let text = answer.to_string();
        if self.happens(Fault::CutJson) {
            return told(200, text[..text.len() / 2].to_owned());
        }
        told(200, text)
    }

    async fn tamper(&self, call: &Value) -> Option<Value> {
        let says = |result: Value| json!({ "jsonrpc": "2.0", "id": call["id"], "result": result });
        let refuses = |message: &str| json!({ "jsonrpc": "2.0", "id": call["id"], "error": { "code": -32000, "message": message } });
        match call["method"].as_str()? {
            "eth_sendRawTransaction" => {
                if self.happens(Fault::SwallowedSending) {
                    let raw: Bytes = call["params"][0].as_str()?.parse().ok()?;
                    return Some(says(json!(keccak256(&raw))));
                }
                if self.happens(Fault::NonceTooLow) {
                    return Some(refuses("nonce too low: next nonce 99, tx nonce 1"));
                }
                let answer = self.forward(call).await;
                if self.happens(Fault::AlreadyKnown) { Some(refuses("already known")) } else { answer }
            }
            "eth_getTransactionReceipt" if self.happens(Fault::LostReceipt) => Some(says(Value::Null)),
            "eth_getBlockByNumber" if call["params"][0] == "latest" => {
                if self.happens(Fault::StaleHead)
                    && let Some(old) = self.state.lock().unwrap().head.clone()
                {
                    return Some(says(old));
                }
                let answer = self.forward(call).await?;
                let mut state = self.state.lock().unwrap();
                // Kept for a while, so that it becomes old.
                if state.next().is_multiple_of(4) {
                    state.head = Some(answer["result"].clone());
                }
                Some(answer)
            }
            "eth_getLogs" => {
                let mut answer = self.forward(call).await?;
                let count = answer["result"].as_array().map_or(0, Vec::len);
                if count > 0 && self.happens(Fault::LeftOutLogs) {
                    let at = usize::try_from(self.state.lock().unwrap().next()).unwrap_or(0) % count;
                    answer["result"].as_array_mut()?.remove(at);
                }
                Some(answer)
            }
            _ => self.forward(call).await,
        }
    }
}

async fn serve(State(inner): State<Arc<Inner>>, body: String) -> Response<Body> {
    inner.answer(&body).await
}

impl Faulty {
    pub(crate) async fn before(node: &str, seed: u64) -> Self {
        let state = Chance { random: seed.max(1), is_honest: false, done: BTreeMap::new(), head: None };
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let inner = Arc::new(Inner { node: node.to_owned(), client, state: Mutex::new(state) });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let app = Router::new().route("/", post(serve)).with_state(inner.clone());
        let task = tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self { url, inner, task }
    }

    pub(crate) fn be_honest(&self) {
        self.inner.state.lock().unwrap().is_honest = true;
    }

    /// How often each fault happened.
    pub(crate) fn done(&self) -> BTreeMap<Fault, u32> {
        self.inner.state.lock().unwrap().done.clone()
    }
}
