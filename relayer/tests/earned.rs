//! What a relayer earns and what it does for nothing: its fees come out by themselves or when asked, requests whose time
//! has passed are ended, and commitments of several requests land together.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod network;

use std::collections::BTreeMap;
use std::time::Duration;

use alloy::primitives::{B256, U256};
use network::{Network, Worker, account, poor};
use offsetdata_protocol::bindings::training::TrainingCoordinator::{CommitmentLanded, stateOfCall};
use offsetdata_relayer::withdraw::withdraw;
use offsetdata_sdk::{token, training};
use offsetdata_store::connect;
use offsetdata_store::relay::counts::landed_by_kind;
use offsetdata_store::relay::transactions::list_recent;
use serde_json::json;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commitments_of_several_requests_travel_together_and_each_earns_its_fee() {
    let workers = [poor(), poor(), poor()];
    let allowed: Vec<String> = workers.iter().map(|worker| worker.address().to_string()).collect();
    let signers = [poor(), poor()];
    let keys: Vec<String> = signers.iter().map(|signer| signer.signer().to_bytes().to_string()).collect();
    let (keys, allowed) = (keys.join(","), allowed.join(","));
    let network = Network::start(&["--signer-key", &keys, "--allow-worker", &allowed]).await;
    let fund = |wei: &'static str| {
        let (network, signers) = (&network, &signers);
        async move {
            for signer in signers {
                network.call("anvil_setBalance", json!([signer.address(), wei])).await;
            }
            network.call("evm_mine", json!([])).await;
        }
    };
    fund("0x3635c9adc5dea000000").await;
    let (offered, collection, user) = (network.offer().await, network.collection().await, account(2));
    network.fund(user.address()).await;
    let model = network.model(&network.chain, &user, offered.base).await;
    let mut open = Vec::new();
    for (salt, worker) in workers.into_iter().enumerate() {
        let salt = u32::try_from(salt).unwrap();
        network.train_salted(&network.chain, &user, model, offered.method, collection, salt).await;
        let worker = Worker::open(&network, worker).await;
        let offer = worker.claim().await;
        let (first, head) = worker.commitment(&offer, 1, B256::ZERO, 0, 1, 1);
        worker.commit(&offer, &first).await;
        open.push((worker, offer, head));
    }
    let pool = connect(&network.database()).await.unwrap();
    let landed = || async {
        let counts = landed_by_kind(&mut pool.acquire().await.unwrap()).await.unwrap();
        counts.into_iter().collect::<BTreeMap<String, u64>>()
    };
    network.until("the first ones land", || async { landed().await.get("commitAssigned") == Some(&3) }).await;

    // Nobody can send: ten commitments of each wait, and then land in far fewer transactions.
    fund("0x0").await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    for (worker, offer, head) in &mut open {
        for sequence in 2..12 {
            let (upload, next) =
                worker.commitment(offer, sequence, *head, sequence - 1, 1, u64::from(sequence));
            worker.commit(offer, &upload).await;
            *head = next;
        }
    }
    fund("0x3635c9adc5dea000000").await;
    network.until("all land", || async { landed().await.get("commit") == Some(&30) }).await;
    let batches = landed().await["commitBatch"];
    assert!((2..=6).contains(&batches), "{batches} batches carried 30 commitments");
    let at = network.chain.deployment().training_coordinator;
    let mut fees = U256::ZERO;
    for (_, offer, _) in &open {
        let events = network.chain.events::<CommitmentLanded>(at, offer.request).await.unwrap();
        let sequences: Vec<u32> = events.iter().map(|(event, _)| event.sequence).collect();
        assert_eq!(sequences, (1..12).collect::<Vec<u32>>(), "in order, none twice");
        let state = network.chain.call(at, &stateOfCall { id: offer.request }).await.unwrap();
        assert_eq!(state.sequence, 11);
        // Five for each landing.
        fees += U256::from(5 * 11);
    }
    let mut owed = U256::ZERO;
    for signer in &signers {
        owed += training::credit_of(&network.chain, signer.address()).await.unwrap();
    }
    assert_eq!(owed, fees, "to the signers, whichever landed it");

    // Taken out while the relayer runs, and again with nothing owed.
    let config = network.config().config;
    let withdrawn = withdraw(&config, Duration::from_secs(60)).await.unwrap();
    let taken: U256 = withdrawn.iter().map(|one| one.amount).sum();
    assert_eq!(taken, fees, "{withdrawn:?}");
    let mut held = U256::ZERO;
    for signer in &signers {
        held += token::balance_of(&network.chain, signer.address()).await.unwrap();
    }
    assert_eq!(held, fees);
    let again = withdraw(&config, Duration::from_secs(60)).await.unwrap();
    assert!(again.iter().all(|one| one.state == "nothing"), "{again:?}");
}

async fn has_landed(network: &Network, request: B256, number: usize) -> bool {
    let at = network.chain.deployment().training_coordinator;
    network.chain.events::<CommitmentLanded>(at, request).await.unwrap().len() == number
}

