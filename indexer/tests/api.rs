//! The HTTP interface over a database that was filled from logs: answers, pages, limits, and hostile input.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::path::PathBuf;

use offsetdata_content::Blocks;
use offsetdata_indexer::api::{openapi, schema};
use offsetdata_indexer::points::fetch_due;
use serde_json::{Value, json};
use support::events::{self, word};
use support::server::Server;
use support::training::circle;

async fn served() -> (Server, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let content = Blocks::directory(folder.path()).unwrap();
    let database = circle(&content).await;
    assert_eq!(fetch_due(&database.pool, &content, 1_000).await.unwrap(), 3);
    assert_eq!(
        fetch_due(&database.pool, &content, 1_000).await.unwrap(),
        0,
        "what was fetched is not due again"
    );
    (Server::start(database).await, folder)
}

#[tokio::test]
async fn tells_a_whole_training() {
    let (server, _folder) = served().await;
    let request = word("request", 1);
    let data = server
        .ask(&format!(
            r#"{{ block {{ number hash timestamp finality lag chainId }}
                 trainingRequest(id: "{request}") {{
                     id status units attempt worker sequence pointCount unitLimit requestedIn {{ number timestamp }}
                     model {{ id owner visibility base {{ id methods {{ name unitPrice maxUnitsPerSecond }} workers }}
                              versions {{ edges {{ node {{ version results {{ testLoss }} }} }} }} }}
                     inputs {{ selection count collection {{ id recordCount offers {{ right price }} }} }}
                     attempts {{ attempt resumePoint assignedIn {{ number }} }}
                     commitments {{ edges {{ node {{ sequence pointsStatus lastValues {{ trainLoss validationLoss }} }} }} }}
                     versions {{ artifactDigest }}
                     closing {{ status developerPaid refunded }}
                     keys
                 }} }}"#
        ))
        .await;
    assert_eq!(
        data["block"],
        json!({
            "number": 7, "hash": word("block", 7).to_string(), "timestamp": 1_700_000_007, "finality": "HEAD", "lag": 0,
            "chainId": 31_337
        })
    );
    let told = &data["trainingRequest"];
    assert_eq!(told["id"], request.to_string());
    assert_eq!(told["status"], "SETTLED");
    assert_eq!(
        (&told["units"], &told["attempt"], &told["sequence"], &told["pointCount"]),
        (&json!(300), &json!(2), &json!(3), &json!(12))
    );
    assert_eq!(told["worker"], events::account(202).to_checksum(None));
    assert_eq!(told["requestedIn"], json!({ "number": 3, "timestamp": 1_700_000_003 }));
    assert_eq!(told["model"]["visibility"], "RESTRICTED");
    assert_eq!(
        told["model"]["base"]["methods"],
        json!([{ "name": "image-cnn", "unitPrice": "8", "maxUnitsPerSecond": "1000" }]),
        "only the latest terms stand"
    );
    assert_eq!(told["model"]["base"]["workers"], json!([events::account(201).to_checksum(None)]));
    assert_eq!(told["model"]["versions"]["edges"][0]["node"]["version"], 1);
    assert_eq!(told["inputs"].as_array().unwrap().len(), 2);
    assert_eq!(told["inputs"][0]["collection"]["offers"], json!([{ "right": "TRAIN", "price": "5" }]));
    assert_eq!(told["inputs"][1]["collection"], Value::Null, "that collection was never registered");
    assert_eq!(told["attempts"][1], json!({ "attempt": 2, "resumePoint": 4, "assignedIn": { "number": 5 } }));
    let statuses: Vec<&Value> =
        told["commitments"]["edges"].as_array().unwrap().iter().map(|e| &e["node"]["pointsStatus"]).collect();
    assert_eq!(statuses, ["STORED", "STORED", "UNAVAILABLE"]);
    assert_eq!(
        told["commitments"]["edges"][0]["node"]["lastValues"],
        json!({ "trainLoss": 0.5, "validationLoss": null })
    );
    assert_eq!(told["closing"]["status"], "SETTLED");
    assert_eq!(told["closing"]["developerPaid"], alloy::primitives::U256::MAX.to_string());
    assert_eq!(told["keys"], json!(["train/accuracy", "train/loss"]));
}

