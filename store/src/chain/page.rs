//! Pages of lists: rows after a position, in the order of the chain or against it. It counts no totals.

use crate::codec::{Column, Value};
use crate::record::{Record, select_from};
use crate::{Conn, StoreError};

use super::Position;

/// Which rows of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Page {
    /// Only rows beyond this one, in the page's direction.
    pub after: Option<Position>,
    /// Only rows on this side of this one, in the page's direction.
    pub before: Option<Position>,
    /// At most so many rows.
    pub limit: u32,
    /// Newest first.
    pub newest_first: bool,
}

impl Page {
    /// The first rows in the order of the chain.
    pub fn first(limit: u32) -> Self {
        Self { after: None, before: None, limit, newest_first: false }
    }
}

/// Conditions of a list, all of which hold. Names of columns and texts of conditions are our own, values anybody's.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    conditions: Vec<String>,
    values: Vec<Value>,
}

impl Filter {
    /// Every row.
    pub fn all() -> Self {
        Self::default()
    }

    /// Rows in which the column has this value.
    #[must_use]
    pub fn equal(mut self, column: &str, value: &impl Column) -> Self {
        self.values.push(value.value());
        self.conditions.push(format!("{column} = ${}", self.values.len()));
        self
    }

    /// The same where there is a value, else every row.
    #[must_use]
    pub fn equal_some(self, column: &str, value: Option<&impl Column>) -> Self {
        match value {
            Some(value) => self.equal(column, value),
            None => self,
        }
    }

    /// Rows for which a condition holds, in which each `?` stands for the next value.
    #[must_use]
    pub fn holds(mut self, condition: &str, values: impl IntoIterator<Item = Value>) -> Self {
        let mut text = String::with_capacity(condition.len());
        let mut values = values.into_iter();
        for (i, part) in condition.split('?').enumerate() {
            if i > 0
                && let Some(value) = values.next()
            {
                self.values.push(value);
                text += &format!("${}", self.values.len());
            }
            text += part;
        }
        self.conditions.push(text);
        self
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
    let mut filter = Filter::all();
    for (column, value) in equal {
        filter = filter.holds(&format!("{column} = ?"), [value.clone()]);
    }
    list_where(conn, filter, page).await
}

/// Rows of `R` for which a filter holds, ordered by `position`.
///
/// # Errors
/// As [`list`].
pub async fn list_where<R: Record>(
    conn: &mut Conn,
    filter: Filter,
    page: Page,
) -> Result<Vec<R>, StoreError> {
    list_from(conn, R::TABLE, filter, page).await
}

/// Rows of several tables or views with the columns of `R` as one list: the first rows of each, merged.
///
/// # Errors
/// As [`list`].
pub(super) async fn list_merged<R: Record>(
    conn: &mut Conn,
    tables: &[&str],
    filter: &Filter,
    page: Page,
    position: impl Fn(&R) -> Position,
) -> Result<Vec<R>, StoreError> {
    let mut rows = Vec::new();
    for table in tables {
        rows.extend(list_from::<R>(conn, table, filter.clone(), page).await?);
    }
    rows.sort_by_key(|row| if page.newest_first { -position(row).number() } else { position(row).number() });
    rows.truncate(page.limit as usize);
    Ok(rows)
}

async fn list_from<R: Record>(
    conn: &mut Conn,
    table: &str,
    filter: Filter,
    page: Page,
) -> Result<Vec<R>, StoreError> {
    let Filter { mut conditions, mut values } = filter;
    let (beyond, within) = if page.newest_first { ("<", ">") } else { (">", "<") };
    for (bound, side) in [(page.after, beyond), (page.before, within)] {
        if let Some(bound) = bound {
            values.push(Value::Int(bound.number()));
            conditions.push(format!("position {side} ${}", values.len()));
        }
    }
    if conditions.is_empty() {
        conditions.push("1 = 1".to_owned());
    }
    values.push(Value::Int(page.limit.into()));
    let direction = if page.newest_first { " desc" } else { "" };
    let rest = format!("{} order by position{direction} limit ${}", conditions.join(" and "), values.len());
    select_from(conn, table, &rest, &values).await
}
