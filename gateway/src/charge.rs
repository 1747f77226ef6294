//! Takes a voucher into its lane, as far as credit goes, or says what is in the way. It gives out nothing.

use alloy::primitives::Address;
use offsetdata_protocol::gateway_api::{VoucherUpload, code, lane};
use offsetdata_protocol::ids::CollectionId;
use offsetdata_protocol::manifest::ChunkEntry;
use offsetdata_store::gateway::lanes::{LaneRow, find_lane, hasten, list_lanes_of, put_lane};
use offsetdata_store::{Conn, Count, StoreError};

use crate::context::Shared;
use crate::credit::{Exhausted, Standing, admit};
use crate::rights::Right;
use crate::voucher::{Funds, Price, follows};
use crate::{GatewayError, Refused};

impl Shared {
    /// Takes a voucher: it follows its lane, and the credit admits it.
    pub(crate) async fn take(
        &self,
        conn: &mut Conn,
        voucher: &VoucherUpload,
        funds: &Funds,
        price: &Price,
        now: u64,
    ) -> Result<(), Refused> {
        let before = find_lane(conn, price.payer, price.payee, price.collection, voucher.lane.0).await?;
        follows(voucher, before.as_ref(), funds, price)?;
        let mut lanes = list_lanes_of(conn, price.payer).await?;
        for row in &mut lanes {
            let key = (row.payee, row.collection, row.lane);
            if let Some((_, settled)) = funds.settled.iter().find(|(of, _)| *of == key) {
                row.settled = *settled;
            }
        }
        if let Some(room) = funds.spender_room {
            let open: u128 = sum(lanes.iter().filter(|row| row.signer == voucher.signer));
            let needed = open.saturating_add(price.due);
            if needed > room {
                let detail = format!("{} of the key's cap are left, {needed} would be open", room);
                return Err(Refused::new(code::OVER_CAP, detail));
            }
        }
        let to_payee = || lanes.iter().filter(|row| row.payee == price.payee);
        let from_deposit = sum(to_payee().filter(|row| row.from_deposit)).saturating_add(price.due);
        let standing = Standing {
            open_with_payee: sum(to_payee()),
            open_in_collection: sum(lanes.iter().filter(|row| row.collection == price.collection)),
            open_in_all: sum(lanes.iter()),
            settled_with_payee: to_payee().map(|row| row.settled).fold(0, u128::saturating_add),
            available: funds.allowed.saturating_add(funds.deposit.min(from_deposit)),
        };
        if let Err(exhausted) = admit(standing, price.due, self.terms.credit_cap) {
            return Err(self.exhausted(exhausted, price, &lanes, now));
        }
        let due_at = match &before {
            Some(row) if row.open => row.due_at,
            _ => Count(now + self.settlement.settle_seconds),
        };
        put_lane(
            conn,
            LaneRow {
                payer: price.payer,
                payee: price.payee,
                collection: price.collection,
                lane: voucher.lane.0,
                amount: voucher.amount.0,
                records: voucher.records.0,
                valid_until: Count(voucher.valid_until),
                from_deposit: voucher.from_deposit,
                signer: voucher.signer,
                signature: voucher.signature.clone(),
                settled: funds.lane_settled,
                confirmed: before.as_ref().map_or(0, |row| row.confirmed),
                open: true,
                due_at,
                tries: before.as_ref().map_or(0, |row| row.tries),
                failure: before.and_then(|row| row.failure),
                updated_at: Count(now),
            },
        )
        .await?;
        Ok(())
    }

    /// Has settled what is in the way, where that helps.
    fn exhausted(&self, exhausted: Exhausted, price: &Price, lanes: &[LaneRow], now: u64) -> Refused {
        match exhausted {
            Exhausted::Unfunded { needed, available } => Refused::new(
                code::UNFUNDED,
                format!(
                    "{needed} would be open, allowance, permit and balance cover {available}; a permit and a balance of {needed} do"
                ),
            ),
            Exhausted::OverCredit { open, limit } => {
                self.settle_soon(price.payer);
                let mut detail =
                    format!("{open} would be open, {limit} are trusted now; it is being settled");
                let mut again = 1;
                // What failed is not hastened: it says why, and when it is tried again.
                if let Some(row) =
                    lanes.iter().filter(|row| row.failure.is_some()).min_by_key(|row| row.due_at)
                {
                    again = row.due_at.0.saturating_sub(now).max(1);
                    let failure = row.failure.as_deref().unwrap_or_default();
                    detail = format!("{open} would be open, {limit} are trusted now; not settled: {failure}");
                }
                Refused::new(code::OVER_CREDIT, detail).again_after(again)
            }
        }
    }

    /// Has the settlement job take up the payer's lanes. Not here: this call holds the database.
    fn settle_soon(&self, payer: Address) {
        if let Ok(mut payers) = self.hastened.lock() {
            payers.insert(payer);
        }
        self.wanted.notify_one();
    }

    pub(crate) async fn voucher_required(&self, price: &Price) -> Result<Refused, Refused> {
        let mut conn = self.pool.acquire().await?;
        let lanes = list_lanes_of(&mut conn, price.payer).await?;
        let of_this =
            lanes.iter().filter(|row| row.payee == price.payee && row.collection == price.collection);
        let last = of_this.max_by_key(|row| row.lane);
        let number = last.map_or(lane(self.address(), 1), |row| row.lane);
        let detail = format!("{} for {} records of this chunk", price.due, price.records);
        Ok(Refused::new(code::VOUCHER_REQUIRED, detail).with_quote(price.quote(number, last)))
    }

    /// Makes due what the settlement job was asked for. Called by the job.
    pub(crate) async fn hasten_wanted(&self, now: u64) -> Result<(), GatewayError> {
        let wanted = match self.hastened.lock() {
            Ok(mut payers) => std::mem::take(&mut *payers),
            Err(_) => return Ok(()),
        };
        for payer in wanted {
            let mut tx = self.pool.write().await?;
            hasten(&mut tx, Some(payer), None, now).await?;
            tx.commit().await.map_err(StoreError::from)?;
        }
        Ok(())
    }
}

fn sum<'a>(rows: impl Iterator<Item = &'a LaneRow>) -> u128 {
    rows.map(LaneRow::unsettled).fold(0, u128::saturating_add)
}

/// What the chunk costs by the offer at the head.
pub(crate) fn price(
    right: &Right,
    account: Address,
    collection: CollectionId,
    entry: &ChunkEntry,
) -> Result<Price, Refused> {
    let due = right.offer.pricePerRecord.checked_mul(entry.count.into()).ok_or_else(|| {
        Refused::new(code::UNFUNDED, "a chunk at this price costs more than there is money")
    })?;
    Ok(Price { payer: account, payee: right.offer.payee, collection, due, records: entry.count })
}
