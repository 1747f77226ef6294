//! What streams of events share with the rest of the service: the word that something is new, the end, the seats. It holds no event.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio_util::sync::CancellationToken;

/// Streams at the same time.
pub const MAX_STREAMS: usize = 256;

/// Shared by the follower, the fetcher of points and all streams.
#[derive(Debug)]
pub struct Live {
    changes: watch::Sender<()>,
    stop: CancellationToken,
    seats: Arc<Semaphore>,
}

impl Live {
    /// Streams end when `stop` is cancelled.
    pub fn new(stop: CancellationToken) -> Self {
        Self { changes: watch::Sender::new(()), stop, seats: Arc::new(Semaphore::new(MAX_STREAMS)) }
    }

    /// Something was written or taken back.
    pub fn changed(&self) {
        self.changes.send_replace(());
    }

    /// Hears of every change from now on.
    pub(crate) fn changes(&self) -> watch::Receiver<()> {
        self.changes.subscribe()
    }

    /// Ready when the service ends.
    pub(crate) fn stop(&self) -> &CancellationToken {
        &self.stop
    }

    /// A place for one more stream, if there is one.
    pub(crate) fn seat(&self) -> Option<OwnedSemaphorePermit> {
        self.seats.clone().try_acquire_owned().ok()
    }
}
