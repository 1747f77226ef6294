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

impl Finding {
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
