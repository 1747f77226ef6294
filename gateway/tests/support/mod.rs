//! What the tests of the gateway share: a real anvil with the real contracts, a published collection, a gateway that
//! runs, a reader that signs. It asserts nothing about the gateway.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, unreachable_pub)]

#[path = "../../../store/tests/support/database.rs"]
pub mod database;
pub mod node;
pub mod reader;
pub mod training;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use alloy::primitives::aliases::U40;
use alloy::primitives::{Address, B256, Bytes, U256};
use alloy::signers::local::PrivateKeySigner;
use node::Node;
use offsetdata_content::{Blocks, PublishOptions, Publisher};
use offsetdata_gateway::config::{SettlementSettings, Terms};
use offsetdata_gateway::context::Context;
use offsetdata_gateway::{Config, Gateway, Secrets};
use offsetdata_protocol::bindings::access::{AccessToken, Offer};
use offsetdata_protocol::bindings::billing::UsageBilling;
use offsetdata_protocol::bindings::collections::{CollectionRegistry, CollectionTerms};
use offsetdata_protocol::bindings::token::DevToken;
use offsetdata_protocol::chunk::ChunkLimits;
use offsetdata_protocol::ids::CollectionId;
use offsetdata_protocol::manifest::{Field, FieldKind, Visibility};
use offsetdata_protocol::record::{Record, Value};
use offsetdata_protocol::seal::{CollectionPlace, SealingKey};
use offsetdata_protocol::{Codec, CollectionKey, SeriesId};
use offsetdata_store::chain::Position;
use offsetdata_store::chain::collections::{CollectionKeyRow, CollectionRow};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

pub const RECORDS: u32 = 45;
pub const PER_CHUNK: u32 = 10;
pub const PRICE: u128 = 7;
/// Price of a whole chunk.
pub const CHUNK: u128 = PRICE * PER_CHUNK as u128;
pub const KEY: [u8; 32] = [0x42; 32];

pub fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

pub fn record(i: u32) -> Record {
    Record::from_fields([("label", Value::from(i64::from(i))), ("text", Value::from(format!("record {i}")))])
        .unwrap()
}

/// A chain with a collection that is sold by the record, and a gateway that serves it.
pub struct World {
    pub node: Node,
    pub folder: tempfile::TempDir,
    pub publisher: PrivateKeySigner,
    pub collection: CollectionId,
    pub terms: Terms,
    pub settlement: SettlementSettings,
    pub calls_per_second: u32,
    /// Whether the gateway is known by the address that it listens on: what clients insist on.
    pub own_url: bool,
    pub listen: std::net::SocketAddr,
    pub running: Option<Running>,
    position: u64,
}

