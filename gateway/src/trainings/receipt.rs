//! What a receipt has to say: the records of an input up to the end of a chunk, and the root over their indices, which
//! grows from the receipt before. Pure; the memory is that of 20 hashes, however many records.

use std::ops::Range;

use alloy::primitives::Bytes;
use offsetdata_protocol::gateway_api::{ReceiptUpload, code};
use offsetdata_protocol::merkle::RootBuilder;
use offsetdata_protocol::selection::given_leaf;
use offsetdata_protocol::{Digest, Root};
use offsetdata_store::gateway::trainings::ReceiptRow;

use crate::Refused;

/// How far the receipts of an input have come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Given {
    /// No record below it is missing.
    pub(super) next_index: u32,
    tree: RootBuilder,
}

impl Given {
    /// Before the first receipt.
    pub(super) fn nothing() -> Self {
        Self { next_index: 0, tree: RootBuilder::new() }
    }

    /// Where a receipt left off.
    pub(super) fn of_row(row: &ReceiptRow) -> Result<Self, Refused> {
        let damaged = || Refused::new(code::FAULT, "the gateway's journal is damaged");
        let (peaks, rest) = row.frontier.as_chunks::<{ Digest::LEN }>();
        if !rest.is_empty() {
            return Err(damaged());
        }
        let peaks = peaks.iter().map(|peak| Digest(*peak)).collect();
        let tree = RootBuilder::from_frontier(row.records.into(), peaks).map_err(|_| damaged())?;
        Ok(Self { next_index: row.next_index, tree })
    }

    /// The first record of the selection that was not given.
    pub(super) fn missing(&self, span: &Range<u32>) -> u32 {
        self.next_index.max(span.start)
    }

    /// Adds the records of the selection up to the end of a chunk.
    pub(super) fn extend(&mut self, span: &Range<u32>, end_of_chunk: u32) {
        let (first, end) = (self.missing(span), end_of_chunk.min(span.end));
        self.tree.extend((first..end).map(given_leaf));
        self.next_index = end_of_chunk;
    }

    pub(super) fn records(&self) -> u32 {
        u32::try_from(self.tree.len()).unwrap_or(u32::MAX)
    }

    pub(super) fn root(&self) -> Root {
        self.tree.root()
    }

    /// What the next root grows from.
    pub(super) fn frontier(&self) -> Bytes {
        self.tree.frontier().1.iter().flat_map(|peak| peak.0).collect::<Vec<u8>>().into()
    }
}

/// The receipt says exactly this.
pub(super) fn require(receipt: &ReceiptUpload, records: u32, root: Root) -> Result<(), Refused> {
    if (receipt.records, receipt.records_root) == (records, root) {
        return Ok(());
    }
    let detail = format!(
        "the receipt says {} records with root {}, expected {records} with {root}: those of the selection up to the \
         end of this chunk",
        receipt.records, receipt.records_root
    );
    Err(Refused::new(code::WRONG_RECEIPT, detail))
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy::primitives::{Address, B256};
    use offsetdata_protocol::ids::{CollectionId, RequestId};
    use offsetdata_protocol::selection::given_root;
    use offsetdata_store::Count;

    fn row(given: &Given) -> ReceiptRow {
        ReceiptRow {
            request: RequestId(B256::ZERO),
            attempt: 1,
            input: 0,
            collection: CollectionId(B256::ZERO),
            worker: Address::ZERO,
            payee: Address::ZERO,
            price: 1,
            next_index: given.next_index,
            records: given.records(),
            records_root: given.root().into(),
            frontier: given.frontier(),
            signature: Bytes::new(),
            settled: 0,
            confirmed: 0,
            open: true,
            due_at: Count(0),
            tries: 0,
            failure: None,
            updated_at: Count(0),
        }
    }

    #[test]
    fn roots_grow_chunk_by_chunk_as_they_are_all_at_once() {
        for (span, chunk) in [(0..1000u32, 64u32), (7..130, 10), (64..65, 64), (3..999, 1000)] {
            let mut given = Given::nothing();
            for first in (0..1000).step_by(chunk as usize) {
                let end = (first + chunk).min(1000);
                if end <= span.start || first >= span.end {
                    continue;
                }
                given.extend(&span, end);
                let all: Vec<u32> = (span.start..end.min(span.end)).collect();
                assert_eq!((given.records() as usize, given.root()), (all.len(), given_root(&all).unwrap()));
                given = Given::of_row(&row(&given)).unwrap();
            }
            assert_eq!(given.records(), span.len() as u32);
        }
    }

    #[test]
    fn a_damaged_journal_is_no_receipt() {
        let mut given = Given::nothing();
        given.extend(&(0..5), 5);
        let whole = row(&given);
        let cut = ReceiptRow { frontier: whole.frontier.slice(..33), ..whole.clone() };
        let other = ReceiptRow { records: 4, ..whole };
        assert!(Given::of_row(&cut).is_err() && Given::of_row(&other).is_err());
    }
}
