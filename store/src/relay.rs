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

/// The stored forms of values of any column types.
macro_rules! values {
    ($($value:expr),* $(,)?) => { [$($crate::codec::Column::value(&$value)),*] };
}
pub(crate) use values;
