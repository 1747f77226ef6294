//! `offsetdata base show`, `list`, `method`: what the chain says of bases, and what hyperparameters their methods take.

use alloy::primitives::Address;
use anyhow::Context as _;
use offsetdata_protocol::Digest;
use offsetdata_protocol::ids::BaseId;
use offsetdata_sdk::models::{self, BaseFacts, MethodFacts};
use serde_json::{Value, json};

use crate::commands::description::{described, word};
use crate::context::Settings;
use crate::{output, table};

/// Longest schema that is read, in bytes.
const MAX_SCHEMA_BYTES: usize = 256 * 1024;

pub(super) async fn list(settings: &Settings, developer: Option<Address>) -> anyhow::Result<()> {
    let chain = settings.chain().await?;
    let (mut rows, mut found) = (Vec::new(), Vec::new());
    for id in models::bases(&chain, developer).await? {
        let facts = models::base(&chain, id).await?;
        let said = described(settings, &facts.metadata).await;
        let offered = facts.methods.iter().filter(|method| method.offered && !facts.retired);
        let methods: Vec<String> =
            offered.map(|method| format!("{} at {}", method.name, method.terms.unitPrice)).collect();
        let methods = if facts.retired { "retired".to_owned() } else { methods.join(", ") };
        rows.push(vec![id.to_string(), word(said.as_ref(), "name"), methods, facts.developer.to_string()]);
        found.push(as_json(&facts, said));
    }
    output::print(settings.json, &json!({ "bases": found }), || {
        let head = ["base", "name", "methods", "developer"].map(str::to_owned).to_vec();
        table::columns(&[vec![head], rows].concat())
    });
    Ok(())
}

pub(super) async fn show(settings: &Settings, id: BaseId) -> anyhow::Result<()> {
    let facts = models::base(&settings.chain().await?, id).await?;
    let said = described(settings, &facts.metadata).await;
    output::print(settings.json, &as_json(&facts, said.clone()), || {
        let retired = if facts.retired { "  (retired: no new models and requests)" } else { "" };
        let mut text = format!(
            "base         {id}{retired}\nname         {}\ndescription  {}\ndeveloper    {}\n",
            word(said.as_ref(), "name"),
            word(said.as_ref(), "description"),
            facts.developer
        );
        for method in &facts.methods {
            let terms = &method.terms;
            let state = if method.offered { "" } else { "  (withdrawn)" };
            text += &format!(
                "method       {}{state}: {} a unit, {} % held back until settlement, scheduler {}\n",
                method.name,
                terms.unitPrice,
                f64::from(terms.holdbackBps) / 100.0,
                terms.scheduler
            );
        }
        for worker in &facts.workers {
            text += &format!("worker       {worker}\n");
        }
        text
    });
    Ok(())
}

pub(super) async fn method(settings: &Settings, id: BaseId, name: &str) -> anyhow::Result<()> {
    let facts = models::base(&settings.chain().await?, id).await?;
    let method = facts.methods.iter().find(|method| method.name == name).with_context(|| {
        let known: Vec<&str> = facts.methods.iter().map(|method| method.name.as_str()).collect();
        format!("the base has no method {name:?}; it has: {}", known.join(", "))
    })?;
    let digest = Digest(method.terms.schemaDigest.0);
    let schema = match settings.blocks()?.get_raw(digest, MAX_SCHEMA_BYTES).await {
        Ok(bytes) => serde_json::from_slice::<Value>(&bytes).ok(),
        Err(_) => None,
    };
    let mut value = method_as_json(method);
    if let Some(value) = value.as_object_mut() {
        value.insert("schema".into(), json!(schema));
    }
    output::print(settings.json, &value, || {
        let mut text = format!("{name}: {} a unit\n", method.terms.unitPrice);
        let fields = schema.as_ref().and_then(|schema| schema.get("properties")?.as_object());
        let Some(fields) = fields else {
            return text + &format!("its schema is not in the block store: block {digest}");
        };
        let said = |field: &Value, key: &str| match field.get(key) {
            None => "–".to_owned(),
            Some(Value::String(text)) => text.clone(),
            Some(value) => value.to_string(),
        };
        let head = ["hyperparameter", "default", "what it is"].map(str::to_owned).to_vec();
        let rows = fields
            .iter()
            .map(|(name, field)| vec![name.clone(), said(field, "default"), said(field, "description")]);
        text += &table::columns(&std::iter::once(head).chain(rows).collect::<Vec<_>>());
        text
    });
    Ok(())
}

fn as_json(facts: &BaseFacts, description: Option<Value>) -> Value {
    json!({
        "id": facts.id,
        "developer": facts.developer,
        "retired": facts.retired,
        "metadataDigest": facts.metadata.digest,
        "metadata": description,
        "methods": facts.methods.iter().map(method_as_json).collect::<Vec<_>>(),
        "workers": facts.workers,
    })
}

fn method_as_json(method: &MethodFacts) -> Value {
    let terms = &method.terms;
    json!({
        "id": method.id,
        "name": method.name,
        "offered": method.offered,
        "unitPrice": terms.unitPrice.to_string(),
        "maxUnitsPerSecond": terms.maxUnitsPerSecond,
        "holdbackBps": terms.holdbackBps,
        "intake": terms.intake,
        "scheduler": terms.scheduler,
        "trainerDigest": terms.trainerDigest,
        "schemaDigest": terms.schemaDigest,
    })
}
