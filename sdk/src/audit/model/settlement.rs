//! The settlement that made a version: signed, on chain, and about exactly this series and these inputs. The result that it
//! states is the worker's word.

use alloy::primitives::Address;
use alloy::sol_types::{SolStruct, SolValue};
use offsetdata_protocol::bindings::training::Settlement;
use offsetdata_protocol::bindings::training::TrainingCoordinator::{self, VersionAppended};
use offsetdata_protocol::metrics::MetricValue;
use offsetdata_protocol::{Root, messages};
use serde_json::{Value, json};

use super::case::Case;
use super::work::{Work, compare};
use crate::SdkError;
use crate::audit::State;

/// Metrics whose last values a settlement names, in their order.
const RESULT: [&str; 4] = ["test/loss", "test/accuracy", "validation/loss", "validation/accuracy"];

impl Case<'_> {
    /// The settlement that made a version: signed, on chain, and about exactly this series and these inputs.
    pub(super) async fn settlement(
        &mut self,
        event: Option<&VersionAppended>,
        work: &Work,
        inputs: Result<Root, String>,
    ) -> Result<(), SdkError> {
        let Some(event) = event else {
            if self.evidence.settlement.is_some() {
                self.fail("settlement", "the evidence has one, the chain has none");
            } else {
                let says = "the request appended no version";
                self.report.add("settlement", State::Stated, says, Value::Null);
            }
            return Ok(());
        };
        let Some(signed) = self.evidence.settlement.clone() else {
            self.unavailable("settlement", "neither calldata nor evidence has it");
            return Ok(());
        };
        let settlement = match Settlement::abi_decode_validate(&signed.settlement) {
            Ok(settlement) if settlement == event.settlement => settlement,
            Ok(_) => {
                self.fail("settlement", "it is not the one that landed");
                return Ok(());
            }
            Err(_) => {
                self.fail("settlement", "it is not of the form of the contract");
                return Ok(());
            }
        };
        let message = messages::Settlement {
            request: self.request.0,
            attempt: settlement.attempt,
            sequence: settlement.sequence,
            head: self.head_on_chain().await?,
            pointCount: settlement.pointCount,
            units: settlement.units,
            artifactDigest: settlement.artifactDigest,
            artifactCid: settlement.artifactCid,
            seriesRoot: settlement.seriesRoot,
            inputsRoot: settlement.inputsRoot,
            resultValues: settlement.resultValues,
        };
        let coordinator = self.chain.deployment().training_coordinator;
        let call =
            TrainingCoordinator::versionDigestOfCall { model: self.details.model, version: event.version };
        let (expected, actual) = (self.chain.call(coordinator, &call).await?, message.eip712_hash_struct());
        if expected != actual {
            let says = format!("it hashes to {actual}, version {} on chain is {expected}", event.version);
            self.fail("settlement", says);
            return Ok(());
        }
        let worker = work.assigned.get(&settlement.attempt).map_or(event.worker, |assigned| assigned.worker);
        if worker != event.worker || !self.is_signed(worker, &message, &signed.signature).await? {
            self.fail("settlement", format!("it is not signed by worker {worker}"));
            return Ok(());
        }
        let says = format!("version {} is what worker {worker} signed", event.version);
        let data = json!({
            "version": event.version,
            "worker": worker,
            "artifactDigest": settlement.artifactDigest,
            "artifactCid": settlement.artifactCid,
            "units": settlement.units.to_string(),
        });
        self.report.add("settlement", State::Proven, says, data);
        self.series(&settlement, work);
        self.check_inputs(&settlement, inputs);
        self.result(&settlement, work, worker);
        Ok(())
    }

    fn series(&mut self, settlement: &Settlement, work: &Work) {
        let Some(root) = work.root() else {
            self.unavailable("series", "without all points its root can't be computed");
            return;
        };
        let (said, points) = (Root::from(settlement.seriesRoot), settlement.pointCount as usize);
        if (said, points) == (root, work.series.len()) {
            let says = format!("the settlement's series root {root} is that of the {points} points");
            self.report.add("series", State::Proven, says, json!({ "seriesRoot": root, "points": points }));
        } else {
            let says = format!(
                "the settlement says {points} points with root {said}, they are {} with root {root}",
                work.series.len()
            );
            self.fail("series", says);
        }
    }

    fn check_inputs(&mut self, settlement: &Settlement, inputs: Result<Root, String>) {
        let said = Root::from(settlement.inputsRoot);
        match inputs {
            Ok(root) if root == said => {
                let says = format!(
                    "exactly the selected records, each in its part of the split, make the inputs root {root}"
                );
                self.report.add("inputs", State::Proven, says, json!({ "inputsRoot": root }));
            }
            Ok(root) => {
                let says = format!("selection and split give root {root}, the settlement says {said}");
                self.fail("inputs", says);
            }
            Err(why) => self.unavailable("inputs", &why),
        }
    }

    /// The result is the worker's word, and has to be the one that its points say.
    fn result(&mut self, settlement: &Settlement, work: &Work, worker: Address) {
        let [loss, accuracy, ..] = messages::unpack_values(settlement.resultValues).map(MetricValue::to_f64);
        let named = RESULT.iter().map(|key| (*key).to_owned()).collect();
        if work.whole
            && let Err(why) = compare(&RESULT, settlement.resultValues, work, &named)
        {
            self.fail("result", why);
            return;
        }
        let says = format!(
            "worker {worker} signs for loss {loss} and accuracy {accuracy} on the test part; whether the training gave \
             that is its word"
        );
        let data =
            json!({ "testLoss": loss.to_string(), "testAccuracy": accuracy.to_string(), "worker": worker });
        self.report.add("result", State::Signed, says, data);
    }
}
