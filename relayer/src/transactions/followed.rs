//! Steps of transactions written to the database, under the fencing epoch. It talks to no node.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use alloy::primitives::Address;
use offsetdata_store::relay::signers;
use offsetdata_store::relay::transactions::{self, TransactionRow};
use offsetdata_store::{Count, Pool, Tx};

use super::state::{Kind, TransactionState};
use crate::RelayerError;
use crate::chain::Inclusion;

/// The right to write for a signer. Each write first proves that it is still ours.
#[derive(Debug, Clone)]
pub(super) struct Tenure {
    pub(super) pool: Pool,
    pub(super) signer: Address,
    pub(super) epoch: u64,
    pub(super) lease_seconds: u64,
    /// Unix seconds of the last write.
    pub(super) renewed: Arc<AtomicU64>,
}

impl Tenure {
    /// A database transaction that only the present holder gets.
    pub(super) async fn write(&self, now: u64) -> Result<Tx, RelayerError> {
        let mut tx = self.pool.write().await?;
        if signers::renew_signer(&mut tx, self.signer, self.epoch, now + self.lease_seconds).await? {
            self.renewed.store(now, Ordering::Relaxed);
            Ok(tx)
        } else {
            Err(RelayerError::Fenced)
        }
    }

    /// Lengthens the lease, unless a write did so a moment ago.
    pub(super) async fn keep(&self, now: u64) -> Result<(), RelayerError> {
        let age = now.saturating_sub(self.renewed.load(Ordering::Relaxed));
        if age > 0 && age >= self.lease_seconds / 5 {
            commit(self.write(now).await?).await?;
        }
        Ok(())
    }
}

/// Writes that a transaction, with all that it carries, is now in `next`. False where it is not in the state that `row`
/// says any more.
pub(super) async fn advance(
    tx: &mut Tx,
    row: &mut TransactionRow,
    next: TransactionState,
    reason: Option<String>,
    now: u64,
) -> Result<bool, RelayerError> {
    let from = TransactionState::read(&row.state)?;
    if !from.may_become(next) {
        let reason = format!("transaction {} is {from} and can't become {next}", row.id.0);
        return Err(RelayerError::Corrupt { what: "relay_transactions.state", reason });
    }
    row.state = next.as_str().to_owned();
    row.reason = reason;
    row.updated_at = Count(now);
    let moved = transactions::advance_transaction(tx, from.as_str(), row).await?;
    if moved && row.kind == Kind::CommitBatch.as_str() {
        transactions::follow_carrier(tx, row).await?;
    }
    Ok(moved)
}

/// Ends a batch that can't land as one: what it carried waits again, to be sent by itself.
pub(super) async fn dissolve(
    tx: &mut Tx,
    row: &mut TransactionRow,
    reason: &str,
    now: u64,
) -> Result<(), RelayerError> {
    for member in transactions::list_carried(tx, row.id.0).await? {
        transactions::detach(tx, member.id.0, reason, now).await?;
    }
    exclude(row);
    advance(tx, row, TransactionState::Pending, Some(reason.to_owned()), now).await?;
    advance(tx, row, TransactionState::Dropped, Some(reason.to_owned()), now).await?;
    Ok(())
}

/// Notes where a transaction was included.
pub(super) fn include(row: &mut TransactionRow, inclusion: &Inclusion) {
    row.hash = Some(inclusion.hash);
    row.block_number = Some(Count(inclusion.block_number));
    row.block_hash = Some(inclusion.block_hash);
    row.gas_used = Some(Count(inclusion.gas_used));
}

/// Forgets where it was included.
pub(super) fn exclude(row: &mut TransactionRow) {
    row.hash = None;
    row.block_number = None;
    row.block_hash = None;
    row.gas_used = None;
}

pub(super) async fn commit(tx: Tx) -> Result<(), RelayerError> {
    Ok(tx.commit().await.map_err(offsetdata_store::StoreError::from)?)
}
