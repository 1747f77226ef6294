//! The data circle as the API tells it: rights, vouchers, payments, usage, documents and search, in GraphQL and in REST.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use alloy::primitives::{Address, B256, LogData, U256};
use offsetdata_content::Blocks;
use offsetdata_content::publish::{PublishOptions, Publisher};
use offsetdata_indexer::documents::fetch_due;
use offsetdata_protocol::chunk::ChunkLimits;
use offsetdata_protocol::cid::{DAG_CBOR, RAW};
use offsetdata_protocol::manifest::{Field, FieldKind, Visibility};
use offsetdata_protocol::record::{self, Record};
use offsetdata_protocol::{Codec, CollectionKey, Digest, SeriesId};
use offsetdata_store::chain::rollback_above;
use serde_json::{Value, json};
use support::events::{self, account, word};
use support::server::Server;
use support::{Database, apply, chain_of, deployment};

fn hex(address: Address) -> String {
    address.to_checksum(None)
}

/// Publishes so many records and tells root and manifest digest.
async fn published(content: &Blocks, records: u32, croissant: &str) -> (B256, B256) {
    let options = PublishOptions {
        series: SeriesId([7; 16]),
        key: CollectionKey::from_bytes([9; 32]),
        visibility: Visibility::Private,
        limits: ChunkLimits::default(),
        codec: Codec::Identity,
        fields: vec![Field::required("text", FieldKind::Text).media("text/plain")],
        licence: "CC-BY-4.0".into(),
        croissant: croissant.into(),
        quality_report: None,
        preview_records: 0,
    };
    let mut publisher = Publisher::new(content.clone(), options).unwrap();
    for n in 0..records {
        let record = Record::from_fields([("text", record::Value::Text(format!("record {n}")))]).unwrap();
        publisher.push(record.view()).await.unwrap();
    }
    let published = publisher.finish().await.unwrap();
    (published.content_root().0.into(), published.manifest_digest.0.into())
}

const CROISSANT: &str =
    r#"{"name":"Handwritten digits","description":"Scans of 1,797 digits","keywords":["OCR"]}"#;

