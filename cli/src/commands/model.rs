//! `offsetdata model`: models that a user owns: requested, shown, changed, used, deleted.

mod edit;
mod predict;
mod records;
mod request;
mod show;

use alloy::primitives::Address;
use offsetdata_protocol::ids::ModelId;
use offsetdata_sdk::models;
use serde_json::json;

use crate::context::Settings;
use crate::output;

#[derive(Debug, clap::Subcommand)]
pub(crate) enum Model {
    /// Request a model from a base, or find the one of this name
    #[command(
        after_help = "Example: offsetdata model request --project 0x… --base 0x… --name \"Digits 1\" --as dev:2"
    )]
    Request(request::Request),
    /// Show a model: who may use it, its versions, and the requests and collections behind them
    #[command(after_help = "Example: offsetdata model show 0x… --json

It reads the chain's log, and needs no indexer.")]
    Show {
        /// The model
        model: ModelId,
    },
    /// List models by owner, project or base
    #[command(after_help = "Example: offsetdata model list --owner 0x70…")]
    List(show::List),
    /// Change name and description
    #[command(after_help = "Example: offsetdata model edit 0x… --name \"Digits, better\" --as dev:2")]
    Edit(edit::Edit),
    /// Say who may use a model: everyone, or its owner and those allowed; never those denied
    #[command(after_help = "Examples:
  offsetdata model access 0x… --public --as dev:2
  offsetdata model access 0x… --restricted --allow 0x… --allow 0x… --deny 0x… --as dev:2
  offsetdata model access 0x… --allow-file customers.txt --as dev:2")]
    Access(edit::Access),
    /// Delete a model for good; its versions and its history stay on chain
    #[command(after_help = "Example: offsetdata model delete 0x… --yes --as dev:2")]
    Delete(edit::Delete),
    /// Use a model: what is in these images, texts or records
    #[command(after_help = "Examples:
  offsetdata model predict 0x… 7.png 8.png --as dev:2
  offsetdata fetch 0x… --out digits.jsonl
  offsetdata model predict 0x… --records digits.jsonl --split test --as dev:2

Labels are not sent. Every answer is signed by a worker of the model's base and names the version's artifact.")]
    Predict(Box<predict::Predict>),
    /// Give a model to another account
    #[command(after_help = "Example: offsetdata model transfer 0x… --to 0x… --as dev:2")]
    Transfer {
        /// The model
        model: ModelId,
        /// Who gets it
        #[arg(long)]
        to: Address,
    },
}

impl Model {
    pub(crate) async fn run(self, settings: Settings) -> anyhow::Result<()> {
        match self {
            Self::Request(command) => command.run(settings).await,
            Self::Show { model } => show::show(&settings, model).await,
            Self::List(command) => command.run(settings).await,
            Self::Edit(command) => command.run(settings).await,
            Self::Access(command) => command.run(settings).await,
            Self::Delete(command) => command.run(settings).await,
            Self::Predict(command) => command.run(settings).await,
            Self::Transfer { model, to } => {
                let (chain, account) = settings.sender().await?;
                let receipt = models::transfer_model(&chain, &account, model, to).await?;
                let value = json!({ "id": model, "owner": to, "transaction": receipt.transaction_hash });
                output::print(settings.json, &value, || format!("model  {model}\nowner  {to}"));
                Ok(())
            }
        }
    }
}
