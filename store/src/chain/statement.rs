//! What an account paid or was paid for collections, summed to the smallest unit. It pages through what is not summed by the
//! database, so that memory stays flat.

use std::collections::BTreeMap;

use alloy::primitives::{Address, U256};
use offsetdata_protocol::ids::CollectionId;
use sqlx::AssertSqlSafe;

use crate::codec::{Column, Count, Put};
use crate::{Conn, StoreError};

use super::billing::whole;
use super::page::{Filter, Page, list_merged};
use super::payments::{PAYMENTS, Payment, PaymentKind};

/// Payments that are read at once.
const READ: u32 = 1000;
/// Most lines of a statement.
pub const MAX_LINES: usize = 1000;

/// On which side of a payment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Side {
    /// Who pays.
    Payer,
    /// Who is paid.
    Payee,
}

/// Sums for one other side and one collection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatementLine {
    /// Who was paid by the account, or who paid it.
    pub other: Address,
    /// For which collection.
    pub collection: CollectionId,
    /// By vouchers.
    pub vouchers: U256,
    /// By purchases of rights.
    pub purchases: U256,
    /// Of which went back.
    pub refunds: U256,
    /// By training requests.
    pub training: U256,
}

impl StatementLine {
    fn new(other: Address, collection: CollectionId) -> Self {
        let zero = U256::ZERO;
        Self { other, collection, vouchers: zero, purchases: zero, refunds: zero, training: zero }
    }

    /// What remains paid.
    pub fn total(&self) -> U256 {
        let paid = self.vouchers.saturating_add(self.purchases).saturating_add(self.training);
        paid.saturating_sub(self.refunds)
    }
}

/// The statement of an account, by the other side and collection; at most [`MAX_LINES`] lines.
///
/// # Errors
/// A database that can't be read.
pub async fn list_statement(
    conn: &mut Conn,
    account: Address,
    side: Side,
) -> Result<Vec<StatementLine>, StoreError> {
    let (own, other) = match side {
        Side::Payer => ("payer", "payee"),
        Side::Payee => ("payee", "payer"),
    };
    let mut lines: BTreeMap<(Address, CollectionId), StatementLine> = BTreeMap::new();
    let sql = format!(
        "select {other} as other, collection,
                cast(sum(paid_0) as bigint) as paid_0, cast(sum(paid_1) as bigint) as paid_1,
                cast(sum(paid_2) as bigint) as paid_2, cast(sum(paid_3) as bigint) as paid_3
         from voucher_settlements where {own} = $1 group by {other}, collection
         order by {other}, collection limit $2"
    );
    let statement =
        sqlx::query(AssertSqlSafe(sql)).put(&account).put(&u32::try_from(MAX_LINES).unwrap_or(u32::MAX));
    for row in statement.fetch_all(&mut *conn).await? {
        let key = (Address::read(&row, "other")?, CollectionId::read(&row, "collection")?);
        let part = |column| Count::read(&row, column);
        let vouchers = whole([part("paid_0")?, part("paid_1")?, part("paid_2")?, part("paid_3")?]);
        lines.insert(key, StatementLine { vouchers, ..StatementLine::new(key.0, key.1) });
    }
    let mut page = Page::first(READ);
    loop {
        let filter = Filter::all().equal(own, &account);
        let rows = list_merged(conn, &PAYMENTS[1..], &filter, page, |row: &Payment| row.position).await?;
        for row in &rows {
            let key = match side {
                Side::Payer => (row.payee, row.collection),
                Side::Payee => (row.payer, row.collection),
            };
            if !lines.contains_key(&key) && lines.len() >= MAX_LINES {
                continue;
            }
            let line = lines.entry(key).or_insert_with(|| StatementLine::new(key.0, key.1));
            let sum = match row.kind {
                PaymentKind::Voucher => &mut line.vouchers,
                PaymentKind::Purchase => &mut line.purchases,
                PaymentKind::Refund => &mut line.refunds,
                PaymentKind::Training => &mut line.training,
            };
            *sum = sum.saturating_add(row.amount.0);
        }
        match rows.last() {
            Some(last) if rows.len() as u32 == READ => page.after = Some(last.position),
            _ => return Ok(lines.into_values().collect()),
        }
    }
}
