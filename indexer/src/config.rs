//! Settings of the indexer, from the command line and the environment. It holds no key.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use offsetdata_content::blocks::KuboSettings;
use offsetdata_protocol::deployments::Deployment;

use crate::error::IndexerError;
use crate::follow::PROVEN_DEPTH;
use crate::rpc::Rpc;

/// Which chain is indexed into which database.
#[derive(Debug, Clone, clap::Args)]
pub struct Source {
    /// HTTP endpoints of Ethereum nodes, separated by commas: the first that is well is asked.
    #[arg(long, env = "OFFSETDATA_RPC_URL", default_value = "http://127.0.0.1:8545", hide_env_values = true)]
    pub rpc_url: String,
    /// Database, as sqlite:PATH or postgres://USER:PASSWORD@HOST/DATABASE. Several instances may share one: one of them writes.
    #[arg(
        long,
        env = "OFFSETDATA_DATABASE_URL",
        default_value = "sqlite:offsetdata.db",
        hide_env_values = true
    )]
    pub database_url: String,
    /// Deployment file: addresses and start block, as in protocol/deployments. It has to be named.
    #[arg(long, env = "OFFSETDATA_DEPLOYMENT")]
    pub deployment: Option<PathBuf>,
    /// Blocks that a reorg may take back.
    #[arg(long, env = "OFFSETDATA_REORG_DEPTH", default_value_t = 128, value_parser = clap::value_parser!(u64).range(1..=10_000))]
    pub reorg_depth: u64,
    /// Logs of so many of the newest blocks are proven by the receipts of their blocks; further back the node's word is
    /// taken.
    #[arg(long, env = "OFFSETDATA_PROVEN_DEPTH", default_value_t = PROVEN_DEPTH)]
    pub proven_depth: u64,
    /// Seconds that one call of the node may take.
    #[arg(long, env = "OFFSETDATA_RPC_TIMEOUT", default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..=600))]
    pub rpc_timeout: u64,
}

/// Follows the chain into a database and answers questions about it.
#[derive(Debug, Clone, clap::Args)]
pub struct Config {
    /// Which chain, which database.
    #[command(flatten)]
    pub source: Source,
    /// Folder of the block store, where points, manifests and metadata are read.
    #[arg(long, env = "OFFSETDATA_BLOCKS", default_value = "blocks")]
    pub blocks: PathBuf,
    /// Trustless gateways that are asked for blocks that the folder lacks.
    #[arg(long = "gateway", env = "OFFSETDATA_GATEWAYS", value_delimiter = ',', hide_env_values = true)]
    pub gateways: Vec<String>,
    /// A Kubo node for the blocks.
    #[command(flatten)]
    pub kubo: KuboSettings,
    /// Where the API listens.
    #[arg(long, env = "OFFSETDATA_INDEXER_LISTEN", default_value = "127.0.0.1:8450")]
    pub listen: SocketAddr,
    /// Milliseconds between two looks at the chain.
    #[arg(long, env = "OFFSETDATA_POLL_MS", default_value_t = 500, value_parser = clap::value_parser!(u64).range(10..=60_000))]
    pub poll_ms: u64,
    /// Blocks behind the chain at which /health turns bad.
    #[arg(long, env = "OFFSETDATA_MAX_LAG", default_value_t = 20)]
    pub max_lag: u64,
    /// Seconds after which another instance on the same database goes on, where this one writes and ends without a word.
    #[arg(long, env = "OFFSETDATA_INSTANCE_LEASE_SECONDS", default_value_t = 10, value_parser = clap::value_parser!(u64).range(2..=600))]
    pub instance_lease_seconds: u64,
    /// Only answers, from what another instance writes.
    #[arg(long, env = "OFFSETDATA_INDEXER_READ_ONLY")]
    pub read_only: bool,
}

impl Source {
    /// Reads the deployment file.
    ///
    /// # Errors
    /// No file, one that can't be read or is of another form.
    pub fn read_deployment(&self) -> Result<Deployment, IndexerError> {
        let refused = |reason: String| IndexerError::Setting { setting: "--deployment", reason };
        let path = self.deployment.as_ref().ok_or_else(|| {
            refused(
                "name the file with the addresses of the contracts, as in protocol/deployments".to_owned(),
            )
        })?;
        let text =
            std::fs::read_to_string(path).map_err(|error| refused(format!("{}: {error}", path.display())))?;
        Deployment::parse(&text).map_err(|error| refused(format!("{}: {error}", path.display())))
    }

    /// Names the node; nothing is asked yet.
    ///
    /// # Errors
    /// A URL that is none.
    pub fn rpc(&self) -> Result<Rpc, IndexerError> {
        Rpc::new(&self.rpc_url, Duration::from_secs(self.rpc_timeout))
    }
}

impl Config {
    pub(crate) fn poll(&self) -> Duration {
        Duration::from_millis(self.poll_ms)
    }
}
