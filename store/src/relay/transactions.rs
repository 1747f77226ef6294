//! Transactions, their envelopes, and who sends them. Which state follows which is the relayer's reconciler's.

mod carried;
mod queue;
#[cfg(test)]
mod tests;

pub use carried::{detach, follow_carrier, insert_carrier, list_carried};
pub use queue::{ANYONE, Waiting, claim, count_unclaimed, give_back, list_unclaimed, requests_in_flight};

use alloy::primitives::{Address, B256, Bytes};
use offsetdata_protocol::ids::RequestId;

use super::{execute, values};
use crate::codec::{Column, Count, Put};
use crate::record::{find, insert, record, select};
use crate::{Conn, StoreError};

record! {
    /// What is to stand on the chain.
    TransactionRow in "relay_transactions" {
        /// Position in the order of the signer.
        id: Count,
        /// Says what this is; the same is never queued twice.
        dedupe: String,
        /// Who signs.
        signer: Address,
        /// A word of the relayer's `Kind`.
        kind: String,
        /// The request that it is about.
        request: Option<RequestId>,
        /// The contract.
        target: Address,
        /// The call.
        calldata: Bytes,
        /// Unix seconds after which a call that still reverts is given up.
        expires_at: Count,
        /// A word of the relayer's `TransactionState`.
        state: String,
        /// Why it ended, or why it waits.
        reason: Option<String>,
        /// How often it was included and reverted.
        reverts: u32,
        /// Where it has an envelope.
        nonce: Option<Count>,
        /// The envelope that was included.
        hash: Option<B256>,
        /// The block that includes it.
        block_number: Option<Count>,
        /// Hash of this block.
        block_hash: Option<B256>,
        /// Gas used.
        gas_used: Option<Count>,
        /// Unix seconds.
        created_at: Count,
        /// Unix seconds.
        updated_at: Count,
        /// An envelope has at most so much gas, where somebody said how much it pays.
        max_gas: Option<Count>,
        /// The transaction that carries it now; then it has no nonce and no envelope of its own.
        carrier: Option<Count>,
        /// No other signer may send it.
        pinned: bool,
    }
}

record! {
    /// A signed form of a transaction.
    EnvelopeRow in "relay_envelopes" {
        /// Transaction hash.
        hash: B256,
        /// The transaction.
        transaction_id: Count,
        /// Its nonce.
        nonce: Count,
        /// The bytes that are sent (EIP-2718).
        raw: Bytes,
        /// Wei for a unit of gas.
        max_fee: u128,
        /// Wei for a unit of gas.
        priority_fee: u128,
        /// Gas limit.
        gas_limit: Count,
        /// Unix seconds.
        signed_at: Count,
        /// The head when it was signed.
        signed_block: Count,
        /// The head when it was last sent.
        sent_block: Option<Count>,
    }
}

/// A transaction that is to be queued.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewTransaction {
    /// Says what this is; the same is never queued twice.
    pub dedupe: String,
    /// The only one who may sign it, or [`ANYONE`].
    pub signer: Address,
    /// A word of the relayer's `Kind`.
    pub kind: String,
    /// The request that it is about.
    pub request: Option<RequestId>,
    /// The contract.
    pub target: Address,
    /// The call.
    pub calldata: Bytes,
    /// Unix seconds after which a call that still reverts is given up.
    pub expires_at: u64,
    /// An envelope has at most so much gas.
    pub max_gas: Option<u64>,
}

/// Queues a transaction as `pending`. False where it was queued before; then nothing changes.
/// The caller's transaction must be one that writes: the position is one more than the last.
pub async fn insert_transaction(conn: &mut Conn, new: NewTransaction, now: u64) -> Result<bool, StoreError> {
    if find::<TransactionRow>(conn, "dedupe", &new.dedupe).await?.is_some() {
        return Ok(false);
    }
    let row = TransactionRow {
        id: next_id(conn).await?,
        pinned: new.signer != ANYONE,
        dedupe: new.dedupe,
        signer: new.signer,
        kind: new.kind,
        request: new.request,
        target: new.target,
        calldata: new.calldata,
        expires_at: Count(new.expires_at),
        state: "pending".to_owned(),
        reason: None,
        reverts: 0,
        nonce: None,
        hash: None,
        block_number: None,
        block_hash: None,
        gas_used: None,
        created_at: Count(now),
        updated_at: Count(now),
        max_gas: new.max_gas.map(Count),
        carrier: None,
    };
    insert(conn, &[row]).await?;
    Ok(true)
}

async fn next_id(conn: &mut Conn) -> Result<Count, StoreError> {
    let row = sqlx::query("select coalesce(max(id), 0) + 1 as id from relay_transactions");
    Count::read(&row.fetch_one(conn).await?, "id")
}

/// A transaction.
pub async fn find_transaction(conn: &mut Conn, id: u64) -> Result<Option<TransactionRow>, StoreError> {
    find(conn, "id", &Count(id)).await
}

/// A transaction by what it is.
pub async fn find_by_dedupe(conn: &mut Conn, dedupe: &str) -> Result<Option<TransactionRow>, StoreError> {
    find(conn, "dedupe", &dedupe.to_owned()).await
}

