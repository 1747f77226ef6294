//! `offsetdata model request`: makes a model from a base.

use alloy::primitives::Address;
use offsetdata_protocol::ids::{BaseId, ProjectId};
use offsetdata_sdk::models::{self, ModelTerms};
use serde_json::json;

use crate::commands::description::describe;
use crate::commands::publish::salt;
use crate::context::Settings;
use crate::output;

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
    /// What it is for
    #[arg(long, default_value = "")]
    description: String,
    /// Let everyone use it; without this only its owner and those allowed
    #[arg(long)]
    public: bool,
    /// Addresses that may use and train a restricted model
    #[arg(long = "allow")]
    allowed: Vec<Address>,
}

impl Request {
    pub(super) async fn run(self, settings: Settings) -> anyhow::Result<()> {
        let (chain, account) = settings.sender().await?;
        let said = json!({ "name": self.name, "description": self.description });
        let terms = ModelTerms {
            project: self.project,
            base: self.base,
            public: self.public,
            allowed: self.allowed,
            metadata: describe(&settings, &said).await?,
            salt: salt("model", &self.name),
        };
        let id = models::request_model(&chain, &account, &terms).await?;
        let value = json!({ "id": id, "owner": account.address(), "public": self.public });
        output::print(settings.json, &value, || {
            let who = if self.public { "everyone" } else { "its owner and those allowed" };
            format!("model  {id}\nowner  {}\nuse    {who}", account.address())
        });
        Ok(())
    }
}