#[tokio::test]
async fn points_are_those_that_stand() {
    let (server, _folder) = served().await;
    let request = word("request", 1);
    let mut after = Value::Null;
    let mut sequences = Vec::new();
    loop {
        let data = server
            .ask(&format!(
                r#"{{ trainingRequest(id: "{request}") {{ points(first: 4, after: {after}) {{
                       edges {{ cursor node {{ sequence attempt value code }} }} pageInfo {{ hasNextPage endCursor }} }} }} }}"#
            ))
            .await;
        let page = &data["trainingRequest"]["points"];
        for edge in page["edges"].as_array().unwrap() {
            sequences.push((
                edge["node"]["sequence"].as_u64().unwrap(),
                edge["node"]["attempt"].as_u64().unwrap(),
            ));
        }
        if page["pageInfo"]["hasNextPage"] == json!(false) {
            break;
        }
        after = page["pageInfo"]["endCursor"].clone();
    }
    let expected: Vec<(u64, u64)> = (0..4).map(|n| (n, 1)).chain((4..9).map(|n| (n, 2))).collect();
    assert_eq!(sequences, expected, "each point once, the later attempt's where it went on");

    let data = server
        .ask(&format!(
            r#"{{ trainingRequest(id: "{request}") {{
                   loss: points(key: "train/loss") {{ edges {{ node {{ step value }} }} }}
                   all: points(withReplaced: true) {{ edges {{ node {{ sequence }} }} }}
                   nan: points(key: "train/accuracy", first: 2) {{ edges {{ node {{ value code }} }} }} }} }}"#
        ))
        .await;
    let told = &data["trainingRequest"];
    assert_eq!(told["loss"]["edges"].as_array().unwrap().len(), 5);
    assert_eq!(told["loss"]["edges"][1]["node"], json!({ "step": 20, "value": 0.5 }));
    assert_eq!(told["all"]["edges"].as_array().unwrap().len(), 11);
    assert_eq!(told["nan"]["edges"][1]["node"], json!({ "value": null, "code": i64::MIN.to_string() }));
}

#[tokio::test]
async fn lists_come_in_pages() {
    let (server, _folder) = served().await;
    for newest_first in [false, true] {
        let (mut after, mut ids) = (Value::Null, Vec::new());
        loop {
            let data = server
                .ask(&format!(
                    "{{ trainingRequests(first: 3, after: {after}, newestFirst: {newest_first}) {{
                         edges {{ node {{ id }} }} pageInfo {{ hasNextPage endCursor }} }} }}"
                ))
                .await;
            let page = &data["trainingRequests"];
            ids.extend(
                page["edges"]
                    .as_array()
                    .unwrap()
                    .iter()
                    .map(|e| e["node"]["id"].as_str().unwrap().to_owned()),
            );
            if page["pageInfo"]["hasNextPage"] == json!(false) {
                break;
            }
            after = page["pageInfo"]["endCursor"].clone();
        }
        let mut expected: Vec<String> = (1..8).map(|n| word("request", n).to_string()).collect();
        if newest_first {
            expected.reverse();
        }
        assert_eq!(ids, expected);
    }
    let of_collection = server
        .ask(&format!(
            r#"{{ collection(id: "{}") {{ requests(first: 100) {{ edges {{ node {{ id }} }} }} }} }}"#,
            word("collection", 0)
        ))
        .await;
    assert_eq!(of_collection["collection"]["requests"]["edges"].as_array().unwrap().len(), 7);
    let of_model = server
        .ask(&format!(
            r#"{{ trainingRequests(model: "{}") {{ edges {{ node {{ id }} }} }} }}"#,
            word("model", 1)
        ))
        .await;
    assert_eq!(of_model["trainingRequests"]["edges"].as_array().unwrap().len(), 2);
    assert_eq!(
        server
            .ask(r#"{ bases { edges { node { id retired } } } projects { edges { node { metadataUri } } } }"#)
            .await,
        json!({ "bases": { "edges": [{ "node": { "id": word("base", 0).to_string(), "retired": false } }] },
                "projects": { "edges": [{ "node": { "metadataUri": "two\u{fffd}parts" } }] } })
    );
}

