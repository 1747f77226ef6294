//! What is counted and measured, as OpenMetrics text. It holds no address and no id: those would be one series each.

use std::sync::Mutex;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};

/// Type of the text.
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Answered {
    route: String,
    status: u16,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Route {
    route: String,
}

type NewHistogram = fn() -> Histogram;

/// All metrics of the service.
#[derive(Debug)]
pub struct Metrics {
    registry: Mutex<Registry>,
    indexed_block: Gauge<u64, AtomicU64>,
    head_block: Gauge<u64, AtomicU64>,
    lag_blocks: Gauge<u64, AtomicU64>,
    rows: Counter,
    reorgs: Counter,
    undone_blocks: Counter,
    failures: Counter,
    documents: Counter,
    points: Counter,
    answers: Family<Answered, Counter>,
    durations: Family<Route, Histogram, NewHistogram>,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("offsetdata_indexer");
        let of = |name: &str, help: &str, registry: &mut Registry| {
            let counter = Counter::default();
            registry.register(name, help, counter.clone());
            counter
        };
        let rows = of("rows", "Rows of events that were indexed", &mut registry);
        let reorgs = of("reorgs", "Reorgs that were followed", &mut registry);
        let undone_blocks = of("undone_blocks", "Blocks that reorgs took back", &mut registry);
        let failures = of("failures", "Steps that failed and were tried again", &mut registry);
        let documents = of("documents", "Fetches of manifests and metadata", &mut registry);
        let points = of("points", "Fetches of metric points", &mut registry);
        let gauge = |name: &str, help: &str, registry: &mut Registry| {
            let gauge = Gauge::<u64, AtomicU64>::default();
            registry.register(name, help, gauge.clone());
            gauge
        };
        let indexed_block = gauge("indexed_block", "Last indexed block", &mut registry);
        let head_block = gauge("head_block", "Last known block of the chain", &mut registry);
        let lag_blocks = gauge("lag_blocks", "Blocks of the chain that are not indexed yet", &mut registry);
        let answers = Family::<Answered, Counter>::default();
        registry.register("http_answers", "HTTP answers by route and status", answers.clone());
        let durations = Family::<Route, Histogram, NewHistogram>::new_with_constructor(|| {
            Histogram::new(exponential_buckets(0.001, 2.0, 14))
        });
        registry.register_with_unit(
            "http_duration",
            "How long answers took by route",
            Unit::Seconds,
            durations.clone(),
        );
        Self {
            registry: Mutex::new(registry),
            indexed_block,
            head_block,
            lag_blocks,
            rows,
            reorgs,
            undone_blocks,
            failures,
            documents,
            points,
            answers,
            durations,
        }
    }
}

impl Metrics {
    /// Rows were added.
    pub fn indexed(&self, rows: usize) {
        self.rows.inc_by(rows as u64);
    }

    /// A reorg took back all blocks above this one.
    pub fn rolled_back_to(&self, block: u64) {
        self.reorgs.inc();
        self.undone_blocks.inc_by(self.indexed_block.get().saturating_sub(block));
    }

    /// A step failed.
    pub fn failed(&self) {
        self.failures.inc();
    }

    /// Documents were fetched or found missing.
    pub fn documents(&self, count: usize) {
        self.documents.inc_by(count as u64);
    }

    /// Points were fetched or found missing.
    pub fn points(&self, count: usize) {
        self.points.inc_by(count as u64);
    }

    /// How far the index and the chain are.
    pub fn stands_at(&self, indexed: u64, head: u64) {
        self.indexed_block.set(indexed);
        self.head_block.set(head);
        self.lag_blocks.set(head.saturating_sub(indexed));
    }

    /// A call was answered. `route` is a route of ours and not the path that was asked for.
    pub fn answered(&self, route: &str, status: u16, took: Duration) {
        self.answers.get_or_create(&Answered { route: route.to_owned(), status }).inc();
        self.durations.get_or_create(&Route { route: route.to_owned() }).observe(took.as_secs_f64());
    }

    /// All of it as text.
    pub fn text(&self) -> String {
        let registry = self.registry.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let mut text = String::new();
        // Writing to a string does not fail.
        let _ = encode(&mut text, &registry);
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_what_happened() {
        let metrics = Metrics::default();
        metrics.indexed(7);
        metrics.stands_at(93, 96);
        metrics.rolled_back_to(90);
        metrics.stands_at(90, 96);
        metrics.answered("/v1/collections", 200, Duration::from_millis(5));
        let text = metrics.text();
        for line in [
            "offsetdata_indexer_rows_total 7",
            "offsetdata_indexer_reorgs_total 1",
            "offsetdata_indexer_undone_blocks_total 3",
            "offsetdata_indexer_indexed_block 90",
            "offsetdata_indexer_head_block 96",
            "offsetdata_indexer_lag_blocks 6",
            "offsetdata_indexer_http_answers_total{route=\"/v1/collections\",status=\"200\"} 1",
            "offsetdata_indexer_http_duration_seconds_count{route=\"/v1/collections\"} 1",
        ] {
            assert!(text.lines().any(|actual| actual == line), "no {line:?} in\n{text}");
        }
        assert!(text.ends_with("# EOF\n"));
    }
}
