//! How many rows stand where: what operators look at. It names no account.

use alloy::primitives::Address;

use crate::codec::{Column, Count, Put};
use crate::{Conn, StoreError};

/// A word and how many rows have it.
pub type Counts = Vec<(String, u64)>;

/// Jobs by state.
pub async fn jobs_by_state(conn: &mut Conn) -> Result<Counts, StoreError> {
    count(conn, "select state as word, count(*) as number from relay_jobs group by state").await
}

/// Transactions by state.
pub async fn transactions_by_state(conn: &mut Conn) -> Result<Counts, StoreError> {
    count(conn, "select state as word, count(*) as number from relay_transactions group by state").await
}

/// Gas that transactions used, by kind.
pub async fn gas_by_kind(conn: &mut Conn) -> Result<Counts, StoreError> {
    let sql = "select kind as word, cast(sum(gas_used) as bigint) as number from relay_transactions \
               where gas_used is not null group by kind";
    count(conn, sql).await
}

/// Transactions that stand in a block, by kind.
pub async fn landed_by_kind(conn: &mut Conn) -> Result<Counts, StoreError> {
    let sql = "select kind as word, count(*) as number from relay_transactions \
               where state in ('included', 'confirmed') group by kind";
    count(conn, sql).await
}

/// Predictions by state.
pub async fn predictions_by_state(conn: &mut Conn) -> Result<Counts, StoreError> {
    count(conn, "select state as word, count(*) as number from relay_predictions group by state").await
}

/// Leases that run.
pub async fn leases(conn: &mut Conn) -> Result<u64, StoreError> {
    let counts = count(
        conn,
        "select 'leases' as word, count(*) as number from relay_jobs where lease_until is not null",
    );
    Ok(counts.await?.first().map_or(0, |(_, number)| *number))
}

/// Methods that name this key as their scheduler.
pub async fn methods_of_scheduler(conn: &mut Conn, scheduler: Address) -> Result<u64, StoreError> {
    let sql = "select count(*) as number from method_states where scheduler = $1";
    Ok(Count::read(&sqlx::query(sql).put_value(scheduler.value()).fetch_one(conn).await?, "number")?.0)
}

async fn count(conn: &mut Conn, sql: &'static str) -> Result<Counts, StoreError> {
    let rows = sqlx::query(sql).fetch_all(conn).await?;
    rows.iter().map(|row| Ok((String::read(row, "word")?, Count::read(row, "number")?.0))).collect()
}
