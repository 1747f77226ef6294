//! Settings of the gateway, from arguments and the environment. Parsed once.

use std::net::SocketAddr;
use std::path::PathBuf;

use offsetdata_content::blocks::KuboSettings;

use crate::secrets::{Secret, Secrets};

/// Gives out chunk keys to whoever may read, charges for them and lands what was promised.
#[derive(Debug, Clone, clap::Args)]
pub struct Config {
    /// RPC endpoints of the chain (http or https), separated by commas: the first that is well is asked.
    #[arg(long, env = "OFFSETDATA_RPC_URL", hide_env_values = true, default_value = "http://127.0.0.1:8545")]
    pub rpc_url: Secret,
    /// The database that the indexer writes, `sqlite:PATH` or `postgres://USER:PASSWORD@HOST/DATABASE`. Several gateways with the
    /// same keys and public URL may share one: all serve, one of them settles.
    #[arg(long, env = "OFFSETDATA_DATABASE_URL", hide_env_values = true)]
    pub database_url: Secret,
    /// Deployment file, as in protocol/deployments.
    #[arg(long, env = "OFFSETDATA_DEPLOYMENT")]
    pub deployment: PathBuf,
    /// Folder of the public blocks: manifests, pages, chunks.
    #[arg(long, env = "OFFSETDATA_BLOCKS")]
    pub blocks: PathBuf,
    /// Trustless gateways to read blocks from that the folder lacks.
    #[arg(long, env = "OFFSETDATA_GATEWAYS", value_delimiter = ',')]
    pub gateway: Vec<String>,
    /// A Kubo node for the blocks.
    #[command(flatten)]
    pub kubo: KuboSettings,
    /// Where to listen for readers.
    #[arg(long, env = "OFFSETDATA_GATEWAY_LISTEN", default_value = "127.0.0.1:8470")]
    pub listen: SocketAddr,
    /// The URL under which readers reach it; they sign it. By default http and the listen address.
    #[arg(long, env = "OFFSETDATA_GATEWAY_URL")]
    pub public_url: Option<String>,
    /// Calls a second from one account or, without a session, from one address; five seconds' worth may come at once. 0
    /// for no limit: where a proxy before the gateway has its own, as all calls come from its address.
    #[arg(long, env = "OFFSETDATA_GATEWAY_CALLS_PER_SECOND", default_value_t = 100)]
    pub calls_per_second: u32,
    /// Seconds after which another gateway on the same database settles, where this one does and ends without a word.
    #[arg(long, env = "OFFSETDATA_INSTANCE_LEASE_SECONDS", default_value_t = 10, value_parser = clap::value_parser!(u64).range(2..=600))]
    pub instance_lease_seconds: u64,
    /// The keys.
    #[command(flatten)]
    pub secrets: Secrets,
    /// By which rules keys are given out.
    #[command(flatten)]
    pub terms: Terms,
    /// How what was promised is landed.
    #[command(flatten)]
    pub settlement: SettlementSettings,
}

/// By which rules keys are given out.
#[derive(Debug, Clone, Copy, clap::Args)]
pub struct Terms {
    /// A right counts when it is held at the head and so many blocks below. 0: at the head alone.
    #[arg(long, env = "OFFSETDATA_GATEWAY_CONFIRMATIONS", default_value_t = 1, value_parser = clap::value_parser!(u32).range(0..=10_000))]
    pub confirmations: u32,
    /// No key while the newest block is older than so many seconds.
    #[arg(long, env = "OFFSETDATA_GATEWAY_STALE_SECONDS", default_value_t = 120, value_parser = clap::value_parser!(u64).range(1..))]
    pub stale_seconds: u64,
    /// A voucher must be valid for so many seconds more: time to settle it.
    #[arg(long, env = "OFFSETDATA_GATEWAY_VOUCHER_SECONDS", default_value_t = 21_600, value_parser = clap::value_parser!(u64).range(60..=31_536_000))]
    pub voucher_seconds: u64,
    /// Most that may be open of one account for one collection, in the token's smallest unit; one chunk always may.
    #[arg(long, env = "OFFSETDATA_GATEWAY_CREDIT_CAP", default_value_t = 100_000_000)]
    pub credit_cap: u128,
    /// Seconds that a session lasts.
    #[arg(long, env = "OFFSETDATA_GATEWAY_SESSION_SECONDS", default_value_t = 86_400, value_parser = clap::value_parser!(u64).range(60..=2_592_000))]
    pub session_seconds: u64,
}

/// How what was promised is landed.
#[derive(Debug, Clone, Copy, clap::Args)]
pub struct SettlementSettings {
    /// What is open for so many seconds is settled.
    #[arg(long, env = "OFFSETDATA_GATEWAY_SETTLE_SECONDS", default_value_t = 3600, value_parser = clap::value_parser!(u64).range(1..=2_592_000))]
    pub settle_seconds: u64,
    /// Milliseconds between two looks at the chain and the database.
    #[arg(long, env = "OFFSETDATA_POLL_MILLISECONDS", default_value_t = 500, value_parser = clap::value_parser!(u64).range(50..=60_000))]
    pub poll_milliseconds: u64,
    /// Highest fee for a unit of gas, in wei: no settlement while the chain asks for more.
    #[arg(long, env = "OFFSETDATA_GATEWAY_MAX_FEE", default_value_t = 200_000_000_000)]
    pub max_fee: u128,
}

impl Default for Terms {
    fn default() -> Self {
        Self {
            confirmations: 1,
            stale_seconds: 120,
            voucher_seconds: 21_600,
            credit_cap: 100_000_000,
            session_seconds: 86_400,
        }
    }
}

impl Default for SettlementSettings {
    fn default() -> Self {
        Self { settle_seconds: 3600, poll_milliseconds: 500, max_fee: 200_000_000_000 }
    }
}
