//! The running gateway: the pre-flight, the settlement loop and the server. What they do stands elsewhere.

use std::future::Future;
use std::net::SocketAddr;
use std::time::Duration;

use alloy::primitives::Address;
use offsetdata_content::Blocks;
use offsetdata_protocol::bindings::access::AccessToken;
use offsetdata_protocol::bindings::billing::UsageBilling;
use offsetdata_protocol::bindings::training::TrainingCoordinator;
use offsetdata_protocol::deployments::Deployment;
use offsetdata_store::{Lease, Pool, Tables, connect, migrate};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::GatewayError;
use crate::chain::{Chain, Head};
use crate::config::Config;
use crate::context::{Context, Shared};
use crate::http::{self, unix_now};

/// Between two tries of a migration, or of a round that failed.
const RETRY: Duration = Duration::from_secs(1);
const MIGRATION_TRIES: u32 = 5;
/// So long a round of settlement may go on after the shutdown: it is repeatable, and cut off afterwards.
const GRACE: Duration = Duration::from_secs(5);

/// A gateway that is bound to its address and does not serve yet.
#[derive(Debug)]
pub struct Gateway {
    listener: TcpListener,
    address: SocketAddr,
    context: Context,
}

/// Connects, checks and serves until `shutdown`.
///
/// # Errors
/// What the pre-flight finds; a socket that can't be bound.
pub async fn run(config: Config, shutdown: impl Future<Output = ()> + Send) -> Result<(), GatewayError> {
    Gateway::bind(config).await?.serve(shutdown).await;
    Ok(())
}

