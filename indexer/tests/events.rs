//! Streams of events over real HTTP: everything once and in order, whoever goes away and comes back, whatever the chain does.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::collections::HashSet;
use std::time::Duration;

use alloy::transports::http::reqwest::Client;
use offsetdata_content::Blocks;
use offsetdata_indexer::live::MAX_STREAMS;
use offsetdata_indexer::points::fetch_due;
use offsetdata_indexer::{Config, Source, run};
use serde_json::json;
use support::events::{self, account, word};
use support::node::Node;
use support::server::Server;
use support::stream::{Heard, Stream, ask, folded};
use support::training::circle;
use support::{Database, apply, chain_of, deployment};

/// A training whose points were fetched, but for those that nobody has.
async fn served() -> (Server, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let content = Blocks::directory(folder.path()).unwrap();
    let database = circle(&content).await;
    for (now, due) in [(1_000, 3), (1_002, 1), (1_006, 1)] {
        assert_eq!(fetch_due(&database.pool, &content, now).await.unwrap(), due);
    }
    (Server::start(database).await, folder)
}

fn names(all: &[Heard]) -> Vec<&str> {
    all.iter().map(|heard| heard.name.as_str()).collect()
}

#[tokio::test]
async fn a_request_is_told_once_wherever_the_client_comes_back() {
    let (server, _folder) = served().await;
    let url = format!("{}/v1/requests/{}/events", server.url, word("request", 1));
    let all = Stream::open(&server.client, &url, None).await.rest().await;
    assert_eq!(
        names(&all),
        [
            "trainingRequested",
            "attemptAssigned",
            "commitmentLanded",
            "points",
            "attemptAssigned",
            "commitmentLanded",
            "points",
            "commitmentLanded",
            "points",
            "versionAppended",
            "requestClosed"
        ]
    );
    let ids: HashSet<&str> = all.iter().map(|heard| heard.id.as_str()).collect();
    assert_eq!(ids.len(), all.len() - 1, "only absent points have the id of their commitment");
    assert!(all.windows(2).all(|pair| pair[0].position() <= pair[1].position()));
    let points = |heard: &Heard| heard.data["body"]["points"].as_array().unwrap().clone();
    assert_eq!(points(&all[3]).len(), 6);
    assert_eq!((points(&all[6]).len(), &all[6].data["body"]["status"]), (5, &json!("STORED")));
    assert_eq!((points(&all[8]).len(), &all[8].data["body"]["status"]), (0, &json!("UNAVAILABLE")));
    assert_eq!(all[10].data["body"]["status"], "SETTLED");
    assert_eq!(all[2].data["block"]["number"], 4);
    for heard in &all {
        assert_eq!(heard.data["type"], heard.name.as_str());
        assert_eq!(heard.data["requestId"], word("request", 1).to_string());
    }

    for (i, heard) in all.iter().enumerate() {
        let answer = ask(&server.client, &url, Some(&heard.id)).await;
        if i + 1 == all.len() {
            assert_eq!(answer.status(), 204, "a client that has all of it does not come back");
            continue;
        }
        let mut stream = Stream::open(&server.client, &url, Some(&heard.id)).await;
        // Whether absent points were told before can't be seen from an id.
        let next = if i == 8 { 8 } else { i + 1 };
        assert_eq!(stream.rest().await, all[next..], "after event {i}");
    }
    // In the middle of points.
    let middle = all[3].id.replace(".5-", ".2-");
    assert_ne!(middle, all[3].id);
    let rest = Stream::open(&server.client, &url, Some(&middle)).await.rest().await;
    assert_eq!(points(&rest[0]), points(&all[3])[3..]);
    assert_eq!(rest[1..], all[4..]);
    // The cursor of a list, as a parameter.
    let after = Stream::open(&server.client, &format!("{url}?after={}", all[1].position()), None).await;
    assert_eq!({ after }.rest().await, all[2..]);
}