async fn served(content: &Blocks) -> Server {
    let deployment = deployment(31_337, 1);
    let (collections, access, billing) =
        (deployment.collection_registry, deployment.access_token, deployment.usage_billing);
    let (root, manifest) = published(content, 100, CROISSANT).await;
    let revised = content.put(RAW, br#"{"title":"Digits, second edition","serviceUrl":"x"}"#).await.unwrap();
    let revised: B256 = offsetdata_protocol::cid::parts(&revised).unwrap().1.0.into();
    let foreign = content.put(DAG_CBOR, b"nonsense").await.unwrap();
    let foreign: B256 = offsetdata_protocol::cid::parts(&foreign).unwrap().1.0.into();
    let (reader, other, payee) = (account(1), account(2), account(9));
    let voucher =
        |payer, lane, records, paid: u64| events::settled(0, payer, lane, records, U256::from(paid));
    let of: Vec<Vec<(Address, LogData)>> = vec![
        vec![],
        vec![
            (collections, events::registered_as(0, root, manifest, 100)),
            // Another's manifest, nonsense, and one that nobody has.
            (collections, events::registered_as(3, word("other root", 0), manifest, 100)),
            (collections, events::registered_as(6, root, foreign, 100)),
            (collections, events::registered_as(9, root, word("missing", 0), 100)),
            (access, events::offer(0, 0, 5)),
        ],
        vec![
            (access, events::granted(0, other, (1 << 40) - 1)),
            (access, events::bought(0, reader, 500, 100)),
            (billing, events::spender_authorized(reader, account(400), 1_000)),
            (billing, events::deposited(reader, 77)),
        ],
        vec![
            (billing, voucher(reader, 1, 100, 200)),
            (billing, voucher(reader, 2, 50, 100)),
            (billing, voucher(other, 1, 7, 14)),
            // With itself about somebody's collection: it counts for nobody.
            (billing, events::settled_to(0, account(5), account(5), 0, u64::MAX, U256::from(1))),
        ],
        vec![
            (billing, events::settled_from(0, reader, payee, 1, 160, U256::from(120), U256::from(70))),
            (billing, events::settled(0, other, 3, u64::MAX, U256::from(u128::MAX))),
            (billing, events::settled(0, other, 4, u64::MAX, U256::from(u128::MAX))),
            (access, events::revoked(0, reader, 450)),
            (access, events::denied(0, account(6), true)),
            (access, events::withdrawn(payee, 11)),
            (billing, events::withdrawn(payee, 12)),
            (deployment.training_coordinator, events::withdrawn(payee, 13)),
            (collections, events::metadata_revised(0, revised)),
        ],
    ];
    let database = Database::new().await;
    let mut tx = database.pool.write().await.unwrap();
    apply(&mut tx, &deployment, &chain_of(of)).await;
    tx.commit().await.unwrap();
    assert_eq!(fetch_due(&database.pool, content, 1_000).await.unwrap(), 5);
    assert_eq!(fetch_due(&database.pool, content, 1_000).await.unwrap(), 0, "nothing is due yet");
    assert_eq!(
        fetch_due(&database.pool, content, 1_002).await.unwrap(),
        1,
        "what is missing is asked for again"
    );
    Server::start(database).await
}

async fn content() -> (Blocks, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    (Blocks::directory(folder.path()).unwrap(), folder)
}

#[tokio::test]
async fn collections_say_what_their_documents_say() {
    let (content, _folder) = content().await;
    let server = served(&content).await;
    let told = server.read(&format!("/v1/collections/{}", word("collection", 0))).await;
    let collection = &told["data"];
    assert_eq!(collection["manifestStatus"], "STORED");
    assert_eq!(collection["name"], "Digits, second edition", "later metadata replaces the manifest's");
    assert_eq!(collection["description"], "Scans of 1,797 digits", "where it says something");
    assert_eq!((&collection["licence"], &collection["public"]), (&json!("CC-BY-4.0"), &json!(false)));
    assert_eq!(
        collection["fields"],
        json!([{ "name": "text", "kind": "text", "optional": false, "mediaType": "text/plain", "description": null }])
    );
    assert_eq!(collection["offers"][0]["price"], "5");
    assert_eq!(collection["registeredIn"]["number"], 1);
    for (n, status, reason) in [
        (3, "INVALID", "it has another content root than the chain"),
        (6, "INVALID", "manifest"),
        (9, "UNAVAILABLE", "nobody has the block"),
    ] {
        let told = server.read(&format!("/v1/collections/{}", word("collection", n))).await;
        assert_eq!(told["data"]["manifestStatus"], status);
        assert!(told["data"]["manifestReason"].as_str().unwrap().contains(reason), "{}", told["data"]);
        assert_eq!(told["data"]["name"], Value::Null);
    }
    let graph = server
        .ask(&format!(
            r#"{{ collection(id: "{}") {{ name manifestStatus fields {{ name }} offers {{ right }}
                 metadataRevisions {{ edges {{ node {{ block {{ number }} }} }} }} }} }}"#,
            word("collection", 0)
        ))
        .await;
    assert_eq!(graph["collection"]["name"], "Digits, second edition");
    assert_eq!(graph["collection"]["offers"], json!([{ "right": "READ" }]));
}

#[tokio::test]
async fn collections_are_found_by_words() {
    let (content, _folder) = content().await;
    let server = served(&content).await;
    let found = async |query: &str| {
        let told = server.read(&format!("/v1/collections?{query}")).await;
        told["data"]
            .as_array()
            .unwrap()
            .iter()
            .map(|c| c["id"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    let digits = vec![word("collection", 0).to_string()];
    for query in [
        "search=digits",
        "search=HANDWRITTEN+dig",
        "search=ocr",
        "search=cc-by",
        "search=edition+scans",
        "licence=CC-BY-4.0",
        "public=false",
        "offered=READ",
        "search=digits&offered=READ&retired=false",
        &format!("publisher={}&search=1797+OR+1", "0x") as &str,
    ] {
        if query.contains("publisher=0x&") {
            assert_eq!(server.get(&format!("/v1/collections?{query}")).await.0, 400);
            continue;
        }
        assert_eq!(found(query).await, digits, "{query}");
    }
    for query in
        ["search=igits", "search=digits+cats", "licence=MIT", "public=true", "offered=TRAIN", "search=%25"]
    {
        let expected = if query == "search=%25" { 4 } else { 0 };
        assert_eq!(found(query).await.len(), expected, "{query}");
    }
    assert_eq!(found(&format!("registrant={}", account(0))).await.len(), 4);
    assert_eq!(found(&format!("publisher={}", account(0))).await.len(), 4);
    assert_eq!(found(&format!("publisher={}", account(8))).await.len(), 0);
    let graph = server.ask(r#"{ collections(search: "second EDITION") { edges { node { id } } } }"#).await;
    assert_eq!(graph["collections"]["edges"][0]["node"]["id"], digits[0]);
}

#[tokio::test]
async fn rights_are_told_with_their_end() {
    let (content, _folder) = content().await;
    let server = served(&content).await;
    let id = word("collection", 0);
    let told = server.read(&format!("/v1/access?collection={id}&order=oldest")).await;
    let rights = told["data"].as_array().unwrap();
    assert_eq!(rights.len(), 2);
    assert_eq!(
        (&rights[0]["holder"], &rights[0]["held"], &rights[0]["forEver"], &rights[0]["expiry"]),
        (&json!(hex(account(2))), &json!(true), &json!(true), &Value::Null)
    );
    assert_eq!(
        (&rights[1]["holder"], &rights[1]["held"], &rights[1]["expiry"], &rights[1]["refundUntil"]),
        (&json!(hex(account(1))), &json!(false), &Value::Null, &Value::Null),
        "it was revoked"
    );
    let held = server.read(&format!("/v1/access?collection={id}&held=true")).await;
    assert_eq!(held["data"].as_array().unwrap().len(), 1);
    let events = server.read(&format!("/v1/access-events?holder={}&order=oldest", account(1))).await;
    let kinds: Vec<&Value> = events["data"].as_array().unwrap().iter().map(|event| &event["kind"]).collect();
    assert_eq!(kinds, ["BOUGHT", "REVOKED"]);
    let graph = server
        .ask(&format!(
            r#"{{ collection(id: "{id}") {{ access(held: true) {{ edges {{ node {{ holder firstIn {{ number }} }} }} }}
                 denials {{ edges {{ node {{ account }} }} }} }}
                 account(address: "{}") {{ accessEvents {{ edges {{ node {{ kind amount }} }} }} }} }}"#,
            account(1)
        ))
        .await;
    assert_eq!(graph["collection"]["access"]["edges"][0]["node"]["firstIn"]["number"], 2);
    assert_eq!(graph["collection"]["denials"]["edges"][0]["node"]["account"], hex(account(6)));
    assert_eq!(
        graph["account"]["accessEvents"]["edges"][0]["node"],
        json!({ "kind": "REVOKED", "amount": "450" })
    );
}

