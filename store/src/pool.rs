//! Connections and transactions. It knows no table.

use sqlx::any::AnyPoolOptions;
use sqlx::pool::PoolConnection;
use sqlx::{Any, AnyPool, Connection as _, Transaction};
use std::time::Duration;

use crate::dialect::Dialect;
use crate::lease::{Lease, Tables};
use crate::{StoreError, migrations};

/// One connection, or a transaction on it: what every query takes, so that the caller owns the transaction.
pub type Conn = sqlx::AnyConnection;

/// A transaction. Dropped without `commit` it is rolled back. `&mut *tx` is a [`Conn`].
pub type Tx = Transaction<'static, Any>;

const CONNECTIONS: u32 = 8;
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(15);

/// Connections to one database. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Pool {
    any: AnyPool,
    dialect: Dialect,
    tables: Option<Tables>,
    lease: Option<Lease>,
}

/// Connects to `sqlite:PATH`, where the file is made if it is missing and its folder is not, or to
/// `postgres://USER:PASSWORD@HOST:PORT/DATABASE`, which has to be there (`postgres:///DATABASE?host=/FOLDER` names a socket).
///
/// # Errors
/// Another kind of database, a database without a file, or one that can't be opened or reached.
pub async fn connect(url: &str) -> Result<Pool, StoreError> {
    let dialect = Dialect::of_url(url)?;
    let url = match dialect {
        Dialect::Sqlite => file_url(url)?,
        Dialect::Postgres => url.to_owned(),
    };
    sqlx::any::install_default_drivers();
    let any = AnyPoolOptions::new()
        .max_connections(CONNECTIONS)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .after_connect(move |conn, _| {
            Box::pin(async move { sqlx::raw_sql(dialect.settings()).execute(conn).await.map(|_| ()) })
        })
        // Where a commit fails for want of space the database has ended the transaction and its client has not: nobody
        // could begin another one there.
        .before_acquire(|conn, _| Box::pin(async move { Ok(!conn.is_in_transaction()) }))
        .connect(&url)
        .await?;
    Ok(Pool { any, dialect, tables: None, lease: None })
}

fn file_url(url: &str) -> Result<String, StoreError> {
    let path = url.split_once(':').map_or("", |(_, path)| path);
    if path.contains(":memory:") || path.contains("mode=memory") {
        return Err(StoreError::InMemory);
    }
    Ok(match path.split_once('?') {
        None => format!("{url}?mode=rwc"),
        Some((_, query)) if !query.contains("mode=") => format!("{url}&mode=rwc"),
        Some(_) => url.to_owned(),
    })
}

/// Brings the schema up to date. Done already, it changes nothing. One transaction under a lock from its beginning, so that
/// services which start together do it one after the other.
///
/// # Errors
/// A database that was made by a newer or changed schema, or that can't be written.
pub async fn migrate(pool: &Pool) -> Result<(), StoreError> {
    let (begin, lock) = pool.dialect.begin_migration();
    let mut tx = pool.any.begin_with(begin).await?;
    if let Some(lock) = lock {
        sqlx::raw_sql(lock).execute(&mut *tx).await?;
    }
    migrations::all(pool.dialect).run_direct(None, &mut *tx, false).await?;
    Ok(tx.commit().await?)
}

impl Pool {
    /// The same connections for a service that writes these tables only: it waits for no writer of others. (SQLite has one
    /// writer for all.)
    #[must_use]
    pub fn of(&self, tables: Tables) -> Self {
        Self { tables: Some(tables), ..self.clone() }
    }

    /// The same connections for an instance that writes while it has the lease. Without it [`Pool::write`] is refused.
    #[must_use]
    pub fn under(&self, lease: &Lease) -> Self {
        Self { lease: Some(lease.clone()), ..self.clone() }
    }

    pub(crate) fn unfenced(&self) -> Self {
        Self { lease: None, ..self.clone() }
    }

    /// A transaction that writes. It waits for other writers now and not at its first write, where waiting would be
    /// refused because what it read could be old.
    ///
    /// # Errors
    /// No connection, another writer that did not end within ten seconds, or an instance that is not the one to write;
    /// all retryable.
    pub async fn write(&self) -> Result<Tx, StoreError> {
        let mut tx = self.any.begin_with(self.dialect.begin_write()).await?;
        if let Some(lock) = self.dialect.lock(self.tables) {
            sqlx::raw_sql(lock).execute(&mut *tx).await?;
        }
        if let Some(lease) = &self.lease {
            lease.check(&mut tx).await?;
        }
        Ok(tx)
    }

    /// A transaction that only reads: all its queries see the same moment.
    ///
    /// # Errors
    /// No connection; retryable.
    pub async fn read(&self) -> Result<Tx, StoreError> {
        Ok(self.any.begin_with(self.dialect.begin_read()).await?)
    }

    /// A connection without a transaction, for one single statement.
    ///
    /// # Errors
    /// No connection; retryable.
    pub async fn acquire(&self) -> Result<PoolConnection<Any>, StoreError> {
        Ok(self.any.acquire().await?)
    }

    /// Which database it is.
    pub fn dialect(&self) -> Dialect {
        self.dialect
    }

    /// Ends all connections, after what they are doing.
    pub async fn close(&self) {
        self.any.close().await;
    }
}

#[cfg(test)]
mod tests {
    #[tokio::test]
    async fn a_transaction_that_the_database_ended_spoils_no_connection() {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", folder.path().join("db").display());
        let pool = super::connect(&url).await.unwrap();
        for _ in 0..3 {
            let mut tx = pool.write().await.unwrap();
            sqlx::raw_sql("rollback").execute(&mut *tx).await.unwrap();
            assert!(tx.commit().await.is_err());
        }
    }
}
