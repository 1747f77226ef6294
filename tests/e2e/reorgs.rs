//! Reorgs of 1 to 20 blocks under everything that people and services land: a collection, a purchase, vouchers, a request,
//! commitments, a settlement; also while services are down. Users' wallets send again what was lost, services do so by
//! themselves, and in the end everything stands once.

use std::collections::BTreeMap;

use alloy::primitives::{Address, B256};
use alloy::sol_types::SolEvent;
use offsetdata_protocol::bindings::access::AccessToken::AccessBought;
use offsetdata_protocol::bindings::billing::UsageBilling::VoucherSettled;
use offsetdata_protocol::bindings::collections::CollectionRegistry::CollectionRegistered;
use offsetdata_protocol::bindings::training::TrainingCoordinator::{
    CommitmentLanded, RequestClosed, TrainingRequested,
};
use offsetdata_protocol::ids::CollectionId;
use offsetdata_sdk::publishing::{Period, Terms, set_offer};
use offsetdata_sdk::{access, collections};
use serde_json::json;

use super::network::{
    Chance, Network, PATIENCE, PUBLISHER, Part, READER, RECORD_PRICE, Settings, Sold, Story, Training, USER,
    account, is_long, record, until,
};

const REORGS: u64 = 50;
const LONG: u64 = 1_000;
/// Networks of a long run, at the same time: most of it is waiting for blocks.
const NETWORKS: u64 = 3;
const DEEPEST: u64 = 20;
/// Deeper than any reorg: what is final stays.
const EPOCH: u32 = 16;
const MAILS: usize = 64;
const CHUNK: u32 = 8;
const EPOCHS: u32 = 600;
const BUYER: u32 = 6;
const OFFER: u128 = 700;

/// A network under reorgs.
struct Weather<'a> {
    network: &'a Network,
    story: Story,
    /// The series root without any reorg.
    undisturbed: B256,
    purse: String,
    chance: Chance,
    /// How many reorgs there were under each thing.
    under: BTreeMap<&'static str, u64>,
    /// In how many of them services were down.
    down: u64,
    deepest: u64,
    round: u64,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_reorg_takes_away_comes_back_once() {
    let chance = Chance::new();
    let (networks, reorgs) = if is_long() { (NETWORKS, LONG.div_ceil(NETWORKS)) } else { (1, REORGS) };
    let started = Network::start_several(networks, &settings()).await;
    let chances = (0..networks).map(|number| chance.of(number));
    let under_reorgs =
        started.iter().zip(chances).map(|(network, chance)| under_reorgs(network, chance, reorgs));
    let (mut under, mut down, mut deepest) = (BTreeMap::<&str, u64>::new(), 0, 0);
    for weather in futures::future::join_all(under_reorgs).await {
        for (what, count) in weather.under {
            *under.entry(what).or_default() += count;
        }
        (down, deepest) = (down + weather.down, weather.deepest.max(deepest));
    }
    assert!(down > 0 && deepest > DEEPEST / 2, "{down} while services were down, at most {deepest} deep");
    let counts = json!({ "networks": networks, "under": under, "whileDown": down, "deepest": deepest });
    record("reorgs", &chance, &counts);
}

fn settings() -> Settings {
    Settings {
        epoch: EPOCH,
        checkpoint_seconds: 2,
        more: vec![
            (Part::Relayer, "MAX_ATTEMPTS", "200".to_owned()),
            // A worker whose request is gone waits so long for the relayer to take what it signed.
            (Part::Worker, "GRACE_SECONDS", "3".to_owned()),
        ],
        ..Settings::default()
    }
}

/// A network through at least so many reorgs, to the check that every case ends with.
async fn under_reorgs(network: &Network, chance: Chance, reorgs: u64) -> Weather<'_> {
    let story = network.begin(MAILS, CHUNK).await;
    let reader = account(8).address().to_string();
    network.run(USER, &["model", "access", &story.model, "--allow", &reader]).await;
    let training = Training { epochs: EPOCHS, ..Training::default() };
    let undisturbed = network.settled(network.train(&story, training).await).await;
    // The most that its cap of vouchers may be read for, however often.
    let purse = network.purse(&story.sold, 10 * RECORD_PRICE * u128::from(story.sold.records)).await;
    let mut weather = Weather {
        network,
        story,
        undisturbed,
        purse,
        chance,
        under: BTreeMap::new(),
        down: 0,
        deepest: 0,
        round: 0,
    };
    weather.request_vanishes().await;
    while weather.under.values().sum::<u64>() < reorgs {
        weather.round += 1;
        let open = weather.registration().await;
        weather.purchase(open).await;
        weather.vouchers().await;
        weather.training().await;
    }
    network.check(&[&weather.story.sold]).await;
    weather
}

