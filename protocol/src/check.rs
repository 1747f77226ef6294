//! What a service's `check` answers: one finding a question. It asks nothing by itself.

use serde::{Deserialize, Serialize};

/// How good an answer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Grade {
    /// As it should be.
    Good,
    /// The service runs, and something will not happen.
    Warning,
    /// The service can't run.
    Bad,
}

/// One question and its answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Finding {
    /// What was asked.
    pub what: String,
    /// How good the answer is.
    pub grade: Grade,
    /// What was found, and the next step where it is not good.
    pub detail: String,
}

/// An index that is further behind knows too little: rights that were granted and requests that were made since.
const MAX_LAG: u64 = 20;

impl Finding {
    /// How far the index is, beside the chain's newest block; nothing where there is none.
    pub fn of_index(indexed: Option<u64>, head: Option<u64>) -> Self {
        let what = "index";
        match (indexed, head) {
            (None, _) => {
                Self::warning(what, "it is not there or empty: start the indexer, which writes this database")
            }
            (Some(indexed), Some(head)) if head.saturating_sub(indexed) > MAX_LAG => {
                let lag = head - indexed;
                Self::warning(what, format!("it is {lag} blocks behind the chain: does the indexer run?"))
            }
            (Some(indexed), _) => Self::good(what, format!("at block {indexed}")),
        }
    }

    /// As it should be.
    pub fn good(what: &str, detail: impl Into<String>) -> Self {
        Self { what: what.to_owned(), grade: Grade::Good, detail: detail.into() }
    }

    /// The service runs, and something will not happen.
    pub fn warning(what: &str, detail: impl Into<String>) -> Self {
        Self { what: what.to_owned(), grade: Grade::Warning, detail: detail.into() }
    }

    /// The service can't run.
    pub fn bad(what: &str, detail: impl Into<String>) -> Self {
        Self { what: what.to_owned(), grade: Grade::Bad, detail: detail.into() }
    }
}
