//! `offsetdata dev` as people use it: started, killed, started again, started afresh; with real processes on free ports.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

const PROGRAM: &str = env!("CARGO_BIN_EXE_offsetdata");
/// Building the contracts takes a minute where they were never built.
const READY_WITHIN: Duration = Duration::from_secs(400);

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().unwrap()
}

/// Ports that nobody has now.
fn ports() -> [u16; 5] {
    let listeners = [(); 5].map(|()| TcpListener::bind(("127.0.0.1", 0)).unwrap());
    listeners.each_ref().map(|listener| listener.local_addr().unwrap().port())
}

/// A network in a folder. What it started ends with the test, also where the program was killed.
struct Network {
    dir: PathBuf,
    ports: [u16; 5],
    process: Child,
}

impl Network {
    fn command(dir: &Path, ports: &[u16; 5], fresh: bool) -> Command {
        let mut command = Command::new(PROGRAM);
        command.current_dir(root()).arg("dev").arg("--dir").arg(dir).arg("--json");
        for (flag, port) in
            ["--rpc-port", "--indexer-port", "--relayer-port", "--gateway-port", "--blocks-port"]
                .iter()
                .zip(ports)
        {
            command.args([flag, port.to_string().as_str()]);
        }
        if fresh {
            command.arg("--fresh");
        }
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        command
    }

    fn start(dir: &Path, ports: [u16; 5], fresh: bool) -> Self {
        // A start that was killed leaves it behind.
        let _ = std::fs::remove_file(dir.join("ready.json"));
        let mut command = Self::command(dir, &ports, fresh);
        let process = command.stderr(Stdio::null()).spawn().unwrap();
        let mut network = Self { dir: dir.to_path_buf(), ports, process };
        let begun = Instant::now();
        while !dir.join("ready.json").exists() {
            assert!(network.process.try_wait().unwrap().is_none(), "it ended before it was ready");
            assert!(begun.elapsed() < READY_WITHIN, "it was not ready in time");
            std::thread::sleep(Duration::from_millis(100));
        }
        network
    }

    fn ready(&self) -> Value {
        serde_json::from_slice(&std::fs::read(self.dir.join("ready.json")).unwrap()).unwrap()
    }

    fn run(&self, words: &[&str]) -> Output {
        let url = |port: u16| format!("http://127.0.0.1:{port}");
        Command::new(PROGRAM)
            .current_dir(root())
            .args(words)
            .arg("--json")
            .env("OFFSETDATA_RPC_URL", url(self.ports[0]))
            .env("OFFSETDATA_INDEXER_URL", url(self.ports[1]))
            .env("OFFSETDATA_RELAYER_URL", url(self.ports[2]))
            .env("OFFSETDATA_GATEWAY_URL", url(self.ports[3]))
            .env("OFFSETDATA_BLOCKS", self.dir.join("blocks"))
            .output()
            .unwrap()
    }

    fn json(&self, words: &[&str]) -> Value {
        let output = self.run(words);
        assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// Ids of the processes that it started, and that still run.
    fn pids(&self) -> Vec<String> {
        let pids = std::fs::read_to_string(self.dir.join("pids")).unwrap_or_default();
        pids.lines().filter(|pid| runs(pid)).map(str::to_owned).collect()
    }

    fn end(&mut self, signal: &str) {
        signalled(signal, &self.process.id().to_string());
        self.process.wait().unwrap();
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        let pids = self.pids();
        let _ = self.process.kill();
        let _ = self.process.wait();
        for pid in pids {
            signalled("-KILL", &pid);
        }
    }
}

/// Whether this process is one of ours and alive.
fn runs(pid: &str) -> bool {
    let words = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let program = String::from_utf8_lossy(words.split(|byte| *byte == 0).next().unwrap()).into_owned();
    program.ends_with("anvil") || program.ends_with("offsetdata")
}

fn signalled(signal: &str, pid: &str) {
    let _ = Command::new("kill").args([signal, pid]).stderr(Stdio::null()).status();
}

#[test]
fn a_killed_network_goes_on_and_a_fresh_one_begins_anew() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("network");
    let mut network = Network::start(&dir, ports(), false);
    let ports = network.ports;
    let first = network.ready();

    let rows = folder.path().join("rows.jsonl");
    std::fs::write(&rows, "{\"text\":\"one\",\"label\":1}\n{\"text\":\"two\",\"label\":0}\n").unwrap();
    let publish =
        ["publish", rows.to_str().unwrap(), "--name", "Rows", "--licence", "CC0-1.0", "--as", "dev:1"];
    let published = network.json(&publish);
    let id = published["id"].as_str().unwrap().to_owned();

    let doctor = network.json(&["doctor", "--as", "dev:2"]);
    assert_eq!(doctor["ok"], true, "{doctor}");

    // While it runs nobody else takes its folder, and none of its processes is touched.
    let second = Network::command(&dir, &ports, false).output().unwrap();
    assert!(!second.status.success());
    let said = String::from_utf8_lossy(&second.stderr).into_owned();
    assert!(said.contains("a network runs in"), "{said}");
    assert_eq!(network.pids().len(), 5);

    // Killed, it leaves its processes behind: the next start ends them and goes on with what they did.
    let left = network.pids();
    network.end("-KILL");
    assert!(left.iter().all(|pid| runs(pid)));
    let mut network = Network::start(&dir, ports, false);
    assert!(left.iter().all(|pid| !runs(pid) || network.pids().contains(pid)));
    assert_eq!(network.ready()["accounts"], first["accounts"]);
    let shown = network.json(&["collection", "show", &id]);
    assert_eq!((shown["records"].as_u64(), &shown["root"]), (Some(2), &published["root"]));
    assert_eq!(network.json(&["collection", "verify", &id])["verified"], 2);

    // Stopped, it leaves nothing running.
    let left = network.pids();
    network.end("-TERM");
    assert!(left.iter().all(|pid| !runs(pid)), "{left:?}");

    let network = Network::start(&dir, ports, true);
    assert_eq!(network.ready()["accounts"], first["accounts"]);
    let gone = network.run(&["collection", "show", &id]);
    assert!(!gone.status.success());
    let said = String::from_utf8_lossy(&gone.stderr).into_owned();
    assert!(said.contains("is not known on this chain"), "{said}");
}

#[test]
fn a_taken_port_is_named_and_nothing_is_started() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("network");
    let taken = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let mut ports = ports();
    ports[3] = taken.local_addr().unwrap().port();
    let output = Network::command(&dir, &ports, false).output().unwrap();
    assert!(!output.status.success());
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let expected = format!("port {} for the gateway is taken", ports[3]);
    assert!(said.contains(&expected) && said.contains("--gateway-port"), "{said}");
    assert!(!dir.join("pids").exists());
}

#[test]
fn a_foreign_folder_is_not_deleted() {
    let folder = tempfile::tempdir().unwrap();
    let precious = folder.path().join("precious.txt");
    std::fs::write(&precious, "mine").unwrap();
    let output = Network::command(folder.path(), &ports(), true).output().unwrap();
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("it is not deleted"));
    assert_eq!(std::fs::read_to_string(&precious).unwrap(), "mine");
}
