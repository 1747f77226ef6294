//! The parts of a network and how each is started: which settings it gets. It starts none of them.

use std::process::Command;

use super::{GATEWAY_KEY, Network, RELAYER_KEY, SECOND_KEY, WORKER_KEY, account, process};

/// A part of the network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::e2e) enum Part {
    Indexer,
    Gateway,
    Relayer,
    Worker,
    /// A second worker with a key of its own.
    Second,
}

impl Part {
    /// What runs by default, in the order in which it is started.
    pub(in crate::e2e) const ALL: [Self; 4] = [Self::Indexer, Self::Gateway, Self::Relayer, Self::Worker];

    pub(in crate::e2e) fn name(self) -> &'static str {
        match self {
            Self::Indexer => "indexer",
            Self::Gateway => "gateway",
            Self::Relayer => "relayer",
            Self::Worker => "worker",
            Self::Second => "second-worker",
        }
    }
}

/// How the network runs.
#[derive(Debug, Clone)]
pub(in crate::e2e) struct Settings {
    /// Blocks in an epoch: the last final block is two epochs below the head.
    pub(in crate::e2e) epoch: u32,
    pub(in crate::e2e) lease_seconds: u32,
    pub(in crate::e2e) commit_seconds: u32,
    pub(in crate::e2e) checkpoint_seconds: u32,
    /// The URL under which workers know the relayer, where it is not its own.
    pub(in crate::e2e) relayer_url: Option<String>,
    pub(in crate::e2e) relayer_port: Option<u16>,
    /// Whether the length of files can be limited: [`Network::limit_files`].
    pub(in crate::e2e) limitable: bool,
    /// Further settings of a part, as environment.
    pub(in crate::e2e) more: Vec<(Part, &'static str, String)>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            epoch: 1,
            lease_seconds: 4,
            commit_seconds: 1,
            checkpoint_seconds: 3600,
            relayer_url: None,
            relayer_port: None,
            limitable: false,
            more: Vec::new(),
        }
    }
}

impl Network {
    /// The command line of a part.
    pub(super) fn command(&self, part: Part) -> Command {
        let mut command = process::tied(&self.program, self.settings.limitable);
        let word = if part == Part::Second { "worker" } else { part.name() };
        command.arg(word).current_dir(self.folder.path());
        clear_settings(&mut command);
        let database = format!("sqlite:{}", self.path("offsetdata.db").display());
        let common = [
            ("RPC_URL", self.node.url.clone()),
            ("BLOCKS", self.path("blocks").display().to_string()),
            ("DEPLOYMENT", self.path("deployment.json").display().to_string()),
        ];
        let listen = |part: Part| format!("127.0.0.1:{}", self.ports[&part]);
        let secret = |index: u32| account(index).signer().to_bytes().to_string();
        let own = match part {
            Part::Indexer => vec![
                ("DATABASE_URL", database),
                ("INDEXER_LISTEN", listen(part)),
                ("POLL_MS", "200".to_owned()),
            ],
            Part::Gateway => vec![
                ("DATABASE_URL", database),
                ("GATEWAY_LISTEN", listen(part)),
                ("GATEWAY_URL", self.url(part)),
                ("GATEWAY_SIGNER_KEY", secret(GATEWAY_KEY)),
                ("GATEWAY_SEALING_KEY_FILE", self.path("sealing.key").display().to_string()),
            ],
            Part::Relayer => vec![
                ("DATABASE_URL", database),
                ("RELAYER_LISTEN", listen(part)),
                ("RELAYER_URL", self.relayer_url()),
                ("ARTIFACTS", self.path("artifacts").display().to_string()),
                ("SCHEDULER_KEY", secret(RELAYER_KEY)),
                ("LEASE_SECONDS", self.settings.lease_seconds.to_string()),
                ("HEARTBEAT_SECONDS", "1".to_owned()),
                ("SIGNER_LEASE_SECONDS", "4".to_owned()),
                ("POLL_MILLISECONDS", "200".to_owned()),
            ],
            Part::Worker | Part::Second => vec![
                ("RELAYER_URL", self.relayer_url()),
                ("WORKER_KEY", format!("dev:{}", if part == Part::Worker { WORKER_KEY } else { SECOND_KEY })),
                ("ARTIFACT_KEY", self.path("artifact.key").display().to_string()),
                ("COMMIT_SECONDS", self.settings.commit_seconds.to_string()),
                ("CHECKPOINT_SECONDS", self.settings.checkpoint_seconds.to_string()),
            ],
        };
        let more = self.settings.more.iter().filter(|(of, ..)| *of == part);
        let more = more.map(|(_, name, value)| (*name, value.clone()));
        for (name, value) in common.into_iter().chain(own).chain(more) {
            command.env(format!("OFFSETDATA_{name}"), value);
        }
        command
    }
}

/// Settings of whoever runs the tests are none of the network's.
pub(super) fn clear_settings(command: &mut Command) {
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("OFFSETDATA_") {
            command.env_remove(name);
        }
    }
    command.env("NO_COLOR", "1");
}
