//! Checkpoints on a whole network: a worker that dies at each point, the next one that goes on, and a result that is the
//! same as without it. What comes late is refused.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod network;

use alloy::primitives::B256;
use network::{Network, Worker, account, points, problem};
use offsetdata_protocol::Digest;
use offsetdata_protocol::bindings::training::TrainingCoordinator::{
    CommitmentLanded, VersionAppended, stateOfCall,
};
use offsetdata_protocol::metrics::series_root;
use serde_json::json;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_that_dies_is_followed_by_one_that_goes_on_from_the_checkpoint() {
    let network = Network::start(&["--lease-seconds", "2"]).await;
    let (offered, collection, user) = (network.offer().await, network.collection().await, account(2));
    network.fund(user.address()).await;
    let model = network.model(&network.chain, &user, offered.base).await;
    let terms = network.train(&network.chain, &user, model, offered.method, collection).await;
    let (request, at) = (terms.request, network.chain.deployment().training_coordinator);
    let worker = Worker::open(&network, account(4)).await;
    let path = |call: &str| format!("/v1/jobs/{request}/{call}");
    let place = |attempt: u8, sequence: u32, points: u32, units: u64| {
        path(&format!("checkpoint?attempt={attempt}&sequence={sequence}&pointCount={points}&units={units}"))
    };

    // Attempt 1 dies before it committed anything.
    let first = worker.claim().await;
    assert_eq!((first.attempt, first.resume_point, first.checkpoint), (1, 0, None));
    assert_eq!(problem(worker.put(&place(1, 0, 0, 0), vec![1]).await).await, (409, "wrongCheckpoint".into()));

    // Attempt 2: two commitments, a checkpoint after the first of them, then it dies.
    let second = worker.claim_after_loss(1).await;
    assert_eq!((second.attempt, second.resume_point, second.sequence), (2, 0, 0));
    let (one, head) = worker.commitment(&second, 1, B256::ZERO, 0, 4, 40);
    worker.commit(&second, &one).await;
    let (two, head) = worker.commitment(&second, 2, head, 4, 4, 80);
    worker.commit(&second, &two).await;
    for wrong in [place(2, 2, 4, 80), place(2, 3, 8, 80), place(2, 1, 4, 41)] {
        assert_eq!(
            problem(worker.put(&wrong, vec![1]).await).await,
            (409, "wrongCheckpoint".into()),
            "{wrong}"
        );
    }
    assert_eq!(problem(worker.put(&place(1, 1, 4, 40), vec![1]).await).await, (409, "staleAttempt".into()));
    let state = vec![9u8; 3_000_000];
    for _ in 0..2 {
        let stored = worker.put(&place(2, 1, 4, 40), state.clone()).await;
        let stored: serde_json::Value = stored.json().await.unwrap();
        assert_eq!(stored["digest"], json!(B256::from(Digest::of(&state))), "asked again, the same");
    }

    // Attempt 3 goes on after the checkpoint: points 4 … 7 are measured again.
    let third = worker.claim_after_loss(2).await;
    let checkpoint = third.checkpoint.unwrap();
    assert_eq!((third.attempt, third.resume_point, third.sequence, third.head), (3, 4, 2, head));
    assert_eq!((checkpoint.attempt, checkpoint.point_count, checkpoint.units), (2, 4, 40));
    assert_eq!((checkpoint.digest, checkpoint.bytes), (B256::from(Digest::of(&state)), 3_000_000));
    let bytes = worker.get(&path("checkpoint")).await.bytes().await.unwrap();
    assert_eq!(bytes, state);

    // What attempt 2 still says is late, whatever it is.
    let (late, _) = worker.commitment(&second, 3, head, 8, 1, 90);
    assert_eq!(
        problem(worker.post(&path("commitments"), &json!(late)).await).await,
        (409, "staleAttempt".into())
    );
    assert_eq!(problem(worker.put(&place(2, 2, 8, 80), vec![1]).await).await, (409, "staleAttempt".into()));
    // Points have to go on from the resume point, units from those of the checkpoint.
    let (gap, _) = worker.commitment(&third, 3, head, 8, 1, 90);
    assert_eq!(
        problem(worker.post(&path("commitments"), &json!(gap)).await).await,
        (409, "wrongPoint".into())
    );
    let (fell, _) = worker.commitment(&third, 3, head, 4, 1, 39);
    assert_eq!(
        problem(worker.post(&path("commitments"), &json!(fell)).await).await,
        (409, "unitsFell".into())
    );

    let (three, head) = worker.commitment(&third, 3, head, 4, 2, 60);
    worker.commit(&third, &three).await;
    let newer = vec![8u8; 100];
    assert!(worker.put(&place(3, 3, 6, 60), newer.clone()).await.status().is_success());
    let folder = network.folder.path().join("artifacts/checkpoints");
    assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 1, "the newest replaced the older");

    // Attempt 3 gives the job back, which is no failure; attempt 4 finishes.
    for _ in 0..2 {
        let released = worker.post(&path("release"), &json!({ "attempt": 3 })).await;
        assert!(released.status().is_success(), "asked again, the same");
    }
    let fourth = worker.claim().await;
    assert_eq!((fourth.attempt, fourth.resume_point, fourth.sequence), (4, 6, 3));
    assert_eq!(fourth.checkpoint.unwrap().digest, B256::from(Digest::of(&newer)));
    let (four, head) = worker.commitment(&fourth, 4, head, 6, 4, 100);
    worker.commit(&fourth, &four).await;
    let finish = worker.finish(&fourth, 4, head, 10, 100, b"ciphertext").await;
    let mut stale = finish.clone();
    stale.attempt = 3;
    assert_eq!(
        problem(worker.post(&path("finish"), &json!(stale)).await).await,
        (409, "staleAttempt".into())
    );
    let mut foreign = finish.clone();
    foreign.artifact_cid = B256::repeat_byte(3);
    assert_eq!(
        problem(worker.post(&path("finish"), &json!(foreign)).await).await,
        (422, "artifactCid".into())
    );
    let done = worker.post(&path("finish"), &json!(finish)).await;
    assert!(done.status().is_success(), "{}", done.text().await.unwrap());

    network
        .until("the settlement lands", || async {
            network.job(request).await.is_some_and(|job| job["state"] == "succeeded")
        })
        .await;
    let versions = network.chain.events::<VersionAppended>(at, model.0).await.unwrap();
    let settled = &versions[0].0.settlement;
    let undisturbed = B256::from(series_root(&points(0, 10)).unwrap());
    assert_eq!((settled.seriesRoot, settled.pointCount), (undisturbed, 10));
    let landed = network.chain.events::<CommitmentLanded>(at, request.0).await.unwrap();
    let landed: Vec<_> =
        landed.iter().map(|(event, _)| (event.sequence, event.pointCount, event.units.to::<u64>())).collect();
    assert_eq!(landed, [(1, 4, 40), (2, 8, 80), (3, 6, 60), (4, 10, 100)]);
    let state = network.chain.call(at, &stateOfCall { id: request.0 }).await.unwrap();
    assert_eq!((state.attempt, state.units.to::<u64>()), (4, 100), "units are a high-water mark");
    network
        .until("the checkpoint goes with the job", || async {
            std::fs::read_dir(&folder).unwrap().count() == 0
        })
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_that_nears_its_end_is_asked_for_a_checkpoint_and_goes_on_as_another_attempt() {
    let network = Network::start(&["--lease-seconds", "2", "--run-seconds", "10"]).await;
    let (offered, collection, user) = (network.offer().await, network.collection().await, account(2));
    network.fund(user.address()).await;
    let model = network.model(&network.chain, &user, offered.base).await;
    let request = network.train(&network.chain, &user, model, offered.method, collection).await.request;
    let worker = Worker::open(&network, account(4)).await;
    let offer = worker.claim().await;
    let (one, _) = worker.commitment(&offer, 1, B256::ZERO, 0, 2, 10);
    worker.commit(&offer, &one).await;
    let beat = json!({ "attempt": 1, "phase": "training", "progressPpm": 1 });
    let path = format!("/v1/jobs/{request}/heartbeat");
    let heartbeat = || worker.post(&path, &beat);
    network
        .until("it is asked for a checkpoint", || async {
            let answer: serde_json::Value = heartbeat().await.json().await.unwrap();
            answer["action"] == "checkpoint"
        })
        .await;
    let place = format!("/v1/jobs/{request}/checkpoint?attempt=1&sequence=1&pointCount=2&units=10");
    assert!(worker.put(&place, vec![5; 10]).await.status().is_success());
    let answer: serde_json::Value = heartbeat().await.json().await.unwrap();
    assert_eq!(answer["action"], "continue", "it is there");
    network.until("the run ends", || async { heartbeat().await.status() == 409 }).await;
    let next = worker.claim().await;
    assert_eq!((next.attempt, next.resume_point), (2, 2));
}
