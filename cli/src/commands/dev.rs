//! `offsetdata dev`: the whole network on this machine: a chain, the contracts, indexer, gateway, relayer and worker, each a process of its own, started again when it dies and stopped together.

mod parts;
mod services;

use std::path::{Path, PathBuf};
use std::time::Duration;

use alloy::primitives::U256;
use anyhow::{Context as _, bail, ensure};
use offsetdata_content::blocks::KuboSettings;
use offsetdata_content::{Blocks, gateway};
use offsetdata_protocol::deployments::Deployment;
use offsetdata_sdk::{Account, Chain, token};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::process::Command;

use crate::context::Settings;
use crate::output;
use parts::Parts;

/// What each development account is given on the first start: 1,000,000 tokens of 6 decimals.
const PURSE: u64 = 1_000_000_000_000;
/// Who is who among the development accounts.
const ROLES: [(&str, u32); 9] = [
    ("deployer", 0),
    ("publisher", 1),
    ("user", 2),
    ("developer", 3),
    ("worker", 4),
    ("relayer", 5),
    ("stranger", 6),
    ("gateway", 7),
    ("reader", 8),
];

#[derive(Debug, clap::Args)]
#[command(after_help = "Example: offsetdata dev --fresh

A second start goes on where the first ended; --fresh begins anew. Stop it with Ctrl-C. Logs: DIR/logs.")]
pub(crate) struct Dev {
    /// Where chain, blocks, database and logs are kept
    #[arg(long, default_value = ".dev")]
    dir: PathBuf,
    /// Forget everything that is in DIR
    #[arg(long)]
    fresh: bool,
    /// Database instead of a file in DIR: postgres://USER@HOST/DATABASE. A fresh network needs an empty one
    #[arg(long, env = "OFFSETDATA_DEV_DATABASE", hide_env_values = true)]
    database_url: Option<String>,
    /// Port of the chain's RPC endpoint
    #[arg(long, default_value_t = 8545)]
    rpc_port: u16,
    /// A chain that runs already is used, instead of starting anvil: one with id 31337 where the development accounts
    /// have ETH, as `scripts/geth run` gives it. --fresh does not forget what is on it
    #[arg(long, value_name = "URL", conflicts_with_all = ["rpc_port", "block_time"])]
    rpc_url: Option<String>,
    /// Port of the indexer
    #[arg(long, default_value_t = 8450)]
    indexer_port: u16,
    /// Port of the relayer
    #[arg(long, default_value_t = 8460)]
    relayer_port: u16,
    /// Port of the gateway, which gives and sells chunk keys
    #[arg(long, default_value_t = 8470)]
    gateway_port: u16,
    /// Port of the public blocks, by CID
    #[arg(long, default_value_t = 8480)]
    blocks_port: u16,
    /// Seconds between blocks
    #[arg(long, default_value_t = 1)]
    block_time: u64,
    /// Seconds between a worker's commitments
    #[arg(long, default_value_t = 2)]
    commit_seconds: u64,
    /// The Kubo node that every service is told of
    #[arg(skip)]
    kubo: KuboSettings,
}

impl Dev {
    pub(crate) async fn run(mut self, settings: Settings) -> anyhow::Result<()> {
        self.kubo = settings.kubo.clone();
        let root = repository()?;
        let known = self.dir.join("logs").is_dir();
        ensure!(
            known || !self.fresh || !self.dir.exists(),
            "{} is no folder of `offsetdata dev`; it is not deleted",
            self.dir.display()
        );
        std::fs::create_dir_all(self.dir.join("logs"))
            .with_context(|| format!("creating {}", self.dir.display()))?;
        let lock = parts::lock(&self.dir)?;
        parts::stop_leftovers(&self.dir);
        if self.fresh {
            parts::clear(&self.dir)?;
        }
        self.check_ports().await?;
        let mut parts = Parts::new(&self.dir);
        let result = tokio::select! {
            result = self.serve(&settings, &root, &mut parts) => result,
            () = stopped() => Ok(()),
        };
        eprintln!("stopping");
        parts.stop().await;
        drop(lock);
        result
    }

