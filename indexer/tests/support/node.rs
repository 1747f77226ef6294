//! A real anvil on a free port, with code at the deployment's addresses that emits what it is told, so that any event
//! can come from a real chain with real blocks and reorgs.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use alloy::network::Ethereum;
use alloy::primitives::{Address, Bytes, LogData, address};
use alloy::providers::{Provider, ProviderBuilder, RootProvider};
use offsetdata_protocol::deployments::Deployment;
use serde_json::json;

/// First account of anvil; unlocked there.
const SENDER: Address = address!("f39Fd6e51aad88F6F4ce6aB8827279cffFb92266");

pub struct Node {
    pub url: String,
    pub provider: RootProvider<Ethereum>,
    process: Child,
}

impl Drop for Node {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn anvil() -> PathBuf {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..");
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    folders.push(root.join(".tools/bin"));
    folders.push(root.join("node_modules/.bin"));
    let found = folders.into_iter().map(|folder| folder.join("anvil")).find(|file| file.is_file());
    found.expect("anvil is neither on PATH nor in node_modules: run scripts/setup")
}

impl Node {
    /// Starts a node that mines only when told, with the emitter at all addresses.
    pub async fn start(deployment: &Deployment) -> Self {
        Self::start_with(deployment, &[]).await
    }

    /// The same with more arguments for anvil.
    pub async fn start_with(deployment: &Deployment, arguments: &[&str]) -> Self {
        let mut process = Command::new(anvil())
            .args(["--host", "127.0.0.1", "--port", "0", "--no-mining", "--slots-in-an-epoch", "1"])
            .args(["--chain-id", &deployment.chain_id.to_string()])
            .args(arguments)
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
            ProviderBuilder::new().disable_recommended_fillers().connect_http(url.parse().expect("a URL"));
        let node = Self { url, provider, process };
        for contract in [
            deployment.collection_registry,
            deployment.access_token,
            deployment.usage_billing,
            deployment.model_registry,
            deployment.training_coordinator,
        ] {
            let _: serde_json::Value =
                node.call("anvil_setCode", json!([contract, Bytes::from(emitter())])).await;
        }
        node
    }

    pub async fn call<T: serde::de::DeserializeOwned + std::fmt::Debug + Send + Sync + Unpin + 'static>(
        &self,
        method: &'static str,
        params: serde_json::Value,
    ) -> T {
        self.provider
            .raw_request(method.into(), params)
            .await
            .unwrap_or_else(|error| panic!("{method}: {error}"))
    }

    /// Sends a transaction in which `contract` emits this; it waits for a block.
    pub async fn emit(&self, contract: Address, event: &LogData) {
        let mut input = vec![0u8; 160];
        input[31] = event.topics().len() as u8;
        for (i, topic) in event.topics().iter().enumerate() {
            input[32 * (i + 1)..32 * (i + 2)].copy_from_slice(topic.as_slice());
        }
        input.extend_from_slice(&event.data);
        let transaction =
            json!([{ "from": SENDER, "to": contract, "data": Bytes::from(input), "gas": "0x4c4b40" }]);
        let _: serde_json::Value = self.call("eth_sendTransaction", transaction).await;
    }

    /// Mines so many blocks.
    pub async fn mine(&self, blocks: u64) {
        let _: serde_json::Value = self.call("anvil_mine", json!([format!("{blocks:#x}")])).await;
    }

    /// Replaces the last blocks by as many empty ones.
    pub async fn reorg(&self, depth: u64) {
        let _: serde_json::Value = self.call("anvil_reorg", json!([depth, []])).await;
    }

    pub async fn head(&self) -> u64 {
        self.provider.get_block_number().await.expect("a head")
    }
}

/// Code that emits a log: call data is the number of topics, four words of topics, then the data.
fn emitter() -> Vec<u8> {
    // calldatacopy(0, 160, calldatasize - 160)
    let mut code = vec![0x60, 0xa0, 0x36, 0x03, 0x60, 0xa0, 0x5f, 0x37];
    let dispatch = 4 * 8 + 1;
    let length = |topics: usize| 1 + 3 * topics + 4 + 1 + 1 + 1;
    let mut target = code.len() + dispatch;
    for topics in 1..=4usize {
        // if (calldataload(0) == topics) goto target
        code.extend([0x5f, 0x35, 0x60, topics as u8, 0x14, 0x60, target as u8, 0x57]);
        target += length(topics);
    }
    code.push(0xfe);
    for topics in 1..=4usize {
        code.push(0x5b);
        for topic in (0..topics).rev() {
            code.extend([0x60, 32 * (topic as u8 + 1), 0x35]);
        }
        // log(0, calldatasize - 160, topics…)
        code.extend([0x60, 0xa0, 0x36, 0x03, 0x5f, 0xa0 + topics as u8, 0x00]);
    }
    code
}
