//! `offsetdata collection append`: the next version of a collection. Its chunks stay byte for byte, and the contract
//! checks that records were only appended.

use std::path::PathBuf;

use alloy::primitives::B256;
use offsetdata_content::{Collection as Content, Publisher};
use offsetdata_protocol::ids::CollectionId;
use offsetdata_protocol::manifest::Visibility;
use offsetdata_sdk::gateway::describe;
use offsetdata_sdk::publishing;
use offsetdata_sdk::{Recovery, collections};
use serde_json::json;

use crate::commands::publish::{Described, Sealed, report, seal_to};
use crate::context::Settings;
use crate::output;
use crate::source::Source;

#[derive(Debug, clap::Args)]
pub(crate) struct Append {
    /// The collection that is appended to
    id: CollectionId,
    /// Folder of images, JSON Lines file or CSV file with the records to append
    source_path: PathBuf,
    #[command(flatten)]
    described: Described,
    #[command(flatten)]
    sealed: Sealed,
}

impl Append {
    pub(crate) async fn run(self, settings: Settings) -> anyhow::Result<()> {
        let ((chain, account), blocks) = (settings.sender().await?, settings.blocks()?);
        let older = collections::facts(&chain, self.id).await?;
        let older = Content::open(blocks.clone(), older.on_chain).await?;
        let source = Source::open(&self.source_path)?;
        let visibility = older.manifest().visibility();
        let key = match older.manifest().public_key {
            Some(key) => key.collection_key(),
            None => Recovery::read(&self.sealed.recovery_file(&self.described.name))?.key,
        };
        let gateways = self.sealed.gateways(&chain).await?;
        let records = u64::from(older.len()) + source.count();
        let series = older.manifest().series;
        let options = self.described.options(&source, records, visibility, series, key.clone());
        let publisher = Publisher::append(blocks.clone(), options, &older)?.resume(source.digest()?).await?;
        let bar = output::bar(records, "appending");
        let published =
            publishing::publish(publisher, |skip| source.records(skip), |there| bar.set_position(there))
                .await?;
        bar.finish_and_clear();
        let (id, receipt) =
            collections::register(&chain, &account, &published, Some(self.id), B256::ZERO).await?;
        let newer = Content::open(blocks.clone(), collections::facts(&chain, id).await?.on_chain).await?;
        let proven = publishing::prove_append(&chain, &account, id, &newer, &older).await?;
        let sealed = match visibility {
            Visibility::Private => seal_to(&chain, &account, id, &key, &gateways).await?,
            Visibility::Public => Vec::new(),
        };
        if let Some(description) = self.described.description(&self.sealed) {
            describe(&chain, &account, &blocks, id, &description).await?;
        }
        let more = json!({
            "previous": self.id,
            "appended": newer.len() - older.len(),
            "appendProven": proven.transaction_hash,
            "sealedTo": sealed,
        });
        report(&settings, id, &published, receipt.map(|receipt| receipt.gas_used), &more);
        Ok(())
    }
}
