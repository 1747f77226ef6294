//! `offsetdata doctor`: checks, in the order in which they build on each other, what a user needs, and says the next step
//! where something is missing. It changes nothing.

mod checks;

use std::io::IsTerminal;

use serde_json::{Value, json};

use crate::context::Settings;
use crate::output::{self, ExitWith};

#[derive(Debug, clap::Args)]
#[command(after_help = "Example: offsetdata doctor --as dev:2

Exit code 1 where something fails. What is only worth knowing is a warning.")]
pub(crate) struct Doctor {
    /// Gateway that gives and sells chunk keys
    #[arg(long, env = "OFFSETDATA_GATEWAY_URL", default_value = "http://127.0.0.1:8470")]
    gateway: String,
    /// Relayer of the developer whose models are used
    #[arg(long, env = "OFFSETDATA_RELAYER_URL", default_value = "http://127.0.0.1:8460")]
    relayer: String,
}

/// How a check went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Grade {
    Ok,
    Warn,
    Fail,
}

impl Grade {
    fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warn => "warn",
            Self::Fail => "fail",
        }
    }

    /// Green, yellow, red (ECMA-48).
    fn coloured(self) -> String {
        let colour = match self {
            Self::Ok => 32,
            Self::Warn => 33,
            Self::Fail => 31,
        };
        format!("\x1b[{colour}m{:<4}\x1b[0m", self.word())
    }
}

/// One line of the report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Finding {
    name: &'static str,
    grade: Grade,
    detail: String,
    next: Option<String>,
}

impl Finding {
    fn ok(name: &'static str, detail: impl Into<String>) -> Self {
        Self { name, grade: Grade::Ok, detail: detail.into(), next: None }
    }

    fn warn(name: &'static str, detail: impl Into<String>, next: impl Into<String>) -> Self {
        Self { name, grade: Grade::Warn, detail: detail.into(), next: Some(next.into()) }
    }

    fn fail(name: &'static str, detail: impl Into<String>, next: impl Into<String>) -> Self {
        Self { name, grade: Grade::Fail, detail: detail.into(), next: Some(next.into()) }
    }

    fn as_json(&self) -> Value {
        json!({ "check": self.name, "grade": self.grade.word(), "detail": self.detail, "next": self.next })
    }
}

impl Doctor {
    pub(crate) async fn run(self, settings: Settings) -> anyhow::Result<()> {
        let findings = self.findings(&settings).await;
        let ok = findings.iter().all(|finding| finding.grade != Grade::Fail);
        let value = json!({ "ok": ok, "checks": findings.iter().map(Finding::as_json).collect::<Vec<_>>() });
        let colours = std::io::stdout().is_terminal();
        output::print(settings.json, &value, || {
            findings.iter().map(|finding| line(finding, colours)).collect()
        });
        if ok { Ok(()) } else { Err(ExitWith(1).into()) }
    }

    async fn findings(&self, settings: &Settings) -> Vec<Finding> {
        let mut findings = Vec::new();
        let chain = checks::chain(settings, &mut findings).await;
        findings.push(checks::indexer(settings).await);
        findings.push(checks::gateway(&self.gateway, chain.as_ref()).await);
        findings.push(checks::relayer(&self.relayer, chain.as_ref(), "relayer").await);
        if let Some(sponsor) = &settings.sponsor {
            findings.push(checks::relayer(sponsor, chain.as_ref(), "sponsor").await);
        }
        findings.push(checks::blocks(settings));
        findings.extend(checks::kubo(settings).await);
        findings.extend(checks::account(settings, chain.as_ref()).await);
        findings
    }
}

fn line(finding: &Finding, colours: bool) -> String {
    let grade = if colours { finding.grade.coloured() } else { format!("{:<4}", finding.grade.word()) };
    let mut text = format!("{grade}  {:<11} {}\n", finding.name, finding.detail);
    if let Some(next) = &finding.next {
        text += &format!("      {:<11} {next}\n", "");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finding_says_the_next_step() {
        let finding = Finding::fail("rpc", "http://127.0.0.1:1 does not answer", "start `offsetdata dev`");
        let expected = "fail  rpc         http://127.0.0.1:1 does not answer\n                  start `offsetdata dev`\n";
        assert_eq!(line(&finding, false), expected);
        assert!(line(&finding, true).starts_with("\x1b[31mfail"));
        assert!(line(&Finding::ok("rpc", "chain 31337"), false).lines().count() == 1);
    }
}
