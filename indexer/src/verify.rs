//! Whether a database is what the chain says: everything is read from the chain again into an empty database and compared row
//! by row. It changes nothing, and it does not compare what blocks hold that events name: that is verified by digest.

use std::path::Path;

use offsetdata_protocol::deployments::Deployment;
use offsetdata_store::Pool;
use offsetdata_store::chain::blocks::{self, Cursor};
use offsetdata_store::chain::compare::{self, Difference};

use crate::config::Source;
use crate::error::IndexerError;
use crate::follow::{Follower, PROVEN_DEPTH, Step};
use crate::preflight::{check_chain, check_database};
use crate::rpc::Rpc;

/// What a comparison found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verification {
    /// The block up to which both were compared.
    pub block: u64,
    /// Its hash in the database.
    pub hash: alloy::primitives::B256,
    /// Rows that were compared.
    pub rows: u64,
    /// What differs, at most one a table.
    pub differences: Vec<Difference>,
}

impl Verification {
    /// Whether the database is what the chain says.
    pub fn is_equal(&self) -> bool {
        self.differences.is_empty()
    }
}

/// Compares `database` with what the chain says up to the last finalized block that it holds, or up to `depth` blocks below its
/// head where the chain knows no finality, so that no reorg comes between. `scratch` is an empty database that was migrated;
/// it is filled. `progress` is told each block that was read.
///
/// # Errors
/// A node or database that does not answer; a deployment that is not on this chain; a `database` of something else or without a
/// block that is deep enough.
pub async fn verify(
    rpc: Rpc,
    database: &Pool,
    scratch: &Pool,
    deployment: &Deployment,
    depth: u64,
    mut progress: impl FnMut(u64),
) -> Result<Verification, IndexerError> {
    check_chain(&rpc, deployment).await?;
    let cursor = head(database).await?;
    check_database(database, &rpc, deployment, 0).await?;
    let deep = cursor.number.0.saturating_sub(depth);
    let block = deep.max(cursor.finalized.0.min(cursor.number.0));
    check_database(scratch, &rpc, deployment, 0).await?;
    let mut follower = Follower::new(rpc, scratch.clone(), deployment, depth.max(1)).proving(PROVEN_DEPTH);
    let mut failures = 0;
    loop {
        match follower.step(0).await {
            Ok(Step::Advanced { to, .. }) => {
                failures = 0;
                progress(to);
                if to >= block {
                    break;
                }
            }
            Ok(Step::RolledBack { .. }) => {}
            Ok(Step::Idle) => break,
            // A range that was too great is asked for in parts.
            Err(error) if error.is_retryable() && failures < 10 => {
                failures += 1;
                tracing::warn!(%error, failures, "a step failed and is tried again");
            }
            Err(error) => return Err(error),
        }
    }
    if head(scratch).await?.number.0 < block {
        return Err(IndexerError::inconsistent(format!("the chain ends before block {block}")));
    }
    let mut ours = database.read().await?;
    let mut theirs = scratch.read().await?;
    let hash = blocks::head(&mut ours).await?.filter(|now| now.number.0 >= block).map(|now| now.hash);
    let hash = match blocks::find_block(&mut ours, block).await? {
        Some(row) => row.hash,
        None => hash.ok_or_else(|| IndexerError::inconsistent("the database went back meanwhile"))?,
    };
    let (rows, differences) = compare::compare(&mut ours, &mut theirs, block).await?;
    Ok(Verification { block, hash, rows, differences })
}

/// The same for settings: `scratch` is a folder for the database that is built from the chain. `begun` is told the first and the last
/// block that are read, before `progress` is told each.
///
/// # Errors
/// As [`verify`]; also a database that is not there or can't be opened.
pub async fn verify_database(
    source: &Source,
    scratch: &Path,
    begun: impl FnOnce(u64, u64),
    progress: impl FnMut(u64),
) -> Result<Verification, IndexerError> {
    let deployment = source.read_deployment()?;
    let rpc = source.rpc()?;
    let database = offsetdata_store::connect_existing(&source.database_url).await?;
    let database = database.ok_or_else(|| IndexerError::Setting {
        setting: "--database-url",
        reason: "there is no such database, or it is empty".to_owned(),
    })?;
    let cursor = head(&database).await?;
    begun(deployment.start_block, cursor.number.0);
    let rebuilt = format!("sqlite:{}", scratch.join("rebuilt.db").display());
    let rebuilt = offsetdata_store::connect(&rebuilt).await?;
    offsetdata_store::migrate(&rebuilt).await?;
    let found = verify(rpc, &database, &rebuilt, &deployment, source.reorg_depth, progress).await;
    rebuilt.close().await;
    database.close().await;
    found
}

async fn head(pool: &Pool) -> Result<Cursor, IndexerError> {
    let cursor = blocks::head(&mut *pool.acquire().await?).await?;
    cursor.ok_or_else(|| IndexerError::Setting {
        setting: "--database-url",
        reason: "nothing is indexed in this database".to_owned(),
    })
}
