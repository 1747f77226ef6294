//! Where a prediction stands, and what may follow. It reads and writes nothing.

use crate::RelayerError;

/// Where a prediction stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Waits for a worker → leased, failed.
    Waiting,
    /// A worker has it → answered, waiting (it was not heard, or gave up), failed.
    Leased,
    /// Final: a worker's signed answer is there.
    Answered,
    /// Final: nobody could, or in time.
    Failed,
}

impl Stage {
    const ALL: [Self; 4] = [Self::Waiting, Self::Leased, Self::Answered, Self::Failed];

    /// Whether `next` may follow.
    pub fn may_become(self, next: Self) -> bool {
        matches!(
            (self, next),
            (Self::Waiting, Self::Leased | Self::Failed)
                | (Self::Leased, Self::Answered | Self::Waiting | Self::Failed)
        )
    }

    /// The word in the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Leased => "leased",
            Self::Answered => "answered",
            Self::Failed => "failed",
        }
    }

    /// Reads the word in the database.
    ///
    /// # Errors
    /// A word that is none of ours.
    pub fn read(text: &str) -> Result<Self, RelayerError> {
        Self::ALL.into_iter().find(|stage| stage.as_str() == text).ok_or_else(|| RelayerError::Corrupt {
            what: "relay_predictions.state",
            reason: format!("{text:?} is no stage"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_as_in_the_table() {
        let table = ["-x-x", "x-xx", "----", "----"];
        for (from, row) in Stage::ALL.into_iter().zip(table) {
            for (to, expected) in Stage::ALL.into_iter().zip(row.chars()) {
                assert_eq!(from.may_become(to), expected == 'x', "{from:?} to {to:?}");
            }
            assert_eq!(Stage::read(from.as_str()).unwrap(), from);
        }
        assert!(Stage::read("lost").is_err());
    }
}
