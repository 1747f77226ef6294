//! Intents through kills of the process, faulty endpoints, dropped transactions and reorgs: every one lands, and exactly
//! once. The small form runs always; OFFSETDATA_LONG=1 runs 10,000 intents with 200 kills, OFFSETDATA_SEED another order,
//! and what was tried goes into the file that OFFSETDATA_CASES names.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod network;

use std::collections::BTreeMap;
use std::io::Write;
use std::ops::Range;
use std::time::{Duration, Instant};

use alloy::primitives::{Address, B256, Bytes, U256};
use alloy::providers::Provider;
use network::faults::{Fault, Faulty};
use network::{Network, account};
use offsetdata_indexer::follow::{Follower, Step};
use offsetdata_indexer::preflight::{check_chain, check_database};
use offsetdata_indexer::rpc::Rpc;
use offsetdata_indexer::verify::verify;
use offsetdata_store::relay::transactions::{
    ANYONE, NewTransaction, TransactionRow, insert_transaction, list_recent,
};
use offsetdata_store::{Pool, connect};
use serde_json::{Value, json};

/// Code that counts how often it was called with a word: `sstore(word, sload(word) + 1)`. Nothing forgives a doubling.
const COUNTER: &str = "0x5f358054600101905500";
const AT: Address = Address::repeat_byte(0xcc);
const SIGNERS: [u32; 3] = [5, 6, 7];
/// What CI runs with.
const SEED: u64 = 20_261;
/// A block comes so often at most.
const BLOCK: Duration = Duration::from_millis(150);
/// Between two lines that say how far it is.
const PROGRESS: Duration = Duration::from_secs(30);

struct Trial {
    intents: u64,
    kills: u64,
    patience: Duration,
    seed: u64,
}

fn word(n: u64) -> B256 {
    U256::from(n + 1).into()
}

async fn queue(pool: &Pool, numbers: Range<u64>) {
    let mut tx = pool.write().await.unwrap();
    for n in numbers {
        let new = NewTransaction {
            dedupe: format!("intent {n}"),
            signer: ANYONE,
            kind: "call".into(),
            request: None,
            target: AT,
            calldata: Bytes::from(word(n).0.to_vec()),
            expires_at: u64::from(u32::MAX),
            max_gas: None,
        };
        assert!(insert_transaction(&mut tx, new, 1).await.unwrap());
    }
    tx.commit().await.unwrap();
}

async fn states(pool: &Pool) -> BTreeMap<String, u64> {
    let mut conn = pool.acquire().await.unwrap();
    let counts = offsetdata_store::relay::counts::transactions_by_state(&mut conn).await.unwrap();
    counts.into_iter().collect()
}

/// What happens to the chain meanwhile: blocks, reorgs, a pool that forgets.
async fn mine(network: &Network, random: &mut u64, tick: u64) {
    let mut next = |below: u64| {
        *random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (*random >> 33) % below
    };
    if tick % 12 == 7 {
        network.call("anvil_reorg", json!([1 + next(3), []])).await;
    } else if tick % 17 == 9 {
        network.call("anvil_dropAllTransactions", json!([])).await;
    }
    network.call("evm_mine", json!([])).await;
}

