//! The circle — publish, take, read, train on private data, settle, predict — while each service and the worker are
//! killed with -9 at random moments: it ends as it would have ended without. The chain is not killed: it is others'.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};

use alloy::primitives::B256;
use serde_json::json;

use super::network::{
    Chance, Network, PATIENCE, Part, READER, RECORD_PRICE, Settings, Sold, Story, Training, USER, is_long,
    record,
};

const KILLS: u64 = 10;
const LONG: u64 = 200;
/// Records of each collection, and of each of its chunks.
const MAILS: usize = 64;
const CHUNK: u32 = 8;
const EPOCHS: u32 = 300;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_at_random_moments_the_circle_ends_as_it_would_have_without() {
    let kills = if is_long() { LONG } else { KILLS };
    let mut chance = Chance::new();
    let attempts = "200".to_owned();
    let network = Network::start(Settings {
        checkpoint_seconds: 1,
        more: vec![(Part::Relayer, "MAX_ATTEMPTS", attempts)],
        ..Settings::default()
    })
    .await;
    let story = network.begin(MAILS, CHUNK).await;
    let training = Training { epochs: EPOCHS, ..Training::default() };
    let undisturbed = network.settled(network.train(&story, training).await).await;

    let is_over = AtomicBool::new(false);
    let (killed, sold) = tokio::join!(
        kill(&network, kills, &mut chance, &is_over),
        circles(&network, &story, undisturbed, &is_over)
    );
    let sold: Vec<&Sold> = sold.iter().collect();
    network.check(&sold).await;
    record("kills", &chance, &json!({ "kills": kills, "killed": killed, "circles": sold.len() }));
}

/// Kills one part after the other and starts it again. How often each died.
async fn kill(
    network: &Network,
    kills: u64,
    chance: &mut Chance,
    is_over: &AtomicBool,
) -> BTreeMap<&'static str, u64> {
    let mut killed = BTreeMap::new();
    let mut next = Vec::new();
    for _ in 0..kills {
        tokio::time::sleep(chance.milliseconds(200, 3_500)).await;
        // Each once, in any order, before one is killed again.
        if next.is_empty() {
            next = Part::ALL.to_vec();
        }
        let part = next.swap_remove(usize::try_from(chance.between(0, next.len() as u64 - 1)).unwrap());
        network.kill(part);
        *killed.entry(part.name()).or_default() += 1;
        tokio::time::sleep(chance.milliseconds(0, 1_000)).await;
        network.spawn(part);
    }
    is_over.store(true, Ordering::Relaxed);
    killed
}

/// Walks the circle until nobody is killed any more, and to its end. What was sold.
async fn circles(network: &Network, story: &Story, undisturbed: B256, is_over: &AtomicBool) -> Vec<Sold> {
    let mut all = Vec::new();
    while !is_over.load(Ordering::Relaxed) {
        let sold = network.sell(&format!("Mails {}", all.len()), MAILS, CHUNK).await;
        network.trust(&sold).await;
        let purse = network.purse(&sold, RECORD_PRICE * u128::from(sold.records)).await;
        let half = MAILS / 2;
        for range in [format!("0..{half}"), format!("0..{MAILS}")] {
            let read = network.read(&sold, &purse, &range).await;
            assert_eq!(read["verified"].as_u64(), range.rsplit('.').next().and_then(|end| end.parse().ok()));
        }
        let story = Story { sold: sold.clone(), ..story.clone() };
        let request = network.train(&story, Training { epochs: EPOCHS, ..Training::default() }).await;
        assert_eq!(network.settled(request).await, undisturbed, "the series of {request}");
        let records = network.path("records.jsonl");
        let words = ["fetch", &sold.id, "--purse", &purse, "--out", records.to_str().unwrap()];
        network.insist(READER, &words, PATIENCE).await;
        let words =
            ["model", "predict", &story.model, "--records", records.to_str().unwrap(), "--limit", "20"];
        let predicted = network.insist(USER, &words, PATIENCE).await;
        assert_eq!(predicted["labelled"], 20, "{predicted}");
        let statement = network.insist(READER, &["billing", "statement", &sold.id], PATIENCE).await;
        let price = RECORD_PRICE * u128::from(sold.records);
        assert_eq!(statement["charged"], price.to_string(), "each record is charged once: {statement}");
        all.push(sold);
    }
    all
}
