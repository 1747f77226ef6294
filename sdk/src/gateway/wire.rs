//! Calls to a gateway over HTTP: one JSON body there, one back, refusals as errors. It signs nothing.

use std::time::Duration;

use futures::StreamExt;
use offsetdata_protocol::gateway_api::Refusal;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::SdkError;

/// One call; a settlement that is waited for takes several.
const TIMEOUT: Duration = Duration::from_secs(60);
/// Largest answer, in bytes: records in base64 are the longest.
const MAX_ANSWER: usize = 96 << 20;

#[derive(Debug, Clone)]
pub(super) struct Wire {
    url: String,
    client: reqwest::Client,
}

impl Wire {
    pub(super) fn new(url: &str) -> Result<Self, SdkError> {
        // No redirects: a token is for this host alone.
        let client =
            reqwest::Client::builder().timeout(TIMEOUT).redirect(reqwest::redirect::Policy::none()).build();
        let client = client.map_err(|e| SdkError::Gateway { url: url.to_owned(), reason: e.to_string() })?;
        Ok(Self { url: url.to_owned(), client })
    }

    pub(super) fn failed(&self, reason: String) -> SdkError {
        SdkError::Gateway { url: self.url.clone(), reason }
    }

    pub(super) async fn get<T: DeserializeOwned>(
        &self,
        path: &str,
        token: Option<&str>,
    ) -> Result<T, SdkError> {
        let request = self.client.get(format!("{}{path}", self.url));
        self.read(&self.answer(request, token).await?)
    }

    pub(super) async fn post<B: Serialize, T: DeserializeOwned>(
        &self,
        path: &str,
        token: Option<&str>,
        body: &B,
    ) -> Result<T, SdkError> {
        self.read(&self.send(path, token, body).await?)
    }

    pub(super) async fn put<B: Serialize, T: DeserializeOwned>(
        &self,
        path: &str,
        token: Option<&str>,
        body: &B,
    ) -> Result<T, SdkError> {
        let request = self.client.put(format!("{}{path}", self.url)).json(body);
        self.read(&self.answer(request, token).await?)
    }

    /// The bytes of the answer, which may be none.
    pub(super) async fn send<B: Serialize>(
        &self,
        path: &str,
        token: Option<&str>,
        body: &B,
    ) -> Result<Vec<u8>, SdkError> {
        let request = self.client.post(format!("{}{path}", self.url)).json(body);
        self.answer(request, token).await
    }

    async fn answer(
        &self,
        mut request: reqwest::RequestBuilder,
        token: Option<&str>,
    ) -> Result<Vec<u8>, SdkError> {
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
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
            return Ok(bytes);
        }
        match serde_json::from_slice::<Refusal>(&bytes) {
            Ok(refusal) => Err(SdkError::GatewayRefused(Box::new(refusal))),
            Err(_) => Err(self.failed(format!("answered {status}"))),
        }
    }

    fn read<T: DeserializeOwned>(&self, bytes: &[u8]) -> Result<T, SdkError> {
        serde_json::from_slice(bytes)
            .map_err(|e| self.failed(format!("its answer is not of the form expected: {e}")))
    }
}
