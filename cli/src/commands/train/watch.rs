//! `offsetdata train watch`: what lands on chain, as the indexer tells it, until the request ends. On a terminal loss and
//! accuracy are drawn while it goes on.

use std::io::{IsTerminal, Write};
use std::time::Duration;

use anyhow::{Context as _, bail};
use offsetdata_protocol::ids::RequestId;
use offsetdata_sdk::{Indexer, SdkError};
use serde_json::{Value, json};

use super::curves::Curves;
use crate::context::Settings;
use crate::output;

const EVERY: Duration = Duration::from_millis(500);
/// So long a request may be unknown to the indexer before that is an error.
const KNOWN_WITHIN: Duration = Duration::from_secs(30);
/// So long the indexer may be silent.
const SILENT_FOR: Duration = Duration::from_secs(600);

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
        let mut picture = Picture::of(self.request, !settings.json && std::io::stdout().is_terminal());
        let mut after = Value::Null;
        let (mut unknown, mut silent) = (Duration::ZERO, Duration::ZERO);
        let mut said = String::new();
        loop {
            let state = match ask(&indexer, self.request, &after).await {
                // Watching outlives a lost connection and a restart of the indexer.
                Err(error) if is_unreachable(&error) && silent < SILENT_FOR => {
                    if silent.is_zero() {
                        tracing::warn!(%error, "asking again for up to {} s", SILENT_FOR.as_secs());
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
            let status = word(&state["status"]);
            if !landed.is_empty() || status != said {
                picture.take_away();
            }
            for edge in &landed {
                after = edge["cursor"].clone();
                print_commitment(settings.json, &edge["node"]);
            }
            if status != said && !settings.json {
                println!("{}", status.to_lowercase());
            }
            said = status;
            let ended = !state["closing"].is_null();
            if !landed.is_empty() || ended {
                picture.show(&indexer, state["attempt"].as_u64().unwrap_or(0)).await;
            }
            // A page that was full may have a next one, before the end is told.
            if ended && landed.len() < 100 {
                end(&settings, self.request, &state);
                return Ok(());
            }
            tokio::time::sleep(EVERY).await;
        }
    }
}

/// The curves below what was printed, drawn again when there is more.
struct Picture {
    curves: Curves,
    live: bool,
    /// Lines that stand on the terminal.
    height: usize,
}

impl Picture {
    fn of(request: RequestId, live: bool) -> Self {
        Self { curves: Curves::of(request), live, height: 0 }
    }

    /// Takes the picture away, so that lines go on where it began.
    fn take_away(&mut self) {
        if self.height > 0 {
            // Cursor up, erase to the end (ECMA-48).
            print!("\x1b[{}A\x1b[J", self.height);
            self.height = 0;
        }
    }

    /// Draws what is known now. A picture that can't be drawn keeps nobody from watching.
    async fn show(&mut self, indexer: &Indexer, attempt: u64) {
        if !self.live {
            return;
        }
        if let Err(error) = self.curves.update(indexer, attempt).await {
            tracing::debug!(%error, "asking for points");
        }
        self.take_away();
        let drawn = self.curves.draw();
        let drawn = drawn.trim_end();
        if !drawn.is_empty() {
            println!("{drawn}");
            self.height = drawn.lines().count();
        }
        let _ = std::io::stdout().flush();
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
    let lost = |reason: &str| reason.contains("error sending request") || reason.contains("without JSON");
    matches!(error, SdkError::Indexer { reason, .. } if lost(reason))
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

fn end(settings: &Settings, request: RequestId, state: &Value) {
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
        return;
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
}

fn word(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned)
}
