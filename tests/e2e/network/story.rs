//! What people do in the circle, in the words of the program: publish, buy, read, train, predict. It checks no result.

use std::io::Read;
use std::path::PathBuf;

use alloy::primitives::B256;
use flate2::read::GzDecoder;
use offsetdata_protocol::ids::RequestId;
use offsetdata_sdk::training::{self, Outcome};
use serde_json::Value;

use super::{
    DEVELOPER, Network, PATIENCE, PUBLISHER, READER, RELAYER_KEY, SECOND_KEY, USER, WORKER_KEY, account,
    root, until, until_or,
};

pub(in crate::e2e) const RECORD_PRICE: u128 = 3;
pub(in crate::e2e) const TRAIN_PRICE: u128 = 2;
pub(in crate::e2e) const UNIT_PRICE: u128 = 5;
pub(in crate::e2e) const RELAY_FEE: u128 = 1000;
const TRAINER: &str = "text-classifier";

/// A private collection of mails that is sold by the record, and trained on at a price.
#[derive(Debug, Clone)]
pub(in crate::e2e) struct Sold {
    pub(in crate::e2e) id: String,
    pub(in crate::e2e) records: u64,
}

/// A model whose base has two workers, and what it may be trained on.
#[derive(Debug, Clone)]
pub(in crate::e2e) struct Story {
    pub(in crate::e2e) sold: Sold,
    pub(in crate::e2e) model: String,
}

/// How a training is requested.
#[derive(Debug, Clone, Copy)]
pub(in crate::e2e) struct Training<'a> {
    pub(in crate::e2e) who: &'a str,
    pub(in crate::e2e) epochs: u32,
    /// Requests with equal terms in one second would be one: this tells them apart and changes no metric.
    pub(in crate::e2e) relay_fee: u128,
    pub(in crate::e2e) more: &'a [&'a str],
}

impl Default for Training<'_> {
    fn default() -> Self {
        Self { who: USER, epochs: 12, relay_fee: RELAY_FEE, more: &[] }
    }
}

impl Network {
    /// Real mails as JSON Lines, the first `count` of the committed sample.
    pub(in crate::e2e) fn mails(&self, name: &str, skip: usize, count: usize) -> PathBuf {
        let packed = std::fs::read(root().join("tests/data/spam/spam.jsonl.gz")).unwrap();
        let mut text = String::new();
        GzDecoder::new(packed.as_slice()).read_to_string(&mut text).unwrap();
        let path = self.path(&format!("{name}.jsonl"));
        let lines: Vec<&str> = text.lines().skip(skip).take(count).collect();
        std::fs::write(&path, lines.join("\n") + "\n").unwrap();
        path
    }

    /// Publishes mails that everyone may read.
    pub(in crate::e2e) async fn publish_open(&self, name: &str, skip: usize, count: usize) -> Value {
        let file = self.mails(name, skip, count);
        self.run(PUBLISHER, &["publish", file.to_str().unwrap(), "--name", name, "--licence", "CC0-1.0"])
            .await
    }

    /// Publishes mails encrypted and sold, in chunks of `chunk` records.
    pub(in crate::e2e) async fn sell(&self, name: &str, count: usize, chunk: u32) -> Sold {
        let file = self.mails(name, 0, count);
        let recovery = self.path(&format!("{name}.recovery.json"));
        let (gateway, chunk) = (self.url(super::Part::Gateway), chunk.to_string());
        let (read, train) = (RECORD_PRICE.to_string(), TRAIN_PRICE.to_string());
        let words = [
            "publish",
            file.to_str().unwrap(),
            "--name",
            name,
            "--licence",
            "CC0-1.0",
            "--chunk-records",
            &chunk,
            "--private",
            "--price-per-record",
            &read,
            "--train-price",
            &train,
            "--recovery",
            recovery.to_str().unwrap(),
            "--gateway",
            &gateway,
        ];
        let published = self.insist(PUBLISHER, &words, PATIENCE).await;
        Sold { id: text(&published["id"]), records: published["records"].as_u64().unwrap() }
    }

    /// A base, a project, a model, a collection that is sold, and trust in both workers.
    pub(in crate::e2e) async fn begin(&self, mails: usize, chunk: u32) -> Story {
        self.node.at_once().await;
        let sold = self.sell("Mails, sold", mails, chunk).await;
        let address = |index: u32| account(index).address().to_string();
        let (price, scheduler) = (UNIT_PRICE.to_string(), address(RELAYER_KEY));
        let workers = [address(WORKER_KEY), address(SECOND_KEY)];
        let words = [
            "base",
            "publish",
            "--name",
            "Words",
            "--trainer",
            TRAINER,
            "--unit-price",
            &price,
            "--scheduler",
            &scheduler,
            "--worker",
            &workers[0],
            "--worker",
            &workers[1],
        ];
        let base = text(&self.run(DEVELOPER, &words).await["id"]);
        self.trust(&sold).await;
        let project = text(&self.run(USER, &["project", "create", "--name", "Post"]).await["id"]);
        let words = ["model", "request", "--project", &project, "--base", &base, "--name", "Spam or not"];
        let model = text(&self.run(USER, &words).await["id"]);
        self.node.resume().await;
        Story { sold, model }
    }

