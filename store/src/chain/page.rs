//! Pages of lists: rows after a position, in the order of the chain or against it. It counts no totals.

use crate::codec::Value;
use crate::record::{Record, select};
use crate::{Conn, StoreError};

use super::Position;

/// Which rows of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Page {
    /// Only rows beyond this one, in the page's direction.
    pub after: Option<Position>,
    /// At most so many rows.
    pub limit: u32,
    /// Newest first.
    pub newest_first: bool,
}

impl Page {
    /// The first rows in the order of the chain.
    pub fn first(limit: u32) -> Self {
        Self { after: None, limit, newest_first: false }
    }
}

/// Rows of `R` for which all columns of `equal` have these values, ordered by `position`. The column names are our own.
///
/// # Errors
/// A database that can't be read, a row that does not hold its types.
pub async fn list<R: Record>(
    conn: &mut Conn,
    equal: &[(&'static str, Value)],
    page: Page,
) -> Result<Vec<R>, StoreError> {
    let mut conditions = vec!["1 = 1".to_owned()];
    let mut values = Vec::with_capacity(equal.len() + 2);
    for (column, value) in equal {
        values.push(value.clone());
        conditions.push(format!("{column} = ${}", values.len()));
    }
    if let Some(after) = page.after {
        values.push(Value::Int(after.number()));
        conditions.push(format!("position {} ${}", if page.newest_first { "<" } else { ">" }, values.len()));
    }
    values.push(Value::Int(page.limit.into()));
    let direction = if page.newest_first { " desc" } else { "" };
    let rest = format!("{} order by position{direction} limit ${}", conditions.join(" and "), values.len());
    select(conn, &rest, &values).await
}
