//! Many small writers in one transaction: what waits when a writer's turn comes is written by it and on disk with it, as
//! bringing something to the disk costs more than writing it. What fails takes nothing else with it. It knows no table.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use futures::future::BoxFuture;
use tokio::sync::oneshot;

use crate::{Pool, StoreError, Tx};

/// So many are written together; others wait for the next turn, as do writers of other kinds.
const MOST: usize = 32;

/// What is to be written together, in the order in which it came. Cheap to clone.
#[derive(Clone, Default)]
pub(crate) struct Waiting(Arc<Mutex<VecDeque<Box<dyn Part>>>>);

impl fmt::Debug for Waiting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} waiting", self.0.lock().unwrap_or_else(PoisonError::into_inner).len())
    }
}

impl Waiting {
    fn push(&self, part: Box<dyn Part>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push_back(part);
    }

    fn take(&self) -> Vec<Box<dyn Part>> {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let number = waiting.len().min(MOST);
        waiting.drain(..number).collect()
    }
}

/// One writer among several.
trait Part: Send {
    /// Writes. Whether that stands.
    fn write<'t>(&'t mut self, tx: &'t mut Tx) -> BoxFuture<'t, bool>;

    /// Says what became of it.
    fn tell(self: Box<Self>, ended: Result<(), Arc<StoreError>>);
}

struct One<W, T, E> {
    work: Option<W>,
    done: Option<Result<T, E>>,
    answer: oneshot::Sender<Result<T, E>>,
}

impl<W, T, E> Part for One<W, T, E>
where
    W: for<'t> FnOnce(&'t mut Tx) -> BoxFuture<'t, Result<T, E>> + Send,
    T: Send,
    E: From<StoreError> + Send,
{
    fn write<'t>(&'t mut self, tx: &'t mut Tx) -> BoxFuture<'t, bool> {
        Box::pin(async move {
            if let Some(work) = self.work.take() {
                self.done = Some(work(tx).await);
            }
            self.done.as_ref().is_some_and(Result::is_ok)
        })
    }

    fn tell(self: Box<Self>, ended: Result<(), Arc<StoreError>>) {
        let answer = match (ended, self.done) {
            (_, Some(Err(own))) => Err(own),
            (Ok(()), Some(Ok(done))) => Ok(done),
            (Err(error), _) => Err(StoreError::Shared(error).into()),
            (Ok(()), None) => Err(StoreError::Unanswered.into()),
        };
        // Nobody waits any more: what was written stands.
        let _ = self.answer.send(answer);
    }
}

impl Pool {
    /// Writes as [`Pool::write`] does, with whoever else writes so at that moment, in one transaction. When it answers, what
    /// `work` wrote is on disk; an error of `work` takes back what `work` wrote and nothing else. Once it is called it goes
    /// on, also where nobody waits for the answer.
    ///
    /// # Errors
    /// Those of `work`, and what [`Pool::write`] and a commit can end with.
    pub async fn write_together<W, T, E>(&self, work: W) -> Result<T, E>
    where
        W: for<'t> FnOnce(&'t mut Tx) -> BoxFuture<'t, Result<T, E>> + Send + 'static,
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        let (answer, answered) = oneshot::channel();
        self.waiting.push(Box::new(One { work: Some(work), done: None, answer }));
        // Each brings a turn; the first one that comes serves all who wait by then. It belongs to nobody, so that one who
        // goes away takes no other with him.
        tokio::spawn(serve(self.clone()));
        answered.await.unwrap_or_else(|_| Err(StoreError::Unanswered.into()))
    }
}

async fn serve(pool: Pool) {
    let turn = pool.turn().await;
    let mut parts = pool.waiting.take();
    if parts.is_empty() {
        return;
    }
    let ended = match turn {
        Ok(turn) => match pool.begin(turn).await {
            Ok(tx) => write_all(tx, &mut parts).await,
            Err(error) => Err(error),
        },
        Err(error) => Err(error),
    };
    let ended = ended.map_err(Arc::new);
    for part in parts {
        part.tell(ended.clone());
    }
}

async fn write_all(mut tx: Tx, parts: &mut [Box<dyn Part>]) -> Result<(), StoreError> {
    let mut any = false;
    for part in parts {
        sqlx::raw_sql("savepoint part").execute(&mut *tx).await?;
        let stands = part.write(&mut tx).await;
        let end = if stands { "release savepoint part" } else { "rollback to savepoint part" };
        sqlx::raw_sql(end).execute(&mut *tx).await?;
        any |= stands;
    }
    if any { Ok(tx.commit().await?) } else { Ok(tx.rollback().await?) }
}