    /// Both workers may train on what is sold.
    pub(in crate::e2e) async fn trust(&self, sold: &Sold) {
        for worker in [WORKER_KEY, SECOND_KEY] {
            let worker = account(worker).address().to_string();
            let words = ["access", "trust", &sold.id, "--worker", &worker, "--trainer", TRAINER];
            self.run(PUBLISHER, &words).await;
        }
    }

    /// Requests a training on what is sold, always with the same seed and split.
    pub(in crate::e2e) async fn train(&self, story: &Story, training: Training<'_>) -> RequestId {
        let (epochs, fee) = (format!("epochs={}", training.epochs), training.relay_fee.to_string());
        let mut words = vec![
            "train",
            "request",
            "--model",
            &story.model,
            "--collection",
            &story.sold.id,
            "--method",
            TRAINER,
            "--set",
            &epochs,
            "--set",
            "hashBits=12",
            "--seed",
            "7",
            "--relay-fee",
            &fee,
        ];
        words.extend(training.more);
        self.run(training.who, &words).await["request"].as_str().unwrap().parse().unwrap()
    }

    /// What became of a request, from the chain alone.
    pub(in crate::e2e) async fn outcome(&self, request: RequestId) -> Option<Outcome> {
        training::outcome(&self.chain, request).await.ok()
    }

    /// What became of a request, once it has ended.
    pub(in crate::e2e) async fn ended(&self, request: RequestId) -> Outcome {
        let has_ended = async || {
            self.outcome(request).await.filter(|outcome| outcome.closed && outcome.facts.status.is_final())
        };
        let what = format!("request {request} ends");
        until_or(&what, PATIENCE, has_ended, async || self.all_about(request).await).await
    }

    /// The series root of a request, once it has settled.
    pub(in crate::e2e) async fn settled(&self, request: RequestId) -> B256 {
        let outcome = self.ended(request).await;
        let Some(version) = outcome.version else {
            panic!("request {request} is {}: {}", outcome.facts.status.word(), self.why(request).await)
        };
        version.settlement.seriesRoot
    }

    /// The relayer's words on a job.
    pub(in crate::e2e) async fn why(&self, request: RequestId) -> String {
        self.job(request)
            .await
            .map_or_else(|| "the relayer has no such job".to_owned(), |job| job.to_string())
    }

    /// What chain and relayer say of a request that does not go on.
    async fn all_about(&self, request: RequestId) -> String {
        let chain = match self.outcome(request).await {
            Some(outcome) => {
                format!("{} at sequence {}", outcome.facts.status.word(), outcome.facts.state.sequence)
            }
            None => "nothing".to_owned(),
        };
        let queue = self.get(super::Part::Relayer, "/v1/transactions?limit=200").await;
        let of_request = |row: &&Value| row["request"] == request.to_string();
        let queue = queue.as_ref().and_then(Value::as_array).into_iter().flatten().filter(of_request);
        let queue: Vec<String> = queue.map(|row| row.to_string()).collect();
        format!("chain: {chain}\njob: {}\ntransactions: {}", self.why(request).await, queue.join("\n"))
    }

    /// A job as the relayer tells it.
    pub(in crate::e2e) async fn job(&self, request: RequestId) -> Option<Value> {
        let jobs = self.get(super::Part::Relayer, "/v1/jobs?limit=200").await?;
        jobs.as_array()?.iter().find(|job| job["request"] == request.to_string()).cloned()
    }

    /// Waits until so many commitments of a request have landed.
    pub(in crate::e2e) async fn landed(&self, request: RequestId, commitments: u32) {
        until(&format!("{commitments} commitments of {request} land"), PATIENCE, async || {
            let outcome = self.outcome(request).await?;
            let sequence = outcome.facts.state.sequence;
            assert!(
                sequence >= commitments || !outcome.facts.status.is_final(),
                "request {request} ended as {} after {sequence} commitments",
                outcome.facts.status.word()
            );
            (sequence >= commitments).then_some(())
        })
        .await;
    }

    /// Lets a reader spend up to `cap` on what is sold, by signatures only. The file of its purse.
    pub(in crate::e2e) async fn purse(&self, sold: &Sold, cap: u128) -> String {
        let cap = cap.to_string();
        // A purse is a new file, also where the gateway was gone before it heard of it.
        let mut number = 0;
        until("a reader takes the offer", PATIENCE, async || {
            number += 1;
            let file = self.path(&format!("{}.{number}.purse.json", sold.id)).display().to_string();
            let words = ["access", "take", &sold.id, "--cap", &cap, "--purse", &file];
            self.attempt(READER, &words).await.ok().map(|_| file)
        })
        .await
    }

    /// Reads records with a purse, asking again while something is down. What it was charged in this call.
    pub(in crate::e2e) async fn read(&self, sold: &Sold, purse: &str, range: &str) -> Value {
        self.insist(READER, &["fetch", &sold.id, "--purse", purse, "--range", range], PATIENCE).await
    }
}

/// The text of a JSON string.
fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("{value} is no text")).to_owned()
}
