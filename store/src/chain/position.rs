//! Where an event stands in the chain, as one number. It does not say in which of several branches.

use sqlx::any::AnyRow;

use crate::StoreError;
use crate::codec::{Column, Value};

const LOG_BITS: u32 = 20;

/// Block number · 2²⁰ + log index: the order of all events, and the key of every row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position(i64);

impl Position {
    /// Before everything.
    pub const START: Self = Self(-1);

    /// The position of a log.
    ///
    /// # Errors
    /// Numbers that no chain reaches: block 2⁴³, log 2²⁰.
    pub fn new(block: u64, log_index: u64) -> Result<Self, StoreError> {
        if block >> (63 - LOG_BITS) != 0 || log_index >> LOG_BITS != 0 {
            return Err(StoreError::Position { block, log_index });
        }
        i64::try_from(block << LOG_BITS | log_index)
            .map(Self)
            .map_err(|_| StoreError::Position { block, log_index })
    }

    /// The last position that a log of this block could have.
    pub fn end_of(block: u64) -> Self {
        let last = (1u64 << (63 - LOG_BITS)) - 1;
        Self(i64::try_from(block.min(last) << LOG_BITS | ((1 << LOG_BITS) - 1)).unwrap_or(i64::MAX))
    }

    /// The block.
    pub fn block(self) -> u64 {
        u64::try_from(self.0 >> LOG_BITS).unwrap_or(0)
    }

    /// The log's index in its block.
    pub fn log_index(self) -> u64 {
        u64::try_from(self.0 & ((1 << LOG_BITS) - 1)).unwrap_or(0)
    }

    /// The number itself.
    pub fn number(self) -> i64 {
        self.0
    }

    /// A position that was written down as its number.
    pub fn from_number(number: i64) -> Self {
        Self(number)
    }
}

impl Column for Position {
    const NULL: Value = Value::NullInt;
    fn value(&self) -> Value {
        Value::Int(self.0)
    }
    fn read(row: &AnyRow, column: &str) -> Result<Self, StoreError> {
        i64::read(row, column).map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_come_back() {
        for (block, log) in
            [(0, 0), (1, 0), (0, (1 << 20) - 1), ((1 << 43) - 1, (1 << 20) - 1), (23_456_789, 412)]
        {
            let position = Position::new(block, log).unwrap();
            assert_eq!((position.block(), position.log_index()), (block, log));
            assert!(position <= Position::end_of(block) && position > Position::START);
        }
    }

    #[test]
    fn order_is_the_chain_s() {
        assert!(Position::new(7, 9).unwrap() < Position::new(8, 0).unwrap());
        assert!(Position::end_of(7) < Position::new(8, 0).unwrap());
        assert_eq!(Position::end_of(u64::MAX).number(), i64::MAX);
    }

    #[test]
    fn refuses_what_does_not_fit() {
        assert!(
            matches!(Position::new(1 << 43, 0), Err(StoreError::Position { block, .. }) if block == 1 << 43)
        );
        assert!(
            matches!(Position::new(0, 1 << 20), Err(StoreError::Position { log_index, .. }) if log_index == 1 << 20)
        );
    }
}
