//! `offsetdata gateway`, `relayer`, `worker`: each a service that runs until it is told to stop.

use std::time::Duration;

use anyhow::Context as _;
use offsetdata_protocol::check::{Finding, Grade};
use offsetdata_relayer::withdraw::Withdrawn;
use offsetdata_worker::WorkerConfig;
use serde_json::json;

use super::dev::stopped;
use crate::context::{Settings, deployment, parse_account};
use crate::output;

/// A withdrawal that takes longer is left to the relayer.
const WITHDRAWN_WITHIN: Duration = Duration::from_secs(300);

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example: offsetdata relayer --database-url sqlite:offsetdata.db --deployment 31337.json

`offsetdata relayer check` with the same settings asks everything that it depends on, and ends.
`offsetdata relayer withdraw` takes out the fees that its signers earned, whether a relayer runs or not."
)]
pub(crate) struct RelayerService {
    /// What to do; without it the relayer runs
    #[arg(value_enum)]
    verb: Option<RelayerVerb>,
    #[command(flatten)]
    config: offsetdata_relayer::Config,
}

/// What any service can do beside running.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Verb {
    /// Ask everything that it depends on, and end
    Check,
}

/// What a relayer can do beside running.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum RelayerVerb {
    /// Ask everything that it depends on, and end
    Check,
    /// Take out the fees that the signers earned, wait until that has landed, and end
    Withdraw,
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
        match self.verb {
            Some(RelayerVerb::Check) => {
                return report(
                    settings.json,
                    "relayer",
                    &offsetdata_relayer::check::check(&self.config).await,
                );
            }
            Some(RelayerVerb::Withdraw) => {
                let withdrawn = offsetdata_relayer::withdraw::withdraw(&self.config, WITHDRAWN_WITHIN).await;
                return told(settings.json, &withdrawn.context("the fees stay where they are")?);
            }
            None => {}
        }
        offsetdata_relayer::run(self.config, stopped()).await.context("the relayer stopped")
    }
}

impl WorkerService {
    pub(crate) fn is_service(&self) -> bool {
        self.verb.is_none()
    }

    pub(crate) async fn run(self, settings: Settings) -> anyhow::Result<()> {
        let deployment = deployment(self.config.deployment.as_deref());
        let account = parse_account(&self.config.key);
        if self.verb == Some(Verb::Check) {
            let worker = account.map(|account| account.address()).map_err(|error| format!("{error:#}"));
            let deployment = deployment.map_err(|error| format!("{error:#}"));
            let findings = offsetdata_worker::check::check(&self.config, deployment, worker).await;
            return report(settings.json, "worker", &findings);
        }
        let (deployment, account) = (deployment?, account?);
        offsetdata_worker::run(self.config, deployment, account, stopped())
            .await
            .context("the worker stopped")
    }
}

/// Prints what became of each signer's fees; it fails where some did not land.
fn told(as_json: bool, withdrawn: &[Withdrawn]) -> anyhow::Result<()> {
    let ok = withdrawn.iter().all(|one| matches!(one.state.as_str(), "nothing" | "confirmed"));
    output::print(as_json, &json!({ "ok": ok, "withdrawn": withdrawn }), || {
        let line = |one: &Withdrawn| {
            let reason = one.reason.as_deref().map(|reason| format!(": {reason}")).unwrap_or_default();
            match one.state.as_str() {
                "nothing" => format!("{}: nothing is owed\n", one.signer),
                state => format!("{}: {} {state}{reason}\n", one.signer, one.amount),
            }
        };
        withdrawn.iter().map(line).collect()
    });
    anyhow::ensure!(
        ok,
        "not all has landed; the transaction is queued, and a running relayer goes on with it"
    );
    Ok(())
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
