//! Does one job: reads the data, trains in a thread of its own, commits while it goes on, and settles. Heartbeats run
//! beside all of it. It keeps nothing that a restart would need: the relayer does.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use offsetdata_content::Blocks;
use offsetdata_protocol::Digest;
use offsetdata_protocol::cid::parts;
use offsetdata_protocol::messages::training_domain;
use offsetdata_protocol::worker_api::{Action, Failure, Heartbeat, Phase};
use offsetdata_sdk::{Account, Chain};
use tokio::sync::mpsc;
use tracing::Instrument;

use crate::offer::Job;
use crate::relay::Relay;
use crate::series::{Outcome, Series};
use crate::trainers::image_classifier::{self, Hyperparameters, Trained};
use crate::trainers::{BuiltIn, MetricEvent, TrainerError};
use crate::{WorkerError, inputs};

/// What a job is done with.
#[derive(Debug, Clone)]
pub(crate) struct Tools {
    pub(crate) relay: Relay,
    pub(crate) chain: Chain,
    pub(crate) blocks: Blocks,
    pub(crate) account: Account,
    pub(crate) commit_every: Duration,
}

/// Where a job stands, as heartbeats tell it.
#[derive(Debug, Default)]
struct Progress {
    phase: AtomicU32,
    ppm: AtomicU64,
    /// Set where the relayer or the shutdown wants the work to stop.
    stop: Arc<AtomicBool>,
}

const PHASES: [Phase; 4] = [Phase::Preparing, Phase::Training, Phase::Evaluating, Phase::Publishing];

impl Progress {
    fn enter(&self, phase: Phase) {
        let position = PHASES.iter().position(|p| *p == phase).unwrap_or(0);
        self.phase.store(u32::try_from(position).unwrap_or(0), Ordering::Relaxed);
    }

    fn phase(&self) -> Phase {
        PHASES.get(self.phase.load(Ordering::Relaxed) as usize).copied().unwrap_or(Phase::Preparing)
    }
}

/// Does a job to its end and tells the relayer how it ended.
pub(crate) async fn run(job: Job, tools: Tools) {
    let span = tracing::info_span!("job", request = %job.request, attempt = job.attempt);
    async {
        tracing::info!(trainer = job.trainer.name(), "begins");
        let progress = Arc::new(Progress::default());
        let heart =
            tokio::spawn(heartbeats(job.clone(), tools.relay.clone(), progress.clone()).in_current_span());
        let result = work(&job, &tools, &progress).await;
        heart.abort();
        match result {
            Ok(()) => tracing::info!("settled"),
            Err(error) => {
                let cancelled = progress.stop.load(Ordering::Relaxed);
                tracing::warn!(%error, cancelled, "did not succeed");
                let reason = if cancelled { "cancelled".to_owned() } else { error.to_string() };
                let reason = reason.chars().take(2000).collect();
                // What the relayer refused, another attempt may do right: one that began before this program was
                // started again goes on where nothing here remembers.
                let refused = matches!(error, WorkerError::Refused { .. });
                let retryable = !cancelled && (refused || error.is_retryable());
                let failure = Failure { attempt: job.attempt, reason, retryable };
                if let Err(error) = tools.relay.fail(job.request, &failure).await {
                    tracing::warn!(%error, "the relayer was not told; it may know already, and the lease ends by itself");
                }
            }
        }
    }
    .instrument(span)
    .await;
}

async fn heartbeats(job: Job, relay: Relay, progress: Arc<Progress>) {
    let every = Duration::from_secs(u64::from(relay.welcome.heartbeat_seconds.max(1)));
    loop {
        let heartbeat = Heartbeat {
            attempt: job.attempt,
            phase: progress.phase(),
            progress_ppm: u32::try_from(progress.ppm.load(Ordering::Relaxed)).unwrap_or(1_000_000),
        };
        match relay.heartbeat(job.request, &heartbeat).await {
            Ok(answer) if answer.action == Action::Cancel => progress.stop.store(true, Ordering::Relaxed),
            Ok(_) => {}
            // Another attempt has taken over, or the job is gone: working on would be for nothing.
            Err(WorkerError::Refused { code, reason }) => {
                tracing::warn!(code, reason, "heartbeat refused");
                progress.stop.store(true, Ordering::Relaxed);
            }
            Err(error) => tracing::warn!(%error, "heartbeat"),
        }
        tokio::time::sleep(every).await;
    }
}

