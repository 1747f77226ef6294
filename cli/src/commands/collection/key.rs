//! `offsetdata collection key`: seals the key of a private collection to gateways.

use offsetdata_content::Collection as Content;
use offsetdata_protocol::ids::CollectionId;
use offsetdata_sdk::{Recovery, collections};
use serde_json::json;

use crate::commands::publish::{Sealed, seal_to};
use crate::context::Settings;
use crate::output;

#[derive(Debug, clap::Subcommand)]
pub(crate) enum Key {
    /// Let a gateway sell the collection: seal the key to it, on chain
    #[command(after_help = "Example: offsetdata collection key seal 0x1f… --recovery mails.recovery.json \
                      --gateway http://127.0.0.1:8470 --as dev:1")]
    Seal {
        /// The collection
        id: CollectionId,
        #[command(flatten)]
        sealed: Sealed,
    },
}

impl Key {
    pub(crate) async fn run(self, settings: Settings) -> anyhow::Result<()> {
        let Self::Seal { id, sealed } = self;
        let (chain, account) = settings.sender().await?;
        let gateways = sealed.gateways(&chain).await?;
        anyhow::ensure!(!gateways.is_empty(), "which gateway? name it with --gateway or --gateway-key");
        let Some(path) = &sealed.recovery else {
            anyhow::bail!("where is the key? name the recovery file with --recovery");
        };
        let key = Recovery::read(path)?.key;
        let facts = collections::facts(&chain, id).await?;
        // A key that is not the collection's would make the gateway sell nothing.
        Content::open(settings.blocks()?, facts.on_chain).await?.verify_key(&key)?;
        let sealed = seal_to(&chain, &account, id, &key, &gateways).await?;
        let value = json!({ "id": id, "sealedTo": sealed });
        output::print(settings.json, &value, || {
            sealed.iter().map(|gateway| format!("sealed to {gateway}\n")).collect()
        });
        Ok(())
    }
}
