//! Logs that a header proves: the receipts of a whole block, whose root is in it (EIP-2718, EIP-658). Pure: it asks nobody.

use alloy::consensus::proofs::calculate_receipt_root;
use alloy::primitives::Address;
use alloy::rpc::types::{Log, TransactionReceipt};

use crate::error::{IndexerError, short};
use crate::reorg::Header;

/// The logs of these contracts, from all receipts of a block: none is left out, as another root would follow.
///
/// # Errors
/// [`IndexerError::Inconsistent`] where the receipts are not those of this header, or name other places.
pub fn logs_of(
    header: &Header,
    receipts: Vec<TransactionReceipt>,
    contracts: &[Address],
) -> Result<Vec<Log>, IndexerError> {
    let mut logs = Vec::new();
    for (index, log) in (0..).zip(receipts.iter().flat_map(|receipt| receipt.inner.logs())) {
        if (log.block_hash, log.log_index) != (Some(header.hash), Some(index)) {
            let reason =
                format!("a receipt of block {} names another place for its log {index}", header.number);
            return Err(IndexerError::inconsistent(reason));
        }
        if contracts.contains(&log.address()) {
            logs.push(log.clone());
        }
    }
    let receipts: Vec<_> =
        receipts.into_iter().map(|receipt| receipt.into_primitives_receipt().into_inner()).collect();
    let root = calculate_receipt_root(&receipts);
    if root != header.receipts_root {
        return Err(IndexerError::inconsistent(format!(
            "the receipts of block {} have the root {}, its header says {}",
            header.number,
            short(root),
            short(header.receipts_root)
        )));
    }
    Ok(logs)
}
