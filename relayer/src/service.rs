//! The running relayer: the pre-flight, the loops and the server. What they do stands elsewhere.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use alloy::primitives::Address;
use alloy::signers::local::PrivateKeySigner;
use offsetdata_content::Blocks;
use offsetdata_protocol::deployments::Deployment;
use offsetdata_protocol::messages::relay_domain;
use offsetdata_store::{Lease, Pool, Tables, connect, migrate};
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::RelayerError;
use crate::chain::Chain;
use crate::config::Config;
use crate::files::Files;
use crate::http::{self, Api, unix_now};
use crate::jobs::Jobs;
use crate::predictions::Predictions;
use crate::scheduler::Scheduler;
use crate::senders::Senders;
use crate::sponsor::Sponsor;
use crate::transactions::{Common, Lanes, TransactionSettings};
use crate::upkeep;

/// Between two tries of what has to be there at the start.
const RETRY: Duration = Duration::from_secs(1);
/// So long open calls may go on after the shutdown.
const GRACE: Duration = Duration::from_secs(5);
const MIGRATION_TRIES: u32 = 5;
const PREFLIGHT_TRIES: u32 = 5;
/// So often the relayer looks at what it is owed.
const UPKEEP_SECONDS: u64 = 60;

/// A relayer that is bound to its address and does not serve yet.
#[derive(Debug)]
pub struct Relayer {
    listener: TcpListener,
    address: SocketAddr,
    api: Api,
    signers: Vec<PrivateKeySigner>,
    common: Common,
    poll: Duration,
    withdraw_above: Option<u128>,
    pool: Pool,
    lease: Lease,
}

/// Connects, checks and serves until `shutdown`.
///
/// # Errors
/// What the pre-flight finds; a socket that can't be bound.
pub async fn run(config: Config, shutdown: impl Future<Output = ()> + Send) -> Result<(), RelayerError> {
    Relayer::bind(config).await?.serve(shutdown).await
}

