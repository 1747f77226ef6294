//! What can go wrong between a row and its meaning. It logs nothing and never carries the database's URL.

/// Why the store could not answer.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The URL names a database that this store can't use.
    #[error(
        "a database URL looks like sqlite:PATH or postgres://USER@HOST/DATABASE, this one begins with {scheme:?}"
    )]
    Unsupported {
        /// What stands before the first colon.
        scheme: String,
    },
    /// A database without a file would be another one in each connection.
    #[error("an in-memory database can't be shared between connections: name a file")]
    InMemory,
    /// The database refused or was not reachable.
    #[error("database: {0}")]
    Database(#[from] sqlx::Error),
    /// The schema could not be brought up to date.
    #[error("migration: {0}")]
    Migration(#[from] sqlx::migrate::MigrateError),
    /// Another instance of this service writes, or may by now.
    #[error("this instance does not have the lease {lease}: another one writes, or none yet")]
    Standby {
        /// Name of the lease.
        lease: &'static str,
    },
    /// A column holds what its type can't hold.
    #[error("column {column}: expected {expected}, got {actual}")]
    Column {
        /// Name of the column.
        column: String,
        /// What the type needs.
        expected: &'static str,
        /// What was there.
        actual: String,
    },
    /// What failed for several who wrote together.
    #[error(transparent)]
    Shared(std::sync::Arc<StoreError>),
    /// Nobody said what became of something that was to be written.
    #[error("the writer ended without an answer")]
    Unanswered,
    /// A block or log number beyond what a position can say.
    #[error("block {block}, log {log_index}: a position holds blocks below 2^43 and log indices below 2^20")]
    Position {
        /// Block number.
        block: u64,
        /// Index of the log in its block.
        log_index: u64,
    },
}

impl StoreError {
    /// Whether the same call can succeed later.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Standby { .. } | Self::Unanswered => true,
            Self::Shared(error) => error.is_retryable(),
            Self::Database(error) => can_pass(error),
            Self::Migration(sqlx::migrate::MigrateError::Execute(error)) => can_pass(error),
            _ => false,
        }
    }

    /// Whether a row with the same key is there already.
    pub fn is_duplicate(&self) -> bool {
        matches!(self, Self::Database(sqlx::Error::Database(error)) if error.is_unique_violation())
    }
}

fn can_pass(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_) | sqlx::Error::PoolTimedOut | sqlx::Error::BeginFailed => true,
        sqlx::Error::Database(error) => match error.code().as_deref() {
            // SQLITE_BUSY with its extended forms, SQLITE_LOCKED.
            Some("5" | "261" | "517" | "773" | "6" | "262") => true,
            // PostgreSQL: a transaction that could not be put in order with others, a deadlock, a lock that did not come in time; a
            // server that ends, starts or has no connection left; a transaction that did nothing for too long.
            Some("40001" | "40P01" | "55P03" | "57P01" | "57P02" | "57P03" | "53300" | "25P03") => true,
            // A disk that somebody makes room on; PostgreSQL: the connection.
            Some(code) => is_of_the_disk(code) || (code.len() == 5 && code.starts_with("08")),
            None => false,
        },
        _ => false,
    }
}

/// A disk that is full or fails, which somebody mends: SQLITE_IOERR of every kind, SQLITE_FULL; disk full of PostgreSQL.
fn is_of_the_disk(code: &str) -> bool {
    // Codes of PostgreSQL have five characters, those of SQLite fewer digits; its lowest byte is the kind.
    code == "53100" || code.len() < 5 && code.parse::<u32>().is_ok_and(|code| matches!(code & 0xff, 10 | 13))
}

#[cfg(test)]
mod tests {
    use super::is_of_the_disk;

    #[test]
    fn a_full_disk_by_its_codes() {
        for (code, expected) in [
            ("13", true),
            ("778", true),
            ("10", true),
            ("53100", true),
            ("19", false),
            ("23505", false),
            ("", false),
        ] {
            assert_eq!(is_of_the_disk(code), expected, "{code}");
        }
    }
}
