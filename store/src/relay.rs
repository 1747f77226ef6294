//! The relayer's tables. The relayer is their only writer; nothing here decides what happens next.

pub mod checkpoints;
pub mod counts;
pub mod jobs;
pub mod predictions;
pub mod sessions;
pub mod signers;
pub mod sponsored;
pub mod transactions;
pub mod work;

#[cfg(test)]
mod tests;

use sqlx::AssertSqlSafe;

use crate::codec::{Put, Value};
use crate::{Conn, StoreError};

/// Runs a statement; the answer is the number of rows that it changed.
pub(crate) async fn execute(
    conn: &mut Conn,
    sql: &'static str,
    values: impl IntoIterator<Item = Value>,
) -> Result<u64, StoreError> {
    let mut statement = sqlx::query(sql);
    for value in values {
        statement = statement.put_value(value);
    }
    Ok(statement.execute(conn).await?.rows_affected())
}

/// The same for the rows with these ids only; `sql` ends within its `where`.
pub(crate) async fn execute_for(
    conn: &mut Conn,
    sql: &'static str,
    ids: &[u64],
    values: impl IntoIterator<Item = Value>,
) -> Result<u64, StoreError> {
    if ids.is_empty() {
        return Ok(0);
    }
    let ids = ids.iter().map(u64::to_string).collect::<Vec<_>>().join(", ");
    // Numbers, in a text that is another one each time: it is not kept prepared.
    let mut statement = sqlx::query(AssertSqlSafe(format!("{sql} and id in ({ids})"))).persistent(false);
    for value in values {
        statement = statement.put_value(value);
    }
    Ok(statement.execute(conn).await?.rows_affected())
}

/// The stored forms of values of any column types.
macro_rules! values {
    ($($value:expr),* $(,)?) => { [$($crate::codec::Column::value(&$value)),*] };
}
pub(crate) use values;
