//! `offsetdata collection gc`, `pin`, `unpin`: which collections the block store keeps.

use std::time::{Duration, SystemTime};

use offsetdata_content::blocks::GRACE;
use offsetdata_protocol::ids::CollectionId;
use offsetdata_protocol::manifest::Manifest;
use offsetdata_sdk::collections;
use serde_json::json;

use crate::context::Settings;
use crate::output;

#[derive(Debug, clap::Args)]
pub(crate) struct Gc {
    /// Say what would be deleted, and delete nothing
    #[arg(long)]
    dry_run: bool,
    /// Keep blocks that were written or wanted within so many seconds
    #[arg(long, default_value_t = GRACE.as_secs(), value_name = "SECONDS")]
    grace: u64,
}

impl Gc {
    pub(crate) async fn run(self, settings: Settings) -> anyhow::Result<()> {
        let blocks = settings.blocks()?;
        let grace = Duration::from_secs(self.grace);
        let found = blocks.collect(grace, SystemTime::now(), self.dry_run).await?;
        let value = json!({
            "dryRun": self.dry_run,
            "pins": found.pins,
            "reached": found.reached,
            "young": found.young,
            "deleted": found.deleted,
            "deletedBytes": found.deleted_bytes,
        });
        output::print(settings.json, &value, || {
            let verb = if self.dry_run { "would be deleted" } else { "deleted" };
            format!(
                "{} blocks with {} bytes {verb}\n{} blocks of {} pinned collections and of unfinished work stay, \
                 and {} that are too young",
                found.deleted, found.deleted_bytes, found.reached, found.pins, found.young
            )
        });
        Ok(())
    }
}

/// Keeps a collection, or leaves it to garbage collection.
pub(super) async fn pin(settings: Settings, id: CollectionId, keep: bool) -> anyhow::Result<()> {
    let (chain, blocks) = (settings.chain().await?, settings.blocks()?);
    let manifest = Manifest::cid(collections::facts(&chain, id).await?.on_chain.manifest_digest);
    let changed = match keep {
        true => blocks.pin(manifest).await.map(|()| true)?,
        false => blocks.unpin(manifest).await?,
    };
    let value = json!({ "id": id, "manifest": manifest.to_string(), "pinned": keep, "changed": changed });
    output::print(settings.json, &value, || match (keep, changed) {
        (true, _) => format!("{manifest} is kept"),
        (false, true) => format!("{manifest} is left to `offsetdata collection gc`"),
        (false, false) => format!("{manifest} was not pinned"),
    });
    Ok(())
}
