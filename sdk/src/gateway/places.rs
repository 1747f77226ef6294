//! Where the gateways of a collection are: in its description, the block whose digest the publisher put on chain last
//! (`CollectionMetadataRevised`). A gateway that is named there is trusted with nothing: its answers are held against
//! chain and manifest.

use alloy::rpc::types::TransactionReceipt;
use offsetdata_content::Blocks;
use offsetdata_protocol::Digest;
use offsetdata_protocol::bindings::collections::CollectionRegistry::{self, CollectionMetadataRevised};
use offsetdata_protocol::cid::{RAW, block_cid};
use offsetdata_protocol::ids::CollectionId;
use serde_json::{Map, Value, json};

use crate::{Account, Chain, SdkError};

/// Longest description, in bytes.
pub const MAX_DESCRIPTION_BYTES: usize = 64 << 10;
/// So many gateways are read from a description.
pub const MAX_GATEWAYS: usize = 8;
/// Longest URL.
const MAX_URL: usize = 512;
/// The development network, where gateways need no TLS.
const DEV_CHAIN: u64 = 31337;

/// What a publisher says of a collection that may change later.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Description {
    /// Its name.
    pub name: String,
    /// What it is.
    pub description: String,
    /// URLs of gateways that give its keys.
    pub gateways: Vec<String>,
}

impl Description {
    /// Canonical JSON (RFC 8785) of the description: its members in the order of their names.
    fn encode(&self) -> String {
        let mut members = Map::new();
        if !self.description.is_empty() {
            members.insert("description".into(), json!(self.description));
        }
        members.insert("gateways".into(), json!(self.gateways));
        members.insert("name".into(), json!(self.name));
        Value::Object(members).to_string()
    }
}

/// Stores a collection's description and puts its digest on chain, in place of the one before. The publisher only. The
/// same again sends nothing.
///
/// # Errors
/// A description that is too long, a URL that readers would not follow; as [`Chain::send`].
pub async fn describe(
    chain: &Chain,
    publisher: &Account,
    blocks: &Blocks,
    id: CollectionId,
    description: &Description,
) -> Result<Option<TransactionReceipt>, SdkError> {
    let deployment = chain.deployment();
    if let Some(url) = description.gateways.iter().find(|url| !is_followed(url, deployment.chain_id)) {
        return Err(SdkError::Terms(format!(
            "{url} is no URL that readers follow: expected https://, a host and no more than a path"
        )));
    }
    let text = description.encode();
    if text.len() > MAX_DESCRIPTION_BYTES || description.gateways.len() > MAX_GATEWAYS {
        return Err(SdkError::Terms(format!(
            "a description has at most {MAX_DESCRIPTION_BYTES} bytes and {MAX_GATEWAYS} gateways"
        )));
    }
    let cid = blocks.put(RAW, text.as_bytes()).await?;
    let digest = Digest::of(text.as_bytes());
    debug_assert_eq!(cid, block_cid(RAW, digest));
    let registry = deployment.collection_registry;
    let events = chain.events::<CollectionMetadataRevised>(registry, id.0).await?;
    if events.last().is_some_and(|(event, _)| event.metadataDigest.0 == digest.0) {
        return Ok(None);
    }
    let call = CollectionRegistry::reviseMetadataCall {
        id: id.0,
        metadataDigest: digest.into(),
        uri: String::new(),
    };
    chain.send(publisher, registry, &call).await.map(Some)
}

/// URLs of the gateways that a collection's publisher names, in its order; none where it names none.
///
/// # Errors
/// An endpoint that does not answer; a description that nobody has, or that is none.
pub async fn gateways_of(chain: &Chain, blocks: &Blocks, id: CollectionId) -> Result<Vec<String>, SdkError> {
    let deployment = chain.deployment();
    let events = chain.events::<CollectionMetadataRevised>(deployment.collection_registry, id.0).await?;
    let Some((event, _)) = events.last() else { return Ok(Vec::new()) };
    let bytes = blocks.get_raw(event.metadataDigest.into(), MAX_DESCRIPTION_BYTES).await?;
    let said: Value = serde_json::from_slice(&bytes)
        .map_err(|error| SdkError::Terms(format!("the description of {id} is no JSON: {error}")))?;
    let named = said.get("gateways").and_then(Value::as_array).into_iter().flatten();
    let urls = named.filter_map(Value::as_str).filter(|url| is_followed(url, deployment.chain_id));
    Ok(urls.take(MAX_GATEWAYS).map(|url| url.trim_end_matches('/').to_owned()).collect())
}

/// Whether a URL that a stranger names is called: https, or http on the development network, without credentials, query
/// or fragment.
fn is_followed(url: &str, chain_id: u64) -> bool {
    let Ok(parsed) = url.parse::<reqwest::Url>() else { return false };
    let scheme = parsed.scheme();
    url.len() <= MAX_URL
        && (scheme == "https" || (scheme == "http" && chain_id == DEV_CHAIN))
        && parsed.host().is_some()
        && parsed.username().is_empty()
        && parsed.password().is_none()
        && parsed.query().is_none()
        && parsed.fragment().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strangers_name_no_other_urls() {
        for url in ["https://g.example", "https://g.example:8443/offsetdata"] {
            assert!(is_followed(url, 1), "{url}");
        }
        assert!(is_followed("http://127.0.0.1:8470", DEV_CHAIN));
        let long = format!("https://g.example/{}", "a".repeat(MAX_URL));
        for url in [
            "http://g.example",
            "file:///etc/passwd",
            "https://user@g.example",
            "https://:key@g.example",
            "https://g.example?q=1",
            "https://g.example#f",
            "https://",
            "g.example",
            &long,
        ] {
            assert!(!is_followed(url, 1), "{url}");
        }
    }

    #[test]
    fn a_description_is_canonical() {
        let description = Description {
            name: "Mails".into(),
            description: "Ham \"and\" spam".into(),
            gateways: vec!["https://g.example".into()],
        };
        let text = r#"{"description":"Ham \"and\" spam","gateways":["https://g.example"],"name":"Mails"}"#;
        assert_eq!(description.encode(), text);
    }
}
