//! Rows as structs: the field's name is the column's name. It opens no transaction.

use sqlx::AssertSqlSafe;
use sqlx::any::AnyRow;

use crate::codec::{Column, Put, Value};
use crate::dialect::Dialect;
use crate::{Conn, StoreError};

/// A struct whose fields are the columns of a table or view.
pub trait Record: Sized {
    /// The table or view.
    const TABLE: &'static str;
    /// Its columns, in the order of the fields.
    const COLUMNS: &'static [&'static str];

    /// The values, in the order of the columns.
    fn values(&self) -> Vec<Value>;

    /// Reads a row.
    ///
    /// # Errors
    /// A column that does not hold its type.
    fn read(row: &AnyRow) -> Result<Self, StoreError>;
}

/// Declares a struct and that its fields are the columns of a table or view.
macro_rules! record {
    ($(#[$doc:meta])* $name:ident in $table:literal { $($(#[$field_doc:meta])* $field:ident: $type:ty,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub struct $name {
            $($(#[$field_doc])* pub $field: $type,)*
        }

        impl $crate::record::Record for $name {
            const TABLE: &'static str = $table;
            const COLUMNS: &'static [&'static str] = &[$(stringify!($field)),*];

            fn values(&self) -> Vec<$crate::codec::Value> {
                vec![$($crate::codec::Column::value(&self.$field)),*]
            }

            fn read(row: &sqlx::any::AnyRow) -> Result<Self, $crate::StoreError> {
                Ok(Self { $($field: $crate::codec::Column::read(row, stringify!($field))?),* })
            }
        }
    };
}
pub(crate) use record;

/// Inserts rows, many in a statement.
///
/// # Errors
/// A key that is there already; a database that can't be written.
pub async fn insert<R: Record>(conn: &mut Conn, rows: &[R]) -> Result<(), StoreError> {
    let dialect = Dialect::of(conn);
    for part in rows.chunks(dialect.rows_per_statement(R::COLUMNS.len())) {
        let part: Vec<Vec<Value>> = part.iter().map(Record::values).collect();
        let (sql, values) = dialect.insert(R::TABLE, R::COLUMNS, &part);
        let mut statement = sqlx::query(AssertSqlSafe(sql));
        for value in values {
            statement = statement.put_value(value);
        }
        statement.execute(&mut *conn).await?;
    }
    Ok(())
}

/// Rows for which `rest` (what follows `where`, in our own words only) holds.
///
/// # Errors
/// A database that can't be read, a row that does not hold its types.
pub async fn select<R: Record>(conn: &mut Conn, rest: &str, values: &[Value]) -> Result<Vec<R>, StoreError> {
    select_from(conn, R::TABLE, rest, values).await
}

/// The same from another table or view with these columns.
///
/// # Errors
/// As [`select`].
pub(crate) async fn select_from<R: Record>(
    conn: &mut Conn,
    table: &str,
    rest: &str,
    values: &[Value],
) -> Result<Vec<R>, StoreError> {
    let sql = format!("select {} from {table} where {rest}", R::COLUMNS.join(", "));
    let mut statement = sqlx::query(AssertSqlSafe(sql));
    for value in values {
        statement = statement.put_value(value.clone());
    }
    statement.fetch_all(conn).await?.iter().map(R::read).collect()
}

/// The one row whose `column` has this value.
///
/// # Errors
/// As [`select`].
pub async fn find<R: Record>(
    conn: &mut Conn,
    column: &str,
    value: &impl Column,
) -> Result<Option<R>, StoreError> {
    Ok(select(conn, &format!("{column} = $1 limit 1"), &[value.value()]).await?.pop())
}

/// Rows whose `column` has one of these values, where `rest` (as in [`select`], may be empty) follows the list.
///
/// # Errors
/// As [`select`].
pub async fn select_in<R: Record, C: Column>(
    conn: &mut Conn,
    column: &str,
    wanted: &[C],
    rest: &str,
) -> Result<Vec<R>, StoreError> {
    let mut rows = Vec::with_capacity(wanted.len());
    let dialect = Dialect::of(conn);
    for part in wanted.chunks(dialect.values_per_list()) {
        let wanted: Vec<Value> = part.iter().map(Column::value).collect();
        let (condition, values) = dialect.is_one_of(column, &wanted);
        rows.extend(select::<R>(&mut *conn, &format!("{condition} {rest}"), &values).await?);
    }
    Ok(rows)
}
