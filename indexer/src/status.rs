//! How the service is, for whoever watches it. It decides nothing.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use offsetdata_store::Lease;
use serde::Serialize;

/// Without a word of the node for so long, the service is not well.
const SILENCE: Duration = Duration::from_secs(60);

/// State of the service, shared between the follower and the API.
#[derive(Debug)]
pub struct Status {
    max_lag: u64,
    lease: Lease,
    read_only: bool,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    block: u64,
    lag: Option<u64>,
    last_answer: Option<Instant>,
    caught_up: bool,
    error: Option<String>,
}

/// What /health says.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// Whether the chain is followed closely.
    pub healthy: bool,
    /// Whether this instance writes, or stands by.
    pub role: Role,
    /// Last indexed block.
    pub block: u64,
    /// Blocks of the chain that are not in yet, as last seen.
    pub lag: Option<u64>,
    /// What last went wrong, until something goes right.
    pub error: Option<String>,
}

/// Which of several instances on one database it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Role {
    /// The one that writes.
    Writer,
    /// One that answers, and writes when the writer is gone.
    Standby,
    /// One that only ever answers.
    Reader,
}

impl Status {
    /// A service that has seen nothing yet and is well up to `max_lag` blocks behind the chain.
    pub fn new(max_lag: u64, lease: Lease) -> Self {
        Self { max_lag, lease, read_only: false, inner: Mutex::default() }
    }

    /// The same of a service that may never write.
    #[must_use]
    pub fn of_reader(self, read_only: bool) -> Self {
        Self { read_only, ..self }
    }

    /// Whether this instance writes now.
    pub fn role(&self) -> Role {
        match (self.lease.is_held(), self.read_only) {
            (true, _) => Role::Writer,
            (false, true) => Role::Reader,
            (false, false) => Role::Standby,
        }
    }

    /// A step worked.
    pub fn progressed(&self, block: u64, lag: u64) {
        let mut inner = self.lock();
        let caught_up = inner.caught_up || lag == 0;
        *inner = Inner { block, lag: Some(lag), last_answer: Some(Instant::now()), caught_up, error: None };
    }

    /// A step failed.
    pub fn failed(&self, error: String) {
        self.lock().error = Some(error);
    }

    /// What there is to say.
    pub fn report(&self) -> Report {
        let inner = self.lock();
        let heard = inner.last_answer.is_some_and(|at| at.elapsed() < SILENCE);
        Report {
            role: self.role(),
            healthy: heard && inner.lag.is_some_and(|lag| lag <= self.max_lag),
            block: inner.block,
            lag: inner.lag,
            error: inner.error.clone(),
        }
    }

    /// Whether the chain was caught up with once.
    pub fn was_caught_up(&self) -> bool {
        self.lock().caught_up
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}
