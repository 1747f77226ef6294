//! Whether a gateway with these settings could do its work: asked before it is started, or when something is off. It
//! changes nothing, makes no key and shows none.

use std::path::Path;

use alloy::transports::http::reqwest;
use offsetdata_protocol::check::Finding;
use offsetdata_protocol::deployments::Deployment;
use offsetdata_protocol::gateway_api::GatewayInfo;
use offsetdata_store::chain::blocks;

use crate::chain::Chain;
use crate::http::unix_now;
use crate::service::{preflight, read_audience, read_deployment};
use crate::{Config, GatewayError};

/// No question takes longer.
const TIMEOUT: std::time::Duration = std::time::Duration::from_secs(10);
/// An index that is further behind refuses rights that were granted since.
const MAX_LAG: u64 = 20;

/// Asks everything that a gateway with these settings depends on.
pub async fn check(config: &Config) -> Vec<Finding> {
    let mut findings = vec![keys(config)];
    let head = match read_deployment(config) {
        Err(error) => {
            findings.push(Finding::bad("deployment", error.to_string()));
            None
        }
        Ok(deployment) => {
            let at = format!("version {} on chain {}", deployment.version, deployment.chain_id);
            findings.push(Finding::good("deployment", at));
            on_chain(config, &deployment, &mut findings).await.unwrap_or_else(|error| {
                findings.push(Finding::bad("RPC endpoint", error.to_string()));
                None
            })
        }
    };
    if let Err(error) = in_database(config, head, &mut findings).await {
        findings.push(Finding::bad("database", error.to_string()));
    }
    findings.push(folder(&config.blocks));
    findings.push(public_url(config).await);
    findings
}

/// A key file that is missing is made when the gateway starts, and not here.
fn keys(config: &Config) -> Finding {
    let secrets = &config.secrets;
    let missing: Vec<String> = [&secrets.signer_key_file, &secrets.sealing_key_file]
        .into_iter()
        .flatten()
        .filter(|path| !path.exists())
        .map(|path| path.display().to_string())
        .collect();
    if !missing.is_empty() {
        return Finding::warning("keys", format!("made when the gateway starts: {}", missing.join(", ")));
    }
    let read = || {
        let sealing = secrets.sealing()?.public_key()?;
        Ok::<_, GatewayError>(format!("signer {}, sealing key {sealing}", secrets.signer()?.address()))
    };
    read().map_or_else(|error| Finding::bad("keys", error.to_string()), |said| Finding::good("keys", said))
}

async fn on_chain(
    config: &Config,
    deployment: &Deployment,
    findings: &mut Vec<Finding>,
) -> Result<Option<u64>, GatewayError> {
    let chain = Chain::new(config.rpc_url.reveal())?;
    if let Err(error) = preflight(&chain, deployment).await {
        findings.push(Finding::bad("contracts", error.to_string()));
        return Ok(None);
    }
    findings.push(Finding::good("contracts", "all are there and belong together"));
    let head = chain.head().await?;
    let age = unix_now().saturating_sub(head.timestamp);
    let at = format!("chain {}, block {}, {age} s old", deployment.chain_id, head.number);
    findings.push(if age > config.terms.stale_seconds {
        let most = config.terms.stale_seconds;
        Finding::warning(
            "RPC endpoint",
            format!("{at}: over {most} s no key is given out; does the node follow?"),
        )
    } else {
        Finding::good("RPC endpoint", at)
    });
    // Only a key that is there: asking must not make one.
    let there = config.secrets.signer_key_file.as_deref().is_none_or(Path::exists);
    if let (true, Ok(signer)) = (there, config.secrets.signer()) {
        let (balance, signer) = (chain.balance(signer.address()).await?, signer.address());
        findings.push(if balance.is_zero() {
            let said = format!("{signer} has nothing to pay gas with: nothing will settle; send it some");
            Finding::warning("signer", said)
        } else {
            Finding::good("signer", format!("{signer} has {balance} wei"))
        });
    }
    Ok(Some(head.number))
}

async fn in_database(
    config: &Config,
    head: Option<u64>,
    findings: &mut Vec<Finding>,
) -> Result<(), GatewayError> {
    let pool = offsetdata_store::connect(config.database_url.reveal()).await?;
    let mut conn = pool.acquire().await?;
    let indexed = blocks::head(&mut conn).await?.map(|cursor| cursor.number.0);
    findings.push(match (indexed, head) {
        (None, _) => Finding::warning("index", "it is empty: start the indexer, which writes this database"),
        (Some(indexed), Some(head)) if head.saturating_sub(indexed) > MAX_LAG => {
            let lag = head - indexed;
            Finding::warning("index", format!("it is {lag} blocks behind the chain: does the indexer run?"))
        }
        (Some(indexed), _) => Finding::good("index", format!("at block {indexed}")),
    });
    Ok(())
}

fn folder(path: &Path) -> Finding {
    match std::fs::read_dir(path) {
        Ok(_) => Finding::good("blocks", path.display().to_string()),
        Err(error) => {
            Finding::warning("blocks", format!("{}: {error}: it is made at the start", path.display()))
        }
    }
}

async fn public_url(config: &Config) -> Finding {
    let what = "public URL";
    let url = config.public_url.clone().unwrap_or_else(|| format!("http://{}", config.listen));
    let url = match read_audience(&url) {
        Ok(url) => url,
        Err(error) => return Finding::bad(what, error.to_string()),
    };
    let answer = async {
        let client = reqwest::Client::builder().timeout(TIMEOUT).build()?;
        client.get(format!("{url}/v1/gateway")).send().await?.error_for_status()?.json::<GatewayInfo>().await
    };
    match answer.await {
        Ok(info) if info.audience == url => {
            Finding::good(what, format!("{url} answers, signer {}", info.signer))
        }
        Ok(info) => {
            Finding::bad(what, format!("{url} answers as {}: readers sign in to another one", info.audience))
        }
        Err(error) => {
            let said = format!("{url} does not answer ({}): does the gateway run?", error.without_url());
            Finding::warning(what, said)
        }
    }
}
