//! Where the two databases differ: the schema's types, how a transaction begins, many rows or values in a statement. Everything
//! else is one text for both, and stands where it is used.

use std::borrow::Cow;
use std::fmt::Write;

use alloy::hex;

use crate::codec::Value;
use crate::lease::Tables;
use crate::{Conn, StoreError};

/// Which database it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Dialect {
    /// One file, for one machine.
    Sqlite,
    /// A server, for several.
    Postgres,
}

/// Most values in one statement of SQLite, which takes 32,766.
const VALUES_PER_STATEMENT: usize = 8192;
/// Rows or values that PostgreSQL is sent at once.
const ROWS_PER_STATEMENT: usize = 4096;

impl Dialect {
    /// The dialect that a URL asks for.
    ///
    /// # Errors
    /// A URL of something else.
    pub(crate) fn of_url(url: &str) -> Result<Self, StoreError> {
        let scheme = url.split_once(':').map_or(url, |(scheme, _)| scheme);
        match scheme {
            "sqlite" => Ok(Self::Sqlite),
            "postgres" | "postgresql" => Ok(Self::Postgres),
            _ => Err(StoreError::Unsupported { scheme: scheme.chars().take(16).collect() }),
        }
    }

    /// The dialect of a connection.
    pub fn of(conn: &Conn) -> Self {
        if conn.backend_name() == "PostgreSQL" { Self::Postgres } else { Self::Sqlite }
    }

    /// What each new connection is told. SQLite: the order matters, as the first line lets the next ones wait for another process.
    /// Both: what was committed is on disk, as the relayer acts on what it wrote.
    pub(crate) fn settings(self) -> &'static str {
        match self {
            Self::Sqlite => {
                "pragma busy_timeout = 10000; pragma journal_mode = wal; pragma synchronous = full; \
                 pragma foreign_keys = on; pragma temp_store = memory"
            }
            Self::Postgres => {
                "set application_name = 'offsetdata'; set lock_timeout = '10s'; set synchronous_commit = on; \
                 set jit = off"
            }
        }
    }

    /// Counts the one table that every schema of ours has had.
    pub(crate) fn our_tables(self) -> &'static str {
        match self {
            Self::Sqlite => {
                "select count(*) from sqlite_master where type = 'table' and name = 'chain_cursor'"
            }
            Self::Postgres => {
                "select count(*) from information_schema.tables \
                 where table_name = 'chain_cursor' and table_schema = any(current_schemas(false))"
            }
        }
    }

    /// Begins a transaction that only reads: all its queries see the same moment.
    pub(crate) fn begin_read(self) -> &'static str {
        match self {
            Self::Sqlite => "begin",
            Self::Postgres => "begin isolation level repeatable read, read only",
        }
    }

    /// Begins a transaction that writes. What [`Dialect::lock`] says follows at once.
    pub(crate) fn begin_write(self) -> &'static str {
        match self {
            Self::Sqlite => "begin immediate",
            Self::Postgres => "begin isolation level repeatable read",
        }
    }

    /// How a transaction of PostgreSQL comes to what SQLite's `begin immediate` gives: one writer at a time, who sees everything
    /// that those before it wrote. Locking a table takes no snapshot, so the transaction's begins after the wait; any other lock
    /// would show the writer what was there before it waited. Writers of other tables go on meanwhile. A writer that stopped in
    /// the middle holds up the others for ten seconds at most.
    pub(crate) fn lock(self, tables: Option<Tables>) -> Option<&'static str> {
        match (self, tables) {
            (Self::Sqlite, _) => None,
            (Self::Postgres, None) => Some(
                "set local idle_in_transaction_session_timeout = '10s'; \
                 lock table chain_leases, gateway_leases, relay_leases in exclusive mode",
            ),
            (Self::Postgres, Some(Tables::Chain)) => Some(
                "set local idle_in_transaction_session_timeout = '10s'; lock table chain_leases in exclusive mode",
            ),
            (Self::Postgres, Some(Tables::Relay)) => Some(
                "set local idle_in_transaction_session_timeout = '10s'; lock table relay_leases in exclusive mode",
            ),
            (Self::Postgres, Some(Tables::Gateway)) => Some(
                "set local idle_in_transaction_session_timeout = '10s'; lock table gateway_leases in exclusive mode",
            ),
        }
    }

    /// Begins the transaction in which the schema is made, when there is no table to lock yet.
    pub(crate) fn begin_migration(self) -> (&'static str, Option<&'static str>) {
        match self {
            Self::Sqlite => ("begin immediate", None),
            Self::Postgres => ("begin", Some("select pg_advisory_xact_lock(7236534213)")),
        }
    }

    /// A step of the schema. Written for SQLite, PostgreSQL has other words for three types, compares texts byte by byte only
    /// where it is told to, and wants to know what kind of nothing a view's null is.
    pub(crate) fn schema(self, sql: &'static str) -> Cow<'static, str> {
        match self {
            Self::Sqlite => Cow::Borrowed(sql),
            Self::Postgres => Cow::Owned(postgres_schema(sql)),
        }
    }

    /// A statement that inserts `rows` rows, and how it takes their values.
    pub(crate) fn insert(self, table: &str, columns: &[&str], rows: &[Vec<Value>]) -> (String, Vec<Value>) {
        let named = columns.join(", ");
        let start = format!("insert into {table} ({named}) ");
        match self {
            // Values without numbers: SQLite looks a `$n` up among all before it, which makes long statements slow.
            Self::Sqlite => {
                let row = format!("({})", vec!["?"; columns.len()].join(", "));
                let sql = format!("{start}values {}", vec![row; rows.len()].join(", "));
                (sql, rows.concat())
            }
            Self::Postgres if rows.len() == 1 => {
                let row: Vec<String> = (1..=columns.len()).map(|n| format!("${n}")).collect();
                (format!("{start}values ({})", row.join(", ")), rows.concat())
            }
            // One array a column: the statement is the same for any number of rows, and is planned once.
            Self::Postgres => {
                let first = rows.first().map(Vec::as_slice).unwrap_or_default();
                let arrays: Vec<String> =
                    first.iter().enumerate().map(|(n, value)| array_parameter(n + 1, value)).collect();
                let values = (0..columns.len())
                    .map(|column| array(rows.iter().filter_map(|row| row.get(column))))
                    .collect();
                (format!("{start}select * from unnest({})", arrays.join(", ")), values)
            }
        }
    }

    /// Rows of so many columns that one statement inserts.
    pub(crate) fn rows_per_statement(self, columns: usize) -> usize {
        match self {
            Self::Sqlite => (VALUES_PER_STATEMENT / columns.max(1)).max(1),
            Self::Postgres => ROWS_PER_STATEMENT,
        }
    }

    /// A condition that `column` has one of these values, and how it takes them.
    pub(crate) fn is_one_of(self, column: &str, wanted: &[Value]) -> (String, Vec<Value>) {
        match (self, wanted.first()) {
            // Not `= any`: reading the array is no constant to the planner, and would be done for every row.
            (Self::Postgres, Some(first)) => {
                let array_of = array_parameter(1, first);
                (format!("{column} in (select unnest({array_of}))"), vec![array(wanted.iter())])
            }
            _ => (format!("{column} in ({})", vec!["?"; wanted.len()].join(", ")), wanted.to_vec()),
        }
    }

    /// Values that one such condition takes.
    pub(crate) fn values_per_list(self) -> usize {
        match self {
            Self::Sqlite => VALUES_PER_STATEMENT,
            Self::Postgres => ROWS_PER_STATEMENT,
        }
    }
}