pub struct Running {
    pub url: String,
    pub context: Context,
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl World {
    /// Everything, with a metered READ offer.
    pub async fn new() -> Self {
        let mut world = Self::without_gateway().await;
        world.start().await;
        world.publish(Visibility::Private, SeriesId([7; 16])).await;
        world.offer(metered(world.publisher.address())).await;
        world.node.mine(2).await;
        world
    }

    pub async fn without_gateway() -> Self {
        let node = Node::start().await;
        let publisher = PrivateKeySigner::random();
        node.give_ether(publisher.address()).await;
        Self {
            node,
            folder: tempfile::tempdir().unwrap(),
            publisher,
            collection: CollectionId(B256::ZERO),
            terms: Terms {
                stale_seconds: 3600,
                voucher_seconds: 600,
                credit_cap: 10_000,
                ..Terms::default()
            },
            settlement: SettlementSettings { poll_milliseconds: 100, ..SettlementSettings::default() },
            calls_per_second: 0,
            own_url: false,
            listen: "127.0.0.1:0".parse().unwrap(),
            running: None,
            position: 0,
        }
    }

    fn config(&self) -> Config {
        let deployment = serde_json::to_string(&self.node.deployment).unwrap();
        std::fs::write(self.folder.path().join("deployment.json"), deployment).unwrap();
        let config = config(self.folder.path(), &self.node.url);
        Config {
            terms: self.terms,
            settlement: self.settlement,
            calls_per_second: self.calls_per_second,
            listen: self.listen,
            public_url: config.public_url.clone().filter(|_| !self.own_url),
            ..config
        }
    }

    pub async fn start(&mut self) {
        let gateway = Gateway::bind(self.config()).await.unwrap();
        let url = format!("http://{}", gateway.address());
        let context = gateway.context().clone();
        self.node.give_ether(context.address()).await;
        let (stop, stopped) = oneshot::channel::<()>();
        let task = tokio::spawn(gateway.serve(async move {
            let _ = stopped.await;
        }));
        self.running = Some(Running { url, context, stop, task });
    }

    /// A gateway that is bound, so that its parts can be driven by hand, but does not serve.
    pub async fn bind(&self) -> Context {
        let gateway = Gateway::bind(self.config()).await.unwrap();
        self.node.give_ether(gateway.context().address()).await;
        gateway.context().clone()
    }

    pub async fn stop(&mut self) {
        if let Some(running) = self.running.take() {
            let _ = running.stop.send(());
            tokio::time::timeout(Duration::from_secs(20), running.task).await.unwrap().unwrap();
        }
    }

    pub fn gateway(&self) -> &Running {
        self.running.as_ref().unwrap()
    }

    pub fn url(&self) -> &str {
        &self.gateway().url
    }

    fn position(&mut self) -> Position {
        self.position += 1;
        Position::new(self.position, 0).unwrap()
    }

    /// Writes a collection, registers it, seals its key to the gateway, and writes the rows that an indexer would.
    pub async fn publish(&mut self, visibility: Visibility, series: SeriesId) -> CollectionId {
        let blocks = Blocks::directory(self.folder.path().join("blocks")).unwrap();
        let options = PublishOptions {
            series,
            key: CollectionKey::from_bytes(KEY),
            visibility,
            limits: ChunkLimits { records: PER_CHUNK, ..ChunkLimits::default() },
            codec: Codec::Identity,
            fields: vec![
                Field::required("label", FieldKind::Integer),
                Field::required("text", FieldKind::Text),
            ],
            licence: "CC0-1.0".into(),
            croissant: "{}".into(),
            quality_report: None,
            preview_records: 0,
        };
        let mut writer = Publisher::new(blocks, options).unwrap();
        for i in 0..RECORDS {
            writer.push(record(i).view()).await.unwrap();
        }
        let published = writer.finish().await.unwrap();
        let terms = CollectionTerms {
            contentRoot: published.content_root().into(),
            recordCount: RECORDS,
            manifestDigest: published.manifest_digest.into(),
            previous: B256::ZERO,
            policyDigest: B256::ZERO,
            sharesRoot: B256::ZERO,
            salt: B256::new([series.0[0]; 32]),
        };
        let (deployment, registrant) = (&self.node.deployment, self.publisher.address());
        let id =
            CollectionId::of_terms(deployment.chain_id, deployment.collection_registry, registrant, &terms);
        let row = CollectionRow {
            position: self.position(),
            id,
            registrant,
            previous: CollectionId(B256::ZERO),
            content_root: terms.contentRoot,
            record_count: RECORDS,
            manifest_digest: terms.manifestDigest,
            policy_digest: B256::ZERO,
            shares_root: B256::ZERO,
            salt: terms.salt,
        };
        let registry = self.node.deployment.collection_registry;
        self.node.send(&self.publisher, registry, &CollectionRegistry::registerCall { terms }).await;
        let pool = offsetdata_store::connect(&database::url_in(self.folder.path())).await.unwrap();
        let mut conn = pool.acquire().await.unwrap();
        offsetdata_store::insert(&mut conn, &[row]).await.unwrap();
        if visibility == Visibility::Private {
            let key = self.seal(id, CollectionKey::from_bytes(KEY)).await;
            offsetdata_store::insert(&mut conn, &[key]).await.unwrap();
        }
        self.collection = id;
        id
    }

    /// Seals a key to the gateway on the chain; the row that an indexer would write of it.
    pub async fn seal(&mut self, id: CollectionId, key: CollectionKey) -> CollectionKeyRow {
        let gateway: SealingKey = self.gateway().context.sealing_key;
        let place = CollectionPlace { chain_id: self.node.deployment.chain_id, collection: id };
        let sealed = Bytes::copy_from_slice(&place.seal(&key, &gateway, [0x51; 32]).unwrap().0);
        let gateway_key = B256::new(gateway.0);
        let call =
            CollectionRegistry::sealKeyCall { id: id.0, gatewayKey: gateway_key, sealedKey: sealed.clone() };
        self.node.send(&self.publisher, self.node.deployment.collection_registry, &call).await;
        CollectionKeyRow { position: self.position(), collection: id, gateway_key, sealed_key: sealed }
    }

    pub async fn offer(&self, offer: Offer) {
        let call = AccessToken::setOfferCall { collection: self.collection.0, right: 0, offer };
        self.node.send(&self.publisher, self.node.deployment.access_token, &call).await;
    }

    pub async fn grant(&self, holder: Address) {
        let call = AccessToken::grantCall {
            collection: self.collection.0,
            right: 0,
            holders: vec![holder],
            expiry: U40::MAX,
        };
        self.node.send(&self.publisher, self.node.deployment.access_token, &call).await;
    }

    pub async fn deny(&self, account: Address) {
        let call = AccessToken::setDeniedCall {
            collection: self.collection.0,
            accounts: vec![account],
            denied: true,
        };
        self.node.send(&self.publisher, self.node.deployment.access_token, &call).await;
    }

    pub async fn mint(&self, to: Address, amount: u128) {
        let call = DevToken::mintCall { to, amount: U256::from(amount) };
        self.node.send(&self.publisher, self.node.deployment.token, &call).await;
    }

    pub async fn balance(&self, account: Address) -> u128 {
        let call = DevToken::balanceOfCall { account };
        self.node.read(self.node.deployment.token, &call).await.to()
    }

    /// Revenue of the publisher from the collection that stands in the contract.
    pub async fn revenue(&self) -> u128 {
        let call =
            UsageBilling::revenueOfCall { collection: self.collection.0, payee: self.publisher.address() };
        self.node.read(self.node.deployment.usage_billing, &call).await.to()
    }

    pub async fn settled(&self, payer: Address, lane: u64) -> u128 {
        let (payee, collection) = (self.publisher.address(), self.collection.0);
        let call = UsageBilling::settledOfCall { payer, payee, collection, lane };
        self.node.read(self.node.deployment.usage_billing, &call).await.to()
    }
}

fn terms() -> Terms {
    Terms { stale_seconds: 3600, voucher_seconds: 600, credit_cap: 10_000, ..Terms::default() }
}

/// Settings of a gateway that keeps everything in this folder.
pub fn config(folder: &std::path::Path, rpc_url: &str) -> Config {
    Config {
        rpc_url: rpc_url.to_owned().into(),
        database_url: database::url_in(folder).into(),
        deployment: folder.join("deployment.json"),
        blocks: folder.join("blocks"),
        kubo: Default::default(),
        gateway: Vec::new(),
        listen: "127.0.0.1:0".parse().unwrap(),
        calls_per_second: 0,
        public_url: Some("http://gateway.example:8652".into()),
        secrets: Secrets {
            signer_key_file: Some(folder.join("signer.key")),
            sealing_key_file: Some(folder.join("sealing.key")),
            ..Secrets::default()
        },
        instance_lease_seconds: 3,
        terms: terms(),
        settlement: SettlementSettings::default(),
    }
}

pub fn metered(payee: Address) -> Offer {
    Offer {
        price: 0,
        pricePerRecord: PRICE,
        payee,
        duration: U40::ZERO,
        refundWindow: U40::ZERO,
        timed: false,
        metered: true,
        policy: Address::ZERO,
    }
}

/// Tries until it holds, for at most half a minute.
pub async fn eventually<T>(what: &str, mut probe: impl AsyncFnMut() -> Option<T>) -> T {
    let until = tokio::time::Instant::now() + Duration::from_secs(30);
    loop {
        if let Some(value) = probe().await {
            return value;
        }
        assert!(tokio::time::Instant::now() < until, "{what}: not within half a minute");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
