//! Stands between workers and the relayer: keeps what workers said, and holds back what it is told to. It changes
//! nothing and knows no secret but those that pass.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::watch;

use super::{PATIENCE, until};

const MOST: usize = 64 * 1024 * 1024;

/// A call of a worker.
#[derive(Debug, Clone)]
pub(in crate::e2e) struct Call {
    /// With its query.
    pub(in crate::e2e) path: String,
    /// With the session's token.
    pub(in crate::e2e) authorization: String,
    pub(in crate::e2e) body: Value,
    /// What the relayer answered, once it has.
    pub(in crate::e2e) answered: Option<(u16, Value)>,
}

#[derive(Debug)]
struct Shared {
    target: String,
    client: reqwest::Client,
    calls: Mutex<Vec<Call>>,
    /// Calls whose path ends so are held back while it is set.
    held: watch::Sender<Option<&'static str>>,
}

/// The proxy; it ends with the test's runtime.
#[derive(Debug, Clone)]
pub(in crate::e2e) struct Proxy {
    pub(in crate::e2e) url: String,
    shared: Arc<Shared>,
}

impl Proxy {
    /// Listens on a free port and passes everything on to `target`.
    pub(in crate::e2e) async fn start(target: String) -> Self {
        let client = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(120)).build().unwrap();
        let held = watch::Sender::new(None);
        let shared = Arc::new(Shared { target, client, calls: Mutex::default(), held });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let router = axum::Router::new().fallback(pass).with_state(shared.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { url, shared }
    }

    /// Holds calls back whose path ends so, from now on.
    pub(in crate::e2e) fn hold(&self, ending: &'static str) {
        self.shared.held.send_replace(Some(ending));
    }

    /// Lets everything pass, also what was held back.
    pub(in crate::e2e) fn release(&self) {
        self.shared.held.send_replace(None);
    }

    /// All calls so far whose path ends so, the oldest first.
    pub(in crate::e2e) fn calls(&self, ending: &str) -> Vec<Call> {
        let calls = self.shared.calls.lock().unwrap();
        calls.iter().filter(|call| call.path.ends_with(ending)).cloned().collect()
    }

    /// The first call whose path ends so and for which `which` holds.
    pub(in crate::e2e) async fn call(&self, ending: &str, which: impl Fn(&Call) -> bool) -> Call {
        until(&format!("a worker calls …{ending}"), PATIENCE, async || {
            self.calls(ending).into_iter().find(|call| which(call))
        })
        .await
    }
}

async fn pass(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let Ok(body) = axum::body::to_bytes(body, MOST).await else {
        return StatusCode::BAD_REQUEST.into_response();
    };
    let path = head.uri.path_and_query().map_or_else(String::new, ToString::to_string);
    let header = |name: &str| head.headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let place = {
        let mut calls = shared.calls.lock().unwrap();
        calls.push(Call {
            path: path.clone(),
            authorization: header("authorization").unwrap_or_default(),
            body: serde_json::from_slice(&body).unwrap_or_default(),
            answered: None,
        });
        calls.len() - 1
    };
    let mut held = shared.held.subscribe();
    if held.wait_for(|ending| ending.is_none_or(|ending| !path.ends_with(ending))).await.is_err() {
        return StatusCode::BAD_GATEWAY.into_response();
    }
    let method = head.method.as_str().parse().unwrap();
    let mut onward = shared.client.request(method, format!("{}{path}", shared.target)).body(body);
    for name in ["authorization", "content-type"] {
        if let Some(value) = header(name) {
            onward = onward.header(name, value);
        }
    }
    let Ok(answer) = onward.send().await else { return StatusCode::BAD_GATEWAY.into_response() };
    let status = answer.status().as_u16();
    let kind = answer.headers().get("content-type").cloned();
    let body: Bytes = match answer.bytes().await {
        Ok(body) => body,
        Err(_) => return StatusCode::BAD_GATEWAY.into_response(),
    };
    shared.calls.lock().unwrap()[place].answered =
        Some((status, serde_json::from_slice(&body).unwrap_or_default()));
    let mut response = Response::builder().status(status);
    if let Some(kind) = kind {
        response = response.header("content-type", kind.as_bytes());
    }
    response.body(Body::from(body)).unwrap()
}
