//! What goes wrong around running services: the disk is full, the gateway is gone while a worker reads, an outsider signs
//! with the relayer's key, the node forgets transactions, the signer has nothing to pay with. Each says so, and goes on
//! once it is over, without a restart. What RPC endpoints do wrong is tried in the relayer's own tests.

use alloy::primitives::{Address, B256};
use offsetdata_protocol::bindings::training::TrainingCoordinator::AttemptAssigned;
use offsetdata_protocol::ids::RequestId;
use serde_json::json;

use super::network::{Network, PATIENCE, Part, Settings, Story, Training, account, until};

/// Chunks of two records: a worker asks for so many keys, one after the other.
const MAILS: usize = 160;
const CHUNK: u32 = 2;
/// Long enough that a training is in the middle when a fault strikes, also where commitments land at once.
const EPOCHS: u32 = 500;
/// The relayer's key.
const SIGNER: u32 = 5;
/// Less than any database, in kilobytes.
const FULL: u64 = 32;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn services_say_what_is_wrong_and_go_on_when_it_is_over() {
    let network = Network::start(Settings { limitable: true, ..Settings::default() }).await;
    let story = network.begin(MAILS, CHUNK).await;
    let case = Case { network: &network, story, signer: account(SIGNER).address() };
    let undisturbed = case.gateway_lost().await;
    for fault in ["nonce", "dropped", "empty", "full"] {
        let request = case.begun(fault).await;
        match fault {
            "nonce" => case.outsider_takes_the_nonce().await,
            "dropped" => case.node_forgets(request).await,
            "empty" => case.signer_is_empty(request).await,
            _ => case.disk_is_full(request).await,
        }
        assert_eq!(network.settled(request).await, undisturbed, "the series under: {fault}");
        // A relayer that can't write takes no heartbeat: the lease may end meanwhile.
        assert!(case.attempts(request).await == 1 || fault == "full", "somebody began anew under: {fault}");
    }
    network.check(&[]).await;
}

struct Case<'a> {
    network: &'a Network,
    story: Story,
    signer: Address,
}

impl Case<'_> {
    /// A training in the middle.
    async fn begun(&self, fault: &str) -> RequestId {
        let relay_fee = 1_000 + fault.len() as u128;
        let training = Training { epochs: EPOCHS, relay_fee, ..Training::default() };
        let request = self.network.train(&self.story, training).await;
        self.network.landed(request, 1).await;
        request
    }

    async fn attempts(&self, request: RequestId) -> usize {
        let at = self.network.chain.deployment().training_coordinator;
        self.network.chain.events::<AttemptAssigned>(at, request.0).await.unwrap().len()
    }

    /// The gateway is killed when the worker has some of its keys, and comes back: the worker goes on where it was.
    async fn gateway_lost(&self) -> B256 {
        let network = self.network;
        let undisturbed = network.settled(self.begun("").await).await;
        let before = network.keys_given().await.unwrap();
        let training = Training { epochs: EPOCHS, ..Training::default() };
        let request = network.train(&self.story, training).await;
        until("the worker has some keys", PATIENCE, async || {
            network.keys_given().await.filter(|given| *given >= before + 5)
        })
        .await;
        network.kill(Part::Gateway);
        assert_eq!(network.state(request).await.sequence, 0, "it reads");
        network.start_part(Part::Gateway).await;
        let keys = MAILS as u64 / u64::from(CHUNK);
        let given = network.keys_given().await.unwrap();
        assert!(given < keys, "the worker had read everything when the gateway was killed");
        assert_eq!(network.settled(request).await, undisturbed, "the series of a worker that had to wait");
        assert_eq!(self.attempts(request).await, 1, "it did not begin anew");
        undisturbed
    }

    /// A transaction of the relayer waits for a block.
    async fn waiting(&self) -> Vec<String> {
        until("the relayer has sent something", PATIENCE, async || {
            Some(self.network.node.waiting(self.signer).await).filter(|waiting| !waiting.is_empty())
        })
        .await
    }

    /// Whoever else has the key pays more for the same nonce: what the relayer sent can never land.
    async fn outsider_takes_the_nonce(&self) {
        let node = &self.network.node;
        node.pause().await;
        self.waiting().await;
        let nonce = node.ask("eth_getTransactionCount", json!([self.signer, "latest"])).await;
        let transaction = json!({
            "from": self.signer, "to": self.signer, "value": "0x1", "nonce": nonce, "gas": "0x5208",
            "maxFeePerGas": "0x174876e800", "maxPriorityFeePerGas": "0x174876e800",
        });
        let hash = node.ask("eth_sendTransaction", json!([transaction])).await;
        node.resume().await;
        until("the outsider's transaction is in a block", PATIENCE, async || {
            let receipt = node.ask("eth_getTransactionReceipt", json!([hash])).await;
            (!receipt.is_null()).then_some(())
        })
        .await;
        self.says(Part::Relayer, "not ours").await;
    }

    /// What was sent is gone from the pool.
    async fn node_forgets(&self, request: RequestId) {
        let node = &self.network.node;
        node.pause().await;
        for hash in self.waiting().await {
            node.ask("anvil_dropTransaction", json!([hash])).await;
        }
        let landed = self.network.state(request).await.sequence;
        node.resume().await;
        self.network.landed(request, landed + 1).await;
    }

    /// Nothing can be sent for want of gas money; then there is some.
    async fn signer_is_empty(&self, request: RequestId) {
        let node = &self.network.node;
        let balance = node.ask("eth_getBalance", json!([self.signer, "latest"])).await;
        node.ask("anvil_setBalance", json!([self.signer, "0x0"])).await;
        until("the relayer tells that its signer is empty", PATIENCE, async || {
            let metrics = self.network.metrics(Part::Relayer).await?;
            metrics.lines().any(|line| line.contains("signer_empty{") && line.ends_with(" 1")).then_some(())
        })
        .await;
        let landed = self.network.state(request).await.sequence;
        node.ask("anvil_setBalance", json!([self.signer, balance])).await;
        self.network.landed(request, landed + 1).await;
    }

    /// No service can write to a file; then there is room again.
    async fn disk_is_full(&self, request: RequestId) {
        let services = [Part::Indexer, Part::Gateway, Part::Relayer];
        for part in services {
            self.network.limit_files(part, Some(FULL));
        }
        until("the index stands still", PATIENCE, async || {
            let indexed = self.network.indexed().await?;
            (self.network.node.head().await >= indexed + 6).then_some(())
        })
        .await;
        for part in services {
            self.network.limit_files(part, None);
            self.network.wait_for(part).await;
        }
        self.says(Part::Indexer, "tried again").await;
        let landed = self.network.state(request).await.sequence;
        self.network.landed(request, landed + 1).await;
    }

    async fn says(&self, part: Part, words: &str) {
        until(&format!("the {} says: {words}", part.name()), PATIENCE, async || {
            self.network.log(part).contains(words).then_some(())
        })
        .await;
    }
}

impl Network {
    /// Keys that the gateway gave in its present life.
    async fn keys_given(&self) -> Option<u64> {
        let metrics = self.metrics(Part::Gateway).await?;
        let lines = metrics.lines().filter(|line| line.starts_with("offsetdata_gateway_releases"));
        Some(lines.filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok()).sum())
    }
}
