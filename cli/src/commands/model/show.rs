//! `offsetdata model show`, `list`: what the chain says of models, and what stands behind their versions.

use alloy::primitives::Address;
use offsetdata_protocol::ids::{BaseId, CollectionId, ModelId, ProjectId};
use offsetdata_protocol::messages::unpack_values;
use offsetdata_sdk::models::{self, ModelFacts, ModelFilter, VersionFacts};
use offsetdata_sdk::training::{self, RequestFacts};
use serde_json::{Value, json};

use crate::commands::description::{described, word};
use crate::context::Settings;
use crate::{output, table};

#[derive(Debug, clap::Args)]
pub(crate) struct List {
    /// Those that this account has
    #[arg(long)]
    owner: Option<Address>,
    /// Those of this project
    #[arg(long)]
    project: Option<ProjectId>,
    /// Those made from this base
    #[arg(long)]
    base: Option<BaseId>,
}

impl List {
    pub(super) async fn run(self, settings: Settings) -> anyhow::Result<()> {
        let chain = settings.chain().await?;
        let filter = ModelFilter { owner: self.owner, base: self.base, project: self.project };
        let (mut rows, mut found) = (Vec::new(), Vec::new());
        for id in models::models(&chain, &filter).await? {
            let facts = models::model(&chain, id).await?;
            let said = described(&settings, &facts.metadata).await;
            let versions = models::versions(&chain, id).await?.len();
            let use_by = match (facts.deleted, facts.public) {
                (true, _) => "deleted",
                (_, true) => "public",
                (_, false) => "restricted",
            };
            let name = word(said.as_ref(), "name");
            rows.push(vec![
                id.to_string(),
                name,
                versions.to_string(),
                use_by.into(),
                facts.owner.to_string(),
            ]);
            found.push(as_json(&facts, said, versions));
        }
        output::print(settings.json, &json!({ "models": found }), || {
            let head = ["model", "name", "versions", "use", "owner"].map(str::to_owned).to_vec();
            table::columns(&[vec![head], rows].concat())
        });
        Ok(())
    }
}

fn as_json(facts: &ModelFacts, description: Option<Value>, versions: usize) -> Value {
    json!({
        "id": facts.id,
        "owner": facts.owner,
        "base": facts.base,
        "project": facts.project,
        "public": facts.public,
        "deleted": facts.deleted,
        "createdAt": facts.created_at,
        "metadataDigest": facts.metadata.digest,
        "metadataUri": facts.metadata.uri,
        "metadata": description,
        "versionCount": versions,
    })
}

pub(super) async fn show(settings: &Settings, id: ModelId) -> anyhow::Result<()> {
    let chain = settings.chain().await?;
    let facts = models::model(&chain, id).await?;
    let versions = models::versions(&chain, id).await?;
    let requests = training::requests_of_model(&chain, id).await?;
    let said = described(settings, &facts.metadata).await;
    let mut value = as_json(&facts, said.clone(), versions.len());
    if let Some(value) = value.as_object_mut() {
        value.insert("allowed".into(), json!(facts.allowed));
        value.insert("denied".into(), json!(facts.denied));
        value.insert("versions".into(), versions.iter().map(version_as_json).collect());
        value.insert("requests".into(), requests.iter().map(request_as_json).collect());
    }
    output::print(settings.json, &value, || {
        let list = |accounts: &[Address]| match accounts {
            [] => "nobody".to_owned(),
            some => some.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
        };
        let use_by = match (facts.deleted, facts.public) {
            (true, _) => "nobody: it is deleted; what follows is its history",
            (_, true) => "everyone who is not denied",
            (_, false) => "its owner and those allowed",
        };
        let mut text = format!(
            "model        {id}\nname         {}\ndescription  {}\nowner        {}\nbase         {}\n\
             project      {}\nuse          {use_by}\nallowed      {}\ndenied       {}\n",
            word(said.as_ref(), "name"),
            word(said.as_ref(), "description"),
            facts.owner,
            facts.base,
            facts.project,
            list(&facts.allowed),
            list(&facts.denied),
        );
        text += "\nversions\n";
        for version in &versions {
            let accuracy = number(version_as_json(version)["accuracy"].as_f64());
            text += &format!("  {}  accuracy {accuracy}  by request {}\n", version.version, version.request);
        }
        text += "\nrequests\n";
        for request in &requests {
            text += &format!("  {}  {}\n", request.id, request.status.word().to_lowercase());
            if let Some(parent) = request.parent() {
                text += &format!("      retrains {parent}\n");
            }
            for input in &request.terms.inputs {
                let (first, end) = (input.first, u64::from(input.first) + u64::from(input.count));
                text += &format!("      from {} records {first}..{end}\n", CollectionId(input.collection));
            }
        }
        text
    });
    Ok(())
}

/// A number for people, a dash where there is none.
fn number(value: Option<f64>) -> String {
    value.map_or_else(|| "–".to_owned(), |value| format!("{value:.4}"))
}

fn version_as_json(version: &VersionFacts) -> Value {
    let [test_loss, test_accuracy, validation_loss, validation_accuracy] =
        unpack_values(version.settlement.resultValues).map(|value| value.to_f64());
    let finite = |value: f64| Some(value).filter(|value| value.is_finite());
    json!({
        "version": version.version,
        "request": version.request,
        "worker": version.worker,
        "accuracy": finite(test_accuracy),
        "loss": finite(test_loss),
        "validationAccuracy": finite(validation_accuracy),
        "validationLoss": finite(validation_loss),
        "artifactDigest": version.settlement.artifactDigest,
        "seriesRoot": version.settlement.seriesRoot,
        "inputsRoot": version.settlement.inputsRoot,
        "block": version.block,
    })
}

fn request_as_json(request: &RequestFacts) -> Value {
    let inputs =
        request.terms.inputs.iter().map(
            |input| json!({ "collection": input.collection, "first": input.first, "count": input.count }),
        );
    json!({
        "request": request.id,
        "status": request.status.word(),
        "user": request.terms.user,
        "parent": request.parent(),
        "units": request.state.units.to::<u64>(),
        "inputs": inputs.collect::<Vec<_>>(),
    })
}
