//! What scripts/bench relay measures: a real relayer process with eight signers on a real anvil with the real contracts,
//! and beside it what the same machine does without it. It asserts only that all of it landed.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a measurement")]

#[path = "../../tests/network/mod.rs"]
mod network;
mod probe;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use alloy::consensus::{SignableTransaction, TxEip1559, TxEnvelope};
use alloy::eips::eip2718::Encodable2718;
use alloy::primitives::{Address, B256, Bytes, TxKind, U256};
use alloy::providers::Provider;
use alloy::signers::SignerSync;
use alloy::sol_types::SolCall;
use futures::StreamExt;
use network::{Network, Worker, account};
use offsetdata_protocol::Digest;
use offsetdata_protocol::bindings::token::DevToken;
use offsetdata_protocol::worker_api::JobOffer;
use offsetdata_sdk::Account;
use offsetdata_store::relay::counts::landed_by_kind;
use offsetdata_store::relay::transactions::{
    ANYONE, NewTransaction, insert_transaction, list_envelopes, list_recent,
};
use offsetdata_store::{Pool, connect};
use serde_json::json;

const SIGNERS: usize = 8;
/// Commitments that are handed in at the same time.
const HANDS: usize = 4;
const MONEY: &str = "0x3635c9adc5dea000000";

struct Sizes {
    /// Single transactions.
    transactions: usize,
    /// Requests with a worker each.
    requests: u32,
    /// Commitments of each, all landed together.
    commitments: u32,
    /// Commitments that are sent one after the other.
    alone: u32,
}

/// A request whose first commitment has landed.
struct Begun {
    worker: Worker,
    offer: JobOffer,
    head: B256,
    sequence: u32,
}

impl Begun {
    /// Hands one more commitment in; how long the answer took, and the digest in it.
    async fn commit(&mut self) -> (Duration, Digest) {
        self.sequence += 1;
        let (first, units) = (self.sequence - 1, self.sequence.into());
        let (upload, next) = self.worker.commitment(&self.offer, self.sequence, self.head, first, 1, units);
        self.head = next;
        let digest = Digest::of(&upload.points);
        let begun = Instant::now();
        self.worker.commit(&self.offer, &upload).await;
        (begun.elapsed(), digest)
    }
}

fn told(metric: &str, value: f64, floor: f64) {
    println!("{}", json!({ "metric": metric, "value": value, "floor": floor }));
}

fn quantile(times: &mut [f64], q: f64) -> f64 {
    times.sort_by(f64::total_cmp);
    times[((times.len() - 1) as f64 * q).round() as usize]
}

struct Bench {
    network: Network,
    pool: Pool,
    signers: Vec<Account>,
}

impl Bench {
    async fn landed(&self, kind: &str) -> u64 {
        let mut conn = self.pool.acquire().await.unwrap();
        let all: BTreeMap<String, u64> = landed_by_kind(&mut conn).await.unwrap().into_iter().collect();
        all.get(kind).copied().unwrap_or_default()
    }

