//! The queue that signers share: what nobody has taken yet, and what one of them has. It decides nothing.

use alloy::primitives::Address;
use offsetdata_protocol::ids::RequestId;

use super::Count;
use crate::codec::{Column, Put};
use crate::relay::{execute, execute_for, values};
use crate::{Conn, StoreError};

/// The signer of what any signer may send and none has taken.
pub const ANYONE: Address = Address::ZERO;

/// Something in the queue that nobody has taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting {
    /// Its position.
    pub id: u64,
    /// A word of the relayer's `Kind`.
    pub kind: String,
}

/// How many wait that nobody has taken.
pub async fn count_unclaimed(conn: &mut Conn) -> Result<u64, StoreError> {
    let sql = "select count(*) as number from relay_transactions where signer = $1 and state = 'pending'";
    Ok(Count::read(&sqlx::query(sql).put_value(ANYONE.value()).fetch_one(conn).await?, "number")?.0)
}

/// What waits that this signer may take, in its order: nothing of a request of which another signer has something that
/// may still land, as the order within a request would be lost.
pub async fn list_unclaimed(
    conn: &mut Conn,
    signer: Address,
    limit: u32,
) -> Result<Vec<Waiting>, StoreError> {
    // The list of requests is made once; a condition for each row would read all that a request ever had.
    let sql = "select t.id as id, t.kind as kind from relay_transactions t \
               where t.signer = $1 and t.state = 'pending' and (t.request is null or t.request not in \
               (select o.request from relay_transactions o where o.request is not null \
               and o.signer in (select s.signer from relay_signers s where s.signer <> $2) \
               and o.state in ('pending', 'signed', 'broadcast'))) order by t.id limit $3";
    let mut query = sqlx::query(sql);
    for value in values![ANYONE, signer, limit] {
        query = query.put_value(value);
    }
    let rows = query.fetch_all(conn).await?;
    rows.iter()
        .map(|row| Ok(Waiting { id: Count::read(row, "id")?.0, kind: String::read(row, "kind")? }))
        .collect()
}

/// Gives what waits to a signer, but for what somebody has already. How many it got.
pub async fn claim(conn: &mut Conn, signer: Address, ids: &[u64]) -> Result<u64, StoreError> {
    let sql = "update relay_transactions set signer = $1 where signer = $2 and state = 'pending'";
    execute_for(conn, sql, ids, values![signer, ANYONE]).await
}

/// Gives back what a signer has taken and never signed. What it did sign stays its own: it could still land.
pub async fn give_back(conn: &mut Conn, signer: Address) -> Result<u64, StoreError> {
    let sql = "update relay_transactions set signer = $1 where signer = $2 and state = 'pending' and pinned = 0 \
               and carrier is null and nonce is null and not exists \
               (select 1 from relay_envelopes e where e.transaction_id = relay_transactions.id)";
    execute(conn, sql, values![ANYONE, signer]).await
}

/// Requests of which this signer has something in flight.
pub async fn requests_in_flight(conn: &mut Conn, signer: Address) -> Result<Vec<RequestId>, StoreError> {
    let sql = "select distinct request as request from relay_transactions \
               where signer = $1 and state in ('signed', 'broadcast') and request is not null";
    let rows = sqlx::query(sql).put_value(signer.value()).fetch_all(conn).await?;
    rows.iter().map(|row| RequestId::read(row, "request")).collect()
}
