//! Whether a relayer with these settings could do its work: asked before it is started, or when something is off. It
//! changes nothing and shows no key.

use alloy::primitives::Address;
use alloy::transports::http::reqwest;
use offsetdata_content::blocks::check as content;
use offsetdata_node::Look;
use offsetdata_protocol::check::Finding;
use offsetdata_protocol::deployments::Deployment;
use offsetdata_protocol::relay_api::RelayerInfo;
use offsetdata_store::chain::blocks;
use offsetdata_store::connect_existing;
use offsetdata_store::relay::counts;

use crate::chain::Chain;
use crate::{Config, RelayerError};

/// No question takes longer.
const TIMEOUT: std::time::Duration = std::time::Duration::from_secs(10);

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
        Ok(head) => head,
        Err(error) => {
            findings.push(Finding::bad("RPC endpoint", error.to_string()));
            None
        }
    };
    if let Err(error) = in_database(config, scheduler, head, &mut findings).await {
        findings.push(Finding::bad("database", error.to_string()));
    }
    findings.extend(content::check(&config.blocks, &config.kubo).await);
    findings.push(content::check_folder("artifacts", &config.artifacts));
    findings.push(public_url(config, scheduler).await);
    findings
}

async fn on_chain(
    config: &Config,
    deployment: &Deployment,
    signers: &[Address],
    findings: &mut Vec<Finding>,
) -> Result<Option<u64>, RelayerError> {
    let chain = Chain::new(config.rpc_url.reveal())?;
    chain.expect(deployment.chain_id);
    let looks = chain.look().await;
    findings.extend(looks.iter().map(|look| look.finding(deployment.chain_id)));
    let is_foreign = |look: &Look| look.chain.is_some_and(|chain| chain != deployment.chain_id);
    if looks.iter().all(is_foreign) {
        return Ok(None);
    }
    // A look is short; this is the patience with which the service asks.
    if let Err(error) = chain.head().await {
        let said = format!("{error}: does the node run, and is --rpc-url right?");
        findings.push(Finding::bad("RPC endpoint", said));
        return Ok(None);
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
    Ok(Some(head.number))
}

async fn in_database(
    config: &Config,
    scheduler: Address,
    head: Option<u64>,
    findings: &mut Vec<Finding>,
) -> Result<(), RelayerError> {
    let Some(pool) = connect_existing(config.database_url.reveal()).await? else {
        findings.push(Finding::of_index(None, head));
        return Ok(());
    };
    let mut conn = pool.acquire().await?;
    let indexed = blocks::head(&mut conn).await?.map(|cursor| cursor.number.0);
    findings.push(Finding::of_index(indexed, head));
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
    let ask = async {
        let client = reqwest::Client::builder().timeout(TIMEOUT).build()?;
        client.get(format!("{url}/v1/relayer")).send().await
    };
    let answer = match ask.await {
        Ok(answer) => answer,
        Err(_) => {
            return Finding::warning(
                what,
                format!("{url} does not answer: does the relayer run, and can workers reach it?"),
            );
        }
    };
    let status = answer.status();
    match answer.json::<RelayerInfo>().await {
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
        Err(_) => {
            Finding::bad(what, format!("{url} answers {status}, and is no relayer: workers can't use it"))
        }
    }
}
