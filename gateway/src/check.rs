//! Whether a gateway with these settings could do its work: asked before it is started, or when something is off. It
//! changes nothing, makes no key and no file, and shows no key.

use std::path::Path;

use alloy::transports::http::reqwest;
use offsetdata_content::blocks::check as blocks;
use offsetdata_node::Look;
use offsetdata_protocol::check::Finding;
use offsetdata_protocol::deployments::Deployment;
use offsetdata_protocol::gateway_api::GatewayInfo;
use offsetdata_store::chain::blocks as indexed;
use offsetdata_store::connect_existing;

use crate::chain::Chain;
use crate::http::unix_now;
use crate::secrets::Secret;
use crate::service::{preflight, read_audience, read_deployment};
use crate::{Config, GatewayError};

/// No question takes longer.
const TIMEOUT: std::time::Duration = std::time::Duration::from_secs(10);

/// Asks everything that a gateway with these settings depends on.
pub async fn check(config: &Config) -> Vec<Finding> {
    let mut findings = keys(config);
    let mut head = None;
    match read_deployment(config) {
        Err(error) => findings.push(Finding::bad("deployment", error.to_string())),
        Ok(deployment) => {
            let at = format!("version {} on chain {}", deployment.version, deployment.chain_id);
            findings.push(Finding::good("deployment", at));
            match on_chain(config, &deployment, &mut findings).await {
                Ok(found) => head = found,
                Err(error) => findings.push(Finding::bad("RPC endpoint", error.to_string())),
            }
        }
    }
    findings.push(match index(config).await {
        Ok(block) => Finding::of_index(block, head),
        Err(error) => Finding::bad("database", error.to_string()),
    });
    findings.extend(blocks::check(&config.blocks, &config.kubo).await);
    findings.push(public_url(config).await);
    findings
}

/// A key file that is missing is made when the gateway starts, and not here.
fn keys(config: &Config) -> Vec<Finding> {
    let secrets = &config.secrets;
    let found = |what: &str,
                 text: &Option<Secret>,
                 file: Option<&Path>,
                 read: &dyn Fn() -> Result<String, GatewayError>| {
        match file.filter(|path| text.is_none() && !path.exists()) {
            Some(path) => Finding::warning(
                what,
                format!("{} is not there: a new key is made when the gateway starts", path.display()),
            ),
            None => read()
                .map_or_else(|error| Finding::bad(what, error.to_string()), |said| Finding::good(what, said)),
        }
    };
    vec![
        found("signer key", &secrets.signer_key, secrets.signer_key_file.as_deref(), &|| {
            Ok(format!("it signs as {}", secrets.signer()?.address()))
        }),
        found("sealing key", &secrets.sealing_key, secrets.sealing_key_file.as_deref(), &|| {
            Ok(format!("publishers seal to {}", secrets.sealing()?.public_key()?))
        }),
    ]
}

/// The newest block, where a node and the contracts are there.
async fn on_chain(
    config: &Config,
    deployment: &Deployment,
    findings: &mut Vec<Finding>,
) -> Result<Option<u64>, GatewayError> {
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
    match preflight(&chain, deployment).await {
        Ok(()) => findings.push(Finding::good("contracts", "all are there and belong together")),
        Err(error) if error.is_retryable() => return Err(error),
        Err(error) => {
            findings.push(Finding::bad("contracts", error.to_string()));
            return Ok(None);
        }
    }
    let head = chain.head().await?;
    let age = unix_now().saturating_sub(head.timestamp);
    let most = config.terms.stale_seconds;
    findings.push(if age > most {
        let said = format!(
            "its newest block is {age} s old: over {most} s no key is given out; does the node follow?"
        );
        Finding::warning("chain", said)
    } else {
        Finding::good("chain", format!("its newest block is {age} s old"))
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

/// The block up to which the index goes, where there is one.
async fn index(config: &Config) -> Result<Option<u64>, GatewayError> {
    let Some(pool) = connect_existing(config.database_url.reveal()).await? else { return Ok(None) };
    let head = indexed::head(&mut *pool.acquire().await?).await?;
    Ok(head.map(|cursor| cursor.number.0))
}

async fn public_url(config: &Config) -> Finding {
    let what = "public URL";
    let url = config.public_url.clone().unwrap_or_else(|| format!("http://{}", config.listen));
    let url = match read_audience(&url) {
        Ok(url) => url,
        Err(error) => return Finding::bad(what, error.to_string()),
    };
    let ask = async {
        let client = reqwest::Client::builder().timeout(TIMEOUT).build()?;
        client.get(format!("{url}/v1/gateway")).send().await
    };
    let answer = match ask.await {
        Ok(answer) => answer,
        Err(_) => {
            return Finding::warning(
                what,
                format!("{url} does not answer: does the gateway run, and can readers reach it?"),
            );
        }
    };
    let status = answer.status();
    match answer.json::<GatewayInfo>().await {
        Ok(info) if info.audience == url => {
            Finding::good(what, format!("{url} answers, signer {}", info.signer))
        }
        Ok(info) => {
            Finding::bad(what, format!("{url} answers as {}: readers sign in to another one", info.audience))
        }
        Err(_) => {
            Finding::bad(what, format!("{url} answers {status}, and is no gateway: readers can't use it"))
        }
    }
}
