//! What the relayer does for itself: it takes its fees out of the coordinator once they are worth a transaction. It
//! decides no amount: all that is owed comes.

use alloy::eips::BlockId;
use alloy::primitives::U256;
use alloy::sol_types::SolCall;
use offsetdata_protocol::bindings::training::TrainingCoordinator;
use offsetdata_store::StoreError;
use offsetdata_store::relay::transactions::{NewTransaction, insert_transaction};

use crate::RelayerError;
use crate::chain::Chain;
use crate::jobs::Jobs;
use crate::transactions::Kind;

/// At most one withdrawal within so many seconds.
const EVERY: u64 = 3600;

/// Queues a withdrawal where more than `above` is owed. Whether it did.
///
/// # Errors
/// The node, the database.
pub async fn withdraw(jobs: &Jobs, chain: &Chain, above: u128, now: u64) -> Result<bool, RelayerError> {
    let call = TrainingCoordinator::creditOfCall { account: jobs.sender };
    let owed = chain.read(BlockId::latest(), jobs.coordinator, &call).await?.unwrap_or_default();
    if owed <= U256::from(above) {
        return Ok(false);
    }
    let new = NewTransaction {
        dedupe: format!("withdraw:{}", now / EVERY),
        signer: jobs.sender,
        kind: Kind::Call.as_str().to_owned(),
        request: None,
        target: jobs.coordinator,
        calldata: TrainingCoordinator::withdrawCall { to: jobs.sender }.abi_encode().into(),
        expires_at: now + EVERY,
        max_gas: None,
    };
    let mut tx = jobs.pool.write().await?;
    let is_new = insert_transaction(&mut tx, new, now).await?;
    tx.commit().await.map_err(StoreError::from)?;
    if is_new {
        tracing::info!(%owed, "fees are withdrawn");
        jobs.wanted.notify_one();
    }
    Ok(is_new)
}