async fn run(trial: Trial) {
    let keys: Vec<String> = SIGNERS.iter().map(|n| account(*n).signer().to_bytes().to_string()).collect();
    let keys = keys.join(",");
    let settings = ["--signer-key", &keys, "--confirmations", "3", "--max-in-flight", "16"];
    let mut network = Network::start(&settings).await;
    network.call("anvil_setCode", json!([AT, COUNTER])).await;
    network.call("evm_setAutomine", json!([false])).await;
    for _ in 0..8 {
        network.call("evm_mine", json!([])).await;
    }
    let mut nonces = 0;
    for signer in SIGNERS {
        nonces += network.chain.provider().get_transaction_count(account(signer).address()).await.unwrap();
    }
    let proxies = [
        Faulty::before(network.node(), trial.seed).await,
        Faulty::before(network.node(), trial.seed.wrapping_mul(7919).wrapping_add(1)).await,
    ];
    network.kill_relayer();
    network.behind(&format!("{},{}", proxies[0].url, proxies[1].url));
    network.start_relayer().await;

    let pool = connect(&network.database()).await.unwrap();
    let (begun, mut told) = (Instant::now(), Instant::now());
    let until = begun + trial.patience;
    let (mut random, mut queued, mut killed, mut tick) = (trial.seed, 0, 0, 0);
    loop {
        tick += 1;
        let round = Instant::now();
        let wanted = trial.intents.min(tick * trial.intents.div_ceil(20).min(100));
        queue(&pool, queued..wanted).await;
        queued = queued.max(wanted);
        mine(&network, &mut random, tick).await;
        let states = states(&pool).await;
        let done = states.get("confirmed").copied().unwrap_or_default();
        // Spread over the whole trial.
        if killed < trial.kills && done * (trial.kills + 1) >= (killed + 1) * trial.intents / 2 {
            network.kill_relayer();
            killed += 1;
            mine(&network, &mut random, tick).await;
            network.start_relayer().await;
        }
        if queued == trial.intents && killed == trial.kills && done == trial.intents {
            break;
        }
        assert!(Instant::now() < until, "{states:?} of {} after {killed} kills", trial.intents);
        if told.elapsed() >= PROGRESS {
            told = Instant::now();
            let seconds = begun.elapsed().as_secs();
            println!("{seconds} s: {done} of {} intents, {killed} of {} kills", trial.intents, trial.kills);
        }
        // What was done meanwhile was time enough as well.
        tokio::time::sleep(BLOCK.saturating_sub(round.elapsed())).await;
    }
    // The last reorg is over and the endpoints are honest: what it took back lands again, and nothing else.
    for proxy in &proxies {
        proxy.be_honest();
    }
    for round in 0..200 {
        network.call("evm_mine", json!([])).await;
        tokio::time::sleep(Duration::from_millis(150)).await;
        if round > 15 && states(&pool).await.get("confirmed") == Some(&trial.intents) {
            break;
        }
    }
    assert_eq!(states(&pool).await, BTreeMap::from([("confirmed".to_owned(), trial.intents)]));
    let (mut wrong, mut spread) = (Vec::new(), BTreeMap::<Address, u64>::new());
    for n in 0..trial.intents {
        let count = network.chain.provider().get_storage_at(AT, U256::from(n + 1)).await.unwrap();
        if count != U256::ONE {
            wrong.push((n, count));
        }
    }
    assert_eq!(wrong, [], "landed not once");
    let mut conn = pool.acquire().await.unwrap();
    let rows: Vec<TransactionRow> = list_recent(&mut conn, u32::MAX >> 1).await.unwrap();
    for row in &rows {
        *spread.entry(row.signer).or_default() += 1;
    }
    assert_eq!(spread.len(), SIGNERS.len(), "{spread:?}");
    for signer in SIGNERS {
        let now = network.chain.provider().get_transaction_count(account(signer).address()).await.unwrap();
        let next: U256 = U256::from(now);
        spread.entry(account(signer).address()).and_modify(|landed| *landed = next.to::<u64>());
    }
    let used: u64 = spread.values().sum();
    assert_eq!(used - nonces, trial.intents, "a nonce for each intent, and none beside");
    let mut faults = BTreeMap::<Fault, u32>::new();
    for (fault, count) in proxies.iter().flat_map(Faulty::done) {
        *faults.entry(fault).or_default() += count;
    }
    let faulty: BTreeMap<String, u32> =
        faults.iter().map(|(fault, count)| (format!("{fault:?}"), *count)).collect();
    record(
        trial.seed,
        &json!({
            "intents": trial.intents, "kills": killed, "blocks": tick, "faults": faulty,
            "seconds": begun.elapsed().as_secs(),
        }),
    );
    for fault in
        [Fault::Status5xx, Fault::Garbage, Fault::CutJson, Fault::SwallowedSending, Fault::LostReceipt]
    {
        assert!(faults.contains_key(&fault), "{fault:?} never happened");
    }
}

/// From `OFFSETDATA_SEED`, or the seed of CI.
fn seed() -> u64 {
    match std::env::var("OFFSETDATA_SEED") {
        Ok(text) => u64::from_str_radix(text.trim_start_matches("0x"), 16)
            .expect("OFFSETDATA_SEED is a hexadecimal number"),
        Err(_) => SEED,
    }
}

