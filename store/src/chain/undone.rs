//! Blocks that reorgs took back, and where their branch left the chain. It is no part of what a rebuild has.

use alloy::primitives::B256;

use crate::codec::{Column, Count, Put};
use crate::record::{record, select};
use crate::{Conn, StoreError};

/// Blocks below a fork point that are remembered: more than any reorg that is followed.
const REMEMBERED: u64 = 10_000;

record! {
    /// A block that is gone.
    UndoneBlockRow in "undone_blocks" {
        /// Number.
        number: Count,
        /// Hash.
        hash: B256,
        /// The highest block that was kept.
        fork_number: Count,
        /// Its hash.
        fork_hash: B256,
    }
}

/// Remembers all known blocks above a fork point as gone, before they are deleted, and forgets what is long past.
///
/// # Errors
/// A database that can't be written; so everywhere below.
pub async fn remember_above(conn: &mut Conn, fork: u64, fork_hash: B256) -> Result<(), StoreError> {
    sqlx::query(
        "insert into undone_blocks (number, hash, fork_number, fork_hash)
         select number, hash, $1, $2 from blocks where number > $1
         on conflict (number, hash) do update set fork_number = excluded.fork_number, fork_hash = excluded.fork_hash",
    )
    .put(&Count(fork))
    .put(&fork_hash)
    .execute(&mut *conn)
    .await?;
    sqlx::query("delete from undone_blocks where number < $1")
        .put(&Count(fork.saturating_sub(REMEMBERED)))
        .execute(conn)
        .await?;
    Ok(())
}

/// Forgets those that the chain took up again.
pub async fn forget_restored(conn: &mut Conn) -> Result<(), StoreError> {
    sqlx::query(
        "delete from undone_blocks where exists (
             select 1 from blocks b where b.number = undone_blocks.number and b.hash = undone_blocks.hash)",
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// The blocks with this number that are gone.
pub async fn list_undone(conn: &mut Conn, number: u64) -> Result<Vec<UndoneBlockRow>, StoreError> {
    select(conn, "number = $1", &[Count(number).value()]).await
}
