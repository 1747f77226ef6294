//! Transactions that travel in another one: they stand where their carrier stands. It decides nothing.

use super::{Count, TransactionRow, next_id};
use crate::record::{insert, select};
use crate::relay::{execute, execute_for, values};
use crate::{Conn, StoreError};

/// Puts a carrier, which has its nonce already, under the next position, and its members under it. They were pending, have
/// this signer, and none was carried; `None` where one was not: then the caller has to roll back.
pub async fn insert_carrier(
    conn: &mut Conn,
    mut carrier: TransactionRow,
    members: &[u64],
) -> Result<Option<TransactionRow>, StoreError> {
    carrier.id = next_id(conn).await?;
    insert(conn, &[carrier.clone()]).await?;
    let sql = "update relay_transactions set carrier = $1, state = $2, reason = null, updated_at = $3 \
               where signer = $4 and state = 'pending' and carrier is null";
    let values = values![carrier.id, carrier.state, carrier.updated_at, carrier.signer];
    let changed = execute_for(conn, sql, members, values).await?;
    Ok((changed == members.len() as u64).then_some(carrier))
}

/// What a transaction carries, in its order.
pub async fn list_carried(conn: &mut Conn, carrier: u64) -> Result<Vec<TransactionRow>, StoreError> {
    select(conn, "carrier = $1 order by id", &values![Count(carrier)]).await
}

/// Brings what a transaction carries to where it stands itself.
pub async fn follow_carrier(conn: &mut Conn, carrier: &TransactionRow) -> Result<(), StoreError> {
    execute(
        conn,
        "update relay_transactions set state = $1, hash = $2, block_number = $3, block_hash = $4, updated_at = $5 \
         where carrier = $6",
        values![
            carrier.state,
            carrier.hash,
            carrier.block_number,
            carrier.block_hash,
            carrier.updated_at,
            carrier.id
        ],
    )
    .await?;
    Ok(())
}

/// Takes a transaction off its carrier: it waits again, to be sent by itself.
pub async fn detach(conn: &mut Conn, id: u64, reason: &str, now: u64) -> Result<(), StoreError> {
    execute(
        conn,
        "update relay_transactions set carrier = null, state = 'pending', reason = $1, reverts = reverts + 1, \
         hash = null, block_number = null, block_hash = null, updated_at = $2 where id = $3 and carrier is not null",
        values![reason.to_owned(), Count(now), Count(id)],
    )
    .await?;
    Ok(())
}
