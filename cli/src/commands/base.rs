//! `offsetdata base`: what a developer offers, and the keys of its workers.

mod publish;
mod show;

use alloy::primitives::Address;
use offsetdata_protocol::ids::{BaseId, MethodId};
use offsetdata_sdk::models;
use serde_json::json;

use crate::context::Settings;
use crate::output;

#[derive(Debug, clap::Subcommand)]
pub(crate) enum Base {
    /// Publish a base with one method, or change the method's terms for later requests
    #[command(
        after_help = "Example: offsetdata base publish --name \"Small CNN\" --trainer image-classifier \\
    --unit-price 5 --scheduler 0x… --worker 0x… --as dev:3"
    )]
    Publish(publish::Publish),
    /// Show a base: its methods, prices and workers
    #[command(after_help = "Example: offsetdata base show 0x… --json")]
    Show {
        /// The base
        base: BaseId,
    },
    /// List bases
    #[command(after_help = "Example: offsetdata base list --developer 0x90…

It reads the chain's log, and needs no indexer.")]
    List {
        /// Only those of this developer
        #[arg(long)]
        developer: Option<Address>,
    },
    /// Retire a base for good: no new models and requests; running requests go on
    #[command(after_help = "Example: offsetdata base retire 0x… --as dev:3")]
    Retire {
        /// The base
        base: BaseId,
    },
    /// Allow the keys of workers, or take that back
    #[command(after_help = "Example: offsetdata base workers 0x… --add 0x… --remove 0x… --as dev:3")]
    Workers(Workers),
    /// Show a method with its hyperparameters, or withdraw it for later requests
    #[command(after_help = "Examples:
  offsetdata base method 0x… image-classifier
  offsetdata base method 0x… image-classifier --withdraw --as dev:3")]
    Method {
        /// The base
        base: BaseId,
        /// Name of the method
        method: String,
        /// Offer it no longer
        #[arg(long)]
        withdraw: bool,
    },
}

#[derive(Debug, clap::Args)]
pub(crate) struct Workers {
    /// The base
    base: BaseId,
    /// A worker's address to allow; may be given several times
    #[arg(long, required_unless_present = "remove")]
    add: Vec<Address>,
    /// A worker's address to allow no longer; may be given several times
    #[arg(long)]
    remove: Vec<Address>,
}

impl Base {
    pub(crate) async fn run(self, settings: Settings) -> anyhow::Result<()> {
        match self {
            Self::Publish(command) => command.run(settings).await,
            Self::Show { base } => show::show(&settings, base).await,
            Self::List { developer } => show::list(&settings, developer).await,
            Self::Workers(command) => command.run(settings).await,
            Self::Retire { base } => {
                let (chain, account) = settings.sender().await?;
                let receipt = models::retire_base(&chain, &account, base).await?;
                let value = json!({ "id": base, "retired": true, "transaction": receipt.transaction_hash });
                output::print(settings.json, &value, || {
                    format!("base {base} takes no new models and requests")
                });
                Ok(())
            }
            Self::Method { base, method, withdraw: false } => show::method(&settings, base, &method).await,
            Self::Method { base, method, withdraw: true } => {
                let (chain, account) = settings.sender().await?;
                let id = MethodId::of_name(&method);
                let receipt = models::withdraw_method(&chain, &account, base, id).await?;
                let value = json!({
                    "id": base,
                    "method": method,
                    "offered": false,
                    "transaction": receipt.transaction_hash,
                });
                output::print(settings.json, &value, || format!("{method} is no longer offered by {base}"));
                Ok(())
            }
        }
    }
}

impl Workers {
    async fn run(self, settings: Settings) -> anyhow::Result<()> {
        let (chain, account) = settings.sender().await?;
        for (list, allowed) in [(&self.remove, false), (&self.add, true)] {
            if !list.is_empty() {
                models::set_workers(&chain, &account, self.base, list.clone(), allowed).await?;
            }
        }
        let workers = models::base(&chain, self.base).await?.workers;
        output::print(settings.json, &json!({ "id": self.base, "workers": workers }), || {
            let lines = workers.iter().map(|worker| format!("worker  {worker}\n"));
            lines.collect::<String>()
        });
        Ok(())
    }
}
