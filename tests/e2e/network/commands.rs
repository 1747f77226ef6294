//! What people type: commands of the program against the network, and what they say.

use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::parts::clear_settings;
use super::{Network, Part};

/// No command of a test takes longer.
const LIMIT: Duration = Duration::from_secs(300);

impl Network {
    /// A command that has to succeed; its JSON.
    pub(in crate::e2e) async fn run(&self, who: &str, words: &[&str]) -> Value {
        self.attempt(who, words).await.unwrap_or_else(|said| panic!("{} as {who}\n{said}", words.join(" ")))
    }

    /// A command that has to fail; what it said.
    pub(in crate::e2e) async fn refused(&self, who: &str, words: &[&str]) -> String {
        match self.attempt(who, words).await {
            Err(said) => said,
            Ok(value) => panic!("{} as {who} should have failed; it said {value}", words.join(" ")),
        }
    }

    /// The same command until it succeeds, as people do while something is down.
    pub(in crate::e2e) async fn insist(&self, who: &str, words: &[&str], within: Duration) -> Value {
        let begun = Instant::now();
        loop {
            match self.attempt(who, words).await {
                Ok(value) => return value,
                Err(said) if begun.elapsed() > within => {
                    panic!("{} as {who}: not within {} s\n{said}", words.join(" "), within.as_secs())
                }
                Err(_) => tokio::time::sleep(Duration::from_millis(500)).await,
            }
        }
    }

    /// A command: its JSON, or what it said where it failed.
    pub(in crate::e2e) async fn attempt(&self, who: &str, words: &[&str]) -> Result<Value, String> {
        let mut command = std::process::Command::new(&self.program);
        clear_settings(&mut command);
        command.current_dir(self.folder.path()).args(words).args(["--json", "--as", who]);
        for (name, value) in [
            ("RPC_URL", self.node.url.clone()),
            ("BLOCKS", self.path("blocks").display().to_string()),
            ("DEPLOYMENT", self.path("deployment.json").display().to_string()),
            ("INDEXER_URL", self.url(Part::Indexer)),
            ("GATEWAY_URL", self.url(Part::Gateway)),
            ("RELAYER_URL", self.relayer_url()),
        ] {
            command.env(format!("OFFSETDATA_{name}"), value);
        }
        command.stdin(Stdio::null());
        let mut command = tokio::process::Command::from(command);
        command.kill_on_drop(true);
        let output = tokio::time::timeout(LIMIT, command.output()).await;
        let output = output.map_err(|_| format!("no end within {} s", LIMIT.as_secs()))?.unwrap();
        let stdout = String::from_utf8_lossy(&output.stdout);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        if !output.status.success() {
            return Err(format!("{said}{stdout}"));
        }
        let last = stdout.trim().lines().last().unwrap_or_default();
        serde_json::from_str(last).map_err(|error| format!("no JSON ({error}): {stdout}\n{said}"))
    }
}
