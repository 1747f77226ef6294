//! The states of a job and the one function that leads from one to the next. It reads and writes nothing.

use std::fmt;
use std::str::FromStr;

/// Where a job stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum JobState {
    /// The row exists, the hyperparameters are not there yet → queued, vanished, cancelled, failed, expired.
    Requested,
    /// Waits for a worker → assigned, vanished, cancelled, failed, expired, succeeded (by another's landing).
    Queued,
    /// A worker holds the lease → preparing … publishing, settling, queued, cancelling, failed, expired.
    Assigned,
    /// The worker reads and verifies data. Follows as `Assigned`.
    Preparing,
    /// The worker trains. Follows as `Assigned`.
    Training,
    /// The worker measures the result. Follows as `Assigned`.
    Evaluating,
    /// The worker sends the artifact and the settlement. Follows as `Assigned`.
    Publishing,
    /// The signed result is durable, its transaction under way → succeeded, queued, vanished, or as the chain says.
    Settling,
    /// The worker is told to stop → cancelled, settling (the result was quicker), or as the chain says.
    Cancelling,
    /// A reorg took the request away → queued when it is back, otherwise cancelled.
    Vanished,
    /// Final: a version stands on the chain → settling, if a reorg takes that away.
    Succeeded,
    /// Final: stopped → requested, if a reorg takes the end away, as with the next two.
    Cancelled,
    /// Final: it can't succeed; the scheduler signed a closure.
    Failed,
    /// Final: its time has passed.
    Expired,
}

/// What happens to a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Event {
    /// The hyperparameters were fetched and are JSON.
    Prepared,
    /// A worker got the lease.
    Leased,
    /// The worker said what it does.
    Phase(Phase),
    /// The worker is not heard, gave up, or its signed work can't land: another attempt.
    Lost,
    /// The signed result was accepted.
    Finished,
    /// The user asked to stop.
    CancelRequested,
    /// The worker stopped, or there is none.
    Stopped,
    /// A reorg took the request away.
    Vanished,
    /// The request is on the chain again.
    Reappeared,
    /// It can't succeed.
    GaveUp,
    /// Its last moment has passed.
    TimedOut,
    /// The request has ended on the chain, by whosever transaction.
    Ended(Ending),
    /// A reorg took that end away, and nothing that would bring it back is under way.
    Reopened,
}

/// What a worker does, in the order in which it happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Phase {
    /// Reading and verifying data.
    Preparing,
    /// Training.
    Training,
    /// Measuring the result.
    Evaluating,
    /// Sending artifact and settlement.
    Publishing,
}

/// How a request ended on the chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Ending {
    /// With a version.
    Settled,
    /// By its user.
    Cancelled,
    /// By the scheduler.
    Failed,
    /// By time.
    Expired,
}

/// An event that can't happen in this state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a job that is {from} has no step {event:?}")]
pub struct IllegalTransition {
    /// The state.
    pub from: JobState,
    /// The event.
    pub event: Event,
}

/// A text that names no state.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no state of a job")]
pub struct UnknownState(String);

impl JobState {
    /// Every state.
    pub const ALL: [Self; 14] = [
        Self::Requested,
        Self::Queued,
        Self::Assigned,
        Self::Preparing,
        Self::Training,
        Self::Evaluating,
        Self::Publishing,
        Self::Settling,
        Self::Cancelling,
        Self::Vanished,
        Self::Succeeded,
        Self::Cancelled,
        Self::Failed,
        Self::Expired,
    ];

    /// The state after an event.
    ///
    /// # Errors
    /// An event that can't happen in this state. The job is then as before.
    pub fn next(self, event: Event) -> Result<Self, IllegalTransition> {
        use JobState as S;
        let refused = IllegalTransition { from: self, event };
        if self.is_final() && event != Event::Reopened {
            return Err(refused);
        }
        let working = self.is_working();
        Ok(match event {
            Event::Prepared if self == S::Requested => S::Queued,
            Event::Leased if self == S::Queued => S::Assigned,
            Event::Phase(phase) if working && self.phase() <= Some(phase) => phase.into(),
            // A worker that goes on while it should stop: the cancellation stands.
            Event::Phase(_) if self == S::Cancelling => S::Cancelling,
            Event::Lost if working || self == S::Settling => S::Queued,
            Event::Finished if working || self == S::Cancelling => S::Settling,
            Event::CancelRequested if working => S::Cancelling,
            Event::CancelRequested if matches!(self, S::Requested | S::Queued | S::Vanished) => S::Cancelled,
            Event::Stopped if self == S::Cancelling => S::Cancelled,
            Event::Vanished if self != S::Vanished => S::Vanished,
            Event::Reappeared if self == S::Vanished => S::Requested,
            Event::GaveUp if self != S::Cancelling => S::Failed,
            Event::TimedOut => S::Expired,
            Event::Ended(ending) => match ending {
                Ending::Settled => S::Succeeded,
                Ending::Cancelled => S::Cancelled,
                Ending::Failed => S::Failed,
                Ending::Expired => S::Expired,
            },
            // What was signed is there, and is tried again as far as it can land.
            Event::Reopened if self == S::Succeeded => S::Settling,
            Event::Reopened if self.is_final() => S::Requested,
            _ => return Err(refused),
        })
    }

