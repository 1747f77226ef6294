//! Whether read headers go on from known ones, and where a chain left them. Pure: it reads and stores nothing.

use alloy::primitives::{B256, Bloom};

use crate::error::{IndexerError, short};

/// What is needed of a block's header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// Number.
    pub number: u64,
    /// Hash.
    pub hash: B256,
    /// Hash of the block before.
    pub parent_hash: B256,
    /// Unix seconds.
    pub timestamp: u64,
    /// Bloom filter over the addresses and topics of its logs.
    pub bloom: Bloom,
    /// Root over the receipts of its transactions.
    pub receipts_root: B256,
}

/// Number and hash of a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BlockId {
    /// Number.
    pub number: u64,
    /// Hash.
    pub hash: B256,
}

impl Header {
    /// Number and hash.
    pub fn id(&self) -> BlockId {
        BlockId { number: self.number, hash: self.hash }
    }
}

/// How read headers stand to the last indexed block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Link {
    /// They go on from it.
    Extends,
    /// The first one has another parent: the chain left what is indexed.
    Reorg,
}

/// Holds headers, which have to follow each other, against the last indexed block.
///
/// # Errors
/// [`IndexerError::Inconsistent`] where the headers themselves are no chain: they were read while it changed.
pub fn link(last: BlockId, headers: &[Header]) -> Result<Link, IndexerError> {
    for (number, header) in (last.number + 1..).zip(headers) {
        if header.number != number {
            return Err(IndexerError::inconsistent(format!(
                "asked for block {number}, got {}",
                header.number
            )));
        }
    }
    for pair in headers.windows(2) {
        if pair[1].parent_hash != pair[0].hash {
            return Err(IndexerError::inconsistent(format!(
                "block {} is {}, block {} names {} as its parent",
                pair[0].number,
                short(pair[0].hash),
                pair[1].number,
                short(pair[1].parent_hash)
            )));
        }
    }
    Ok(match headers.first() {
        Some(first) if first.parent_hash != last.hash => Link::Reorg,
        _ => Link::Extends,
    })
}

/// The highest of the known blocks that the chain still has. `chain` holds what the chain now has at some of their
/// numbers; both in any order.
pub fn fork_point(known: &[BlockId], chain: &[BlockId]) -> Option<BlockId> {
    known.iter().filter(|block| chain.contains(block)).max_by_key(|block| block.number).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hash(branch: u8, number: u64) -> B256 {
        let mut hash = B256::with_last_byte(branch);
        hash[..8].copy_from_slice(&number.to_be_bytes());
        hash
    }

    /// Headers `from..=to` of a branch that left branch 0 after block `fork`.
    fn headers(branch: u8, fork: u64, from: u64, to: u64) -> Vec<Header> {
        let of = |number| hash(if number > fork { branch } else { 0 }, number);
        (from..=to)
            .map(|number| Header {
                number,
                hash: of(number),
                parent_hash: if number == 0 { B256::ZERO } else { of(number - 1) },
                timestamp: number,
                bloom: Bloom::ZERO,
                receipts_root: B256::ZERO,
            })
            .collect()
    }

    fn ids(headers: &[Header]) -> Vec<BlockId> {
        headers.iter().map(Header::id).collect()
    }

    #[test]
    fn extends_or_leaves() {
        let last = headers(0, 0, 9, 9)[0].id();
        assert_eq!(link(last, &[]).unwrap(), Link::Extends);
        assert_eq!(link(last, &headers(0, 0, 10, 14)).unwrap(), Link::Extends);
        assert_eq!(link(last, &headers(1, 9, 10, 14)).unwrap(), Link::Extends);
        assert_eq!(link(last, &headers(1, 8, 10, 14)).unwrap(), Link::Reorg);
        assert_eq!(link(last, &headers(1, 2, 10, 10)).unwrap(), Link::Reorg);
    }

    #[test]
    fn refuses_headers_that_are_no_chain() {
        let last = headers(0, 0, 9, 9)[0].id();
        let mut torn = headers(0, 0, 10, 12);
        torn.extend(headers(1, 5, 13, 14));
        assert!(
            matches!(link(last, &torn), Err(IndexerError::Inconsistent { reason }) if reason.contains("block 12"))
        );
        assert!(matches!(
            link(last, &headers(0, 0, 11, 12)),
            Err(IndexerError::Inconsistent { reason }) if reason == "asked for block 10, got 11"
        ));
    }

    #[test]
    fn fork_point_is_the_highest_common_block() {
        let known = ids(&headers(0, 0, 0, 20));
        for fork in 0..20 {
            let chain = ids(&headers(1, fork, 0, 25));
            assert_eq!(fork_point(&known, &chain), Some(known[fork as usize]), "left after {fork}");
        }
        assert_eq!(fork_point(&known, &known), known.last().copied());
    }

    #[test]
    fn no_common_block_is_no_fork_point() {
        let known = ids(&headers(0, 0, 5, 20));
        assert_eq!(fork_point(&known, &ids(&headers(1, 4, 5, 20))), None);
        assert_eq!(fork_point(&known, &[]), None);
        // The same hash at another number is not the same block.
        let moved = BlockId { number: 30, hash: known[0].hash };
        assert_eq!(fork_point(&known, &[moved]), None);
    }
}