/// A signer's transactions in a state, in their order, without those that another one carries.
pub async fn list_in(
    conn: &mut Conn,
    signer: Address,
    state: &str,
    limit: u32,
) -> Result<Vec<TransactionRow>, StoreError> {
    let rest = "signer = $1 and state = $2 and carrier is null order by id limit $3";
    select(conn, rest, &values![signer, state.to_owned(), limit]).await
}

/// How many [`list_in`] would list.
pub async fn count_in(conn: &mut Conn, signer: Address, state: &str) -> Result<u64, StoreError> {
    let sql = "select count(*) as number from relay_transactions \
               where signer = $1 and state = $2 and carrier is null";
    let mut query = sqlx::query(sql);
    for value in values![signer, state.to_owned()] {
        query = query.put_value(value);
    }
    Ok(Count::read(&query.fetch_one(conn).await?, "number")?.0)
}

/// A signer's transactions that a block from `first` on includes, without those that another one carries.
pub async fn list_included_from(
    conn: &mut Conn,
    signer: Address,
    first: u64,
) -> Result<Vec<TransactionRow>, StoreError> {
    select(
        conn,
        "signer = $1 and block_number >= $2 and carrier is null order by block_number, id",
        &values![signer, Count(first)],
    )
    .await
}

/// A signer's transactions in a state that they reached at or after `since` (Unix seconds), newest first.
pub async fn list_since(
    conn: &mut Conn,
    signer: Address,
    state: &str,
    since: u64,
    limit: u32,
) -> Result<Vec<TransactionRow>, StoreError> {
    let rest = "signer = $1 and state = $2 and updated_at >= $3 order by id desc limit $4";
    select(conn, rest, &values![signer, state.to_owned(), Count(since), limit]).await
}

/// All transactions of a request in their order.
pub async fn list_of_request(conn: &mut Conn, request: RequestId) -> Result<Vec<TransactionRow>, StoreError> {
    select(conn, "request = $1 order by id", &values![request]).await
}

/// Those of a request's transactions that ended without landing, and the one that is this, in their order.
pub async fn list_ended_of_request(
    conn: &mut Conn,
    request: RequestId,
    dedupe: &str,
) -> Result<Vec<TransactionRow>, StoreError> {
    let rest = "request = $1 and (state = 'dropped' or dedupe = $2) order by id";
    select(conn, rest, &values![request, dedupe.to_owned()]).await
}

/// Transactions in a state, whosever, newest first.
pub async fn list_recent(conn: &mut Conn, limit: u32) -> Result<Vec<TransactionRow>, StoreError> {
    select(conn, "id > 0 order by id desc limit $1", &values![limit]).await
}

/// Writes back what may change of a transaction, if it still is in `from`. Whether it was.
pub async fn advance_transaction(
    conn: &mut Conn,
    from: &str,
    row: &TransactionRow,
) -> Result<bool, StoreError> {
    let changed = execute(
        conn,
        "update relay_transactions set calldata = $1, state = $2, reason = $3, reverts = $4, nonce = $5, hash = $6, \
         block_number = $7, block_hash = $8, gas_used = $9, updated_at = $10 where id = $11 and state = $12",
        values![
            row.calldata,
            row.state,
            row.reason,
            row.reverts,
            row.nonce,
            row.hash,
            row.block_number,
            row.block_hash,
            row.gas_used,
            row.updated_at,
            row.id,
            from.to_owned(),
        ],
    )
    .await?;
    Ok(changed == 1)
}

/// Keeps a signed form.
pub async fn insert_envelope(conn: &mut Conn, envelope: EnvelopeRow) -> Result<(), StoreError> {
    insert(conn, &[envelope]).await
}

/// The signed forms of all of a signer's transactions in a state, without those that another one carries: by transaction,
/// newest first.
pub async fn list_envelopes_in(
    conn: &mut Conn,
    signer: Address,
    state: &str,
) -> Result<Vec<EnvelopeRow>, StoreError> {
    let rest = "transaction_id in (select t.id from relay_transactions t where t.signer = $1 and t.state = $2 \
                and t.carrier is null) order by transaction_id, nonce desc, max_fee desc, priority_fee desc";
    select(conn, rest, &values![signer, state.to_owned()]).await
}

/// The signed forms of a transaction, newest first.
pub async fn list_envelopes(conn: &mut Conn, transaction: u64) -> Result<Vec<EnvelopeRow>, StoreError> {
    // Of two forms with one nonce the later one pays more; a new nonce is always greater.
    let rest = "transaction_id = $1 order by nonce desc, max_fee desc, priority_fee desc";
    select(conn, rest, &values![Count(transaction)]).await
}

/// Notes at which head an envelope was last sent.
pub async fn mark_sent(conn: &mut Conn, hash: B256, block: u64) -> Result<(), StoreError> {
    execute(conn, "update relay_envelopes set sent_block = $1 where hash = $2", values![Count(block), hash])
        .await?;
    Ok(())
}

/// A signed form of this signer that has this nonce, the one that pays most.
pub async fn find_envelope_with(
    conn: &mut Conn,
    signer: Address,
    nonce: u64,
) -> Result<Option<EnvelopeRow>, StoreError> {
    let rest = "nonce = $1 and transaction_id in (select t.id from relay_transactions t where t.signer = $2) \
                order by max_fee desc, priority_fee desc limit 1";
    Ok(select(conn, rest, &values![Count(nonce), signer]).await?.pop())
}
