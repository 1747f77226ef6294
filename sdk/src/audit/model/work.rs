//! What the worker did: assignments, the chain of commitments up to the head on chain, and points block by block. Every
//! statement is its signer's; that the training gave these numbers is the worker's word.

use std::collections::{BTreeMap, BTreeSet};

use alloy::primitives::{B256, Bytes};
use alloy::sol_types::{SolStruct, SolValue};
use offsetdata_protocol::bindings::training::TrainingCoordinator::{AttemptAssigned, CommitmentLanded};
use offsetdata_protocol::bindings::training::{Assignment, Commitment};
use offsetdata_protocol::metrics::{MetricPoint, MetricValue, PointsBlock, series_root};
use offsetdata_protocol::{Digest, Root, messages};
use serde_json::{Value, json};

use super::case::Case;
use crate::SdkError;
use crate::audit::State;
use crate::audit::blocks::judge;

/// Metrics whose last values a commitment names, in their order.
const LAST: [&str; 4] = ["train/loss", "train/accuracy", "validation/loss", "validation/accuracy"];

/// What the signed work is.
#[derive(Debug, Default)]
pub(super) struct Work {
    /// Assignments that landed, by attempt.
    pub(super) assigned: BTreeMap<u8, Assignment>,
    /// Landed commitments.
    pub(super) sequence: u32,
    /// Head after the last one that could be looked at.
    head: B256,
    /// Whether all commitments hold up to the head on chain.
    proven: bool,
    /// Points of the series.
    pub(super) series: Vec<MetricPoint>,
    /// Whether all of them were there.
    pub(super) whole: bool,
}

impl Work {
    /// Root of the series, where all of it is there.
    pub(super) fn root(&self) -> Option<Root> {
        self.whole.then(|| series_root(&self.series).ok()).flatten()
    }

    fn last(&self, key: &str) -> Option<MetricValue> {
        self.series.iter().rev().find(|point| point.key.as_str() == key).map(|point| point.value)
    }
}

