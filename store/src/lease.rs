//! Which of several instances of a service writes: one has the lease, the others wait for its end. It does not say what a service
//! does with its tables, and the clock is the caller's but for how long a lease still runs.

mod holder;

pub(crate) use holder::is_gone;
pub use holder::this as this_instance;

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use sqlx::AssertSqlSafe;
use tokio::sync::watch;

use crate::codec::{Count, Put};
use crate::record::{Record, record, select_from};
use crate::{Conn, Pool, StoreError};

/// Tables that have one writer: the service whose they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Tables {
    /// What the chain said; the indexer's.
    Chain,
    /// Jobs and transactions; the relayer's.
    Relay,
    /// Releases and vouchers; the gateway's.
    Gateway,
}

impl Tables {
    fn leases(self) -> &'static str {
        match self {
            Self::Chain => LeaseRow::TABLE,
            Self::Relay => "relay_leases",
            Self::Gateway => "gateway_leases",
        }
    }

    /// The one lease that there is today for each.
    fn name(self) -> &'static str {
        match self {
            Self::Chain => "indexer",
            Self::Relay => "relayer",
            Self::Gateway => "settlement",
        }
    }
}

record! {
    /// A lease.
    LeaseRow in "chain_leases" {
        /// Of what.
        name: String,
        /// The process that has it.
        holder: String,
        /// Rises with each new holder.
        epoch: Count,
        /// Its end, in Unix seconds by the holder's clock.
        lease_until: Count,
    }
}

