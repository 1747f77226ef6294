//! One read transaction for a whole query, so that every part of an answer is about the same block.

use async_graphql::{Context, Error, ErrorExtensions};
use offsetdata_store::{StoreError, Tx};
use tokio::sync::{Mutex, MutexGuard};

/// The transaction that a query reads in.
#[derive(Debug)]
pub(crate) struct Snapshot(Mutex<Tx>);

impl Snapshot {
    /// Around a transaction.
    pub(crate) fn new(tx: Tx) -> Self {
        Self(Mutex::new(tx))
    }
}

/// The transaction of this query. Parts of a query take turns.
pub(crate) async fn conn<'c>(ctx: &Context<'c>) -> Result<MutexGuard<'c, Tx>, Error> {
    Ok(ctx.data::<Snapshot>()?.0.lock().await)
}

/// What is said of an error of ours: the details are in the log only.
#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
pub(crate) fn internal(error: StoreError) -> Error {
    tracing::error!(%error, "a query could not be answered");
    Error::new("the database could not answer").extend_with(|_, extensions| {
        extensions.set("code", "INTERNAL");
        extensions.set("retryable", error.is_retryable());
    })
}
