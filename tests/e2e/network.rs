//! A whole network whose processes the test holds: a chain, indexer, gateway, relayer and workers, each started, stopped,
//! killed and started again by name. It knows nothing of what they do.

mod chance;
mod check;
mod commands;
mod node;
mod parts;
mod process;
mod proxy;
mod story;

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use alloy::primitives::{Address, U256};
use nix::sys::signal::Signal;
use offsetdata_protocol::deployments::Deployment;
use offsetdata_sdk::{Account, Chain, token};
use tempfile::TempDir;

pub(super) use chance::{Chance, is_long, record};
use node::Node;
pub(super) use parts::{Part, Settings};
use process::Process;
pub(super) use proxy::{Call, Proxy};
pub(super) use story::{RECORD_PRICE, Sold, Story, TRAIN_PRICE, Training};

/// What each development account has at the beginning: 1,000,000 tokens of 6 decimals.
pub(super) const PURSE: u64 = 1_000_000_000_000;
/// Development accounts by what they do here.
pub(super) const PUBLISHER: &str = "dev:1";
pub(super) const USER: &str = "dev:2";
pub(super) const DEVELOPER: &str = "dev:3";
pub(super) const STRANGER: &str = "dev:6";
pub(super) const READER: &str = "dev:8";
const WORKER_KEY: u32 = 4;
const RELAYER_KEY: u32 = 5;
const GATEWAY_KEY: u32 = 7;
const SECOND_KEY: u32 = 9;

/// Long enough for a machine that does something else too.
pub(super) const PATIENCE: Duration = Duration::from_secs(180);

/// One case at a time: two cores are enough for its networks.
static TURN: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

/// Held by all networks of a case.
type Turn = Arc<tokio::sync::MutexGuard<'static, ()>>;

/// The whole network. It ends with the test.
pub(super) struct Network {
    parts: Mutex<BTreeMap<Part, Process>>,
    pub(super) node: Node,
    pub(super) chain: Chain,
    settings: Settings,
    ports: BTreeMap<Part, u16>,
    program: PathBuf,
    folder: TempDir,
    client: reqwest::Client,
    _turn: Turn,
}

impl Network {
    /// Everything runs and answers.
    pub(super) async fn start(settings: Settings) -> Self {
        Self::take_turn(settings, Arc::new(TURN.lock().await)).await
    }

    /// Several networks of one case, which know nothing of each other.
    pub(super) async fn start_several(count: u64, settings: &Settings) -> Vec<Self> {
        let turn = Arc::new(TURN.lock().await);
        let mut networks = Vec::new();
        for _ in 0..count {
            networks.push(Self::take_turn(settings.clone(), turn.clone()).await);
        }
        networks
    }

    async fn take_turn(settings: Settings, turn: Turn) -> Self {
        let network = Self::prepare(settings, turn).await;
        for part in Part::ALL {
            network.start_part(part).await;
        }
        network
    }

