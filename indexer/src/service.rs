//! Runs the indexer: connects, checks, follows, fetches points and serves, until it is told to stop.

use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use offsetdata_content::Blocks;
use offsetdata_store::chain::blocks::Cursor;
use offsetdata_store::{Lease, Tables};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::config::Config;
use crate::error::IndexerError;
use crate::follow::{Follower, Step};
use crate::live::Live;
use crate::metrics::Metrics;
use crate::status::Status;
use crate::{api, documents, points, preflight};

/// An instance that stands by tells its listeners at least so often: points may have come without a new block.
const STANDBY_WORD: Duration = Duration::from_secs(1);
/// Longest wait after something failed.
const LONGEST_WAIT: Duration = Duration::from_secs(10);

/// What others see of the service.
#[derive(Debug, Clone)]
struct Watch {
    status: Arc<Status>,
    metrics: Arc<Metrics>,
    live: Arc<Live>,
}

/// Runs until `shutdown` is ready. Comes back with an error where going on can't help.
///
/// # Errors
/// Settings, chain or database that don't fit together; a reorg that is too deep; events that are none of ours.
pub async fn run(config: Config, shutdown: impl Future<Output = ()>) -> Result<(), IndexerError> {
    let deployment = config.source.read_deployment()?;
    let rpc = config.source.rpc()?;
    let url = &config.source.database_url;
    let pool = match config.read_only {
        true => offsetdata_store::connect_existing(url).await?.ok_or_else(preflight::nothing_to_read)?,
        false => offsetdata_store::connect(url).await?,
    };
    let pool = pool.of(Tables::Chain);
    let lease = Lease::new(Tables::Chain, config.instance_lease_seconds);
    // Whatever writes does so under the lease, which the database checks in the same transaction.
    let written = pool.under(&lease);
    preflight::check_chain(&rpc, &deployment).await?;
    if config.read_only {
        preflight::check_written(&pool, &rpc, &deployment).await?;
    } else {
        offsetdata_store::migrate(&pool).await?;
        preflight::check_database(&pool, &rpc, &deployment, now()).await?;
    }
    let mut content = Blocks::directory(&config.blocks)
        .map_err(|error| IndexerError::Setting { setting: "--blocks", reason: error.to_string() })?
        .with_settings(&config.kubo)
        .map_err(|error| IndexerError::Setting { setting: "--kubo", reason: error.to_string() })?;
    for gateway in &config.gateways {
        content = content
            .with_gateway(gateway)
            .map_err(|error| IndexerError::Setting { setting: "--gateway", reason: error.to_string() })?;
    }

    let stop = CancellationToken::new();
    let watch = Watch {
        status: Arc::new(Status::new(config.max_lag, lease.clone()).of_reader(config.read_only)),
        metrics: Arc::default(),
        live: Arc::new(Live::new(stop.clone())),
    };
    let Watch { status, metrics, live } = watch.clone();
    let listener = TcpListener::bind(config.listen).await?;
    tracing::info!(
        listen = %listener.local_addr()?, chain = deployment.chain_id, start = deployment.start_block, "the indexer runs"
    );

    let keeping = tokio::spawn({
        let (lease, pool, stop) = (lease.clone(), pool.clone(), stop.clone());
        async move {
            if !config.read_only {
                lease.keep(&pool, now, stop.cancelled_owned()).await;
            }
        }
    });
    let follower = Follower::new(rpc, written.clone(), &deployment, config.source.reorg_depth)
        .proving(config.source.proven_depth);
    let mut following =
        tokio::spawn(follow(follower, lease.clone(), watch.clone(), config.poll(), stop.clone()));
    // Apart from each other: a source that is slow with documents does not hold up points.
    let (poll, of_points, of_documents) =
        (config.poll(), (written.clone(), content.clone()), (written, content));
    let (points_stop, points_metrics, points_live) = (stop.clone(), metrics.clone(), live.clone());
    let points_lease = lease.clone();
    let fetching_points = tokio::spawn(async move {
        let round = || async {
            let count = points::fetch_due(&of_points.0, &of_points.1, now()).await?;
            points_metrics.points(count);
            if count > 0 {
                points_live.changed();
            }
            Ok(count)
        };
        fetch("points", points_lease, round, poll, points_stop).await;
    });
    let (documents_stop, documents_metrics) = (stop.clone(), metrics.clone());
    let fetching_documents = tokio::spawn(async move {
        let round = || async {
            let count = documents::fetch_due(&of_documents.0, &of_documents.1, now()).await?;
            documents_metrics.documents(count);
            Ok(count)
        };
        fetch("documents", lease, round, poll, documents_stop).await;
    });
    let serving =
        tokio::spawn(serve(listener, api::router(pool.clone(), status, metrics, live), stop.clone()));

    let result = tokio::select! {
        () = shutdown => Ok(()),
        ended = &mut following => joined(ended),
    };
    stop.cancel();
    let result = match result {
        Ok(()) if !following.is_finished() => joined(following.await),
        other => other,
    };
    for task in [fetching_points, fetching_documents, serving, keeping] {
        // All end by themselves; what they could still say does not change the result.
        if tokio::time::timeout(Duration::from_secs(20), task).await.is_err() {
            tracing::warn!("a part of the indexer did not end in time");
        }
    }
    pool.close().await;
    result
}

