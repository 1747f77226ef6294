//! What belongs to a collection, in pages.

use async_graphql::connection::Connection;
use async_graphql::{ComplexObject, Context, Error, Result};
use offsetdata_store::chain::billing::{self, VoucherFilter};
use offsetdata_store::chain::collections::{self, CollectionFilter};
use offsetdata_store::chain::payments::{self, PaymentFilter};
use offsetdata_store::chain::rights::{self, AccessFilter};
use offsetdata_store::chain::usage::{self, UsageBy, UsageFilter};
use offsetdata_store::chain::{blocks, requests};

use super::{AppendProof, Collection, Flag, MetadataRevision, PublisherTransfer, SealedKey, show};
use crate::api::billing::{Revenue, ShareClaim, SkippedVoucher, Usage, Voucher};
use crate::api::loaders::load;
use crate::api::page::{Paging, Place, cost};
use crate::api::payments::Payment;
use crate::api::request::TrainingRequest;
use crate::api::rights::{Access, AccessEvent, Denial, Right, Trainer};
use crate::api::scalars::{Account, Long};
use crate::api::snapshot::{conn, internal};

/// Most sums of usage in an answer.
const MAX_USAGE: u32 = 1000;

#[ComplexObject]
impl Collection {
    /// The collection that this one is the next version of.
    #[graphql(complexity = "2 + child_complexity")]
    async fn previous_version(&self, ctx: &Context<'_>) -> Result<Option<Collection>> {
        match self.previous {
            Some(id) => load::<offsetdata_protocol::ids::CollectionId>(ctx, id.0.into()).await,
            None => Ok(None),
        }
    }
    /// Collections that name this one as their previous version: its publisher registered them.
    #[graphql(complexity = "cost(first, last, child_complexity)")]
    async fn next_versions(
        &self,
        ctx: &Context<'_>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
    ) -> Result<Connection<Place, Collection>> {
        let paging = Paging::new(first, after, last, before)?;
        let filter = CollectionFilter { previous: Some(self.key()), ..Default::default() };
        let mut conn = conn(ctx).await?;
        let rows = collections::list_collections(&mut conn, &filter, paging.page(false)).await;
        let shown = show(&mut conn, rows.map_err(internal)?).await.map_err(internal)?;
        Ok(paging.connect(shown, |collection| (Place(collection.position()), collection)))
    }
    /// Training requests that name it among their inputs.
    #[graphql(complexity = "cost(first, last, child_complexity)")]
    async fn requests(
        &self,
        ctx: &Context<'_>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
        #[graphql(default = true)] newest_first: bool,
    ) -> Result<Connection<Place, TrainingRequest>> {
        let paging = Paging::new(first, after, last, before)?;
        let page = paging.page(newest_first);
        let rows = requests::list_requests_of_collection(&mut *conn(ctx).await?, self.key(), page)
            .await
            .map_err(internal)?;
        Ok(paging.connect(rows, |row| (Place(row.position), TrainingRequest(row))))
    }
    /// Who holds or held rights by token, in the order in which they first appeared.
    #[graphql(complexity = "cost(first, last, child_complexity)")]
    #[expect(clippy::too_many_arguments, reason = "each is an argument of the field")]
    async fn access(
        &self,
        ctx: &Context<'_>,
        holder: Option<Account>,
        right: Option<Right>,
        #[graphql(default, desc = "Only rights that hold at the time of the block of this answer.")]
        held: bool,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
    ) -> Result<Connection<Place, Access>> {
        let paging = Paging::new(first, after, last, before)?;
        let filter = AccessFilter {
            collection: Some(self.key()),
            holder: holder.map(|account| account.0),
            access_right: right.map(Right::code),
        };
        let mut conn = conn(ctx).await?;
        let head = blocks::head(&mut conn).await.map_err(internal)?;
        let held_at = held.then(|| head.map_or(0, |cursor| cursor.timestamp.0));
        let rows = rights::list_access(&mut conn, filter, held_at, paging.page(false)).await;
        paging.locate(&mut conn, rows).await
    }
    /// What happened to rights.
    #[graphql(complexity = "cost(first, last, child_complexity)")]
    #[expect(clippy::too_many_arguments, reason = "each is an argument of the field")]
    async fn access_events(
        &self,
        ctx: &Context<'_>,
        holder: Option<Account>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
        #[graphql(default = true)] newest_first: bool,
    ) -> Result<Connection<Place, AccessEvent>> {
        let paging = Paging::new(first, after, last, before)?;
        let holder = holder.map(|account| account.0);
        let filter = AccessFilter { collection: Some(self.key()), holder, access_right: None };
        let mut conn = conn(ctx).await?;
        let rows = rights::list_access_events(&mut conn, filter, paging.page(newest_first)).await;
        paging.locate(&mut conn, rows).await
    }
    /// Accounts that the publisher denies every right.
    #[graphql(complexity = "cost(first, last, child_complexity)")]
    async fn denials(
        &self,
        ctx: &Context<'_>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
    ) -> Result<Connection<Place, Denial>> {
        let paging = Paging::new(first, after, last, before)?;
        let mut conn = conn(ctx).await?;
        let rows = rights::list_denials(&mut conn, self.key(), paging.page(false)).await;
        paging.locate(&mut conn, rows).await
    }
    /// Workers that the publisher trusts with trainers.
    #[graphql(complexity = "cost(first, last, child_complexity)")]
    async fn trainers(
        &self,
        ctx: &Context<'_>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
    ) -> Result<Connection<Place, Trainer>> {
        let paging = Paging::new(first, after, last, before)?;
        let mut conn = conn(ctx).await?;
        let rows = rights::list_trainers(&mut conn, self.key(), paging.page(false)).await;
        paging.locate(&mut conn, rows).await
    }
    /// Settled vouchers.
    #[graphql(complexity = "cost(first, last, child_complexity)")]
    #[expect(clippy::too_many_arguments, reason = "each is an argument of the field")]
    async fn vouchers(
        &self,
        ctx: &Context<'_>,
        payer: Option<Account>,
        payee: Option<Account>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
        #[graphql(default = true)] newest_first: bool,
    ) -> Result<Connection<Place, Voucher>> {
        let paging = Paging::new(first, after, last, before)?;
        let filter = self.vouchers_of(payer, payee);
        let mut conn = conn(ctx).await?;
        let rows = billing::list_vouchers(&mut conn, filter, paging.page(newest_first)).await;
        paging.locate(&mut conn, rows).await
    }
    /// Vouchers of batches that were passed over.
    #[graphql(complexity = "cost(first, last, child_complexity)")]
    #[expect(clippy::too_many_arguments, reason = "each is an argument of the field")]
    async fn skipped_vouchers(
        &self,
        ctx: &Context<'_>,
        payer: Option<Account>,
        payee: Option<Account>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
        #[graphql(default = true)] newest_first: bool,
    ) -> Result<Connection<Place, SkippedVoucher>> {
        let paging = Paging::new(first, after, last, before)?;
        let filter = self.vouchers_of(payer, payee);
        let mut conn = conn(ctx).await?;
        let rows = billing::list_skipped_vouchers(&mut conn, filter, paging.page(newest_first)).await;
        paging.locate(&mut conn, rows).await
    }
    /// What was settled for it, summed: over all, by payer, by day, or by both. Without `payee` only what went to payees that
    /// an offer ever named counts, as anyone may settle a voucher with itself about any collection.
    #[graphql(complexity = "100 + usage_rows(first) * child_complexity")]
    #[expect(clippy::too_many_arguments, reason = "each is an argument of the field")]
    async fn usage(
        &self,
        ctx: &Context<'_>,
        #[graphql(default)] by_payer: bool,
        #[graphql(default)] by_day: bool,
        payer: Option<Account>,
        payee: Option<Account>,
        #[graphql(desc = "Unix seconds: not before the day (UTC) of this time.")] from: Option<Long>,
        #[graphql(desc = "Unix seconds: not after the day (UTC) of this time.")] to: Option<Long>,
        #[graphql(desc = "At most so many sums, 1 to 1000.")] first: Option<i32>,
    ) -> Result<Vec<Usage>> {
        let limit = match first {
            None => MAX_USAGE,
            Some(first) => u32::try_from(first)
                .ok()
                .filter(|first| (1..=MAX_USAGE).contains(first))
                .ok_or_else(|| Error::new(format!("first: expected 1 to {MAX_USAGE}, got {first}")))?,
        };
        let filter = UsageFilter {
            payer: payer.map(|account| account.0),
            payee: payee.map(|account| account.0),
            from_day: from.map(|time| time.0 / 86_400),
            to_day: to.map(|time| time.0 / 86_400),
        };
        let by = UsageBy { payer: by_payer, day: by_day };
        let rows = usage::list_usage(&mut *conn(ctx).await?, self.key(), filter, by, limit).await;
        Ok(rows.map_err(internal)?.into_iter().map(Usage::from).collect())
    }
    /// Payments for it.
    #[graphql(complexity = "cost(first, last, child_complexity)")]
    async fn payments(
        &self,
        ctx: &Context<'_>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
        #[graphql(default = true)] newest_first: bool,
    ) -> Result<Connection<Place, Payment>> {
        let paging = Paging::new(first, after, last, before)?;
        let filter = PaymentFilter { collection: Some(self.key()), ..Default::default() };
        let mut conn = conn(ctx).await?;
        let rows = payments::list_payments(&mut conn, filter, paging.page(newest_first)).await;
        paging.locate(&mut conn, rows).await
    }
    /// Revenue from vouchers that was collected.
    #[graphql(complexity = "cost(first, last, child_complexity)")]
    async fn revenue(
        &self,
        ctx: &Context<'_>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
        #[graphql(default = true)] newest_first: bool,
    ) -> Result<Connection<Place, Revenue>> {
        let paging = Paging::new(first, after, last, before)?;
        let mut conn = conn(ctx).await?;
        let page = paging.page(newest_first);
        let rows = billing::list_revenue(&mut conn, Some(self.key()), None, page).await;
        paging.locate(&mut conn, rows).await
    }
    /// Shares that contributors claimed.
    #[graphql(complexity = "cost(first, last, child_complexity)")]
    async fn share_claims(
        &self,
        ctx: &Context<'_>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
        #[graphql(default = true)] newest_first: bool,
    ) -> Result<Connection<Place, ShareClaim>> {
        let paging = Paging::new(first, after, last, before)?;
        let mut conn = conn(ctx).await?;
        let page = paging.page(newest_first);
        let rows = billing::list_share_claims(&mut conn, Some(self.key()), None, page).await;
        paging.locate(&mut conn, rows).await
    }
    /// Flags of curators. Readers choose whose they honour.
    #[graphql(complexity = "cost(first, last, child_complexity)")]
    async fn flags(
        &self,
        ctx: &Context<'_>,
        curator: Option<Account>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
    ) -> Result<Connection<Place, Flag>> {
        let paging = Paging::new(first, after, last, before)?;
        let curator = curator.map(|account| account.0);
        let mut conn = conn(ctx).await?;
        let rows = collections::list_flags(&mut conn, self.key(), curator, paging.page(false)).await;
        paging.locate(&mut conn, rows).await
    }
    /// Proofs that it only appends to its previous version.
    #[graphql(complexity = "cost(first, last, child_complexity)")]
    async fn appends(
        &self,
        ctx: &Context<'_>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
    ) -> Result<Connection<Place, AppendProof>> {
        let paging = Paging::new(first, after, last, before)?;
        let mut conn = conn(ctx).await?;
        let rows = collections::list_appends(&mut conn, self.key(), paging.page(false)).await;
        paging.locate(&mut conn, rows).await
    }
    /// The collection key as it was last sealed to each gateway.
    #[graphql(complexity = "cost(first, last, child_complexity)")]
    async fn sealed_keys(
        &self,
        ctx: &Context<'_>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
    ) -> Result<Connection<Place, SealedKey>> {
        let paging = Paging::new(first, after, last, before)?;
        let mut conn = conn(ctx).await?;
        let rows = collections::list_sealed_keys(&mut conn, self.key(), paging.page(false)).await;
        paging.locate(&mut conn, rows).await
    }
    /// Who was named to publish it, and who accepted.
    #[graphql(complexity = "cost(first, last, child_complexity)")]
    async fn publisher_transfers(
        &self,
        ctx: &Context<'_>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
    ) -> Result<Connection<Place, PublisherTransfer>> {
        let paging = Paging::new(first, after, last, before)?;
        let mut conn = conn(ctx).await?;
        let rows = collections::list_publisher_transfers(&mut conn, self.key(), paging.page(false)).await;
        paging.locate(&mut conn, rows).await
    }
    /// Its metadata as the publisher revised it.
    #[graphql(complexity = "cost(first, last, child_complexity)")]
    async fn metadata_revisions(
        &self,
        ctx: &Context<'_>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
    ) -> Result<Connection<Place, MetadataRevision>> {
        let paging = Paging::new(first, after, last, before)?;
        let mut conn = conn(ctx).await?;
        let page = paging.page(false);
        let rows = collections::list_metadata_revisions(&mut conn, self.key().0, page).await;
        paging.locate(&mut conn, rows).await
    }
}

impl Collection {
    fn vouchers_of(&self, payer: Option<Account>, payee: Option<Account>) -> VoucherFilter {
        VoucherFilter {
            payer: payer.map(|account| account.0),
            payee: payee.map(|account| account.0),
            collection: Some(self.key()),
            lane: None,
        }
    }
}

fn usage_rows(first: Option<i32>) -> usize {
    first.and_then(|first| usize::try_from(first).ok()).unwrap_or(MAX_USAGE as usize).min(MAX_USAGE as usize)
}
