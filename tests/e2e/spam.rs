//! Real mails are published as a collection, and a model that tells spam is trained on it by the whole network: what it
//! says of the mails that were held out, counted outside the worker, is what stands on the chain.

use super::network::{Network, PATIENCE, PUBLISHER, Settings, USER};

/// All mails of the committed sample.
const MAILS: usize = 3023;
const GOAL: f64 = 0.96;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_model_trained_by_the_whole_network_tells_spam() {
    let network = Network::start(Settings::default()).await;
    let published = network.publish_open("Mails", 0, MAILS).await;
    assert_eq!(published["records"], MAILS);
    let collection = published["id"].as_str().unwrap();
    let verified = network.run(PUBLISHER, &["collection", "verify", collection, "--on-chain", "5"]).await;
    assert_eq!(verified["verified"], MAILS, "{verified}");

    // Trained with what the trainer does by itself: `begin` sells a few mails, this is about all of them.
    let story = network.begin(20, 32).await;
    let words = [
        "train",
        "request",
        "--model",
        &story.model,
        "--collection",
        collection,
        "--method",
        "text-classifier",
        "--validation",
        "10",
        "--test",
        "20",
    ];
    let request = network.run(USER, &words).await["request"].as_str().unwrap().to_owned();
    network.settled(request.parse().unwrap()).await;
    let result = network.run(USER, &["train", "result", &request]).await;
    let committed = result["version"]["values"]["testAccuracy"].as_f64().unwrap();
    assert!(committed >= GOAL, "{committed} of the mails that were held out, expected {GOAL}");

    let read = network.path("read.jsonl");
    let read = read.to_str().unwrap();
    network.run(USER, &["fetch", collection, "--out", read]).await;
    let words =
        ["model", "predict", &story.model, "--records", read, "--split", "test", "--request", &request];
    let predicted = network.insist(USER, &words, PATIENCE).await;
    let counted = predicted["accuracy"].as_f64().unwrap();
    assert!((counted - committed).abs() < 1e-6, "counted {counted}, committed {committed}: {predicted}");
    network.check(&[]).await;
}
