//! What a worker is told when it starts. It reads no file.

use std::path::PathBuf;

use offsetdata_content::blocks::KuboSettings;

/// Settings of `offsetdata worker`.
#[derive(Debug, Clone, clap::Args)]
pub struct WorkerConfig {
    /// Base URL of the relayer that gives the jobs
    #[arg(long, env = "OFFSETDATA_RELAYER_URL", default_value = "http://127.0.0.1:8460")]
    pub relayer_url: String,

    /// RPC endpoints, separated by commas, to check every job and collection against the chain: the first that is well
    /// is asked
    #[arg(long, env = "OFFSETDATA_RPC_URL", default_value = "http://127.0.0.1:8545", hide_env_values = true)]
    pub rpc_url: String,

    /// File with the addresses of the contracts; without it the development network's
    #[arg(long, env = "OFFSETDATA_DEPLOYMENT")]
    pub deployment: Option<PathBuf>,

    /// Directory of the block store that data is read from
    #[arg(long, env = "OFFSETDATA_BLOCKS", default_value = ".dev/blocks")]
    pub blocks: PathBuf,

    /// Trustless gateways that are asked for what the block store lacks
    #[arg(long, env = "OFFSETDATA_GATEWAYS", value_delimiter = ',')]
    pub gateways: Vec<String>,

    /// A Kubo node for the blocks
    #[command(flatten)]
    pub kubo: KuboSettings,

    /// Gateway that is asked for the keys of private collections before those that their publishers name
    #[arg(long, env = "OFFSETDATA_GATEWAY_URL", value_name = "URL")]
    pub key_gateway: Option<String>,

    /// Key that signs commitments: dev:N, a keystore, or a file with a private key
    #[arg(long, env = "OFFSETDATA_WORKER_KEY", value_name = "ACCOUNT")]
    pub key: String,

    /// Seconds of training after which a commitment is sent
    #[arg(long, env = "OFFSETDATA_COMMIT_SECONDS", default_value_t = 5)]
    pub commit_seconds: u64,

    /// Seconds of training after which a checkpoint is sent
    #[arg(long, env = "OFFSETDATA_CHECKPOINT_SECONDS", default_value_t = 30)]
    pub checkpoint_seconds: u64,

    /// File with the developer's key that artifacts and checkpoints are sealed to; made where there is none. All
    /// workers of a developer share it
    #[arg(long, env = "OFFSETDATA_ARTIFACT_KEY", value_name = "FILE", default_value = ".dev/artifact.key")]
    pub artifact_key: PathBuf,

    /// Whether predictions are answered beside a training
    #[arg(
        long,
        env = "OFFSETDATA_PREDICTIONS",
        default_value_t = true,
        action = clap::ArgAction::Set,
        value_name = "true|false"
    )]
    pub predictions: bool,

    /// Seconds that a job has for a last checkpoint when the worker is told to stop
    #[arg(long, env = "OFFSETDATA_GRACE_SECONDS", default_value_t = 20)]
    pub grace_seconds: u64,
}
