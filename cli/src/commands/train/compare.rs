//! `offsetdata train compare`: several trainings side by side: parameters that differ, metrics, money, and one metric of
//! all of them in one picture.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Context as _;
use offsetdata_protocol::ids::RequestId;
use offsetdata_sdk::training::{self, Outcome};
use offsetdata_sdk::{Indexer, models};
use serde_json::{Value, json};

use super::curves::Curve;
use super::result::results;
use super::retrain::hyperparameters_of;
use crate::context::Settings;
use crate::{chart, output, table};

#[derive(Debug, clap::Args)]
pub(crate) struct Compare {
    /// The requests
    #[arg(required = true, num_args = 2..=12)]
    requests: Vec<RequestId>,
    /// The metric that is drawn
    #[arg(long, default_value = "validation/accuracy")]
    metric: String,
}

/// What is compared of one request.
struct Column {
    outcome: Outcome,
    parameters: BTreeMap<String, String>,
    /// The last and best values of metrics.
    metrics: BTreeMap<&'static str, f64>,
    curve: Curve,
}

impl Compare {
    pub(super) async fn run(self, settings: Settings) -> anyhow::Result<()> {
        let (chain, indexer) = (settings.chain().await?, settings.indexer()?);
        let mut columns = Vec::with_capacity(self.requests.len());
        for request in &self.requests {
            let outcome = training::outcome(&chain, *request).await?;
            let parameters = parameters(&settings, &outcome).await;
            let mut metrics: BTreeMap<&'static str, f64> =
                outcome.version.iter().flat_map(|version| results(&version.settlement)).collect();
            best(&indexer, *request, &mut metrics).await.context("metrics come from the indexer")?;
            let mut curve = Curve::of(short(*request).as_str());
            curve.update(&indexer, *request, &self.metric).await?;
            columns.push(Column { outcome, parameters, metrics, curve });
        }
        let value = json!({
            "requests": columns.iter().map(as_json).collect::<Vec<_>>(),
            "differing": differing(&columns),
        });
        output::print(settings.json, &value, || self.say(&columns));
        Ok(())
    }

    fn say(&self, columns: &[Column]) -> String {
        let mut rows = vec![row("request", columns, |column| short(column.outcome.facts.id))];
        rows.push(row("parent", columns, |column| column.outcome.facts.parent().map_or_else(dash, short)));
        rows.push(row("state", columns, |column| column.outcome.facts.status.word().to_lowercase()));
        for name in differing(columns) {
            let value = |column: &Column| column.parameters.get(&name).cloned().unwrap_or_else(dash);
            rows.push(row(&name, columns, value));
        }
        let names: BTreeSet<&str> =
            columns.iter().flat_map(|column| column.metrics.keys().copied()).collect();
        for name in names {
            let value =
                |column: &Column| column.metrics.get(name).map_or_else(dash, |value| format!("{value:.4}"));
            rows.push(row(name, columns, value));
        }
        rows.push(row("units", columns, |column| column.outcome.facts.state.units.to_string()));
        rows.push(row("escrow", columns, |column| column.outcome.facts.escrowed().to_string()));
        rows.push(row("developer", columns, |column| column.outcome.developer_paid.to_string()));
        rows.push(row("data", columns, |column| column.outcome.data_paid().to_string()));
        rows.push(row("relayers", columns, |column| column.outcome.relay_paid.to_string()));
        rows.push(row("returned", columns, |column| {
            (column.outcome.refunded + column.outcome.data_returned).to_string()
        }));
        let series: Vec<_> = columns.iter().map(|column| column.curve.series().clone()).collect();
        let drawn = chart::lines(&self.metric, &series).unwrap_or_default();
        format!("{}\n{drawn}", table::columns(&rows))
    }
}

fn row(name: &str, columns: &[Column], value: impl Fn(&Column) -> String) -> Vec<String> {
    std::iter::once(name.to_owned()).chain(columns.iter().map(value)).collect()
}

fn dash() -> String {
    "–".to_owned()
}

/// The beginning of an id: enough to tell a few apart.
fn short(request: RequestId) -> String {
    request.to_string().chars().take(10).collect()
}

/// Everything that was chosen: hyperparameters, and what else of the terms is a choice.
async fn parameters(settings: &Settings, outcome: &Outcome) -> BTreeMap<String, String> {
    let terms = &outcome.facts.terms;
    let details = &terms.details;
    let mut all: BTreeMap<String, String> =
        match hyperparameters_of(settings, details.hyperparametersDigest).await {
            Ok(values) => values.into_iter().map(|(name, value)| (name, value.to_string())).collect(),
            Err(_) => BTreeMap::from([("hyperparameters".into(), details.hyperparametersDigest.to_string())]),
        };
    all.insert("(model)".into(), details.model.to_string());
    all.insert("(method)".into(), details.method.to_string());
    all.insert("(seed)".into(), details.seed.to_string());
    all.insert("(split seed)".into(), details.splitSeed.to_string());
    all.insert("(validation)".into(), format!("{} %", f64::from(details.validationBps) / 100.0));
    all.insert("(test)".into(), format!("{} %", f64::from(details.testBps) / 100.0));
    let inputs = terms.inputs.iter().map(|input| {
        format!("{} {}..{}", input.collection, input.first, u64::from(input.first) + u64::from(input.count))
    });
    all.insert("(inputs)".into(), inputs.collect::<Vec<_>>().join(", "));
    all
}

/// Names of parameters that are not the same everywhere.
fn differing(columns: &[Column]) -> Vec<String> {
    let names: BTreeSet<&String> = columns.iter().flat_map(|column| column.parameters.keys()).collect();
    let differs = |name: &&&String| {
        let values: BTreeSet<_> = columns.iter().map(|column| column.parameters.get(**name)).collect();
        values.len() > 1
    };
    names.iter().filter(differs).map(|name| (*name).clone()).collect()
}

/// The best of what was measured while it trained.
async fn best(
    indexer: &Indexer,
    request: RequestId,
    metrics: &mut BTreeMap<&'static str, f64>,
) -> anyhow::Result<()> {
    type Wanted = (&'static str, &'static str, &'static str, fn(f64, f64) -> f64);
    let wanted: [Wanted; 2] = [
        ("validation/loss", "validation loss", "best validation loss", f64::min),
        ("validation/accuracy", "validation accuracy", "best validation accuracy", f64::max),
    ];
    for (key, last, name, better) in wanted {
        let mut curve = Curve::of(key);
        curve.update(indexer, request, key).await?;
        // The last one stands on chain before its block of points is fetched.
        let values = curve.values().chain(metrics.get(last).copied());
        if let Some(value) = values.reduce(better) {
            metrics.insert(name, value);
        }
    }
    Ok(())
}

fn as_json(column: &Column) -> Value {
    let Outcome { facts, developer_paid, relay_paid, refunded, data_returned, .. } = &column.outcome;
    json!({
        "request": facts.id,
        "parent": facts.parent(),
        "status": facts.status.word(),
        "version": column.outcome.version.as_ref().map(|version: &models::VersionFacts| version.version),
        "parameters": column.parameters,
        "metrics": column.metrics,
        "units": facts.state.units.to::<u64>(),
        "escrow": facts.escrowed().to_string(),
        "developerPaid": developer_paid.to_string(),
        "relayPaid": relay_paid.to_string(),
        "dataPaid": column.outcome.data_paid().to_string(),
        "refunded": (*refunded + *data_returned).to_string(),
    })
}