/// The lease on the tables of a service, as one instance of it sees it. Clones are the same instance.
#[derive(Debug, Clone)]
pub struct Lease(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    tables: Tables,
    holder: String,
    seconds: u64,
    held: watch::Sender<Option<Held>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Held {
    epoch: u64,
    until: Instant,
}

/// Between two looks at a lease that another instance has.
const LOOK: Duration = Duration::from_secs(1);

impl Lease {
    /// An instance that does not have the lease yet and takes it for so many seconds at a time, at least two.
    pub fn new(tables: Tables, seconds: u64) -> Self {
        let inner =
            Inner { tables, holder: holder::this(), seconds: seconds.max(2), held: watch::Sender::new(None) };
        Self(Arc::new(inner))
    }

    /// Whether this instance has the lease and its time is not over.
    pub fn is_held(&self) -> bool {
        self.0.held.borrow().is_some_and(|held| Instant::now() < held.until)
    }

    /// The epoch under which this instance writes, while it does.
    pub fn epoch(&self) -> Option<u64> {
        self.0.held.borrow().map(|held| held.epoch)
    }

    /// Waits until this instance has the lease.
    pub async fn held(&self) {
        let mut changes = self.0.held.subscribe();
        // The sender lives as long as this lease, so there is always a change to wait for.
        let _ = changes.wait_for(|held| held.is_some_and(|held| Instant::now() < held.until)).await;
    }

    /// Waits until this instance does not have the lease, or its time is over. What only its holder may do is cut off then.
    pub async fn lost(&self) {
        let mut changes = self.0.held.subscribe();
        loop {
            let held = *changes.borrow_and_update();
            let Some(left) = held.and_then(|held| held.until.checked_duration_since(Instant::now())) else {
                return;
            };
            // Over or lengthened meanwhile: it is looked at again.
            let _ = tokio::time::timeout(left, changes.changed()).await;
        }
    }

    /// Takes the lease where it is free, or lengthens it. Whether this instance has it now.
    ///
    /// # Errors
    /// A database that can't be read or written. What was held is held until its time is over.
    pub async fn turn(&self, pool: &Pool, now: u64) -> Result<bool, StoreError> {
        let asked = Instant::now();
        let mut tx = pool.unfenced().write().await?;
        let until = now + self.0.seconds;
        let before = self.epoch();
        let epoch = match before {
            Some(epoch) if renew(&mut tx, self.0.tables, epoch, until).await? => Some(epoch),
            _ => acquire(&mut tx, self.0.tables, &self.0.holder, now, until).await?,
        };
        tx.commit().await?;
        match (before, epoch) {
            (None, Some(epoch)) => {
                tracing::info!(lease = self.0.tables.name(), epoch, "this instance writes now")
            }
            (Some(_), None) => {
                tracing::warn!(
                    lease = self.0.tables.name(),
                    "another instance has the lease; this one stands by"
                );
            }
            _ => {}
        }
        // The caller's seconds are whole ones: what they leave out belongs to the next holder.
        let until = asked + Duration::from_secs(self.0.seconds - 1);
        self.0.held.send_replace(epoch.map(|epoch| Held { epoch, until }));
        Ok(epoch.is_some())
    }

    /// Takes the lease whenever it is free and keeps it until `stop`; then gives it back. `now` is the time in Unix seconds.
    pub async fn keep(&self, pool: &Pool, now: impl Fn() -> u64, stop: impl Future<Output = ()>) {
        let mut stop = pin!(stop);
        loop {
            let third = Duration::from_secs(self.0.seconds) / 3;
            let pause = match self.turn(pool, now()).await {
                Ok(true) => third,
                Ok(false) => third.min(LOOK),
                Err(error) => {
                    tracing::warn!(lease = self.0.tables.name(), %error, "the lease could not be taken or kept; trying again");
                    third.min(LOOK)
                }
            };
            tokio::select! {
                () = &mut stop => break,
                () = tokio::time::sleep(pause) => {}
            }
        }
        if let Err(error) = self.release(pool, now()).await {
            tracing::warn!(lease = self.0.tables.name(), %error, "the lease could not be given back; it ends by itself");
        }
    }

    /// Gives the lease back, so that another instance need not wait for its end.
    ///
    /// # Errors
    /// A database that can't be written; then the lease ends by itself.
    pub async fn release(&self, pool: &Pool, now: u64) -> Result<(), StoreError> {
        let Some(epoch) = self.epoch() else { return Ok(()) };
        self.0.held.send_replace(None);
        let mut tx = pool.unfenced().write().await?;
        renew(&mut tx, self.0.tables, epoch, now).await?;
        Ok(tx.commit().await?)
    }

    /// Lets nobody write but the present holder: its epoch is compared within the transaction that is to write.
    pub(crate) async fn check(&self, conn: &mut Conn) -> Result<(), StoreError> {
        let refused = || StoreError::Standby { lease: self.0.tables.name() };
        let epoch = self.epoch().ok_or_else(refused)?;
        match find(conn, self.0.tables).await? {
            Some(row) if row.epoch.0 == epoch => Ok(()),
            _ => {
                self.0.held.send_if_modified(|held| {
                    let is_old = held.is_some_and(|held| held.epoch == epoch);
                    if is_old {
                        *held = None;
                    }
                    is_old
                });
                Err(refused())
            }
        }
    }
}

/// The lease on these tables; `None` before anybody had it.
///
/// # Errors
/// A database that can't be read.
pub async fn find(conn: &mut Conn, tables: Tables) -> Result<Option<LeaseRow>, StoreError> {
    let name = tables.name().to_owned();
    Ok(select_from(conn, tables.leases(), "name = $1", &[crate::Column::value(&name)]).await?.pop())
}

async fn acquire(
    conn: &mut Conn,
    tables: Tables,
    holder: &str,
    now: u64,
    until: u64,
) -> Result<Option<u64>, StoreError> {
    let epoch = match find(conn, tables).await? {
        None => 1,
        Some(row) if row.lease_until.0 <= now || row.holder == holder || is_gone(&row.holder) => {
            row.epoch.0 + 1
        }
        Some(_) => return Ok(None),
    };
    let sql = format!(
        "insert into {} (name, holder, epoch, lease_until) values ($1, $2, $3, $4) \
         on conflict (name) do update set holder = excluded.holder, epoch = excluded.epoch, \
         lease_until = excluded.lease_until",
        tables.leases()
    );
    sqlx::query(AssertSqlSafe(sql))
        .put(&tables.name().to_owned())
        .put(&holder.to_owned())
        .put(&Count(epoch))
        .put(&Count(until))
        .execute(conn)
        .await?;
    Ok(Some(epoch))
}

async fn renew(conn: &mut Conn, tables: Tables, epoch: u64, until: u64) -> Result<bool, StoreError> {
    let sql = format!("update {} set lease_until = $1 where name = $2 and epoch = $3", tables.leases());
    let statement =
        sqlx::query(AssertSqlSafe(sql)).put(&Count(until)).put(&tables.name().to_owned()).put(&Count(epoch));
    Ok(statement.execute(conn).await?.rows_affected() == 1)
}
