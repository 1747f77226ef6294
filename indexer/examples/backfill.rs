//! Measures how fast a long chain is indexed, beside the floor of the machine: the same logs from the same node, inserted into one
//! table and nothing else. The node is a process of its own that answers from memory with made-up logs of our contracts.
//!
//! `backfill serve EVENTS`, then `backfill index URL DATABASE` and `backfill floor URL DATABASE`, where a database is a sqlite: or
//! postgres: URL and empty; see scripts/bench.d/index.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a measurement stops where anything is off"
)]

#[path = "../tests/support/events.rs"]
#[allow(dead_code, unreachable_pub, reason = "shared with the tests")]
mod events;

use std::sync::Arc;
use std::time::{Duration, Instant};

use alloy::eips::BlockNumberOrTag;
use alloy::hex;
use alloy::primitives::{Address, LogData, U256};
use alloy::rpc::types::Log;
use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;
use axum::routing::post;
use axum::{Json, Router};
use offsetdata_indexer::IndexerError;
use offsetdata_indexer::decode::Contracts;
use offsetdata_indexer::follow::{Follower, Step};
use offsetdata_indexer::preflight::{check_chain, check_database};
use offsetdata_indexer::rpc::Rpc;
use offsetdata_protocol::deployments::Deployment;
use serde_json::{Value, json};
use sqlx::{Connection, PgConnection, SqliteConnection};

/// Logs in a block.
const PER_BLOCK: u64 = 10;
/// Blocks that a reorg may take back; the chain is longer by so many empty ones.
const DEPTH: u64 = 128;
/// Blocks in one call of the floor: large, and below what a node refuses.
const FLOOR_RANGE: u64 = 2_000;
/// Rows in one statement of the floor.
const FLOOR_ROWS: usize = 1_000;

fn deployment() -> Deployment {
    let at = |n| Address::with_last_byte(n);
    Deployment {
        chain_id: 31_337,
        start_block: 1,
        version: "bench".into(),
        token: at(0xa1),
        forwarder: at(0xa2),
        collection_registry: at(0xa3),
        access_token: at(0xa4),
        usage_billing: at(0xa5),
        model_registry: at(0xa6),
        training_coordinator: at(0xa7),
    }
}

/// What is emitted, as a busy market would: half of it money for use, a third commitments and what is around them.
fn event(deployment: &Deployment, n: u64) -> (Address, LogData) {
    let group = n / PER_BLOCK;
    let (reader, payee) = (events::account(group % 97), events::account(1_000 + group % 31));
    let voucher = || events::settled_to(group % 500, reader, payee, n % 4, group, U256::from(group + 1));
    match n % PER_BLOCK {
        0 => (deployment.collection_registry, events::registered(group)),
        1 => (deployment.training_coordinator, events::requested(group)),
        2 => (deployment.training_coordinator, events::assigned(group, 1, 0)),
        3 => (deployment.training_coordinator, events::committed(group, 1, 8, events::word("points", n))),
        4 => (deployment.training_coordinator, events::committed(group, 2, 16, events::word("points", n))),
        5 => (deployment.access_token, events::bought(group % 500, reader, 500, 100)),
        6 => (deployment.access_token, events::offer(group % 500, 0, u128::from(n))),
        _ => (deployment.usage_billing, voucher()),
    }
}

struct Chain {
    /// Logs of each block from 1 on, as JSON without brackets.
    blocks: Vec<String>,
}

impl Chain {
    fn make(count: u64) -> Self {
        let deployment = deployment();
        let blocks = (1..=count / PER_BLOCK).map(|number| {
            let logs: Vec<String> = (0..PER_BLOCK)
                .map(|i| {
                    let (address, data) = event(&deployment, (number - 1) * PER_BLOCK + i);
                    let topics: Vec<String> = data.topics().iter().map(|topic| format!("\"{topic}\"")).collect();
                    format!(
                        r#"{{"address":"{address}","topics":[{}],"data":"{}","blockHash":"{}","blockNumber":"{number:#x}","blockTimestamp":"{:#x}","transactionHash":"{}","transactionIndex":"{i:#x}","logIndex":"{i:#x}","removed":false}}"#,
                        topics.join(","),
                        hex::encode_prefixed(&data.data),
                        events::word("block", number),
                        1_700_000_000 + number,
                        events::word("transaction", number * PER_BLOCK + i),
                    )
                })
                .collect();
            logs.join(",")
        });
        Self { blocks: blocks.collect() }
    }