#[tokio::test]
async fn refuses_what_asks_too_much() {
    let (server, _folder) = served().await;
    for first in [0, -1, 201, i32::MAX] {
        let error =
            server.error(&format!("{{ collections(first: {first}) {{ edges {{ cursor }} }} }}")).await;
        assert_eq!(error, format!("first: expected 1 to 200, got {first}"));
    }
    for cursor in ["x", "", "1.2", "99999999999999999999999", "1;drop table blocks"] {
        let error =
            server.error(&format!(r#"{{ models(after: "{cursor}") {{ edges {{ cursor }} }} }}"#)).await;
        assert_eq!(error, "after: not a cursor of this list");
    }
    for id in ["0x", "0x12", "zz", "", &"1".repeat(66), &format!("0x{}", "g".repeat(64))] {
        let error = server.error(&format!(r#"{{ collection(id: "{id}") {{ id }} }}"#)).await;
        assert!(error.contains("expected 0x and 64 hexadecimal digits"), "{error}");
    }
    let wide = "{ trainingRequests(first: 200) { edges { node { points(first: 200) { edges { node { value } } } } } } }";
    assert_eq!(server.error(wide).await, "Query is too complex.");
    let mut deep = "id".to_owned();
    for _ in 0..10 {
        deep = format!("model {{ versions(first: 1) {{ edges {{ node {{ request {{ {deep} }} }} }} }} }}");
    }
    let deep = format!(r#"{{ trainingRequest(id: "{}") {{ {deep} }} }}"#, word("request", 1));
    assert!(
        ["Query is nested too deep.", "The recursion depth of the query cannot be greater than `24`"]
            .contains(&server.error(&deep).await.as_str())
    );
    let key = "k".repeat(5_000);
    let data = server
        .ask(&format!(
            r#"{{ trainingRequest(id: "{}") {{ points(key: "{key}' or 1=1") {{ edges {{ cursor }} }} }} }}"#,
            word("request", 1)
        ))
        .await;
    assert_eq!(data["trainingRequest"]["points"]["edges"], json!([]));
    assert_eq!(
        server
            .ask(&format!(r#"{{ trainingRequest(id: "{}") {{ id }} }}"#, alloy::primitives::B256::ZERO))
            .await["trainingRequest"],
        Value::Null
    );
}

#[tokio::test]
async fn hostile_bytes_get_an_answer_below_500() {
    let (server, _folder) = served().await;
    let big = json!({ "query": format!("{{ block {{ number }} }} # {}", "x".repeat(70_000)) }).to_string();
    assert_eq!(server.send(big).await.0, 413);
    let nested = format!("{{\"query\":\"{}\"}}", "{a".repeat(20_000));
    for body in [
        "",
        "{",
        "[]",
        "null",
        "42",
        "{\"query\":7}",
        "[{\"query\":\"{block{number}}\"}]",
        "{\"query\":\"\u{0}\"}",
        "{\"query\":\"mutation { drop }\"}",
        "{\"query\":\"subscription { a }\"}",
        "{\"query\":\"{ nothing }\"}",
        &nested,
        &format!("{}{}", "[".repeat(30_000), "]".repeat(30_000)),
    ] {
        let (status, answer) = server.send(body.to_owned()).await;
        assert!((200..500).contains(&status), "{status} to {:.60}", body);
        assert!(answer["errors"][0]["message"].is_string(), "no error to {body:.60}: {answer}");
    }
    let mut laughs = String::from("query { ...f0 }");
    for n in 0..20 {
        laughs += &format!(" fragment f{n} on Query {{ {} }}", format!("...f{} ", n + 1).repeat(8));
    }
    laughs += " fragment f20 on Query { block { number } }";
    let (status, answer) = server.send(json!({ "query": laughs }).to_string()).await;
    assert_eq!(
        (status, &answer["errors"][0]["message"]),
        (400, &json!("the query spreads more than 32 fragments"))
    );
    let (status, _) = server.send(vec![0xff, 0xfe, 0x00]).await;
    assert_eq!(status, 400);
    let plain = server.client.post(format!("{}/graphql", server.url)).body("{}").send().await.unwrap();
    assert_eq!(plain.status(), 415);
    let get = server.client.get(format!("{}/graphql", server.url)).send().await.unwrap();
    assert_eq!(get.status(), 405);
    assert_eq!(server.ask("{ block { number } }").await["block"]["number"], 7, "it still answers");
}

#[tokio::test]
async fn health_follows_the_lag() {
    let (server, _folder) = served().await;
    let get = async |path: &str| {
        let answer = server.client.get(format!("{}{path}", server.url)).send().await.unwrap();
        (answer.status().as_u16(), serde_json::from_slice::<Value>(&answer.bytes().await.unwrap()).unwrap())
    };
    assert_eq!(get("/health").await.0, 503);
    assert_eq!(get("/ready").await, (503, json!({ "ready": false, "role": "standby" })));
    server.status.progressed(90, 6);
    assert_eq!(
        get("/health").await,
        (503, json!({ "healthy": false, "role": "standby", "block": 90, "lag": 6, "error": null }))
    );
    server.status.progressed(96, 0);
    assert_eq!(get("/health").await.0, 200);
    server.status.progressed(96, 5);
    server.status.failed("the node can't be reached".into());
    assert_eq!(
        get("/health").await,
        (
            200,
            json!({ "healthy": true, "role": "standby", "block": 96, "lag": 5, "error": "the node can't be reached" })
        )
    );
    assert_eq!(get("/ready").await, (200, json!({ "ready": true, "role": "standby" })));
}

fn fresh(name: &str, actual: &str, test: &str) {
    let file = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(name);
    if std::env::var_os("OFFSETDATA_WRITE_GOLDEN").is_some() {
        std::fs::write(&file, actual).unwrap();
    }
    let committed = std::fs::read_to_string(&file).unwrap_or_default();
    assert!(
        committed == actual,
        "indexer/{name} is stale: OFFSETDATA_WRITE_GOLDEN=1 cargo test -p offsetdata-indexer {test}"
    );
}

/// Walks one way and back, as a page does: collection → request → version → model → project → model → version → request →
/// collection.
#[tokio::test]
async fn lineage_is_told_both_ways() {
    let (server, _folder) = served().await;
    let data = server
        .ask(&format!(
            r#"{{ collection(id: "{}") {{ requests(last: 1) {{ edges {{ node {{
                 id children(first: 1) {{ edges {{ node {{ id }} }} }} parentRequest {{ id }} method {{ name unitPrice }}
                 versions {{ version worker results {{ testLoss }} model {{ id base {{ id developer workers }} project {{ id owner }} }} }}
                 money {{ escrowed developerPaid relayPaid settlementFee held relayers {{ relayer landings paid }} publishers {{ paid }} }}
               }} }} }} }} }}"#,
            word("collection", 0)
        ))
        .await;
    let request = &data["collection"]["requests"]["edges"][0]["node"];
    assert_eq!(request["id"], word("request", 1).to_string(), "the oldest of newest first is the last");
    assert_eq!((&request["parentRequest"], &request["children"]["edges"]), (&Value::Null, &json!([])));
    assert_eq!(request["method"], Value::Null, "its method is none that the base offers now");
    let model = &request["versions"][0]["model"];
    assert_eq!(model["id"], word("model", 1).to_string());
    assert_eq!(model["base"]["workers"], json!([events::account(201).to_checksum(None)]));
    let data = server
        .ask(&format!(
            r#"{{ project(id: "{}") {{ models(first: 1) {{ edges {{ node {{ versions(first: 1) {{ edges {{ node {{
                 request {{ id inputs {{ collection {{ id }} }} }} }} }} }} }} }} }} }} }}"#,
            model["project"]["id"].as_str().unwrap()
        ))
        .await;
    let back = &data["project"]["models"]["edges"][0]["node"]["versions"]["edges"][0]["node"]["request"];
    assert_eq!(back["id"], request["id"]);
    assert_eq!(back["inputs"][0]["collection"]["id"], word("collection", 0).to_string());
    let money = &request["money"];
    let relayer = json!([{ "relayer": events::account(300).to_checksum(None), "landings": 3, "paid": "21" }]);
    assert_eq!((&money["relayers"], &money["settlementFee"]), (&relayer, &json!("0")));

    let id = word("request", 1);
    let course = server.read(&format!("/v1/requests/{id}/course")).await;
    assert_eq!(course["data"]["money"], {
        let mut same = money.clone();
        for (name, value) in [("dataPaid", "0"), ("dataReleased", "0"), ("refunded", "5")] {
            same[name] = json!(value);
        }
        same
    });
    assert_eq!(course["data"]["attempts"].as_array().unwrap().len(), 2);
    assert_eq!(course["data"]["closing"]["status"], "SETTLED");
    assert_eq!(course["data"]["version"]["modelId"], word("model", 1).to_string());
    let commitments = server.read(&format!("/v1/requests/{id}/commitments?first=2&order=oldest")).await;
    let next = commitments["next"].as_str().unwrap();
    let rest = server.read(&format!("/v1/requests/{id}/commitments?order=oldest&after={next}")).await;
    assert_eq!((&rest["data"][0]["sequence"], &rest["next"]), (&json!(3), &Value::Null));
    let mut sequences = Vec::new();
    let mut after = String::new();
    loop {
        let page = server.read(&format!("/v1/requests/{id}/points?first=2{after}")).await;
        sequences
            .extend(page["data"].as_array().unwrap().iter().map(|point| point["sequence"].as_u64().unwrap()));
        match page["next"].as_str() {
            Some(next) => after = format!("&after={next}"),
            None => break,
        }
    }
    assert_eq!(sequences, (0..9).collect::<Vec<u64>>(), "each that stands, once");
    let model = server.read(&format!("/v1/models/{}", word("model", 1))).await;
    assert_eq!(model["data"]["projectId"], word("project", 0).to_string());
    for (path, count) in [
        (format!("/v1/models/{}/versions", word("model", 1)), 1),
        (format!("/v1/models?project={}", word("project", 0)), 1),
        (format!("/v1/models?base={}", word("base", 7)), 0),
        (format!("/v1/bases?developer={}", events::account(100)), 1),
        (format!("/v1/projects?owner={}", events::account(0)), 1),
        (format!("/v1/requests?parent={id}"), 0),
        (format!("/v1/requests?collection={}", word("collection", 2)), 2),
        (format!("/v1/requests/{id}/data-payments"), 0),
        (format!("/v1/requests/{id}/unit-collections"), 0),
    ] {
        assert_eq!(server.read(&path).await["data"].as_array().unwrap().len(), count, "{path}");
    }
    for path in ["course", "commitments", "points", "data-payments", "unit-collections"] {
        let (status, ..) = server.get(&format!("/v1/requests/{}/{path}", word("request", 99))).await;
        assert_eq!(status, 404, "{path}");
    }
    let (status, ..) = server.get(&format!("/v1/requests/{id}/points?key={}", "k".repeat(65))).await;
    assert_eq!(status, 400);
}