    /// A chain with the contracts, and tokens for everyone; nothing else runs yet.
    async fn prepare(settings: Settings, turn: Turn) -> Self {
        let program = process::program();
        let folder = tempfile::Builder::new().prefix("offsetdata-e2e-").tempdir().unwrap();
        std::fs::create_dir(folder.path().join("logs")).unwrap();
        let node = Node::start(folder.path(), settings.epoch).await;
        let deployment = Deployment::dev().unwrap();
        node.deploy().await;
        let chain = Chain::connect(&node.url, deployment.clone()).await.unwrap();
        fill_purses(&chain).await;
        node.settle().await;
        let text = serde_json::to_string(&deployment).unwrap();
        std::fs::write(folder.path().join("deployment.json"), text).unwrap();
        let mut ports: BTreeMap<Part, u16> =
            [Part::Indexer, Part::Gateway].into_iter().zip(free_ports::<2>()).collect();
        ports.insert(Part::Relayer, settings.relayer_port.unwrap_or_else(|| free_ports::<1>()[0]));
        Self {
            parts: Mutex::default(),
            node,
            chain,
            settings,
            ports,
            program,
            folder,
            client: reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(20)).build().unwrap(),
            _turn: turn,
        }
    }

    /// A file or folder of the network.
    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Base URL of a service.
    pub(super) fn url(&self, part: Part) -> String {
        format!("http://127.0.0.1:{}", self.ports[&part])
    }

    /// The URL under which workers know the relayer.
    fn relayer_url(&self) -> String {
        self.settings.relayer_url.clone().unwrap_or_else(|| self.url(Part::Relayer))
    }

    fn parts(&self) -> MutexGuard<'_, BTreeMap<Part, Process>> {
        self.parts.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Starts a part and waits until it answers.
    pub(super) async fn start_part(&self, part: Part) {
        self.spawn(part);
        self.wait_for(part).await;
    }

    /// Starts a part and does not wait.
    pub(super) fn spawn(&self, part: Part) {
        let mut parts = self.parts();
        assert!(!parts.contains_key(&part), "the {} runs already", part.name());
        let process = Process::start(part.name(), self.command(part), &self.path("logs"));
        parts.insert(part, process);
    }

    /// Waits until a part answers. Workers have nothing that answers: they run.
    pub(super) async fn wait_for(&self, part: Part) {
        if !self.ports.contains_key(&part) {
            return;
        }
        let url = format!("{}/health", self.url(part));
        let what = format!("the {} answers", part.name());
        until(&what, PATIENCE, async || {
            if let Some(process) = self.parts().get_mut(&part) {
                assert!(process.is_running(), "the {} ended:\n{}", part.name(), process.last_words(40));
            }
            let answer = self.client.get(&url).send().await.ok()?;
            answer.status().is_success().then_some(())
        })
        .await;
    }

    /// SIGKILL: it learns of nothing.
    pub(super) fn kill(&self, part: Part) {
        let process = self.parts().remove(&part);
        process.unwrap_or_else(|| panic!("no {} runs", part.name())).kill();
    }

    /// SIGTERM, and its end.
    pub(super) async fn stop(&self, part: Part) {
        let process = self.parts().remove(&part);
        process.unwrap_or_else(|| panic!("no {} runs", part.name())).stop().await;
    }

    /// A signal.
    pub(super) fn signal(&self, part: Part, signal: Signal) {
        self.parts()[&part].signal(signal);
    }

    /// Whether a part was started and not stopped.
    pub(super) fn runs(&self, part: Part) -> bool {
        self.parts().contains_key(&part)
    }

    /// All that a part has said so far, over all its lives.
    pub(super) fn log(&self, part: Part) -> String {
        process::log(&self.path("logs"), part.name())
    }

    /// Lets a part write no file beyond so many kilobytes, or any. The settings say that it can be limited.
    pub(super) fn limit_files(&self, part: Part, kilobytes: Option<u64>) {
        self.parts()[&part].limit_files(kilobytes);
    }

    /// Addresses that services send from: they send again what a reorg took away, users' wallets do for the others.
    pub(super) fn services(&self) -> [Address; 2] {
        [account(RELAYER_KEY).address(), account(GATEWAY_KEY).address()]
    }

    /// JSON from a service.
    pub(super) async fn get(&self, part: Part, path: &str) -> Option<serde_json::Value> {
        self.client.get(format!("{}{path}", self.url(part))).send().await.ok()?.json().await.ok()
    }

    /// What a service tells Prometheus; nothing while it does not answer.
    pub(super) async fn metrics(&self, part: Part) -> Option<String> {
        let url = format!("{}/metrics", self.url(part));
        self.client.get(url).send().await.ok()?.error_for_status().ok()?.text().await.ok()
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let kept = self.path("").display().to_string();
            // Those who decide first, and few lines of each: whoever reads this may get only the beginning.
            for (part, process) in self.parts().iter().rev() {
                let lines = if matches!(part, Part::Indexer | Part::Gateway) { 8 } else { 24 };
                eprintln!("---- the last words of the {}\n{}", part.name(), process.last_words(lines));
            }
            self.folder.disable_cleanup(true);
            eprintln!("---- everything of this network is kept in {kept}");
        }
        // Processes end when they are dropped.
        self.parts().clear();
    }
}

/// A development account.
pub(super) fn account(index: u32) -> Account {
    Account::dev(index).unwrap()
}

/// Asks until there is an answer.
pub(super) async fn until<T>(what: &str, within: Duration, ask: impl AsyncFnMut() -> Option<T>) -> T {
    until_or(what, within, ask, async || String::new()).await
}

/// Asks until there is an answer; where none comes, `why` tells what is known.
pub(super) async fn until_or<T>(
    what: &str,
    within: Duration,
    mut ask: impl AsyncFnMut() -> Option<T>,
    why: impl AsyncFnOnce() -> String,
) -> T {
    let begun = Instant::now();
    loop {
        if let Some(found) = ask().await {
            return found;
        }
        if begun.elapsed() >= within {
            panic!("not within {} s: {what}\n{}", within.as_secs(), why().await);
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Ports that nobody has now.
pub(super) fn free_ports<const COUNT: usize>() -> [u16; COUNT] {
    let listeners = [(); COUNT].map(|()| TcpListener::bind(("127.0.0.1", 0)).unwrap());
    listeners.each_ref().map(|listener| listener.local_addr().unwrap().port())
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().unwrap()
}

/// Everyone asks the faucet, so that one block is enough for all. Where the chain begins with a filled state it is done.
async fn fill_purses(chain: &Chain) {
    if !token::balance_of(chain, account(SECOND_KEY).address()).await.unwrap().is_zero() {
        return;
    }
    let filling: Vec<_> = (0..10)
        .map(|index| {
            let chain = chain.clone();
            tokio::spawn(async move {
                let account = account(index);
                token::mint(&chain, &account, account.address(), U256::from(PURSE)).await.unwrap();
            })
        })
        .collect();
    for one in filling {
        one.await.unwrap();
    }
}
