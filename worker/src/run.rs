//! The worker's life: connect, then claim and do one job after the other until told to stop.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use offsetdata_content::Blocks;
use offsetdata_protocol::deployments::Deployment;
use offsetdata_protocol::worker_api::{Failure, MAX_CLAIM_WAIT_SECONDS};
use offsetdata_sdk::{Account, Chain};

use crate::job::Tools;
use crate::relay::Relay;
use crate::trainers::BuiltIn;
use crate::{WorkerConfig, WorkerError, job, offer};

/// Runs until `shutdown`. A job that is under way then is left to its lease: another attempt takes it up.
///
/// # Errors
/// Settings that cannot work: no chain, another deployment, a relayer that refuses this worker.
pub async fn run(
    config: WorkerConfig,
    deployment: Deployment,
    account: Account,
    shutdown: impl Future<Output = ()>,
) -> Result<(), WorkerError> {
    let chain = Chain::connect(&config.rpc_url, deployment).await?;
    let mut blocks = Blocks::directory(&config.blocks)?;
    for gateway in &config.gateways {
        blocks = blocks.with_gateway(gateway)?;
    }
    tracing::info!(worker = %account.address(), relayer = config.relayer_url, "worker starts");
    let work = async {
        loop {
            if let Err(error) = session(&config, &chain, &blocks, &account).await {
                if !error.is_retryable()
                    && !matches!(&error, WorkerError::Refused { code, .. } if is_session(code))
                {
                    return Err(error);
                }
                tracing::warn!(%error, "no session; asking again");
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        }
    };
    tokio::select! {
        result = work => result,
        () = shutdown => {
            tracing::info!("worker stops");
            Ok(())
        }
    }
}

/// Codes for which a new hello, a second later, is the answer: `notAllowed` ends when a base names this worker.
fn is_session(code: &str) -> bool {
    matches!(code, "noSession" | "replayedHello" | "notAllowed")
}

async fn session(
    config: &WorkerConfig,
    chain: &Chain,
    blocks: &Blocks,
    account: &Account,
) -> Result<(), WorkerError> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let trainers = BuiltIn::ALL.iter().map(|trainer| trainer.digest()).collect();
    let relay = Relay::open(&config.relayer_url, account, trainers, chain.deployment(), now).await?;
    tracing::info!("the relayer knows this worker");
    loop {
        let Some(offer) = relay.claim(MAX_CLAIM_WAIT_SECONDS.min(20)).await? else { continue };
        match offer::check(&offer, chain.deployment(), account.address()) {
            Ok(job) => {
                let tools = Tools {
                    relay: relay.clone(),
                    chain: chain.clone(),
                    blocks: blocks.clone(),
                    account: account.clone(),
                    commit_every: Duration::from_secs(config.commit_seconds.max(1)),
                };
                job::run(job, tools).await;
            }
            Err(error) => {
                tracing::warn!(request = %offer.request, %error, "a job is refused");
                let reason = error.to_string().chars().take(2000).collect();
                let failure = Failure { attempt: offer.attempt, reason, retryable: error.is_retryable() };
                relay.fail(offer.request, &failure).await?;
            }
        }
    }
}
