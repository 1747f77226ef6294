//! A network of `offsetdata dev` and its commands, in processes that end with the test. It asserts nothing of them but that
//! they start.
#![allow(dead_code, unreachable_pub, reason = "each test program uses a part of it")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use offsetdata_sdk::Account;
use serde_json::{Value, json};
use tempfile::TempDir;

pub const PROGRAM: &str = env!("CARGO_BIN_EXE_offsetdata");
/// Building the contracts takes a minute where they were never built.
const READY_WITHIN: Duration = Duration::from_secs(400);
/// A part of every URL and key file that is wrong: nothing may repeat it.
pub const SECRET: &str = "hunter2";

pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().unwrap()
}

/// Ports that nobody has now.
pub fn ports<const COUNT: usize>() -> [u16; COUNT] {
    let listeners = [(); COUNT].map(|()| TcpListener::bind(("127.0.0.1", 0)).unwrap());
    listeners.each_ref().map(|listener| listener.local_addr().unwrap().port())
}

/// The private key of a development account, as a file has it.
pub fn key(index: u32) -> String {
    format!("{}\n", Account::dev(index).unwrap().signer().to_bytes())
}

/// A network in a folder. What it started ends with the test, also where the program was killed.
pub struct Network {
    pub dir: PathBuf,
    pub ports: [u16; 5],
    process: Child,
    _folder: Option<TempDir>,
}

