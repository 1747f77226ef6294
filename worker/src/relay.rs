//! Talks to the relayer: every call is tried again while that can help, and can be repeated safely. It decides nothing
//! about a job.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use alloy::primitives::B256;
use alloy::signers::SignerSync;
use alloy::sol_types::SolStruct;
use backon::{ExponentialBuilder, Retryable};
use offsetdata_protocol::deployments::Deployment;
use offsetdata_protocol::messages::{WorkerHello, relay_domain};
use offsetdata_protocol::worker_api::{
    Accepted, ArtifactStored, CheckpointStored, Claim, CommitmentUpload, Failure, Finish, Heartbeat,
    HeartbeatAnswer, Hello, JobOffer, PredictionDone, PredictionFailure, PredictionOffer, Problem, Release,
    Welcome,
};
use offsetdata_sdk::Account;
use reqwest::StatusCode;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::Mutex;

use crate::WorkerError;

/// A claim waits up to 30 s at the relayer; uploads of artifacts take longer than any other call.
const TIMEOUT: Duration = Duration::from_secs(120);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Largest answer that is not a file, in bytes: predictions with their records are the longest.
const MAX_ANSWER_BYTES: u64 = 16 * 1024 * 1024;
/// A file takes no longer than at this many bytes a second, beside [`TIMEOUT`].
const SLOWEST: u64 = 256 * 1024;

/// A session with a relayer, made again when the relayer has forgotten it. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Relay {
    client: reqwest::Client,
    url: String,
    who: Arc<Who>,
    token: Arc<Mutex<String>>,
    pub(crate) welcome: Welcome,
}

/// Who says hello.
#[derive(Debug)]
struct Who {
    account: Account,
    trainers: Vec<B256>,
    chain_id: u64,
    coordinator: alloy::primitives::Address,
}

/// What a commitment made true, and a checkpoint is sent after.
#[derive(Debug, Clone, Copy)]
pub(crate) struct After {
    pub(crate) sequence: u32,
    pub(crate) point_count: u32,
    pub(crate) units: u64,
}

impl Relay {
    /// Says hello and gets a session, for as long as it takes until the relayer is there.
    pub(crate) async fn open(
        url: &str,
        account: &Account,
        trainers: Vec<B256>,
        deployment: &Deployment,
    ) -> Result<Self, WorkerError> {
        let url = url.trim_end_matches('/').to_owned();
        let client = reqwest::Client::builder().timeout(TIMEOUT).connect_timeout(CONNECT_TIMEOUT).build();
        let client = client.map_err(|e| WorkerError::Relayer { url: url.clone(), reason: e.to_string() })?;
        let who = Who {
            account: account.clone(),
            trainers,
            chain_id: deployment.chain_id,
            coordinator: deployment.training_coordinator,
        };
        let welcome = hello(&client, &url, &who).await?;
        let token = Arc::new(Mutex::new(welcome.token.clone()));
        Ok(Self { client, url, who: Arc::new(who), token, welcome })
    }

    /// Waits for a job; `None` where there is none for now.
    pub(crate) async fn claim(&self, wait_seconds: u32) -> Result<Option<JobOffer>, WorkerError> {
        let body = self.post("/v1/claim".to_owned(), &Claim { wait_seconds }).await?;
        if body.is_empty() { Ok(None) } else { decode(&self.url, body).map(Some) }
    }

    pub(crate) async fn heartbeat(
        &self,
        request: B256,
        heartbeat: &Heartbeat,
    ) -> Result<HeartbeatAnswer, WorkerError> {
        self.job(request, "heartbeat", heartbeat).await
    }

    pub(crate) async fn commit(
        &self,
        request: B256,
        upload: &CommitmentUpload,
    ) -> Result<Accepted, WorkerError> {
        self.job(request, "commitments", upload).await
    }

    pub(crate) async fn finish(&self, request: B256, finish: &Finish) -> Result<Accepted, WorkerError> {
        self.job(request, "finish", finish).await
    }

    pub(crate) async fn fail(&self, request: B256, failure: &Failure) -> Result<Accepted, WorkerError> {
        self.job(request, "fail", failure).await
    }

    pub(crate) async fn release(&self, request: B256, release: &Release) -> Result<Accepted, WorkerError> {
        self.job(request, "release", release).await
    }

