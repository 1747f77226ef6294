//! What a transaction is and where it stands. It reads and writes nothing.

use std::fmt;

use crate::RelayerError;

/// Where a transaction stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TransactionState {
    /// Queued, without a nonce → signed, dropped, superseded.
    Pending,
    /// Its bytes are durable → broadcast, included.
    Signed,
    /// A node has or had it → included, pending (its nonce was used for something else).
    Broadcast,
    /// A block includes it → confirmed, broadcast (a reorg), pending (it reverted).
    Included,
    /// Enough blocks stand on it → broadcast (a reorg that was deeper).
    Confirmed,
    /// Final: it can't land; the reason says why.
    Dropped,
    /// Its effect is on the chain by another transaction → pending, if a reorg takes that one away.
    Superseded,
}

impl TransactionState {
    /// Every state.
    pub const ALL: [Self; 7] = [
        Self::Pending,
        Self::Signed,
        Self::Broadcast,
        Self::Included,
        Self::Confirmed,
        Self::Dropped,
        Self::Superseded,
    ];

    /// Whether `next` may follow.
    pub fn may_become(self, next: Self) -> bool {
        use TransactionState as S;
        matches!(
            (self, next),
            (S::Pending, S::Signed | S::Dropped | S::Superseded)
                | (S::Signed, S::Broadcast | S::Included | S::Pending)
                | (S::Broadcast, S::Included | S::Pending)
                | (S::Included, S::Confirmed | S::Broadcast | S::Pending)
                | (S::Confirmed, S::Broadcast)
                | (S::Superseded, S::Pending)
        )
    }

    /// Whether nothing follows, unless a reorg takes away what landed in its place.
    pub fn is_final(self) -> bool {
        matches!(self, Self::Dropped | Self::Superseded)
    }

    /// Whether it has a nonce that no block has taken yet.
    pub fn is_in_flight(self) -> bool {
        matches!(self, Self::Signed | Self::Broadcast)
    }

    /// The word in the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Signed => "signed",
            Self::Broadcast => "broadcast",
            Self::Included => "included",
            Self::Confirmed => "confirmed",
            Self::Dropped => "dropped",
            Self::Superseded => "superseded",
        }
    }

    /// Reads the word in the database.
    ///
    /// # Errors
    /// A word that is none of ours.
    pub fn read(text: &str) -> Result<Self, RelayerError> {
        Self::ALL.into_iter().find(|state| state.as_str() == text).ok_or_else(|| RelayerError::Corrupt {
            what: "relay_transactions.state",
            reason: format!("{text:?} is no state"),
        })
    }
}

impl fmt::Display for TransactionState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What a transaction does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// `commitAssigned`.
    CommitAssigned,
    /// `commit`.
    Commit,
    /// `commitBatch`: it carries calls of `commit` that were queued by themselves.
    CommitBatch,
    /// `settle`.
    Settle,
    /// `close`.
    Close,
    /// A call of which nothing is known: if it would revert, it is dropped.
    Call,
}

impl Kind {
    const ALL: [Self; 6] =
        [Self::CommitAssigned, Self::Commit, Self::CommitBatch, Self::Settle, Self::Close, Self::Call];

    /// The word in the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::CommitAssigned => "commitAssigned",
            Self::Commit => "commit",
            Self::CommitBatch => "commitBatch",
            Self::Settle => "settle",
            Self::Close => "close",
            Self::Call => "call",
        }
    }

    /// Reads the word in the database.
    ///
    /// # Errors
    /// A word that is none of ours.
    pub fn read(text: &str) -> Result<Self, RelayerError> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text).ok_or_else(|| RelayerError::Corrupt {
            what: "relay_transactions.kind",
            reason: format!("{text:?} is no kind"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_as_in_the_table() {
        // Row: from; column: to; in the order of `ALL`.
        let table = ["-x---xx", "x-xx---", "x--x---", "x-x-x--", "--x----", "-------", "x------"];
        for (from, row) in TransactionState::ALL.into_iter().zip(table) {
            for (to, expected) in TransactionState::ALL.into_iter().zip(row.chars()) {
                assert_eq!(from.may_become(to), expected == 'x', "{from} to {to}");
            }
            assert_eq!(
                from.is_final(),
                matches!(from, TransactionState::Dropped | TransactionState::Superseded)
            );
        }
    }

    #[test]
    fn words_come_back() {
        for state in TransactionState::ALL {
            assert_eq!(TransactionState::read(state.as_str()).unwrap(), state);
        }
        for kind in Kind::ALL {
            assert_eq!(Kind::read(kind.as_str()).unwrap(), kind);
        }
        assert!(TransactionState::read("lost").is_err() && Kind::read("").is_err());
    }
}
