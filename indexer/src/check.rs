//! Whether the indexer would run: node, contracts, database. It writes nothing.

use offsetdata_store::chain::blocks::{self, Cursor};

use crate::config::Source;
use crate::error::IndexerError;
use crate::preflight::{belongs, check_chain};

/// What was found, all of it well.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checked {
    /// EIP-155 chain id of node and deployment.
    pub chain_id: u64,
    /// Last block of the chain.
    pub head: u64,
    /// First block of the deployment.
    pub start_block: u64,
    /// Last indexed block; `None` where nothing is indexed yet.
    pub indexed: Option<u64>,
}

/// Looks at everything that the service needs.
///
/// # Errors
/// What the service would not start with.
pub async fn check(source: &Source) -> Result<Checked, IndexerError> {
    let deployment = source.read_deployment()?;
    let rpc = source.rpc()?;
    check_chain(&rpc, &deployment).await?;
    let cursor = match offsetdata_store::connect_existing(&source.database_url).await? {
        None => None,
        Some(pool) => {
            let cursor = cursor(&pool).await;
            pool.close().await;
            cursor?
        }
    };
    if let Some(cursor) = &cursor {
        belongs(cursor, &rpc, &deployment).await?;
    }
    Ok(Checked {
        chain_id: deployment.chain_id,
        head: rpc.head().await?.number,
        start_block: deployment.start_block,
        indexed: cursor.map(|cursor| cursor.number.0),
    })
}

async fn cursor(pool: &offsetdata_store::Pool) -> Result<Option<Cursor>, IndexerError> {
    Ok(blocks::head(&mut *pool.acquire().await?).await?)
}
