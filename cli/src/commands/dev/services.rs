//! The command lines of the network's parts. It starts none of them.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use offsetdata_sdk::Account;
use tokio::process::Command;

use super::Dev;
use super::parts::Part;

/// Gas a day that the relayer of a development network pays for its users, and of it for one account.
const SPONSORED_GAS: (&str, &str) = ("1000000000", "100000000");

impl Dev {
    pub(super) fn anvil(&self, root: &Path) -> anyhow::Result<Part> {
        let own = root.join(".tools/bin/anvil");
        let program = if own.exists() { own } else { PathBuf::from("anvil") };
        let mut command = Command::new(program);
        command.args(["--host", "127.0.0.1", "--port", &self.rpc_port.to_string()]);
        command.args(["--block-time", &self.block_time.to_string(), "--slots-in-an-epoch", "1"]);
        command.args(["--state-interval", "5", "--state"]).arg(self.dir.join("anvil.json"));
        Ok(Part::new("chain", command))
    }

    fn service(&self, name: &'static str, rpc: &str) -> anyhow::Result<Command> {
        let mut command = Command::new(std::env::current_exe().context("finding this program")?);
        // With a Kubo node each has a folder of its own, as on machines of their own: what they share is at the node.
        let blocks = match &self.kubo.kubo {
            Some(_) => self.dir.join(format!("{name}-blocks")),
            None => self.dir.join("blocks"),
        };
        command.arg(name).env("OFFSETDATA_RPC_URL", rpc).env("OFFSETDATA_BLOCKS", blocks);
        command.env("OFFSETDATA_DEPLOYMENT", self.dir.join("deployment.json"));
        let file = || format!("sqlite:{}", self.dir.join("offsetdata.db").display());
        command.env("OFFSETDATA_DATABASE_URL", self.database_url.clone().unwrap_or_else(file));
        // In the environment, as arguments are seen by other users.
        if let Some(url) = &self.kubo.kubo {
            command.env("OFFSETDATA_KUBO", url);
        }
        if let Some(auth) = &self.kubo.kubo_auth {
            command.env("OFFSETDATA_KUBO_AUTH", auth.reveal());
        }
        command.env("OFFSETDATA_KUBO_KEEP_LOCAL", self.kubo.kubo_keep_local.to_string());
        Ok(command)
    }

    pub(super) fn indexer(&self, rpc: &str) -> anyhow::Result<Part> {
        let mut command = self.service("indexer", rpc)?;
        command.env("OFFSETDATA_INDEXER_LISTEN", format!("127.0.0.1:{}", self.indexer_port));
        Ok(Part::new("indexer", command))
    }

    pub(super) fn gateway(&self, rpc: &str) -> anyhow::Result<Part> {
        let mut command = self.service("gateway", rpc)?;
        command.env("OFFSETDATA_GATEWAY_LISTEN", format!("127.0.0.1:{}", self.gateway_port));
        command.env("OFFSETDATA_GATEWAY_URL", self.gateway_url());
        command.env("OFFSETDATA_GATEWAY_SIGNER_KEY", Account::dev(7)?.signer().to_bytes().to_string());
        command.env("OFFSETDATA_GATEWAY_SEALING_KEY_FILE", self.dir.join("sealing.key"));
        Ok(Part::new("gateway", command))
    }

    pub(super) fn relayer(&self, rpc: &str) -> anyhow::Result<Part> {
        let mut command = self.service("relayer", rpc)?;
        command.env("OFFSETDATA_RELAYER_LISTEN", format!("127.0.0.1:{}", self.relayer_port));
        command.env("OFFSETDATA_RELAYER_URL", self.relayer_url());
        command.env("OFFSETDATA_ARTIFACTS", self.dir.join("artifacts"));
        command.env("OFFSETDATA_SPONSOR_GAS_PER_DAY", SPONSORED_GAS.0);
        command.env("OFFSETDATA_SPONSOR_GAS_PER_ACCOUNT", SPONSORED_GAS.1);
        command.env("OFFSETDATA_SPONSOR_CALLS_PER_MINUTE", "600");
        command.env("OFFSETDATA_EXPIRE", "true");
        // Everyone knows the keys of the development accounts: this one is no secret.
        command.env("OFFSETDATA_SCHEDULER_KEY", Account::dev(5)?.signer().to_bytes().to_string());
        Ok(Part::new("relayer", command))
    }

    pub(super) fn worker(&self, rpc: &str) -> anyhow::Result<Part> {
        let mut command = self.service("worker", rpc)?;
        command.env("OFFSETDATA_RELAYER_URL", self.relayer_url());
        command.env("OFFSETDATA_WORKER_KEY", "dev:4");
        command.env("OFFSETDATA_ARTIFACT_KEY", self.dir.join("artifact.key"));
        command.env("OFFSETDATA_COMMIT_SECONDS", self.commit_seconds.to_string());
        Ok(Part::new("worker", command))
    }

    pub(super) fn gateway_url(&self) -> String {
        format!("http://127.0.0.1:{}", self.gateway_port)
    }

    pub(super) fn relayer_url(&self) -> String {
        format!("http://127.0.0.1:{}", self.relayer_port)
    }
}
