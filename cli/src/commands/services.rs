//! `offsetdata gateway`, `relayer`, `worker`: each a service that runs until it is told to stop.

use anyhow::Context as _;
use offsetdata_worker::WorkerConfig;

use super::dev::stopped;
use crate::context::{Settings, deployment, parse_account};

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example: offsetdata relayer --database-url sqlite:offsetdata.db --deployment 31337.json"
)]
pub(crate) struct RelayerService {
    #[command(flatten)]
    config: offsetdata_relayer::Config,
}

#[derive(Debug, clap::Args)]
#[command(after_help = "Example: offsetdata worker --relayer-url https://relayer.example --key worker.json")]
pub(crate) struct WorkerService {
    #[command(flatten)]
    config: WorkerConfig,
}

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example: offsetdata gateway --database-url sqlite:offsetdata.db --deployment 31337.json \\
  --blocks blocks --signer-key-file signer.key --sealing-key-file sealing.key"
)]
pub(crate) struct GatewayService {
    #[command(flatten)]
    config: offsetdata_gateway::Config,
}

impl GatewayService {
    pub(crate) async fn run(self, _settings: Settings) -> anyhow::Result<()> {
        offsetdata_gateway::run(self.config, stopped()).await.context("the gateway stopped")
    }
}

impl RelayerService {
    pub(crate) async fn run(self, _settings: Settings) -> anyhow::Result<()> {
        offsetdata_relayer::run(self.config, stopped()).await.context("the relayer stopped")
    }
}

impl WorkerService {
    pub(crate) async fn run(self, _settings: Settings) -> anyhow::Result<()> {
        let deployment = deployment(self.config.deployment.as_deref())?;
        let account = parse_account(&self.config.key)?;
        offsetdata_worker::run(self.config, deployment, account, stopped())
            .await
            .context("the worker stopped")
    }
}
