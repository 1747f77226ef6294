//! What concerns one account, as GraphQL shows it.

use alloy::primitives::Address;
use async_graphql::connection::Connection;
use async_graphql::{Context, Enum, Object, Result};
use offsetdata_store::chain::billing::{self, VoucherFilter};
use offsetdata_store::chain::blocks;
use offsetdata_store::chain::payments::{self, PaymentFilter};
use offsetdata_store::chain::rights::{self, AccessFilter};
use offsetdata_store::chain::statement;

use super::billing::{DepositEvent, Revenue, ShareClaim, SkippedVoucher, Spender, Voucher};
use super::deposits::{self, Deposit};
use super::page::{Paging, Place, cost};
use super::payments::{Credit, Payment, StatementLine, Withdrawal};
use super::rights::{Access, AccessEvent, Right};
use super::scalars::{self, Bytes32};
use super::snapshot::{conn, internal};

/// An account: a person, a service or a contract.
pub(crate) struct Account(pub(crate) Address);

/// On which side of a payment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
pub(crate) enum Side {
    /// Who pays.
    Payer,
    /// Who is paid.
    Payee,
}

impl Account {
    fn vouchers_of(&self, side: Side, collection: Option<Bytes32>) -> VoucherFilter {
        let (payer, payee) = self.sides(side);
        VoucherFilter { payer, payee, collection: collection.map(|id| id.0.into()), lane: None }
    }

    fn sides(&self, side: Side) -> (Option<Address>, Option<Address>) {
        match side {
            Side::Payer => (Some(self.0), None),
            Side::Payee => (None, Some(self.0)),
        }
    }
}

