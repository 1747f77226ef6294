//! Collections and their offers as the API shows them.

use async_graphql::connection::Connection;
use async_graphql::{Context, Object, Result};
use offsetdata_protocol::cid::{DAG_CBOR, block_cid};
use offsetdata_store::chain::access::{self, OfferState};
use offsetdata_store::chain::collections::CollectionState;
use offsetdata_store::chain::requests;

use super::block::BlockRef;
use super::page::{Paging, Place, cost};
use super::request::TrainingRequest;
use super::scalars::{Account, Amount, Bytes32, Long};
use super::snapshot::{conn, internal};

/// A published set of records.
pub(crate) struct Collection(pub(crate) CollectionState);

#[Object]
impl Collection {
    async fn id(&self) -> Bytes32 {
        self.0.id.into()
    }
    /// Who registered it.
    async fn registrant(&self) -> Account {
        Account(self.0.registrant)
    }
    /// Who publishes it now.
    async fn publisher(&self) -> Account {
        Account(self.0.publisher)
    }
    /// The collection that this one is the next version of.
    async fn previous(&self) -> Option<Bytes32> {
        (!self.0.previous.0.is_zero()).then(|| self.0.previous.into())
    }
    /// Root of the records (RFC 9162): what proves.
    async fn content_root(&self) -> Bytes32 {
        self.0.content_root.into()
    }
    async fn record_count(&self) -> Long {
        u64::from(self.0.record_count).into()
    }
    /// SHA-256 digest of the manifest's root block.
    async fn manifest_digest(&self) -> Bytes32 {
        self.0.manifest_digest.into()
    }
    /// CID of the manifest: what fetches.
    async fn manifest_cid(&self) -> String {
        block_cid(DAG_CBOR, self.0.manifest_digest.into()).to_string()
    }
    /// SHA-256 digest of the policy terms.
    async fn policy_digest(&self) -> Option<Bytes32> {
        (!self.0.policy_digest.is_zero()).then(|| self.0.policy_digest.into())
    }
    /// Root of the contributors' shares.
    async fn shares_root(&self) -> Option<Bytes32> {
        (!self.0.shares_root.is_zero()).then(|| self.0.shares_root.into())
    }
    async fn retired(&self) -> bool {
        self.0.retired
    }
    /// SHA-256 digest of the metadata last published.
    async fn metadata_digest(&self) -> Option<Bytes32> {
        self.0.metadata_digest.map(Bytes32)
    }
    async fn metadata_uri(&self) -> Option<&str> {
        self.0.metadata_uri.as_deref()
    }
    /// How often it was proven that it only appends to the previous version.
    async fn append_proofs(&self) -> Long {
        u64::from(self.0.append_proofs).into()
    }
    /// The block in which it was registered.
    async fn registered_in(&self, ctx: &Context<'_>) -> Result<Option<BlockRef>> {
        BlockRef::find(ctx, self.0.position).await
    }
    /// The offers that stand, at most one a right.
    #[graphql(complexity = "1 + 2 * child_complexity")]
    async fn offers(&self, ctx: &Context<'_>) -> Result<Vec<Offer>> {
        let offers = access::list_offers(&mut *conn(ctx).await?, self.0.id).await.map_err(internal)?;
        Ok(offers.into_iter().map(Offer).collect())
    }
    /// Training requests that name it among their inputs.
    #[graphql(complexity = "cost(first, child_complexity)")]
    async fn requests(
        &self,
        ctx: &Context<'_>,
        first: Option<i32>,
        after: Option<String>,
        #[graphql(default = true)] newest_first: bool,
    ) -> Result<Connection<Place, TrainingRequest>> {
        let paging = Paging::new(first, after)?;
        let rows = requests::list_requests_of_collection(
            &mut *conn(ctx).await?,
            self.0.id,
            paging.page(newest_first),
        )
        .await
        .map_err(internal)?;
        Ok(paging.connect(rows, |row| (Place(row.position), TrainingRequest(row))))
    }
}

/// How one right to a collection is sold.
pub(crate) struct Offer(OfferState);

/// What an access token allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, async_graphql::Enum)]
pub(crate) enum Right {
    /// To read records.
    Read,
    /// To train on records.
    Train,
}

#[Object]
impl Offer {
    async fn right(&self) -> Right {
        if self.0.access_right == 0 { Right::Read } else { Right::Train }
    }
    /// Price of one period in the token's smallest unit.
    async fn price(&self) -> Amount {
        self.0.price.into()
    }
    /// Price of one record.
    async fn price_per_record(&self) -> Amount {
        self.0.price_per_record.into()
    }
    async fn payee(&self) -> Account {
        Account(self.0.payee)
    }
    /// Seconds of one purchase, 0 for ever.
    async fn duration(&self) -> Long {
        self.0.duration.into()
    }
    /// Seconds in which unused money can be taken back.
    async fn refund_window(&self) -> Long {
        self.0.refund_window.into()
    }
    /// Whether it can be bought for a time.
    async fn timed(&self) -> bool {
        self.0.timed
    }
    /// Whether it can be used against payment per record.
    async fn metered(&self) -> bool {
        self.0.metered
    }
    /// Contract that says who is admitted; none admits everyone.
    async fn policy(&self) -> Option<Account> {
        (!self.0.policy.is_zero()).then_some(Account(self.0.policy))
    }
}
