//! Settings of the relayer, from arguments and the environment. Parsed once.

use std::net::SocketAddr;
use std::path::PathBuf;

use alloy::primitives::Address;
use offsetdata_content::blocks::KuboSettings;

use crate::jobs::JobSettings;
use crate::predictions::PredictionSettings;
use crate::secrets::{Keys, Secret};
use crate::sponsor::SponsorSettings;
use crate::transactions::TransactionSettings;

/// Carries requests to workers and their signed work to the chain.
#[derive(Debug, Clone, clap::Args)]
pub struct Config {
    /// RPC endpoints of the chain (http or https), separated by commas: the first that is well is asked.
    #[arg(long, env = "OFFSETDATA_RPC_URL", hide_env_values = true, default_value = "http://127.0.0.1:8545")]
    pub rpc_url: Secret,
    /// The database that the indexer writes, `sqlite:PATH` or `postgres://USER:PASSWORD@HOST/DATABASE`. Several relayers may share
    /// one: one of them works, the others stand by.
    #[arg(long, env = "OFFSETDATA_DATABASE_URL", hide_env_values = true)]
    pub database_url: Secret,
    /// Deployment file, as in protocol/deployments.
    #[arg(long, env = "OFFSETDATA_DEPLOYMENT")]
    pub deployment: PathBuf,
    /// Folder of the public blocks: points, reasons, hyperparameters.
    #[arg(long, env = "OFFSETDATA_BLOCKS")]
    pub blocks: PathBuf,
    /// Trustless gateways to read blocks from that the folder lacks.
    #[arg(long, env = "OFFSETDATA_GATEWAYS", value_delimiter = ',')]
    pub gateway: Vec<String>,
    /// A Kubo node for the blocks.
    #[command(flatten)]
    pub kubo: KuboSettings,
    /// Folder of the artifacts. Keep it private: the weights are the developer's.
    #[arg(long, env = "OFFSETDATA_ARTIFACTS")]
    pub artifacts: PathBuf,
    /// Where to listen for workers.
    #[arg(long, env = "OFFSETDATA_RELAYER_LISTEN", default_value = "127.0.0.1:8460")]
    pub listen: SocketAddr,
    /// The URL under which workers reach it; they sign it. By default http and the listen address.
    #[arg(long, env = "OFFSETDATA_RELAYER_URL")]
    pub public_url: Option<String>,
    /// Workers that may serve every base, beside those that bases name on the chain.
    #[arg(long, env = "OFFSETDATA_ALLOW_WORKERS", value_delimiter = ',')]
    pub allow_worker: Vec<Address>,
    /// Take the fees out of the coordinator once more than this is owed, in the token's smallest unit; without it the
    /// signer's account does so itself (`offsetdata account withdraw`).
    #[arg(long, env = "OFFSETDATA_WITHDRAW_ABOVE")]
    pub withdraw_above: Option<u128>,
    /// Milliseconds between two looks at the chain and the database.
    #[arg(long, env = "OFFSETDATA_POLL_MILLISECONDS", default_value_t = 500, value_parser = clap::value_parser!(u64).range(50..=60_000))]
    pub poll_milliseconds: u64,
    /// Seconds after which a relayer that stands by takes over, where this one works and ends without a word.
    #[arg(long, env = "OFFSETDATA_INSTANCE_LEASE_SECONDS", default_value_t = 10, value_parser = clap::value_parser!(u64).range(2..=600))]
    pub instance_lease_seconds: u64,
    /// The keys.
    #[command(flatten)]
    pub keys: Keys,
    /// Leases and attempts.
    #[command(flatten)]
    pub jobs: JobSettings,
    /// Transactions.
    #[command(flatten)]
    pub transactions: TransactionSettings,
    /// What is paid for users.
    #[command(flatten)]
    pub sponsor: SponsorSettings,
    /// Predictions.
    #[command(flatten)]
    pub predictions: PredictionSettings,
}
