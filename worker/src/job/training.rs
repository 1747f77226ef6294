//! The thread that trains, and what it tells the rest of the job. It signs and sends nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinHandle;

use crate::trainers::{Examples, MetricEvent, Trained, TrainerError, TrainerState, Watcher};

/// What the thread says, in order.
#[derive(Debug)]
pub(crate) enum Message {
    Metric(MetricEvent),
    /// Behind all metrics before it.
    State(TrainerState),
    /// The held-out records are measured now.
    Evaluating,
}

/// When a state is wanted: every so often, when somebody asks, and never while one is on its way.
#[derive(Debug)]
pub(crate) struct Wish {
    every: Duration,
    asked: AtomicBool,
    busy: AtomicBool,
}

impl Wish {
    pub(crate) fn every(every: Duration) -> Self {
        Self { every, asked: AtomicBool::new(false), busy: AtomicBool::new(false) }
    }

    /// As soon as there is one.
    pub(crate) fn ask(&self) {
        self.asked.store(true, Ordering::Relaxed);
    }

    /// The one on its way is dealt with.
    pub(crate) fn done(&self) {
        self.busy.store(false, Ordering::Relaxed);
    }

    fn is_due(&self, last: Instant) -> bool {
        !self.busy.load(Ordering::Relaxed)
            && (self.asked.load(Ordering::Relaxed) || last.elapsed() >= self.every)
    }

    fn taken(&self) {
        self.busy.store(true, Ordering::Relaxed);
        self.asked.store(false, Ordering::Relaxed);
    }
}

/// Starts to train. The channel ends when the training does.
pub(crate) fn start(
    examples: Examples,
    seed: [u8; 32],
    state: Option<Vec<u8>>,
    stop: Arc<AtomicBool>,
    wish: Arc<Wish>,
) -> (JoinHandle<Result<Trained, TrainerError>>, UnboundedReceiver<Message>) {
    let (sender, messages) = unbounded_channel();
    let training = tokio::task::spawn_blocking(move || {
        let mut teller = Teller { sender, wish, last: Instant::now() };
        examples.train(seed, state.as_deref(), &stop, &mut teller)
    });
    (training, messages)
}

struct Teller {
    sender: UnboundedSender<Message>,
    wish: Arc<Wish>,
    last: Instant,
}

impl Teller {
    fn tell(&self, message: Message) {
        // A closed channel means that the job has ended; the training is told to stop then.
        let _ = self.sender.send(message);
    }
}

impl Watcher for Teller {
    fn metric(&mut self, event: MetricEvent) {
        self.tell(Message::Metric(event));
    }

    fn wants_state(&mut self) -> bool {
        self.wish.is_due(self.last)
    }

    fn state(&mut self, state: TrainerState) {
        self.wish.taken();
        self.last = Instant::now();
        self.tell(Message::State(state));
    }

    fn evaluating(&mut self) {
        self.tell(Message::Evaluating);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_is_wanted_by_time_or_on_request_and_one_at_a_time() {
        let wish = Wish::every(Duration::from_secs(3_600));
        let now = Instant::now();
        assert!(!wish.is_due(now));
        assert!(Wish::every(Duration::ZERO).is_due(now));
        wish.ask();
        assert!(wish.is_due(now));
        wish.taken();
        assert!(!wish.is_due(now));
        wish.ask();
        assert!(!wish.is_due(now), "one is on its way");
        wish.done();
        assert!(wish.is_due(now), "asked again meanwhile");
    }
}
