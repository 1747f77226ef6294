//! Two relayers in processes of their own on one database: one works, the other says that it stands by. It takes over where the first
//! sleeps for too long, and that one, awake again, does nothing more.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod network;

use network::database::{stop_between_writes, url_in};
use network::{Network, Worker, account, poor};
use offsetdata_protocol::Digest;
use offsetdata_sdk::models::{self, Metadata};
use serde_json::{Value, json};

async fn ready(url: &str) -> u16 {
    reqwest::get(format!("{url}/ready")).await.map_or(0, |answer| answer.status().as_u16())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_works_and_the_other_takes_over() {
    let mut network =
        Network::start(&["--instance-lease-seconds", "2", "--sponsor-gas-per-day", "30000000"]).await;
    let (offered, collection, user) = (network.offer().await, network.collection().await, account(2));
    network.fund(user.address()).await;
    let model = network.model(&network.chain, &user, offered.base).await;
    let terms = network.train(&network.chain, &user, model, offered.method, collection).await;
    network.until("the job is queued", || async { network.job(terms.request).await.is_some() }).await;

    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let (first, second) = (network.relayer_url.clone(), format!("http://127.0.0.1:{port}"));
    let other = network.relayer_at(port);
    network.until("the second stands by", || async { ready(&second).await == 503 }).await;
    assert_eq!(ready(&first).await, 200);
    // It shows what there is, and sends work away.
    let jobs: Vec<Value> = reqwest::get(format!("{second}/v1/jobs")).await.unwrap().json().await.unwrap();
    assert_eq!(jobs.len(), 1);
    let refused =
        reqwest::Client::new().post(format!("{second}/v1/claim")).json(&json!({})).send().await.unwrap();
    assert_eq!((refused.status().as_u16(), refused.headers()["retry-after"].to_str().unwrap()), (503, "1"));
    let refused: Value = refused.json().await.unwrap();
    assert_eq!(refused["code"], "standby");

    let pool = offsetdata_store::connect(&url_in(network.folder.path())).await.unwrap();
    stop_between_writes(&pool, |name| network.signal_relayer(name)).await;
    network.until("the second takes over", || async { ready(&second).await == 200 }).await;
    network.relayer_url = second.clone();
    // It gives the job away, and its transactions land: it has the signer too.
    let worker = Worker::open(&network, account(4)).await;
    let offer = worker.claim().await;
    assert_eq!((offer.request, offer.attempt), (terms.request.0, 1));
    let metadata = Metadata { digest: Digest::of(b"by the second"), uri: String::new() };
    let chain = network.sponsored().await;
    models::create_project(&chain, &poor(), &metadata, Default::default()).await.unwrap();

    network.signal_relayer("CONT");
    network.until("the first stands by", || async { ready(&first).await == 503 }).await;
    models::create_project(&chain, &poor(), &metadata, Default::default()).await.unwrap();
    assert_eq!((ready(&first).await, ready(&second).await), (503, 200));
    let transactions: Vec<Value> = serde_json::from_str(&network.page("/v1/transactions").await).unwrap();
    let mut nonces: Vec<u64> = transactions.iter().filter_map(|row| row["nonce"].as_u64()).collect();
    let all = nonces.len();
    nonces.sort_unstable();
    nonces.dedup();
    assert_eq!((nonces.len(), all), (2, 2), "two transactions with a nonce each");

    // Killed, it leaves the lease: its process is seen to be gone, and nobody waits for the end.
    drop(other);
    network.until("the first takes over", || async { ready(&first).await == 200 }).await;
}
