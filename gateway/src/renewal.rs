//! A lane's last voucher once more, valid longer or by another key: what was promised can still be paid when the first
//! one could not be landed in time. It takes nothing and gives nothing.

use alloy::primitives::Address;
use offsetdata_protocol::gateway_api::{VoucherUpload, code};
use offsetdata_protocol::ids::CollectionId;
use offsetdata_store::gateway::lanes::{LaneRow, find_lane, list_lanes_of, put_lane};
use offsetdata_store::{Count, StoreError};

use crate::Refused;
use crate::context::Shared;
use crate::voucher::Price;

impl Shared {
    /// Keeps a voucher of the lane's amount in place of the lane's last one, and settles it at once.
    ///
    /// # Errors
    /// `wrongLane` for a lane without a voucher, `wrongAmount`, and what [`Shared::check_voucher`] refuses.
    pub async fn renew_voucher(
        &self,
        account: Address,
        collection: CollectionId,
        voucher: &VoucherUpload,
        now: u64,
    ) -> Result<(), Refused> {
        let price = Price { payer: account, payee: voucher.payee, collection, due: 0, records: 0 };
        let funds = self.check_voucher(voucher, &price, now).await?;
        let mut tx = self.pool.write().await?;
        let lane = voucher.lane.0;
        let row = find_lane(&mut tx, account, voucher.payee, collection, lane)
            .await?
            .ok_or_else(|| Refused::new(code::WRONG_LANE, format!("lane {lane} has no voucher yet")))?;
        if (voucher.amount.0, voucher.records.0) != (row.amount, row.records) {
            let detail = format!(
                "expected an amount of {} and {} records, the voucher says {} and {}",
                row.amount, row.records, voucher.amount.0, voucher.records.0
            );
            return Err(Refused::new(code::WRONG_AMOUNT, detail).with_quote(price.quote(lane, Some(&row))));
        }
        if let Some(room) = funds.spender_room {
            let is_this = |other: &LaneRow| {
                (other.payee, other.collection, other.lane) == (row.payee, row.collection, row.lane)
            };
            let others: u128 = list_lanes_of(&mut tx, account)
                .await?
                .iter()
                .filter(|other| other.signer == voucher.signer && !is_this(other))
                .map(LaneRow::unsettled)
                .fold(0, u128::saturating_add);
            let needed = others.saturating_add(row.amount.saturating_sub(funds.lane_settled));
            if needed > room {
                let detail = format!("{room} of the key's cap are left, {needed} would be open");
                return Err(Refused::new(code::OVER_CAP, detail));
            }
        }
        let renewed = LaneRow {
            valid_until: Count(voucher.valid_until),
            from_deposit: voucher.from_deposit,
            signer: voucher.signer,
            signature: voucher.signature.clone(),
            settled: funds.lane_settled,
            due_at: Count(now),
            tries: 0,
            updated_at: Count(now),
            ..row
        };
        put_lane(&mut tx, renewed).await?;
        tx.commit().await.map_err(StoreError::from)?;
        self.wanted.notify_one();
        Ok(())
    }
}
