//! Calls that the relayer pays for, with the gas that counts against its budgets. Which calls is the relayer's.

use alloy::primitives::{Address, B256, U256};
use sqlx::AssertSqlSafe;

use super::{execute, values};
use crate::codec::{Column, Count, Put};
use crate::record::{find, insert, record, select};
use crate::{Conn, StoreError};

record! {
    /// A call that is paid for.
    SponsoredRow in "relay_sponsored" {
        /// Its name.
        id: B256,
        /// Whose budget it is on.
        account: Address,
        /// Nonce of its forward request.
        nonce: Option<U256>,
        /// Gas that counts.
        gas: Count,
        /// Whether that is what was used.
        settled: bool,
        /// Unix seconds.
        created_at: Count,
    }
}

/// Keeps a call.
pub async fn insert_sponsored(conn: &mut Conn, row: SponsoredRow) -> Result<(), StoreError> {
    insert(conn, &[row]).await
}

/// A call by its name.
pub async fn find_sponsored(conn: &mut Conn, id: B256) -> Result<Option<SponsoredRow>, StoreError> {
    find(conn, "id", &id).await
}

/// A call of this account that is under way with this nonce.
pub async fn find_open_with(
    conn: &mut Conn,
    account: Address,
    nonce: U256,
) -> Result<Option<SponsoredRow>, StoreError> {
    let rest = "account = $1 and nonce = $2 and settled = 0 limit 1";
    Ok(select(conn, rest, &values![account, nonce]).await?.pop())
}

/// Gas of all calls since then, of one account where it is named, and their number.
pub async fn sum_since(
    conn: &mut Conn,
    account: Option<Address>,
    since: u64,
) -> Result<(u64, u64), StoreError> {
    // A sum of integers is a decimal number in PostgreSQL.
    let sums =
        "select cast(coalesce(sum(gas), 0) as bigint) as gas, count(*) as calls from relay_sponsored where";
    let row = match account {
        None => {
            let sql = AssertSqlSafe(format!("{sums} created_at > $1"));
            sqlx::query(sql).put_value(Count(since).value()).fetch_one(conn).await?
        }
        Some(account) => {
            let sql = AssertSqlSafe(format!("{sums} created_at > $1 and account = $2"));
            let query = sqlx::query(sql).put_value(Count(since).value());
            query.put_value(account.value()).fetch_one(conn).await?
        }
    };
    Ok((Count::read(&row, "gas")?.0, Count::read(&row, "calls")?.0))
}

/// The oldest calls whose gas is not known yet.
pub async fn list_unsettled(conn: &mut Conn, limit: u32) -> Result<Vec<SponsoredRow>, StoreError> {
    select(conn, "settled = 0 order by created_at limit $1", &values![limit]).await
}

/// Notes the gas that counts, and whether it is what was used.
pub async fn set_gas(conn: &mut Conn, id: B256, gas: u64, settled: bool) -> Result<(), StoreError> {
    let sql = "update relay_sponsored set gas = $1, settled = $2 where id = $3";
    execute(conn, sql, values![Count(gas), settled, id]).await?;
    Ok(())
}
