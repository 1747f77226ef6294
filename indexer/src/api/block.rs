//! Blocks as the API shows them: that of a row, and the one that a whole answer is about.

use alloy::primitives::B256;
use async_graphql::{Context, Object, Result, SimpleObject};
use offsetdata_store::Count;
use offsetdata_store::chain::Position;
use offsetdata_store::chain::blocks::{self, BlockRow, Cursor};

use super::scalars::{Bytes32, Finality, Long};
use super::snapshot::{conn, internal};

/// A block.
#[derive(SimpleObject)]
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
        let row = blocks::find_block(&mut *conn(ctx).await?, position.block()).await.map_err(internal)?;
        Ok(row.map(Self::from))
    }
}

impl From<BlockRow> for BlockRef {
    fn from(row: BlockRow) -> Self {
        Self::new(row.number, row.hash, row.timestamp)
    }
}

/// The block that the answer is about: everything up to it is in, nothing after it.
pub(crate) struct Block(pub(crate) Cursor);

#[Object]
impl Block {
    async fn number(&self) -> Long {
        self.0.number.into()
    }
    async fn hash(&self) -> Bytes32 {
        self.0.hash.into()
    }
    /// Unix seconds.
    async fn timestamp(&self) -> Long {
        self.0.timestamp.into()
    }
    /// How sure the chain is of this block.
    async fn finality(&self) -> Finality {
        match self.0.number {
            number if number <= self.0.finalized => Finality::Finalized,
            number if number <= self.0.safe => Finality::Safe,
            _ => Finality::Head,
        }
    }
    /// Blocks of the chain that are not in yet.
    async fn lag(&self) -> Long {
        self.0.chain_head.0.saturating_sub(self.0.number.0).into()
    }
    /// Last block that the chain calls safe.
    async fn safe(&self) -> Long {
        self.0.safe.into()
    }
    /// Last block that the chain calls finalized.
    async fn finalized(&self) -> Long {
        self.0.finalized.into()
    }
    /// EIP-155 chain id.
    async fn chain_id(&self) -> Long {
        self.0.chain_id.into()
    }
}
