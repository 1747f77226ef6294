//! Whether the result's series is the one of the accepted points.

use super::{Cause, FinishCase, Refusal};

pub(super) fn of_finish(case: &FinishCase<'_>) -> Result<(), Refusal> {
    if case.finish.point_count != case.job.point_count {
        let detail = format!(
            "{} points were accepted, the result has {}",
            case.job.point_count, case.finish.point_count
        );
        return Err(Refusal::rejected(Cause::Untrue, "wrongPointCount", detail));
    }
    if case.finish.series_root != case.series_root {
        let detail = format!("expected {}, got {}", case.series_root, case.finish.series_root);
        return Err(Refusal::rejected(Cause::Untrue, "seriesRoot", detail));
    }
    Ok(())
}