/// Says what a case tried; a long run also writes it down, one line of JSON in the file that `OFFSETDATA_CASES` names.
fn record(seed: u64, counts: &Value) {
    let line = json!({ "case": "trial", "seed": format!("{seed:#x}"), "counts": counts });
    println!("{line}");
    if let Some(path) = std::env::var_os("OFFSETDATA_CASES") {
        let mut file = std::fs::OpenOptions::new().create(true).append(true).open(path).unwrap();
        writeln!(file, "{line}").unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_intents_land_once_each_through_kills_faults_and_reorgs() {
    run(Trial { intents: 200, kills: 5, patience: Duration::from_secs(240), seed: seed() }).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "long: most of an hour"]
async fn ten_thousand_intents_land_once_each_through_two_hundred_kills() {
    if std::env::var_os("OFFSETDATA_LONG").is_none() {
        return;
    }
    run(Trial { intents: 10_000, kills: 200, patience: Duration::from_secs(3 * 3600), seed: seed() }).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_empty_signer_is_passed_over_and_used_again_when_it_has_money() {
    let keys: Vec<String> = SIGNERS.iter().map(|n| account(*n).signer().to_bytes().to_string()).collect();
    let mut network = Network::start(&["--signer-key", &keys.join(",")]).await;
    network.call("anvil_setCode", json!([AT, COUNTER])).await;
    let balance = |n: u32, wei: &'static str| {
        let network = &network;
        async move { network.call("anvil_setBalance", json!([account(n).address(), wei])).await }
    };
    balance(6, "0x0").await;
    // What a signer has is read once a block: without one, that it has nothing is seen too late.
    network.call("evm_mine", json!([])).await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    let pool = connect(&network.database()).await.unwrap();
    queue(&pool, 0..30).await;
    let confirmed = |number: u64| {
        let pool = &pool;
        async move { states(pool).await.get("confirmed").copied() == Some(number) }
    };
    network.until("all land without it", || confirmed(30)).await;
    let nonce = |n: u32| {
        let provider = network.chain.provider();
        async move { provider.get_transaction_count(account(n).address()).await.unwrap() }
    };
    assert_eq!(nonce(6).await, 0, "it sent nothing");
    let empty = |wanted: bool| {
        let network = &network;
        async move {
            let ready: Value = serde_json::from_str(&network.page("/ready").await).unwrap();
            let lanes = ready["signers"].as_array().unwrap().clone();
            let of = |n: u32| lanes.iter().find(|l| l["signer"] == json!(account(n).address())).unwrap();
            of(6)["isEmpty"] == json!(wanted) && of(5)["isEmpty"] == json!(false)
        }
    };
    network.until("it is told to be empty", || empty(true)).await;
    let metrics = network.page("/metrics").await;
    let line = format!("signer_empty{{signer=\"{}\"}} 1", account(6).address());
    assert!(metrics.contains(&line), "{metrics}");

    // With the others empty, all waits for it; with money it sends.
    for n in SIGNERS {
        balance(n, "0x0").await;
    }
    network.call("evm_mine", json!([])).await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    queue(&pool, 30..40).await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert!(confirmed(30).await, "nobody can pay");
    balance(6, "0x56bc75e2d63100000").await;
    network.until("it is used again", || confirmed(40)).await;
    assert_eq!(nonce(6).await, 10);
    network.kill_relayer();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_index_through_faulty_endpoints_equals_one_from_an_honest_node() {
    let network = Network::start(&[]).await;
    let (offered, collection, user) = (network.offer().await, network.collection().await, account(2));
    network.fund(user.address()).await;
    let model = network.model(&network.chain, &user, offered.base).await;
    for salt in 0..12 {
        network.train_salted(&network.chain, &user, model, offered.method, collection, salt).await;
    }
    let deployment = network.chain.deployment();
    let proxies = [
        Faulty::before(network.node(), seed()).await,
        Faulty::before(network.node(), seed().wrapping_add(1)).await,
    ];
    let endpoints = format!("{},{}", proxies[0].url, proxies[1].url);
    let faulty = Rpc::new(&endpoints, Duration::from_secs(10)).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let mut pools = Vec::new();
    for name in ["ours", "scratch"] {
        let pool = connect(&format!("sqlite:{}", folder.path().join(name).display())).await.unwrap();
        offsetdata_store::migrate(&pool).await.unwrap();
        pools.push(pool);
    }
    let until = Instant::now() + Duration::from_secs(120);
    while check_chain(&faulty, deployment).await.is_err()
        || check_database(&pools[0], &faulty, deployment, 0).await.is_err()
    {
        assert!(Instant::now() < until, "the pre-flight does not pass");
    }
    let mut follower = Follower::new(faulty, pools[0].clone(), deployment, 8).proving(1_000);
    let (mut failed, mut steps) = (0, 0);
    loop {
        match follower.step(0).await {
            Ok(Step::Advanced { to, .. })
                if to == network.chain.provider().get_block_number().await.unwrap() =>
            {
                break;
            }
            Ok(_) => {}
            Err(error) => {
                assert!(error.is_retryable(), "{error}");
                failed += 1;
            }
        }
        steps += 1;
        assert!(Instant::now() < until, "{steps} steps, {failed} failed");
    }
    // Blocks that come one by one.
    for salt in 20..40 {
        network.train_salted(&network.chain, &user, model, offered.method, collection, salt).await;
        let head = network.chain.provider().get_block_number().await.unwrap();
        loop {
            match follower.step(0).await {
                Ok(Step::Advanced { to, .. }) if to >= head => break,
                Ok(_) => {}
                Err(error) => assert!(error.is_retryable(), "{error}"),
            }
            assert!(Instant::now() < until, "block {head} is not reached");
        }
    }
    let honest = Rpc::new(network.node(), Duration::from_secs(10)).unwrap();
    let found = verify(honest, &pools[0], &pools[1], deployment, 0, |_| {}).await.unwrap();
    assert!(found.is_equal(), "{:?}", found.differences);
    assert!(found.rows > 60, "{} rows", found.rows);
    let left_out: u32 = proxies.iter().map(|p| p.done().get(&Fault::LeftOutLogs).copied().unwrap_or(0)).sum();
    assert!(left_out > 0, "no log was left out");
}
