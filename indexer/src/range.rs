//! How many blocks to ask for at once while catching up: more while answers are small, less when a node refuses. Pure.

/// Most blocks in one call.
const GREATEST: u64 = 100_000;
/// Answers with more logs than this make the range smaller, so that memory stays flat.
const MANY_LOGS: usize = 20_000;
/// Answers with fewer logs than this make it greater.
const FEW_LOGS: usize = 5_000;

/// Number of blocks to ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Range(u64);

impl Default for Range {
    fn default() -> Self {
        Self(10_000)
    }
}

impl Range {
    /// The number.
    pub fn blocks(self) -> u64 {
        self.0
    }

    /// After an answer with so many logs.
    #[must_use]
    pub fn answered(self, logs: usize) -> Self {
        Self(match logs {
            n if n > MANY_LOGS => (self.0 / 2).max(1),
            n if n < FEW_LOGS => (self.0 * 2).min(GREATEST),
            _ => self.0,
        })
    }

    /// After a refusal of so many blocks.
    #[must_use]
    pub fn refused(self, asked: u64) -> Self {
        Self((self.0.min(asked) / 2).max(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn follows_what_the_node_bears() {
        let mut range = Range::default();
        for _ in 0..40 {
            range = range.refused(range.blocks());
        }
        assert_eq!(range.blocks(), 1);
        assert_eq!(Range::default().refused(256).blocks(), 128, "what was asked for counts");
        assert_eq!(range.answered(30_000).blocks(), 1);
        for _ in 0..40 {
            range = range.answered(0);
        }
        assert_eq!(range.blocks(), GREATEST);
        assert_eq!(range.answered(10_000), range);
        assert_eq!(range.answered(20_001).blocks(), GREATEST / 2);
    }
}
