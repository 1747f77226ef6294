//! A real anvil with the contracts as scripts/deploy puts them there: deployed once a test run, loaded by each test.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use alloy::network::TransactionBuilder;
use alloy::primitives::{Address, U256, address};
use alloy::providers::{DynProvider, Provider, ProviderBuilder};
use alloy::rpc::types::{TransactionReceipt, TransactionRequest};
use alloy::signers::local::PrivateKeySigner;
use alloy::sol_types::SolCall;
use offsetdata_protocol::deployments::Deployment;
use serde_json::{Value, json};
use tokio::sync::OnceCell;

/// First account of anvil; unlocked there.
const DEPLOYER: Address = address!("f39Fd6e51aad88F6F4ce6aB8827279cffFb92266");
/// The state of a chain on which the contracts stand.
static DEPLOYED: OnceCell<Value> = OnceCell::const_new();

pub struct Node {
    pub url: String,
    pub provider: DynProvider,
    pub deployment: Deployment,
    process: Child,
}

impl Drop for Node {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn anvil() -> PathBuf {
    let on_path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&on_path)
        .chain([root().join(".tools/bin"), root().join("node_modules/.bin")])
        .map(|folder| folder.join("anvil"))
        .find(|file| file.is_file())
        .expect("anvil is neither on the PATH nor in .tools/bin: run scripts/setup")
}

async fn deploy() -> Value {
    let node = Node::bare();
    let deployment = root().join("protocol/deployments/31337.json");
    let before = std::fs::read(&deployment).unwrap();
    let (url, script) = (node.url.clone(), root().join("scripts/deploy"));
    let output = tokio::task::spawn_blocking(move || {
        Command::new(script)
            .args(["--rpc-url", &url, "--unlocked", "--sender", &DEPLOYER.to_string()])
            .output()
            .expect("scripts/deploy starts")
    })
    .await
    .unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "scripts/deploy failed: {said}");
    assert_eq!(std::fs::read(&deployment).unwrap(), before, "the committed deployment is stale");
    node.call("anvil_dumpState", json!([])).await
}

impl Node {
    fn bare() -> Self {
        let mut process = Command::new(anvil())
            .args(["--host", "127.0.0.1", "--port", "0", "--slots-in-an-epoch", "1", "--threads", "1"])
            .current_dir(Path::new("/"))
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("anvil starts");
        let mut lines = BufReader::new(process.stdout.take().expect("piped")).lines();
        let listening = lines
            .by_ref()
            .map(|line| line.expect("anvil speaks"))
            .find_map(|line| line.strip_prefix("Listening on ").map(str::to_owned))
            .expect("anvil listens");
        // Whoever does not read blocks the writer in the end.
        std::thread::spawn(move || lines.for_each(drop));
        let url = format!("http://{}", listening.trim());
        let provider =
            ProviderBuilder::new().disable_recommended_fillers().connect_http(url.parse().unwrap()).erased();
        Self { url, provider, deployment: Deployment::dev().unwrap(), process }
    }

    /// A node on which the contracts stand.
    pub async fn start() -> Self {
        let state = DEPLOYED.get_or_init(deploy).await;
        let node = Self::bare();
        assert_eq!(node.call("anvil_loadState", json!([state])).await, json!(true));
        node.mine(2).await;
        node
    }

    pub async fn call(&self, method: &'static str, parameters: Value) -> Value {
        self.provider
            .raw_request(method.into(), parameters)
            .await
            .unwrap_or_else(|error| panic!("{method}: {error}"))
    }

    pub async fn mine(&self, blocks: u64) {
        self.call("anvil_mine", json!([format!("{blocks:#x}")])).await;
    }

    pub async fn reorg(&self, depth: u64) {
        self.call("anvil_reorg", json!([depth, []])).await;
    }

    pub async fn give_ether(&self, to: Address) {
        self.call("anvil_setBalance", json!([to, format!("{:#x}", 10u128.pow(19))])).await;
    }

    /// Sends a transaction and waits for its block.
    pub async fn send<C: SolCall>(
        &self,
        key: &PrivateKeySigner,
        to: Address,
        call: &C,
    ) -> TransactionReceipt {
        let sender = ProviderBuilder::new().wallet(key.clone()).connect_provider(self.provider.clone());
        let request =
            TransactionRequest::default().with_from(key.address()).with_to(to).with_input(call.abi_encode());
        let pending =
            sender.send_transaction(request).await.unwrap_or_else(|e| panic!("{}: {e}", C::SIGNATURE));
        let receipt = pending.get_receipt().await.unwrap();
        assert!(receipt.status(), "{} failed", C::SIGNATURE);
        receipt
    }

    pub async fn read<C: SolCall>(&self, to: Address, call: &C) -> C::Return {
        let request = TransactionRequest::default().with_to(to).with_input(call.abi_encode());
        C::abi_decode_returns(&self.provider.call(request).await.unwrap()).unwrap()
    }

    pub async fn transactions_of(&self, account: Address) -> u64 {
        self.provider.get_transaction_count(account).await.unwrap()
    }

    pub async fn balance(&self, account: Address) -> U256 {
        self.provider.get_balance(account).await.unwrap()
    }
}
