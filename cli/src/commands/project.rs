//! `offsetdata project`: a user's containers for models.

use alloy::primitives::Address;
use offsetdata_protocol::ids::ProjectId;
use offsetdata_sdk::models::{self, ModelFilter};
use serde_json::json;

use super::description::{describe, described, word};
use super::publish::salt;
use crate::context::Settings;
use crate::{output, table};

#[derive(Debug, clap::Subcommand)]
pub(crate) enum Project {
    /// Open a project, or find the one of this name
    #[command(after_help = "Example: offsetdata project create --name \"Handwriting\" --as dev:2")]
    Create(Words),
    /// Show a project and its models
    #[command(after_help = "Example: offsetdata project show 0x… --json")]
    Show {
        /// The project
        project: ProjectId,
    },
    /// List projects
    #[command(after_help = "Example: offsetdata project list --owner 0x70…

It reads the chain's log, and needs no indexer.")]
    List {
        /// Only those of this account
        #[arg(long)]
        owner: Option<Address>,
    },
    /// Change name and description
    #[command(after_help = "Example: offsetdata project edit 0x… --name \"Handwriting, 2\" --as dev:2")]
    Edit {
        /// The project
        project: ProjectId,
        #[command(flatten)]
        words: Words,
    },
}

#[derive(Debug, clap::Args)]
pub(crate) struct Words {
    /// Name of the project
    #[arg(long)]
    name: String,
    /// What it is for
    #[arg(long, default_value = "")]
    description: String,
}

impl Project {
    pub(crate) async fn run(self, settings: Settings) -> anyhow::Result<()> {
        match self {
            Self::Create(words) => create(&settings, words).await,
            Self::Show { project } => show(&settings, project).await,
            Self::List { owner } => list(&settings, owner).await,
            Self::Edit { project, words } => edit(&settings, project, words).await,
        }
    }
}

async fn create(settings: &Settings, words: Words) -> anyhow::Result<()> {
    let (chain, account) = settings.sender().await?;
    let Words { name, description } = words;
    let metadata = describe(settings, &json!({ "name": name, "description": description })).await?;
    let id = models::create_project(&chain, &account, &metadata, salt("project", &name)).await?;
    let value = json!({ "id": id, "owner": account.address(), "name": name });
    output::print(settings.json, &value, || format!("project  {id}\nowner    {}", account.address()));
    Ok(())
}

async fn edit(settings: &Settings, id: ProjectId, words: Words) -> anyhow::Result<()> {
    let (chain, account) = settings.sender().await?;
    let said = json!({ "name": words.name, "description": words.description });
    let metadata = describe(settings, &said).await?;
    let receipt = models::revise_project(&chain, &account, id, &metadata).await?;
    let value = json!({ "id": id, "metadata": said, "transaction": receipt.transaction_hash });
    output::print(settings.json, &value, || format!("project  {id}\nname     {}", word(Some(&said), "name")));
    Ok(())
}

async fn show(settings: &Settings, id: ProjectId) -> anyhow::Result<()> {
    let chain = settings.chain().await?;
    let facts = models::project(&chain, id).await?;
    let said = described(settings, &facts.metadata).await;
    let of = ModelFilter { project: Some(id), ..ModelFilter::default() };
    let (mut rows, mut found) = (Vec::new(), Vec::new());
    for model in models::models(&chain, &of).await? {
        let model = models::model(&chain, model).await?;
        let words = described(settings, &model.metadata).await;
        let state = if model.deleted { "deleted" } else { "" };
        rows.push(vec![format!("  {}", model.id), word(words.as_ref(), "name"), state.to_owned()]);
        found.push(json!({ "id": model.id, "metadata": words, "deleted": model.deleted }));
    }
    let value = json!({
        "id": id,
        "owner": facts.owner,
        "metadataDigest": facts.metadata.digest,
        "metadata": said,
        "models": found,
    });
    output::print(settings.json, &value, || {
        let word = |key| word(said.as_ref(), key);
        format!(
            "project      {id}\nname         {}\ndescription  {}\nowner        {}\nmodels\n{}",
            word("name"),
            word("description"),
            facts.owner,
            table::columns(&rows)
        )
    });
    Ok(())
}

async fn list(settings: &Settings, owner: Option<Address>) -> anyhow::Result<()> {
    let chain = settings.chain().await?;
    let (mut rows, mut found) = (Vec::new(), Vec::new());
    for id in models::projects(&chain, owner).await? {
        let facts = models::project(&chain, id).await?;
        let said = described(settings, &facts.metadata).await;
        rows.push(vec![id.to_string(), word(said.as_ref(), "name"), facts.owner.to_string()]);
        found.push(json!({ "id": id, "owner": facts.owner, "metadata": said }));
    }
    output::print(settings.json, &json!({ "projects": found }), || {
        let head = ["project", "name", "owner"].map(str::to_owned).to_vec();
        table::columns(&[vec![head], rows].concat())
    });
    Ok(())
}
