//! Relayer and worker gone for good in the middle of a paid training, and before another one began: once its time has
//! passed a stranger ends each, everyone has what is theirs to the wei, and the price of data stands for receipts until
//! their window ends.

use alloy::primitives::U256;
use offsetdata_sdk::training::Status;

use super::network::{Network, PATIENCE, Part, STRANGER, Settings, TRAIN_PRICE, Training, until};

/// Longer than `--end-within` below with the grace of a request.
const PAST_THE_END: u64 = 3600;
/// Longer than the window for receipts.
const PAST_THE_WINDOW: u64 = 3700;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stranger_ends_what_everyone_has_left() {
    let network = Network::start(Settings::default()).await;
    let story = network.begin(96, 32).await;
    let ends = ["--start-within", "20", "--end-within", "40"];
    let begun = network.train(&story, Training { epochs: 1000, more: &ends, ..Training::default() }).await;
    network.landed(begun, 2).await;
    for part in [Part::Worker, Part::Relayer, Part::Gateway] {
        network.kill(part);
    }
    let waiting = network.train(&story, Training { relay_fee: 1, more: &ends, ..Training::default() }).await;

    let words = [begun, waiting].map(|request| request.to_string());
    let early = network.refused(STRANGER, &["train", "expire", &words[0]]).await;
    assert!(early.contains("TooEarly"), "{early}");
    network.node.travel(PAST_THE_END).await;
    let data = U256::from(TRAIN_PRICE) * U256::from(story.sold.records);
    for request in &words {
        let ended = network.run(STRANGER, &["train", "expire", request]).await;
        assert_eq!((&ended["status"], &ended["closed"]), (&"EXPIRED".into(), &true.into()), "{ended}");
        assert_eq!(ended["dataEscrowOpen"], data.to_string(), "{ended}");
    }
    let first = network.outcome(begun).await.unwrap();
    assert!(!first.developer_paid.is_zero() && !first.relay_paid.is_zero() && !first.refunded.is_zero());
    let second = network.outcome(waiting).await.unwrap();
    assert_eq!(second.refunded + data, second.facts.escrowed(), "nothing was done for it");

    // The publisher's gateway comes back within the window, and lands the worker's receipt.
    network.start_part(Part::Gateway).await;
    until("the publisher is paid for what was read", PATIENCE, async || {
        network.outcome(begun).await.filter(|outcome| outcome.data_open.is_zero()).map(drop)
    })
    .await;
    let first = network.outcome(begun).await.unwrap();
    assert_eq!((first.data_paid(), first.data_returned), (data, U256::ZERO));

    // Nothing was read for the other one: its price stays where it is, and goes back after the window.
    let stands = network.run(STRANGER, &["train", "expire", &words[1]]).await;
    assert_eq!(stands["dataEscrowOpen"], data.to_string(), "{stands}");
    network.node.travel(PAST_THE_WINDOW).await;
    network.run(STRANGER, &["train", "expire", &words[1]]).await;
    let second = network.outcome(waiting).await.unwrap();
    assert_eq!((second.data_returned, second.data_open), (data, U256::ZERO));
    assert_eq!([first.facts.status, second.facts.status], [Status::Expired; 2]);
    network.check(&[]).await;
}
