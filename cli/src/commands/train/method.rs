//! A method of a model's base: which hyperparameters it takes, and what it costs. What it takes is checked here, before
//! anything is paid.

use anyhow::{Context as _, bail, ensure};
use offsetdata_protocol::Digest;
use offsetdata_protocol::ids::{MethodId, ModelId};
use offsetdata_sdk::Chain;
use offsetdata_sdk::models::{self, MethodFacts};
use offsetdata_worker::trainers::BuiltIn;
use serde_json::Value;

use crate::context::Settings;

/// Longest schema that is read, in bytes.
const MAX_SCHEMA_BYTES: usize = 256 * 1024;

/// A method that is offered, with its schema.
#[derive(Debug)]
pub(super) struct Method {
    facts: MethodFacts,
    schema: Value,
    /// The trainer, where this program has the very same one: it knows how many units a run takes.
    trainer: Option<BuiltIn>,
}

impl Method {
    /// The method of the model's base: by id and the name that people gave, or the only one.
    pub(super) async fn find(
        settings: &Settings,
        chain: &Chain,
        model: ModelId,
        wanted: Option<(MethodId, &str)>,
    ) -> anyhow::Result<Self> {
        let base = models::model(chain, model).await?.base;
        let mut offered = models::base(chain, base).await?.methods;
        offered.retain(|method| method.offered);
        let names: Vec<&str> = offered.iter().map(|method| method.name.as_str()).collect();
        let names = names.join(", ");
        let facts = match (wanted, offered.as_slice()) {
            (_, []) => bail!("base {base} offers no method now"),
            (None, [only]) => only.clone(),
            (None, _) => bail!("base {base} offers several methods, choose one with --method: {names}"),
            (Some((id, name)), _) => match offered.iter().find(|one| one.id == id) {
                Some(facts) => facts.clone(),
                None => bail!("base {base} does not offer the method {name}; it offers: {names}"),
            },
        };
        let trainer = BuiltIn::ALL.into_iter().find(|trainer| trainer.digest() == facts.terms.trainerDigest);
        let digest = Digest(facts.terms.schemaDigest.0);
        let bytes = match trainer.filter(|trainer| trainer.schema_digest() == facts.terms.schemaDigest) {
            Some(trainer) => trainer.schema().as_bytes().to_vec(),
            None => settings.blocks()?.get_raw(digest, MAX_SCHEMA_BYTES).await.with_context(|| {
                format!("the schema of {} (block {digest}) says what it takes", facts.name)
            })?,
        };
        let schema = serde_json::from_slice(&bytes).context("the method's schema")?;
        Ok(Self { facts, schema, trainer })
    }

    /// Its id.
    pub(super) fn id(&self) -> MethodId {
        self.facts.id
    }

    /// Its name.
    pub(super) fn name(&self) -> &str {
        &self.facts.name
    }

    /// Holds hyperparameters against the schema.
    pub(super) fn check(&self, hyperparameters: &Value) -> anyhow::Result<()> {
        let validator = jsonschema::draft202012::new(&self.schema).context("the method's schema")?;
        let wrong: Vec<String> = validator
            .iter_errors(hyperparameters)
            .map(|error| match error.instance_path().to_string().trim_start_matches('/') {
                "" => error.to_string(),
                at => format!("{at}: {error}"),
            })
            .collect();
        ensure!(
            wrong.is_empty(),
            "{} does not take these hyperparameters: {}; `offsetdata base method BASE {}` lists what it takes",
            self.facts.name,
            wrong.join("; "),
            self.facts.name
        );
        Ok(())
    }

    /// Units that a run takes, where this program knows.
    pub(super) fn estimate(&self, train_records: u64, hyperparameters: &Value) -> anyhow::Result<u64> {
        let Some(trainer) = self.trainer else {
            bail!("this program can't tell how many units {} takes: say --unit-limit", self.facts.name);
        };
        Ok(trainer.estimate_units(train_records, hyperparameters)?)
    }
}
