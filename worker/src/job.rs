//! Does one job: reads the data, trains in a thread of its own, commits and keeps checkpoints while it goes on, and
//! settles. Heartbeats run beside all of it. It keeps nothing that a restart would need: the relayer does.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use offsetdata_content::Blocks;
use offsetdata_protocol::Digest;
use offsetdata_protocol::cid::{file_cid, parts};
use offsetdata_protocol::ids::RequestId;
use offsetdata_protocol::messages::training_domain;
use offsetdata_protocol::seal::{ContentPlace, ContentPurpose, SealingSecret};
use offsetdata_protocol::selection::Split;
use offsetdata_protocol::worker_api::{Action, Failure, Heartbeat, MAX_ARTIFACT_BYTES, Phase, Release};
use offsetdata_sdk::gateway::TrainingAccess;
use offsetdata_sdk::{Account, Chain};
use tokio::sync::watch;
use tracing::Instrument;

use crate::WorkerError;
use crate::artifact_key::entropy;
use crate::inputs::{self, Given};
use crate::offer::Job;
use crate::relay::Relay;
use crate::series::{Outcome, Series};
use crate::trainers::{Examples, TrainerError};

mod checkpoint;
mod following;
mod training;

use checkpoint::Checkpoint;
use following::Desk;
use training::Wish;

/// What a job is done with.
#[derive(Debug, Clone)]
pub(crate) struct Tools {
    pub(crate) relay: Relay,
    pub(crate) chain: Chain,
    pub(crate) blocks: Blocks,
    pub(crate) account: Account,
    /// Asked for keys before the gateways that publishers name.
    pub(crate) gateway: Option<String>,
    pub(crate) key: Arc<SealingSecret>,
    pub(crate) commit_every: Duration,
    pub(crate) checkpoint_every: Duration,
    /// How long a job may go on for a last checkpoint.
    pub(crate) grace: Duration,
    /// True once the worker is told to stop.
    pub(crate) stopping: watch::Receiver<bool>,
}

/// Where a job stands, as heartbeats tell it, and what is wanted of it.
#[derive(Debug)]
struct Progress {
    phase: AtomicU32,
    ppm: AtomicU64,
    /// The training ends at its next batch.
    stop: Arc<AtomicBool>,
    /// The user cancelled, or another attempt has the job.
    is_lost: AtomicBool,
    wish: Arc<Wish>,
    /// Whether the checkpoint after which the job is given back is stored.
    kept: watch::Sender<bool>,
}

const PHASES: [Phase; 4] = [Phase::Preparing, Phase::Training, Phase::Evaluating, Phase::Publishing];

impl Progress {
    fn new(checkpoint_every: Duration) -> Self {
        Self {
            phase: AtomicU32::new(0),
            ppm: AtomicU64::new(0),
            stop: Arc::default(),
            is_lost: AtomicBool::new(false),
            wish: Arc::new(Wish::every(checkpoint_every)),
            kept: watch::Sender::new(false),
        }
    }

    fn enter(&self, phase: Phase) {
        let position = PHASES.iter().position(|p| *p == phase).unwrap_or(0);
        self.phase.store(u32::try_from(position).unwrap_or(0), Ordering::Relaxed);
    }

    fn phase(&self) -> Phase {
        PHASES.get(self.phase.load(Ordering::Relaxed) as usize).copied().unwrap_or(Phase::Preparing)
    }

    fn lose(&self) {
        self.is_lost.store(true, Ordering::Relaxed);
        self.stop.store(true, Ordering::Relaxed);
    }
}

/// Does a job to its end and tells the relayer how it ended.
pub(crate) async fn run(job: Job, tools: Tools) {
    let span = tracing::info_span!("job", request = %job.request, attempt = job.attempt);
    async {
        tracing::info!(trainer = job.trainer.name(), resumed = job.checkpoint.is_some(), "begins");
        let progress = Progress::new(tools.checkpoint_every);
        let result = tokio::select! {
            result = work(&job, &tools, &progress) => result,
            () = heartbeats(&job, &tools, &progress) => Err(WorkerError::Cancelled),
            () = drained(&tools, &progress) => Err(WorkerError::Released),
        };
        // Where the work was left in the middle, its thread ends at the next batch.
        progress.stop.store(true, Ordering::Relaxed);
        tell(&job, &tools, result, progress.is_lost.load(Ordering::Relaxed)).await;
    }
    .instrument(span)
    .await;
}

async fn tell(job: &Job, tools: &Tools, result: Result<(), WorkerError>, is_lost: bool) {
    let told = match result {
        Ok(()) => {
            tracing::info!("settled");
            return;
        }
        Err(WorkerError::Released) if !is_lost => {
            tracing::info!("given back, as the worker stops");
            let release = Release { attempt: job.attempt };
            let released = tools.relay.release(job.request, &release);
            match tokio::time::timeout(Duration::from_secs(5), released).await {
                Ok(told) => told,
                // The lease ends by itself.
                Err(_) => return,
            }
        }
        Err(error) => {
            tracing::warn!(%error, is_lost, "did not succeed");
            let reason = if is_lost { "cancelled".to_owned() } else { error.to_string() };
            let reason = reason.chars().take(2000).collect();
            // What the relayer refused, another attempt may do right: one that began before this program was
            // started again goes on where nothing here remembers.
            let refused = matches!(error, WorkerError::Refused { .. });
            let retryable = !is_lost && (refused || error.is_retryable());
            let failure = Failure { attempt: job.attempt, reason, retryable };
            tools.relay.fail(job.request, &failure).await
        }
    };
    if let Err(error) = told {
        tracing::warn!(%error, "the relayer was not told; it may know already, and the lease ends by itself");
    }
}

