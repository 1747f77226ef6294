//! Follows a training: its measurements become commitments, its states checkpoints behind them. It reads no data and
//! settles nothing.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use offsetdata_protocol::Digest;
use offsetdata_protocol::seal::SealingSecret;
use offsetdata_protocol::worker_api::Phase;
use offsetdata_sdk::Account;
use tokio::sync::{mpsc, watch};

use super::Progress;
use super::checkpoint::Checkpoint;
use super::training::Message;
use crate::WorkerError;
use crate::offer::Job;
use crate::relay::{After, Relay};
use crate::series::Series;
use crate::trainers::{TrainerError, TrainerState};

/// Where a training is followed.
pub(super) struct Desk<'a> {
    pub(super) job: &'a Job,
    pub(super) relay: &'a Relay,
    pub(super) account: &'a Account,
    pub(super) key: &'a Arc<SealingSecret>,
    pub(super) commit_every: Duration,
    /// True once the worker is told to stop.
    pub(super) stopping: &'a watch::Receiver<bool>,
    pub(super) progress: &'a Progress,
}

impl Desk<'_> {
    /// Takes what the training says until it ends; commits whenever it is time, before a checkpoint, and at the end.
    ///
    /// # Errors
    /// [`WorkerError::Released`] behind a checkpoint once the worker is told to stop; what the relayer refuses.
    pub(super) async fn follow(
        &self,
        series: &mut Series,
        messages: &mut mpsc::UnboundedReceiver<Message>,
        total: u64,
    ) -> Result<(), WorkerError> {
        let mut last = Instant::now();
        loop {
            let until_commit = self.commit_every.saturating_sub(last.elapsed());
            match tokio::time::timeout(until_commit, messages.recv()).await {
                Ok(Some(Message::Metric(event))) => {
                    series.push(&event)?;
                    let ppm = event.units.saturating_mul(1_000_000) / total.max(1);
                    self.progress.ppm.store(ppm, Ordering::Relaxed);
                    if !series.is_full() && last.elapsed() < self.commit_every {
                        continue;
                    }
                }
                Ok(Some(Message::State(state))) => {
                    self.keep(series, state).await?;
                    self.progress.wish.done();
                    if *self.stopping.borrow() {
                        self.progress.kept.send_replace(true);
                        return Err(WorkerError::Released);
                    }
                    last = Instant::now();
                    continue;
                }
                Ok(Some(Message::Evaluating)) => {
                    self.progress.enter(Phase::Evaluating);
                    continue;
                }
                Ok(None) => {
                    // A result follows a commitment of its own attempt, even where there was nothing left to measure.
                    if series.is_behind() {
                        self.commit(series).await?;
                    }
                    return Ok(());
                }
                Err(_) => {}
            }
            last = Instant::now();
            if series.has_points() {
                self.commit(series).await?;
            }
        }
    }

    /// Commits up to the state, so that all its points stand, and has the relayer keep it. A checkpoint that is not kept
    /// costs time after a crash, and nothing now.
    async fn keep(&self, series: &mut Series, state: TrainerState) -> Result<(), WorkerError> {
        series.reach(state.units);
        if series.is_behind() {
            self.commit(series).await?;
        }
        let (sequence, point_count, units, saved) = series.saved()?;
        let (request, trainer, key) = (self.job.request, self.job.trainer, self.key.clone());
        let sealing = tokio::task::spawn_blocking(move || {
            Checkpoint { series: saved, state: state.bytes }.seal(request, trainer, &key)
        });
        let sealed = sealing.await.map_err(|e| TrainerError::Backend(e.to_string()))?;
        let after = After { sequence, point_count, units };
        let kept = match sealed {
            Ok(sealed) => {
                let digest = Digest::of(&sealed);
                let stored =
                    self.relay.put_checkpoint(self.job.request, self.job.attempt, after, sealed).await;
                stored.and_then(|stored| match stored.digest.0 == digest.0 {
                    true => Ok(()),
                    false => Err(WorkerError::Checkpoint(format!("sent {digest}, stored {}", stored.digest))),
                })
            }
            Err(error) => Err(error),
        };
        match kept {
            Ok(()) => tracing::info!(points = point_count, units, step = state.step, "checkpoint kept"),
            Err(error) => tracing::warn!(%error, "checkpoint not kept"),
        }
        Ok(())
    }

    async fn commit(&self, series: &mut Series) -> Result<(), WorkerError> {
        let upload = series.commitment(self.account)?;
        let accepted = self.relay.commit(self.job.request, &upload).await?;
        tracing::info!(
            sequence = accepted.sequence,
            points = upload.point_count,
            units = upload.units,
            "committed"
        );
        series.accepted(&upload)
    }
}

#[cfg(test)]
mod tests;
