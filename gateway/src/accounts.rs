//! What an account was charged, and what a collection sold: lanes with their sums. It moves no money.

use alloy::primitives::Address;
use offsetdata_protocol::gateway_api::{LaneStatement, Sales, SettleAnswer, Statement, Text, Totals, code};
use offsetdata_protocol::ids::CollectionId;
use offsetdata_store::StoreError;
use offsetdata_store::gateway::lanes::{LaneRow, hasten, list_lanes_for, list_lanes_of};
use offsetdata_store::gateway::releases::count_charges;

use crate::Refused;
use crate::context::Shared;

/// Lanes on one page of sales.
const PAGE: usize = 200;

impl Shared {
    /// What the account was charged for the collection at this gateway.
    ///
    /// # Errors
    /// A database that can't be read.
    pub async fn statement(&self, account: Address, id: CollectionId) -> Result<Statement, Refused> {
        let mut tx = self.pool.read().await?;
        let mut lanes = list_lanes_of(&mut tx, account).await?;
        lanes.retain(|row| row.collection == id);
        let chunks = count_charges(&mut tx, account, id).await?;
        let total = totals(&lanes);
        Ok(Statement { collection: id.0, account, total, chunks, lanes: lanes.iter().map(lane).collect() })
    }

    /// What the collection sold at this gateway, for its publisher and its payees.
    ///
    /// # Errors
    /// `notPublisher`, `malformed`.
    pub async fn sales(
        &self,
        account: Address,
        id: CollectionId,
        after: Option<&str>,
    ) -> Result<Sales, Refused> {
        let lanes = self.lanes_for(account, id).await?;
        let after = match after {
            None => None,
            Some(text) => Some(
                read_cursor(text)
                    .ok_or_else(|| Refused::new(code::MALFORMED, "after is the `next` of a page before"))?,
            ),
        };
        let rest = lanes.iter().filter(|row| after.is_none_or(|after| cursor(row) > after));
        let page: Vec<&LaneRow> = rest.clone().take(PAGE).collect();
        let next = page.last().filter(|_| rest.count() > PAGE).map(|row| write_cursor(row));
        let total = totals(&lanes);
        Ok(Sales { collection: id.0, total, lanes: page.into_iter().map(lane).collect(), next })
    }

    /// Has everything of the collection settled that is open.
    ///
    /// # Errors
    /// `notPublisher`.
    pub async fn settle_collection(
        &self,
        account: Address,
        id: CollectionId,
        now: u64,
    ) -> Result<SettleAnswer, Refused> {
        let lanes = self.lanes_for(account, id).await?;
        let mut tx = self.pool.write().await?;
        hasten(&mut tx, None, Some(id), now).await?;
        tx.commit().await.map_err(StoreError::from)?;
        self.wanted.notify_one();
        Ok(SettleAnswer { open: totals(&lanes).open })
    }

    /// Lanes that the account may see: all as publisher, its own as payee.
    async fn lanes_for(&self, account: Address, id: CollectionId) -> Result<Vec<LaneRow>, Refused> {
        let served = self.served(id).await?;
        let mut conn = self.pool.acquire().await?;
        let mut lanes = list_lanes_for(&mut conn, id).await?;
        drop(conn);
        if !served.is_publisher(account) {
            lanes.retain(|row| row.payee == account);
            if lanes.is_empty() && self.offer_of(id).await?.payee != account {
                let detail = format!("{account} is neither publisher nor payee of this collection");
                return Err(Refused::new(code::NOT_PUBLISHER, detail));
            }
        }
        Ok(lanes)
    }
}

fn lane(row: &LaneRow) -> LaneStatement {
    LaneStatement {
        payer: row.payer,
        payee: row.payee,
        lane: Text(row.lane),
        total: totals(std::slice::from_ref(row)),
        failure: row.failure.clone(),
    }
}

fn totals(rows: &[LaneRow]) -> Totals {
    let sum = |of: fn(&LaneRow) -> u128| Text(rows.iter().map(of).fold(0, u128::saturating_add));
    Totals {
        charged: sum(|row| row.amount),
        settled: sum(|row| row.settled.min(row.amount)),
        open: sum(LaneRow::unsettled),
        records: Text(rows.iter().map(|row| row.records).fold(0, u64::saturating_add)),
    }
}

fn cursor(row: &LaneRow) -> [u8; 48] {
    let mut out = [0; 48];
    out[..20].copy_from_slice(row.payer.as_slice());
    out[20..40].copy_from_slice(row.payee.as_slice());
    out[40..].copy_from_slice(&row.lane.to_be_bytes());
    out
}

fn write_cursor(row: &LaneRow) -> String {
    alloy::hex::encode(cursor(row))
}

fn read_cursor(text: &str) -> Option<[u8; 48]> {
    if text.len() != 96 {
        return None;
    }
    alloy::hex::decode_to_array(text).ok()
}
