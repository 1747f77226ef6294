//! Whether a worker with these settings could do its work: asked before it is started, or when something is off. It
//! claims nothing, makes no key and shows none.

use alloy::primitives::Address;
use offsetdata_content::blocks::check as blocks;
use offsetdata_protocol::check::Finding;
use offsetdata_protocol::deployments::Deployment;
use offsetdata_sdk::{Chain, Gateway, Relayer, SdkError};

use crate::trainers::BuiltIn;
use crate::{WorkerConfig, artifact_key};

/// Asks everything that a worker with these settings depends on. `worker` is the address that signs, `deployment` where the
/// contracts are, or why that can't be told.
pub async fn check(
    config: &WorkerConfig,
    deployment: Result<Deployment, String>,
    worker: Result<Address, String>,
) -> Vec<Finding> {
    let mut findings = vec![match worker {
        Ok(worker) => Finding::good("key", format!("it signs as {worker}")),
        Err(reason) => Finding::bad("key", reason),
    }];
    let trainers: Vec<String> =
        BuiltIn::ALL.iter().map(|one| format!("{} {}", one.name(), one.digest())).collect();
    findings.push(Finding::good("trainers", trainers.join(", ")));
    findings.push(artifacts(config));
    findings.extend(blocks::check(&config.blocks, &config.kubo).await);
    let deployment = match deployment {
        Ok(deployment) => deployment,
        Err(reason) => {
            findings.push(Finding::bad("deployment", reason));
            return findings;
        }
    };
    let at = format!("chain {}", deployment.chain_id);
    let chain = match Chain::connect(&config.rpc_url, deployment).await {
        Ok(chain) => chain,
        Err(error) => {
            findings.push(Finding::bad(
                "RPC endpoint",
                match error {
                    SdkError::Rpc(reason) => format!("{reason}: does the node run, and is --rpc-url right?"),
                    error => error.to_string(),
                },
            ));
            return findings;
        }
    };
    findings.push(Finding::good("RPC endpoint", format!("{at}, contracts are there")));
    findings.push(match Relayer::connect(&config.relayer_url, &chain).await {
        Ok(relayer) => {
            let scheduler = relayer.info().scheduler;
            let said = format!(
                "{}, scheduler {scheduler}; it gives jobs of bases that name this worker",
                config.relayer_url
            );
            Finding::good("relayer", said)
        }
        Err(error) => Finding::warning(
            "relayer",
            format!("{error}: it is asked again until it answers; no job comes before"),
        ),
    });
    if let Some(url) = &config.key_gateway {
        findings.push(match Gateway::connect(url, &chain).await {
            Ok(_) => Finding::good("gateway", format!("{url} serves these contracts")),
            Err(error) => {
                Finding::warning("gateway", format!("{error}: those that publishers name are asked"))
            }
        });
    }
    findings
}

/// A key file that is missing is made when the worker starts, and not here.
fn artifacts(config: &WorkerConfig) -> Finding {
    let (what, path) = ("artifact key", config.artifact_key.display());
    if !config.artifact_key.exists() {
        return Finding::warning(
            what,
            format!("{path} is made at the start; other workers of yours need the same"),
        );
    }
    match artifact_key(&config.artifact_key) {
        Ok(_) => Finding::good(what, format!("{path} opens the models; keep a copy")),
        Err(error) => Finding::bad(what, error.to_string()),
    }
}