    /// A port that somebody else has would make us talk to somebody else's chain.
    async fn check_ports(&self) -> anyhow::Result<()> {
        for (part, flag, port) in [
            ("chain", "--rpc-port", self.rpc_port),
            ("indexer", "--indexer-port", self.indexer_port),
            ("relayer", "--relayer-port", self.relayer_port),
            ("gateway", "--gateway-port", self.gateway_port),
            ("blocks", "--blocks-port", self.blocks_port),
        ] {
            if part == "chain" && self.rpc_url.is_some() {
                continue;
            }
            TcpListener::bind(("127.0.0.1", port)).await.map(drop).with_context(|| {
                format!("port {port} for the {part} is taken: stop what has it, or name another with {flag}")
            })?;
        }
        Ok(())
    }

    async fn serve(&self, settings: &Settings, root: &Path, parts: &mut Parts) -> anyhow::Result<()> {
        let deployment = Deployment::dev()?;
        let rpc = match &self.rpc_url {
            Some(url) => {
                eprintln!("chain       the one at {url}");
                url.clone()
            }
            None => {
                eprintln!("chain       starting anvil");
                parts.start(self.anvil(root)?).await?;
                format!("http://127.0.0.1:{}", self.rpc_port)
            }
        };
        wait_for_chain(&rpc).await?;
        let chain = self.contracts(root, &rpc, deployment).await?;
        let addresses = serde_json::to_string_pretty(chain.deployment())?;
        std::fs::write(self.dir.join("deployment.json"), addresses).context("writing deployment.json")?;
        let blocks = Blocks::directory(self.dir.join("blocks"))?.with_settings(&self.kubo)?;
        if let Some(kubo) = blocks.kubo() {
            eprintln!("blocks      at a Kubo node, version {}", kubo.version().await?);
        }
        let listener = TcpListener::bind(("127.0.0.1", self.blocks_port))
            .await
            .with_context(|| format!("port {} for the blocks", self.blocks_port))?;
        tokio::spawn(async move { axum::serve(listener, gateway::router(blocks.without_network())).await });
        for part in [self.indexer(&rpc)?, self.gateway(&rpc)?, self.relayer(&rpc)?, self.worker(&rpc)?] {
            eprintln!("{:<11} starting", part.name());
            parts.start(part).await?;
        }
        self.wait_until_ready().await?;
        self.report(settings, &chain, &rpc)?;
        parts.watch().await;
        Ok(())
    }

    /// Deploys what is not there yet, and fills the purses the first time.
    async fn contracts(&self, root: &Path, rpc: &str, deployment: Deployment) -> anyhow::Result<Chain> {
        let deployer = Account::dev(0)?;
        if let Ok(chain) = Chain::connect(rpc, deployment.clone()).await {
            eprintln!("contracts   were deployed before");
            return fill_purses(chain).await;
        }
        eprintln!("contracts   building and deploying");
        let log = std::fs::File::create(self.dir.join("logs/deploy.log"))?;
        let mut deploy = Command::new(root.join("scripts/deploy"));
        deploy.args(["--rpc-url", rpc]);
        match &self.rpc_url {
            None => deploy.args(["--unlocked", "--sender", &deployer.address().to_string()]),
            // Other nodes don't hold the development accounts. Everyone knows this key: it is no secret.
            Some(_) => deploy.args(["--private-key", &deployer.signer().to_bytes().to_string()]),
        };
        let status = deploy
            .stdout(log.try_clone()?)
            .stderr(log)
            .kill_on_drop(true)
            .status()
            .await
            .context("starting scripts/deploy")?;
        ensure!(
            status.success(),
            "the contracts were not deployed; see {}/logs/deploy.log",
            self.dir.display()
        );
        let chain = Chain::connect(rpc, deployment)
            .await
            .context("the contracts are not at the committed addresses: run scripts/export-deployments")?;
        fill_purses(chain).await
    }