async fn work(job: &Job, tools: &Tools, progress: &Arc<Progress>) -> Result<(), WorkerError> {
    progress.enter(Phase::Preparing);
    let read = inputs::read(job, &tools.chain, &tools.blocks).await?;
    tracing::info!(
        train = read.splits.train.len(),
        validation = read.splits.validation.len(),
        test = read.splits.test.len(),
        "records read and verified"
    );
    let total = job.trainer.estimate_units(read.splits.train.len() as u64, &job.hyperparameters)?;
    let limit = job.escrow.landing.unitLimit.to::<u64>();
    if total > limit {
        return Err(WorkerError::Unsupported(format!(
            "the training takes {total} units, the request pays {limit}"
        )));
    }

    progress.enter(Phase::Training);
    let deployment = tools.chain.deployment();
    let domain = training_domain(deployment.chain_id, deployment.training_coordinator);
    let mut series = Series::new(job, domain);
    let (sender, mut events) = mpsc::unbounded_channel::<MetricEvent>();
    let (stop, seed, hyperparameters) =
        (progress.stop.clone(), job.details.seed.0, job.hyperparameters.clone());
    let (trainer, splits, inputs_root) = (job.trainer, read.splits, read.root);
    let training = tokio::task::spawn_blocking(move || -> Result<Trained, TrainerError> {
        match trainer {
            BuiltIn::ImageClassifier => {
                let hyperparameters = Hyperparameters::from_json(&hyperparameters)?;
                image_classifier::train(&hyperparameters, seed, &splits, &stop, |event| {
                    // A closed channel means that the job has ended; `stop` is set then.
                    let _ = sender.send(event);
                })
            }
        }
    });
    let committed = commit_while_training(job, tools, progress, &mut series, &mut events, total).await;
    if committed.is_err() {
        progress.stop.store(true, Ordering::Relaxed);
    }
    let trained = training.await.map_err(|e| TrainerError::Backend(e.to_string()))?;
    committed?;
    let trained = match trained {
        Err(TrainerError::Cancelled { .. }) => return Err(WorkerError::Cancelled),
        other => other?,
    };

    progress.enter(Phase::Publishing);
    let digest = Digest::of(&trained.artifact);
    let stored = tools.relay.artifact(job.request, job.attempt, trained.artifact).await?;
    if stored.digest.0 != digest.0 {
        return Err(WorkerError::Offer(format!(
            "the relayer stored artifact {}, sent was {digest}",
            stored.digest
        )));
    }
    let cid = stored.cid.parse().map_err(|e| WorkerError::Offer(format!("CID of the artifact: {e}")))?;
    let outcome = Outcome {
        artifact_digest: digest.0.into(),
        artifact_cid: parts(&cid)?.1.0.into(),
        inputs_root,
        units: trained.units,
    };
    let finish = series.finish(outcome, &tools.account)?;
    tools.relay.finish(job.request, &finish).await?;
    Ok(())
}

/// Takes events until the training ends, and commits whenever it is time, and once more at the end.
async fn commit_while_training(
    job: &Job,
    tools: &Tools,
    progress: &Progress,
    series: &mut Series,
    events: &mut mpsc::UnboundedReceiver<MetricEvent>,
    total: u64,
) -> Result<(), WorkerError> {
    let mut last = Instant::now();
    loop {
        let until_commit = tools.commit_every.saturating_sub(last.elapsed());
        match tokio::time::timeout(until_commit, events.recv()).await {
            Ok(Some(event)) => {
                series.push(&event)?;
                let ppm = event.units.saturating_mul(1_000_000) / total.max(1);
                progress.ppm.store(ppm, Ordering::Relaxed);
                if !series.is_full() {
                    continue;
                }
            }
            Ok(None) => {
                if series.pending() > 0 {
                    commit(job, tools, series).await?;
                }
                return Ok(());
            }
            Err(_) => {}
        }
        last = Instant::now();
        if series.pending() > 0 {
            commit(job, tools, series).await?;
        }
    }
}

async fn commit(job: &Job, tools: &Tools, series: &mut Series) -> Result<(), WorkerError> {
    let upload = series.commitment(&tools.account)?;
    let accepted = tools.relay.commit(job.request, &upload).await?;
    tracing::info!(
        sequence = accepted.sequence,
        points = upload.point_count,
        units = upload.units,
        "committed"
    );
    series.accepted(&upload)
}
