//! What anyone can prove of a collection with an RPC endpoint and blocks, and nothing of ours running: no indexer and no
//! gateway is asked. It never takes missing bytes for a pass.

mod blocks;
pub mod collection;
mod evidence;
mod history;
pub mod model;

pub use evidence::{Evidence, SignedAssignment, SignedCommitment, SignedReceipt, SignedSettlement};

use serde::Serialize;
use serde_json::Value;

/// How much a finding is worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum State {
    /// It follows from the chain and from bytes that were read.
    Proven,
    /// Somebody said so on chain; that it is true is not shown.
    Stated,
    /// The worker signed it and can be held to it; that it is true is not shown (trust level 0).
    Signed,
    /// The training was run again and gave the same (trust level 2).
    Reexecuted,
    /// It was not looked at, because its key was not given.
    Closed,
    /// Bytes that it needs were nowhere. It may hold or not.
    Unavailable,
    /// It does not hold: bytes were changed, or contradict the chain.
    Failed,
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Finding {
    /// What: `registration`, `manifest`, `pages`, `chunks`, `record 7` …
    pub about: String,
    /// What it is worth.
    pub state: State,
    /// In words: what holds, or which block is missing or differs, and how.
    pub says: String,
    /// The same for programs.
    #[serde(skip_serializing_if = "Value::is_null")]
    pub data: Value,
}

/// What was found, in the order in which it was looked at.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(transparent)]
pub struct Report {
    /// The findings.
    pub findings: Vec<Finding>,
}

/// The whole in a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Verdict {
    /// All that was asked is proven.
    Ok,
    /// Something that was asked could not be looked at, for want of bytes or of a key.
    Unavailable,
    /// Something does not hold.
    Failed,
}

impl Report {
    /// The whole in a word: the worst of it.
    pub fn verdict(&self) -> Verdict {
        let has = |state| self.findings.iter().any(|finding| finding.state == state);
        match (has(State::Failed), has(State::Unavailable)) {
            (true, _) => Verdict::Failed,
            (false, true) => Verdict::Unavailable,
            (false, false) => Verdict::Ok,
        }
    }

    /// The findings about something.
    pub fn about<'a>(&'a self, about: &'a str) -> impl Iterator<Item = &'a Finding> {
        self.findings.iter().filter(move |finding| finding.about == about)
    }

    /// Adds what somebody else found.
    pub fn add(&mut self, about: impl Into<String>, state: State, says: impl Into<String>, data: Value) {
        self.findings.push(Finding { about: about.into(), state, says: says.into(), data });
    }
}