#[tokio::test]
async fn filters_tell_what_is_about_them() {
    let (server, _folder) = served().await;
    let first = async |query: &str, count: usize| {
        let url = format!("{}/v1/events?after=0&{query}", server.url);
        let mut stream = Stream::open(&server.client, &url, None).await;
        let mut all = Vec::new();
        for _ in 0..count {
            all.push(stream.next().await.unwrap());
        }
        assert!(stream.is_quiet(Duration::from_millis(300)).await, "more than {count} for {query:?}");
        all
    };
    // The collection stands at position 0, where no real chain has an event: `after` it comes the rest.
    let all = first("", 1 + 1 + 7 + 5 + 2).await;
    assert_eq!(names(&all)[..3], ["offerSet", "modelRequested", "trainingRequested"]);
    // Request 5 has model 1 too, and request 6 the user.
    assert_eq!(first(&format!("model={}", word("model", 1)), 1 + 2 + 5 + 2).await.len(), 10);
    assert_eq!(first(&format!("user={}", account(1)), 1 + 2 + 5 + 2).await.len(), 10);
    let told = first(&format!("collection={}", word("collection", 2)), 2).await;
    assert_eq!(told[0].data["requestId"], word("request", 2).to_string());
    let both = format!("collection={}&user={}", word("collection", 0), account(0));
    let told = first(&both, 1).await;
    assert_eq!(told[0].data["requestId"], word("request", 5).to_string());
    assert_eq!(first(&format!("model={}", word("model", 77)), 0).await, []);
    let with_points = first(&format!("points=true&model={}", word("model", 1)), 13).await;
    assert_eq!(names(&with_points).iter().filter(|name| **name == "points").count(), 3);
}

#[tokio::test]
async fn points_are_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    let content = Blocks::directory(folder.path()).unwrap();
    let server = Server::start(circle(&content).await).await;
    let url = format!("{}/v1/requests/{}/events", server.url, word("request", 1));
    let mut stream = Stream::open(&server.client, &url, None).await;
    for expected in ["trainingRequested", "attemptAssigned", "commitmentLanded"] {
        assert_eq!(stream.next().await.unwrap().name, expected);
    }
    assert!(stream.is_quiet(Duration::from_millis(500)).await, "points are not fetched yet");
    // Twice more for what nobody has, so that it is not waited for.
    for now in [1_000, 1_002, 1_006] {
        fetch_due(&server.database.pool, &content, now).await.unwrap();
    }
    server.live.changed();
    let points = stream.next().await.unwrap();
    assert_eq!((points.name.as_str(), &points.data["body"]["status"]), ("points", &json!("STORED")));
    assert_eq!(stream.rest().await.last().unwrap().name, "requestClosed");
}

#[tokio::test]
async fn hostile_ids_and_strangers_are_refused() {
    let (server, _folder) = served().await;
    let request = format!("{}/v1/requests/{}/events", server.url, word("request", 1));
    let long = "1".repeat(65);
    for id in ["x", "-1", "1.2.3", "1-zz", "9223372036854775808", "1;drop table blocks", &long] {
        for url in [&request, &format!("{}/v1/events", server.url)] {
            assert_eq!(ask(&server.client, url, Some(id)).await.status(), 400, "{id}");
        }
    }
    for query in ["after=x", "model=1", "points=2", "colour=red", "after="] {
        let (status, _, body) = server.get(&format!("/v1/events?{query}")).await;
        assert_eq!(status, 400, "{query}: {body}");
    }
    let (status, _, _) = server.get(&format!("/v1/requests/{}/events", word("request", 99))).await;
    assert_eq!(status, 404);
    // The far future: it waits, as an index that lags behind does.
    let mut ahead =
        Stream::open(&server.client, &request, Some("9223372036854775807-0011223344556677")).await;
    assert!(ahead.is_quiet(Duration::from_millis(300)).await);
    // Another branch that this index never saw: back to what is final.
    let mut foreign = Stream::open(&server.client, &request, Some("7340033-0011223344556677")).await;
    let back = foreign.next().await.unwrap();
    assert_eq!((back.name.as_str(), back.position() >> 20), ("rollback", 5));
}