    /// Whether nothing follows, unless a reorg takes the end away.
    pub fn is_final(self) -> bool {
        matches!(self, Self::Succeeded | Self::Cancelled | Self::Failed | Self::Expired)
    }

    /// Whether a worker holds the lease and is to go on.
    pub fn is_working(self) -> bool {
        self == Self::Assigned || self.phase().is_some()
    }

    fn phase(self) -> Option<Phase> {
        match self {
            Self::Preparing => Some(Phase::Preparing),
            Self::Training => Some(Phase::Training),
            Self::Evaluating => Some(Phase::Evaluating),
            Self::Publishing => Some(Phase::Publishing),
            _ => None,
        }
    }

    /// The word in the database and in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Requested => "requested",
            Self::Queued => "queued",
            Self::Assigned => "assigned",
            Self::Preparing => "preparing",
            Self::Training => "training",
            Self::Evaluating => "evaluating",
            Self::Publishing => "publishing",
            Self::Settling => "settling",
            Self::Cancelling => "cancelling",
            Self::Vanished => "vanished",
            Self::Succeeded => "succeeded",
            Self::Cancelled => "cancelled",
            Self::Failed => "failed",
            Self::Expired => "expired",
        }
    }
}

impl From<Phase> for JobState {
    fn from(phase: Phase) -> Self {
        match phase {
            Phase::Preparing => Self::Preparing,
            Phase::Training => Self::Training,
            Phase::Evaluating => Self::Evaluating,
            Phase::Publishing => Self::Publishing,
        }
    }
}

impl fmt::Display for JobState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for JobState {
    type Err = UnknownState;

    fn from_str(text: &str) -> Result<Self, UnknownState> {
        Self::ALL
            .into_iter()
            .find(|state| state.as_str() == text)
            .ok_or_else(|| UnknownState(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVENTS: [Event; 19] = [
        Event::Prepared,
        Event::Leased,
        Event::Phase(Phase::Preparing),
        Event::Phase(Phase::Training),
        Event::Phase(Phase::Evaluating),
        Event::Phase(Phase::Publishing),
        Event::Lost,
        Event::Finished,
        Event::CancelRequested,
        Event::Stopped,
        Event::Vanished,
        Event::Reappeared,
        Event::GaveUp,
        Event::TimedOut,
        Event::Ended(Ending::Settled),
        Event::Ended(Ending::Cancelled),
        Event::Ended(Ending::Failed),
        Event::Ended(Ending::Expired),
        Event::Reopened,
    ];

    /// One letter for each of `EVENTS`: the state after it, `.` where the event is illegal.
    const TABLE: [(JobState, &str); 14] = [
        //                     P L p t e b l F c s v r g x S C F E R
        (JobState::Requested, "q.......C.v.fxSCfx."),
        (JobState::Queued, ".a......C.v.fxSCfx."),
        (JobState::Assigned, "..ptebqFc.v.fxSCfx."),
        (JobState::Preparing, "..ptebqFc.v.fxSCfx."),
        (JobState::Training, "...tebqFc.v.fxSCfx."),
        (JobState::Evaluating, "....ebqFc.v.fxSCfx."),
        (JobState::Publishing, ".....bqFc.v.fxSCfx."),
        (JobState::Settling, "......q...v.fxSCfx."),
        (JobState::Cancelling, "..cccc.F.Cv..xSCfx."),
        (JobState::Vanished, "........C..rfxSCfx."),
        (JobState::Succeeded, "..................F"),
        (JobState::Cancelled, "..................r"),
        (JobState::Failed, "..................r"),
        (JobState::Expired, "..................r"),
    ];

    fn letter(state: JobState) -> char {
        match state {
            JobState::Requested => 'r',
            JobState::Queued => 'q',
            JobState::Assigned => 'a',
            JobState::Preparing => 'p',
            JobState::Training => 't',
            JobState::Evaluating => 'e',
            JobState::Publishing => 'b',
            JobState::Settling => 'F',
            JobState::Cancelling => 'c',
            JobState::Vanished => 'v',
            JobState::Succeeded => 'S',
            JobState::Cancelled => 'C',
            JobState::Failed => 'f',
            JobState::Expired => 'x',
        }
    }

    #[test]
    fn each_step_is_as_in_the_table() {
        for (state, row) in TABLE {
            assert_eq!(row.len(), EVENTS.len(), "{state}");
            for (event, expected) in EVENTS.into_iter().zip(row.chars()) {
                let actual = state.next(event).map_or('.', letter);
                assert_eq!(actual, expected, "{state} with {event:?}");
            }
        }
    }

    #[test]
    fn only_a_reorg_follows_a_final_state() {
        for state in JobState::ALL.into_iter().filter(|state| state.is_final()) {
            for event in EVENTS.into_iter().filter(|event| *event != Event::Reopened) {
                assert_eq!(state.next(event), Err(IllegalTransition { from: state, event }));
            }
        }
    }

    #[test]
    fn words_come_back() {
        for state in JobState::ALL {
            assert_eq!(state.as_str().parse(), Ok(state));
        }
        assert!("done".parse::<JobState>().is_err());
    }
}