impl Gateway {
    /// Connects to database, chain and blocks, checks that they belong together, and binds the address.
    ///
    /// # Errors
    /// Each says which setting is wrong and what was expected.
    pub async fn bind(config: Config) -> Result<Self, GatewayError> {
        let signer = config.secrets.signer()?;
        let sealing = config.secrets.sealing()?;
        let sealing_key = sealing.public_key()?;
        let deployment = read_deployment(&config)?;
        let chain = Chain::new(config.rpc_url.reveal())?;
        chain.expect(deployment.chain_id);
        preflight(&chain, &deployment).await?;
        if chain.balance(signer.address()).await?.is_zero() {
            tracing::warn!(signer = %signer.address(), "the signer has nothing to pay gas with: nothing will settle");
        }
        let token_domain = Shared::read_token_domain(&chain, deployment.token).await.map_err(|_| {
            GatewayError::WrongContract {
                what: "token",
                address: deployment.token,
                reason: "it tells no DOMAIN_SEPARATOR: expected a token with ERC-2612".into(),
            }
        })?;
        let pool = open_database(config.database_url.reveal()).await?;
        let mut blocks = Blocks::directory(&config.blocks)?.with_settings(&config.kubo)?;
        for gateway in &config.gateway {
            blocks = blocks.with_gateway(gateway)?;
        }
        let failed = |source| GatewayError::Io { what: format!("listen on {}", config.listen), source };
        let listener = TcpListener::bind(config.listen).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let audience = config.public_url.clone().unwrap_or_else(|| format!("http://{address}"));
        let context = Context::from(Shared {
            pool,
            blocks,
            chain,
            deployment,
            signer,
            sealing,
            sealing_key,
            audience: read_audience(&audience)?,
            terms: config.terms,
            settlement: config.settlement,
            token_domain,
            catalog: Default::default(),
            lease: Lease::new(Tables::Gateway, config.instance_lease_seconds),
            wanted: Default::default(),
            hastened: Default::default(),
            limits: http::Limits::new(config.calls_per_second),
            metrics: Default::default(),
        });
        Ok(Self { listener, address, context })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What its parts share.
    pub fn context(&self) -> &Context {
        &self.context
    }

    /// Serves until `shutdown`.
    pub async fn serve(self, shutdown: impl Future<Output = ()> + Send) {
        let stop = CancellationToken::new();
        let _stops_with_us = stop.clone().drop_guard();
        tracing::info!(
            address = %self.address,
            url = self.context.audience,
            signer = %self.context.address(),
            sealing_key = %self.context.sealing_key,
            "gateway"
        );
        let ended = CancellationToken::new();
        let _ends_with_us = ended.clone().drop_guard();
        let keeping = tokio::spawn({
            let (context, ended) = (self.context.clone(), ended.clone());
            async move { context.lease.keep(&context.pool, unix_now, ended.cancelled_owned()).await }
        });
        let settlement = tokio::spawn(settle(self.context.clone(), stop.clone()));
        let server = tokio::spawn(http::serve(self.listener, http::router(self.context), stop.clone()));
        shutdown.await;
        stop.cancel();
        let _ = server.await;
        let ending = settlement.abort_handle();
        if tokio::time::timeout(GRACE, settlement).await.is_err() {
            ending.abort();
        }
        ended.cancel();
        if tokio::time::timeout(GRACE, keeping).await.is_err() {
            tracing::warn!("the lease was not given back in time; it ends by itself");
        }
    }
}

async fn settle(context: Context, stop: CancellationToken) {
    let poll = Duration::from_millis(context.settlement.poll_milliseconds);
    let mut seen = None;
    while !stop.is_cancelled() {
        let now = unix_now();
        // A round is cut off where the lease is lost: what it did not come to is due for the next holder.
        let done = tokio::select! {
            biased;
            () = context.lease.lost() => {
                seen = None;
                stand_by(&context, now).await
            }
            done = round(&context, &mut seen, now) => done,
        };
        let pause = match done {
            Ok(()) => poll,
            Err(error) => {
                tracing::warn!(%error, "settlement: trying again");
                RETRY
            }
        };
        tokio::select! {
            () = stop.cancelled() => {}
            () = tokio::time::sleep(pause) => {}
            () = context.wanted.notified(), if pause == poll => {}
        }
    }
}

/// Another instance settles: what was asked for here is written down for it.
async fn stand_by(context: &Context, now: u64) -> Result<(), GatewayError> {
    context.metrics.at(context.chain.head().await?.number);
    context.hasten_wanted(now).await
}

/// `seen` is the head of the round before: where the chain has left it, also while we were not there, what landed lately
/// may have to land again.
async fn round(context: &Context, seen: &mut Option<Head>, now: u64) -> Result<(), GatewayError> {
    let head = context.chain.head().await?;
    context.metrics.at(head.number);
    let stands = match *seen {
        Some(before) if before.number == head.number => before.hash == head.hash,
        Some(before) => context.chain.hash_of(before.number).await? == Some(before.hash),
        None => false,
    };
    if !stands {
        context.look_again(now).await?;
    }
    *seen = Some(head);
    context.settle_due(now).await?;
    Ok(())
}

pub(crate) fn read_audience(url: &str) -> Result<String, GatewayError> {
    let url = url.trim_end_matches('/');
    let rest = url.strip_prefix("http://").or_else(|| url.strip_prefix("https://")).unwrap_or_default();
    if rest.is_empty() || rest.starts_with('/') || url.contains(char::is_whitespace) {
        let reason = "expected the http or https URL under which readers reach the gateway".to_owned();
        return Err(GatewayError::Setting { setting: "--public-url", reason });
    }
    Ok(url.to_owned())
}

pub(crate) fn read_deployment(config: &Config) -> Result<Deployment, GatewayError> {
    let wrong = |reason: String| GatewayError::Setting { setting: "--deployment", reason };
    let path = config.deployment.display();
    let text =
        std::fs::read_to_string(&config.deployment).map_err(|error| wrong(format!("{path}: {error}")))?;
    Deployment::parse(&text).map_err(|error| wrong(format!("{path}: {error}")))
}

/// The chain is the deployment's, the contracts are there, and they are those of this token and registry.
pub(crate) async fn preflight(chain: &Chain, deployment: &Deployment) -> Result<(), GatewayError> {
    let actual = chain.chain_id().await?;
    if actual != deployment.chain_id {
        return Err(GatewayError::WrongChain { expected: deployment.chain_id, actual });
    }
    for (what, address) in [
        ("CollectionRegistry", deployment.collection_registry),
        ("AccessToken", deployment.access_token),
        ("UsageBilling", deployment.usage_billing),
        ("TrainingCoordinator", deployment.training_coordinator),
        ("token", deployment.token),
    ] {
        if !chain.has_code(address).await? {
            let reason = "there is no code: is this the deployment of this chain?".to_owned();
            return Err(GatewayError::WrongContract { what, address, reason });
        }
    }
    let same = |what, address, name, expected: Address, actual: Address| {
        if expected == actual {
            return Ok(());
        }
        let reason = format!("its {name} is {actual}, the deployment names {expected}");
        Err(GatewayError::WrongContract { what, address, reason })
    };
    let (billing, access) = (deployment.usage_billing, deployment.access_token);
    let token = chain.read_now(billing, &UsageBilling::tokenCall {}).await?;
    same("UsageBilling", billing, "token", deployment.token, token)?;
    let registry = chain.read_now(billing, &UsageBilling::registryCall {}).await?;
    same("UsageBilling", billing, "registry", deployment.collection_registry, registry)?;
    let token = chain.read_now(access, &AccessToken::tokenCall {}).await?;
    same("AccessToken", access, "token", deployment.token, token)?;
    let coordinator = deployment.training_coordinator;
    let rights = chain.read_now(coordinator, &TrainingCoordinator::accessTokenCall {}).await?;
    same("TrainingCoordinator", coordinator, "accessToken", access, rights)
}

/// The indexer may bring the schema up to date at the same moment.
async fn open_database(url: &str) -> Result<Pool, GatewayError> {
    let pool = connect(url).await?.of(Tables::Gateway);
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
