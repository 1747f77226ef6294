//! What a request was for: hyperparameters, the model it belongs to, the request that it retrains.

use offsetdata_protocol::Digest;
use offsetdata_protocol::bindings::models::ModelRegistry::ModelRequested;
use offsetdata_protocol::bindings::training::TrainingCoordinator::TrainingRequested;
use offsetdata_protocol::ids::{RequestId, details_hash};
use serde_json::{Value, json};

use super::case::Case;
use crate::SdkError;
use crate::audit::State;
use crate::audit::blocks::judge;

impl Case<'_> {
    /// The hyperparameters are those whose digest stands in the terms.
    pub(super) fn parameters(&mut self) {
        let expected = Digest::from(self.details.hyperparametersDigest);
        match (&self.evidence.hyperparameters, self.gaps.get("parameters")) {
            (Some(text), _) => {
                let actual = Digest::of(text.as_bytes());
                if actual == expected {
                    let read = serde_json::from_str::<Value>(text).unwrap_or(Value::Null);
                    let says = format!("{text}, by their digest in the terms");
                    self.report.add("parameters", State::Proven, says, read);
                } else {
                    self.fail("parameters", format!("have digest {actual}, the terms have {expected}"));
                }
            }
            (None, Some(error)) => {
                let (state, says, data) = judge(error, "parameters");
                self.report.add("parameters", state, says, data);
            }
            (None, None) => self.unavailable("parameters", "the evidence does not have them"),
        }
    }

    /// The model, and the request that this one retrains.
    pub(super) async fn lineage(&mut self) -> Result<(), SdkError> {
        let deployment = self.chain.deployment().clone();
        let events =
            self.chain.events::<ModelRequested>(deployment.model_registry, self.details.model).await?;
        match events.first() {
            Some((event, _)) => {
                let says = format!(
                    "model {} of base {} was requested by {}; the registry quoted its developer {} to the request",
                    event.model, event.base, event.owner, self.escrow.developer
                );
                let data = json!({
                    "model": event.model,
                    "base": event.base,
                    "project": event.project,
                    "owner": event.owner,
                    "developer": self.escrow.developer,
                });
                self.report.add("model", State::Proven, says, data);
            }
            None => self.fail("model", "the registry has no event that made this model"),
        }
        let parent = RequestId(self.details.parent);
        if parent.0.is_zero() {
            return Ok(());
        }
        let coordinator = deployment.training_coordinator;
        let events = self.chain.events::<TrainingRequested>(coordinator, parent.0).await?;
        let made = events.first().map(|(event, _)| {
            let hash = details_hash(&event.details);
            RequestId::of_terms(deployment.chain_id, coordinator, &event.escrow, hash)
        });
        if made == Some(parent) {
            let model = events.first().map(|(event, _)| event.details.model);
            let says = format!("it retrains request {parent}, which was made before it");
            self.report.add("parent", State::Proven, says, json!({ "parent": parent, "model": model }));
        } else {
            self.fail("parent", format!("the request {parent} that it names does not stand on chain"));
        }
        Ok(())
    }
}
