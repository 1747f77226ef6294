//! What a relayer does for users, on a whole network and through the client that users have: calls without ETH, and
//! predictions. Each refusal with its reason, and what a restart in the middle leaves.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod network;

use alloy::primitives::aliases::U48;
use alloy::primitives::{Address, B256, Bytes, U256};
use alloy::providers::Provider;
use alloy::signers::SignerSync;
use alloy::sol_types::{SolCall, SolStruct};
use network::{Network, Worker, account, poor, problem};
use offsetdata_protocol::bindings::forwarder::ERC2771Forwarder;
use offsetdata_protocol::bindings::models::ModelRegistry;
use offsetdata_protocol::bindings::token::DevToken;
use offsetdata_protocol::bindings::training::TrainingCoordinator;
use offsetdata_protocol::gateway_api::Text;
use offsetdata_protocol::ids::ModelId;
use offsetdata_protocol::messages::{ForwardRequest, PredictionAnswer, forwarder_domain, relay_domain};
use offsetdata_protocol::record::{Record, Value};
use offsetdata_protocol::relay_api::{
    Prediction, SponsorAnswer, SponsorRequest, SponsorState, predictions_digest,
};
use offsetdata_protocol::worker_api::PredictionOffer;
use offsetdata_sdk::{Account, SdkError, models, token, training};
use serde_json::json;

/// A forward request, signed by `by`.
async fn forward(network: &Network, by: &Account, to: Address, data: Vec<u8>, nonce: u64) -> SponsorRequest {
    let deployment = network.chain.deployment();
    let deadline = network.chain.now().await.unwrap() + 600;
    let message = ForwardRequest {
        from: by.address(),
        to,
        value: U256::ZERO,
        gas: U256::from(400_000),
        nonce: U256::from(nonce),
        deadline: U48::from(deadline),
        data: data.clone().into(),
    };
    let domain = forwarder_domain(deployment.chain_id, deployment.forwarder);
    let signature = by.signer().sign_hash_sync(&message.eip712_signing_hash(&domain)).unwrap();
    SponsorRequest::Forward {
        from: by.address(),
        to,
        gas: 400_000,
        nonce: Text(U256::from(nonce)),
        deadline,
        data: data.into(),
        signature: Bytes::copy_from_slice(&signature.as_bytes()),
    }
}

async fn post(network: &Network, body: &impl serde::Serialize) -> reqwest::Response {
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    client.post(format!("{}/v1/sponsor", network.relayer_url)).json(body).send().await.unwrap()
}

