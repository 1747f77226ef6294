//! Known blocks and the cursor: up to which block the tables speak. It fetches nothing.

use alloy::primitives::{Address, B256};

use crate::codec::{Column, Count, Put};
use crate::record::{Record, insert, record, select, select_in};
use crate::{Conn, StoreError};

record! {
    /// A block: recent ones all, older ones where a row of them is kept.
    BlockRow in "blocks" {
        /// Number.
        number: Count,
        /// Hash.
        hash: B256,
        /// Unix seconds.
        timestamp: Count,
        /// Whether a row of this block is kept.
        eventful: bool,
    }
}

record! {
    /// What the tables are about and how far they reach.
    Cursor in "chain_cursor" {
        /// EIP-155 chain id.
        chain_id: Count,
        /// Hash of block 0.
        genesis: B256,
        /// The coordinator of the deployment.
        coordinator: Address,
        /// Nothing before this block is indexed.
        start_block: Count,
        /// Last indexed block.
        number: Count,
        /// Its hash.
        hash: B256,
        /// Its time in Unix seconds.
        timestamp: Count,
        /// Last block that the chain had when the indexer looked.
        chain_head: Count,
        /// Last block that the chain calls safe.
        safe: Count,
        /// Last block that the chain calls finalized.
        finalized: Count,
        /// When this was written, in Unix seconds.
        updated_at: Count,
    }
}

impl Cursor {
    /// The last block with so many confirmations, where 1 is the head itself; `None` where the chain is too short.
    pub fn confirmed(&self, confirmations: u64) -> Option<u64> {
        self.number.0.checked_sub(confirmations.saturating_sub(1))
    }
}

/// The head of what is indexed; `None` before the first block.
///
/// # Errors
/// A database that can't be read.
pub async fn head(conn: &mut Conn) -> Result<Option<Cursor>, StoreError> {
    Ok(select(conn, "id = 1", &[]).await?.pop())
}

/// Writes the cursor.
///
/// # Errors
/// A database that can't be written.
pub async fn advance_cursor(conn: &mut Conn, cursor: &Cursor) -> Result<(), StoreError> {
    let mut statement = sqlx::query(
        "insert into chain_cursor (chain_id, genesis, coordinator, start_block, number, hash, timestamp, chain_head,
             safe, finalized, updated_at, id)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, 1)
         on conflict (id) do update set number = excluded.number, hash = excluded.hash,
             timestamp = excluded.timestamp, chain_head = excluded.chain_head, safe = excluded.safe,
             finalized = excluded.finalized, updated_at = excluded.updated_at",
    );
    for value in cursor.values() {
        statement = statement.put_value(value);
    }
    statement.execute(conn).await?;
    Ok(())
}

/// Adds blocks.
///
/// # Errors
/// A number that is there already (`is_duplicate`): the caller did not roll back. A database that can't be written.
pub async fn insert_blocks(conn: &mut Conn, blocks: &[BlockRow]) -> Result<(), StoreError> {
    insert(conn, blocks).await
}

/// A block by its number.
///
/// # Errors
/// A database that can't be read.
pub async fn find_block(conn: &mut Conn, number: u64) -> Result<Option<BlockRow>, StoreError> {
    crate::find(conn, "number", &Count(number)).await
}

/// These blocks, those that are known.
///
/// # Errors
/// A database that can't be read.
pub async fn find_blocks(conn: &mut Conn, numbers: &[u64]) -> Result<Vec<BlockRow>, StoreError> {
    let numbers: Vec<Count> = numbers.iter().copied().map(Count).collect();
    select_in(conn, "number", &numbers, "").await
}

/// The known blocks from `from` on, in order, at most `limit`.
///
/// # Errors
/// A database that can't be read.
pub async fn list_blocks(conn: &mut Conn, from: u64, limit: u32) -> Result<Vec<BlockRow>, StoreError> {
    select(conn, "number >= $1 order by number limit $2", &[Count(from).value(), limit.value()]).await
}

/// Forgets blocks below `below` of which no row is kept.
///
/// # Errors
/// A database that can't be written.
pub async fn prune_blocks(conn: &mut Conn, below: u64) -> Result<(), StoreError> {
    sqlx::query("delete from blocks where number < $1 and eventful = 0")
        .put(&Count(below))
        .execute(conn)
        .await?;
    Ok(())
}
