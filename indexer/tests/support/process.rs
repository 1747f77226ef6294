//! An indexer in a process of its own, which can be killed or stopped like one. A test file that uses it has a test of this name that
//! calls [`index_where_asked`]: the process is the test program itself, started again.

use std::path::Path;
use std::process::{Child, Command, Stdio};

use offsetdata_indexer::{Config, Source, run};

use super::database::url_in;

/// Folder, endpoint, listen address and whether it only answers, for the process that indexes.
const INDEX: &str = "OFFSETDATA_TEST_INDEX";
const TEST: &str = "indexes_when_it_is_started_to_be_killed";

/// What is indexed into the database of this folder, which has the deployment too.
pub fn source(folder: &Path, rpc_url: &str) -> Source {
    Source {
        rpc_url: rpc_url.into(),
        database_url: url_in(folder),
        deployment: Some(folder.join("deployment.json")),
        reorg_depth: 16,
        proven_depth: 16,
        rpc_timeout: 5,
    }
}

/// Indexes until it is killed, if this program was started for that.
pub async fn index_where_asked() {
    let Ok(what) = std::env::var(INDEX) else { return };
    let [folder, rpc_url, listen, read_only] =
        <[&str; 4]>::try_from(what.split('\n').collect::<Vec<_>>()).unwrap();
    let folder = Path::new(folder);
    let config = Config {
        source: source(folder, rpc_url),
        blocks: folder.join("blocks"),
        kubo: Default::default(),
        gateways: Vec::new(),
        listen: listen.parse().unwrap(),
        poll_ms: 10,
        max_lag: 20,
        instance_lease_seconds: 3,
        read_only: read_only == "true",
    };
    run(config, std::future::pending()).await.unwrap();
}

pub struct Process(Child);

impl Process {
    pub fn start(folder: &Path, rpc_url: &str, listen: &str) -> Self {
        Self::spawn(folder, rpc_url, listen, false)
    }

    /// One with `--read-only`.
    pub fn start_reader(folder: &Path, rpc_url: &str, listen: &str) -> Self {
        Self::spawn(folder, rpc_url, listen, true)
    }

    fn spawn(folder: &Path, rpc_url: &str, listen: &str, read_only: bool) -> Self {
        let child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", TEST])
            .env(INDEX, format!("{}\n{rpc_url}\n{listen}\n{read_only}", folder.display()))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Self(child)
    }

    pub fn is_running(&mut self) -> bool {
        self.0.try_wait().unwrap().is_none()
    }

    /// `STOP` takes its time away, `CONT` gives it back.
    pub fn signal(&self, name: &str) {
        let sent =
            Command::new("kill").args([&format!("-{name}"), &self.0.id().to_string()]).status().unwrap();
        assert!(sent.success());
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // SIGKILL: it learns of nothing.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