    /// Uploads a checkpoint whole.
    pub(crate) async fn put_checkpoint(
        &self,
        request: B256,
        attempt: u8,
        after: After,
        bytes: Vec<u8>,
    ) -> Result<CheckpointStored, WorkerError> {
        let After { sequence, point_count, units } = after;
        let query = format!("attempt={attempt}&sequence={sequence}&pointCount={point_count}&units={units}");
        self.put(format!("/v1/jobs/{request}/checkpoint?{query}"), bytes).await
    }

    /// The checkpoint that the offer names, which says how long it is.
    pub(crate) async fn checkpoint(&self, request: B256, bytes: u64) -> Result<Vec<u8>, WorkerError> {
        self.file(format!("/v1/jobs/{request}/checkpoint"), bytes).await
    }

    /// Waits for a prediction; `None` where there is none for now.
    pub(crate) async fn claim_prediction(
        &self,
        wait_seconds: u32,
    ) -> Result<Option<PredictionOffer>, WorkerError> {
        let body = self.post("/v1/predictions/claim".to_owned(), &Claim { wait_seconds }).await?;
        if body.is_empty() { Ok(None) } else { decode(&self.url, body).map(Some) }
    }

    pub(crate) async fn answer_prediction(&self, id: B256, done: &PredictionDone) -> Result<(), WorkerError> {
        self.post(format!("/v1/predictions/{id}/answer"), done).await.map(drop)
    }

    pub(crate) async fn fail_prediction(
        &self,
        id: B256,
        failure: &PredictionFailure,
    ) -> Result<(), WorkerError> {
        self.post(format!("/v1/predictions/{id}/fail"), failure).await.map(drop)
    }

    /// A sealed artifact of at most so many bytes. Whoever calls holds it against its CID.
    pub(crate) async fn sealed_artifact(&self, cid: &str, most: u64) -> Result<Vec<u8>, WorkerError> {
        self.file(format!("/v1/artifacts/{cid}"), most).await
    }

    /// Uploads the artifact whole.
    pub(crate) async fn artifact(
        &self,
        request: B256,
        attempt: u8,
        bytes: Vec<u8>,
    ) -> Result<ArtifactStored, WorkerError> {
        self.put(format!("/v1/jobs/{request}/artifact?attempt={attempt}"), bytes).await
    }

    async fn put<T: DeserializeOwned>(&self, path: String, bytes: Vec<u8>) -> Result<T, WorkerError> {
        let timeout = time_for(bytes.len() as u64);
        let bytes = bytes::Bytes::from(bytes);
        let body = self.call(|client| {
            let request = client.put(format!("{}{path}", self.url)).timeout(timeout);
            request.header("content-type", "application/octet-stream").body(bytes.clone())
        });
        decode(&self.url, body.await?)
    }

    async fn file(&self, path: String, most: u64) -> Result<Vec<u8>, WorkerError> {
        let url = format!("{}{path}", self.url);
        self.limited(|client| client.get(&url).timeout(time_for(most)), most).await
    }

    async fn job<T: DeserializeOwned>(
        &self,
        request: B256,
        verb: &str,
        body: &impl Serialize,
    ) -> Result<T, WorkerError> {
        decode(&self.url, self.post(format!("/v1/jobs/{request}/{verb}"), body).await?)
    }

    async fn post(&self, path: String, body: &impl Serialize) -> Result<Vec<u8>, WorkerError> {
        let url = format!("{}{path}", self.url);
        self.call(|client| client.post(&url).json(body)).await
    }

    async fn call(
        &self,
        request: impl Fn(&reqwest::Client) -> reqwest::RequestBuilder,
    ) -> Result<Vec<u8>, WorkerError> {
        self.limited(request, MAX_ANSWER_BYTES).await
    }

    /// Calls, again while that can help, and with a new session where the relayer knows this one no longer.
    async fn limited(
        &self,
        request: impl Fn(&reqwest::Client) -> reqwest::RequestBuilder,
        most: u64,
    ) -> Result<Vec<u8>, WorkerError> {
        let with = |token: String| {
            let request = &request;
            retried(move || {
                let sent = request(&self.client).bearer_auth(&token).send();
                async move { answer(&self.url, sent.await, most).await }
            })
        };
        let token = self.token.lock().await.clone();
        match with(token.clone()).await {
            Err(WorkerError::Refused { code, .. }) if code == "noSession" => {
                let token = self.renew(&token).await?;
                with(token).await
            }
            result => result,
        }
    }

    /// The token after `old`, which another call may have got already.
    async fn renew(&self, old: &str) -> Result<String, WorkerError> {
        let mut token = self.token.lock().await;
        if *token == old {
            tracing::info!("the session is over; saying hello again");
            *token = hello(&self.client, &self.url, &self.who).await?.token;
        }
        Ok(token.clone())
    }
}

