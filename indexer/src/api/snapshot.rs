//! One read transaction for a whole answer, so that every part of it is about the same block.

use std::sync::Arc;

use async_graphql::{Context, Error, ErrorExtensions};
use offsetdata_store::{StoreError, Tx};
use tokio::sync::{Mutex, MutexGuard};

/// The transaction that a query reads in.
#[derive(Debug)]
pub(crate) struct Snapshot(Arc<Mutex<Tx>>);

impl Snapshot {
    /// Around a transaction.
    pub(crate) fn new(tx: Arc<Mutex<Tx>>) -> Self {
        Self(tx)
    }
}

/// The transaction of this query. Parts of a query take turns.
pub(crate) async fn conn<'c>(ctx: &Context<'c>) -> Result<MutexGuard<'c, Tx>, Error> {
    Ok(ctx.data::<Snapshot>()?.0.lock().await)
}

/// What is said of an error of ours: the details are in the log only.
pub(crate) fn internal(error: impl std::borrow::Borrow<StoreError>) -> Error {
    let error = error.borrow();
    tracing::error!(%error, "a query could not be answered");
    Error::new("the database could not answer").extend_with(|_, extensions| {
        extensions.set("code", "INTERNAL");
        extensions.set("retryable", error.is_retryable());
    })
}
