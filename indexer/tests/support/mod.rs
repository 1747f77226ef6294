//! What the indexer's tests share: events as logs, databases to compare, a node. It asserts nothing.

#![allow(dead_code, reason = "each test file uses a part of it")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, unreachable_pub)]

#[path = "../../../store/tests/support/database.rs"]
pub mod database;
pub mod events;
pub mod node;
pub mod process;
pub mod server;
pub mod stream;
pub mod training;

use alloy::primitives::{Address, B256, Log as PrimitiveLog, LogData};
use alloy::rpc::types::Log;
use offsetdata_indexer::decode::{Contracts, decode};
use offsetdata_protocol::deployments::Deployment;
use offsetdata_store::chain::blocks::{self, BlockRow, Cursor};
use offsetdata_store::chain::{FETCHED_TABLES, TABLES, rollback_above};
use offsetdata_store::{Conn, Count, Pool};
use sqlx::{AssertSqlSafe, Row};

/// A deployment whose contracts stand at these addresses.
pub fn deployment(chain_id: u64, start_block: u64) -> Deployment {
    let at = |n| Address::with_last_byte(n);
    Deployment {
        chain_id,
        start_block,
        version: "test".into(),
        token: at(0xa1),
        forwarder: at(0xa2),
        collection_registry: at(0xa3),
        access_token: at(0xa4),
        usage_billing: at(0xa5),
        model_registry: at(0xa6),
        training_coordinator: at(0xa7),
    }
}

/// A database of one test, of the kind that the environment asks for.
pub struct Database {
    pub pool: Pool,
    pub url: String,
    _kept: database::Database,
}

impl Database {
    pub async fn new() -> Self {
        let kept = database::Database::new().await;
        Self { pool: kept.pool.clone(), url: kept.url.clone(), _kept: kept }
    }

    /// All rows of all chain tables and blocks, as text, table by table.
    pub async fn dump(&self) -> Vec<String> {
        let mut conn = self.pool.acquire().await.unwrap();
        let mut lines = Vec::new();
        for table in TABLES.iter().chain(FETCHED_TABLES).copied().chain(["blocks"]) {
            let sql = format!("select * from {table} order by 1, 2");
            for row in sqlx::query(AssertSqlSafe(sql)).fetch_all(&mut *conn).await.unwrap() {
                let cells: Vec<String> = (0..row.len()).map(|i| cell(&row, i)).collect();
                lines.push(format!("{table}: {}", cells.join(" ")));
            }
        }
        let cursor = blocks::head(&mut conn).await.unwrap().unwrap();
        lines.push(format!("cursor: {} {}", cursor.number.0, cursor.hash));
        lines
    }
}

fn cell(row: &sqlx::any::AnyRow, column: usize) -> String {
    if let Ok(number) = row.try_get::<Option<i64>, _>(column) {
        return format!("{number:?}");
    }
    match row.try_get::<Option<Vec<u8>>, _>(column) {
        Ok(bytes) => bytes.map_or("None".into(), alloy::hex::encode),
        Err(_) => format!("{:?}", row.try_get::<Option<String>, _>(column).unwrap()),
    }
}

/// An event of a contract as its node sends it.
pub fn log(address: Address, data: LogData, block: u64, hash: B256, log_index: u64) -> Log {
    Log {
        inner: PrimitiveLog { address, data },
        block_hash: Some(hash),
        block_number: Some(block),
        block_timestamp: Some(1_700_000_000 + block),
        transaction_hash: Some(B256::with_last_byte(1)),
        transaction_index: Some(0),
        log_index: Some(log_index),
        removed: false,
    }
}

/// A block of a made-up chain.
#[derive(Debug, Clone)]
pub struct MadeBlock {
    pub number: u64,
    pub hash: B256,
    pub logs: Vec<Log>,
}

/// Writes blocks as the follower does: blocks, rows and cursor together.
pub async fn apply(conn: &mut Conn, deployment: &Deployment, blocks_of: &[MadeBlock]) {
    let contracts = Contracts::from(deployment);
    for block in blocks_of {
        let row = BlockRow {
            number: Count(block.number),
            hash: block.hash,
            timestamp: Count(1_700_000_000 + block.number),
            eventful: !block.logs.is_empty(),
        };
        blocks::insert_blocks(conn, &[row]).await.unwrap();
        decode(&contracts, &block.logs).unwrap().insert(conn).await.unwrap();
        set_cursor(conn, deployment, block.number, block.hash).await;
    }
}

/// Blocks from 0 on, each with these events.
pub fn chain_of(events_of: Vec<Vec<(Address, LogData)>>) -> Vec<MadeBlock> {
    (0u64..)
        .zip(events_of)
        .map(|(number, emitted)| {
            let hash = events::word("block", number);
            let logs = (0u64..)
                .zip(emitted)
                .map(|(i, (address, data))| log(address, data, number, hash, i))
                .collect();
            MadeBlock { number, hash, logs }
        })
        .collect()
}

/// Takes back everything above a block.
pub async fn undo_above(conn: &mut Conn, deployment: &Deployment, block: u64, hash: B256) {
    rollback_above(conn, block).await.unwrap();
    set_cursor(conn, deployment, block, hash).await;
}

async fn set_cursor(conn: &mut Conn, deployment: &Deployment, number: u64, hash: B256) {
    let cursor = Cursor {
        chain_id: Count(deployment.chain_id),
        genesis: B256::ZERO,
        coordinator: deployment.training_coordinator,
        start_block: Count(deployment.start_block),
        number: Count(number),
        hash,
        timestamp: Count(1_700_000_000 + number),
        chain_head: Count(number),
        safe: Count(number.saturating_sub(1)),
        finalized: Count(number.saturating_sub(2)),
        updated_at: Count(0),
    };
    blocks::advance_cursor(conn, &cursor).await.unwrap();
}
