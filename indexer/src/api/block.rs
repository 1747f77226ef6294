//! Blocks as the API shows them: that of a row, and the one that a whole answer is about.

use alloy::primitives::B256;
use async_graphql::{Context, Result, SimpleObject};
use offsetdata_store::Count;
use offsetdata_store::chain::Position;
use offsetdata_store::chain::blocks::{BlockRow, Cursor};
use serde::Serialize;
use utoipa::ToSchema;

use super::loaders::{BlockNumber, load};
use super::scalars::{Bytes32, Finality, Long};

/// A block.
#[derive(Debug, Clone, Copy, PartialEq, Eq, SimpleObject, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct BlockRef {
    number: Long,
    hash: Bytes32,
    /// Unix seconds.
    timestamp: Long,
}

impl BlockRef {
    /// A block whose parts are known.
    pub(crate) fn new(number: Count, hash: B256, timestamp: Count) -> Self {
        Self { number: number.into(), hash: hash.into(), timestamp: timestamp.into() }
    }

    /// The block of a row.
    pub(crate) async fn find(ctx: &Context<'_>, position: Position) -> Result<Option<Self>> {
        load(ctx, BlockNumber(position.block())).await
    }
}

impl From<BlockRow> for BlockRef {
    fn from(row: BlockRow) -> Self {
        Self::new(row.number, row.hash, row.timestamp)
    }
}

/// The block that an answer is about: everything up to it is in, nothing after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, SimpleObject, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Block {
    number: Long,
    hash: Bytes32,
    /// Unix seconds.
    timestamp: Long,
    /// How sure the chain is of this block.
    finality: Finality,
    /// Blocks of the chain that are not in yet.
    lag: Long,
    /// Last block that the chain calls safe.
    safe: Long,
    /// Last block that the chain calls finalized.
    finalized: Long,
    /// EIP-155 chain id.
    chain_id: Long,
}

impl From<&Cursor> for Block {
    fn from(cursor: &Cursor) -> Self {
        let finality = match cursor.number {
            number if number <= cursor.finalized => Finality::Finalized,
            number if number <= cursor.safe => Finality::Safe,
            _ => Finality::Head,
        };
        Self {
            number: cursor.number.into(),
            hash: cursor.hash.into(),
            timestamp: cursor.timestamp.into(),
            finality,
            lag: cursor.chain_head.0.saturating_sub(cursor.number.0).into(),
            safe: cursor.safe.into(),
            finalized: cursor.finalized.into(),
            chain_id: cursor.chain_id.into(),
        }
    }
}
