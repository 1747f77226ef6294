//! A trustless gateway (IPFS specification "Trustless Gateway"): blocks by `GET /ipfs/{cid}?format=raw`.
//! It trusts nothing that it is told: lengths are bounded here, digests checked by the caller.

use std::time::Duration;

use futures::StreamExt;
use offsetdata_protocol::cid::Cid;
use reqwest::header::ACCEPT;
use reqwest::{Client, StatusCode, Url};

use crate::ContentError;

const TIMEOUT: Duration = Duration::from_secs(30);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

#[derive(Debug, Clone)]
pub(super) struct Gateway {
    url: Url,
    client: Client,
}

impl Gateway {
    pub(super) fn new(url: &str) -> Result<Self, ContentError> {
        let refused = |reason: String| ContentError::Gateway { url: url.to_owned(), reason };
        let parsed = Url::parse(url).map_err(|e| refused(e.to_string()))?;
        if !matches!(parsed.scheme(), "http" | "https") {
            return Err(refused("expected an http or https URL".into()));
        }
        let client = Client::builder()
            .timeout(TIMEOUT)
            .connect_timeout(CONNECT_TIMEOUT)
            .build()
            .map_err(|e| refused(e.to_string()))?;
        Ok(Self { url: parsed, client })
    }

    pub(super) async fn read(&self, cid: &Cid, max: usize) -> Result<Vec<u8>, ContentError> {
        let refused = |reason: String| ContentError::Gateway { url: self.url.to_string(), reason };
        let mut url = self.url.clone();
        url.set_path(&format!("{}/ipfs/{cid}", self.url.path().trim_end_matches('/')));
        url.set_query(Some("format=raw"));
        let answer = self
            .client
            .get(url)
            .header(ACCEPT, "application/vnd.ipld.raw")
            .send()
            .await
            .map_err(|e| refused(e.without_url().to_string()))?;
        match answer.status() {
            StatusCode::OK => {}
            StatusCode::NOT_FOUND | StatusCode::GONE => return Err(ContentError::NotFound { cid: *cid }),
            status => return Err(refused(format!("answered {status}"))),
        }
        let mut bytes = Vec::new();
        let mut body = answer.bytes_stream();
        while let Some(part) = body.next().await {
            let part = part.map_err(|e| refused(e.without_url().to_string()))?;
            if bytes.len() + part.len() > max {
                return Err(ContentError::TooLarge { cid: *cid, max });
            }
            bytes.extend_from_slice(&part);
        }
        Ok(bytes)
    }
}