impl Network {
    pub fn command(dir: &Path, ports: &[u16; 5], fresh: bool) -> Command {
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

    pub fn start(dir: &Path, ports: [u16; 5], fresh: bool) -> Self {
        // A start that was killed leaves it behind.
        let _ = std::fs::remove_file(dir.join("ready.json"));
        let mut command = Self::command(dir, &ports, fresh);
        let process = command.stderr(Stdio::null()).spawn().unwrap();
        let mut network = Self { dir: dir.to_path_buf(), ports, process, _folder: None };
        let begun = Instant::now();
        while !dir.join("ready.json").exists() {
            assert!(network.process.try_wait().unwrap().is_none(), "it ended before it was ready");
            assert!(begun.elapsed() < READY_WITHIN, "it was not ready in time");
            std::thread::sleep(Duration::from_millis(100));
        }
        network
    }

    pub fn ready(&self) -> Value {
        serde_json::from_slice(&std::fs::read(self.dir.join("ready.json")).unwrap()).unwrap()
    }

    pub fn run(&self, words: &[&str]) -> Output {
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

    pub fn json(&self, words: &[&str]) -> Value {
        let output = self.run(words);
        assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// Ids of the processes that it started, and that still run.
    pub fn pids(&self) -> Vec<String> {
        let pids = std::fs::read_to_string(self.dir.join("pids")).unwrap_or_default();
        pids.lines().filter(|pid| runs(pid)).map(str::to_owned).collect()
    }

    pub fn end(&mut self, signal: &str) {
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
pub fn runs(pid: &str) -> bool {
    let words = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let program = String::from_utf8_lossy(words.split(|byte| *byte == 0).next().unwrap()).into_owned();
    program.ends_with("anvil") || program.ends_with("offsetdata")
}

pub fn signalled(signal: &str, pid: &str) {
    let _ = Command::new("kill").args([signal, pid]).stderr(Stdio::null()).status();
}

/// Ends what it holds.
pub struct Ending(pub Child);

impl Drop for Ending {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A chain with another id, and its URL.
pub fn foreign_chain() -> (Ending, String) {
    let [port] = ports();
    let own = root().join(".tools/bin/anvil");
    let program = if own.exists() { own } else { PathBuf::from("anvil") };
    let words =
        ["--host", "127.0.0.1", "--chain-id", "5", "--quiet", "--port", &port.to_string()].map(str::to_owned);
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL"]).arg(program).args(words).stdin(Stdio::null()).stdout(Stdio::null());
    let chain = Ending(command.spawn().unwrap());
    let begun = Instant::now();
    while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
        assert!(begun.elapsed() < Duration::from_secs(60), "anvil does not answer");
        std::thread::sleep(Duration::from_millis(50));
    }
    (chain, format!("http://127.0.0.1:{port}"))
}

/// What `offsetdata SERVICE check` said.
#[derive(Debug)]
pub struct Checked {
    pub code: i32,
    findings: Vec<Value>,
}

impl Checked {
    /// The worst grade of the findings on this, and all that they say.
    pub fn on(&self, what: &str) -> (&str, String) {
        let found: Vec<&Value> = self.findings.iter().filter(|finding| finding["what"] == what).collect();
        let is = |grade: &str| found.iter().any(|finding| finding["grade"] == grade);
        let worst = ["bad", "warning", "good"].into_iter().find(|grade| is(grade));
        let said: Vec<&str> = found.iter().map(|finding| finding["detail"].as_str().unwrap()).collect();
        (worst.unwrap_or("not there"), said.join("; "))
    }

    /// Nothing was wrong and nothing to be warned of, but for this.
    pub fn is_good_but_for(&self, except: &[&str]) -> bool {
        self.findings
            .iter()
            .all(|finding| finding["grade"] == "good" || except.iter().any(|what| finding["what"] == *what))
    }
}

/// A network that tests of this program share; it ends with the last of them.
pub fn shared() -> Arc<Network> {
    static SHARED: Mutex<Weak<Network>> = Mutex::new(Weak::new());
    let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(network) = shared.upgrade() {
        return network;
    }
    let folder = tempfile::tempdir().unwrap();
    let mut network = Network::start(&folder.path().join("network"), ports(), false);
    network._folder = Some(folder);
    let network = Arc::new(network);
    *shared = Arc::downgrade(&network);
    network
}

impl Network {
    pub fn url(&self, service: &str) -> String {
        let place =
            ["rpc", "indexer", "relayer", "gateway"].iter().position(|name| *name == service).unwrap();
        format!("http://127.0.0.1:{}", self.ports[place])
    }

    /// A command of a service with the settings that the network's own has, but for these.
    pub fn service(&self, words: &[&str], but: &[(&str, &str)]) -> Output {
        let mut command = Command::new(PROGRAM);
        for (name, _) in
            std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("OFFSETDATA_"))
        {
            command.env_remove(name);
        }
        let path = |name: &str| self.dir.join(name).display().to_string();
        let listen = |service: &str| self.url(service).trim_start_matches("http://").to_owned();
        for (name, value) in [
            ("RPC_URL", self.url("rpc")),
            ("DATABASE_URL", format!("sqlite:{}", path("offsetdata.db"))),
            ("DEPLOYMENT", path("deployment.json")),
            ("BLOCKS", path("blocks")),
            ("ARTIFACTS", path("artifacts")),
            ("GATEWAY_LISTEN", listen("gateway")),
            ("GATEWAY_URL", self.url("gateway")),
            ("GATEWAY_SIGNER_KEY_FILE", path("test-signer.key")),
            ("GATEWAY_SEALING_KEY_FILE", path("sealing.key")),
            ("RELAYER_LISTEN", listen("relayer")),
            ("RELAYER_URL", self.url("relayer")),
            ("SCHEDULER_KEY_FILE", path("test-scheduler.key")),
            ("WORKER_KEY", "dev:4".to_owned()),
            ("ARTIFACT_KEY", path("artifact.key")),
        ] {
            command.env(format!("OFFSETDATA_{name}"), value);
        }
        for (name, index) in [("test-signer.key", 7), ("test-scheduler.key", 5)] {
            // Other tests read it at the same time: it is there whole, or not at all.
            let whole = tempfile::NamedTempFile::new_in(&self.dir).unwrap();
            std::fs::write(whole.path(), key(index)).unwrap();
            whole.persist(self.dir.join(name)).unwrap();
        }
        for (name, value) in but {
            command.env(format!("OFFSETDATA_{name}"), value);
        }
        command.current_dir(&self.dir).args(words).stdin(Stdio::null()).output().unwrap()
    }

    /// What a service's check says, for programs and for people alike, and without a secret.
    pub fn check(&self, service: &str, but: &[(&str, &str)]) -> Checked {
        let output = self.service(&[service, "check", "--json"], but);
        let (said, error) =
            (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(!said.contains(SECRET) && !error.contains(SECRET), "{said}{error}");
        let found: Value =
            serde_json::from_str(&said).unwrap_or_else(|problem| panic!("{problem}: {said}{error}"));
        let code = output.status.code().unwrap();
        assert_eq!(found["ok"], json!(code == 0), "{found}");
        let can_not = format!("the {service} can't run like this");
        assert_eq!(error.contains(&can_not), code != 0, "{error}");
        let people = self.service(&[service, "check"], but);
        let words = String::from_utf8_lossy(&people.stdout);
        assert_eq!(people.status.code(), output.status.code(), "{words}\n{said}");
        assert!(!words.contains(SECRET), "{words}");
        let findings = found["findings"].as_array().unwrap().clone();
        let marks = [("good", "ok"), ("warning", "warning"), ("bad", "WRONG")];
        for finding in &findings {
            let (_, mark) = marks.into_iter().find(|(grade, _)| finding["grade"] == *grade).unwrap();
            let what = finding["what"].as_str().unwrap();
            let line = words.lines().find(|line| line.starts_with(mark) && line.contains(what));
            assert!(line.is_some(), "{finding} is not in {words}");
        }
        Checked { code, findings }
    }

    /// Calls a node.
    pub fn ask_chain(&self, method: &str, params: Value) -> Value {
        let body = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
        let ask = async {
            let client =
                reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(30)).build().unwrap();
            client.post(self.url("rpc")).json(&body).send().await.unwrap().json::<Value>().await.unwrap()
        };
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(ask)
    }

    /// The id of a service's process.
    pub fn pid(&self, service: &str) -> String {
        let is = |pid: &String| {
            let words = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            words.split(|byte| *byte == 0).nth(1) == Some(service.as_bytes())
        };
        self.pids().into_iter().find(is).unwrap_or_else(|| panic!("no {service} runs"))
    }
}
