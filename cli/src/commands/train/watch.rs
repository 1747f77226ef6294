//! `offsetdata train watch`: what lands on chain, as the indexer tells it, until the request ends. Loss and accuracy are
//! drawn at the end, for people.

use std::time::Duration;

use anyhow::{Context as _, bail};
use offsetdata_protocol::ids::RequestId;
use offsetdata_sdk::{Indexer, SdkError};
use serde_json::{Value, json};

use crate::context::Settings;
use crate::{chart, output};

const EVERY: Duration = Duration::from_millis(500);
/// So long a request may be unknown to the indexer before that is an error.
const KNOWN_WITHIN: Duration = Duration::from_secs(30);
/// Most points that are drawn of a metric.
const DRAWN: usize = 4000;

const PROGRESS: &str = "query($id: Bytes32!, $after: String) {
  trainingRequest(id: $id) {
    status attempt units unitLimit sequence pointCount worker
    commitments(first: 100, after: $after) {
      edges { cursor node {
        sequence attempt units pointCount landedIn { number }
        lastValues { trainLoss trainAccuracy validationLoss validationAccuracy }
      } }
    }
    closing { status units developerPaid relayPaid refunded }
    versions { version pointCount seriesRoot inputsRoot artifactDigest results { testLoss testAccuracy validationAccuracy } }
  }
}";

const POINTS: &str = "query($id: Bytes32!, $key: String!, $after: String) {
  trainingRequest(id: $id) {
    points(key: $key, first: 200, after: $after) { edges { node { step value } } pageInfo { hasNextPage endCursor } }
  }
}";

#[derive(Debug, clap::Args)]
pub(crate) struct Watch {
    /// The request
    request: RequestId,
}

impl Watch {
    pub(super) fn of(request: RequestId) -> Self {
        Self { request }
    }

    pub(crate) async fn run(self, settings: Settings) -> anyhow::Result<()> {
        let indexer = settings.indexer()?;
        let mut after = Value::Null;
        let (mut unknown, mut silent) = (Duration::ZERO, Duration::ZERO);
        let mut said = String::new();
        loop {
            let state = match ask(&indexer, self.request, &after).await {
                // Watching outlives a restart of the indexer.
                Err(error) if is_unreachable(&error) && silent < KNOWN_WITHIN => {
                    if silent.is_zero() {
                        tracing::warn!(%error, "asking again");
                    }
                    silent += EVERY;
                    tokio::time::sleep(EVERY).await;
                    continue;
                }
                asked => asked.context("watching needs the indexer; --indexer names it")?,
            };
            silent = Duration::ZERO;
            let Some(state) = state else {
                if unknown >= KNOWN_WITHIN {
                    bail!("the indexer does not know request {}; is it on this chain?", self.request);
                }
                unknown += EVERY;
                tokio::time::sleep(EVERY).await;
                continue;
            };
            let landed =
                state.pointer("/commitments/edges").and_then(Value::as_array).cloned().unwrap_or_default();
            for edge in &landed {
                after = edge["cursor"].clone();
                print_commitment(settings.json, &edge["node"]);
            }
            let status = word(&state["status"]);
            if status != said && !settings.json {
                println!("{}", status.to_lowercase());
            }
            said = status;
            // A page that was full may have a next one, before the end is told.
            if !state["closing"].is_null() && landed.len() < 100 {
                return end(&settings, &indexer, self.request, &state).await;
            }
            tokio::time::sleep(EVERY).await;
        }
    }
}

/// Shows a training as it stands.
pub(super) async fn show(settings: &Settings, request: RequestId) -> anyhow::Result<()> {
    let state = ask(&settings.indexer()?, request, &Value::Null).await?;
    let state = state.with_context(|| format!("the indexer does not know request {request}"))?;
    output::print(settings.json, &state, || {
        format!(
            "request  {request}\nstatus   {}\nunits    {} of {}\nlanded   {} commitments, {} points, attempt {}",
            word(&state["status"]).to_lowercase(),
            state["units"],
            state["unitLimit"],
            state["sequence"],
            state["pointCount"],
            state["attempt"],
        )
    });
    Ok(())
}

