//! `offsetdata publish`: writes records as a collection, registers it and offers it. A publishing that was cut short goes
//! on where it was when the same command is given again.

use std::path::PathBuf;

use alloy::primitives::{Address, B256};
use anyhow::{Context as _, ensure};
use offsetdata_content::{PublishOptions, Published, Publisher};
use offsetdata_protocol::chunk::ChunkLimits;
use offsetdata_protocol::ids::CollectionId;
use offsetdata_protocol::manifest::Visibility;
use offsetdata_protocol::seal::SealingKey;
use offsetdata_protocol::{Codec, CollectionKey, Digest, SeriesId};
use offsetdata_sdk::gateway::{Description, describe};
use offsetdata_sdk::publishing::{self, Terms};
use offsetdata_sdk::{Account, Chain, Gateway, Recovery, collections, croissant, models};
use serde_json::json;

use crate::context::Settings;
use crate::output;
use crate::source::Source;

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  offsetdata publish digits/ --name Digits --licence CC-BY-4.0 --as dev:1
  offsetdata publish mails.jsonl --name Mails --licence CC0-1.0 --private --preview 20 --price-per-record 5 \\
    --gateway http://127.0.0.1:8470 --as dev:1

SOURCE is a folder with one folder of PNG files a class (digits/0/0001.png …), a JSON Lines file (.jsonl, .ndjson) or a
CSV file with a header. Publishing the same again stores and registers nothing twice; what was killed goes on. The key of
a private collection is written to the recovery file before anything else: keep it secret and keep a copy.")]
pub(crate) struct Publish {
    /// Folder of images, JSON Lines file or CSV file
    source_path: PathBuf,
    #[command(flatten)]
    described: Described,
    #[command(flatten)]
    sealed: Sealed,
    /// Encrypt the records; readers need keys from a gateway
    #[arg(long)]
    private: bool,
    /// Let anyone read so many records at the beginning of a private collection
    #[arg(long, default_value_t = 0, value_name = "N", requires = "private")]
    preview: u32,
    /// Price of one record that is read, in the token's smallest unit; 0 is free
    #[arg(long, value_name = "N")]
    price_per_record: Option<u128>,
    /// Price of one record used in training, in the token's smallest unit; a public collection is offered free
    #[arg(long)]
    train_price: Option<u128>,
    /// The collection that this one is the next version of; `offsetdata collection append` keeps its chunks
    #[arg(long)]
    previous: Option<CollectionId>,
}

/// What a collection is.
#[derive(Debug, clap::Args)]
pub(crate) struct Described {
    /// Name of the collection
    #[arg(long)]
    pub(super) name: String,
    /// What it is, in a sentence or two
    #[arg(long, default_value = "")]
    pub(super) description: String,
    /// SPDX licence expression, or the URL of the licence
    #[arg(long)]
    pub(super) licence: String,
    /// Where the data comes from: a URL
    #[arg(long)]
    pub(super) source: Option<String>,
    /// Most records in a chunk, the unit of encryption, fetch and sale
    #[arg(long, default_value_t = 1024)]
    pub(super) chunk_records: u32,
    /// Compress chunks with zstd where that makes them shorter
    #[arg(long)]
    pub(super) compress: bool,
}

/// Where the key of a private collection is kept, and who gets it.
#[derive(Debug, clap::Args)]
pub(crate) struct Sealed {
    /// File with the key of a private collection; without it NAME.recovery.json in this folder
    #[arg(long, value_name = "FILE")]
    pub(super) recovery: Option<PathBuf>,
    /// Gateway that may sell the collection: its URL, which is asked for its key
    #[arg(long, value_name = "URL")]
    pub(super) gateway: Vec<String>,
    /// The same by the gateway's X25519 key
    #[arg(long, value_name = "0x…")]
    pub(super) gateway_key: Vec<SealingKey>,
}

