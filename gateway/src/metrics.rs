//! What is counted, as Prometheus reads it. It has no listener of its own and names no account.

use std::sync::atomic::AtomicU64;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Reason {
    code: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Landed {
    what: String,
    outcome: String,
}

/// What is counted.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    releases: Counter,
    charged: Counter<f64, AtomicU64>,
    refusals: Family<Reason, Counter>,
    landings: Family<Landed, Counter>,
    open_lanes: Gauge,
    head: Gauge,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("offsetdata_gateway");
        let (releases, charged) = (Counter::default(), Counter::default());
        let (refusals, landings) = (Family::default(), Family::default());
        let (open_lanes, head) = (Gauge::default(), Gauge::default());
        registry.register("releases", "Keys and records given out", releases.clone());
        registry.register("charged", "Charged, in the token's smallest unit", charged.clone());
        registry.register("refusals", "Calls refused, by code", Family::clone(&refusals));
        registry.register(
            "landings",
            "Transactions, by what they do and how it went",
            Family::clone(&landings),
        );
        registry.register(
            "due_lanes",
            "Lanes that were due in the last round of settlement",
            open_lanes.clone(),
        );
        registry.register("head", "Number of the newest block", head.clone());
        Self { registry, releases, charged, refusals, landings, open_lanes, head }
    }
}

impl Metrics {
    pub(crate) fn released(&self, charged: u128) {
        self.releases.inc();
        // Only a picture: statements have the exact numbers.
        self.charged.inc_by(charged as f64);
    }

    pub(crate) fn refused(&self, code: &'static str) {
        self.refusals.get_or_create(&Reason { code: code.to_owned() }).inc();
    }

    pub(crate) fn landed(&self, what: &'static str, succeeded: bool) {
        let outcome = if succeeded { "landed" } else { "failed" };
        let label = Landed { what: what.to_owned(), outcome: outcome.to_owned() };
        self.landings.get_or_create(&label).inc();
    }

    pub(crate) fn due(&self, lanes: usize) {
        self.open_lanes.set(i64::try_from(lanes).unwrap_or(i64::MAX));
    }

    pub(crate) fn at(&self, head: u64) {
        self.head.set(i64::try_from(head).unwrap_or(i64::MAX));
    }

    /// The text of `/metrics`.
    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        match encode(&mut text, &self.registry) {
            Ok(()) => text,
            Err(_) => String::new(),
        }
    }
}
