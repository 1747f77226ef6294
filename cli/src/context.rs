//! What most commands need: settings from flags and environment, the chain, the block store and the account.

use std::path::PathBuf;

use anyhow::{Context as _, bail};
use offsetdata_content::Blocks;
use offsetdata_content::blocks::KuboSettings;
use offsetdata_protocol::deployments::Deployment;
use offsetdata_sdk::{Account, Chain, Indexer, Relayer};

/// Settings of every command.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Settings {
    /// RPC endpoints of the chain, separated by commas: the first that is well is asked
    #[arg(
        long,
        global = true,
        env = "OFFSETDATA_RPC_URL",
        hide_env_values = true,
        value_name = "URL",
        default_value = "http://127.0.0.1:8545"
    )]
    pub(crate) rpc: String,

    /// File with the addresses of the contracts; without it the development network's
    #[arg(long, global = true, env = "OFFSETDATA_DEPLOYMENT", value_name = "FILE")]
    pub(crate) contracts: Option<PathBuf>,

    /// Directory of the block store
    #[arg(long, global = true, env = "OFFSETDATA_BLOCKS", value_name = "DIR", default_value = ".dev/blocks")]
    pub(crate) store: PathBuf,

    /// A Kubo node for the blocks
    #[command(flatten)]
    pub(crate) kubo: KuboSettings,

    /// Base URL of the indexer
    #[arg(
        long,
        global = true,
        env = "OFFSETDATA_INDEXER_URL",
        value_name = "URL",
        default_value = "http://127.0.0.1:8450"
    )]
    pub(crate) indexer: String,

    /// Who acts: dev:0 to dev:9 on the development network, a keystore, or a file with a private key
    #[arg(long = "as", global = true, env = "OFFSETDATA_ACCOUNT", value_name = "ACCOUNT")]
    pub(crate) account: Option<String>,

    /// Relayer that sends and pays for this account's transactions, where it has no ETH: its base URL
    #[arg(long, global = true, env = "OFFSETDATA_SPONSOR_URL", value_name = "URL")]
    pub(crate) sponsor: Option<String>,

    /// Print one JSON object for programs
    #[arg(long, global = true)]
    pub(crate) json: bool,
}

impl Settings {
    /// The deployment that is named, or the development network's.
    pub(crate) fn deployment(&self) -> anyhow::Result<Deployment> {
        deployment(self.contracts.as_deref())
    }

    /// The chain, checked.
    pub(crate) async fn chain(&self) -> anyhow::Result<Chain> {
        Chain::connect(&self.rpc, self.deployment()?).await.with_context(|| {
            format!("cannot use {}; is the network running? `offsetdata dev` starts one", self.endpoints())
        })
    }

    /// The RPC endpoints without what may be a key in their URLs.
    pub(crate) fn endpoints(&self) -> String {
        let origin = |url: &str| match reqwest::Url::parse(url.trim()) {
            Ok(url) => url.origin().ascii_serialization(),
            Err(_) => "what is no URL".to_owned(),
        };
        self.rpc.split(',').map(origin).collect::<Vec<_>>().join(", ")
    }

    /// The block store, and the Kubo node where one is named.
    pub(crate) fn blocks(&self) -> anyhow::Result<Blocks> {
        Ok(Blocks::directory(&self.store)?.with_settings(&self.kubo)?)
    }

    /// The account that acts.
    pub(crate) fn account(&self) -> anyhow::Result<Account> {
        let Some(account) = &self.account else {
            bail!("who acts? name an account with --as, for example --as dev:1");
        };
        parse_account(account)
    }

    /// The chain and the account, for what is sent: paid by the sponsor where one is named.
    pub(crate) async fn sender(&self) -> anyhow::Result<(Chain, Account)> {
        let (chain, account) = (self.chain().await?, self.account()?);
        let chain = match &self.sponsor {
            None => chain,
            Some(url) => chain.with_sponsor(Relayer::connect(url, &chain).await?)?,
        };
        Ok((chain, account))
    }

    /// The indexer.
    pub(crate) fn indexer(&self) -> anyhow::Result<Indexer> {
        Ok(Indexer::new(&self.indexer)?)
    }
}

/// Reads a deployment file, or takes the development network's.
pub(crate) fn deployment(path: Option<&std::path::Path>) -> anyhow::Result<Deployment> {
    let Some(path) = path else { return Ok(Deployment::dev()?) };
    let text = std::fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))?;
    Deployment::parse(&text).with_context(|| format!("{} is not a deployment file", path.display()))
}

/// An account by its name or file; the password of a keystore comes from the environment.
pub(crate) fn parse_account(text: &str) -> anyhow::Result<Account> {
    let password = std::env::var("OFFSETDATA_PASSWORD").ok();
    Ok(Account::parse(text, password.as_deref())?)
}
