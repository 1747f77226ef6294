//! The checks of `offsetdata doctor`, each of one thing. A check that can't be made because an earlier one failed says so.

use std::time::Duration;

use alloy::primitives::{Address, U256};
use alloy::providers::Provider;
use offsetdata_content::Blocks;
use offsetdata_content::blocks::Kubo;
use offsetdata_protocol::bindings::token::DevToken;
use offsetdata_protocol::deployments::Deployment;
use offsetdata_sdk::{Chain, Gateway, Relayer, billing, token};
use serde_json::Value;

use super::Finding;
use crate::context::Settings;

/// Longest wait for a service.
const PATIENCE: Duration = Duration::from_secs(10);
/// Longest answer of a health route that is read, in bytes.
const MAX_ANSWER: usize = 64 * 1024;
const DEV_CHAIN: u64 = 31337;
const NO_CHAIN: &str = "not looked at, as the chain is not there";

/// The RPC endpoint, its chain, and each contract.
pub(super) async fn chain(settings: &Settings, findings: &mut Vec<Finding>) -> Option<Chain> {
    let deployment = match settings.deployment() {
        Ok(deployment) => deployment,
        Err(error) => {
            let next = "name a deployment file with --contracts";
            findings.push(Finding::fail("rpc", format!("{error:#}"), next));
            return None;
        }
    };
    let wanted = deployment.chain_id;
    match patient(Chain::connect(&settings.rpc, deployment.clone())).await {
        Ok(chain) => {
            findings.push(match chain.provider().get_block_number().await {
                Ok(block) => {
                    Finding::ok("rpc", format!("{}: chain {wanted}, block {block}", settings.endpoints()))
                }
                Err(error) => Finding::fail("rpc", error.to_string(), "is the endpoint overloaded?"),
            });
            findings.push(contracts(&chain, &deployment).await);
            Some(chain)
        }
        Err(error) => {
            let next = match wanted {
                DEV_CHAIN => "start a network with `offsetdata dev`, or name an endpoint with --rpc",
                _ => "name an endpoint of this chain with --rpc and its contracts with --contracts",
            };
            findings.push(Finding::fail("rpc", format!("{}: {error}", settings.endpoints()), next));
            None
        }
    }
}

async fn contracts(chain: &Chain, at: &Deployment) -> Finding {
    let all = [
        ("token", at.token),
        ("forwarder", at.forwarder),
        ("CollectionRegistry", at.collection_registry),
        ("AccessToken", at.access_token),
        ("UsageBilling", at.usage_billing),
        ("ModelRegistry", at.model_registry),
        ("TrainingCoordinator", at.training_coordinator),
    ];
    let mut missing = Vec::new();
    for (name, address) in all {
        match chain.provider().get_code_at(address).await {
            Ok(code) if !code.is_empty() => {}
            _ => missing.push(format!("{name} {address}")),
        }
    }
    if missing.is_empty() {
        return Finding::ok("contracts", format!("all {} are there, version {}", all.len(), at.version));
    }
    Finding::fail(
        "contracts",
        format!("not there: {}", missing.join(", ")),
        "deploy them with scripts/deploy",
    )
}

pub(super) async fn indexer(settings: &Settings) -> Finding {
    let name = "indexer";
    let next = "start it with `offsetdata indexer`, or name another with --indexer; commands that only ask the chain work";
    match health(&settings.indexer).await {
        Err(reason) => Finding::fail(name, format!("{}: {reason}", settings.indexer), next),
        Ok((healthy, said)) => {
            let number = |key: &str| said.get(key).and_then(Value::as_u64);
            let block = number("block").or_else(|| said.pointer("/block/number").and_then(Value::as_u64));
            let lag = number("lag");
            let words = format!(
                "{}: at block {}, {} behind",
                settings.indexer,
                block.map_or_else(|| "–".to_owned(), |block| block.to_string()),
                lag.map_or_else(|| "–".to_owned(), |lag| lag.to_string())
            );
            match (healthy, lag) {
                (true, Some(lag)) if lag > 5 => {
                    Finding::warn(name, words, "it is catching up: wait a moment")
                }
                (true, _) => Finding::ok(name, words),
                (false, _) => {
                    let error = said.get("error").and_then(Value::as_str).unwrap_or("it lags behind");
                    Finding::fail(name, format!("{words}: {error}"), "look at its log")
                }
            }
        }
    }
}

pub(super) async fn gateway(url: &str, chain: Option<&Chain>) -> Finding {
    let next = "name another with --gateway; public collections are read without one";
    let Some(chain) = chain else { return Finding::warn("gateway", NO_CHAIN, next) };
    match patient(Gateway::connect(url, chain)).await {
        Ok(_) => Finding::ok("gateway", format!("{url}: serves these contracts")),
        Err(error) => Finding::warn("gateway", error, next),
    }
}

pub(super) async fn relayer(url: &str, chain: Option<&Chain>, name: &'static str) -> Finding {
    let next = match name {
        "sponsor" => "name another with --sponsor, or pay for transactions with ETH",
        _ => "name another with --relayer; it is needed to use models, and to train on its developer's bases",
    };
    let Some(chain) = chain else { return Finding::warn(name, NO_CHAIN, next) };
    match patient(Relayer::connect(url, chain)).await {
        Ok(relayer) => {
            let info = relayer.info();
            let terms = match &info.sponsor {
                Some(terms) => format!("sponsors, {} gas left today", terms.gas_left),
                None => "sponsors nobody".to_owned(),
            };
            let words = format!("{url}: scheduler {}, {terms}", info.scheduler);
            match (name, &info.sponsor) {
                ("sponsor", None) => Finding::fail(name, words, next),
                _ => Finding::ok(name, words),
            }
        }
        Err(error) if name == "sponsor" => Finding::fail(name, error, next),
        Err(error) => Finding::warn(name, error, next),
    }
}