impl Weather<'_> {
    /// A reorg that takes away the newest event of this kind, and what else stands so high; sometimes while services are
    /// down. Users send again, and everyone is there again.
    async fn strike<E: SolEvent>(&mut self, what: &'static str, contract: Address) {
        let network = self.network;
        let place = network.newest::<E>(contract).await;
        network.node.mine(self.chance.between(0, 12)).await;
        let down = if self.chance.once_in(3) { Some(self.chance.one_of(&Part::ALL)) } else { None };
        if let Some(part) = down {
            network.kill(part);
            self.down += 1;
        }
        network.node.pause().await;
        let needed = network.node.head().await + 1 - place;
        // What lies deeper by now is not reached, and not counted.
        let depth = self.chance.between(needed.min(DEEPEST), DEEPEST);
        let lost = network.node.reorg(depth, &network.services()).await;
        for raw in &lost {
            network.node.send_again(raw).await;
        }
        if let Some(part) = down {
            network.start_part(part).await;
        }
        *self.under.entry(what).or_default() += u64::from(depth >= needed);
        self.deepest = self.deepest.max(depth);
    }

    async fn registration(&mut self) -> CollectionId {
        let registry = self.network.chain.deployment().collection_registry;
        let skip = usize::try_from(self.round % 1000).unwrap();
        let published = self.network.publish_open(&format!("Open {}", self.round), skip, 2).await;
        for _ in 0..2 {
            self.strike::<CollectionRegistered>("register", registry).await;
        }
        published["id"].as_str().unwrap().parse().unwrap()
    }

    /// A right that is bought for a time.
    async fn purchase(&mut self, id: CollectionId) {
        let (network, at) = (self.network, self.network.chain.deployment().access_token);
        let period = Period { price: OFFER, seconds: 86_400, refund_seconds: 0 };
        let terms = Terms { period: Some(period), ..Terms::default() };
        set_offer(&network.chain, &account(1), id, collections::RIGHT_READ, terms).await.unwrap();
        access::buy(&network.chain, &account(BUYER), id, collections::RIGHT_READ, OFFER).await.unwrap();
        for _ in 0..2 {
            self.strike::<AccessBought>("buy", at).await;
        }
    }

    /// Records read against vouchers, which the gateway lands.
    async fn vouchers(&mut self) {
        let (network, sold) = (self.network, self.story.sold.clone());
        let chunks = u64::from(u32::try_from(MAILS).unwrap() / CHUNK);
        let first = (self.round - 1) % chunks * u64::from(CHUNK);
        network.read(&sold, &self.purse, &format!("{first}..{}", first + u64::from(CHUNK))).await;
        network.insist(PUBLISHER, &["billing", "settle", &sold.id], PATIENCE).await;
        self.settle_vouchers(&sold).await;
        for _ in 0..2 {
            self.strike::<VoucherSettled>("voucher", network.chain.deployment().usage_billing).await;
            self.settle_vouchers(&sold).await;
        }
    }

    async fn settle_vouchers(&self, sold: &Sold) {
        until("what was charged is on the chain", PATIENCE, async || {
            let statement = self.network.attempt(READER, &["billing", "statement", &sold.id]).await.ok()?;
            (statement["onChain"] == statement["charged"]).then_some(())
        })
        .await;
    }

    /// A training with reorgs under its request, its commitments and its settlement.
    async fn training(&mut self) {
        let (network, at) = (self.network, self.network.chain.deployment().training_coordinator);
        let training =
            Training { epochs: EPOCHS, relay_fee: 2_000 + u128::from(self.round), ..Training::default() };
        let request = network.train(&self.story, training).await;
        self.strike::<TrainingRequested>("request", at).await;
        for commitments in [1, 3] {
            network.landed(request, commitments).await;
            self.strike::<CommitmentLanded>("commitment", at).await;
        }
        for _ in 0..2 {
            network.ended(request).await;
            self.strike::<RequestClosed>("settlement", at).await;
        }
        assert_eq!(network.settled(request).await, self.undisturbed, "the series of {request}");
    }

    /// A request is gone and nobody sends it again: its job is cancelled, its worker is free for another one. Then its user
    /// does send it, and it is trained like any other.
    async fn request_vanishes(&mut self) {
        let network = self.network;
        let request = network.train(&self.story, Training { epochs: 1000, ..Training::default() }).await;
        network.landed(request, 1).await;
        let at = network.chain.deployment().training_coordinator;
        let place = network.newest::<TrainingRequested>(at).await;
        network.node.pause().await;
        let depth = network.node.head().await + 1 - place;
        let lost = network.node.reorg(depth, &network.services()).await;
        assert_eq!(network.state(request).await.status, 0, "it is not on the chain");
        until("its job is cancelled", PATIENCE, async || {
            let job = network.job(request).await?;
            (job["state"] == "vanished" && job["leaseUntil"].is_null()).then_some(())
        })
        .await;
        let other = Training { epochs: EPOCHS, who: READER, ..Training::default() };
        let other = network.train(&self.story, other).await;
        assert_eq!(network.settled(other).await, self.undisturbed, "the series of {other}");
        assert_eq!(network.job(request).await.unwrap()["state"], "vanished");
        for raw in &lost {
            network.node.send_again(raw).await;
        }
        network.settled(request).await;
        *self.under.entry("request").or_default() += 1;
    }
}
