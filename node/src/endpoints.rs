//! Several endpoints that look like one: the first that is well is asked, another one where it fails. Signed
//! transactions go to all of them.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use alloy::providers::{ProviderBuilder, RootProvider};
use alloy::rpc::client::RpcClient;
use alloy::transports::{TransportError, TransportErrorKind};
use alloy_json_rpc::{RequestPacket, ResponsePacket};
use futures::future::join_all;
use offsetdata_protocol::check::Finding;
use reqwest::{Client, Url};
use serde_json::{Value, json};
use tower_service::Service;

use crate::call::{fits, is_busy, post};
use crate::health::{self, Health};

/// Endpoints of one list.
const MOST: usize = 8;
/// So often all endpoints of a list are looked at, while somebody asks.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// A look takes no longer.
const LOOK_WITHIN: Duration = Duration::from_secs(3);
/// What is sent to every endpoint: one that swallows it does no harm then.
const SENDING: &str = "eth_sendRawTransaction";

/// Why a list of endpoints can't be used. It repeats no address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EndpointError {
    /// An entry of the list.
    #[error("endpoint {position} is {what}, expected an http or https URL")]
    NotAUrl {
        /// From 1.
        position: usize,
        /// What it is.
        what: String,
    },
    /// Too few or too many.
    #[error("expected 1 to 8 endpoints, got {0}")]
    Count(usize),
    /// TLS could not be set up.
    #[error("no HTTP client: {0}")]
    Client(String),
}

/// What a look at an endpoint found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Look {
    /// Place in the list, from 1.
    pub position: usize,
    /// The chain that it serves.
    pub chain: Option<u64>,
    /// Its newest block.
    pub head: Option<u64>,
    /// Whether another endpoint is blocks ahead of it.
    pub is_behind: bool,
    /// What is wrong with it.
    pub trouble: Option<String>,
}

impl Look {
    /// The same as a service's `check` tells it. One of several endpoints that is not well leaves the others.
    pub fn finding(&self, expected: u64) -> Finding {
        let (what, position) = ("RPC endpoint", self.position);
        match (self.chain, self.head, &self.trouble) {
            (Some(actual), _, _) if actual != expected => Finding::bad(
                what,
                format!("{position}: it serves chain {actual}, the deployment is on {expected}"),
            ),
            (Some(actual), Some(head), None) if self.is_behind => Finding::warning(
                what,
                format!("{position}: chain {actual}, block {head}, behind another one"),
            ),
            (Some(actual), Some(head), None) => {
                Finding::good(what, format!("{position}: chain {actual}, block {head}"))
            }
            (_, _, trouble) => {
                let trouble = trouble.as_deref().unwrap_or("does not answer");
                Finding::warning(what, format!("{position}: {trouble}"))
            }
        }
    }
}

/// The endpoints. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Endpoints {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    urls: Vec<Url>,
    health: Mutex<Vec<Health>>,
    client: Client,
    /// For one endpoint.
    limit: Duration,
    /// 0 where nobody said which chain it has to be.
    expected: AtomicU64,
    looked: Mutex<Option<Instant>>,
}

impl Endpoints {
    /// Reads URLs that are separated by commas. `limit` is for a call with all its tries.
    ///
    /// # Errors
    /// See [`EndpointError`]; nothing is asked yet.
    pub fn parse(list: &str, limit: Duration) -> Result<Self, EndpointError> {
        let texts: Vec<&str> = list.split(',').map(str::trim).collect();
        if texts.len() > MOST {
            return Err(EndpointError::Count(texts.len()));
        }
        let mut urls = Vec::with_capacity(texts.len());
        for (index, text) in texts.iter().enumerate() {
            let refused = |what: &str| EndpointError::NotAUrl { position: index + 1, what: what.to_owned() };
            let url: Url = text.parse().map_err(|_| refused("no URL"))?;
            if !matches!(url.scheme(), "http" | "https") {
                return Err(refused(url.scheme()));
            }
            urls.push(url);
        }
        let client = Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(|error| EndpointError::Client(error.without_url().to_string()))?;
        let limit = limit / u32::try_from(urls.len()).unwrap_or(u32::MAX).max(1);
        let health = Mutex::new(vec![Health::default(); urls.len()]);
        let (expected, looked) = (AtomicU64::new(0), Mutex::new(None));
        Ok(Self { inner: Arc::new(Inner { urls, health, client, limit, expected, looked }) })
    }

    /// From now on an endpoint that serves another chain is not asked.
    pub fn expect_chain(&self, id: u64) {
        self.inner.expected.store(id, Ordering::Relaxed);
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.inner.urls.len()
    }