impl Case<'_> {
    /// Assignments, commitments and points.
    pub(super) async fn work(&mut self) -> Result<Work, SdkError> {
        let coordinator = self.chain.deployment().training_coordinator;
        let mut work = Work { whole: true, proven: true, ..Work::default() };
        for (event, _) in self.chain.events::<AttemptAssigned>(coordinator, self.request.0).await? {
            self.check_assignment(&event, &mut work).await?;
        }
        let landed = self.chain.events::<CommitmentLanded>(coordinator, self.request.0).await?;
        let (mut attempt, mut named) = (0, BTreeSet::new());
        for (event, log) in &landed {
            let Some(commitment) = self.check_commitment(event, &mut work).await? else {
                (work.proven, work.whole) = (false, false);
                break;
            };
            if commitment.attempt != attempt {
                attempt = commitment.attempt;
                let resume = work.assigned.get(&attempt).map_or(0, |assigned| assigned.resumePoint);
                work.series.truncate(resume as usize);
                named.clear();
            }
            self.check_points(&commitment, &mut work, &mut named);
            tracing::trace!(sequence = event.sequence, block = ?log.block_number, "looked at");
        }
        let count = u32::try_from(landed.len()).unwrap_or(u32::MAX);
        if count != self.state.sequence {
            let says = format!("{count} landed by the events, {} by the state", self.state.sequence);
            self.fail("commitments", says);
            work.proven = false;
        } else if work.proven && count > 0 {
            let head = self.head_on_chain().await?;
            if head == work.head {
                let says = format!(
                    "{count} commitments, each signed by the worker of its attempt, lead to the head {head} on chain"
                );
                let data = json!({ "commitments": count, "head": head, "attempts": work.assigned.len() });
                self.report.add("commitments", State::Proven, says, data);
            } else {
                let says = format!("they lead to head {}, on chain it is {head}", work.head);
                self.fail("commitments", says);
                work.proven = false;
            }
        }
        if work.whole && count > 0 {
            let root = work.root();
            let says =
                format!("{} points without a gap, each under a commitment on chain", work.series.len());
            let data = json!({ "points": work.series.len(), "seriesRoot": root });
            self.report.add("points", State::Proven, says, data);
        }
        Ok(work)
    }

    async fn check_assignment(&mut self, event: &AttemptAssigned, work: &mut Work) -> Result<(), SdkError> {
        let about = format!("assignment {}", event.attempt);
        let mut found = None;
        for signed in self.evidence.assignments.clone() {
            let attempt = Assignment::abi_decode(&signed.assignment).map(|assignment| assignment.attempt);
            if attempt.is_ok_and(|attempt| attempt == event.attempt) {
                found = Some(self.assignment(&signed).await?);
            }
        }
        match found {
            None => {
                self.unavailable(&about, "neither calldata nor evidence has it");
                // The event still says who the contract took for the worker.
                work.assigned.insert(event.attempt, of_event(event));
            }
            Some(Ok(assignment)) if assignment == of_event(event) => {
                let says = format!(
                    "the scheduler {} assigned worker {}, to go on from point {}",
                    self.escrow.scheduler, assignment.worker, assignment.resumePoint
                );
                let data = json!({ "worker": assignment.worker, "resumePoint": assignment.resumePoint });
                self.report.add(about, State::Proven, says, data);
                work.assigned.insert(event.attempt, assignment);
            }
            Some(other) => {
                let why = match other {
                    Ok(_) => "is not the one that landed".to_owned(),
                    Err(why) => why,
                };
                self.fail(&about, format!("the assignment {why}"));
                work.assigned.insert(event.attempt, of_event(event));
            }
        }
        Ok(())
    }

    /// The commitment of an event, signed; `None` where it is missing or does not hold, and nothing after it can be said.
    async fn check_commitment(
        &mut self,
        event: &CommitmentLanded,
        work: &mut Work,
    ) -> Result<Option<Commitment>, SdkError> {
        let about = format!("commitment {}", event.sequence);
        let position = event.sequence.checked_sub(1).map(|position| position as usize);
        let Some(signed) = position.and_then(|position| self.evidence.commitments.get(position)).cloned()
        else {
            self.unavailable(&about, "neither calldata nor evidence has it; nothing after it can be said");
            return Ok(None);
        };
        let Ok(commitment) = Commitment::abi_decode_validate(&signed.commitment) else {
            self.fail(&about, "it is not of the form of the contract");
            return Ok(None);
        };
        let landed = (event.sequence, event.pointCount, event.units, event.pointsDigest, event.lastValues);
        let said = (
            commitment.sequence,
            commitment.pointCount,
            commitment.units,
            commitment.pointsDigest,
            commitment.lastValues,
        );
        if landed != said {
            self.fail(&about, "it is not the one that landed");
            return Ok(None);
        }
        let message = messages::Commitment {
            request: self.request.0,
            attempt: commitment.attempt,
            sequence: commitment.sequence,
            previousHead: work.head,
            pointsDigest: commitment.pointsDigest,
            pointCount: commitment.pointCount,
            units: commitment.units,
            lastValues: commitment.lastValues,
        };
        let Some(worker) = work.assigned.get(&commitment.attempt).map(|assigned| assigned.worker) else {
            self.fail(&about, format!("no assignment of attempt {} landed", commitment.attempt));
            return Ok(None);
        };
        if !self.is_signed(worker, &message, &signed.signature).await? {
            self.fail(&about, format!("it is not signed by worker {worker}"));
            return Ok(None);
        }
        work.head = message.eip712_hash_struct();
        work.sequence = commitment.sequence;
        Ok(Some(commitment))
    }

    /// The points of a commitment follow those before them, and its last values are theirs.
    fn check_points(&mut self, commitment: &Commitment, work: &mut Work, named: &mut BTreeSet<String>) {
        if !work.whole {
            return;
        }
        let about = format!("points {}", commitment.sequence);
        let position = (commitment.sequence - 1) as usize;
        let block: Option<Bytes> = self.evidence.commitments.get(position).and_then(|c| c.points.clone());
        let Some(block) = block else {
            work.whole = false;
            let (state, says, data) = match self.gaps.get(&about) {
                Some(error) => judge(error, &format!("points of commitment {}", commitment.sequence)),
                None => {
                    (State::Unavailable, "UNAVAILABLE: the evidence does not have them".into(), Value::Null)
                }
            };
            self.report.add(about, state, says, data);
            return;
        };
        let taken = take(commitment, &block, &mut work.series, named);
        work.whole = taken.is_ok();
        let compared = taken.and_then(|()| compare(&LAST, commitment.lastValues, work, named));
        if let Err(why) = compared {
            self.fail(&about, format!("points of commitment {}: {why}", commitment.sequence));
        }
    }
}

fn of_event(event: &AttemptAssigned) -> Assignment {
    Assignment {
        attempt: event.attempt,
        worker: event.worker,
        resumePoint: event.resumePoint,
        validUntil: event.validUntil,
    }
}

/// Appends the points of a commitment's block.
fn take(
    commitment: &Commitment,
    block: &Bytes,
    series: &mut Vec<MetricPoint>,
    named: &mut BTreeSet<String>,
) -> Result<(), String> {
    let (expected, actual) = (Digest::from(commitment.pointsDigest), PointsBlock::digest(block));
    if expected != actual {
        return Err(format!("their block has digest {actual}, committed was {expected}"));
    }
    let points = PointsBlock::decode(block).map_err(|error| error.to_string())?.into_points();
    if let Some(first) = points.first()
        && first.sequence as usize != series.len()
    {
        return Err(format!("they begin with {}, {} were there before", first.sequence, series.len()));
    }
    named.extend(points.iter().map(|point| point.key.as_str().to_owned()));
    series.extend(points);
    if series.len() != commitment.pointCount as usize {
        return Err(format!("there are {} of them, committed was {}", series.len(), commitment.pointCount));
    }
    Ok(())
}

/// The named values are the last ones of the series; one that the attempt has not measured yet may be not a number.
pub(super) fn compare(
    keys: &[&str; 4],
    word: B256,
    work: &Work,
    named: &BTreeSet<String>,
) -> Result<(), String> {
    for (key, said) in keys.iter().zip(messages::unpack_values(word)) {
        let unmeasured = said == MetricValue::from_f64(f64::NAN) && !named.contains(*key);
        match work.last(key) {
            Some(last) if last != said && !unmeasured => {
                return Err(format!(
                    "{key} is given as {}, the last point says {}",
                    said.to_f64(),
                    last.to_f64()
                ));
            }
            _ => {}
        }
    }
    Ok(())
}