/// The GraphQL Cursor Connections Specification, on a list of three commitments and one of nine points.
#[tokio::test]
async fn pages_go_both_ways() {
    let (server, _folder) = served().await;
    let list = async |arguments: &str| {
        let query = format!(
            r#"{{ trainingRequest(id: "{}") {{ commitments{arguments} {{
                 edges {{ cursor node {{ sequence }} }} pageInfo {{ hasPreviousPage hasNextPage startCursor endCursor }} }} }} }}"#,
            word("request", 1)
        );
        let told = server.ask(&query).await["trainingRequest"]["commitments"].clone();
        let edges = told["edges"].as_array().unwrap().clone();
        let sequences: Vec<u64> =
            edges.iter().map(|edge| edge["node"]["sequence"].as_u64().unwrap()).collect();
        assert_eq!(
            told["pageInfo"]["startCursor"],
            edges.first().map_or(Value::Null, |edge| edge["cursor"].clone())
        );
        assert_eq!(
            told["pageInfo"]["endCursor"],
            edges.last().map_or(Value::Null, |edge| edge["cursor"].clone())
        );
        let flag = |name: &str| told["pageInfo"][name].as_bool().unwrap();
        (sequences, flag("hasPreviousPage"), flag("hasNextPage"))
    };
    let query = format!(
        r#"{{ trainingRequest(id: "{}") {{ commitments {{ edges {{ cursor }} }} }} }}"#,
        word("request", 1)
    );
    let all = server.ask(&query).await["trainingRequest"]["commitments"]["edges"].clone();
    let [a, b, c] = [0, 1, 2].map(|i| all[i]["cursor"].as_str().unwrap().to_owned());
    for (arguments, expected) in [
        (String::new(), (vec![1, 2, 3], false, false)),
        ("(first: 2)".to_owned(), (vec![1, 2], false, true)),
        (format!(r#"(first: 2, after: "{a}")"#), (vec![2, 3], true, false)),
        (format!(r#"(first: 1, after: "{a}", before: "{c}")"#), (vec![2], true, true)),
        (format!(r#"(before: "{b}")"#), (vec![1], false, true)),
        ("(last: 2)".to_owned(), (vec![2, 3], true, false)),
        (format!(r#"(last: 2, before: "{c}")"#), (vec![1, 2], false, true)),
        (format!(r#"(last: 1, before: "{c}")"#), (vec![2], true, true)),
        (format!(r#"(last: 5, after: "{a}")"#), (vec![2, 3], true, false)),
        (format!(r#"(last: 1, before: "{a}")"#), (vec![], false, true)),
        ("(last: 2, newestFirst: true)".to_owned(), (vec![2, 1], true, false)),
        (format!(r#"(last: 1, before: "{a}", newestFirst: true)"#), (vec![2], true, true)),
    ] {
        assert_eq!(list(&arguments).await, expected, "{arguments}");
    }
    let points = server
        .ask(&format!(
            r#"{{ trainingRequest(id: "{}") {{ points(last: 3) {{ edges {{ cursor node {{ sequence }} }} }} }} }}"#,
            word("request", 1)
        ))
        .await;
    let edges = &points["trainingRequest"]["points"]["edges"];
    let sequences =
        json!([edges[0]["node"]["sequence"], edges[1]["node"]["sequence"], edges[2]["node"]["sequence"]]);
    assert_eq!(sequences, json!([6, 7, 8]));
    for (arguments, told) in [
        ("(first: 1, last: 1)", "first and last exclude each other"),
        ("(last: 0)", "last: expected 1 to 200, got 0"),
        ("(last: 201)", "last: expected 1 to 200, got 201"),
        ("(last: -1)", "last: expected 1 to 200, got -1"),
        (r#"(before: "x")"#, "before: not a cursor of this list"),
    ] {
        assert_eq!(server.error(&format!("{{ bases{arguments} {{ edges {{ cursor }} }} }}")).await, told);
    }
    let wide = "{ trainingRequests(last: 200) { edges { node { points(last: 200) { edges { node { value } } } } } } }";
    assert_eq!(server.error(wide).await, "Query is too complex.");
}

#[test]
fn schema_is_fresh() {
    fresh("schema.graphql", &schema().sdl(), "schema_is_fresh");
}

#[test]
fn openapi_is_fresh() {
    fresh("openapi.json", &openapi(), "openapi_is_fresh");
}