impl Publish {
    pub(crate) async fn run(self, settings: Settings) -> anyhow::Result<()> {
        let ((chain, account), blocks) = (settings.sender().await?, settings.blocks()?);
        let source = Source::open(&self.source_path)?;
        // Before a key is made.
        let (preview, count) = (u64::from(self.preview), source.count());
        ensure!(
            preview < count,
            "a preview of {preview} records gives away all {count}: publish them as public"
        );
        let gateways = self.sealed.gateways(&chain).await?;
        let store = blocks.clone();
        ensure!(
            self.private || gateways.is_empty(),
            "everyone can read a public collection: it needs no gateway"
        );
        let recovery = match self.private {
            true => Some(self.sealed.recovery(&self.described.name)?),
            false => None,
        };
        let (series, key) = match &recovery {
            Some(recovery) => (recovery.series, recovery.key.clone()),
            None => names_of(account.address(), &self.described.name),
        };
        let visibility = if self.private { Visibility::Private } else { Visibility::Public };
        let options = PublishOptions {
            preview_records: self.preview,
            ..self.described.options(&source, source.count(), visibility, series, key.clone())
        };
        let publisher = Publisher::new(blocks, options)?.resume(source.digest()?).await?;
        let resumed = publisher.len();
        let bar = output::bar(source.count(), "publishing");
        let published =
            publishing::publish(publisher, |skip| source.records(skip), |there| bar.set_position(there))
                .await?;
        bar.finish_and_clear();
        let registered =
            collections::register(&chain, &account, &published, self.previous, B256::ZERO).await?;
        let (id, receipt) = registered;
        self.offer(&chain, &account, id).await?;
        let sealed = seal_to(&chain, &account, id, &key, &gateways).await?;
        if let Some(description) = self.described.description(&self.sealed) {
            describe(&chain, &account, &store, id, &description).await?;
        }
        let gas = receipt.as_ref().map(|receipt| receipt.gas_used);
        let recovery_file = self.private.then(|| self.sealed.recovery_file(&self.described.name));
        let more = json!({
            "classes": source.classes(),
            "private": self.private,
            "preview": self.preview,
            "resumed": resumed,
            "recovery": recovery_file,
            "sealedTo": sealed,
        });
        report(&settings, id, &published, gas, &more);
        Ok(())
    }

    async fn offer(&self, chain: &Chain, account: &Account, id: CollectionId) -> anyhow::Result<()> {
        if let Some(price) = self.price_per_record {
            let terms = Terms { per_record: Some(price), ..Terms::default() };
            publishing::set_offer(chain, account, id, collections::RIGHT_READ, terms).await?;
        }
        // Training on what everyone can read is offered free; on what is private only where the publisher says so.
        if let Some(price) = self.train_price.or((!self.private).then_some(0)) {
            collections::offer_training(chain, account, id, price).await?;
        }
        Ok(())
    }
}

impl Described {
    /// What is put on chain for readers to find the gateways by, where some are named by URL.
    pub(super) fn description(&self, sealed: &Sealed) -> Option<Description> {
        let urls = sealed.gateway.iter().map(|url| url.trim_end_matches('/').to_owned());
        let gateways: Vec<String> = urls.collect();
        (!gateways.is_empty()).then(|| Description {
            name: self.name.clone(),
            description: self.description.clone(),
            gateways,
        })
    }

    /// How such a collection is written.
    pub(super) fn options(
        &self,
        source: &Source,
        records: u64,
        visibility: Visibility,
        series: SeriesId,
        key: CollectionKey,
    ) -> PublishOptions {
        let fields = source.fields();
        PublishOptions {
            series,
            key,
            visibility,
            preview_records: 0,
            limits: ChunkLimits { records: self.chunk_records, ..ChunkLimits::default() },
            codec: if self.compress { Codec::Zstd } else { Codec::Identity },
            licence: self.licence.clone(),
            croissant: croissant::describe(&croissant::Description {
                name: &self.name,
                description: &self.description,
                licence: &self.licence,
                source: self.source.as_deref(),
                fields: &fields,
                records,
            }),
            fields,
            quality_report: None,
        }
    }
}

