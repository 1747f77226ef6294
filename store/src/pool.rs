//! Connections and transactions. It knows no table.

use sqlx::any::AnyPoolOptions;
use sqlx::pool::PoolConnection;
use sqlx::{Any, AnyPool, Transaction};
use std::time::Duration;

use crate::{StoreError, migrations};

/// One connection, or a transaction on it: what every query takes, so that the caller owns the transaction.
pub type Conn = sqlx::AnyConnection;

/// A transaction. Dropped without `commit` it is rolled back. `&mut *tx` is a [`Conn`].
pub type Tx = Transaction<'static, Any>;

const CONNECTIONS: u32 = 8;
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(15);

// Order matters: the first line lets the next ones wait for another process. FULL, as the relayer acts on what it wrote.
const SETTINGS: &str = "pragma busy_timeout = 10000; pragma journal_mode = wal; pragma synchronous = full; \
     pragma foreign_keys = on; pragma temp_store = memory";

/// Connections to one database. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Pool(AnyPool);

/// Connects to `sqlite:PATH`; the file is made where it is missing, its folder is not.
///
/// # Errors
/// Another kind of database, a database without a file, or one that can't be opened.
pub async fn connect(url: &str) -> Result<Pool, StoreError> {
    let (scheme, path) = url.split_once(':').unwrap_or((url, ""));
    if scheme != "sqlite" {
        return Err(StoreError::Unsupported { scheme: scheme.chars().take(16).collect() });
    }
    if path.contains(":memory:") || path.contains("mode=memory") {
        return Err(StoreError::InMemory);
    }
    let url = match path.split_once('?') {
        None => format!("{url}?mode=rwc"),
        Some((_, query)) if !query.contains("mode=") => format!("{url}&mode=rwc"),
        Some(_) => url.to_owned(),
    };
    sqlx::any::install_default_drivers();
    let pool = AnyPoolOptions::new()
        .max_connections(CONNECTIONS)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .after_connect(|conn, _| {
            Box::pin(async move { sqlx::raw_sql(SETTINGS).execute(conn).await.map(|_| ()) })
        })
        .connect(&url)
        .await?;
    Ok(Pool(pool))
}

/// Brings the schema up to date. Done already, it changes nothing. One transaction that writes from its beginning, so
/// that services which start together do it one after the other.
///
/// # Errors
/// A database that was made by a newer or changed schema, or that can't be written.
pub async fn migrate(pool: &Pool) -> Result<(), StoreError> {
    let mut tx = pool.write().await?;
    migrations::all().run_direct(None, &mut *tx, false).await?;
    Ok(tx.commit().await?)
}

impl Pool {
    /// A transaction that writes. It waits for other writers now and not at its first write, where waiting would be
    /// refused because what it read could be old.
    ///
    /// # Errors
    /// No connection, or another writer that did not end within ten seconds; both retryable.
    pub async fn write(&self) -> Result<Tx, StoreError> {
        Ok(self.0.begin_with("begin immediate").await?)
    }

    /// A transaction that only reads: all its queries see the same moment.
    ///
    /// # Errors
    /// No connection; retryable.
    pub async fn read(&self) -> Result<Tx, StoreError> {
        Ok(self.0.begin().await?)
    }

    /// A connection without a transaction, for one single statement.
    ///
    /// # Errors
    /// No connection; retryable.
    pub async fn acquire(&self) -> Result<PoolConnection<Any>, StoreError> {
        Ok(self.0.acquire().await?)
    }

    /// Ends all connections, after what they are doing.
    pub async fn close(&self) {
        self.0.close().await;
    }
}
