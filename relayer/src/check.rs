//! Whether a relayer with these settings could do its work: asked before it is started, or when something is off. It
//! changes nothing and shows no key.

use alloy::primitives::Address;
use alloy::transports::http::reqwest;
use offsetdata_node::Look;
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
    let (scheduler, signers) = (config.keys.scheduler(), config.keys.signers());
    let addresses = scheduler.and_then(|scheduler| {
        let signers: Vec<Address> = signers?.iter().map(|signer| signer.address()).collect();
        Ok((scheduler.address(), signers))
    });
    let deployment = crate::service::read_deployment(config);
    match (&addresses, &deployment) {
        (Ok((scheduler, signers)), _) => {
            let signers: Vec<String> = signers.iter().map(Address::to_string).collect();
            findings.push(Finding::good(
                "keys",
                format!("scheduler {scheduler}, signers {}", signers.join(", ")),
            ));
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
    let (Ok((scheduler, signers)), Ok(deployment)) = (addresses, deployment) else { return findings };
    let head = match on_chain(config, &deployment, &signers, &mut findings).await {
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
    signers: &[Address],
    findings: &mut Vec<Finding>,
) -> Result<u64, RelayerError> {
    let chain = Chain::new(config.rpc_url.reveal())?;
    chain.expect(deployment.chain_id);
    for look in chain.look().await {
        findings.push(endpoint(&look, deployment.chain_id));
    }
    let head = chain.head().await?;
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
    for signer in signers {
        let balance = chain.balance(*signer).await?;
        findings.push(if balance.is_zero() {
            Finding::warning(
                "signer",
                format!("{signer} has nothing to pay gas with: it is passed over; send it some"),
            )
        } else {
            Finding::good("signer", format!("{signer} has {balance} wei"))
        });
    }
    Ok(head.number)
}

/// One of several endpoints that is not well leaves the others.
fn endpoint(look: &Look, expected: u64) -> Finding {
    let what = "RPC endpoint";
    match (look.chain, look.head, &look.trouble) {
        (Some(actual), _, _) if actual != expected => {
            let detail =
                format!("{}: it serves chain {actual}, the deployment is on {expected}", look.position);
            Finding::bad(what, detail)
        }
        (Some(actual), Some(head), None) if look.is_behind => Finding::warning(
            what,
            format!("{}: chain {actual}, block {head}, behind another one", look.position),
        ),
        (Some(actual), Some(head), None) => {
            Finding::good(what, format!("{}: chain {actual}, block {head}", look.position))
        }
        (_, _, trouble) => {
            let trouble = trouble.as_deref().unwrap_or("does not answer");
            Finding::warning(what, format!("{}: {trouble}", look.position))
        }
    }
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