/// Says that the worker is there, and hears what is wanted. It goes on for as long as the work does, and where the job is
/// lost for as long as its last signed work may take to be told.
async fn heartbeats(job: &Job, tools: &Tools, progress: &Progress) {
    let relay = &tools.relay;
    let mut lost = None;
    let every = Duration::from_secs(u64::from(relay.welcome.heartbeat_seconds.max(1)));
    loop {
        let heartbeat = Heartbeat {
            attempt: job.attempt,
            phase: progress.phase(),
            progress_ppm: u32::try_from(progress.ppm.load(Ordering::Relaxed)).unwrap_or(1_000_000),
        };
        match relay.heartbeat(job.request, &heartbeat).await {
            Ok(answer) => match answer.action {
                Action::Continue => {}
                Action::Checkpoint => progress.wish.ask(),
                Action::Cancel => progress.lose(),
            },
            // Another attempt has taken over, or the job is gone: working on would be for nothing.
            Err(WorkerError::Refused { code, reason }) => {
                tracing::warn!(code, reason, "heartbeat refused");
                progress.lose();
            }
            Err(error) => tracing::warn!(%error, "heartbeat"),
        }
        if progress.is_lost.load(Ordering::Relaxed) {
            let since = *lost.get_or_insert_with(Instant::now);
            // Nothing was done that could still land, or the relayer does not take it: the next job waits.
            if progress.phase() == Phase::Preparing || since.elapsed() >= tools.grace {
                return;
            }
        }
        tokio::time::sleep(every).await;
    }
}

/// Ends when the worker is told to stop and the job has been kept as far as it goes: a training sends a last checkpoint,
/// a finished one its result, and what only reads has nothing to keep.
async fn drained(tools: &Tools, progress: &Progress) {
    let mut stopping = tools.stopping.clone();
    if stopping.wait_for(|stopping| *stopping).await.is_err() {
        // Nobody is left who could say so.
        return std::future::pending().await;
    }
    if progress.phase() == Phase::Preparing {
        return;
    }
    progress.wish.ask();
    let mut kept = progress.kept.subscribe();
    // Past the grace the newest checkpoint before stands.
    let _ = tokio::time::timeout(tools.grace, kept.wait_for(|kept| *kept)).await;
}

async fn work(job: &Job, tools: &Tools, progress: &Progress) -> Result<(), WorkerError> {
    progress.enter(Phase::Preparing);
    let (request, upload) = (RequestId(job.request), job.upload.clone());
    let access = TrainingAccess::new(&tools.chain, &tools.account, request, upload, tools.gateway.clone())?;
    let source =
        inputs::Source { chain: &tools.chain, blocks: &tools.blocks, access: Some(&access), keys: &[] };
    let mut given = Given::new(&job.details, Examples::new(job.trainer, &job.hyperparameters)?)?;
    inputs::read(&source, &job.inputs, &mut given).await?;
    let (examples, inputs_root) = given.into_parts();
    tracing::info!(
        train = examples.len(Split::Train),
        validation = examples.len(Split::Validation),
        test = examples.len(Split::Test),
        "records read and verified"
    );
    let total = examples.units()?;
    let limit = job.escrow.landing.unitLimit.to::<u64>();
    if total > limit {
        return Err(WorkerError::Unsupported(format!(
            "the training takes {total} units, the request pays {limit}"
        )));
    }
    let checkpoint = resumed(job, tools).await?;

    progress.enter(Phase::Training);
    let deployment = tools.chain.deployment();
    let domain = training_domain(deployment.chain_id, deployment.training_coordinator);
    let (saved, state) = checkpoint.map(|at| (at.series, at.state)).unzip();
    let mut series = Series::new(job, domain, saved);
    let (stop, wish) = (progress.stop.clone(), progress.wish.clone());
    let (training, mut messages) = training::start(examples, job.details.seed.0, state, stop, wish);
    let desk = Desk {
        job,
        relay: &tools.relay,
        account: &tools.account,
        key: &tools.key,
        commit_every: tools.commit_every,
        stopping: &tools.stopping,
        progress,
    };
    let committed = desk.follow(&mut series, &mut messages, total).await;
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
    let artifact_digest = Digest::of(&trained.artifact);
    let place = ContentPlace { purpose: ContentPurpose::Artifact, request: job.request };
    let sealed = place.seal(&trained.artifact, &tools.key.public_key()?, entropy()?)?;
    if sealed.len() > MAX_ARTIFACT_BYTES {
        return Err(WorkerError::Unsupported(format!(
            "the artifact has {} bytes, at most {MAX_ARTIFACT_BYTES} are kept",
            sealed.len()
        )));
    }
    let cid = file_cid(&sealed);
    let stored = tools.relay.artifact(job.request, job.attempt, sealed).await?;
    if stored.cid != cid.to_string() {
        return Err(WorkerError::Offer(format!("the relayer stored {}, sent was {cid}", stored.cid)));
    }
    let outcome = Outcome {
        artifact_digest: artifact_digest.0.into(),
        artifact_cid: parts(&cid)?.1.0.into(),
        inputs_root,
        units: trained.units,
    };
    let finish = series.finish(outcome, &tools.account)?;
    tools.relay.finish(job.request, &finish).await?;
    Ok(())
}

/// What an attempt before left, opened and held against the offer.
async fn resumed(job: &Job, tools: &Tools) -> Result<Option<Checkpoint>, WorkerError> {
    let Some(reference) = &job.checkpoint else { return Ok(None) };
    let sealed = tools.relay.checkpoint(job.request, reference.bytes).await?;
    let checkpoint = Checkpoint::open(&sealed, reference, job.request, job.trainer, &tools.key)?;
    tracing::info!(points = reference.point_count, units = reference.units, "goes on from a checkpoint");
    Ok(Some(checkpoint))
}