fn array_parameter(number: usize, like: &Value) -> String {
    let kind = match like {
        Value::Int(_) | Value::NullInt => "bigint",
        Value::Blob(_) | Value::NullBlob => "bytea",
        Value::Text(_) | Value::NullText => "text",
    };
    format!("cast(${number} as {kind}[])")
}

/// Values as an array in PostgreSQL's text form ("Array Input and Output Syntax" of its manual): sqlx's driver for any database
/// binds no arrays. Everything but numbers is quoted; within quotes only `"` and `\` mean something.
fn array<'v>(values: impl Iterator<Item = &'v Value>) -> Value {
    let mut text = String::from("{");
    for value in values {
        if text.len() > 1 {
            text.push(',');
        }
        match value {
            Value::Int(number) => {
                // Writing to a string does not fail.
                let _ = write!(text, "{number}");
            }
            Value::Blob(bytes) => {
                text.push_str("\"\\\\x");
                text.push_str(&hex::encode(bytes));
                text.push('"');
            }
            Value::Text(value) => {
                text.push('"');
                for c in value.chars() {
                    if matches!(c, '"' | '\\') {
                        text.push('\\');
                    }
                    text.push(c);
                }
                text.push('"');
            }
            Value::NullInt | Value::NullBlob | Value::NullText => text.push_str("null"),
        }
    }
    text.push('}');
    Value::Text(text)
}

fn postgres_schema(sql: &str) -> String {
    let mut out = String::with_capacity(sql.len() + 1024);
    for line in sql.lines() {
        let (code, comment) = line.find("--").map_or((line, ""), |at| line.split_at(at));
        let code = code.replace("null as ", "cast(null as bytea) as ");
        let mut word = String::new();
        for c in code.chars().chain(['\n']) {
            if c.is_ascii_alphanumeric() || c == '_' {
                word.push(c);
                continue;
            }
            out.push_str(postgres_word(&word));
            word.clear();
            if c != '\n' {
                out.push(c);
            }
        }
        out.push_str(comment);
        out.push('\n');
    }
    out
}

fn postgres_word(word: &str) -> &str {
    match word {
        "INTEGER" | "integer" => "BIGINT",
        "BLOB" | "blob" => "BYTEA",
        "TEXT" | "text" => "TEXT COLLATE \"C\"",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_schema_in_the_words_of_postgresql() {
        let sql = "create table t ( -- a blob of text\n  id INTEGER NOT NULL PRIMARY KEY,\n  blob_id BLOB NOT NULL,\n  \
                   name text);\ncreate view v as select null as request from t;";
        assert_eq!(Dialect::Sqlite.schema(sql), sql);
        assert_eq!(
            Dialect::Postgres.schema(sql),
            "create table t ( -- a blob of text\n  id BIGINT NOT NULL PRIMARY KEY,\n  blob_id BYTEA NOT NULL,\n  \
             name TEXT COLLATE \"C\");\ncreate view v as select cast(null as bytea) as request from t;\n"
        );
    }

    #[test]
    fn arrays_are_quoted() {
        let texts = [Value::Text("a\"b\\c,{}".into()), Value::NullText, Value::Text("null".into())];
        assert_eq!(array(texts.iter()), Value::Text(r#"{"a\"b\\c,{}",null,"null"}"#.into()));
        let blobs = [Value::Blob(vec![1, 255]), Value::Blob(vec![])];
        assert_eq!(array(blobs.iter()), Value::Text(r#"{"\\x01ff","\\x"}"#.into()));
        assert_eq!(array([Value::Int(-7), Value::NullInt].iter()), Value::Text("{-7,null}".into()));
    }
}
