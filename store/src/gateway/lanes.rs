//! Lanes: the last voucher of each, and how much of it is paid. Amounts are summed here as numbers, not by the database.

use alloy::primitives::{Address, Bytes};
use offsetdata_protocol::ids::CollectionId;

use crate::codec::{Column, Count, Value};
use crate::record::{insert, record, select};
use crate::relay::{execute, values};
use crate::{Conn, StoreError};

record! {
    /// A lane with its last voucher.
    LaneRow in "gateway_lanes" {
        /// Who pays.
        payer: Address,
        /// Who is paid.
        payee: Address,
        /// For which collection.
        collection: CollectionId,
        /// Which lane.
        lane: u64,
        /// What was promised since its beginning.
        amount: u128,
        /// Records since its beginning.
        records: u64,
        /// Last second in which the voucher can be settled.
        valid_until: Count,
        /// Whether the deposit is taken first.
        from_deposit: bool,
        /// Who signed the voucher.
        signer: Address,
        /// Its signature.
        signature: Bytes,
        /// Paid, by the newest block.
        settled: u128,
        /// Paid, by the block at the depth that counts.
        confirmed: u128,
        /// Whether `amount` is above `confirmed`.
        open: bool,
        /// When it is settled next.
        due_at: Count,
        /// How often that failed.
        tries: u32,
        /// Why, the last time.
        failure: Option<String>,
        /// When it changed.
        updated_at: Count,
    }
}

impl LaneRow {
    /// What is promised and not paid.
    pub fn unsettled(&self) -> u128 {
        self.amount.saturating_sub(self.settled)
    }

    fn key(&self) -> [Value; 4] {
        values![self.payer, self.payee, self.collection, self.lane]
    }
}

/// A lane.
pub async fn find_lane(
    conn: &mut Conn,
    payer: Address,
    payee: Address,
    collection: CollectionId,
    lane: u64,
) -> Result<Option<LaneRow>, StoreError> {
    let rest = "payer = $1 and payee = $2 and collection = $3 and lane = $4";
    Ok(select(conn, rest, &values![payer, payee, collection, lane]).await?.pop())
}

/// Keeps a lane's new voucher.
pub async fn put_lane(conn: &mut Conn, row: LaneRow) -> Result<(), StoreError> {
    let sql = "delete from gateway_lanes where payer = $1 and payee = $2 and collection = $3 and lane = $4";
    execute(conn, sql, row.key()).await?;
    insert(conn, &[row]).await
}

/// All lanes of a payer.
pub async fn list_lanes_of(conn: &mut Conn, payer: Address) -> Result<Vec<LaneRow>, StoreError> {
    select(conn, "payer = $1 order by collection, payee, lane", &values![payer]).await
}

/// All lanes of a collection.
pub async fn list_lanes_for(conn: &mut Conn, collection: CollectionId) -> Result<Vec<LaneRow>, StoreError> {
    select(conn, "collection = $1 order by payer, payee, lane", &values![collection]).await
}

/// Lanes that are open and due, the oldest first.
pub async fn list_due_lanes(conn: &mut Conn, now: u64, most: u32) -> Result<Vec<LaneRow>, StoreError> {
    select(conn, "open = 1 and due_at <= $1 order by due_at limit $2", &values![Count(now), most]).await
}

/// Has open lanes settled by `at` that did not fail before: of a payer, or of a collection. The number of lanes.
pub async fn hasten(
    conn: &mut Conn,
    payer: Option<Address>,
    collection: Option<CollectionId>,
    at: u64,
) -> Result<u64, StoreError> {
    let (sql, key) = match (payer, collection) {
        (Some(payer), _) => (
            "update gateway_lanes set due_at = $1 where open = 1 and tries = 0 and due_at > $1 and payer = $2",
            payer.value(),
        ),
        (None, Some(collection)) => (
            "update gateway_lanes set due_at = $1 where open = 1 and tries = 0 and due_at > $1 and collection = $2",
            collection.value(),
        ),
        (None, None) => return Ok(0),
    };
    execute(conn, sql, [Count(at).value(), key]).await
}

/// Writes down what the chain says of a lane and when it is looked at again. The voucher stays: another may have come.
pub async fn advance_lane(conn: &mut Conn, row: &LaneRow) -> Result<(), StoreError> {
    let sql = "update gateway_lanes set settled = $1, confirmed = $2, \
               open = case when amount > $2 then 1 else 0 end, due_at = $3, tries = $4, failure = $5 \
               where payer = $6 and payee = $7 and collection = $8 and lane = $9";
    let mut all = values![row.settled, row.confirmed, row.due_at, row.tries, row.failure].to_vec();
    all.extend(row.key());
    execute(conn, sql, all).await?;
    Ok(())
}

/// Has lanes that were found paid since then looked at again by `at`. Their number.
pub async fn reopen_lanes(conn: &mut Conn, since: u64, at: u64) -> Result<u64, StoreError> {
    let sql = "update gateway_lanes set open = 1, due_at = $1 where open = 0 and due_at >= $2";
    execute(conn, sql, values![Count(at), Count(since)]).await
}