/// How long a file of so many bytes may take.
fn time_for(bytes: u64) -> Duration {
    TIMEOUT + Duration::from_secs(bytes / SLOWEST)
}

/// A new session. A hello counts once, and is later than the last one by a second at least.
async fn hello(client: &reqwest::Client, url: &str, who: &Who) -> Result<Welcome, WorkerError> {
    let domain = relay_domain(who.chain_id, who.coordinator);
    let said = || async {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let said = WorkerHello {
            worker: who.account.address(),
            audience: url.to_owned(),
            issuedAt: alloy::primitives::Uint::try_from(now).unwrap_or_default(),
        };
        let hello = Hello {
            worker: who.account.address(),
            trainers: who.trainers.clone(),
            issued_at: now,
            signature: sign(&who.account, said.eip712_signing_hash(&domain))?,
        };
        let sent = client.post(format!("{url}/v1/workers")).json(&hello).send();
        answer(url, sent.await, MAX_ANSWER_BYTES).await
    };
    let mut body = retried(said).await;
    if matches!(&body, Err(WorkerError::Refused { code, .. }) if code == "replayedHello") {
        tokio::time::sleep(Duration::from_millis(1_100)).await;
        body = retried(said).await;
    }
    let welcome: Welcome = decode(url, body?)?;
    if (welcome.chain_id, welcome.coordinator) != (who.chain_id, who.coordinator) {
        return Err(WorkerError::Offer(format!(
            "the relayer serves coordinator {} on chain {}, this worker {} on chain {}",
            welcome.coordinator, welcome.chain_id, who.coordinator, who.chain_id
        )));
    }
    Ok(welcome)
}

/// Signs a digest: 65 bytes, r ‖ s ‖ v with low s.
pub(crate) fn sign(account: &Account, digest: B256) -> Result<alloy::primitives::Bytes, WorkerError> {
    let signature =
        account.signer().sign_hash_sync(&digest).map_err(|e| WorkerError::Signing(e.to_string()))?;
    Ok(signature.as_bytes().to_vec().into())
}

async fn retried<F: Future<Output = Result<Vec<u8>, WorkerError>>>(
    call: impl FnMut() -> F,
) -> Result<Vec<u8>, WorkerError> {
    let pace = ExponentialBuilder::default()
        .with_min_delay(Duration::from_millis(250))
        .with_max_delay(Duration::from_secs(10))
        .with_max_times(12)
        .with_jitter();
    call.retry(pace)
        .when(WorkerError::is_retryable)
        .notify(|error, after| tracing::warn!(%error, ?after, "asking the relayer again"))
        .await
}

async fn answer(
    url: &str,
    answer: reqwest::Result<reqwest::Response>,
    most: u64,
) -> Result<Vec<u8>, WorkerError> {
    let unreachable =
        |e: reqwest::Error| WorkerError::Relayer { url: url.to_owned(), reason: e.without_url().to_string() };
    let mut answer = answer.map_err(unreachable)?;
    let status = answer.status();
    let mut body = Vec::new();
    while let Some(part) = answer.chunk().await.map_err(unreachable)? {
        if (body.len() + part.len()) as u64 > most {
            let reason = format!("the answer has more than {most} bytes");
            return Err(WorkerError::Refused { code: "tooLong".to_owned(), reason });
        }
        body.extend_from_slice(&part);
    }
    if status.is_success() {
        return Ok(body);
    }
    let problem: Option<Problem> = serde_json::from_slice(&body).ok();
    if status.is_server_error()
        || status == StatusCode::TOO_MANY_REQUESTS
        || status == StatusCode::REQUEST_TIMEOUT
    {
        let reason = problem.map_or_else(|| format!("answered {status}"), |p| p.title);
        return Err(WorkerError::Relayer { url: url.to_owned(), reason });
    }
    Err(match problem {
        Some(p) => WorkerError::Refused { code: p.code, reason: p.detail.unwrap_or(p.title) },
        None => {
            WorkerError::Refused { code: status.as_u16().to_string(), reason: format!("answered {status}") }
        }
    })
}

fn decode<T: DeserializeOwned>(url: &str, body: Vec<u8>) -> Result<T, WorkerError> {
    serde_json::from_slice(&body).map_err(|e| WorkerError::Relayer {
        url: url.to_owned(),
        reason: format!("an answer of another form: {e}"),
    })
}
