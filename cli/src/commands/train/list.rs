//! `offsetdata train list`: requests by user, model and state, the newest first.

use alloy::primitives::Address;
use anyhow::Context as _;
use offsetdata_protocol::ids::ModelId;
use serde_json::{Value, json};

use crate::context::Settings;
use crate::{output, table};

const LIST: &str = "query($model: Bytes32, $user: Address, $after: String) {
  trainingRequests(model: $model, user: $user, first: 50, after: $after) {
    edges { node {
      id status modelId user parent units unitLimit sequence
      requestedIn { timestamp }
      versions { version results { testAccuracy } }
    } }
    pageInfo { hasNextPage endCursor }
  }
}";

#[derive(Debug, clap::Args)]
pub(crate) struct List {
    /// Those that this account pays for
    #[arg(long)]
    user: Option<Address>,
    /// Those of this model
    #[arg(long)]
    model: Option<ModelId>,
    /// Those that stand here
    #[arg(long, value_enum)]
    state: Option<State>,
    /// No more than this
    #[arg(long, default_value_t = 50)]
    limit: usize,
}

/// Where a request stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum State {
    /// Work is done, or waits to be
    Open,
    /// The user asked to stop
    Cancelling,
    /// There is a version
    Settled,
    /// Stopped by the user
    Cancelled,
    /// It could not succeed
    Failed,
    /// Its time passed
    Expired,
}

impl List {
    pub(super) async fn run(self, settings: Settings) -> anyhow::Result<()> {
        let indexer = settings.indexer()?;
        let wanted = self.state.map(|state| format!("{state:?}").to_uppercase());
        let (mut found, mut after) = (Vec::new(), Value::Null);
        while found.len() < self.limit {
            let words = json!({ "model": self.model, "user": self.user, "after": after });
            let data = indexer.query(LIST, words).await;
            let data = data.context("listing needs the indexer; --indexer names it")?;
            let page = &data["trainingRequests"];
            let nodes = page["edges"].as_array().into_iter().flatten().map(|edge| edge["node"].clone());
            found.extend(nodes.filter(|node| wanted.as_deref().is_none_or(|state| node["status"] == state)));
            if page["pageInfo"]["hasNextPage"] != Value::Bool(true) {
                break;
            }
            after = page["pageInfo"]["endCursor"].clone();
        }
        found.truncate(self.limit);
        output::print(settings.json, &json!({ "requests": found }), || {
            let head = ["request", "state", "units", "of", "accuracy", "model"].map(str::to_owned).to_vec();
            let rows = found.iter().map(|node| {
                let word = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                let accuracy = node.pointer("/versions/0/results/testAccuracy").and_then(Value::as_f64);
                vec![
                    word(&node["id"]),
                    word(&node["status"]).to_lowercase(),
                    word(&node["units"]),
                    word(&node["unitLimit"]),
                    accuracy.map_or_else(|| "–".to_owned(), |accuracy| format!("{accuracy:.4}")),
                    word(&node["modelId"]),
                ]
            });
            table::columns(&std::iter::once(head).chain(rows).collect::<Vec<_>>())
        });
        Ok(())
    }
}
