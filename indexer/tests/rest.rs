//! The edge of the HTTP interface: hostile calls, ETags, problems, other origins, metrics.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::time::Duration;

use serde_json::{Value, json};
use support::events::{self, account, word};
use support::server::Server;
use support::{Database, apply, chain_of, deployment};

async fn served() -> Server {
    let deployment = deployment(31_337, 1);
    let mut of = vec![vec![]];
    for n in 0..5 {
        of.push(vec![
            (deployment.collection_registry, events::registered(n)),
            (deployment.access_token, events::offer(n, 0, 5)),
            (deployment.training_coordinator, events::requested(n)),
        ]);
    }
    let database = Database::new().await;
    let mut tx = database.pool.write().await.unwrap();
    apply(&mut tx, &deployment, &chain_of(of)).await;
    tx.commit().await.unwrap();
    Server::start(database).await
}

fn is_problem(status: u16, headers: &alloy::transports::http::reqwest::header::HeaderMap, body: &Value) {
    assert_eq!(headers["content-type"], "application/problem+json", "{body}");
    assert_eq!(body["status"], status, "{body}");
    assert_eq!(body["type"], "about:blank");
    assert!(body["title"].is_string() && body["detail"].is_string(), "{body}");
}

#[tokio::test]
async fn what_can_not_be_is_refused_with_its_name() {
    let server = served().await;
    let long = "x".repeat(300);
    let id = word("collection", 0);
    for (path, told) in [
        ("/v1/collections?first=0", "first: expected 1 to 200, got 0"),
        ("/v1/collections?first=201", "first: expected 1 to 200, got 201"),
        ("/v1/collections?first=-1", "first"),
        ("/v1/collections?first=99999999999999999999", "first"),
        ("/v1/collections?first=1e3", "first"),
        ("/v1/collections?after=-1", "after: not a cursor of this list"),
        ("/v1/collections?after=", "after: not a cursor of this list"),
        ("/v1/collections?after=9999999999999999999", "after: not a cursor of this list"),
        ("/v1/collections?after=1;drop+table+blocks", "after: not a cursor of this list"),
        ("/v1/collections?order=sideways", "order"),
        ("/v1/collections?colour=red", "colour"),
        ("/v1/collections?first=1&first=2", "first"),
        ("/v1/collections?retired=perhaps", "retired"),
        ("/v1/collections?registrant=0x12", "expected 0x and 40 hexadecimal digits"),
        ("/v1/collections?offered=WRITE", "offered"),
        (&format!("/v1/collections?search={long}"), "search: at most 256 characters, got 300"),
        (&format!("/v1/collections?licence={}", "x".repeat(1_100)), "licence: at most 1024 characters"),
        ("/v1/collections?search=%ff%fe", ""),
        ("/v1/collections/0x12", "expected 0x and 64 hexadecimal digits"),
        ("/v1/collections/%2e%2e%2f%2e%2e%2fetc%2fpasswd", "expected 0x and 64 hexadecimal digits"),
        ("/v1/collections/%ff", ""),
        (&format!("/v1/collections/{id}/usage?from=-1"), "from"),
        (&format!("/v1/collections/{id}/usage?to=1099511627776"), "to: expected at most 1099511627775"),
        (&format!("/v1/collections/{id}/usage?first=1001"), "first: expected 1 to 1000, got 1001"),
        ("/v1/accounts/me/statement", "expected 0x and 40 hexadecimal digits"),
        ("/v1/vouchers?payer=null", "expected 0x and 40 hexadecimal digits"),
        (&format!("/v1/requests/{}", &id.to_string()[..65]), "expected 0x and 64 hexadecimal digits"),
    ] {
        let (status, headers, body) = server.get(path).await;
        if path.contains("%ff%fe") {
            // Bytes that are no text become replacement characters, which are no words.
            assert_eq!(status, 200, "{path}");
            continue;
        }
        assert_eq!(status, 400, "{path}: {body}");
        is_problem(400, &headers, &body);
        assert!(body["detail"].as_str().unwrap().contains(told), "{path}: {body}");
    }
    let (_, _, body) = server.get(&format!("/v1/collections?{}=1", "y".repeat(5_000))).await;
    assert!(body["detail"].as_str().unwrap().len() <= 300);
    for path in [
        &format!("/v1/collections/{}", word("collection", 99)) as &str,
        &format!("/v1/collections/{}/usage", word("collection", 99)),
        &format!("/v1/requests/{}", word("request", 99)),
        "/v1/nothing",
        "/v2/collections",
        "/",
        "/v1/collections/",
    ] {
        let (status, headers, body) = server.get(path).await;
        assert_eq!(status, 404, "{path}");
        is_problem(404, &headers, &body);
    }
}

