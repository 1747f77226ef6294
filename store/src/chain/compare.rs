//! Two databases row by row, as streams, so that memory stays flat. It decides nothing about which of them is right.

use alloy::hex;
use futures::TryStreamExt;
use sqlx::any::AnyRow;
use sqlx::{AssertSqlSafe, Row};

use crate::codec::{Put, Value};
use crate::{Conn, StoreError};

use super::{Position, TABLES};

/// Where two databases differ first in a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// The table.
    pub table: &'static str,
    /// The row of the first database, if it has one more; values in the order of the columns.
    pub first: Option<String>,
    /// The row of the second one.
    pub second: Option<String>,
}

/// Compares all rows of events up to a block, and the blocks that have any. Answers how many rows there were and what
/// differs. How far fetches are is not compared, as that depends on what was there to be fetched.
///
/// # Errors
/// A database that can't be read.
pub async fn compare(
    first: &mut Conn,
    second: &mut Conn,
    block: u64,
) -> Result<(u64, Vec<Difference>), StoreError> {
    let mut count = 0;
    let mut differences = Vec::new();
    let end = Position::end_of(block);
    for table in TABLES {
        let columns = match *table {
            "points_fetches" => "position, request",
            "document_fetches" => "position, kind, subject, digest",
            _ => "*",
        };
        let sql = format!("select {columns} from {table} where position <= $1 order by 1, 2");
        let (rows, difference) = compare_rows(first, second, table, &sql, end.number()).await?;
        count += rows;
        differences.extend(difference);
    }
    let sql = "select number, hash, timestamp from blocks where number <= $1 and eventful = 1 order by 1";
    let block = i64::try_from(block).unwrap_or(i64::MAX);
    let (rows, difference) = compare_rows(first, second, "blocks", sql, block).await?;
    differences.extend(difference);
    Ok((count + rows, differences))
}

async fn compare_rows(
    first: &mut Conn,
    second: &mut Conn,
    table: &'static str,
    sql: &str,
    until: i64,
) -> Result<(u64, Option<Difference>), StoreError> {
    let mut ours = sqlx::query(AssertSqlSafe(sql)).put(&until).fetch(first);
    let mut theirs = sqlx::query(AssertSqlSafe(sql)).put(&until).fetch(second);
    let mut count = 0;
    loop {
        let ours = ours.try_next().await?.map(|row| cells(&row)).transpose()?;
        let theirs = theirs.try_next().await?.map(|row| cells(&row)).transpose()?;
        if ours != theirs {
            let difference = Difference { table, first: ours.map(text), second: theirs.map(text) };
            return Ok((count, Some(difference)));
        }
        if ours.is_none() {
            return Ok((count, None));
        }
        count += 1;
    }
}

fn cells(row: &AnyRow) -> Result<Vec<Value>, StoreError> {
    (0..row.len())
        .map(|column| {
            if let Ok(number) = row.try_get::<Option<i64>, _>(column) {
                return Ok(number.map_or(Value::NullInt, Value::Int));
            }
            if let Ok(bytes) = row.try_get::<Option<Vec<u8>>, _>(column) {
                return Ok(bytes.map_or(Value::NullInt, Value::Blob));
            }
            Ok(row.try_get::<Option<String>, _>(column)?.map_or(Value::NullInt, Value::Text))
        })
        .collect()
}

fn text(cells: Vec<Value>) -> String {
    let texts: Vec<String> = cells
        .into_iter()
        .map(|cell| match cell {
            Value::Int(number) => number.to_string(),
            Value::Blob(bytes) => hex::encode_prefixed(bytes),
            Value::Text(text) => format!("{text:?}"),
            Value::NullInt | Value::NullBlob | Value::NullText => "null".to_owned(),
        })
        .collect();
    texts.join(" ")
}
