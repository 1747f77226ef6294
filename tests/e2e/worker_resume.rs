//! A real worker that is killed, or stops and comes back too late: another one goes on from its checkpoint, the series
//! ends at the root of an undisturbed run, and what the first one says late is refused by relayer and contract alike.
//!
//! Replayed sequences, edited points, foreign signatures and wrong attempts are refused one by one in
//! `relayer/src/checks/tests.rs`, `relayer/src/http/tests.rs` and `relayer/tests/resume.rs`; by the contract in
//! `tests/contracts/unit/TrainingCoordinator/{Commit,Settle}.t.sol`.

use alloy::sol_types::SolCall;
use nix::sys::signal::Signal;
use offsetdata_protocol::Digest;
use offsetdata_protocol::bindings::training::TrainingCoordinator::{
    AttemptAssigned, Commitment, Settlement, TrainingRequested, commitCall, settleCall,
};
use offsetdata_protocol::ids::{RequestId, details_hash, terms_hash};
use offsetdata_protocol::worker_api::{CommitmentUpload, Finish};
use offsetdata_sdk::training::terms_of;
use serde_json::{Value, json};

use super::network::{Call, Network, PATIENCE, Part, Proxy, Settings, Training, account, free_ports, until};

/// Long enough for checkpoints in the middle.
const EPOCHS: u32 = 400;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_worker_goes_on_and_the_first_one_is_too_late() {
    let [port] = free_ports();
    let proxy = Proxy::start(format!("http://127.0.0.1:{port}")).await;
    let network = Network::start(Settings {
        relayer_url: Some(proxy.url.clone()),
        relayer_port: Some(port),
        checkpoint_seconds: 1,
        ..Settings::default()
    })
    .await;
    let story = network.begin(120, 32).await;
    let train = async |relay_fee| {
        network.train(&story, Training { epochs: EPOCHS, relay_fee, ..Training::default() }).await
    };
    let undisturbed = network.settled(train(1000).await).await;

    // Killed behind a checkpoint, in the middle.
    let request = train(1001).await;
    behind_a_checkpoint(&network, &proxy, request).await;
    network.kill(Part::Worker);
    network.start_part(Part::Second).await;
    assert_eq!(network.settled(request).await, undisturbed, "the series of a worker that was killed");
    let attempts = attempts(&network, request).await;
    assert!(attempts.len() == 2 && attempts[1].resumePoint > 0, "{attempts:?}");
    assert_ne!(attempts[0].worker, attempts[1].worker);

    // The first one comes back, does all of a training, and sleeps with the result on its lips.
    network.stop(Part::Second).await;
    network.start_part(Part::Worker).await;
    proxy.hold("/finish");
    let request = train(1002).await;
    let job = format!("/v1/jobs/{request}/");
    let late = proxy.call("/finish", |call| call.path.starts_with(&job)).await;
    network.signal(Part::Worker, Signal::SIGSTOP);
    network.start_part(Part::Second).await;
    let second = |call: &Call| call.path.starts_with(&job) && call.body["attempt"] == 2;
    let newer = proxy.call("/commitments", second).await;
    network.landed(request, upload(&newer).sequence).await;

    // Now that a later attempt has landed, the contract takes nothing of the one before,
    let older = proxy.call("/commitments", |call| call.path.starts_with(&job)).await;
    assert_refused(&settle(&network, request, &late).await, "StaleAttempt");
    assert_refused(&commit(&network, request, &older, |_| {}).await, "StaleAttempt");
    // nor the same twice, nor another place or other points than were signed.
    assert_refused(&commit(&network, request, &newer, |_| {}).await, "WrongSequence");
    let last = proxy.calls("/commitments").into_iter().rfind(second).unwrap();
    network.landed(request, upload(&last).sequence).await;
    let moved = |commitment: &mut Commitment| commitment.sequence = upload(&last).sequence + 1;
    assert_refused(&commit(&network, request, &last, moved).await, "Signature");
    // The relayer neither: not what was edited,
    let mut edited = last.body.clone();
    edited["units"] = json!(upload(&last).units + 1);
    let answer = post(&network, &last, &edited).await;
    assert_eq!(answer.0, 409, "{answer:?}");
    // nor the result that comes late.
    proxy.release();
    network.signal(Part::Worker, Signal::SIGCONT);
    let answered = |call: &Call| call.body == late.body && call.answered.is_some();
    let (status, problem) = proxy.call("/finish", answered).await.answered.unwrap();
    assert_eq!((status, &problem["code"]), (409, &json!("staleAttempt")), "{problem}");
    assert_eq!(network.settled(request).await, undisturbed, "the series of a worker that was too late");
    assert_refused(&settle(&network, request, &late).await, "WrongStatus");
    network.check(&[]).await;
}

