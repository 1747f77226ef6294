//! The worker's life: connect, then claim and do one job after the other until told to stop, with predictions beside.

use std::sync::Arc;
use std::time::Duration;

use offsetdata_content::Blocks;
use offsetdata_protocol::deployments::Deployment;
use offsetdata_protocol::seal::SealingSecret;
use offsetdata_protocol::worker_api::{Failure, MAX_CLAIM_WAIT_SECONDS};
use offsetdata_sdk::{Account, Chain};
use tokio::sync::watch;

use crate::job::Tools;
use crate::predictions::{Cache, Predictor};
use crate::relay::Relay;
use crate::trainers::BuiltIn;
use crate::{WorkerConfig, WorkerError, artifact_key, job, offer};

/// Beyond a job's grace, to tell the relayer.
const TO_TELL: Duration = Duration::from_secs(6);

/// Runs until `shutdown`. A job that is under way then has the grace of the settings for a last checkpoint, and is given
/// back.
///
/// # Errors
/// Settings that cannot work: no chain, another deployment, a relayer that refuses this worker.
pub async fn run(
    config: WorkerConfig,
    deployment: Deployment,
    account: Account,
    shutdown: impl Future<Output = ()>,
) -> Result<(), WorkerError> {
    let key = Arc::new(artifact_key(&config.artifact_key)?);
    let chain = Chain::connect(&config.rpc_url, deployment).await?;
    let mut blocks = Blocks::directory(&config.blocks)?.with_settings(&config.kubo)?;
    for gateway in &config.gateways {
        blocks = blocks.with_gateway(gateway)?;
    }
    tracing::info!(worker = %account.address(), relayer = config.relayer_url, "worker starts");
    let (stop, stopping) = watch::channel(false);
    let worker = Worker { config, chain, blocks, account, key, cache: Arc::default(), stopping };
    let mut work = std::pin::pin!(worker.work());
    let result = tokio::select! {
        result = &mut work => result,
        () = shutdown => {
            stop.send_replace(true);
            let grace = Duration::from_secs(worker.config.grace_seconds) + TO_TELL;
            // Past it, the lease ends by itself.
            tokio::time::timeout(grace, work).await.unwrap_or(Ok(()))
        }
    };
    tracing::info!("worker stops");
    result
}

/// Codes for which a new hello, a second later, is the answer: `notAllowed` ends when a base names this worker.
fn is_session(code: &str) -> bool {
    matches!(code, "noSession" | "replayedHello" | "notAllowed")
}

struct Worker {
    config: WorkerConfig,
    chain: Chain,
    blocks: Blocks,
    account: Account,
    key: Arc<SealingSecret>,
    cache: Arc<Cache>,
    stopping: watch::Receiver<bool>,
}

impl Worker {
    /// One session after the other, until the worker is told to stop.
    async fn work(&self) -> Result<(), WorkerError> {
        while !*self.stopping.borrow() {
            let Err(error) = self.session().await else { continue };
            let again = error.is_retryable()
                || matches!(&error, WorkerError::Refused { code, .. } if is_session(code));
            if !again {
                return Err(error);
            }
            tracing::warn!(%error, "no session; asking again");
            self.unless_stopping(tokio::time::sleep(Duration::from_secs(1))).await;
        }
        Ok(())
    }

    /// The result of `future`, or nothing once the worker is told to stop.
    async fn unless_stopping<T>(&self, future: impl Future<Output = T>) -> Option<T> {
        let mut stopping = self.stopping.clone();
        tokio::select! {
            result = future => Some(result),
            _ = stopping.wait_for(|stopping| *stopping) => None,
        }
    }

    async fn session(&self) -> Result<(), WorkerError> {
        let trainers = BuiltIn::ALL.iter().map(|trainer| trainer.digest()).collect();
        let (url, deployment) = (&self.config.relayer_url, self.chain.deployment());
        let opened = self.unless_stopping(Relay::open(url, &self.account, trainers, deployment)).await;
        let Some(relay) = opened.transpose()? else { return Ok(()) };
        tracing::info!("the relayer knows this worker");
        let predictor = Predictor {
            relay: relay.clone(),
            account: self.account.clone(),
            deployment: deployment.clone(),
            key: self.key.clone(),
            cache: self.cache.clone(),
        };
        // It ends with the session: a prediction that nobody answers is another worker's soon.
        let mut predicting = tokio::task::JoinSet::new();
        if self.config.predictions {
            predicting.spawn(async move { predictor.serve().await });
        }
        loop {
            let wait = MAX_CLAIM_WAIT_SECONDS.min(20);
            let Some(claimed) = self.unless_stopping(relay.claim(wait)).await else { return Ok(()) };
            let Some(offer) = claimed? else { continue };
            match offer::check(&offer, deployment, self.account.address()) {
                Ok(job) => job::run(job, self.tools(&relay)).await,
                Err(error) => {
                    tracing::warn!(request = %offer.request, %error, "a job is refused");
                    let reason = error.to_string().chars().take(2000).collect();
                    let failure = Failure { attempt: offer.attempt, reason, retryable: error.is_retryable() };
                    relay.fail(offer.request, &failure).await?;
                }
            }
        }
    }

    fn tools(&self, relay: &Relay) -> Tools {
        Tools {
            relay: relay.clone(),
            chain: self.chain.clone(),
            blocks: self.blocks.clone(),
            account: self.account.clone(),
            key: self.key.clone(),
            commit_every: Duration::from_secs(self.config.commit_seconds.max(1)),
            checkpoint_every: Duration::from_secs(self.config.checkpoint_seconds.max(1)),
            grace: Duration::from_secs(self.config.grace_seconds),
            stopping: self.stopping.clone(),
            gateway: self.config.key_gateway.clone(),
        }
    }
}
