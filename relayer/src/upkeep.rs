//! What the relayer does for itself: it takes its fees out of the coordinator once they are worth a transaction. It
//! decides no amount: all that is owed comes.

use alloy::eips::BlockId;
use alloy::primitives::{Address, U256};
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

/// Queues a withdrawal for each signer to which more than `above` is owed. How many it queued.
///
/// # Errors
/// The node, the database.
pub async fn withdraw(jobs: &Jobs, chain: &Chain, above: u128, now: u64) -> Result<usize, RelayerError> {
    let mut queued = 0;
    for signer in &jobs.senders {
        let (owed, new) = withdrawal(chain, jobs.coordinator, *signer, now).await?;
        if owed <= U256::from(above) {
            continue;
        }
        let mut tx = jobs.pool.write().await?;
        let is_new = insert_transaction(&mut tx, new, now).await?;
        tx.commit().await.map_err(StoreError::from)?;
        if is_new {
            tracing::info!(%signer, %owed, "fees are withdrawn");
            queued += 1;
            jobs.wanted.notify_one();
        }
    }
    Ok(queued)
}

/// What is owed to a signer, and the transaction that takes it.
pub(crate) async fn withdrawal(
    chain: &Chain,
    coordinator: Address,
    signer: Address,
    now: u64,
) -> Result<(U256, NewTransaction), RelayerError> {
    let call = TrainingCoordinator::creditOfCall { account: signer };
    let owed = chain.read(BlockId::latest(), coordinator, &call).await?.unwrap_or_default();
    let new = NewTransaction {
        dedupe: format!("withdraw:{signer}:{}", now / EVERY),
        signer,
        kind: Kind::Call.as_str().to_owned(),
        request: None,
        target: coordinator,
        calldata: TrainingCoordinator::withdrawCall { to: signer }.abi_encode().into(),
        expires_at: now + EVERY,
        max_gas: None,
    };
    Ok((owed, new))
}