impl Relayer {
    /// Connects to database, chain and blocks, checks that they belong together, and binds the address.
    ///
    /// # Errors
    /// Each says which setting is wrong and what was expected.
    pub async fn bind(config: Config) -> Result<Self, RelayerError> {
        let scheduler = config.keys.scheduler()?;
        let signers = config.keys.signers()?;
        let senders: Vec<Address> = signers.iter().map(PrivateKeySigner::address).collect();
        let deployment = read_deployment(&config)?;
        let chain = Chain::new(config.rpc_url.reveal())?;
        patient_preflight(&chain, &deployment, &senders).await?;
        let pool = open_database(config.database_url.reveal()).await?;
        let mut blocks = Blocks::directory(&config.blocks)?.with_settings(&config.kubo)?;
        for gateway in &config.gateway {
            blocks = blocks.with_gateway(gateway)?;
        }
        let artifacts = Files::open(&config.artifacts)?;
        let checkpoints = Files::open(&config.artifacts.join("checkpoints"))?;
        let listener = TcpListener::bind(config.listen)
            .await
            .map_err(|source| RelayerError::Io { what: format!("listen on {}", config.listen), source })?;
        let address = listener
            .local_addr()
            .map_err(|source| RelayerError::Io { what: "the listen address".to_owned(), source })?;
        let coordinator = deployment.training_coordinator;
        let public_url = config.public_url.unwrap_or_else(|| format!("http://{address}"));
        let lease = Lease::new(Tables::Relay, config.instance_lease_seconds);
        let jobs = Jobs {
            // Whatever is written is written under the lease, which the database checks in the same transaction.
            pool: pool.under(&lease),
            blocks,
            checkpoints,
            scheduler: Scheduler::new(scheduler, deployment.chain_id, coordinator),
            coordinator,
            senders: senders.clone(),
            settings: config.jobs,
            confirmations: config.transactions.confirmations,
            queued: Arc::new(Notify::new()),
            wanted: Arc::new(Notify::new()),
        };
        let public_url = public_url.trim_end_matches('/').to_owned();
        let lanes = Lanes::new(senders.iter().copied());
        let sponsor = Sponsor {
            pool: jobs.pool.clone(),
            chain: chain.clone(),
            deployment: deployment.clone(),
            sender: senders.first().copied().unwrap_or_default(),
            margin_percent: config.transactions.gas_margin_percent,
            settings: config.sponsor,
            wanted: jobs.wanted.clone(),
        };
        let predictions = Predictions {
            pool: jobs.pool.clone(),
            chain: chain.clone(),
            model_registry: deployment.model_registry,
            domain: relay_domain(deployment.chain_id, coordinator),
            audience: public_url.clone(),
            confirmations: config.transactions.confirmations,
            settings: config.predictions,
            asked: Arc::default(),
            answered: Arc::default(),
        };
        let api = Api {
            jobs,
            chain_id: deployment.chain_id,
            relay_domain: relay_domain(deployment.chain_id, coordinator),
            public_url,
            allowed: config.allow_worker,
            artifacts,
            sponsor,
            predictions,
            lanes: lanes.clone(),
        };
        let poll = Duration::from_millis(config.poll_milliseconds);
        let assignment_seconds = config.jobs.assignment_seconds.into();
        let forwarder = Some(deployment.forwarder);
        let settings = TransactionSettings { assignment_seconds, forwarder, ..config.transactions };
        let withdraw_above = config.withdraw_above;
        let (fenced, scheduler) = (api.jobs.pool.clone(), api.jobs.scheduler.clone());
        let common = Common { pool: fenced, chain, scheduler, settings, lanes };
        Ok(Self { listener, address, api, signers, common, poll, withdraw_above, pool, lease })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until `shutdown`, then gives the signer back.
    ///
    /// # Errors
    /// The server's.
    pub async fn serve(self, shutdown: impl Future<Output = ()> + Send) -> Result<(), RelayerError> {
        let stop = CancellationToken::new();
        let _stops_with_us = stop.clone().drop_guard();
        tracing::info!(
            address = %self.address,
            url = self.api.public_url,
            scheduler = %self.api.jobs.scheduler.address(),
            signers = ?self.api.jobs.senders,
            "relayer"
        );
        let ended = CancellationToken::new();
        let _ends_with_us = ended.clone().drop_guard();
        let keeping = tokio::spawn({
            let (lease, pool, ended) = (self.lease.clone(), self.pool, ended.clone());
            async move { lease.keep(&pool, unix_now, ended.cancelled_owned()).await }
        });
        let jobs = Follow { api: self.api.clone(), poll: self.poll, withdraw_above: self.withdraw_above };
        let jobs = tokio::spawn(jobs.run(self.lease.clone(), stop.clone()));
        let senders = Senders {
            lease: self.lease.clone(),
            common: self.common,
            signers: self.signers,
            poll: self.poll,
            wanted: self.api.jobs.wanted.clone(),
        };
        let transactions = tokio::spawn(senders.run(stop.clone()));
        let closing = stop.clone();
        let server = axum::serve(self.listener, http::while_held(http::router(self.api), self.lease))
            .with_graceful_shutdown(async move { closing.cancelled().await });
        let mut server = tokio::spawn(server.into_future());
        let early = tokio::select! {
            () = shutdown => None,
            ended = &mut server => Some(ended),
        };
        stop.cancel();
        let served = match early {
            Some(ended) => Some(ended),
            // Claims that wait are cut off: workers ask again.
            None => tokio::time::timeout(GRACE, &mut server).await.ok(),
        };
        server.abort();
        for task in [jobs, transactions] {
            if tokio::time::timeout(GRACE, task).await.is_err() {
                tracing::warn!("a loop did not end in time; what it was doing goes on after the next start");
            }
        }
        // Last of all: what the loops still wrote, they wrote under the lease.
        ended.cancel();
        if tokio::time::timeout(GRACE, keeping).await.is_err() {
            tracing::warn!("the lease was not given back in time; it ends by itself");
        }
        match served {
            Some(Ok(Err(source))) => Err(RelayerError::Io { what: "serve".to_owned(), source }),
            _ => Ok(()),
        }
    }
}

pub(crate) fn read_deployment(config: &Config) -> Result<Deployment, RelayerError> {
    let wrong = |reason: String| RelayerError::Setting { setting: "--deployment", reason };
    let path = config.deployment.display();
    let text =
        std::fs::read_to_string(&config.deployment).map_err(|error| wrong(format!("{path}: {error}")))?;
    Deployment::parse(&text).map_err(|error| wrong(format!("{path}: {error}")))
}

/// The pre-flight, a few times where what it asks does not answer.
pub(crate) async fn patient_preflight(
    chain: &Chain,
    deployment: &Deployment,
    signers: &[Address],
) -> Result<(), RelayerError> {
    let mut tries = 1;
    loop {
        match preflight(chain, deployment, signers).await {
            Err(error) if error.is_retryable() && tries < PREFLIGHT_TRIES => {
                tracing::warn!(%error, "the pre-flight is tried again");
            }
            ended => return ended,
        }
        tries += 1;
        tokio::time::sleep(RETRY).await;
    }
}

async fn preflight(chain: &Chain, deployment: &Deployment, signers: &[Address]) -> Result<(), RelayerError> {
    chain.expect(deployment.chain_id);
    let actual = chain.chain_id().await?;
    if actual != deployment.chain_id {
        return Err(RelayerError::WrongChain { expected: deployment.chain_id, actual });
    }
    let address = deployment.training_coordinator;
    if !chain.has_code(address).await? {
        return Err(RelayerError::NoCode { what: "TrainingCoordinator", address });
    }
    for signer in signers {
        if chain.balance(*signer).await?.is_zero() {
            tracing::warn!(%signer, "a signer has nothing to pay gas with: it is passed over");
        }
    }
    Ok(())
}

/// The indexer may bring the schema up to date at the same moment.
pub(crate) async fn open_database(url: &str) -> Result<Pool, RelayerError> {
    let pool = connect(url).await?.of(Tables::Relay);
    let mut tries = 1;
    loop {
        match migrate(&pool).await {
            Ok(()) => return Ok(pool),
            Err(error) if tries >= MIGRATION_TRIES => return Err(error.into()),
            Err(error) => {
                tracing::info!(%error, "the schema is brought up to date by someone else; looking again")
            }
        }
        tries += 1;
        tokio::time::sleep(RETRY).await;
    }
}

/// The loop of jobs, predictions and sponsored calls.
struct Follow {
    api: Api,
    poll: Duration,
    withdraw_above: Option<u128>,
}

impl Follow {
    /// Works while this instance has the lease. What it was doing when it lost it is cut off: each step can be done again.
    async fn run(self, lease: Lease, stop: CancellationToken) {
        while !stop.is_cancelled() {
            tokio::select! {
                () = stop.cancelled() => break,
                () = lease.held() => {}
            }
            tokio::select! {
                biased;
                () = lease.lost() => {}
                () = self.work(&stop) => {}
            }
        }
    }

    async fn work(&self, stop: &CancellationToken) {
        let api = &self.api;
        if let Err(error) = api.jobs.sweep_checkpoints().await {
            tracing::warn!(%error, "checkpoints of jobs that ended could not be cleared away");
        }
        let mut looked = 0;
        while !stop.is_cancelled() {
            if let Err(error) = api.jobs.round(unix_now()).await {
                tracing::warn!(%error, "jobs: trying again");
            }
            if let Err(error) = api.predictions.round(unix_now()).await {
                tracing::warn!(%error, "predictions: trying again");
            }
            if let Err(error) = api.sponsor.round().await {
                tracing::warn!(%error, "sponsored calls: trying again");
            }
            let now = unix_now();
            if let Some(above) = self.withdraw_above
                && now >= looked + UPKEEP_SECONDS
            {
                looked = now;
                if let Err(error) = upkeep::withdraw(&api.jobs, &api.sponsor.chain, above, now).await {
                    tracing::warn!(%error, "fees: trying again");
                }
            }
            tokio::select! {
                () = stop.cancelled() => {}
                () = tokio::time::sleep(self.poll) => {}
            }
        }
    }
}
