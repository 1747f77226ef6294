//! Commitments that travel together and meet another chain than the one on which they were tried: a reorg takes their block
//! away, or a stranger was quicker with one of them. Each lands once, and nothing stays open.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod network;

use std::collections::BTreeMap;

use alloy::primitives::B256;
use alloy::providers::Provider;
use network::{Network, Worker, account, poor};
use offsetdata_protocol::bindings::training::TrainingCoordinator::{CommitmentLanded, stateOfCall};
use offsetdata_protocol::worker_api::JobOffer;
use offsetdata_sdk::Account;
use offsetdata_store::relay::transactions::{TransactionRow, list_recent};
use offsetdata_store::{Pool, connect};
use serde_json::{Value, json};

const MONEY: &str = "0x3635c9adc5dea000000";
/// Commitments of each of the two requests; the first one travels alone, with its assignment.
const EACH: u32 = 6;

/// Two requests, and a batch with five commitments of each that is sent and in no block.
struct Scene {
    network: Network,
    pool: Pool,
    signer: Account,
    open: Vec<(Worker, JobOffer)>,
}

impl Scene {
    async fn new() -> Self {
        let (signer, workers) = (poor(), [poor(), poor()]);
        let key = signer.signer().to_bytes().to_string();
        let allowed: Vec<String> = workers.iter().map(|worker| worker.address().to_string()).collect();
        let allowed = allowed.join(",");
        let mut settings = vec!["--signer-key", &key, "--allow-worker", &allowed];
        settings.extend(["--lease-seconds", "3600", "--heartbeat-seconds", "600"]);
        let network = Network::start(&settings).await;
        let pool = connect(&network.database()).await.unwrap();
        let mut scene = Self { network, pool, signer, open: Vec::new() };
        scene.fund(MONEY).await;
        let heads = scene.begin(workers).await;
        scene.gather(heads).await;
        scene
    }

    async fn fund(&self, wei: &str) {
        self.network.call("anvil_setBalance", json!([self.signer.address(), wei])).await;
        self.mine().await;
    }

    async fn mine(&self) {
        self.network.call("evm_mine", json!([])).await;
    }

    /// The first commitment of each request lands.
    async fn begin(&mut self, workers: [Account; 2]) -> Vec<B256> {
        let network = &self.network;
        let (offered, collection, user) = (network.offer().await, network.collection().await, account(2));
        network.fund(user.address()).await;
        let model = network.model(&network.chain, &user, offered.base).await;
        let mut heads = Vec::new();
        for (salt, worker) in (0..).zip(workers) {
            network.train_salted(&network.chain, &user, model, offered.method, collection, salt).await;
            let worker = Worker::open(network, worker).await;
            let offer = worker.claim().await;
            let (first, head) = worker.commitment(&offer, 1, B256::ZERO, 0, 1, 1);
            worker.commit(&offer, &first).await;
            heads.push(head);
            self.open.push((worker, offer));
        }
        self.network
            .until("the first ones land", || async {
                self.in_state("commitAssigned", "confirmed").await == 2
            })
            .await;
        heads
    }

    /// The others are handed in while nobody can pay, and sent together.
    async fn gather(&self, mut heads: Vec<B256>) {
        self.network.call("evm_setAutomine", json!([false])).await;
        self.fund("0x0").await;
        self.network
            .until("the signer is seen to be empty", || async {
                let ready: Value = serde_json::from_str(&self.network.page("/ready").await).unwrap();
                ready["signers"][0]["isEmpty"] == json!(true)
            })
            .await;
        for ((worker, offer), head) in self.open.iter().zip(&mut heads) {
            for sequence in 2..=EACH {
                let (upload, next) =
                    worker.commitment(offer, sequence, *head, sequence - 1, 1, u64::from(sequence));
                worker.commit(offer, &upload).await;
                *head = next;
            }
        }
        self.fund(MONEY).await;
        self.until_batch("broadcast").await;
    }

    async fn rows(&self) -> Vec<TransactionRow> {
        list_recent(&mut self.pool.acquire().await.unwrap(), 1000).await.unwrap()
    }

    async fn in_state(&self, kind: &str, state: &str) -> usize {
        self.rows().await.iter().filter(|row| row.kind == kind && row.state == state).count()
    }

    async fn until_batch(&self, state: &str) -> TransactionRow {
        let what = format!("the batch is {state}");
        self.network.until(&what, || async { self.in_state("commitBatch", state).await == 1 }).await;
        self.rows().await.into_iter().find(|row| row.kind == "commitBatch").unwrap()
    }