/// Waits until a checkpoint of the request is kept and a commitment behind it was accepted.
async fn behind_a_checkpoint(network: &Network, proxy: &Proxy, request: RequestId) {
    let job = format!("/v1/jobs/{request}/");
    let is_taken = |call: &&Call| call.answered.as_ref().is_some_and(|answer| answer.0 == 200);
    until("a checkpoint, and a commitment behind it", PATIENCE, async || {
        let all = proxy.calls("");
        let mut of_job = all.iter().filter(|call| call.path.starts_with(&job)).filter(is_taken);
        let kept = of_job.find(|call| call.path.contains("/checkpoint?"))?;
        let after: u64 = kept.path.split("sequence=").nth(1)?.split('&').next()?.parse().ok()?;
        let outcome = network.outcome(request).await;
        assert!(outcome.is_none_or(|outcome| !outcome.closed), "it ended before it could be killed");
        of_job
            .any(|call| call.body["sequence"].as_u64().is_some_and(|sequence| sequence > after))
            .then_some(())
    })
    .await;
}

async fn attempts(network: &Network, request: RequestId) -> Vec<AttemptAssigned> {
    let at = network.chain.deployment().training_coordinator;
    let found = network.chain.events::<AttemptAssigned>(at, request.0).await.unwrap();
    found.into_iter().map(|(event, _)| event).collect()
}

fn upload(call: &Call) -> CommitmentUpload {
    serde_json::from_value(call.body.clone()).unwrap()
}

/// Lands a worker's commitment past the relayer, after a change; what the contract says against it.
async fn commit(
    network: &Network,
    request: RequestId,
    call: &Call,
    change: impl FnOnce(&mut Commitment),
) -> String {
    let upload = upload(call);
    let mut commitment = Commitment {
        attempt: upload.attempt,
        sequence: upload.sequence,
        pointCount: upload.point_count,
        units: upload.units.try_into().unwrap(),
        pointsDigest: Digest::of(&upload.points).into(),
        lastValues: upload.last_values,
    };
    change(&mut commitment);
    let TrainingRequested { escrow, details, .. } = terms_of(&network.chain, request).await.unwrap();
    let terms = terms_hash(&escrow, details_hash(&details));
    let call =
        commitCall { termsHash: terms, landing: escrow.landing, commitment, signature: upload.signature };
    refusal(network, &call).await
}

/// Lands a worker's result past the relayer; what the contract says against it.
async fn settle(network: &Network, request: RequestId, call: &Call) -> String {
    let finish: Finish = serde_json::from_value(call.body.clone()).unwrap();
    let TrainingRequested { escrow, details, .. } = terms_of(&network.chain, request).await.unwrap();
    let settlement = Settlement {
        attempt: finish.attempt,
        sequence: finish.sequence,
        pointCount: finish.point_count,
        units: finish.units.try_into().unwrap(),
        artifactDigest: finish.artifact_digest,
        artifactCid: finish.artifact_cid,
        seriesRoot: finish.series_root,
        inputsRoot: finish.inputs_root,
        resultValues: finish.result_values,
    };
    refusal(network, &settleCall { escrow, details, settlement, signature: finish.signature }).await
}

async fn refusal<C: SolCall>(network: &Network, call: &C) -> String {
    let at = network.chain.deployment().training_coordinator;
    // Anyone may land what was signed.
    let tried = network.chain.estimate(account(6).address(), at, call).await;
    tried.expect_err("the contract takes it").to_string()
}

fn assert_refused(said: &str, expected: &str) {
    assert!(said.contains(expected), "{said}, expected {expected}");
}

/// The same worker's call with another body, past the proxy.
async fn post(network: &Network, call: &Call, body: &Value) -> (u16, Value) {
    let url = format!("{}{}", network.url(Part::Relayer), call.path);
    let sent = reqwest::Client::new().post(url).header("authorization", &call.authorization).json(body);
    let answer = sent.send().await.unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap_or_default())
}
