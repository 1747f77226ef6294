//! The chain: anvil with the contracts, and what a test does to it: blocks, time, reorgs, transactions taken out of the
//! pool. It holds no key.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use alloy::primitives::Address;
use serde_json::{Value, json};
use tokio::sync::OnceCell;

use super::process::{Process, tied};
use super::{PATIENCE, account, free_ports, root, until};

/// Blocks after what was before the test: no reorg of a test reaches that.
const GROUND: u64 = 30;

/// Contracts and purses, as one state that every later chain of this run begins with.
static STATE: OnceCell<Value> = OnceCell::const_new();

/// A chain of one block a second.
#[derive(Debug)]
pub(in crate::e2e) struct Node {
    pub(in crate::e2e) url: String,
    client: reqwest::Client,
    _process: Process,
}

impl Node {
    /// Starts anvil on a free port.
    pub(super) async fn start(folder: &Path, epoch: u32) -> Self {
        let port = free_ports::<1>()[0];
        let mut command = tied(&anvil(), false);
        command.args(["--host", "127.0.0.1", "--port", &port.to_string(), "--block-time", "1", "--quiet"]);
        command.args(["--slots-in-an-epoch", &epoch.to_string()]).current_dir(folder);
        let process = Process::start("chain", command, &folder.join("logs"));
        let client = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(60)).build().unwrap();
        let node = Self { url: format!("http://127.0.0.1:{port}"), client, _process: process };
        until("anvil answers", PATIENCE, async || node.try_ask("eth_chainId", json!([])).await.ok()).await;
        node
    }

    /// Puts the contracts on it: by the script that operators use the first time, then from what that made.
    pub(super) async fn deploy(&self) {
        if let Some(state) = STATE.get() {
            self.ask("anvil_loadState", json!([state])).await;
        } else {
            let deployer = account(0).address().to_string();
            let deployed = Command::new("timeout")
                .args(["500", &root().join("scripts/deploy").display().to_string()])
                .args(["--rpc-url", &self.url, "--unlocked", "--sender", &deployer])
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .output()
                .unwrap();
            let said = String::from_utf8_lossy(&deployed.stderr).into_owned();
            assert!(deployed.status.success(), "scripts/deploy failed:\n{said}");
        }
    }

    /// Keeps what stands on the chain now for the chains after it, and buries it.
    pub(super) async fn settle(&self) {
        STATE.get_or_init(|| self.ask("anvil_dumpState", json!([]))).await;
        self.mine(GROUND).await;
    }

    /// A call that has to succeed.
    pub(in crate::e2e) async fn ask(&self, method: &str, parameters: Value) -> Value {
        self.try_ask(method, parameters).await.unwrap_or_else(|error| panic!("{method}: {error}"))
    }

    /// A call, or what the node says against it.
    pub(in crate::e2e) async fn try_ask(&self, method: &str, parameters: Value) -> Result<Value, String> {
        let body = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": parameters });
        let answer =
            self.client.post(&self.url).json(&body).send().await.map_err(|error| error.to_string())?;
        let mut answer: Value = answer.json().await.map_err(|error| error.to_string())?;
        match answer.get("error") {
            Some(error) => Err(error.to_string()),
            None => Ok(answer["result"].take()),
        }
    }

    /// Number of the newest block.
    pub(in crate::e2e) async fn head(&self) -> u64 {
        number(&self.ask("eth_blockNumber", json!([])).await)
    }

    /// Time of the newest block, Unix seconds.
    pub(in crate::e2e) async fn time(&self) -> u64 {
        number(&self.ask("eth_getBlockByNumber", json!(["latest", false])).await["timestamp"])
    }

    /// Blocks at once.
    pub(in crate::e2e) async fn mine(&self, blocks: u64) {
        self.ask("anvil_mine", json!([blocks])).await;
    }

    /// Lets the chain's clock go on from `seconds` later.
    pub(in crate::e2e) async fn travel(&self, seconds: u64) {
        self.ask("evm_increaseTime", json!([seconds])).await;
        self.mine(1).await;
    }

    /// A block for each transaction as it comes, until [`Node::resume`].
    pub(in crate::e2e) async fn at_once(&self) {
        self.ask("evm_setAutomine", json!([true])).await;
    }

    /// No block until [`Node::resume`].
    pub(in crate::e2e) async fn pause(&self) {
        self.ask("evm_setIntervalMining", json!([0])).await;
    }

    /// A block a second.
    pub(in crate::e2e) async fn resume(&self) {
        self.ask("evm_setIntervalMining", json!([1])).await;
    }

    /// Another branch wins: the newest `depth` blocks are gone with all that was in them, and as many empty ones are in
    /// their places. Where the depth follows from the head, [`Node::pause`] comes before looking. Gives back the signed
    /// transactions that were lost, but for those of `services`, in their order.
    pub(in crate::e2e) async fn reorg(&self, depth: u64, services: &[Address]) -> Vec<String> {
        self.pause().await;
        let head = self.head().await;
        let mut lost = Vec::new();
        for block in head + 1 - depth..=head {
            let block = self.ask("eth_getBlockByNumber", json!([format!("{block:#x}"), true])).await;
            for transaction in block["transactions"].as_array().unwrap() {
                let from: Address = transaction["from"].as_str().unwrap().parse().unwrap();
                if !services.contains(&from) {
                    lost.push(self.raw(&transaction["hash"]).await);
                }
            }
        }
        self.ask("anvil_reorg", json!([depth, []])).await;
        // The branch's blocks have times of their own; the next one has that of the clock again.
        let clock = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        if self.time().await < clock {
            self.ask("evm_setNextBlockTimestamp", json!([clock])).await;
        }
        self.resume().await;
        lost
    }

    async fn raw(&self, hash: &Value) -> String {
        self.ask("eth_getRawTransactionByHash", json!([hash])).await.as_str().unwrap().to_owned()
    }

    /// What a wallet does: it sends a transaction until it is in a block.
    pub(in crate::e2e) async fn send_again(&self, raw: &str) {
        let bytes: alloy::primitives::Bytes = raw.parse().unwrap();
        let hash = alloy::primitives::keccak256(&bytes);
        until("a transaction that was sent again is in a block", PATIENCE, async || {
            // Refused where the node has it.
            let _ = self.try_ask("eth_sendRawTransaction", json!([raw])).await;
            let receipt = self.ask("eth_getTransactionReceipt", json!([hash])).await;
            (!receipt.is_null()).then_some(())
        })
        .await;
    }

    /// Hashes of an account's transactions that wait for a block.
    pub(in crate::e2e) async fn waiting(&self, from: Address) -> Vec<String> {
        let pool = self.ask("txpool_content", json!([])).await;
        let mut hashes = Vec::new();
        for (sender, transactions) in pool["pending"].as_object().unwrap() {
            if sender.parse::<Address>().unwrap() == from {
                let transactions = transactions.as_object().unwrap().values();
                hashes.extend(transactions.map(|one| one["hash"].as_str().unwrap().to_owned()));
            }
        }
        hashes
    }
}

/// A number as nodes write it.
pub(in crate::e2e) fn number(value: &Value) -> u64 {
    let text = value.as_str().unwrap_or_else(|| panic!("{value} is no number"));
    u64::from_str_radix(text.trim_start_matches("0x"), 16).unwrap()
}

/// On the PATH, or where scripts/setup puts it.
fn anvil() -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    folders.push(root().join(".tools/bin"));
    let found = folders.into_iter().map(|folder| folder.join("anvil")).find(|file| file.is_file());
    found.expect("anvil is not there: run scripts/setup")
}