    /// A provider over them.
    pub fn provider(&self) -> RootProvider {
        ProviderBuilder::new()
            .disable_recommended_fillers()
            .connect_client(RpcClient::new(self.clone(), false))
    }

    /// The answer of the endpoint that is asked first now was nonsense: another one is asked next.
    pub fn distrust(&self, why: &str) {
        if let Some(first) = self.order().first()
            && self.count() > 1
        {
            tracing::warn!(endpoint = first + 1, why, "an RPC endpoint is not believed for a while");
            self.health()[*first].failed(why, Instant::now());
        }
    }

    /// Asks every endpoint for its chain and its newest block.
    pub async fn look(&self) -> Vec<Look> {
        let found = join_all((0..self.count()).map(|index| self.look_at(index))).await;
        let expected = self.expected();
        let ours = |chain: u64| expected.is_none_or(|expected| chain == expected);
        let heads: Vec<Option<u64>> =
            found.iter().map(|look| look.as_ref().ok().filter(|(c, _)| ours(*c)).map(|(_, h)| *h)).collect();
        let behind = health::behind(&heads);
        let mut all = self.health();
        let mut looks = Vec::with_capacity(found.len());
        for (index, answer) in found.into_iter().enumerate() {
            let health = &mut all[index];
            health.is_behind = behind[index];
            match answer {
                Ok((chain, head)) => {
                    (health.chain, health.head) = (Some(chain), Some(head));
                    if health.failures == 0 {
                        health.trouble = None;
                    }
                    if health.is_foreign(expected) {
                        health.trouble = Some(format!("serves chain {chain}"));
                    }
                }
                Err(why) => {
                    health.head = None;
                    health.failed(&why, Instant::now());
                }
            }
            looks.push(Look {
                position: index + 1,
                chain: health.chain,
                head: health.head,
                is_behind: health.is_behind,
                trouble: health.trouble.clone(),
            });
        }
        looks
    }

    async fn look_at(&self, index: usize) -> Result<(u64, u64), String> {
        let within = LOOK_WITHIN.min(self.inner.limit);
        let chain = number(&self.plain(index, "eth_chainId", json!([]), within).await?)?;
        let head = number(&self.plain(index, "eth_blockNumber", json!([]), within).await?)?;
        Ok((chain, head))
    }