impl Sealed {
    pub(super) fn recovery_file(&self, name: &str) -> PathBuf {
        self.recovery.clone().unwrap_or_else(|| {
            let plain = |c: char| if c.is_alphanumeric() { c.to_ascii_lowercase() } else { '-' };
            PathBuf::from(format!("{}.recovery.json", name.chars().map(plain).collect::<String>()))
        })
    }

    /// The recovery file of a new collection or of one that was begun.
    fn recovery(&self, name: &str) -> anyhow::Result<Recovery> {
        let path = self.recovery_file(name);
        let (recovery, new) = Recovery::read_or_write(&path, name)?;
        if new {
            let says = "holds the key of this collection: keep it secret, and keep a copy";
            eprintln!("{} {says}", path.display());
        }
        Ok(recovery)
    }

    /// The keys of all gateways that are named.
    pub(super) async fn gateways(&self, chain: &Chain) -> anyhow::Result<Vec<SealingKey>> {
        let mut keys = self.gateway_key.clone();
        for url in &self.gateway {
            let gateway = Gateway::connect(url, chain).await;
            keys.push(gateway.context("is the gateway running?")?.info().sealing_key);
        }
        Ok(keys)
    }
}

/// Seals the key to gateways that do not have it yet.
pub(super) async fn seal_to(
    chain: &Chain,
    account: &Account,
    id: CollectionId,
    key: &CollectionKey,
    gateways: &[SealingKey],
) -> anyhow::Result<Vec<SealingKey>> {
    for gateway in gateways {
        if !publishing::is_sealed_to(chain, id, gateway).await? {
            publishing::seal_key(chain, account, id, key, gateway).await?;
        }
    }
    Ok(gateways.to_vec())
}

/// What came out; `more` is added for programs.
pub(super) fn report(
    settings: &Settings,
    id: CollectionId,
    published: &Published,
    gas: Option<u64>,
    more: &serde_json::Value,
) {
    let records = published.manifest.record_count.get();
    let mut value = json!({
        "id": id,
        "records": records,
        "chunks": published.chunks,
        "storedBytes": published.stored_bytes,
        "root": B256::from(published.content_root().0),
        "manifest": published.manifest_cid.to_string(),
        "manifestDigest": B256::from(published.manifest_digest.0),
        "registered": gas.is_some(),
        "registerGas": gas,
    });
    if let (Some(value), Some(more)) = (value.as_object_mut(), more.as_object()) {
        value.extend(more.clone());
    }
    output::print(settings.json, &value, || {
        let registered = match gas {
            Some(gas) => format!("registered with {gas} gas"),
            None => "was registered before".to_owned(),
        };
        let mut text = format!(
            "collection  {id}\nrecords     {records} in {} chunks, {} bytes\nroot        {}\nmanifest    {}\n\
             chain       {registered}",
            published.chunks,
            published.stored_bytes,
            B256::from(published.content_root().0),
            published.manifest_cid,
        );
        for name in ["recovery", "appendProven"] {
            if let Some(said) = more.get(name).filter(|said| !said.is_null()) {
                text += &format!("\n{name:<11} {}", said.as_str().map_or(said.to_string(), str::to_owned));
            }
        }
        text
    });
}

/// Series id and key of a public collection: both are public, so they may follow from publisher and name. That makes
/// publishing again give the same bytes.
pub(super) fn names_of(publisher: Address, name: &str) -> (SeriesId, CollectionKey) {
    let words =
        |what: &str| Digest::of(format!("offsetdata public {what}\n{publisher}\n{name}").as_bytes()).0;
    let mut series = [0; 16];
    series.copy_from_slice(&words("series")[..16]);
    (SeriesId(series), CollectionKey::from_bytes(words("key")))
}

/// A salt that is the same whenever a command is repeated with the same words.
pub(super) fn salt(kind: &str, name: &str) -> B256 {
    models::salt_of(&format!("offsetdata {kind}\n{name}"))
}