    fn head(&self) -> u64 {
        self.blocks.len() as u64 + DEPTH
    }

    fn header(&self, number: u64) -> Value {
        let zero = format!("0x{}", "0".repeat(64));
        json!({
            "hash": events::word("block", number), "parentHash": events::word("block", number.wrapping_sub(1)),
            "sha3Uncles": zero, "miner": format!("0x{}", "0".repeat(40)), "stateRoot": zero, "transactionsRoot": zero,
            "receiptsRoot": zero, "logsBloom": format!("0x{}", "0".repeat(512)), "difficulty": "0x0",
            "number": format!("{number:#x}"), "gasLimit": "0x1c9c380", "gasUsed": "0x0",
            "timestamp": format!("{:#x}", 1_700_000_000 + number), "extraData": "0x", "mixHash": zero,
            "nonce": "0x0000000000000000", "baseFeePerGas": "0x1", "size": "0x0", "uncles": [], "transactions": [],
        })
    }

    fn answer(&self, call: &Value) -> String {
        let number = |text: &str| u64::from_str_radix(text.trim_start_matches("0x"), 16).unwrap();
        let result = match call["method"].as_str().unwrap() {
            "eth_chainId" => json!("0x7a69").to_string(),
            "eth_getCode" => json!("0x00").to_string(),
            "eth_getBlockByNumber" => {
                let number = match call["params"][0].as_str().unwrap() {
                    "latest" | "safe" => self.head(),
                    "finalized" => self.head() - DEPTH,
                    hex => number(hex),
                };
                self.header(number).to_string()
            }
            "eth_getLogs" => {
                let filter = &call["params"][0];
                let (from, to) = (
                    number(filter["fromBlock"].as_str().unwrap()),
                    number(filter["toBlock"].as_str().unwrap()),
                );
                let last = usize::try_from(to).unwrap().min(self.blocks.len());
                let first = usize::try_from(from.max(1) - 1).unwrap().min(last);
                format!("[{}]", self.blocks[first..last].join(","))
            }
            method => panic!("{method} is not answered"),
        };
        format!(r#"{{"jsonrpc":"2.0","id":{},"result":{result}}}"#, call["id"])
    }
}

async fn serve(count: u64) {
    let chain = Arc::new(Chain::make(count));
    let answer = async |State(chain): State<Arc<Chain>>, Json(call): Json<Value>| {
        ([(header::CONTENT_TYPE, "application/json")], chain.answer(&call)).into_response()
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    println!("http://{}", listener.local_addr().unwrap());
    axum::serve(listener, Router::new().route("/", post(answer)).with_state(chain)).await.unwrap();
}

fn rpc(url: &str) -> Rpc {
    Rpc::new(url, Duration::from_secs(60)).unwrap()
}

/// Seconds of this process on the CPU and its greatest resident size in MB.
fn used() -> (f64, f64) {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
    let ticks: f64 = fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap();
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    let kilobytes: f64 = peak.split_whitespace().next().unwrap().parse().unwrap();
    // A tick is a hundredth of a second on every Linux of today.
    (ticks / 100.0, kilobytes / 1024.0)
}

fn say(count: u64, took: Duration, before: f64) {
    let (cpu, peak) = used();
    let rate = count as f64 / took.as_secs_f64();
    println!(
        "{}",
        json!({ "events": count, "events_per_s": rate, "seconds": took.as_secs_f64(), "cpu_s": cpu - before, "peak_rss_mb": peak })
    );
}

async fn index(url: &str, database: &str) {
    let pool = offsetdata_store::connect(database).await.unwrap();
    offsetdata_store::migrate(&pool).await.unwrap();
    let deployment = deployment();
    check_chain(&rpc(url), &deployment).await.unwrap();
    check_database(&pool, &rpc(url), &deployment, 0).await.unwrap();
    let mut follower = Follower::new(rpc(url), pool.clone(), &deployment, DEPTH);
    let (begun, before) = (Instant::now(), used().0);
    let mut last = 0;
    loop {
        match follower.step(0).await {
            Ok(Step::Advanced { to, .. }) => last = to,
            Ok(Step::Idle) => break,
            Ok(Step::RolledBack { to }) => panic!("rolled back to {to}"),
            // An answer that is too long: the next range is smaller, as in the service.
            Err(IndexerError::Rpc { refused: true, .. }) => {}
            Err(error) => panic!("{error}"),
        }
    }
    assert!(last > DEPTH, "nothing was indexed");
    say((last - DEPTH) * PER_BLOCK, begun.elapsed(), before);
}

/// One table of logs, and nothing but rows put into it: with the settings of the store, and what is fastest for each database.
enum Floor {
    Sqlite(SqliteConnection),
    Postgres(PgConnection),
}

impl Floor {
    async fn open(database: &str) -> Self {
        let table = |bytes| {
            format!(
                "create table logs (block bigint, log_index bigint, address {bytes}, topics {bytes}, data {bytes})"
            )
        };
        if database.starts_with("postgres") {
            let mut conn = PgConnection::connect(database).await.unwrap();
            sqlx::query(sqlx::AssertSqlSafe(table("bytea"))).execute(&mut conn).await.unwrap();
            return Self::Postgres(conn);
        }
        let mut conn = SqliteConnection::connect(&format!("{database}?mode=rwc")).await.unwrap();
        for setting in ["pragma journal_mode = wal", "pragma synchronous = full"] {
            sqlx::query(setting).execute(&mut conn).await.unwrap();
        }
        sqlx::query(sqlx::AssertSqlSafe(table("blob"))).execute(&mut conn).await.unwrap();
        Self::Sqlite(conn)
    }

    /// All rows in one transaction.
    async fn insert(&mut self, logs: &[Log]) {
        let rows: Vec<Row> = logs.iter().map(row).collect();
        match self {
            Self::Sqlite(conn) => {
                let mut tx = conn.begin().await.unwrap();
                for part in rows.chunks(FLOOR_ROWS) {
                    let values = vec!["(?, ?, ?, ?, ?)"; part.len()].join(", ");
                    let sql = format!("insert into logs values {values}");
                    let mut statement = sqlx::query(sqlx::AssertSqlSafe(sql));
                    for (block, index, address, topics, data) in part {
                        statement = statement.bind(block).bind(index).bind(address).bind(topics).bind(data);
                    }
                    statement.execute(&mut *tx).await.unwrap();
                }
                tx.commit().await.unwrap();
            }
            Self::Postgres(conn) => {
                let mut tx = conn.begin().await.unwrap();
                for part in rows.chunks(FLOOR_ROWS) {
                    let sql = "insert into logs select * from unnest($1::bigint[], $2::bigint[], $3::bytea[], $4::bytea[], $5::bytea[])";
                    sqlx::query(sql)
                        .bind(part.iter().map(|row| row.0).collect::<Vec<i64>>())
                        .bind(part.iter().map(|row| row.1).collect::<Vec<i64>>())
                        .bind(part.iter().map(|row| row.2.clone()).collect::<Vec<Vec<u8>>>())
                        .bind(part.iter().map(|row| row.3.clone()).collect::<Vec<Vec<u8>>>())
                        .bind(part.iter().map(|row| row.4.clone()).collect::<Vec<Vec<u8>>>())
                        .execute(&mut *tx)
                        .await
                        .unwrap();
                }
                tx.commit().await.unwrap();
            }
        }
    }
}

type Row = (i64, i64, Vec<u8>, Vec<u8>, Vec<u8>);

fn row(log: &Log) -> Row {
    let number = |n: Option<u64>| i64::try_from(n.unwrap()).unwrap();
    (
        number(log.block_number),
        number(log.log_index),
        log.address().to_vec(),
        log.topics().iter().flat_map(|topic| topic.0).collect(),
        log.inner.data.data.to_vec(),
    )
}

async fn floor(url: &str, database: &str) {
    let mut table = Floor::open(database).await;
    let addresses = Contracts::from(&deployment()).addresses();
    let node = rpc(url);
    let head = node.header(BlockNumberOrTag::Latest).await.unwrap().unwrap().number;
    let (begun, before) = (Instant::now(), used().0);
    let mut count = 0;
    for from in (1..=head).step_by(usize::try_from(FLOOR_RANGE).unwrap()) {
        let logs = node.logs(&addresses, from, head.min(from + FLOOR_RANGE - 1)).await.unwrap();
        count += logs.len() as u64;
        table.insert(&logs).await;
    }
    say(count, begun.elapsed(), before);
}

#[tokio::main]
async fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    match words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["serve", count] => serve(count.parse().expect("a number of events")).await,
        ["index", url, database] => index(url, database).await,
        ["floor", url, database] => floor(url, database).await,
        _ => {
            eprintln!("usage: backfill serve EVENTS | index URL DATABASE | floor URL DATABASE");
            std::process::exit(2);
        }
    }
}