    /// A call of ours, outside of the provider.
    async fn plain(
        &self,
        index: usize,
        method: &str,
        params: Value,
        within: Duration,
    ) -> Result<Value, String> {
        let body = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params }).to_string();
        let answer = post(&self.inner.client, &self.inner.urls[index], body.into_bytes(), within).await;
        let answer = answer.map_err(|error| words(&error))?;
        if let Some(error) = answer.as_error() {
            return Err(format!("{method}: error {}", error.code));
        }
        let payload = answer.first_payload().and_then(|payload| payload.as_success());
        payload
            .and_then(|raw| serde_json::from_str(raw.get()).ok())
            .ok_or_else(|| format!("{method}: an empty answer"))
    }

    fn expected(&self) -> Option<u64> {
        Some(self.inner.expected.load(Ordering::Relaxed)).filter(|id| *id != 0)
    }

    fn health(&self) -> MutexGuard<'_, Vec<Health>> {
        self.inner.health.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn order(&self) -> Vec<usize> {
        health::order(&self.health(), self.expected(), Instant::now())
    }

    fn look_if_due(&self) {
        if self.count() < 2 {
            return;
        }
        let mut looked = self.inner.looked.lock().unwrap_or_else(PoisonError::into_inner);
        if looked.is_none_or(|last| last.elapsed() > LOOK_EVERY) {
            *looked = Some(Instant::now());
            let this = self.clone();
            tokio::spawn(async move { this.look().await });
        }
    }

    async fn ask(&self, request: RequestPacket) -> Result<ResponsePacket, TransportError> {
        let body = serde_json::to_vec(&request).map_err(TransportError::ser_err)?;
        self.look_if_due();
        let order = self.order();
        if self.count() > 1 && request.method_names().any(|name| name == SENDING) {
            return self.tell_all(order, request, body).await;
        }
        let (mut failures, mut busy) = (Vec::new(), None);
        for index in order {
            match self.ask_one(index, &request, body.clone()).await {
                Ok(answer) if is_busy(&answer) && self.count() > 1 => {
                    self.health()[index].failed("is busy", Instant::now());
                    busy.get_or_insert(answer);
                }
                Ok(answer) => return Ok(answer),
                // It would be too long from everyone.
                Err(error) if is_too_large(&error) => return Err(error),
                Err(error) => failures.push((index, error)),
            }
        }
        match busy {
            Some(answer) => Ok(answer),
            None => Err(self.all_failed(failures)),
        }
    }

    /// The first that takes it is enough, and no endpoint goes without it.
    async fn tell_all(
        &self,
        order: Vec<usize>,
        request: RequestPacket,
        body: Vec<u8>,
    ) -> Result<ResponsePacket, TransportError> {
        let (sender, mut answers) = tokio::sync::mpsc::channel(order.len().max(1));
        for index in order {
            let (this, request, body, sender) = (self.clone(), request.clone(), body.clone(), sender.clone());
            tokio::spawn(async move {
                let answer = this.ask_one(index, &request, body).await;
                // Nobody waits for it any more where another one took it before.
                let _ = sender.send((index, answer)).await;
            });
        }
        drop(sender);
        let (mut failures, mut refusal) = (Vec::new(), None::<(usize, ResponsePacket)>);
        while let Some((index, answer)) = answers.recv().await {
            match answer {
                Ok(answer) if answer.is_success() => return Ok(answer),
                Ok(answer) => {
                    if refusal.as_ref().is_none_or(|(first, _)| index < *first) {
                        refusal = Some((index, answer));
                    }
                }
                Err(error) => failures.push((index, error)),
            }
        }
        match refusal {
            Some((_, answer)) => Ok(answer),
            None => Err(self.all_failed(failures)),
        }
    }

    async fn ask_one(
        &self,
        index: usize,
        request: &RequestPacket,
        body: Vec<u8>,
    ) -> Result<ResponsePacket, TransportError> {
        let answer = match self.know_chain(index).await {
            Ok(()) => post(&self.inner.client, &self.inner.urls[index], body, self.inner.limit).await,
            Err(why) => Err(TransportErrorKind::custom_str(&why)),
        };
        let answer = match answer {
            Ok(answer) if !fits(request, &answer) => {
                Err(TransportErrorKind::custom_str("the answer belongs to another call"))
            }
            answer => answer,
        };
        match &answer {
            Ok(_) => self.health()[index].answered(),
            Err(error) if is_too_large(error) => {}
            Err(error) => {
                let why = words(error);
                if self.count() > 1 {
                    tracing::debug!(endpoint = index + 1, why, "an RPC endpoint failed");
                }
                let mut all = self.health();
                if !all[index].is_foreign(self.expected()) {
                    all[index].failed(&why, Instant::now());
                }
            }
        }
        answer
    }

    /// Of several endpoints each says which chain it serves before it is believed, and again after a failure.
    async fn know_chain(&self, index: usize) -> Result<(), String> {
        let Some(expected) = self.expected().filter(|_| self.count() > 1) else { return Ok(()) };
        if self.health()[index].chain.is_none() {
            let chain = number(&self.plain(index, "eth_chainId", json!([]), self.inner.limit).await?)?;
            self.health()[index].chain = Some(chain);
            if chain != expected {
                tracing::error!(
                    endpoint = index + 1,
                    chain,
                    expected,
                    "an RPC endpoint serves another chain"
                );
            }
        }
        match self.health()[index].chain {
            Some(chain) if chain != expected => Err(format!("serves chain {chain}, expected {expected}")),
            _ => Ok(()),
        }
    }

    fn all_failed(&self, mut failures: Vec<(usize, TransportError)>) -> TransportError {
        if let (1, Some((_, error))) = (self.count(), failures.pop()) {
            return error;
        }
        let all = self.health();
        let told: Vec<String> = (all.iter().enumerate())
            .map(|(index, health)| {
                format!(
                    "endpoint {}: {}",
                    index + 1,
                    health.trouble.as_deref().unwrap_or("serves another chain")
                )
            })
            .collect();
        TransportErrorKind::custom_str(&told.join("; "))
    }
}

fn is_too_large(error: &TransportError) -> bool {
    matches!(error, TransportError::Transport(TransportErrorKind::HttpError(http)) if http.status == 413)
}

/// An error in words that hold no address: all of them are made in this crate.
fn words(error: &TransportError) -> String {
    match error {
        TransportError::Transport(TransportErrorKind::HttpError(http)) => {
            format!("HTTP status {}", http.status)
        }
        TransportError::Transport(kind) => kind.to_string(),
        other => other.to_string(),
    }
}

fn number(value: &Value) -> Result<u64, String> {
    let text = value.as_str().and_then(|text| text.strip_prefix("0x"));
    text.and_then(|digits| u64::from_str_radix(digits, 16).ok()).ok_or_else(|| "answers no number".to_owned())
}

impl Service<RequestPacket> for Endpoints {
    type Response = ResponsePacket;
    type Error = TransportError;
    type Future = Pin<Box<dyn Future<Output = Result<ResponsePacket, TransportError>> + Send + 'static>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), TransportError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: RequestPacket) -> Self::Future {
        let this = self.clone();
        Box::pin(async move { this.ask(request).await })
    }
}
