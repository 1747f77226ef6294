//! Connections and transactions. It knows no table.

use std::ops::{Deref, DerefMut};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use sqlx::any::AnyPoolOptions;
use sqlx::pool::PoolConnection;
use sqlx::{Any, AnyConnection, AnyPool, Connection as _, Transaction};
use tokio::sync::{Mutex, OwnedMutexGuard};

use crate::dialect::Dialect;
use crate::lease::{Lease, Tables};
use crate::together::Waiting;
use crate::{StoreError, migrations};

/// One connection, or a transaction on it: what every query takes, so that the caller owns the transaction.
pub type Conn = sqlx::AnyConnection;

/// A transaction. Dropped without `commit` it is rolled back. `&mut *tx` is a [`Conn`].
#[derive(Debug)]
pub struct Tx {
    inner: Transaction<'static, Any>,
    /// Given on when the transaction is over: fields are dropped in their order.
    _turn: Option<Turn>,
}

/// The right to write, before all others of this process.
pub(crate) type Turn = OwnedMutexGuard<()>;

type Turns = Arc<[Arc<Mutex<()>>; 4]>;

impl Tx {
    /// Ends it: what it wrote is on disk, and there for all.
    ///
    /// # Errors
    /// The database; then nothing of it was written.
    pub async fn commit(self) -> Result<(), sqlx::Error> {
        self.inner.commit().await
    }

    /// Ends it as if it had never been.
    ///
    /// # Errors
    /// The database; nothing of it was written either way.
    pub async fn rollback(self) -> Result<(), sqlx::Error> {
        self.inner.rollback().await
    }
}

impl Deref for Tx {
    type Target = Conn;

    fn deref(&self) -> &Conn {
        &self.inner
    }
}

impl DerefMut for Tx {
    fn deref_mut(&mut self) -> &mut Conn {
        &mut self.inner
    }
}

const CONNECTIONS: u32 = 8;
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(15);
/// No writer of this process waits longer for those before it.
const TURN_TIMEOUT: Duration = Duration::from_secs(15);

/// Connections to one database. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Pool {
    any: AnyPool,
    dialect: Dialect,
    tables: Option<Tables>,
    lease: Option<Lease>,
    /// Whose turn it is to write, for each part of the tables that has writers of its own.
    turns: Turns,
    /// What is to be written together, under the same lease.
    pub(crate) waiting: Waiting,
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
    Ok(Pool { any, dialect, tables: None, lease: None, turns: Turns::default(), waiting: Waiting::default() })
}

/// Connects to a database that is there and has our tables, for who only looks at it; nothing where there is none. No file
/// is made, and what keeps us out is told at once and in the database's own words.
///
/// # Errors
/// As [`connect`].
pub async fn connect_existing(url: &str) -> Result<Option<Pool>, StoreError> {
    let dialect = Dialect::of_url(url)?;
    if dialect == Dialect::Sqlite && !file_of(url).is_some_and(|path| Path::new(path).is_file()) {
        return Ok(None);
    }
    sqlx::any::install_default_drivers();
    let look = async {
        let mut conn = AnyConnection::connect(url).await?;
        let tables: i64 = sqlx::query_scalar(dialect.our_tables()).fetch_one(&mut conn).await?;
        conn.close().await?;
        Ok::<_, sqlx::Error>(tables)
    };
    let tables = tokio::time::timeout(ACQUIRE_TIMEOUT, look).await;
    match tables.map_err(|_| sqlx::Error::PoolTimedOut)?? {
        0 => Ok(None),
        _ => connect(url).await.map(Some),
    }
}

/// The file that a URL of SQLite names.
fn file_of(url: &str) -> Option<&str> {
    let path = url.strip_prefix("sqlite:")?;
    let path = path.split_once('?').map_or(path, |(path, _)| path);
    Some(path.strip_prefix("//").unwrap_or(path))
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
        Self { tables: Some(tables), waiting: Waiting::default(), ..self.clone() }
    }

    /// The same connections for an instance that writes while it has the lease. Without it [`Pool::write`] is refused.
    #[must_use]
    pub fn under(&self, lease: &Lease) -> Self {
        Self { lease: Some(lease.clone()), waiting: Waiting::default(), ..self.clone() }
    }

    pub(crate) fn unfenced(&self) -> Self {
        Self { lease: None, waiting: Waiting::default(), ..self.clone() }
    }

    /// A transaction that writes. It waits for other writers now and not at its first write, where waiting would be
    /// refused because what it read could be old. Writers of one process take turns in the order in which they came, and
    /// have no connection while they wait: left to the database, they would sleep and look again, some of them for a
    /// second while others overtake them, and readers would find no connection.
    ///
    /// # Errors
    /// No connection, another writer that did not end within ten seconds, or an instance that is not the one to write;
    /// all retryable.
    pub async fn write(&self) -> Result<Tx, StoreError> {
        let turn = self.turn().await?;
        self.begin(turn).await
    }

    /// Waits for those who came before.
    pub(crate) async fn turn(&self) -> Result<Turn, StoreError> {
        let place = match (self.dialect, self.tables) {
            // A file has one writer.
            (Dialect::Sqlite, _) | (_, None) => 0,
            (Dialect::Postgres, Some(Tables::Chain)) => 1,
            (Dialect::Postgres, Some(Tables::Relay)) => 2,
            (Dialect::Postgres, Some(Tables::Gateway)) => 3,
        };
        let turn = tokio::time::timeout(TURN_TIMEOUT, self.turns[place].clone().lock_owned()).await;
        turn.map_err(|_| StoreError::Database(sqlx::Error::PoolTimedOut))
    }

    pub(crate) async fn begin(&self, turn: Turn) -> Result<Tx, StoreError> {
        let inner = self.any.begin_with(self.dialect.begin_write()).await?;
        let mut tx = Tx { inner, _turn: Some(turn) };
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
        Ok(Tx { inner: self.any.begin_with(self.dialect.begin_read()).await?, _turn: None })
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
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[tokio::test]
    async fn writers_take_turns_in_their_order_and_leave_connections_to_readers() {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", folder.path().join("db").display());
        let pool = super::connect(&url).await.unwrap();
        let first = pool.write().await.unwrap();
        let (order, mut waiting) = (Arc::new(AtomicUsize::new(0)), Vec::new());
        for place in 0..3 * super::CONNECTIONS as usize {
            let (pool, order) = (pool.clone(), order.clone());
            waiting.push(tokio::spawn(async move {
                let tx = pool.write().await.unwrap();
                assert_eq!(order.fetch_add(1, Ordering::SeqCst), place);
                tx.commit().await.unwrap();
            }));
            tokio::task::yield_now().await;
        }
        let mut reader = pool.acquire().await.unwrap();
        sqlx::query("select 1").execute(&mut *reader).await.unwrap();
        assert_eq!(order.load(Ordering::SeqCst), 0, "all wait for the first");
        // Dropped, it gives its turn on as well.
        drop(first);
        for one in waiting {
            one.await.unwrap();
        }
    }

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