#[tokio::test]
async fn sums_are_exact() {
    let (content, _folder) = content().await;
    let server = served(&content).await;
    let id = word("collection", 0);
    let usage = server.read(&format!("/v1/collections/{id}/usage?byPayer=true")).await;
    let of = |payer: Address| {
        let all = usage["data"].as_array().unwrap();
        all.iter().find(|sum| sum["payer"] == hex(payer)).unwrap_or_else(|| panic!("{all:?}")).clone()
    };
    let reader = of(account(1));
    assert_eq!(
        (&reader["records"], &reader["paid"], &reader["settlements"]),
        (&json!("210"), &json!("420"), &json!(3)),
        "two lanes, of which one was settled twice"
    );
    let most = U256::from(u128::MAX) * U256::from(2) + U256::from(14);
    assert_eq!(of(account(2))["paid"], most.to_string());
    assert_eq!(of(account(2))["records"], u64::MAX.to_string(), "more than 64 bits are cut");
    assert_eq!(usage["data"].as_array().unwrap().len(), 2, "who pays itself is not counted");
    let own = server.read(&format!("/v1/collections/{id}/usage?payee={}", account(5))).await;
    assert_eq!(own["data"][0]["paid"], "1", "but where it is asked for");
    let day = 1_700_000_004 / 86_400 * 86_400;
    let days = server.read(&format!("/v1/collections/{id}/usage?byDay=true&payer={}", account(1))).await;
    assert_eq!(
        days["data"],
        json!([{ "payer": null, "day": day, "records": "210", "paid": "420", "settlements": 3 }])
    );
    let none = server.read(&format!("/v1/collections/{id}/usage?from={}", day + 86_400)).await;
    assert_eq!(none["data"][0]["settlements"], 0);

    let statement = server.read(&format!("/v1/accounts/{}/statement", account(1))).await;
    assert_eq!(
        statement["data"],
        json!([{ "other": hex(account(9)), "collectionId": id.to_string(), "vouchers": "420", "purchases": "500",
                 "refunds": "450", "training": "0", "total": "470" }])
    );
    let income = server.read(&format!("/v1/accounts/{}/statement?as=payee", account(9))).await;
    assert_eq!(income["data"].as_array().unwrap().len(), 2);
    let graph = server
        .ask(&format!(
            r#"{{ account(address: "{}") {{ statement(as: PAYER) {{ total }}
                 payments(as: PAYER, newestFirst: false) {{ edges {{ node {{ kind amount payee }} }} }}
                 spenders {{ edges {{ node {{ cap spent valid }} }} }}
                 deposits(as: PAYER, newestFirst: false) {{ edges {{ node {{ kind amount balance }} }} }}
                 depositStates(as: PAYER) {{ edges {{ node {{ payee balance thawing thawsAt }} }} }}
                 vouchers(as: PAYER) {{ edges {{ node {{ paid }} }} }} }}
                 collection(id: "{id}") {{ usage(byPayer: true) {{ payer records }} }} }}"#,
            account(1)
        ))
        .await;
    assert_eq!(graph["account"]["statement"], json!([{ "total": "470" }]));
    let payments: Vec<(&str, &str)> = graph["account"]["payments"]["edges"]
        .as_array()
        .unwrap()
        .iter()
        .map(|e| (e["node"]["kind"].as_str().unwrap(), e["node"]["amount"].as_str().unwrap()))
        .collect();
    assert_eq!(
        payments,
        [("PURCHASE", "500"), ("VOUCHER", "200"), ("VOUCHER", "100"), ("VOUCHER", "120"), ("REFUND", "450")]
    );
    assert_eq!(
        graph["account"]["spenders"]["edges"][0]["node"],
        json!({ "cap": "1000", "spent": "420", "valid": true })
    );
    assert_eq!(
        graph["account"]["deposits"]["edges"],
        json!([
            { "node": { "kind": "DEPOSITED", "amount": "77", "balance": "77" } },
            { "node": { "kind": "TAKEN", "amount": "70", "balance": null } }
        ])
    );
    let stands = json!({ "payee": hex(account(9)), "balance": "7", "thawing": "0", "thawsAt": null });
    assert_eq!(graph["account"]["depositStates"]["edges"][0]["node"], stands);
    let told = server.read(&format!("/v1/accounts/{}/deposit-states?as=payee", account(9))).await;
    assert_eq!((&told["data"][0]["balance"], &told["next"]), (&json!("7"), &Value::Null));
    assert_eq!(graph["collection"]["usage"].as_array().unwrap().len(), 2);

    let withdrawn = server.read(&format!("/v1/accounts/{}/withdrawals?order=oldest", account(9))).await;
    let withdrawn: Vec<(&Value, &Value)> =
        withdrawn["data"].as_array().unwrap().iter().map(|row| (&row["contract"], &row["amount"])).collect();
    assert_eq!(
        withdrawn,
        [
            (&json!("ACCESS_TOKEN"), &json!("11")),
            (&json!("USAGE_BILLING"), &json!("12")),
            (&json!("TRAINING_COORDINATOR"), &json!("13"))
        ]
    );
    let credits = server.read(&format!("/v1/accounts/{}/credits", account(1))).await;
    assert_eq!(
        (&credits["data"][0]["kind"], &credits["data"][0]["amount"]),
        (&json!("REFUND"), &json!("450"))
    );
}