    async fn until_landed(&self, kind: &str, wanted: u64) {
        let until = Instant::now() + Duration::from_secs(600);
        loop {
            let landed = self.landed(kind).await;
            if landed >= wanted {
                return;
            }
            assert!(Instant::now() < until, "{landed} of {wanted} {kind} landed");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    async fn fund(&self, wei: &str) {
        for signer in &self.signers {
            self.network.call("anvil_setBalance", json!([signer.address(), wei])).await;
        }
    }

    /// So that every run begins at the same point of a block.
    async fn next_block(&self) {
        let provider = self.network.chain.provider();
        let before = provider.get_block_number().await.unwrap();
        while provider.get_block_number().await.unwrap() == before {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Nothing is sent until they have money again.
    async fn hold(&self) {
        self.next_block().await;
        self.fund("0x0").await;
        self.next_block().await;
        self.next_block().await;
    }

    /// Transactions a second, each signer's in its order, all signed before, with nothing kept.
    async fn send_bare(&self, lanes: Vec<Vec<Bytes>>) -> f64 {
        let provider = self.network.chain.provider();
        let count: usize = lanes.iter().map(Vec::len).sum();
        self.next_block().await;
        let begun = Instant::now();
        let sent: Vec<(Option<B256>, Vec<Bytes>)> = futures::stream::iter(lanes)
            .map(|lane| async move {
                let mut last = None;
                for raw in &lane {
                    let sent = provider.send_raw_transaction(raw).await;
                    let sent = sent.unwrap_or_else(|error| panic!("one of {count}: {error}"));
                    last = Some(*sent.tx_hash());
                }
                (last, lane)
            })
            .buffer_unordered(SIGNERS)
            .collect()
            .await;
        for (last, lane) in sent {
            let Some(hash) = last else { continue };
            let mut told = Instant::now();
            while provider.get_transaction_receipt(hash).await.unwrap().is_none() {
                tokio::time::sleep(Duration::from_millis(20)).await;
                // A node loses some: whoever sends has to look after them.
                if told.elapsed() > Duration::from_secs(2) {
                    told = Instant::now();
                    for raw in &lane {
                        // What it has or had is refused.
                        let _ = provider.send_raw_transaction(raw).await;
                    }
                }
            }
        }
        count as f64 / begun.elapsed().as_secs_f64()
    }

    fn approve(&self, n: usize) -> Bytes {
        let spender = Address::from_word(U256::from(n + (1 << 32)).into());
        DevToken::approveCall { spender, value: U256::from(n + 1) }.abi_encode().into()
    }

    async fn bare_transactions(&self, count: usize) -> f64 {
        let deployment = self.network.chain.deployment();
        let mut lanes = Vec::new();
        for (lane, signer) in self.signers.iter().enumerate() {
            let address = signer.address();
            let nonce = self.network.chain.provider().get_transaction_count(address).await.unwrap();
            let raws = (0..count / SIGNERS).map(|k| {
                let unsigned = TxEip1559 {
                    chain_id: deployment.chain_id,
                    nonce: nonce + k as u64,
                    gas_limit: 80_000,
                    max_fee_per_gas: 100_000_000_000,
                    max_priority_fee_per_gas: 1_000_000_000,
                    to: TxKind::Call(deployment.token),
                    value: U256::ZERO,
                    access_list: Default::default(),
                    input: self.approve(1 << 20 | lane << 16 | k),
                };
                let signature = signer.signer().sign_hash_sync(&unsigned.signature_hash()).unwrap();
                Bytes::from(TxEnvelope::from(unsigned.into_signed(signature)).encoded_2718())
            });
            lanes.push(raws.collect());
        }
        self.send_bare(lanes).await
    }

    async fn transactions(&self, count: usize) {
        let floor = self.bare_transactions(count).await;
        self.hold().await;
        let before = self.landed("call").await;
        let mut tx = self.pool.write().await.unwrap();
        for n in 0..count {
            let new = NewTransaction {
                dedupe: format!("bench {n}"),
                signer: ANYONE,
                kind: "call".into(),
                request: None,
                target: self.network.chain.deployment().token,
                calldata: self.approve(n),
                expires_at: u64::from(u32::MAX),
                max_gas: None,
            };
            insert_transaction(&mut tx, new, 1).await.unwrap();
        }
        tx.commit().await.unwrap();
        self.next_block().await;
        let begun = Instant::now();
        self.fund(MONEY).await;
        self.until_landed("call", before + count as u64).await;
        told("landed_tx_per_s", count as f64 / begun.elapsed().as_secs_f64(), floor);
    }

    /// One commitment after the other: how long from its answer until a node has it.
    async fn alone(&self, probe: &probe::Probe, begun: &mut [Begun], count: u32) {
        let mut times = Vec::new();
        for n in 0..count as usize {
            let at = n % begun.len();
            if at == 0 {
                // Each meets a request with nothing in flight.
                self.next_block().await;
                self.next_block().await;
            }
            let handed = Instant::now();
            let (answer, digest) = begun[at].commit().await;
            let sent = probe.when_sent(&digest.as_bytes()[..]).await;
            times.push(sent.saturating_duration_since(handed + answer).as_secs_f64() * 1000.0);
        }
        let mut floor = probe::floor(&probe.url, 1, times.len()).await;
        told("broadcast_p99_ms", quantile(&mut times, 0.99), quantile(&mut floor, 0.99));
    }

    /// All requests at once: answers while nothing can be sent, then the landing of them all.
    async fn together(&mut self, begun: Vec<Begun>, commitments: u32) {
        self.hold().await;
        let before = self.landed("commit").await;
        let total = begun.len() as u64 * u64::from(commitments);
        let times: Vec<Vec<f64>> = futures::stream::iter(begun)
            .map(|mut one| async move {
                let mut times = Vec::new();
                for _ in 0..commitments {
                    times.push(one.commit().await.0.as_secs_f64() * 1000.0);
                }
                times
            })
            .buffer_unordered(HANDS)
            .collect()
            .await;
        let mut times: Vec<f64> = times.into_iter().flatten().collect();
        let mut floor =
            probe::floor(&format!("{}/v1/claim", self.network.relayer_url), HANDS, times.len()).await;
        for (metric, q) in [("ack_p50_ms", 0.5), ("ack_p99_ms", 0.99)] {
            told(metric, quantile(&mut times, q), quantile(&mut floor, q));
        }
        self.next_block().await;
        let snapshot = self.network.call("evm_snapshot", json!([])).await;
        let begun = Instant::now();
        self.fund(MONEY).await;
        self.until_landed("commit", before + total).await;
        let rate = total as f64 / begun.elapsed().as_secs_f64();

        // The very same transactions again, on the chain as it was.
        self.network.kill_relayer();
        self.network.call("evm_revert", json!([snapshot])).await;
        let lanes = self.landed_envelopes(before + total).await;
        self.fund(MONEY).await;
        let count: usize = lanes.iter().map(Vec::len).sum();
        let floor = self.send_bare(lanes).await * total as f64 / count as f64;
        told("commitments_per_s", rate, floor);
        told("commitments_per_transaction", total as f64 / count as f64, 20.0);
    }

    /// What the chain lost when it was taken back, by signer, in its order.
    async fn landed_envelopes(&self, rows: u64) -> Vec<Vec<Bytes>> {
        let mut conn = self.pool.acquire().await.unwrap();
        let mut lanes: BTreeMap<Address, BTreeMap<u64, Bytes>> = BTreeMap::new();
        for row in list_recent(&mut conn, u32::try_from(rows * 2).unwrap()).await.unwrap() {
            let Some((hash, nonce)) = row.hash.zip(row.nonce) else { continue };
            let envelopes = list_envelopes(&mut conn, row.id.0).await.unwrap();
            let raw = envelopes.into_iter().find(|envelope| envelope.hash == hash).unwrap().raw;
            lanes.entry(row.signer).or_default().insert(nonce.0, raw);
        }
        let mut all = Vec::new();
        for (signer, lane) in lanes {
            let used = self.network.chain.provider().get_transaction_count(signer).await.unwrap();
            all.push(lane.into_iter().filter(|(nonce, _)| *nonce >= used).map(|(_, raw)| raw).collect());
        }
        all
    }
}

async fn run(sizes: Sizes) {
    let signers: Vec<Account> = (0..SIGNERS).map(|_| network::poor()).collect();
    let keys: Vec<String> = signers.iter().map(|signer| signer.signer().to_bytes().to_string()).collect();
    let workers: Vec<Account> = (0..sizes.requests).map(|_| network::poor()).collect();
    let allowed: Vec<String> = workers.iter().map(|worker| worker.address().to_string()).collect();
    let (keys, allowed) = (keys.join(","), allowed.join(","));
    let mut settings = vec!["--signer-key", &keys, "--allow-worker", &allowed];
    settings.extend(["--lease-seconds", "3600", "--heartbeat-seconds", "600", "--max-in-flight", "64"]);
    // What it is without a word; tests look more often.
    settings.extend(["--poll-milliseconds", "500"]);
    let network = Network::start(&settings).await;
    let pool = connect(&network.database()).await.unwrap();
    let mut bench = Bench { network, pool, signers };
    bench.fund(MONEY).await;

    let network = &bench.network;
    let (offered, collection, user) = (network.offer().await, network.collection().await, account(2));
    let model = network.model(&network.chain, &user, offered.base).await;
    for n in 0..sizes.requests {
        network.fund(user.address()).await;
        network.train_salted(&network.chain, &user, model, offered.method, collection, n).await;
    }
    let mut begun = Vec::new();
    for account in workers {
        let worker = Worker::open(network, account).await;
        let offer = worker.claim().await;
        let mut one = Begun { worker, offer, head: B256::ZERO, sequence: 0 };
        one.commit().await;
        begun.push(one);
    }
    bench.until_landed("commitAssigned", begun.len() as u64).await;
    // From here on blocks come every second.
    bench.network.call("evm_setAutomine", json!([false])).await;
    bench.network.call("evm_setIntervalMining", json!([1])).await;

    bench.transactions(sizes.transactions).await;
    let probe = probe::Probe::before(bench.network.node()).await;
    let node = bench.network.node().to_owned();
    bench.network.restart_behind(&probe.url).await;
    bench.alone(&probe, &mut begun, sizes.alone).await;
    bench.network.restart_behind(&node).await;
    // A session lives in the database: workers go on after a restart.
    bench.together(begun, sizes.commitments).await;
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    if network::serve_relayer().await {
        return;
    }
    let numbers: Vec<u32> = std::env::args().skip(1).map_while(|text| text.parse().ok()).collect();
    let [transactions, requests, commitments, alone] = numbers[..] else {
        eprintln!("usage: landing TRANSACTIONS REQUESTS COMMITMENTS-OF-EACH COMMITMENTS-ALONE");
        std::process::exit(2);
    };
    let transactions = (transactions as usize).next_multiple_of(SIGNERS);
    run(Sizes { transactions, requests, commitments, alone }).await;
}
