//! Questions to an indexer, by GraphQL over HTTP. It believes what it is told: who does not, asks the chain.

use std::time::Duration;

use serde_json::{Value, json};

use crate::SdkError;

const TIMEOUT: Duration = Duration::from_secs(20);

/// An indexer's GraphQL endpoint.
#[derive(Debug, Clone)]
pub struct Indexer {
    url: String,
    client: reqwest::Client,
}

impl Indexer {
    /// An indexer by its base URL.
    ///
    /// # Errors
    /// A HTTP client that cannot be built.
    pub fn new(base_url: &str) -> Result<Self, SdkError> {
        let url = format!("{}/graphql", base_url.trim_end_matches('/'));
        let client = reqwest::Client::builder().timeout(TIMEOUT).build();
        let client = client.map_err(|e| SdkError::Indexer { url: url.clone(), reason: e.to_string() })?;
        Ok(Self { url, client })
    }

    /// Runs a query and gives its `data`.
    ///
    /// # Errors
    /// No answer, an answer that is not GraphQL's, or errors in it.
    pub async fn query(&self, query: &str, variables: Value) -> Result<Value, SdkError> {
        let failed = |reason: String| SdkError::Indexer { url: self.url.clone(), reason };
        let body = json!({ "query": query, "variables": variables });
        let answer = self.client.post(&self.url).json(&body).send().await;
        let answer = answer.map_err(|e| failed(e.without_url().to_string()))?;
        let status = answer.status();
        let mut answer: Value =
            answer.json().await.map_err(|_| failed(format!("answered {status} without JSON")))?;
        if let Some(errors) =
            answer.get("errors").and_then(Value::as_array).filter(|errors| !errors.is_empty())
        {
            let words =
                errors.iter().filter_map(|e| e.get("message")?.as_str()).collect::<Vec<_>>().join("; ");
            return Err(failed(words));
        }
        match answer.get_mut("data").map(Value::take) {
            Some(data) if !data.is_null() => Ok(data),
            _ => Err(failed(format!("answered {status} without data"))),
        }
    }
}
