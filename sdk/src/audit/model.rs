//! Audits a model's version, or a request that made none: terms, records, split, worker, commitments, points, result,
//! receipts and payments. It asks an RPC endpoint and blocks, and no service of ours; it trains nothing.

mod case;
mod data;
mod money;
mod settlement;
mod terms;
mod work;

use offsetdata_content::Blocks;
use offsetdata_protocol::ids::{ModelId, RequestId};
use offsetdata_protocol::{CollectionKey, Root};
use serde_json::{Value, json};

use super::evidence::{Gaps, appended};
use super::{Evidence, Report, State};
use crate::{Chain, SdkError};
use case::Case;

use offsetdata_protocol::bindings::training::TrainingCoordinator::VersionAppended;

/// What is asked.
#[derive(Debug, Clone, Default)]
pub struct Question {
    /// The version, from 1; without it, and without `request`, the newest.
    pub version: Option<u32>,
    /// A request of the model, also one that made no version.
    pub request: Option<RequestId>,
    /// Statements to look at instead of calldata and blocks of points.
    pub evidence: Option<Evidence>,
    /// What opens private collections. Of others only ciphertexts are looked at.
    pub keys: Vec<CollectionKey>,
    /// Leaves the records of the inputs unread.
    pub skip_scan: bool,
    /// Root of the series that a run of the same training gave.
    pub reexecuted: Option<Root>,
}

/// The request that a question is about.
///
/// # Errors
/// A model or version that there is not; an endpoint that does not answer.
pub async fn request_of(chain: &Chain, model: ModelId, question: &Question) -> Result<RequestId, SdkError> {
    let coordinator = chain.deployment().training_coordinator;
    if let Some(request) = question.request {
        return Ok(request);
    }
    let versions = chain.events::<VersionAppended>(coordinator, model.0).await?;
    let wanted = versions
        .iter()
        .map(|(event, _)| event)
        .filter(|event| question.version.is_none_or(|version| event.version == version))
        .max_by_key(|event| event.version);
    match (wanted, question.version) {
        (Some(event), _) => Ok(RequestId(event.request)),
        (None, Some(version)) => {
            Err(SdkError::Terms(format!("the model has {} versions, none is {version}", versions.len())))
        }
        (None, None) => Err(SdkError::Terms(format!(
            "model {model} has no version; name a request of it to look at that"
        ))),
    }
}

/// Audits a model. `progress` hears how many of how many chunks were read.
///
/// # Errors
/// A model, version or request that there is not; an endpoint that does not answer. What does not hold is in the report.
pub async fn audit(
    chain: &Chain,
    blocks: &Blocks,
    model: ModelId,
    question: &Question,
    mut progress: impl FnMut(u32, u32),
) -> Result<Report, SdkError> {
    let request = request_of(chain, model, question).await?;
    let mut report = Report::default();
    let (evidence, gaps) = match &question.evidence {
        Some(evidence) => (evidence.clone(), Gaps::new()),
        None => Evidence::gather_with_gaps(chain, blocks, request).await?,
    };
    let Some(mut case) = Case::open(chain, request, model, evidence, gaps, &mut report).await? else {
        return Ok(report);
    };
    case.parameters();
    case.lineage().await?;
    let version = appended(chain, request).await?.into_iter().map(|(event, _)| event).last();
    let work = case.work().await?;
    let inputs_root = case.inputs_root();
    case.settlement(version.as_ref(), &work, inputs_root).await?;
    case.reexecution(question.reexecuted, &work);
    case.receipts(&work).await?;
    case.payments(&work, version.is_some()).await?;
    case.collections(blocks, question, &mut progress).await?;
    Ok(report)
}

impl Case<'_> {
    /// What a run of the same training gave, if somebody made one.
    fn reexecution(&mut self, root: Option<Root>, work: &work::Work) {
        let Some(root) = root else { return };
        match work.root() {
            Some(committed) if committed == root => {
                let says =
                    format!("the training was run again and gave the same {} points", work.series.len());
                self.report.add("re-execution", State::Reexecuted, says, json!({ "seriesRoot": root }));
            }
            Some(committed) => {
                let says = format!("run again the series has root {root}, committed was {committed}");
                let data = json!({ "seriesRoot": root, "committed": committed });
                self.report.add("re-execution", State::Failed, says, data);
            }
            None => {
                let says = "UNAVAILABLE: without all points there is nothing to compare with";
                self.report.add("re-execution", State::Unavailable, says, Value::Null);
            }
        }
    }
}
