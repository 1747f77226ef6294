//! What is checked before the first block is read: the right chain, the right contracts, the right database.

use alloy::eips::BlockNumberOrTag;
use alloy::primitives::B256;
use offsetdata_protocol::deployments::Deployment;
use offsetdata_store::chain::blocks::{self, BlockRow, Cursor};
use offsetdata_store::{Count, Pool};

use crate::error::IndexerError;
use crate::reorg::Header;
use crate::rpc::Rpc;

/// Checks that the node serves the deployment's chain and contracts.
///
/// # Errors
/// What differs; a node that does not answer.
pub async fn check_chain(rpc: &Rpc, deployment: &Deployment) -> Result<(), IndexerError> {
    rpc.expect_chain(deployment.chain_id);
    let actual = rpc.chain_id().await?;
    if actual != deployment.chain_id {
        return Err(IndexerError::WrongChain { expected: deployment.chain_id, actual });
    }
    let head = rpc.head().await?.number;
    if head < deployment.start_block {
        return Err(IndexerError::ChainTooShort { start: deployment.start_block, head });
    }
    for (contract, address) in [
        ("CollectionRegistry", deployment.collection_registry),
        ("AccessToken", deployment.access_token),
        ("UsageBilling", deployment.usage_billing),
        ("ModelRegistry", deployment.model_registry),
        ("TrainingCoordinator", deployment.training_coordinator),
    ] {
        if !rpc.has_code(address).await? {
            return Err(IndexerError::NoCode { contract, address });
        }
    }
    Ok(())
}

/// Sets the cursor of a new database before the deployment's first block, or checks that the database belongs to this
/// chain and deployment.
///
/// # Errors
/// [`IndexerError::OtherDeployment`] where it does not.
pub async fn check_database(
    pool: &Pool,
    rpc: &Rpc,
    deployment: &Deployment,
    now: u64,
) -> Result<(), IndexerError> {
    let genesis = block(rpc, 0).await?;
    // Another instance may be writing: it is not held up for a look.
    if let Some(cursor) = blocks::head(&mut *pool.acquire().await.map_err(IndexerError::from)?).await? {
        return same_database(&cursor, genesis.hash, deployment);
    }
    let anchor = block(rpc, deployment.start_block.saturating_sub(1)).await?;

    let mut tx = pool.write().await?;
    let Some(cursor) = blocks::head(&mut tx).await? else {
        blocks::insert_blocks(
            &mut tx,
            &[BlockRow {
                number: Count(anchor.number),
                hash: anchor.hash,
                timestamp: Count(anchor.timestamp),
                eventful: false,
            }],
        )
        .await?;
        let cursor = Cursor {
            chain_id: Count(deployment.chain_id),
            genesis: genesis.hash,
            coordinator: deployment.training_coordinator,
            start_block: Count(deployment.start_block),
            number: Count(anchor.number),
            hash: anchor.hash,
            timestamp: Count(anchor.timestamp),
            chain_head: Count(anchor.number),
            safe: Count(0),
            finalized: Count(0),
            updated_at: Count(now),
        };
        blocks::advance_cursor(&mut tx, &cursor).await?;
        tx.commit().await.map_err(offsetdata_store::StoreError::from)?;
        return Ok(());
    };
    drop(tx);
    same_database(&cursor, genesis.hash, deployment)
}

/// Checks that another instance has filled the database, and for this chain and deployment. It writes nothing.
///
/// # Errors
/// An empty database; [`IndexerError::OtherDeployment`].
pub async fn check_written(pool: &Pool, rpc: &Rpc, deployment: &Deployment) -> Result<(), IndexerError> {
    let cursor = blocks::head(&mut *pool.acquire().await.map_err(IndexerError::from)?).await?;
    belongs(&cursor.ok_or_else(nothing_to_read)?, rpc, deployment).await
}

/// What an instance that only answers says of a database that nobody has filled.
pub(crate) fn nothing_to_read() -> IndexerError {
    let reason =
        "the database is not there or empty: name that of the indexer that writes, and start that one first";
    IndexerError::Setting { setting: "--read-only", reason: reason.to_owned() }
}

/// Checks that a cursor is of this chain and deployment.
///
/// # Errors
/// [`IndexerError::OtherDeployment`] where it is not.
pub(crate) async fn belongs(cursor: &Cursor, rpc: &Rpc, deployment: &Deployment) -> Result<(), IndexerError> {
    same_database(cursor, block(rpc, 0).await?.hash, deployment)
}

async fn block(rpc: &Rpc, number: u64) -> Result<Header, IndexerError> {
    let header = rpc.header(BlockNumberOrTag::Number(number)).await?;
    header.ok_or_else(|| IndexerError::inconsistent(format!("the chain has no block {number}")))
}

fn same_database(cursor: &Cursor, genesis: B256, deployment: &Deployment) -> Result<(), IndexerError> {
    same("chain id", deployment.chain_id, cursor.chain_id.0)?;
    same("genesis block", genesis, cursor.genesis)?;
    same("TrainingCoordinator", deployment.training_coordinator, cursor.coordinator)?;
    same("start block", deployment.start_block, cursor.start_block.0)
}

fn same<T: PartialEq + std::fmt::Display>(
    what: &'static str,
    expected: T,
    actual: T,
) -> Result<(), IndexerError> {
    if expected == actual {
        return Ok(());
    }
    Err(IndexerError::OtherDeployment { what, expected: expected.to_string(), actual: actual.to_string() })
}
