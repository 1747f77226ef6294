//! `offsetdata project`: opens a project.

use offsetdata_protocol::Digest;
use offsetdata_protocol::cid::RAW;
use offsetdata_sdk::models::{self, Metadata};
use serde_json::json;

use super::publish::salt;
use crate::context::Settings;
use crate::output;

#[derive(Debug, clap::Subcommand)]
pub(crate) enum Project {
    /// Open a project, or find the one of this name
    #[command(after_help = "Example: offsetdata project create --name \"Handwriting\" --as dev:2")]
    Create {
        /// Name of the project
        #[arg(long)]
        name: String,
        /// What it is for
        #[arg(long, default_value = "")]
        description: String,
    },
}

impl Project {
    pub(crate) async fn run(self, settings: Settings) -> anyhow::Result<()> {
        let (chain, account) = (settings.chain().await?, settings.account()?);
        let Self::Create { name, description } = self;
        let metadata = describe(&settings, &json!({ "name": name, "description": description })).await?;
        let id = models::create_project(&chain, &account, &metadata, salt("project", &name)).await?;
        let value = json!({ "id": id, "owner": account.address(), "name": name });
        output::print(settings.json, &value, || format!("project  {id}\nowner    {}", account.address()));
        Ok(())
    }
}

/// Stores a description as a block and says its digest.
pub(super) async fn describe(
    settings: &Settings,
    description: &serde_json::Value,
) -> anyhow::Result<Metadata> {
    let text = serde_json_canonicalizer::to_vec(description)?;
    settings.blocks()?.put(RAW, &text).await?;
    Ok(Metadata { digest: Digest::of(&text), uri: String::new() })
}
