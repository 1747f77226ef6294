//! `offsetdata gateway`, `relayer`, `worker`: each a service that runs until it is told to stop.

use anyhow::Context as _;
use offsetdata_protocol::check::{Finding, Grade};
use offsetdata_worker::WorkerConfig;
use serde_json::json;

use super::dev::stopped;
use crate::context::{Settings, deployment, parse_account};
use crate::output;

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example: offsetdata relayer --database-url sqlite:offsetdata.db --deployment 31337.json

`offsetdata relayer check` with the same settings asks everything that it depends on, and ends."
)]
pub(crate) struct RelayerService {
    /// What to do; without it the relayer runs
    #[arg(value_enum)]
    verb: Option<Verb>,
    #[command(flatten)]
    config: offsetdata_relayer::Config,
}

/// What a service can do beside running.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Verb {
    /// Ask everything that it depends on, and end
    Check,
}

#[derive(Debug, clap::Args)]
#[command(after_help = "Example: offsetdata worker --relayer-url https://relayer.example --key worker.json

`offsetdata worker check` with the same settings asks everything that it depends on, and ends.")]
pub(crate) struct WorkerService {
    /// What to do; without it the worker runs
    #[arg(value_enum)]
    verb: Option<Verb>,
    #[command(flatten)]
    config: WorkerConfig,
}

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example: offsetdata gateway --database-url sqlite:offsetdata.db --deployment 31337.json \\
  --blocks blocks --signer-key-file signer.key --sealing-key-file sealing.key

`offsetdata gateway check` with the same settings asks everything that it depends on, and ends."
)]
pub(crate) struct GatewayService {
    /// What to do; without it the gateway runs
    #[arg(value_enum)]
    verb: Option<Verb>,
    #[command(flatten)]
    config: offsetdata_gateway::Config,
}

impl GatewayService {
    pub(crate) fn is_service(&self) -> bool {
        self.verb.is_none()
    }

    pub(crate) async fn run(self, settings: Settings) -> anyhow::Result<()> {
        if self.verb == Some(Verb::Check) {
            return report(settings.json, "gateway", &offsetdata_gateway::check::check(&self.config).await);
        }
        offsetdata_gateway::run(self.config, stopped()).await.context("the gateway stopped")
    }
}

impl RelayerService {
    pub(crate) fn is_service(&self) -> bool {
        self.verb.is_none()
    }

    pub(crate) async fn run(self, settings: Settings) -> anyhow::Result<()> {
        if self.verb == Some(Verb::Check) {
            return report(settings.json, "relayer", &offsetdata_relayer::check::check(&self.config).await);
        }
        offsetdata_relayer::run(self.config, stopped()).await.context("the relayer stopped")
    }
}

impl WorkerService {
    pub(crate) fn is_service(&self) -> bool {
        self.verb.is_none()
    }

    pub(crate) async fn run(self, settings: Settings) -> anyhow::Result<()> {
        let deployment = deployment(self.config.deployment.as_deref())?;
        let account = parse_account(&self.config.key)?;
        if self.verb == Some(Verb::Check) {
            let worker = account.address();
            let findings = offsetdata_worker::check::check(&self.config, deployment, worker).await;
            return report(settings.json, "worker", &findings);
        }
        offsetdata_worker::run(self.config, deployment, account, stopped())
            .await
            .context("the worker stopped")
    }
}

/// Prints what a check found; it fails where the service could not run.
fn report(as_json: bool, service: &str, findings: &[Finding]) -> anyhow::Result<()> {
    let ok = findings.iter().all(|finding| finding.grade != Grade::Bad);
    output::print(as_json, &json!({ "ok": ok, "findings": findings }), || {
        let mark = |grade| match grade {
            Grade::Good => "ok",
            Grade::Warning => "warning",
            Grade::Bad => "WRONG",
        };
        let line = |one: &Finding| format!("{:<8} {:<13} {}\n", mark(one.grade), one.what, one.detail);
        findings.iter().map(line).collect()
    });
    anyhow::ensure!(ok, "the {service} can't run like this");
    Ok(())
}
