//! Calls to a relayer over HTTP: one JSON body there, one back, refusals as errors. What can be tried again is: every
//! call of a relayer can be repeated. It signs nothing.

use std::time::Duration;

use futures::StreamExt;
use offsetdata_protocol::worker_api::Problem;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::SdkError;

/// One call; the longest waits 30 s for predictions.
const TIMEOUT: Duration = Duration::from_secs(60);
/// Largest answer, in bytes.
const MAX_ANSWER: usize = 1 << 20;
/// Between two tries.
const PAUSE: Duration = Duration::from_millis(500);
const TRIES: u32 = 6;

#[derive(Debug, Clone)]
pub(super) struct Wire {
    url: String,
    client: reqwest::Client,
}

impl Wire {
    pub(super) fn new(url: &str) -> Result<Self, SdkError> {
        let client =
            reqwest::Client::builder().timeout(TIMEOUT).redirect(reqwest::redirect::Policy::none()).build();
        let client = client.map_err(|e| SdkError::Relayer { url: url.to_owned(), reason: e.to_string() })?;
        Ok(Self { url: url.to_owned(), client })
    }

    pub(super) fn failed(&self, reason: String) -> SdkError {
        SdkError::Relayer { url: self.url.clone(), reason }
    }

    pub(super) async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, SdkError> {
        self.answer(|| self.client.get(format!("{}{path}", self.url))).await
    }

    pub(super) async fn post<B: Serialize, T: DeserializeOwned>(
        &self,
        path: &str,
        body: &B,
    ) -> Result<T, SdkError> {
        self.answer(|| self.client.post(format!("{}{path}", self.url)).json(body)).await
    }

    async fn answer<T: DeserializeOwned>(
        &self,
        request: impl Fn() -> reqwest::RequestBuilder,
    ) -> Result<T, SdkError> {
        let mut tries = 1;
        loop {
            match self.once(request()).await {
                Err(error) if error.is_retryable() && tries < TRIES => {
                    tracing::debug!(%error, "asking the relayer again");
                    tries += 1;
                    tokio::time::sleep(PAUSE * tries).await;
                }
                answer => return answer,
            }
        }
    }

    async fn once<T: DeserializeOwned>(&self, request: reqwest::RequestBuilder) -> Result<T, SdkError> {
        let answer = request.send().await.map_err(|e| self.failed(e.without_url().to_string()))?;
        let status = answer.status();
        let mut bytes = Vec::new();
        let mut parts = answer.bytes_stream();
        while let Some(part) = parts.next().await {
            let part = part.map_err(|e| self.failed(e.without_url().to_string()))?;
            if bytes.len() + part.len() > MAX_ANSWER {
                return Err(self.failed(format!("its answer has more than {MAX_ANSWER} bytes")));
            }
            bytes.extend_from_slice(&part);
        }
        if status.is_success() {
            return serde_json::from_slice(&bytes)
                .map_err(|e| self.failed(format!("its answer is not of the form expected: {e}")));
        }
        match serde_json::from_slice::<Problem>(&bytes) {
            Ok(problem) => Err(SdkError::RelayerRefused(Box::new(problem))),
            Err(_) => Err(self.failed(format!("answered {status}"))),
        }
    }
}