fn project(salt: u8) -> Vec<u8> {
    ModelRegistry::createProjectCall {
        metadataDigest: B256::ZERO,
        metadataUri: String::new(),
        salt: B256::repeat_byte(salt),
    }
    .abi_encode()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_account_without_eth_opens_a_project_requests_a_model_and_its_training_and_gets_its_money_back() {
    let network = Network::start(&["--sponsor-gas-per-day", "30000000"]).await;
    let (offered, collection, user) = (network.offer().await, network.collection().await, poor());
    network.fund(user.address()).await;
    let chain = network.sponsored().await;
    let model = network.model(&chain, &user, offered.base).await;
    let owner = chain
        .call(chain.deployment().model_registry, &ModelRegistry::ownerOfCall { tokenId: model.0.into() })
        .await
        .unwrap();
    assert_eq!(owner, user.address(), "what it signed is its own, whoever sent it");

    let terms = network.train(&chain, &user, model, offered.method, collection).await;
    let left = U256::from(1_000_000) - terms.total;
    assert_eq!(token::balance_of(&chain, user.address()).await.unwrap(), left);
    training::cancel(&chain, &user, terms.request).await.unwrap();
    network
        .until("the cancelled request is closed", || async {
            network.job(terms.request).await.is_some_and(|job| job["state"] == "cancelled")
                && !training::credit_of(&network.chain, user.address()).await.unwrap().is_zero()
        })
        .await;
    training::withdraw(&chain, &user).await.unwrap();
    let (pays, receives) = (account(6), Address::repeat_byte(9));
    let allowed = DevToken::allowanceCall { owner: user.address(), spender: receives };
    token::ensure_allowance(&chain, &user, receives, U256::from(5)).await.unwrap();
    assert_eq!(chain.call(chain.deployment().token, &allowed).await.unwrap(), U256::from(5), "by a permit");
    assert_eq!(chain.provider().get_balance(user.address()).await.unwrap(), U256::ZERO);
    drop(pays);

    // The contract's own reason, as if it had sent the transaction itself.
    let again = models::set_workers(&chain, &user, offered.base, vec![receives], true).await.unwrap_err();
    assert!(again.to_string().contains("ModelRegistry_NotDeveloper"), "{again}");
    let metrics = network.page("/metrics").await;
    for line in [
        "offsetdata_relayer_sponsored_gas ",
        "offsetdata_relayer_jobs{is=\"cancelled\"} 1",
        "index_lag_blocks",
    ] {
        assert!(metrics.contains(line), "{line} in {metrics}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_that_are_not_paid_for() {
    let mut network = Network::start(&[
        "--sponsor-gas-per-day",
        "900000",
        "--sponsor-gas-per-account",
        "500000",
        "--sponsor-gas-per-call",
        "400000",
    ])
    .await;
    let (user, at) = (poor(), network.chain.deployment().clone());
    let registry = at.model_registry;
    let refused = |request: SponsorRequest| {
        let network = &network;
        async move { problem(post(network, &request).await).await }
    };
    let is = |status: u16, code: &str| (status, code.to_owned());

    let foreign = forward(&network, &user, Address::repeat_byte(1), project(1), 0).await;
    assert_eq!(refused(foreign).await, is(403, "foreignTarget"));
    let commit = TrainingCoordinator::commitBatchCall { items: Vec::new() }.abi_encode();
    let forbidden = forward(&network, &user, at.training_coordinator, commit.clone(), 0).await;
    assert_eq!(refused(forbidden).await, is(403, "forbiddenCall"), "a stranger would earn the fees");
    let direct = SponsorRequest::Direct { to: at.training_coordinator, data: commit.into() };
    assert_eq!(refused(direct).await, is(403, "forbiddenCall"));
    let mint = DevToken::mintCall { to: user.address(), amount: U256::ONE }.abi_encode();
    assert_eq!(
        refused(SponsorRequest::Direct { to: at.token, data: mint.into() }).await,
        is(403, "forbiddenCall")
    );
    let wrong = forward(&network, &user, registry, project(1), 7).await;
    assert_eq!(refused(wrong).await, is(409, "wrongNonce"));
    let SponsorRequest::Forward { from, to, gas, nonce, deadline, data, signature } =
        forward(&network, &user, registry, project(1), 0).await
    else {
        panic!()
    };
    let with = |gas: u64, deadline: u64, data: Bytes, signature: Bytes| SponsorRequest::Forward {
        from,
        to,
        gas,
        nonce,
        deadline,
        data,
        signature,
    };
    let altered = with(gas, deadline, project(2).into(), signature.clone());
    assert_eq!(refused(altered).await, is(422, "badSignature"), "signed for another call");
    let none = with(gas, deadline, data.clone(), Bytes::from(vec![0; 65]));
    assert_eq!(refused(none).await, is(422, "badSignature"));
    let dear = with(gas + 1, deadline, data.clone(), signature.clone());
    assert_eq!(refused(dear).await, is(422, "tooMuchGas"));
    for wrong in [1, deadline + 86_400, u64::MAX] {
        let late = with(gas, wrong, data.clone(), signature.clone());
        assert_eq!(refused(late).await, is(409, "wrongDeadline"));
    }
    let delete = ModelRegistry::deleteModelCall { model: B256::repeat_byte(5) }.abi_encode();
    let answer = post(&network, &forward(&network, &user, registry, delete, 0).await).await;
    let reverts: offsetdata_protocol::worker_api::Problem = answer.json().await.unwrap();
    assert_eq!(reverts.code, "reverts");
    assert!(reverts.detail.unwrap().contains("ModelRegistry_"), "the inner reason, not the forwarder's");
    for body in [
        json!({}),
        json!({ "form": "forward" }),
        json!({ "form": "direct", "to": from, "data": "0x", "more": 1 }),
    ] {
        assert_eq!(problem(post(&network, &body).await).await, is(400, "malformed"), "{body}");
    }

    // Taken once, however often it comes; its nonce for nothing else.
    let call = with(gas, deadline, data, signature);
    let id = call.id(at.forwarder);
    for _ in 0..3 {
        let answer = post(&network, &call).await;
        assert_eq!(answer.status(), 202);
        assert_eq!(answer.json::<SponsorAnswer>().await.unwrap().id, id);
    }
    let landed = included(&network, id).await;
    let receipt =
        network.chain.provider().get_transaction_receipt(landed.transaction.unwrap()).await.unwrap();
    assert!(receipt.unwrap().status());
    let again: SponsorAnswer = post(&network, &call).await.json().await.unwrap();
    assert_eq!(again, landed, "a replay is the same call");
    assert_eq!(
        network.chain.call(at.forwarder, &ERC2771Forwarder::noncesCall { owner: from }).await.unwrap(),
        U256::ONE
    );

    // The budget of the account, which a restart does not fill up again.
    network.until("what was used is known", || async { !settling(&network).await }).await;
    let mut nonce = 1;
    let refusal = loop {
        let call = forward(&network, &user, registry, project(10 + nonce as u8), nonce).await;
        let answer = post(&network, &call).await;
        if answer.status() != 202 {
            break problem(answer).await;
        }
        included(&network, call.id(at.forwarder)).await;
        nonce += 1;
        assert!(nonce < 20, "no budget ends this");
    };
    assert_eq!(refusal, is(429, "overBudget"));
    network.kill_relayer();
    network.start_relayer().await;
    let call = forward(&network, &user, registry, project(99), nonce).await;
    assert_eq!(problem(post(&network, &call).await).await, is(429, "overBudget"), "after a restart too");
    // Others have theirs, until the day's is used.
    let mut others = 0;
    let refusal = loop {
        let call = forward(&network, &poor(), registry, project(1), 0).await;
        let answer = post(&network, &call).await;
        if answer.status() != 202 {
            break answer.json::<offsetdata_protocol::worker_api::Problem>().await.unwrap();
        }
        included(&network, call.id(at.forwarder)).await;
        others += 1;
        assert!(others < 20, "no budget ends this");
    };
    assert!(others > 0);
    assert_eq!(refusal.code, "overBudget");
    assert!(refusal.detail.unwrap().contains("all accounts together"));
}

/// Whether the gas of any call still counts with its limit.
async fn settling(network: &Network) -> bool {
    let url = network::database::url_in(network.folder.path());
    let pool = offsetdata_store::connect(&url).await.unwrap();
    let mut conn = pool.acquire().await.unwrap();
    !offsetdata_store::relay::sponsored::list_unsettled(&mut conn, 10).await.unwrap().is_empty()
}

async fn included(network: &Network, id: B256) -> SponsorAnswer {
    for _ in 0..400 {
        let answer: SponsorAnswer =
            serde_json::from_str(&network.page(&format!("/v1/sponsor/{id}")).await).unwrap();
        if answer.state != SponsorState::Queued {
            assert_eq!(answer.state, SponsorState::Included, "{answer:?}");
            return answer;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    panic!("{id} did not land");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_relayer_that_pays_for_nobody_says_so() {
    let network = Network::start(&[]).await;
    let relayer = network.client().await;
    assert_eq!(relayer.info().sponsor, None);
    assert!(matches!(network.chain.with_sponsor(relayer), Err(SdkError::Relayer { .. })));
    let call = forward(&network, &poor(), network.chain.deployment().model_registry, project(1), 0).await;
    assert_eq!(problem(post(&network, &call).await).await, (403, "notSponsored".into()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_that_was_taken_lands_after_the_relayer_was_killed_and_once() {
    let mut network = Network::start(&["--sponsor-gas-per-day", "30000000"]).await;
    let (at, user) = (network.chain.deployment().clone(), poor());
    for round in 0..5u8 {
        let call = forward(&network, &user, at.model_registry, project(round), round.into()).await;
        assert_eq!(post(&network, &call).await.status(), 202);
        tokio::time::sleep(std::time::Duration::from_millis(u64::from(round) * 25)).await;
        network.kill_relayer();
        network.start_relayer().await;
        included(&network, call.id(at.forwarder)).await;
        let nonces = ERC2771Forwarder::noncesCall { owner: user.address() };
        assert_eq!(network.chain.call(at.forwarder, &nonces).await.unwrap(), U256::from(round + 1));
    }
}

fn records(count: u64) -> Vec<Vec<u8>> {
    (0..count).map(|n| Record::from_fields([("n", Value::from(n))]).unwrap().into_bytes()).collect()
}

impl Worker {
    async fn claim_prediction(&self, wait: u32) -> Option<PredictionOffer> {
        let answer = self.post("/v1/predictions/claim", &json!({ "waitSeconds": wait })).await;
        if answer.status() == 204 { None } else { Some(answer.json().await.unwrap()) }
    }

    fn predictions(&self, network: &Network, offer: &PredictionOffer, count: usize) -> serde_json::Value {
        let predictions: Vec<_> =
            (0..count).map(|n| Prediction { label: n as u32 % 10, score_ppm: 900_000 }).collect();
        let message = PredictionAnswer {
            prediction: offer.id,
            artifactDigest: offer.artifact_digest,
            predictionsDigest: predictions_digest(&predictions).into(),
        };
        let deployment = network.chain.deployment();
        let domain = relay_domain(deployment.chain_id, deployment.training_coordinator);
        let signed = self.account.signer().sign_hash_sync(&message.eip712_signing_hash(&domain)).unwrap();
        json!({ "predictions": predictions, "signature": Bytes::copy_from_slice(&signed.as_bytes()) })
    }
}

/// A restricted model with one version, and the worker that trained it.
async fn trained(network: &Network, owner: &Account) -> (ModelId, Worker) {
    let (offered, collection) = (network.offer().await, network.collection().await);
    network.fund(owner.address()).await;
    let model = network.model(&network.chain, owner, offered.base).await;
    network.train(&network.chain, owner, model, offered.method, collection).await;
    let worker = Worker::open(network, account(4)).await;
    let offer = worker.claim().await;
    let (one, head) = worker.commitment(&offer, 1, B256::ZERO, 0, 2, 10);
    worker.commit(&offer, &one).await;
    let finish = worker.finish(&offer, 1, head, 2, 10, b"ciphertext of weights").await;
    let path = format!("/v1/jobs/{}/finish", offer.request);
    assert!(worker.post(&path, &json!(finish)).await.status().is_success());
    network
        .until("the version stands", || async {
            network.job(offer.request).await.is_some_and(|job| job["state"] == "succeeded")
        })
        .await;
    (model, worker)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn predictions_are_for_whoever_may_use_the_model() {
    let mut network = Network::start(&["--prediction-seconds", "2"]).await;
    let owner = account(2);
    let (model, worker) = trained(&network, &owner).await;
    let relayer = network.client().await;

    // A stranger, a version that is not there, records that are none.
    let stranger = relayer.predict(&account(6), model, 0, &records(3)).await.unwrap_err();
    assert!(stranger.to_string().contains("notAllowed"), "{stranger}");
    let unknown = relayer.predict(&owner, model, 2, &records(3)).await.unwrap_err();
    assert!(unknown.to_string().contains("no version 2"), "{unknown}");
    let none = relayer.predict(&owner, model, 0, &[vec![0xff]]).await.unwrap_err();
    assert!(none.to_string().contains("malformed"), "{none}");
    assert!(worker.claim_prediction(0).await.is_none());

    // Answered: the right count, the right signature, and only by who has it.
    let asking = {
        let (relayer, owner) = (relayer.clone(), owner.clone());
        tokio::spawn(async move { relayer.predict(&owner, model, 0, &records(3)).await })
    };
    let offer = worker.claim_prediction(20).await.unwrap();
    assert_eq!((offer.model, offer.version, offer.records.len()), (model.0, 1, 3));
    assert_eq!(offer.records.iter().map(|record| record.0.clone()).collect::<Vec<_>>(), records(3));
    let again = worker.claim_prediction(0).await.unwrap();
    assert_eq!((again.id, again.lease_until), (offer.id, offer.lease_until), "asked again, the same");
    let artifact = worker.get(&format!("/v1/artifacts/{}", offer.artifact_cid)).await;
    assert_eq!(artifact.bytes().await.unwrap(), &b"ciphertext of weights"[..]);
    let other = offsetdata_protocol::cid::file_cid(b"other").to_string();
    assert_eq!(
        problem(worker.get(&format!("/v1/artifacts/{other}")).await).await,
        (404, "noArtifact".into())
    );
    let path = format!("/v1/predictions/{}/answer", offer.id);
    let short = worker.predictions(&network, &offer, 2);
    assert_eq!(problem(worker.post(&path, &short).await).await, (422, "wrongCount".into()));
    let mut forged = worker.predictions(&network, &offer, 3);
    forged["predictions"][0]["label"] = json!(7);
    assert_eq!(problem(worker.post(&path, &forged).await).await, (422, "badSignature".into()));
    let done = worker.predictions(&network, &offer, 3);
    for _ in 0..2 {
        assert_eq!(worker.post(&path, &done).await.status(), 204, "asked again, the same");
    }
    let predicted = asking.await.unwrap().unwrap();
    assert_eq!((predicted.id, predicted.version, predicted.worker), (offer.id, 1, worker.account.address()));
    assert_eq!(predicted.predictions.iter().map(|one| one.label).collect::<Vec<_>>(), [0, 1, 2]);

    // A worker that is not heard loses it, and it is kept over a restart in the middle.
    let asking = {
        let (relayer, owner) = (relayer.clone(), owner.clone());
        tokio::spawn(async move { relayer.predict(&owner, model, 1, &records(2)).await })
    };
    let lost = worker.claim_prediction(20).await.unwrap();
    network.kill_relayer();
    network.start_relayer().await;
    let worker = Worker::open(&network, account(4)).await;
    tokio::time::sleep(std::time::Duration::from_millis(2200)).await;
    let offer = worker.claim_prediction(20).await.unwrap();
    assert_eq!(offer.id, lost.id);
    assert!(offer.lease_until > lost.lease_until);
    let done = worker.predictions(&network, &offer, 2);
    assert_eq!(worker.post(&format!("/v1/predictions/{}/answer", offer.id), &done).await.status(), 204);
    assert_eq!(asking.await.unwrap().unwrap().predictions.len(), 2);

    // Three tries and no more.
    let asking = {
        let (relayer, owner) = (relayer.clone(), owner.clone());
        tokio::spawn(async move { relayer.predict(&owner, model, 1, &records(1)).await })
    };
    for _ in 0..3 {
        let offer = worker.claim_prediction(20).await.unwrap();
        let failure = json!({ "reason": "no memory", "retryable": true });
        let path = format!("/v1/predictions/{}/fail", offer.id);
        assert_eq!(worker.post(&path, &failure).await.status(), 204);
    }
    let failed = asking.await.unwrap().unwrap_err();
    assert!(failed.to_string().contains("no memory"), "{failed}");

    // Deleted: for its owner no more either.
    let registry = network.chain.deployment().model_registry;
    network.chain.send(&owner, registry, &ModelRegistry::deleteModelCall { model: model.0 }).await.unwrap();
    let deleted = relayer.predict(&owner, model, 0, &records(1)).await.unwrap_err();
    assert!(deleted.to_string().contains("notAllowed"), "{deleted}");
}