async fn ask(indexer: &Indexer, request: RequestId, after: &Value) -> Result<Option<Value>, SdkError> {
    let mut data = indexer.query(PROGRESS, json!({ "id": request, "after": after })).await?;
    Ok(Some(data["trainingRequest"].take()).filter(|state| !state.is_null()))
}

fn is_unreachable(error: &SdkError) -> bool {
    matches!(error, SdkError::Indexer { reason, .. } if reason.contains("error sending request"))
}

fn print_commitment(json: bool, node: &Value) {
    let last = &node["lastValues"];
    let value = json!({
        "event": "commitment",
        "sequence": node["sequence"],
        "attempt": node["attempt"],
        "block": node.pointer("/landedIn/number"),
        "units": node["units"],
        "points": node["pointCount"],
        "last": last,
    });
    output::print(json, &value, || {
        let number =
            |key: &str| last[key].as_f64().map_or_else(|| "     –".to_owned(), |v| format!("{v:.4}"));
        format!(
            "commitment {:>3}  units {:>8}  train loss {} accuracy {}  validation loss {} accuracy {}",
            node["sequence"],
            node["units"],
            number("trainLoss"),
            number("trainAccuracy"),
            number("validationLoss"),
            number("validationAccuracy"),
        )
    });
}

async fn end(
    settings: &Settings,
    indexer: &Indexer,
    request: RequestId,
    state: &Value,
) -> anyhow::Result<()> {
    let closing = &state["closing"];
    let version = state.pointer("/versions/0").cloned().unwrap_or(Value::Null);
    let value = json!({
        "event": "closed",
        "request": request,
        "status": closing["status"],
        "commitments": state["sequence"],
        "points": version["pointCount"],
        "units": closing["units"],
        "accuracy": version.pointer("/results/testAccuracy"),
        "loss": version.pointer("/results/testLoss"),
        "version": version["version"],
        "seriesRoot": version["seriesRoot"],
        "inputsRoot": version["inputsRoot"],
        "developerPaid": closing["developerPaid"],
        "relayPaid": closing["relayPaid"],
        "refunded": closing["refunded"],
    });
    if settings.json {
        println!("{value}");
        return Ok(());
    }
    for (key, title) in
        [("train/loss", "loss over training steps"), ("validation/accuracy", "validation accuracy")]
    {
        if let Some(drawn) = chart::line(title, &points(indexer, request, key).await?) {
            println!("\n{drawn}");
        }
    }
    let mut text = format!("{} units, {} commitments", closing["units"], state["sequence"]);
    if let Some(accuracy) = value["accuracy"].as_f64() {
        text += &format!(", accuracy on held-out records {:.2} %", accuracy * 100.0);
    }
    println!("{text}");
    println!(
        "developer {}, relayers {}, returned {}",
        word(&closing["developerPaid"]),
        word(&closing["relayPaid"]),
        word(&closing["refunded"])
    );
    Ok(())
}

/// The points of one metric, page by page.
async fn points(indexer: &Indexer, request: RequestId, key: &str) -> anyhow::Result<Vec<(f32, f32)>> {
    let mut found = Vec::new();
    let mut after = Value::Null;
    while found.len() < DRAWN {
        let data = indexer.query(POINTS, json!({ "id": request, "key": key, "after": after })).await?;
        let page = &data["trainingRequest"]["points"];
        for edge in page["edges"].as_array().into_iter().flatten() {
            let node = &edge["node"];
            if let (Some(step), Some(value)) = (node["step"].as_f64(), node["value"].as_f64()) {
                #[expect(clippy::cast_possible_truncation, reason = "a drawing needs no more")]
                found.push((step as f32, value as f32));
            }
        }
        if page["pageInfo"]["hasNextPage"] != Value::Bool(true) {
            break;
        }
        after = page["pageInfo"]["endCursor"].clone();
    }
    Ok(found)
}

fn word(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned)
}