pub(super) fn blocks(settings: &Settings) -> Finding {
    let path = &settings.store;
    // Looking must not make one where there is none.
    match std::fs::read_dir(path) {
        Err(error) => Finding::warn(
            "blocks",
            format!("{}: {error}", path.display()),
            "it is made by the first command that writes; --store names another",
        ),
        Ok(_) => match Blocks::directory(path) {
            Ok(_) => Finding::ok("blocks", format!("{}: can be read and written", path.display())),
            Err(error) => Finding::fail("blocks", error.to_string(), "may this user write there?"),
        },
    }
}

/// The Kubo node, where one is named.
pub(super) async fn kubo(settings: &Settings) -> Option<Finding> {
    let url = settings.kubo.kubo.as_ref()?;
    let asked = match Kubo::new(url, settings.kubo.kubo_auth.as_ref()) {
        Ok(kubo) => kubo.version().await,
        Err(error) => Err(error),
    };
    Some(match asked {
        Ok(version) => Finding::ok("kubo", format!("version {version}")),
        Err(error) => Finding::fail(
            "kubo",
            error.to_string(),
            "does `ipfs daemon` run, and is its RPC (Addresses.API) there? A secret goes into OFFSETDATA_KUBO_AUTH",
        ),
    })
}

/// The account, what it has, and what the contracts owe it and may take.
pub(super) async fn account(settings: &Settings, chain: Option<&Chain>) -> Vec<Finding> {
    if settings.account.is_none() {
        let next = "name one with --as or OFFSETDATA_ACCOUNT; looking needs none";
        return vec![Finding::warn("account", "nobody acts", next)];
    }
    let address = match settings.account() {
        Ok(account) => account.address(),
        Err(error) => {
            let next =
                "an account is dev:0 to dev:9 on the development network, a keystore, or a file with a key";
            return vec![Finding::fail("account", format!("{error:#}"), next)];
        }
    };
    let mut findings = vec![Finding::ok("account", address.to_string())];
    if let Some(chain) = chain {
        let money = money(settings, chain, address).await;
        findings.extend(
            money.unwrap_or_else(|error| {
                vec![Finding::fail("balance", error.to_string(), "is the chain busy?")]
            }),
        );
    }
    findings
}

async fn money(settings: &Settings, chain: &Chain, address: Address) -> anyhow::Result<Vec<Finding>> {
    let at = chain.deployment();
    let native = chain.provider().get_balance(address).await?;
    let mut findings = vec![match (native.is_zero(), &settings.sponsor) {
        (false, _) => Finding::ok("ETH", format!("{native} wei")),
        (true, Some(_)) => Finding::ok("ETH", "none: the sponsor pays"),
        (true, None) => {
            Finding::warn("ETH", "none", "name a relayer that pays for transactions with --sponsor")
        }
    }];
    let tokens = token::balance_of(chain, address).await?;
    findings.push(match tokens.is_zero() {
        false => Finding::ok("tokens", tokens.to_string()),
        true if at.chain_id == DEV_CHAIN => Finding::warn(
            "tokens",
            "none",
            format!("offsetdata account mint 1000000000 --to {address} --as dev:0"),
        ),
        true => Finding::warn("tokens", "none", format!("training and reading are paid in {}", at.token)),
    });
    let mut allowed = Vec::new();
    let spenders = [
        ("coordinator", at.training_coordinator),
        ("billing", at.usage_billing),
        ("access", at.access_token),
    ];
    for (name, spender) in spenders {
        let allowance = chain.call(at.token, &DevToken::allowanceCall { owner: address, spender }).await?;
        allowed.push(match allowance {
            U256::MAX => format!("{name} all"),
            allowance => format!("{name} {allowance}"),
        });
    }
    let words = format!("{}; more is approved when it is needed", allowed.join(", "));
    findings.push(Finding::ok("allowance", words));
    let owed = billing::credits(chain, address).await?.total();
    findings.push(match owed.is_zero() {
        true => Finding::ok("credit", "the contracts owe it nothing"),
        false => Finding::ok("credit", format!("{owed}: `offsetdata account withdraw` takes it out")),
    });
    Ok(findings)
}

/// What a service says of its health, and whether it is well.
async fn health(base: &str) -> Result<(bool, Value), String> {
    let client = reqwest::Client::builder().timeout(PATIENCE).build().map_err(|e| e.to_string())?;
    let url = format!("{}/health", base.trim_end_matches('/'));
    let mut answer = client.get(&url).send().await.map_err(|_| "does not answer".to_owned())?;
    let healthy = answer.status().is_success();
    let mut bytes = Vec::new();
    while let Some(part) = answer.chunk().await.map_err(|e| e.without_url().to_string())? {
        bytes.extend_from_slice(&part);
        if bytes.len() > MAX_ANSWER {
            return Err("its answer is too long".into());
        }
    }
    let said =
        serde_json::from_slice(&bytes).map_err(|_| format!("answered {} without JSON", answer.status()))?;
    Ok((healthy, said))
}

/// Waits for a service, and not for ever.
async fn patient<T>(
    connecting: impl Future<Output = Result<T, offsetdata_sdk::SdkError>>,
) -> Result<T, String> {
    match tokio::time::timeout(PATIENCE, connecting).await {
        Ok(connected) => connected.map_err(|error| error.to_string()),
        Err(_) => Err(format!("no answer within {} s", PATIENCE.as_secs())),
    }
}
