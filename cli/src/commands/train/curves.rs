//! The metric points of a request, as the indexer tells them. They are fetched once each and then kept.

use offsetdata_protocol::ids::RequestId;
use offsetdata_sdk::{Indexer, SdkError};
use serde_json::{Value, json};

use crate::chart::{self, Series};

/// Most points that are kept of a metric: a terminal shows fewer.
const KEPT: usize = 20_000;

const POINTS: &str = "query($id: Bytes32!, $key: String!, $after: String) {
  trainingRequest(id: $id) {
    points(key: $key, first: 200, after: $after) { edges { node { step value } } pageInfo { hasNextPage endCursor } }
  }
}";

/// The points of one metric, and where the next ones begin.
#[derive(Debug, Default)]
pub(super) struct Curve {
    series: Series,
    after: Value,
}

impl Curve {
    pub(super) fn of(name: &str) -> Self {
        Self { series: Series { name: name.to_owned(), points: Vec::new() }, after: Value::Null }
    }

    /// Fetches what is new.
    pub(super) async fn update(
        &mut self,
        indexer: &Indexer,
        request: RequestId,
        key: &str,
    ) -> Result<(), SdkError> {
        while self.series.points.len() < KEPT {
            let words = json!({ "id": request, "key": key, "after": self.after });
            let data = indexer.query(POINTS, words).await?;
            let page = &data["trainingRequest"]["points"];
            for edge in page["edges"].as_array().into_iter().flatten() {
                let node = &edge["node"];
                if let (Some(step), Some(value)) = (node["step"].as_f64(), node["value"].as_f64()) {
                    #[expect(clippy::cast_possible_truncation, reason = "a drawing needs no more")]
                    self.series.points.push((step as f32, value as f32));
                }
            }
            let end = &page["pageInfo"]["endCursor"];
            if !end.is_null() {
                self.after = end.clone();
            }
            if page["pageInfo"]["hasNextPage"] != Value::Bool(true) {
                break;
            }
        }
        Ok(())
    }

    pub(super) fn series(&self) -> &Series {
        &self.series
    }

    /// The values, with the six decimal places that were measured.
    pub(super) fn values(&self) -> impl Iterator<Item = f64> {
        self.series.points.iter().map(|(_, value)| (f64::from(*value) * 1e6).round() / 1e6)
    }
}

/// Loss and accuracy of training and validation.
#[derive(Debug)]
pub(super) struct Curves {
    request: RequestId,
    /// The attempt that they are of: another one measures some points again.
    attempt: u64,
    curves: [Curve; 4],
}

const KEYS: [&str; 4] = ["train/loss", "validation/loss", "train/accuracy", "validation/accuracy"];

impl Curves {
    pub(super) fn of(request: RequestId) -> Self {
        Self { request, attempt: 0, curves: ["train", "validation", "train", "validation"].map(Curve::of) }
    }

    /// Fetches what is new; all of it where another attempt went on.
    pub(super) async fn update(&mut self, indexer: &Indexer, attempt: u64) -> Result<(), SdkError> {
        if attempt != self.attempt {
            *self = Self { attempt, ..Self::of(self.request) };
        }
        for (curve, key) in self.curves.iter_mut().zip(KEYS) {
            curve.update(indexer, self.request, key).await?;
        }
        Ok(())
    }

    /// Two pictures: loss and accuracy.
    pub(super) fn draw(&self) -> String {
        let [train_loss, validation_loss, train_accuracy, validation_accuracy] =
            self.curves.each_ref().map(|curve| curve.series().clone());
        let loss = chart::lines("loss", &[train_loss, validation_loss]);
        let accuracy = chart::lines("accuracy", &[train_accuracy, validation_accuracy]);
        loss.into_iter().chain(accuracy).collect::<Vec<_>>().join("\n")
    }
}