#[tokio::test]
async fn other_methods_and_bodies_change_nothing() {
    let server = served().await;
    for method in ["POST", "PUT", "DELETE", "PATCH", "TRACE"] {
        let sent = server
            .client
            .request(method.parse().unwrap(), format!("{}/v1/collections", server.url))
            .body("x".repeat(1_000))
            .send()
            .await
            .unwrap();
        assert_eq!(sent.status(), 405, "{method}");
        assert!(sent.headers()["allow"].to_str().unwrap().contains("GET"), "{method}");
        let headers = sent.headers().clone();
        is_problem(405, &headers, &serde_json::from_slice(&sent.bytes().await.unwrap()).unwrap());
    }
    let large = server
        .client
        .get(format!("{}/v1/collections", server.url))
        .body("x".repeat(100_000))
        .send()
        .await
        .unwrap();
    assert!(large.status().as_u16() < 500);
    let path = format!("{}/v1/collections?search={}", server.url, "a".repeat(60_000));
    let answer = server.client.get(path).send().await.unwrap();
    assert!((400..500).contains(&answer.status().as_u16()), "{}", answer.status());
    assert_eq!(server.read("/v1/block").await["data"]["number"], 5, "it still answers");
}

#[tokio::test]
async fn an_answer_that_is_known_is_not_sent_again() {
    let server = served().await;
    let (_, headers, _) = server.get("/v1/collections?first=2").await;
    let tag = headers["etag"].to_str().unwrap().to_owned();
    let again = async |path: &str, tag: &str| {
        let url = format!("{}{path}", server.url);
        server.client.get(url).header("if-none-match", tag).send().await.unwrap()
    };
    for known in [&tag as &str, &format!("W/{tag}"), &format!("\"x\", {tag}"), "*"] {
        let answer = again("/v1/collections?first=2", known).await;
        assert_eq!(answer.status(), 304, "{known}");
        assert_eq!(answer.headers()["etag"], tag.as_str());
        assert!(answer.bytes().await.unwrap().is_empty());
    }
    assert_eq!(again("/v1/collections?first=3", &tag).await.status(), 200);
    assert_eq!(again("/v1/collections?first=2", "\"x\"").await.status(), 200);
    let deployment = deployment(31_337, 1);
    let mut block = chain_of(vec![vec![]; 7]).pop().unwrap();
    block.logs.clear();
    let mut tx = server.database.pool.write().await.unwrap();
    apply(&mut tx, &deployment, &[block]).await;
    tx.commit().await.unwrap();
    assert_eq!(again("/v1/collections?first=2", &tag).await.status(), 200, "it is about another block now");
}

#[tokio::test]
async fn pages_of_other_origins_may_ask() {
    let server = served().await;
    let asked = server
        .client
        .request("OPTIONS".parse().unwrap(), format!("{}/graphql", server.url))
        .header("origin", "https://example.org")
        .header("access-control-request-method", "POST")
        .header("access-control-request-headers", "content-type")
        .send()
        .await
        .unwrap();
    assert_eq!(asked.status(), 200);
    assert_eq!(asked.headers()["access-control-allow-origin"], "*");
    assert!(!asked.headers().contains_key("access-control-allow-credentials"));
    let (_, headers, _) = server.get("/v1/nothing").await;
    assert_eq!(headers["access-control-allow-origin"], "*", "errors too have to be readable");
}

#[tokio::test]
async fn graphql_names_its_block_too() {
    let server = served().await;
    for (query, status) in [("{ bases { edges { cursor } } }", 200), ("{ nothing }", 200)] {
        let (got, answer) = server.send(json!({ "query": query }).to_string()).await;
        assert_eq!(got, status);
        let block = &answer["extensions"]["block"];
        assert_eq!(
            (&block["number"], &block["finality"], &block["lag"]),
            (&json!(5), &json!("HEAD"), &json!(0))
        );
    }
    let data = server
        .ask(&format!(
            r#"{{ account(address: "{}") {{ address access {{ edges {{ cursor }} }} }}
                 collection(id: "{}") {{ previous previousVersion {{ id }} nextVersions {{ edges {{ node {{ id }} }} }} }} }}"#,
            account(77),
            word("collection", 1)
        ))
        .await;
    assert_eq!(data["account"]["access"]["edges"], json!([]));
    assert_eq!(data["collection"]["previousVersion"]["id"], word("collection", 0).to_string());
    let older = server
        .ask(&format!(
            r#"{{ collection(id: "{}") {{ nextVersions {{ edges {{ node {{ id }} }} }} }} }}"#,
            word("collection", 0)
        ))
        .await;
    assert_eq!(
        older["collection"]["nextVersions"]["edges"],
        json!([{ "node": { "id": word("collection", 1).to_string() } }])
    );
    let wide =
        "{ collections(first: 200) { edges { node { vouchers(first: 200) { edges { node { paid } } } } } } }";
    assert_eq!(server.error(wide).await, "Query is too complex.");
    let costly = "{ collections(first: 200) { edges { node { usage(byPayer: true) { paid } } } } }";
    assert_eq!(server.error(costly).await, "Query is too complex.");
}

