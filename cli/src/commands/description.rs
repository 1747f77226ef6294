//! Names and descriptions of bases, projects and models: JSON blocks whose digests stand on chain. It changes nothing on
//! chain.

use offsetdata_protocol::Digest;
use offsetdata_protocol::cid::RAW;
use offsetdata_sdk::models::Metadata;
use serde_json::Value;

use crate::context::Settings;

/// Longest description that is read, in bytes.
const MAX_BYTES: usize = 256 * 1024;

/// Stores a description as a block and says its digest.
pub(super) async fn describe(settings: &Settings, description: &Value) -> anyhow::Result<Metadata> {
    let text = serde_json_canonicalizer::to_vec(description)?;
    settings.blocks()?.put(RAW, &text).await?;
    Ok(Metadata { digest: Digest::of(&text), uri: String::new() })
}

/// A description, where its block is at hand and says something. Whoever lacks it sees the digest.
pub(super) async fn described(settings: &Settings, metadata: &Metadata) -> Option<Value> {
    let bytes = settings.blocks().ok()?.get_raw(metadata.digest, MAX_BYTES).await.ok()?;
    serde_json::from_slice(&bytes).ok().filter(Value::is_object)
}

/// One word of a description for people; a dash where there is none.
pub(super) fn word(description: Option<&Value>, key: &str) -> String {
    let said = description.and_then(|value| value.get(key)?.as_str()).filter(|said| !said.is_empty());
    // What somebody else wrote does not steer the terminal.
    said.map_or_else(|| "–".to_owned(), |said| said.chars().filter(|c| !c.is_control()).collect())
}
