//! What payers signed beside vouchers: permits, authorizations of spender keys, words of use.

use alloy::primitives::{Address, Bytes, U256};
use offsetdata_protocol::ids::CollectionId;

use crate::codec::Count;
use crate::record::{find, insert, record, select};
use crate::relay::{execute, values};
use crate::{Conn, StoreError};

record! {
    /// An ERC-2612 permit to UsageBilling.
    PermitRow in "gateway_permits" {
        /// Who allows.
        owner: Address,
        /// The allowance.
        value: U256,
        /// Unix seconds.
        deadline: U256,
        /// The token's nonce of the owner.
        nonce: U256,
        /// 65 bytes.
        signature: Bytes,
        /// When it came.
        stored_at: Count,
    }
}

record! {
    /// A spender key's authorization.
    SpenderRow in "gateway_spenders" {
        /// Who authorizes.
        payer: Address,
        /// The key.
        spender: Address,
        /// The most that it may spend.
        cap: u128,
        /// Unix seconds.
        expiry: Count,
        /// The contract's nonce of (payer, spender).
        nonce: u32,
        /// The payer's.
        signature: Bytes,
        /// When it came.
        stored_at: Count,
    }
}

record! {
    /// A holder's word that it used a purchase.
    UseRow in "gateway_uses" {
        /// The collection.
        collection: CollectionId,
        /// Who bought.
        holder: Address,
        /// Names the purchase.
        since: Count,
        /// The holder's.
        signature: Bytes,
        /// Whether it stands on the chain.
        landed: bool,
        /// When it is landed next.
        due_at: Count,
        /// How often that failed.
        tries: u32,
        /// Why, the last time.
        failure: Option<String>,
    }
}

/// Keeps a permit in place of the owner's last.
pub async fn put_permit(conn: &mut Conn, row: PermitRow) -> Result<(), StoreError> {
    execute(conn, "delete from gateway_permits where owner = $1", values![row.owner]).await?;
    insert(conn, &[row]).await
}

/// An owner's permit.
pub async fn find_permit(conn: &mut Conn, owner: Address) -> Result<Option<PermitRow>, StoreError> {
    find(conn, "owner", &owner).await
}

/// Keeps an authorization in place of the key's last.
pub async fn put_spender(conn: &mut Conn, row: SpenderRow) -> Result<(), StoreError> {
    let sql = "delete from gateway_spenders where payer = $1 and spender = $2";
    execute(conn, sql, values![row.payer, row.spender]).await?;
    insert(conn, &[row]).await
}

/// A key's authorization.
pub async fn find_spender(
    conn: &mut Conn,
    payer: Address,
    spender: Address,
) -> Result<Option<SpenderRow>, StoreError> {
    Ok(select(conn, "payer = $1 and spender = $2", &values![payer, spender]).await?.pop())
}

/// Keeps a word of use; the same word again changes nothing.
pub async fn put_use(conn: &mut Conn, row: UseRow) -> Result<(), StoreError> {
    if find_use(conn, row.collection, row.holder, row.since.0).await?.is_some() {
        return Ok(());
    }
    insert(conn, &[row]).await
}

/// The word of use of a purchase.
pub async fn find_use(
    conn: &mut Conn,
    collection: CollectionId,
    holder: Address,
    since: u64,
) -> Result<Option<UseRow>, StoreError> {
    let rest = "collection = $1 and holder = $2 and since = $3";
    Ok(select(conn, rest, &values![collection, holder, Count(since)]).await?.pop())
}

/// Words of use that are to be landed now.
pub async fn list_due_uses(conn: &mut Conn, now: u64, most: u32) -> Result<Vec<UseRow>, StoreError> {
    let rest = "landed = 0 and due_at <= $1 order by due_at limit $2";
    select(conn, rest, &values![Count(now), most]).await
}

/// Has words of use that were to land since then looked at again by `at`. Their number.
pub async fn reopen_uses(conn: &mut Conn, since: u64, at: u64) -> Result<u64, StoreError> {
    let sql = "update gateway_uses set landed = 0, due_at = $1 where landed = 1 and due_at >= $2";
    execute(conn, sql, values![Count(at), Count(since)]).await
}

/// Writes down how the landing of a word of use went.
pub async fn advance_use(conn: &mut Conn, row: &UseRow) -> Result<(), StoreError> {
    let sql = "update gateway_uses set landed = $1, due_at = $2, tries = $3, failure = $4 \
               where collection = $5 and holder = $6 and since = $7";
    let values =
        values![row.landed, row.due_at, row.tries, row.failure, row.collection, row.holder, row.since];
    execute(conn, sql, values).await?;
    Ok(())
}
