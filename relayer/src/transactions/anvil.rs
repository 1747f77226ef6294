//! A real anvil for the tests of transactions: started on a free port, ended with the test. It is no part of the relayer.

use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use alloy::providers::{DynProvider, Provider, ProviderBuilder};
use alloy::signers::local::PrivateKeySigner;
use serde_json::{Value, json};

use crate::chain::Chain;

/// Anvil's second account.
const KEY: &str = "0x59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d";

pub(super) struct Anvil {
    child: Child,
    pub(super) chain: Chain,
    provider: DynProvider,
}

impl Anvil {
    pub(super) async fn start(arguments: &[&str]) -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let child = Command::new(binary())
            .args(["--host", "127.0.0.1", "--port", &port.to_string(), "--silent", "--threads", "1"])
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let url = format!("http://127.0.0.1:{port}");
        let chain = Chain::new(&url).unwrap();
        let provider =
            ProviderBuilder::new().disable_recommended_fillers().connect_http(url.parse().unwrap()).erased();
        let anvil = Self { child, chain, provider };
        let until = Instant::now() + Duration::from_secs(60);
        while anvil.chain.chain_id().await.is_err() {
            assert!(Instant::now() < until, "anvil does not answer");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        anvil
    }

    pub(super) fn signer() -> PrivateKeySigner {
        KEY.parse().unwrap()
    }

    pub(super) async fn call(&self, method: &'static str, parameters: Value) -> Value {
        self.provider
            .raw_request(method.into(), parameters)
            .await
            .unwrap_or_else(|error| panic!("{method}: {error}"))
    }

    pub(super) async fn mine(&self, blocks: u32) {
        for _ in 0..blocks {
            self.call("evm_mine", json!([])).await;
        }
    }

    pub(super) async fn reorg(&self, depth: u64) {
        self.call("anvil_reorg", json!([depth, []])).await;
    }
}

impl Drop for Anvil {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// On the PATH, or where scripts/setup puts it.
fn binary() -> PathBuf {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..");
    let on_path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&on_path)
        .chain([root.join(".tools/bin"), root.join("node_modules/.bin")])
        .map(|folder| folder.join("anvil"))
        .find(|file| file.exists())
        .expect("anvil is neither on the PATH nor in .tools/bin: run scripts/setup")
}