#[tokio::test]
async fn a_reorg_takes_documents_and_sums_back() {
    let (content, _folder) = content().await;
    let server = served(&content).await;
    let id = word("collection", 0);
    let mut tx = server.database.pool.write().await.unwrap();
    rollback_above(&mut tx, 3).await.unwrap();
    tx.commit().await.unwrap();
    let told = server.read(&format!("/v1/collections/{id}")).await;
    assert_eq!(told["data"]["name"], "Handwritten digits");
    let usage = server.read(&format!("/v1/collections/{id}/usage")).await;
    assert_eq!(usage["data"][0]["paid"], "314");
    let held = server.read(&format!("/v1/access?collection={id}&held=true")).await;
    assert_eq!(held["data"].as_array().unwrap().len(), 2, "the revocation is gone");
    let mut tx = server.database.pool.write().await.unwrap();
    rollback_above(&mut tx, 0).await.unwrap();
    tx.commit().await.unwrap();
    for line in server.database.dump().await {
        assert!(line.starts_with("blocks:") || line.starts_with("cursor:"), "{line}");
    }
}

#[tokio::test]
async fn pages_go_on_where_they_ended() {
    let (content, _folder) = content().await;
    let server = served(&content).await;
    for order in ["newest", "oldest"] {
        let (mut after, mut seen) = (String::new(), Vec::new());
        loop {
            let page = server.read(&format!("/v1/vouchers?first=2&order={order}{after}")).await;
            seen.extend(
                page["data"].as_array().unwrap().iter().map(|row| row["paid"].as_str().unwrap().to_owned()),
            );
            match page["next"].as_str() {
                Some(next) => after = format!("&after={next}"),
                None => break,
            }
        }
        let max = u128::MAX.to_string();
        let mut expected = vec!["200", "100", "14", "1", "120", &max, &max];
        if order == "newest" {
            expected.reverse();
        }
        assert_eq!(seen, expected, "{order}");
    }
    let digest = Digest([0; 32]);
    assert_eq!(server.get(&format!("/v1/collections/{}", B256::from(digest.0))).await.0, 404);
}