#[Object]
impl Account {
    async fn address(&self) -> scalars::Account {
        scalars::Account(self.0)
    }
    /// Rights by token, in the order in which they first appeared.
    #[graphql(complexity = "cost(first, last, child_complexity)")]
    #[expect(clippy::too_many_arguments, reason = "each is an argument of the field")]
    async fn access(
        &self,
        ctx: &Context<'_>,
        right: Option<Right>,
        #[graphql(default, desc = "Only rights that hold at the time of the block of this answer.")]
        held: bool,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
    ) -> Result<Connection<Place, Access>> {
        let paging = Paging::new(first, after, last, before)?;
        let filter =
            AccessFilter { collection: None, holder: Some(self.0), access_right: right.map(Right::code) };
        let mut conn = conn(ctx).await?;
        let head = blocks::head(&mut conn).await.map_err(internal)?;
        let held_at = held.then(|| head.map_or(0, |cursor| cursor.timestamp.0));
        let rows = rights::list_access(&mut conn, filter, held_at, paging.page(false)).await;
        paging.locate(&mut conn, rows).await
    }
    /// What happened to its rights.
    #[graphql(complexity = "cost(first, last, child_complexity)")]
    async fn access_events(
        &self,
        ctx: &Context<'_>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
        #[graphql(default = true)] newest_first: bool,
    ) -> Result<Connection<Place, AccessEvent>> {
        let paging = Paging::new(first, after, last, before)?;
        let filter = AccessFilter { holder: Some(self.0), ..Default::default() };
        let mut conn = conn(ctx).await?;
        let rows = rights::list_access_events(&mut conn, filter, paging.page(newest_first)).await;
        paging.locate(&mut conn, rows).await
    }
    /// Vouchers that it paid or was paid by.
    #[graphql(complexity = "cost(first, last, child_complexity)")]
    #[expect(clippy::too_many_arguments, reason = "each is an argument of the field")]
    async fn vouchers(
        &self,
        ctx: &Context<'_>,
        #[graphql(name = "as")] side: Side,
        collection: Option<Bytes32>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
        #[graphql(default = true)] newest_first: bool,
    ) -> Result<Connection<Place, Voucher>> {
        let paging = Paging::new(first, after, last, before)?;
        let filter = self.vouchers_of(side, collection);
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
        #[graphql(name = "as")] side: Side,
        collection: Option<Bytes32>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
        #[graphql(default = true)] newest_first: bool,
    ) -> Result<Connection<Place, SkippedVoucher>> {
        let paging = Paging::new(first, after, last, before)?;
        let filter = self.vouchers_of(side, collection);
        let mut conn = conn(ctx).await?;
        let rows = billing::list_skipped_vouchers(&mut conn, filter, paging.page(newest_first)).await;
        paging.locate(&mut conn, rows).await
    }
    /// Keys that may sign vouchers for it, as they stand.
    #[graphql(complexity = "cost(first, last, child_complexity)")]
    async fn spenders(
        &self,
        ctx: &Context<'_>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
    ) -> Result<Connection<Place, Spender>> {
        let paging = Paging::new(first, after, last, before)?;
        let mut conn = conn(ctx).await?;
        let rows = billing::list_spenders(&mut conn, self.0, paging.page(false)).await;
        paging.locate(&mut conn, rows).await
    }
    /// What happened to its deposits, or to those for it.
    #[graphql(complexity = "cost(first, last, child_complexity)")]
    #[expect(clippy::too_many_arguments, reason = "each is an argument of the field")]
    async fn deposits(
        &self,
        ctx: &Context<'_>,
        #[graphql(name = "as")] side: Side,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
        #[graphql(default = true)] newest_first: bool,
    ) -> Result<Connection<Place, DepositEvent>> {
        let paging = Paging::new(first, after, last, before)?;
        let (payer, payee) = self.sides(side);
        let mut conn = conn(ctx).await?;
        let rows = billing::list_deposit_events(&mut conn, payer, payee, paging.page(newest_first)).await;
        paging.locate(&mut conn, rows).await
    }
    /// Its deposits, or those for it, as they stand; in the order in which they were first made.
    #[graphql(complexity = "cost(first, last, 5 + child_complexity)")]
    async fn deposit_states(
        &self,
        ctx: &Context<'_>,
        #[graphql(name = "as")] side: Side,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
    ) -> Result<Connection<Place, Deposit>> {
        let paging = Paging::new(first, after, last, before)?;
        let (payer, payee) = self.sides(side);
        let rows = deposits::list(&mut *conn(ctx).await?, payer, payee, paging.page(false)).await;
        Ok(paging.connect(rows.map_err(internal)?, |(position, deposit)| (Place(position), deposit)))
    }
    /// Its statement: what it paid or was paid for collections.
    #[graphql(complexity = "cost(first, last, child_complexity)")]
    #[expect(clippy::too_many_arguments, reason = "each is an argument of the field")]
    async fn payments(
        &self,
        ctx: &Context<'_>,
        #[graphql(name = "as")] side: Side,
        collection: Option<Bytes32>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
        #[graphql(default = true)] newest_first: bool,
    ) -> Result<Connection<Place, Payment>> {
        let paging = Paging::new(first, after, last, before)?;
        let (payer, payee) = self.sides(side);
        let filter = PaymentFilter { payer, payee, collection: collection.map(|id| id.0.into()) };
        let mut conn = conn(ctx).await?;
        let rows = payments::list_payments(&mut conn, filter, paging.page(newest_first)).await;
        paging.locate(&mut conn, rows).await
    }
    /// Sums of its statement by the other side and collection; at most 1000.
    #[graphql(complexity = "200 + 20 * child_complexity")]
    async fn statement(
        &self,
        ctx: &Context<'_>,
        #[graphql(name = "as")] side: Side,
    ) -> Result<Vec<StatementLine>> {
        let side = match side {
            Side::Payer => statement::Side::Payer,
            Side::Payee => statement::Side::Payee,
        };
        let lines = statement::list_statement(&mut *conn(ctx).await?, self.0, side).await;
        Ok(lines.map_err(internal)?.into_iter().map(StatementLine::from).collect())
    }
    /// What AccessToken and UsageBilling came to owe it. What it pulled is among the withdrawals.
    #[graphql(complexity = "cost(first, last, child_complexity)")]
    async fn credits(
        &self,
        ctx: &Context<'_>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
        #[graphql(default = true)] newest_first: bool,
    ) -> Result<Connection<Place, Credit>> {
        let paging = Paging::new(first, after, last, before)?;
        let mut conn = conn(ctx).await?;
        let rows = payments::list_credits(&mut conn, self.0, paging.page(newest_first)).await;
        paging.locate(&mut conn, rows).await
    }
    /// What it pulled from any of the contracts.
    #[graphql(complexity = "cost(first, last, child_complexity)")]
    async fn withdrawals(
        &self,
        ctx: &Context<'_>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
        #[graphql(default = true)] newest_first: bool,
    ) -> Result<Connection<Place, Withdrawal>> {
        let paging = Paging::new(first, after, last, before)?;
        let mut conn = conn(ctx).await?;
        let rows = payments::list_withdrawals(&mut conn, self.0, paging.page(newest_first)).await;
        paging.locate(&mut conn, rows).await
    }
    /// Its revenue from vouchers that was collected.
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
        let rows = billing::list_revenue(&mut conn, None, Some(self.0), page).await;
        paging.locate(&mut conn, rows).await
    }
    /// Shares that it claimed.
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
        let rows = billing::list_share_claims(&mut conn, None, Some(self.0), page).await;
        paging.locate(&mut conn, rows).await
    }
}
