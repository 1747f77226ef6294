//! Whether the result names the artifact that this attempt sent.

use alloy::primitives::B256;
use offsetdata_protocol::cid::{Cid, parts};

use super::{Cause, FinishCase, Refusal};

pub(super) fn of_finish(case: &FinishCase<'_>) -> Result<(), Refusal> {
    let Some(stored) = case.artifact else {
        let detail = "no artifact of this attempt is stored: send it first";
        return Err(Refusal::rejected(Cause::Conflict, "noArtifact", detail));
    };
    // `artifactDigest` is of the bytes in the clear, which nobody here can open.
    let cid = stored.cid.parse::<Cid>().ok().and_then(|cid| parts(&cid).ok());
    let Some((_, digest)) = cid else {
        return Err(Refusal::try_again("the stored CID can't be read"));
    };
    same("artifactCid", digest.into(), case.finish.artifact_cid)
}

fn same(code: &'static str, expected: B256, actual: B256) -> Result<(), Refusal> {
    if expected == actual {
        return Ok(());
    }
    Err(Refusal::rejected(Cause::Untrue, code, format!("expected {expected}, got {actual}")))
}
