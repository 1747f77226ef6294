//! Talks to the relayer: every call is tried again while that can help, and can be repeated safely. It decides nothing
//! about a job.

use std::time::Duration;

use alloy::primitives::B256;
use alloy::signers::SignerSync;
use alloy::sol_types::SolStruct;
use backon::{ExponentialBuilder, Retryable};
use offsetdata_protocol::deployments::Deployment;
use offsetdata_protocol::messages::{WorkerHello, relay_domain};
use offsetdata_protocol::worker_api::{
    Accepted, ArtifactStored, Claim, CommitmentUpload, Failure, Finish, Heartbeat, HeartbeatAnswer, Hello,
    JobOffer, Problem, Welcome,
};
use offsetdata_sdk::Account;
use reqwest::{Method, StatusCode};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::WorkerError;

/// A claim waits up to 30 s at the relayer; uploads of artifacts take longer than any other call.
const TIMEOUT: Duration = Duration::from_secs(120);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// A session with a relayer. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Relay {
    client: reqwest::Client,
    url: String,
    token: String,
    pub(crate) welcome: Welcome,
}

impl Relay {
    /// Says hello and gets a session, for as long as it takes until the relayer is there.
    pub(crate) async fn open(
        url: &str,
        account: &Account,
        trainers: Vec<B256>,
        deployment: &Deployment,
        now: u64,
    ) -> Result<Self, WorkerError> {
        let url = url.trim_end_matches('/').to_owned();
        let client = reqwest::Client::builder().timeout(TIMEOUT).connect_timeout(CONNECT_TIMEOUT).build();
        let client = client.map_err(|e| WorkerError::Relayer { url: url.clone(), reason: e.to_string() })?;
        let said = WorkerHello {
            worker: account.address(),
            audience: url.clone(),
            issuedAt: alloy::primitives::Uint::try_from(now).unwrap_or_default(),
        };
        let domain = relay_domain(deployment.chain_id, deployment.training_coordinator);
        let hello = Hello {
            worker: account.address(),
            trainers,
            issued_at: now,
            signature: sign(account, said.eip712_signing_hash(&domain))?,
        };
        let welcome: Welcome = decode(
            &url,
            retried(|| send(&client, Method::POST, format!("{url}/v1/workers"), None, &hello)).await?,
        )?;
        if welcome.chain_id != deployment.chain_id || welcome.coordinator != deployment.training_coordinator {
            return Err(WorkerError::Offer(format!(
                "the relayer serves coordinator {} on chain {}, this worker {} on chain {}",
                welcome.coordinator, welcome.chain_id, deployment.training_coordinator, deployment.chain_id
            )));
        }
        Ok(Self { client, url, token: welcome.token.clone(), welcome })
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

    /// Uploads the artifact whole.
    pub(crate) async fn artifact(
        &self,
        request: B256,
        attempt: u8,
        bytes: Vec<u8>,
    ) -> Result<ArtifactStored, WorkerError> {
        let url = format!("{}/v1/jobs/{request}/artifact?attempt={attempt}", self.url);
        let bytes = bytes::Bytes::from(bytes);
        let put = || async {
            let request = self.client.put(&url).bearer_auth(&self.token);
            let request = request.header("content-type", "application/octet-stream").body(bytes.clone());
            answer(&self.url, request.send().await).await
        };
        decode(&self.url, retried(put).await?)
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
        retried(|| send(&self.client, Method::POST, url.clone(), Some(&self.token), body)).await
    }
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

async fn send(
    client: &reqwest::Client,
    method: Method,
    url: String,
    token: Option<&str>,
    body: &impl Serialize,
) -> Result<Vec<u8>, WorkerError> {
    let mut request = client.request(method, &url).json(body);
    if let Some(token) = token {
        request = request.bearer_auth(token);
    }
    answer(&url, request.send().await).await
}

async fn answer(url: &str, answer: reqwest::Result<reqwest::Response>) -> Result<Vec<u8>, WorkerError> {
    let unreachable =
        |e: reqwest::Error| WorkerError::Relayer { url: url.to_owned(), reason: e.without_url().to_string() };
    let answer = answer.map_err(unreachable)?;
    let status = answer.status();
    let body = answer.bytes().await.map_err(unreachable)?;
    if status.is_success() {
        return Ok(body.to_vec());
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