/// Anyone may land what was signed. Where a reorg takes that away again, the relayer does.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_somebody_else_landed_is_landed_when_a_reorg_takes_it_away() {
    let signer = poor();
    let key = signer.signer().to_bytes().to_string();
    let network = Network::start(&["--signer-key", &key]).await;
    let (offered, collection, user) = (network.offer().await, network.collection().await, account(2));
    network.fund(user.address()).await;
    let model = network.model(&network.chain, &user, offered.base).await;
    network.train(&network.chain, &user, model, offered.method, collection).await;
    let worker = Worker::open(&network, account(4)).await;
    let offer = worker.claim().await;
    let (one, _) = worker.commitment(&offer, 1, B256::ZERO, 0, 1, 1);
    worker.commit(&offer, &one).await;

    let pool = connect(&network.database()).await.unwrap();
    let row = || async { list_recent(&mut pool.acquire().await.unwrap(), 1).await.unwrap().remove(0) };
    let (at, outsider) = (network.chain.deployment().training_coordinator, account(7).address());
    let call = json!({ "from": outsider, "to": at, "data": row().await.calldata, "gas": "0x7a120" });
    network.call("eth_sendTransaction", json!([call])).await;
    network.until("somebody lands it", || has_landed(&network, offer.request, 1)).await;
    let fund = || async {
        network.call("anvil_setBalance", json!([signer.address(), "0x3635c9adc5dea000000"])).await;
        network.call("evm_mine", json!([])).await;
    };
    fund().await;
    network.until("the relayer sees it", || async { row().await.state == "superseded" }).await;
    assert_eq!(training::credit_of(&network.chain, outsider).await.unwrap(), U256::from(5));

    network.call("anvil_reorg", json!([2, []])).await;
    assert!(!has_landed(&network, offer.request, 1).await, "it is gone");
    fund().await;
    // Blocks come, as they do elsewhere: what a node refused in the middle of a reorg is sent again with each.
    let lands = || async {
        network.call("evm_mine", json!([])).await;
        has_landed(&network, offer.request, 1).await
    };
    network.until("the relayer lands it", lands).await;
    network.until("and knows", || async { row().await.state == "confirmed" }).await;
    assert_eq!(training::credit_of(&network.chain, signer.address()).await.unwrap(), U256::from(5));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fees_come_out_by_themselves_above_a_limit_and_by_command_without_a_relayer() {
    let mut network = Network::start(&["--withdraw-above", "4"]).await;
    let (offered, collection, user) = (network.offer().await, network.collection().await, account(2));
    network.fund(user.address()).await;
    let model = network.model(&network.chain, &user, offered.base).await;
    network.train(&network.chain, &user, model, offered.method, collection).await;
    let worker = Worker::open(&network, account(4)).await;
    let offer = worker.claim().await;
    let (one, head) = worker.commitment(&offer, 1, B256::ZERO, 0, 1, 1);
    worker.commit(&offer, &one).await;
    network.until("it lands", || has_landed(&network, offer.request, 1)).await;
    // It looks once a minute, and at its start.
    network.kill_relayer();
    network.start_relayer().await;
    let signer = account(5).address();
    let balance = || async { token::balance_of(&network.chain, signer).await.unwrap() };
    network.until("the fee comes", || async { balance().await == U256::from(5) }).await;

    let (two, _) = worker.commitment(&offer, 2, head, 1, 1, 2);
    worker.commit(&offer, &two).await;
    network.until("it lands", || has_landed(&network, offer.request, 2)).await;
    network.kill_relayer();
    let withdrawn = withdraw(&network.config().config, Duration::from_secs(60)).await.unwrap();
    assert_eq!((withdrawn[0].signer, withdrawn[0].amount), (signer, U256::from(5)));
    assert_eq!(withdrawn[0].state, "confirmed", "{withdrawn:?}");
    assert_eq!(token::balance_of(&network.chain, signer).await.unwrap(), U256::from(10));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_whose_time_has_passed_is_ended_where_the_operator_wants_it() {
    let network = Network::start(&["--expire"]).await;
    let (offered, collection, user) = (network.offer().await, network.collection().await, account(2));
    network.fund(user.address()).await;
    let model = network.model(&network.chain, &user, offered.base).await;
    let terms = network.train(&network.chain, &user, model, offered.method, collection).await;
    network
        .until("it is queued", || async {
            network.job(terms.request).await.is_some_and(|job| job["state"] == "queued")
        })
        .await;
    network.call("evm_increaseTime", json!([100_000])).await;
    network.call("evm_mine", json!([])).await;
    let credit = || async { training::credit_of(&network.chain, user.address()).await.unwrap() };
    // What is meant for data stays claimable for a while.
    let rest = terms.total - U256::from(terms.escrow.dataEscrow);
    network.until("the user has its money back", || async { !credit().await.is_zero() }).await;
    assert_eq!(credit().await, rest);
    network
        .until("the job says so", || async {
            network.job(terms.request).await.is_some_and(|job| job["state"] == "expired")
        })
        .await;
}