    async fn wait_until_ready(&self) -> anyhow::Result<()> {
        let client = reqwest::Client::builder().timeout(Duration::from_secs(2)).build()?;
        for (name, port) in
            [("indexer", self.indexer_port), ("gateway", self.gateway_port), ("relayer", self.relayer_port)]
        {
            let url = format!("http://127.0.0.1:{port}/health");
            let mut answered = false;
            for _ in 0..150 {
                answered = client.get(&url).send().await.is_ok_and(|answer| answer.status().is_success());
                if answered {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
            if !answered {
                bail!("the {name} does not answer; see {}/logs/{name}.log", self.dir.display());
            }
        }
        Ok(())
    }

    fn report(&self, settings: &Settings, chain: &Chain, rpc: &str) -> anyhow::Result<()> {
        let mut accounts = serde_json::Map::new();
        for (role, index) in ROLES {
            let account = json!({ "as": format!("dev:{index}"), "address": Account::dev(index)?.address() });
            accounts.insert(role.to_owned(), account);
        }
        let urls = json!({
            "rpc": rpc,
            "indexer": format!("http://127.0.0.1:{}/graphql", self.indexer_port),
            "gateway": self.gateway_url(),
            "relayer": self.relayer_url(),
            "blocks": format!("http://127.0.0.1:{}/ipfs/", self.blocks_port),
        });
        let ready = json!({
            "ready": true,
            "urls": urls,
            "accounts": accounts,
            "contracts": serde_json::to_value(chain.deployment())?,
            "dir": self.dir,
        });
        // Who starts the network from a program waits for this file.
        std::fs::write(self.dir.join("ready.json"), ready.to_string())?;
        output::print(settings.json, &ready, || {
            let mut text = "\nthe network runs; Ctrl-C stops it\n\n".to_owned();
            for (name, url) in urls.as_object().into_iter().flatten() {
                text += &format!("{name:<11} {}\n", url.as_str().unwrap_or_default());
            }
            text += "\n";
            for (role, account) in &accounts {
                let word =
                    |key: &str| account.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
                text += &format!("{role:<11} --as {}  {}\n", word("as"), word("address"));
            }
            text
        });
        Ok(())
    }
}

/// Gives everyone tokens, where the last one has none: a start was cut short, or this is the first.
async fn fill_purses(chain: Chain) -> anyhow::Result<Chain> {
    let last = Account::dev(ROLES[ROLES.len() - 1].1)?.address();
    if token::balance_of(&chain, last).await?.is_zero() {
        // Each asks the faucet itself, so that one block is enough for all.
        let filled = ROLES.map(|(_, index)| {
            let chain = &chain;
            async move {
                let account = Account::dev(index)?;
                token::mint(chain, &account, account.address(), U256::from(PURSE)).await
            }
        });
        futures::future::try_join_all(filled).await?;
    }
    Ok(chain)
}

/// The folder of the sources: contracts are built from it.
fn repository() -> anyhow::Result<PathBuf> {
    let here = std::env::current_dir()?;
    let found = here.ancestors().find(|folder| folder.join("scripts/deploy").is_file());
    found
        .map(Path::to_path_buf)
        .context("run this from a clone of the sources: the contracts are built from it")
}

async fn wait_for_chain(rpc: &str) -> anyhow::Result<()> {
    let client = reqwest::Client::builder().timeout(Duration::from_secs(2)).build()?;
    let ask = json!({ "jsonrpc": "2.0", "id": 1, "method": "eth_chainId", "params": [] });
    for _ in 0..100 {
        if client.post(rpc).json(&ask).send().await.is_ok_and(|answer| answer.status().is_success()) {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    bail!("no chain answers at {rpc}; is the port taken? see logs/chain.log")
}

/// Ctrl-C, or the signal that a supervisor sends.
pub(super) async fn stopped() {
    let terminate = async {
        match tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
            Ok(mut signal) => {
                signal.recv().await;
            }
            Err(_) => std::future::pending().await,
        }
    };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        () = terminate => {}
    }
}