    /// What a stranger would send to land this commitment of the first request.
    async fn of_a_stranger(&self, sequence: u32) -> Value {
        let (request, rows) = (self.open[0].1.request, self.rows().await);
        let end = format!(":{sequence}");
        let of = |row: &&TransactionRow| {
            row.request.is_some_and(|id| id.0 == request) && row.dedupe.ends_with(&end)
        };
        let row = rows.iter().find(of).unwrap();
        let (price, tip) = ("0x174876e800", "0x174876e800");
        json!({
            "from": account(8).address(), "to": row.target, "data": row.calldata, "gas": "0x7a120",
            "maxFeePerGas": price, "maxPriorityFeePerGas": tip,
        })
    }

    async fn until_all_ended(&self) {
        let is_over = |row: &TransactionRow| matches!(row.state.as_str(), "confirmed" | "superseded");
        self.network
            .until("everything ends", || async {
                self.mine().await;
                self.rows().await.iter().all(is_over)
            })
            .await;
    }

    /// Every commitment landed once and in its order, with so many transactions of ours; what a stranger landed counts
    /// as landed by another one.
    async fn check(&self, of_ours: u64, by_strangers: usize) {
        let at = self.network.chain.deployment().training_coordinator;
        for (_, offer) in &self.open {
            let events = self.network.chain.events::<CommitmentLanded>(at, offer.request).await.unwrap();
            let sequences: Vec<u32> = events.iter().map(|(event, _)| event.sequence).collect();
            assert_eq!(sequences, (1..=EACH).collect::<Vec<u32>>(), "in order, none twice");
            let state = self.network.chain.call(at, &stateOfCall { id: offer.request }).await.unwrap();
            assert_eq!(state.sequence, EACH);
            let job = self.network.job(offer.request).await.unwrap();
            assert_eq!((&job["sequence"], &job["attempt"]), (&json!(EACH), &json!(1)), "{job}");
        }
        let mut found = BTreeMap::<(String, String), usize>::new();
        for row in self.rows().await {
            *found.entry((row.kind, row.state)).or_default() += 1;
        }
        let mut expected = vec![("commitAssigned", "confirmed", 2), ("commitBatch", "confirmed", 1)];
        expected.push(("commit", "confirmed", 2 * (EACH as usize - 1) - by_strangers));
        expected.extend((by_strangers > 0).then_some(("commit", "superseded", by_strangers)));
        let expected = expected.into_iter().map(|(kind, state, n)| ((kind.into(), state.into()), n));
        assert_eq!(found, expected.collect());
        let nonce = self.network.chain.provider().get_transaction_count(self.signer.address());
        assert_eq!(nonce.await.unwrap(), of_ours, "nothing was sent under two nonces");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_that_a_reorg_takes_away_comes_back_once() {
    let scene = Scene::new().await;
    scene.mine().await;
    let before = scene.until_batch("confirmed").await;
    scene.network.call("anvil_reorg", json!([1, []])).await;
    let taken = scene.until_batch("broadcast").await;
    assert_eq!((taken.nonce, taken.block_hash), (before.nonce, None));
    let carried: Vec<String> =
        scene.rows().await.into_iter().filter(|row| row.carrier.is_some()).map(|row| row.state).collect();
    assert_eq!(carried, vec!["broadcast"; 10], "its members stand where it stands");
    scene.until_all_ended().await;
    let after = scene.until_batch("confirmed").await;
    assert_eq!(after.hash, before.hash);
    assert_ne!(after.block_hash, before.block_hash);
    scene.check(3, 0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_reorg_in_which_a_stranger_landed_a_member_the_others_land_once() {
    let scene = Scene::new().await;
    scene.mine().await;
    scene.until_batch("confirmed").await;
    // The block that takes its place holds the first member already.
    scene.network.call("anvil_reorg", json!([1, [[scene.of_a_stranger(2).await, 0]]])).await;
    scene.until_batch("broadcast").await;
    scene.until_all_ended().await;
    scene.check(3, 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_that_is_skipped_on_the_chain_after_a_good_trial_is_looked_at_alone() {
    let scene = Scene::new().await;
    // It was tried and sent; in its block the stranger, who pays more, comes first.
    let sent = scene.of_a_stranger(2).await;
    let hash: Value = scene.network.call("eth_sendTransaction", json!([sent])).await;
    scene.mine().await;
    let batch = scene.until_batch("confirmed").await;
    let hash: B256 = serde_json::from_value(hash).unwrap();
    let stranger = scene.network.chain.provider().get_transaction_receipt(hash).await.unwrap().unwrap();
    assert!(stranger.status() && stranger.block_hash == batch.block_hash, "both in one block");
    scene.until_all_ended().await;
    scene.check(3, 1).await;
}