#[tokio::test]
async fn a_crowd_and_the_slow_hold_nobody_up() {
    let deployment = deployment(31_337, 1);
    let mut of = vec![vec![]];
    for n in 0..5u64 {
        of.push((0..20).map(|i| (deployment.collection_registry, events::registered(n * 20 + i))).collect());
    }
    let database = Database::new().await;
    let mut tx = database.pool.write().await.unwrap();
    apply(&mut tx, &deployment, &chain_of(of)).await;
    tx.commit().await.unwrap();
    let server = Server::start(database).await;
    let url = format!("{}/v1/events?after=0", server.url);
    // Nobody of these reads.
    let mut slow = Vec::new();
    for _ in 0..MAX_STREAMS {
        slow.push(Stream::open(&server.client, &url, None).await);
    }
    let refused = ask(&server.client, &url, None).await;
    assert_eq!((refused.status().as_u16(), refused.headers().contains_key("retry-after")), (429, true));
    assert_eq!(server.read("/v1/block").await["data"]["number"], 5, "calls are answered beside them");
    drop(slow);
    let mut stream = tokio::time::timeout(Duration::from_secs(20), async {
        loop {
            let answer = ask(&server.client, &url, None).await;
            if answer.status() == 200 {
                return Stream::open(&server.client, &url, None).await;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    })
    .await
    .expect("seats become free");
    for n in 0..100 {
        assert_eq!(
            stream.next().await.unwrap().data["body"]["collectionId"],
            word("collection", n).to_string()
        );
    }
    server.stop.cancel();
    assert_eq!(stream.next().await, None, "it ends with the service");
}

#[tokio::test]
async fn a_reorg_is_told_to_those_who_listen_and_those_who_come_back() {
    let deployment = deployment(31_337, 0);
    let node = Node::start(&deployment).await;
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("deployment.json"), serde_json::to_string(&deployment).unwrap())
        .unwrap();
    let listen = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let config = Config {
        source: Source {
            rpc_url: node.url.clone(),
            database_url: support::database::url_in(folder.path()),
            deployment: Some(folder.path().join("deployment.json")),
            reorg_depth: 32,
            proven_depth: 32,
            rpc_timeout: 5,
        },
        blocks: folder.path().join("blocks"),
        kubo: Default::default(),
        gateways: Vec::new(),
        listen,
        poll_ms: 50,
        max_lag: 20,
        instance_lease_seconds: 3,
        read_only: false,
    };
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let running = tokio::spawn(run(config, async move {
        let _ = stopped.await;
    }));
    let client = Client::new();
    tokio::time::timeout(Duration::from_secs(30), async {
        while client.get(format!("http://{listen}/ready")).send().await.is_err() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    })
    .await
    .unwrap();

    let url = format!("http://{listen}/v1/events?after=0");
    let mut listening = Stream::open(&client, &url, None).await;
    let mut heard = Vec::new();
    let mut away: Vec<(Vec<Heard>, String)> = Vec::new();
    let mut n = 0;
    for depth in [1u64, 2, 0, 3, 1] {
        for _ in 0..3 {
            n += 1;
            node.emit(deployment.collection_registry, &events::registered(n)).await;
            node.emit(deployment.training_coordinator, &events::requested(n)).await;
            node.mine(1).await;
            let until = format!("{}", word("request", n));
            loop {
                let next = listening.next().await.unwrap();
                heard.push(next.clone());
                if next.data["requestId"] == until.as_str() {
                    break;
                }
            }
        }
        // Who goes away here comes back after all reorgs.
        away.push((folded(&heard), heard.last().unwrap().id.clone()));
        if depth > 0 {
            node.reorg(depth).await;
            let back = listening.next().await.unwrap();
            assert_eq!(back.name, "rollback");
            assert_eq!(back.data["block"]["number"], node.head().await - depth);
            heard.push(back);
        }
    }
    let standing = folded(&heard);
    assert!(standing.len() < n as usize * 2 && standing.len() >= 8, "{}", standing.len());
    let fresh = async |last: Option<&str>, count: usize| {
        let mut stream = Stream::open(&client, &url, last).await;
        let mut all = Vec::new();
        while all.len() < count || !stream.is_quiet(Duration::from_millis(400)).await {
            all.push(stream.next().await.unwrap());
        }
        all
    };
    assert_eq!(fresh(None, standing.len()).await, standing, "as one who hears it all anew");
    for (held, last) in &away {
        let mut all = held.clone();
        let mut stream = Stream::open(&client, &url, Some(last)).await;
        while folded(&all) != standing {
            all.push(stream.next().await.unwrap());
        }
        assert!(stream.is_quiet(Duration::from_millis(300)).await, "nothing twice after {last}");
    }

    stop.send(()).unwrap();
    tokio::time::timeout(Duration::from_secs(20), running).await.expect("it ends").unwrap().unwrap();
    assert_eq!(listening.next().await, None);
}
