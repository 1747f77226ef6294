//! Several commitments as one call. Pure: it reads what single calls hold and makes the call that holds them all.

use alloy::primitives::Bytes;
use alloy::sol_types::SolCall;
use offsetdata_protocol::bindings::training::TrainingCoordinator::{CommitItem, commitBatchCall, commitCall};
use offsetdata_store::relay::transactions::TransactionRow;

use crate::RelayerError;

/// Commitments in one transaction.
pub(super) const MOST: usize = 20;
/// A batch that takes more gas is not sent as one.
pub(super) const MAX_GAS: u64 = 2_000_000;
/// Batches that are tried with one call to the node: the gas of all of them has to fit into a block.
pub(super) const AT_ONCE: usize = 12;

/// The call that lands all of these commitments, each a call of `commit`.
///
/// # Errors
/// A call that is not of `commit`.
pub(super) fn call(rows: &[TransactionRow]) -> Result<Bytes, RelayerError> {
    let items = rows.iter().map(|row| {
        let call = decode(row)?;
        Ok(CommitItem {
            landing: call.landing,
            termsHash: call.termsHash,
            commitment: call.commitment,
            signature: call.signature,
        })
    });
    let items = items.collect::<Result<Vec<_>, RelayerError>>()?;
    Ok(commitBatchCall { items }.abi_encode().into())
}

/// The sequence that a commitment has.
pub(super) fn sequence(row: &TransactionRow) -> Result<u32, RelayerError> {
    Ok(decode(row)?.commitment.sequence)
}

fn decode(row: &TransactionRow) -> Result<commitCall, RelayerError> {
    commitCall::abi_decode(&row.calldata).map_err(|error| RelayerError::Corrupt {
        what: "relay_transactions.calldata",
        reason: format!("transaction {}: {error}", row.id.0),
    })
}