fn joined(ended: Result<Result<(), IndexerError>, tokio::task::JoinError>) -> Result<(), IndexerError> {
    ended.unwrap_or_else(|error| Err(IndexerError::Api(std::io::Error::other(error))))
}

async fn serve(listener: TcpListener, router: axum::Router, stop: CancellationToken) {
    if let Err(error) = axum::serve(listener, router).with_graceful_shutdown(stop.cancelled_owned()).await {
        tracing::error!(%error, "the API ended");
    }
}

async fn follow(
    mut follower: Follower,
    lease: Lease,
    watch: Watch,
    poll: Duration,
    stop: CancellationToken,
) -> Result<(), IndexerError> {
    let mut failures = 0u32;
    let mut seen = Seen::default();
    while !stop.is_cancelled() {
        if !lease.is_held() {
            stand_by(&follower, &watch, &mut seen).await;
            tokio::select! {
                () = stop.cancelled() => break,
                () = lease.held() => {}
                () = tokio::time::sleep(poll) => {}
            }
            continue;
        }
        let wait = match follower.step(now()).await {
            Ok(step) => {
                failures = 0;
                match step {
                    Step::Advanced { to, rows } => {
                        tracing::debug!(to, rows, "indexed");
                        watch.metrics.indexed(rows);
                    }
                    Step::RolledBack { to } => watch.metrics.rolled_back_to(to),
                    Step::Idle => {}
                }
                if step != Step::Idle {
                    watch.live.changed();
                }
                match observe(&follower, &watch).await {
                    Ok(()) if step == Step::Idle => poll,
                    Ok(()) => Duration::ZERO,
                    Err(error) => {
                        tracing::warn!(%error, "the cursor can't be read");
                        poll
                    }
                }
            }
            Err(error) if error.is_retryable() => {
                failures += 1;
                tracing::warn!(%error, failures, "a step failed and is tried again");
                watch.status.failed(error.to_string());
                watch.metrics.failed();
                (poll * 2u32.pow(failures.min(6))).min(LONGEST_WAIT)
            }
            Err(error) => return Err(error),
        };
        tokio::select! {
            () = stop.cancelled() => break,
            () = tokio::time::sleep(wait) => {}
        }
    }
    Ok(())
}

async fn observe(follower: &Follower, watch: &Watch) -> Result<(), IndexerError> {
    let cursor = follower.cursor().await?;
    told(watch, &cursor, cursor.chain_head.0);
    Ok(())
}

fn told(watch: &Watch, cursor: &Cursor, head: u64) {
    watch.status.progressed(cursor.number.0, head.saturating_sub(cursor.number.0));
    watch.metrics.stands_at(cursor.number.0, head);
}

/// What an instance that stands by last told its listeners about, and when.
#[derive(Default)]
struct Seen {
    cursor: Option<Cursor>,
    told: Option<Instant>,
}

/// Another instance writes: this one watches how far it is, and tells those who listen here.
async fn stand_by(follower: &Follower, watch: &Watch, seen: &mut Seen) {
    match follower.look().await {
        Ok((cursor, head)) => {
            told(watch, &cursor, head);
            if seen.cursor.as_ref() != Some(&cursor)
                || seen.told.is_none_or(|at| at.elapsed() >= STANDBY_WORD)
            {
                *seen = Seen { cursor: Some(cursor), told: Some(Instant::now()) };
                watch.live.changed();
            }
        }
        Err(error) => {
            tracing::warn!(%error, "standing by: the index or the chain can't be seen");
            watch.status.failed(error.to_string());
            watch.metrics.failed();
        }
    }
}

/// Repeats a round of fetches: at once while there is something to do.
async fn fetch<F>(
    what: &'static str,
    lease: Lease,
    round: impl Fn() -> F,
    poll: Duration,
    stop: CancellationToken,
) where
    F: Future<Output = Result<usize, IndexerError>>,
{
    while !stop.is_cancelled() {
        tokio::select! {
            () = stop.cancelled() => break,
            () = lease.held() => {}
        }
        let done = tokio::select! {
            () = stop.cancelled() => break,
            done = round() => done,
        };
        let wait = match done {
            Ok(0) => poll,
            Ok(_) => Duration::ZERO,
            Err(error) => {
                tracing::warn!(%error, what, "what blocks hold could not be fetched; it is tried again");
                LONGEST_WAIT
            }
        };
        tokio::select! {
            () = stop.cancelled() => break,
            () = tokio::time::sleep(wait) => {}
        }
    }
}

/// Unix seconds.
fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |elapsed| elapsed.as_secs())
}
