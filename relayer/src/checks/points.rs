//! Whether the block of metric points is one, and whether its points are the next of the series.

use offsetdata_protocol::metrics::PointsBlock;

use super::{Cause, CommitmentCase, Refusal};

pub(super) fn of_commitment(case: &CommitmentCase<'_>) -> Result<(), Refusal> {
    let block = PointsBlock::decode(&case.upload.points)
        .map_err(|error| Refusal::rejected(Cause::Untrue, "badPoints", error.to_string()))?;
    let first = case.job.point_count;
    if let Some(point) = block.points().first()
        && point.sequence != first
    {
        let detail = format!("the next point is {first}, the block begins with {}", point.sequence);
        return Err(Refusal::rejected(Cause::Conflict, "wrongPoint", detail));
    }
    let expected = u64::from(first) + block.points().len() as u64;
    if u64::from(case.upload.point_count) != expected {
        let detail =
            format!("expected {expected} points after this commitment, got {}", case.upload.point_count);
        return Err(Refusal::rejected(Cause::Untrue, "wrongPointCount", detail));
    }
    Ok(())
}
