//! What became of a block that was asked for, in the words of an auditor. It reads nothing.

use offsetdata_content::ContentError;
use serde_json::{Value, json};

use super::State;

/// Whether an error means that bytes are missing or that they are false, with words and data.
pub(super) fn judge(error: &ContentError, place: &str) -> (State, String, Value) {
    match error {
        ContentError::NotFound { cid } => {
            let says = format!("UNAVAILABLE: {place}: no source has the block {cid}");
            (State::Unavailable, says, json!({ "block": cid.to_string() }))
        }
        ContentError::Changed { cid, actual } => {
            let says = format!("{place}: {error}");
            let expected = offsetdata_protocol::cid::parts(cid).ok().map(|(_, digest)| digest);
            (State::Failed, says, json!({ "block": cid.to_string(), "expected": expected, "actual": actual }))
        }
        ContentError::TooLarge { cid, max } => {
            let says = format!("{place}: {error}, which is more than it may have");
            (State::Failed, says, json!({ "block": cid.to_string(), "max": max }))
        }
        ContentError::Protocol(_) => (State::Failed, format!("{place}: {error}"), Value::Null),
        ContentError::NoKey { .. } => (State::Unavailable, error.to_string(), Value::Null),
        // The source itself did not work: nothing is known of the bytes.
        _ => (State::Unavailable, format!("UNAVAILABLE: {place}: {error}"), Value::Null),
    }
}
