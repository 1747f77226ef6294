//! Whether a relayer with these settings could do its work: asked before it is started, or when something is off. It
//! changes nothing and shows no key.

use alloy::primitives::Address;
use alloy::transports::http::reqwest;
use offsetdata_protocol::check::Finding;
use offsetdata_protocol::deployments::Deployment;
use offsetdata_protocol::relay_api::RelayerInfo;
use offsetdata_store::chain::blocks;
use offsetdata_store::relay::counts;

use crate::chain::Chain;
use crate::{Config, RelayerError};

/// No question takes longer.
const TIMEOUT: std::time::Duration = std::time::Duration::from_secs(10);
/// An index that is further behind knows too little.
const MAX_LAG: u64 = 20;

/// Asks everything that a relayer with these settings depends on.
pub async fn check(config: &Config) -> Vec<Finding> {
    let mut findings = Vec::new();
    let (scheduler, signer) = (config.keys.scheduler(), config.keys.signer());
    let addresses = scheduler.and_then(|scheduler| Ok((scheduler.address(), signer?.address())));
    let deployment = crate::service::read_deployment(config);
    match (&addresses, &deployment) {
        (Ok((scheduler, signer)), _) => {
            findings.push(Finding::good("keys", format!("scheduler {scheduler}, signer {signer}")));
        }
        (Err(error), _) => findings.push(Finding::bad("keys", error.to_string())),
    }
    match &deployment {
        Ok(deployment) => {
            findings.push(Finding::good(
                "deployment",
                format!("version {} on chain {}", deployment.version, deployment.chain_id),
            ));
        }
        Err(error) => findings.push(Finding::bad("deployment", error.to_string())),
    }
    let (Ok((scheduler, signer)), Ok(deployment)) = (addresses, deployment) else { return findings };
    let head = match on_chain(config, &deployment, signer, &mut findings).await {
        Ok(head) => Some(head),
        Err(error) => {
            findings.push(Finding::bad("RPC endpoint", error.to_string()));
            None
        }
    };
    if let Err(error) = in_database(config, scheduler, head, &mut findings).await {
        findings.push(Finding::bad("database", error.to_string()));
    }
    findings.push(public_url(config, scheduler).await);
    findings
}

async fn on_chain(
    config: &Config,
    deployment: &Deployment,
    signer: Address,
    findings: &mut Vec<Finding>,
) -> Result<u64, RelayerError> {
    let chain = Chain::new(config.rpc_url.reveal())?;
    let (actual, head) = (chain.chain_id().await?, chain.head().await?);
    findings.push(if actual == deployment.chain_id {
        Finding::good("RPC endpoint", format!("chain {actual}, block {}", head.number))
    } else {
        Finding::bad(
            "RPC endpoint",
            format!("it serves chain {actual}, the deployment is on {}", deployment.chain_id),
        )
    });
    let mut missing = Vec::new();
    for (name, address) in [
        ("ModelRegistry", deployment.model_registry),
        ("TrainingCoordinator", deployment.training_coordinator),
        ("forwarder", deployment.forwarder),
    ] {
        if !chain.has_code(address).await? {
            missing.push(format!("{name} {address}"));
        }
    }
    findings.push(if missing.is_empty() {
        Finding::good("contracts", "all are there")
    } else {
        Finding::bad(
            "contracts",
            format!("no code at {}: is this the deployment of this chain?", missing.join(", ")),
        )
    });
    let balance = chain.balance(signer).await?;
    findings.push(if balance.is_zero() {
        Finding::warning(
            "signer",
            format!("{signer} has nothing to pay gas with: nothing will land; send it some"),
        )
    } else {
        Finding::good("signer", format!("{signer} has {balance} wei"))
    });
    Ok(head.number)
}

async fn in_database(
    config: &Config,
    scheduler: Address,
    head: Option<u64>,
    findings: &mut Vec<Finding>,
) -> Result<(), RelayerError> {
    let pool = offsetdata_store::connect(config.database_url.reveal()).await?;
    let mut conn = pool.acquire().await?;
    let indexed = blocks::head(&mut conn).await?.map(|cursor| cursor.number.0);
    findings.push(match (indexed, head) {
        (None, _) => Finding::warning("index", "it is empty: start the indexer, which writes this database"),
        (Some(indexed), Some(head)) if head.saturating_sub(indexed) > MAX_LAG => Finding::warning(
            "index",
            format!("it is {} blocks behind the chain: does the indexer run?", head.saturating_sub(indexed)),
        ),
        (Some(indexed), _) => Finding::good("index", format!("at block {indexed}")),
    });
    let methods = counts::methods_of_scheduler(&mut conn, scheduler).await?;
    findings.push(if methods == 0 {
        Finding::warning(
            "methods",
            format!("no method names {scheduler} as its scheduler: no request will come"),
        )
    } else {
        Finding::good("methods", format!("{methods} name this scheduler"))
    });
    Ok(())
}

async fn public_url(config: &Config, scheduler: Address) -> Finding {
    let what = "public URL";
    let url = config.public_url.clone().unwrap_or_else(|| format!("http://{}", config.listen));
    let url = url.trim_end_matches('/').to_owned();
    let answer = async {
        let client = reqwest::Client::builder().timeout(TIMEOUT).build()?;
        client.get(format!("{url}/v1/relayer")).send().await?.error_for_status()?.json::<RelayerInfo>().await
    };
    match answer.await {
        Ok(info) if info.scheduler == scheduler && info.audience == url => {
            Finding::good(what, format!("{url} is this relayer"))
        }
        Ok(info) => Finding::bad(
            what,
            format!(
                "{url} answers as {} with scheduler {}: workers sign for another one",
                info.audience, info.scheduler
            ),
        ),
        Err(error) => Finding::warning(
            what,
            format!("{url} does not answer ({}): does the relayer run?", error.without_url()),
        ),
    }
}
