//! `offsetdata model`: models that a user owns.

use alloy::primitives::Address;
use offsetdata_protocol::ids::{BaseId, ProjectId};
use offsetdata_sdk::models::{self, ModelTerms};
use serde_json::json;

use super::project::describe;
use super::publish::salt;
use crate::context::Settings;
use crate::output;

#[derive(Debug, clap::Subcommand)]
pub(crate) enum Model {
    /// Request a model from a base, or find the one of this name
    #[command(
        after_help = "Example: offsetdata model request --project 0x… --base 0x… --name \"Digits 1\" --as dev:2"
    )]
    Request(Request),
}

#[derive(Debug, clap::Args)]
pub(crate) struct Request {
    /// The project that it belongs to
    #[arg(long)]
    project: ProjectId,
    /// The base that it is made from
    #[arg(long)]
    base: BaseId,
    /// Name of the model
    #[arg(long)]
    name: String,
    /// Let everyone use it; without this only its owner and those allowed
    #[arg(long)]
    public: bool,
    /// Addresses that may use and train a restricted model
    #[arg(long = "allow")]
    allowed: Vec<Address>,
}

impl Model {
    pub(crate) async fn run(self, settings: Settings) -> anyhow::Result<()> {
        let Self::Request(request) = self;
        let (chain, account) = (settings.chain().await?, settings.account()?);
        let metadata = describe(&settings, &json!({ "name": request.name })).await?;
        let terms = ModelTerms {
            project: request.project,
            base: request.base,
            public: request.public,
            allowed: request.allowed,
            metadata,
            salt: salt("model", &request.name),
        };
        let id = models::request_model(&chain, &account, &terms).await?;
        let value = json!({ "id": id, "owner": account.address(), "public": request.public });
        output::print(settings.json, &value, || {
            let who = if request.public { "everyone" } else { "its owner and those allowed" };
            format!("model  {id}\nowner  {}\nuse    {who}", account.address())
        });
        Ok(())
    }
}
