//! Rows that many parts of a query ask for one by one, read together.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;

use async_graphql::dataloader::{DataLoader, Loader};
use async_graphql::{Context, Result};
use offsetdata_protocol::ids::CollectionId;
use offsetdata_store::chain::{blocks, collections};
use offsetdata_store::{StoreError, Tx};
use tokio::sync::Mutex;

use super::block::BlockRef;
use super::collection::{Collection, show};
use super::snapshot::internal;

/// Most rows that are read together.
const BATCH: usize = 500;

/// Reads in the transaction of one query.
pub(crate) struct Rows(Arc<Mutex<Tx>>);

impl Rows {
    /// A loader for a query.
    pub(crate) fn loader(tx: Arc<Mutex<Tx>>) -> DataLoader<Self> {
        DataLoader::new(Self(tx), tokio::spawn).max_batch_size(BATCH)
    }
}

/// Key of a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct BlockNumber(pub(crate) u64);

impl Loader<BlockNumber> for Rows {
    type Value = BlockRef;
    type Error = Arc<StoreError>;

    async fn load(&self, keys: &[BlockNumber]) -> Result<HashMap<BlockNumber, BlockRef>, Self::Error> {
        let numbers: Vec<u64> = keys.iter().map(|key| key.0).collect();
        let rows = blocks::find_blocks(&mut *self.0.lock().await, &numbers).await?;
        Ok(rows.into_iter().map(|row| (BlockNumber(row.number.0), row.into())).collect())
    }
}

impl Loader<CollectionId> for Rows {
    type Value = Collection;
    type Error = Arc<StoreError>;

    async fn load(&self, keys: &[CollectionId]) -> Result<HashMap<CollectionId, Collection>, Self::Error> {
        let mut conn = self.0.lock().await;
        let rows = collections::find_collections(&mut conn, keys).await?;
        let shown = show(&mut conn, rows).await?;
        Ok(shown.into_iter().map(|collection| (collection.key(), collection)).collect())
    }
}

/// One row, read together with the others that the query asks for at the time.
pub(crate) async fn load<K>(ctx: &Context<'_>, key: K) -> Result<Option<<Rows as Loader<K>>::Value>>
where
    K: Send + Sync + Hash + Eq + Clone + 'static,
    Rows: Loader<K, Error = Arc<StoreError>>,
{
    let loader = ctx.data::<DataLoader<Rows>>()?;
    loader.load_one(key).await.map_err(|error| internal(&*error))
}
