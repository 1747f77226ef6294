//! What counted as landed by another transaction, after a reorg: where that one is gone too, the effect is on the chain no
//! more, and the call waits again. It sends nothing.

use futures::{StreamExt, TryStreamExt};
use offsetdata_store::relay::transactions::{self as rows, TransactionRow};

use super::followed::{advance, commit};
use super::reconciler::{AT_ONCE, Reconciler};
use super::state::{Kind, TransactionState as State};
use crate::RelayerError;
use crate::landing::has_landed;

/// Older than that nothing comes back: no chain reorganizes a day.
const REMEMBERED_SECONDS: u64 = 24 * 3600;
/// Looked at after a reorg, newest first.
const MOST: u32 = 1000;

impl Reconciler {
    /// Lets calls wait again whose effect a reorg took away with the transaction of somebody else.
    pub(super) async fn revive_superseded(&self, now: u64) -> Result<(), RelayerError> {
        let superseded = {
            let mut conn = self.tenure.pool.acquire().await?;
            let since = now.saturating_sub(REMEMBERED_SECONDS);
            rows::list_since(&mut conn, self.tenure.signer, State::Superseded.as_str(), since, MOST).await?
        };
        let chain = &self.chain;
        let gone: Vec<Option<TransactionRow>> = futures::stream::iter(superseded)
            .map(|row| async move {
                let Some(request) = row.request else { return Ok::<_, RelayerError>(None) };
                let state = chain.state_of(row.target, request).await?;
                let stands = has_landed(Kind::read(&row.kind)?, &row.calldata, &state)?;
                Ok(Some(row).filter(|_| !stands))
            })
            .buffered(AT_ONCE)
            .try_collect()
            .await?;
        let gone: Vec<TransactionRow> = gone.into_iter().flatten().collect();
        if gone.is_empty() {
            return Ok(());
        }
        let mut tx = self.tenure.write(now).await?;
        for mut row in gone {
            tracing::warn!(
                transaction = row.id.0,
                kind = row.kind,
                "a reorg took away what had landed in its place"
            );
            let reason = "a reorg took away what had landed in its place".to_owned();
            advance(&mut tx, &mut row, State::Pending, Some(reason), now).await?;
        }
        commit(tx).await
    }
}