#[tokio::test]
async fn metrics_count_routes_and_not_paths() {
    let server = served().await;
    for n in 0..20 {
        server.get(&format!("/v1/collections/{}", word("collection", n))).await;
        server.get(&format!("/v1/made-up-{n}")).await;
    }
    let answer = server.client.get(format!("{}/metrics", server.url)).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    assert!(answer.headers()["content-type"].to_str().unwrap().starts_with("application/openmetrics-text"));
    let text = answer.text().await.unwrap();
    let line = r#"offsetdata_indexer_http_answers_total{route="/v1/collections/{id}",status="200"} 5"#;
    assert!(text.contains(line), "{text}");
    assert!(!text.contains("made-up") && !text.contains(&word("collection", 0).to_string()));
}

#[tokio::test]
async fn nothing_is_told_before_anything_is_indexed() {
    let server = Server::start(Database::new().await).await;
    let (status, headers, body) = server.get("/v1/collections").await;
    assert_eq!(status, 503);
    is_problem(503, &headers, &body);
    assert!(headers.contains_key("retry-after"));
    let (status, answer) = server.send(json!({ "query": "{ block { number } }" }).to_string()).await;
    assert_eq!((status, &answer["errors"][0]["message"]), (200, &json!("nothing is indexed yet")));
    assert_eq!(answer["extensions"]["block"], Value::Null);
}

#[tokio::test]
async fn a_crowd_is_served_in_turn() {
    let server = served().await;
    let calls = (0..200).map(|n| {
        let (client, url) =
            (server.client.clone(), format!("{}/v1/collections?first={}", server.url, 1 + n % 5));
        tokio::spawn(async move { client.get(url).send().await.unwrap().status().as_u16() })
    });
    let calls: Vec<_> = calls.collect();
    for call in calls {
        let status = tokio::time::timeout(Duration::from_secs(30), call).await.unwrap().unwrap();
        assert!([200, 429].contains(&status), "{status}");
    }
}

#[tokio::test]
async fn the_description_is_served() {
    let server = served().await;
    let (status, _, description) = server.get("/v1/openapi.json").await;
    assert_eq!(status, 200);
    let text = serde_json::to_string(&description).unwrap();
    for reference in text.split("\"$ref\":\"#/components/schemas/").skip(1) {
        let name = reference.split('"').next().unwrap();
        assert!(description["components"]["schemas"][name].is_object(), "{name} is not described");
    }
    for (path, item) in description["paths"].as_object().unwrap() {
        let told = &item["get"]["responses"];
        for status in ["200", "304", "400", "404", "429", "503"] {
            assert!(told[status]["description"].is_string(), "{path} {status}");
        }
    }
}

/// Calls made up from the description: `OFFSETDATA_SCHEMATHESIS` names the program (PyPI `schemathesis`).
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs schemathesis: OFFSETDATA_SCHEMATHESIS=.../bin/st cargo test -p offsetdata-indexer --test rest -- --ignored"]
async fn the_description_holds() {
    let program =
        std::env::var("OFFSETDATA_SCHEMATHESIS").expect("OFFSETDATA_SCHEMATHESIS names the program");
    let server = served().await;
    let url = format!("{}/v1/openapi.json", server.url);
    let folder = tempfile::tempdir().unwrap();
    let run = tokio::process::Command::new(program)
        .args(["run", &url, "--checks", "all", "--max-examples", "40", "--seed", "7", "--no-color"])
        .current_dir(folder.path())
        .kill_on_drop(true)
        .output();
    let ran = tokio::time::timeout(Duration::from_secs(540), run).await.unwrap().unwrap();
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stdout));
}
