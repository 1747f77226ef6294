//! `offsetdata publish`: writes a folder of images as a public collection, registers it and offers it for training.

use std::path::PathBuf;

use alloy::primitives::{Address, B256};
use anyhow::ensure;
use offsetdata_content::{PublishOptions, Published, Publisher};
use offsetdata_protocol::chunk::ChunkLimits;
use offsetdata_protocol::ids::CollectionId;
use offsetdata_protocol::manifest::Visibility;
use offsetdata_protocol::{Codec, CollectionKey, Digest, SeriesId};
use offsetdata_sdk::{collections, croissant, models};
use serde_json::json;

use crate::context::Settings;
use crate::output;
use crate::source::ImageFolder;

#[derive(Debug, clap::Args)]
#[command(after_help = "Example: offsetdata publish digits/ --name \"Digits\" --licence CC-BY-4.0 --as dev:1

The folder has one folder of PNG files a class: digits/0/0001.png, digits/1/0002.png … Publishing the same folder
again stores and registers nothing twice.")]
pub(crate) struct Publish {
    /// Folder with one folder of PNG files a class
    folder: PathBuf,
    /// Name of the collection
    #[arg(long)]
    name: String,
    /// What it is, in a sentence or two
    #[arg(long, default_value = "")]
    description: String,
    /// SPDX licence expression, or the URL of the licence
    #[arg(long)]
    licence: String,
    /// Where the data comes from: a URL
    #[arg(long)]
    source: Option<String>,
    /// Most records in a chunk, the unit of encryption and fetch
    #[arg(long, default_value_t = 1024)]
    chunk_records: u32,
    /// Price of one record used in training, in the token's smallest unit
    #[arg(long, default_value_t = 0)]
    train_price: u128,
    /// The collection that this one is the next version of
    #[arg(long)]
    previous: Option<CollectionId>,
}

impl Publish {
    pub(crate) async fn run(self, settings: Settings) -> anyhow::Result<()> {
        let (chain, account, blocks) = (settings.chain().await?, settings.account()?, settings.blocks()?);
        let folder = ImageFolder::open(&self.folder)?;
        let source = folder.images.len() as u64;
        ensure!(source <= 1_000_000, "{source} images: a collection has at most 1,000,000 records");
        let (series, key) = names_of(account.address(), &self.name);
        let options = PublishOptions {
            series,
            key,
            visibility: Visibility::Public,
            preview_records: 0,
            limits: ChunkLimits { records: self.chunk_records, ..ChunkLimits::default() },
            codec: Codec::Identity,
            fields: ImageFolder::fields(),
            licence: self.licence.clone(),
            croissant: croissant::describe(&croissant::Description {
                name: &self.name,
                description: &self.description,
                licence: &self.licence,
                source: self.source.as_deref(),
                fields: &ImageFolder::fields(),
                records: source,
            }),
            quality_report: None,
        };
        let mut publisher = Publisher::new(blocks, options)?;
        let bar = output::bar(source, "publishing");
        for image in &folder.images {
            publisher.push(image.read()?.view()).await?;
            bar.inc(1);
        }
        let published = publisher.finish().await?;
        bar.finish_and_clear();
        let salt = B256::ZERO;
        let (id, receipt) = collections::register(&chain, &account, &published, self.previous, salt).await?;
        collections::offer_training(&chain, &account, id, self.train_price).await?;
        self.report(&settings, id, &published, receipt.as_ref().map(|r| r.gas_used), folder.classes.len());
        Ok(())
    }

    fn report(
        &self,
        settings: &Settings,
        id: CollectionId,
        published: &Published,
        gas: Option<u64>,
        classes: usize,
    ) {
        let records = published.manifest.record_count.get();
        let value = json!({
            "id": id,
            "records": records,
            "classes": classes,
            "chunks": published.chunks,
            "storedBytes": published.stored_bytes,
            "root": B256::from(published.content_root().0),
            "manifest": published.manifest_cid.to_string(),
            "manifestDigest": B256::from(published.manifest_digest.0),
            "registered": gas.is_some(),
            "registerGas": gas,
        });
        output::print(settings.json, &value, || {
            let registered = match gas {
                Some(gas) => format!("registered with {gas} gas"),
                None => "was registered before".to_owned(),
            };
            format!(
                "collection  {id}\nrecords     {records} in {} chunks, {} bytes, {classes} classes\nroot        {}\n\
                 manifest    {}\nchain       {registered}",
                published.chunks,
                published.stored_bytes,
                B256::from(published.content_root().0),
                published.manifest_cid,
            )
        });
    }
}

/// Series id and key of a public collection: both are public, so they may follow from publisher and name. That makes
/// publishing again give the same bytes.
fn names_of(publisher: Address, name: &str) -> (SeriesId, CollectionKey) {
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
