//! Where a stream of events is: ids, and whether the chain still has what they name.

use alloy::primitives::B256;
use offsetdata_store::chain::blocks::{self, Cursor};
use offsetdata_store::chain::{Position, undone};
use offsetdata_store::{Conn, StoreError};

/// Bytes of a block's hash in an id.
const PREFIX: usize = 8;
/// Longest id that is read.
const MAX_ID: usize = 64;
/// Branches that left each other one after the other, at most.
const MAX_BRANCHES: usize = 10_000;

/// First bytes of a block's hash.
pub(super) type Prefix = [u8; PREFIX];

/// The first bytes of a hash.
pub(super) fn prefix(hash: B256) -> Prefix {
    let mut prefix = [0; PREFIX];
    prefix.copy_from_slice(&hash[..PREFIX]);
    prefix
}

/// Id of an event: `position`, of points `position.sequence` with the last point's place in the series, then `-` and the first
/// eight bytes of the hash of the block. So an id says on which branch it was told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct EventId {
    pub(super) position: Position,
    pub(super) sequence: Option<u32>,
    /// `None`: whatever block the chain has.
    pub(super) block: Option<Prefix>,
}

impl EventId {
    /// Reads an id.
    pub(super) fn parse(text: &str) -> Option<Self> {
        if text.len() > MAX_ID {
            return None;
        }
        let (place, block) = match text.split_once('-') {
            Some((place, hash)) => {
                let mut bytes = [0; PREFIX];
                alloy::hex::decode_to_slice(hash, &mut bytes).ok()?;
                (place, Some(bytes))
            }
            None => (text, None),
        };
        let (position, sequence) = match place.split_once('.') {
            Some((position, sequence)) => (position, Some(digits(sequence)?.parse().ok()?)),
            None => (place, None),
        };
        Some(Self { position: Position::from_number(digits(position)?.parse().ok()?), sequence, block })
    }
}

/// The text, if it is made of digits only.
fn digits(text: &str) -> Option<&str> {
    (!text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())).then_some(text)
}

impl std::fmt::Display for EventId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.position.number())?;
        if let Some(sequence) = self.sequence {
            write!(f, ".{sequence}")?;
        }
        match self.block {
            Some(block) => write!(f, "-{}", alloy::hex::encode(block)),
            None => Ok(()),
        }
    }
}

/// A block that something was told about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Known {
    pub(super) number: u64,
    pub(super) block: Prefix,
    /// Whether an event is in it: then the database keeps it for ever.
    pub(super) eventful: bool,
}

/// How a block stands to the chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// The chain has it.
    Stands,
    /// It is beyond what is indexed here.
    Ahead,
    /// A reorg took it back; up to this block the chain is the same. Without a hash where only the number is certain.
    Left { number: u64, hash: Option<B256> },
}

/// Whether the chain has a block that was told about.
///
/// # Errors
/// A database that can't be read.
pub(super) async fn standing(conn: &mut Conn, cursor: &Cursor, known: Known) -> Result<Standing, StoreError> {
    let (mut number, mut block, mut eventful) = (known.number, known.block, known.eventful);
    for branch in 0..MAX_BRANCHES {
        let ours = blocks::find_block(conn, number).await?;
        if let Some(ours) = ours.as_ref().filter(|ours| prefix(ours.hash) == block) {
            return Ok(match branch {
                0 => Standing::Stands,
                _ => Standing::Left { number, hash: Some(ours.hash) },
            });
        }
        let left = undone::list_undone(conn, number).await?;
        if let Some(left) = left.into_iter().find(|left| prefix(left.hash) == block) {
            // The fork point itself may have been taken back later.
            (number, block, eventful) = (left.fork_number.0, prefix(left.fork_hash), false);
            continue;
        }
        if number > cursor.number.0 {
            return Ok(Standing::Ahead);
        }
        if ours.is_none() && !eventful {
            // Quiet blocks that are too deep for a reorg are not kept.
            return Ok(match branch {
                0 => Standing::Stands,
                _ => Standing::Left { number, hash: None },
            });
        }
        break;
    }
    // Told by an index that saw another branch than this one: up to the last final block both are the same.
    Ok(Standing::Left { number: cursor.finalized.0.min(number.saturating_sub(1)), hash: None })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_read_back() {
        for (position, sequence, block) in [
            (0, None, None),
            (1_048_577, None, Some([7; PREFIX])),
            (i64::MAX, Some(u32::MAX), Some([0xab; PREFIX])),
            (5, Some(0), None),
        ] {
            let id = EventId { position: Position::from_number(position), sequence, block };
            assert_eq!(EventId::parse(&id.to_string()), Some(id), "{id}");
        }
    }

    #[test]
    fn what_is_no_id_is_refused() {
        let long = "1".repeat(65);
        for text in [
            "",
            "-",
            ".",
            "x",
            "-1",
            "1.",
            ".1",
            "1-",
            "1-zz",
            "1-0102",
            "+1",
            "1.-1",
            "1.4294967296",
            " 1",
            "1 ",
            &long,
        ] {
            assert_eq!(EventId::parse(text), None, "{text:?}");
        }
        assert_eq!(EventId::parse("9223372036854775808"), None, "more than 63 bits");
    }
}
