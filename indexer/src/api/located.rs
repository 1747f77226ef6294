//! Rows of events with the blocks in which they happened, read with one query a page.

use std::collections::HashMap;

use offsetdata_store::chain::{Position, blocks};
use offsetdata_store::{Conn, StoreError};

use super::block::BlockRef;

/// A row of an event as the API shows it.
pub(crate) trait Located: Sized {
    /// The row.
    type Row;
    /// Where the row stands.
    fn position(row: &Self::Row) -> Position;
    /// The row with its block. `time` is that of the block that the answer is about, in Unix seconds.
    fn show(row: Self::Row, block: Option<BlockRef>, time: u64) -> Self;
}

/// Rows with their blocks.
///
/// # Errors
/// A database that can't be read.
pub(crate) async fn locate<T: Located>(
    conn: &mut Conn,
    rows: Vec<T::Row>,
) -> Result<Vec<(Position, T)>, StoreError> {
    let mut numbers: Vec<u64> = rows.iter().map(|row| T::position(row).block()).collect();
    numbers.sort_unstable();
    numbers.dedup();
    let blocks_of: HashMap<u64, BlockRef> = blocks::find_blocks(conn, &numbers)
        .await?
        .into_iter()
        .map(|row| (row.number.0, row.into()))
        .collect();
    let time = blocks::head(conn).await?.map_or(0, |cursor| cursor.timestamp.0);
    Ok(rows
        .into_iter()
        .map(|row| {
            let position = T::position(&row);
            (position, T::show(row, blocks_of.get(&position.block()).copied(), time))
        })
        .collect())
}

/// Says how a row is shown.
macro_rules! located {
    ($shown:ident from $row:ty, |$name:ident, $block:ident, $time:ident| $make:expr) => {
        impl $crate::api::located::Located for $shown {
            type Row = $row;
            fn position(row: &Self::Row) -> offsetdata_store::chain::Position {
                row.position
            }
            fn show($name: Self::Row, $block: Option<$crate::api::block::BlockRef>, $time: u64) -> Self {
                $make
            }
        }
    };
}
pub(crate) use located;
