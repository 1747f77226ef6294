//! How receipts are landed, whatever happens between the key and the settlement: kills, requests without a result, reorgs.

use std::time::Duration;

use offsetdata_protocol::bindings::training::TrainingCoordinator;
use offsetdata_protocol::gateway_api::{Refusal, TrainKeyRequest};
use offsetdata_protocol::ids::details_hash;
use serde_json::json;

use super::killing::Process;
use super::training::world;
use crate::support::training::{ALL_RECORDS, TRAIN_PRICE, Training};
use crate::support::{PER_CHUNK, RECORDS, eventually, now};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_between_key_and_settlement_nothing_is_lost_or_paid_twice() {
    let mut world = world().await;
    let training = Training::new(&world).await;
    let mut worker = training.reader(&world).await;
    training.open(&worker, &training.upload(1)).await.unwrap();
    world.stop().await;
    let listen = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    worker.url = format!("http://{listen}");
    worker.info.audience = worker.url.clone();
    let reading = async {
        let mut answers = Vec::new();
        for chunk in 0..RECORDS.div_ceil(PER_CHUNK) {
            let receipt = training.receipt(1, 0, RECORDS.min((chunk + 1) * PER_CHUNK));
            let body = TrainKeyRequest { attempt: 1, reader_key: worker.reader_key(), receipt };
            let path =
                format!("{}/v1/trainings/{}/inputs/0/chunks/{chunk}/key", worker.url, training.terms.request);
            let mut tries = 0;
            let answer = loop {
                tries += 1;
                assert!(tries < 600, "no key for chunk {chunk}");
                let call = worker.client.post(&path).bearer_auth(&worker.token).json(&body);
                let Ok(answer) = call.send().await else {
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    continue;
                };
                let success = answer.status().is_success();
                let Ok(text) = answer.text().await else { continue };
                if success {
                    break text;
                }
                let refusal: Refusal = serde_json::from_str(&text).unwrap();
                assert!(refusal.retry_after_seconds.is_some(), "{refusal:?}");
                tokio::time::sleep(Duration::from_millis(100)).await;
            };
            answers.push((path, body, answer));
        }
        for _ in 0..4 {
            tokio::time::sleep(Duration::from_millis(300)).await;
            for (path, body, answer) in &answers {
                for _ in 0..100 {
                    let call = worker.client.post(path).bearer_auth(&worker.token).json(body);
                    let Ok(again) = call.send().await else {
                        tokio::time::sleep(Duration::from_millis(100)).await;
                        continue;
                    };
                    let success = again.status().is_success();
                    if let Ok(text) = again.text().await
                        && success
                    {
                        assert_eq!(text, *answer, "the same bytes");
                        break;
                    }
                }
            }
        }
        training.finish(&world).await;
        eventually("the receipt lands", async || {
            world.node.mine(1).await;
            (training.paid(&world).await == RECORDS).then_some(())
        })
        .await;
    };
    let killing = async {
        for round in 0u64.. {
            let process = Process::start_at(&world, &listen);
            tokio::time::sleep(Duration::from_millis(700 + 270 * (round % 5))).await;
            drop(process);
        }
    };
    tokio::select! {
        () = reading => {}
        () = killing => unreachable!(),
    }
    assert_eq!(training.credit(&world, world.publisher.address()).await, ALL_RECORDS);
    // Nothing is left to do after the last death.
    let context = world.bind().await;
    let before = world.node.transactions_of(context.address()).await;
    for round in 1..10 {
        context.settle_due(now() + 1000 * round).await.unwrap();
        world.node.mine(1).await;
    }
    assert_eq!(world.node.transactions_of(context.address()).await, before);
    assert_eq!(training.paid(&world).await, RECORDS);
}

/// The whole receipt of the first chunk, given; the gateway is stopped afterwards and driven by hand.
async fn one_chunk() -> (crate::support::World, Training, offsetdata_gateway::context::Context) {
    let mut world = world().await;
    let training = Training::new(&world).await;
    let worker = training.reader(&world).await;
    training.open(&worker, &training.upload(1)).await.unwrap();
    training.key(&worker, 0, 1, training.receipt(1, 0, PER_CHUNK)).await.unwrap();
    world.stop().await;
    let context = world.bind().await;
    (world, training, context)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_expired_request_pays_within_its_window() {
    let (world, training, context) = one_chunk().await;
    context.settle_due(now() + 10).await.unwrap();
    assert_eq!(training.paid(&world).await, 0, "it runs");
    let last = training.terms.escrow.landing.startDeadline.to::<u64>();
    world.node.call("evm_setNextBlockTimestamp", json!([last + 1])).await;
    world.node.mine(1).await;
    let call = TrainingCoordinator::expireCall {
        escrow: training.terms.escrow.clone(),
        detailsHash: details_hash(&training.terms.details),
    };
    world.node.send(&training.developer, world.node.deployment.training_coordinator, &call).await;
    context.settle_due(now() + 20).await.unwrap();
    let paid = u128::from(PER_CHUNK) * TRAIN_PRICE;
    assert_eq!(training.credit(&world, world.publisher.address()).await, paid);
    // Again and again it changes nothing.
    let sent = world.node.transactions_of(context.address()).await;
    for round in 3..8 {
        world.node.mine(1).await;
        context.settle_due(now() + 10 * round).await.unwrap();
    }
    assert_eq!(world.node.transactions_of(context.address()).await, sent);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_landing_that_a_reorg_takes_is_landed_again() {
    let (world, training, context) = one_chunk().await;
    training.finish(&world).await;
    context.settle_due(now() + 10).await.unwrap();
    assert_eq!(training.paid(&world).await, PER_CHUNK);
    world.node.reorg(1).await;
    assert_eq!(training.paid(&world).await, 0, "the reorg took it");
    context.settle_due(now() + 20).await.unwrap();
    assert_eq!(training.paid(&world).await, PER_CHUNK);
    world.node.mine(2).await;
    let sent = world.node.transactions_of(context.address()).await;
    for round in 3..8 {
        context.settle_due(now() + 10 * round).await.unwrap();
    }
    assert_eq!(world.node.transactions_of(context.address()).await, sent);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_the_window_nothing_is_tried_any_more() {
    let (world, training, context) = one_chunk().await;
    training.finish(&world).await;
    let head = context.chain.head().await.unwrap();
    let over = head.timestamp + u64::from(training.terms.escrow.receiptWindow) + 2;
    world.node.call("evm_setNextBlockTimestamp", json!([over])).await;
    world.node.mine(2).await;
    let sent = world.node.transactions_of(context.address()).await;
    for round in 1..5 {
        context.settle_due(now() + 100 * round).await.unwrap();
    }
    assert_eq!(world.node.transactions_of(context.address()).await, sent);
    assert_eq!(training.paid(&world).await, 0);
}
