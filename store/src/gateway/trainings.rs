//! Trainings that were opened, keys given for them, and the receipts that pay: the last one of each input of an attempt.

use alloy::primitives::{Address, B256, Bytes};
use offsetdata_protocol::ids::{CollectionId, RequestId};

use crate::codec::Count;
use crate::record::{insert, record, select};
use crate::relay::{execute, values};
use crate::{Conn, StoreError};

record! {
    /// An attempt of a request, as its worker showed it.
    TrainingRow in "gateway_trainings" {
        /// The request.
        request: RequestId,
        /// The attempt, from 1.
        attempt: u8,
        /// Who works on it.
        worker: Address,
        /// Whose request it is.
        requested_by: Address,
        /// abi.encode(EscrowTerms).
        escrow: Bytes,
        /// abi.encode(RequestDetails).
        details: Bytes,
        /// abi.encode(DataInput[]).
        inputs: Bytes,
        /// Metric points that stand before it.
        resume_point: u32,
        /// Its first commitment lands by then.
        valid_until: Count,
        /// The scheduler's, over the assignment.
        signature: Bytes,
        /// When it came.
        opened_at: Count,
    }
}

record! {
    /// The last receipt of an input in one attempt.
    ReceiptRow in "gateway_receipts" {
        /// The request.
        request: RequestId,
        /// The attempt.
        attempt: u8,
        /// Position of the input.
        input: u32,
        /// Its collection.
        collection: CollectionId,
        /// Who signed.
        worker: Address,
        /// Who is paid.
        payee: Address,
        /// For a record.
        price: u128,
        /// End of the chunk that was given last, as an index of a record.
        next_index: u32,
        /// Records given.
        records: u32,
        /// Root over their indices.
        records_root: B256,
        /// Hashes that the root of the next receipt grows from, 32 bytes each.
        frontier: Bytes,
        /// The worker's signature.
        signature: Bytes,
        /// Records of the input that are paid, by the newest block.
        settled: u32,
        /// The same by the block at the depth that counts.
        confirmed: u32,
        /// Whether there may be something to land.
        open: bool,
        /// When it is looked at next.
        due_at: Count,
        /// How often landing failed.
        tries: u32,
        /// Why, the last time.
        failure: Option<String>,
        /// When the receipt came.
        updated_at: Count,
    }
}

record! {
    /// A key that was given for a training.
    TrainingKeyRow in "gateway_training_keys" {
        /// The request.
        request: RequestId,
        /// The attempt.
        attempt: u8,
        /// Position of the input.
        input: u32,
        /// Ordinal of the chunk.
        chunk: u32,
        /// X25519 key that it is sealed to.
        reader_key: B256,
        /// To whom.
        account: Address,
        /// Of which collection.
        collection: CollectionId,
        /// Records of the receipt that came for it.
        records: u32,
        /// Their root.
        records_root: B256,
        /// What the receipt added, in the token's smallest unit.
        charged: u128,
        /// Digest of the chunk's secret.
        key_digest: B256,
        /// `SealedKey`.
        sealed_secret: Bytes,
        /// The gateway's signature over `KeyRelease`.
        signature: Bytes,
        /// Unix seconds.
        released_at: Count,
    }
}

/// Keeps what an attempt was opened with; the same again takes its place.
pub async fn put_training(conn: &mut Conn, row: TrainingRow) -> Result<(), StoreError> {
    let sql = "delete from gateway_trainings where request = $1 and attempt = $2";
    execute(conn, sql, values![row.request, row.attempt]).await?;
    insert(conn, &[row]).await
}

/// An attempt that was opened.
pub async fn find_training(
    conn: &mut Conn,
    request: RequestId,
    attempt: u8,
) -> Result<Option<TrainingRow>, StoreError> {
    Ok(select(conn, "request = $1 and attempt = $2", &values![request, attempt]).await?.pop())
}

/// All attempts of a request that were opened, the first one first.
pub async fn list_trainings(conn: &mut Conn, request: RequestId) -> Result<Vec<TrainingRow>, StoreError> {
    select(conn, "request = $1 order by attempt", &values![request]).await
}

/// The last receipt of an input in an attempt.
pub async fn find_receipt(
    conn: &mut Conn,
    request: RequestId,
    attempt: u8,
    input: u32,
) -> Result<Option<ReceiptRow>, StoreError> {
    let rest = "request = $1 and attempt = $2 and input = $3";
    Ok(select(conn, rest, &values![request, attempt, input]).await?.pop())
}

/// The receipts of a request, in order of attempt and input.
pub async fn list_receipts(conn: &mut Conn, request: RequestId) -> Result<Vec<ReceiptRow>, StoreError> {
    select(conn, "request = $1 order by attempt, input", &values![request]).await
}

/// Keeps a receipt in place of the one before.
pub async fn put_receipt(conn: &mut Conn, row: ReceiptRow) -> Result<(), StoreError> {
    let sql = "delete from gateway_receipts where request = $1 and attempt = $2 and input = $3";
    execute(conn, sql, values![row.request, row.attempt, row.input]).await?;
    insert(conn, &[row]).await
}

/// Receipts that may have something to land and are due. Of one input the greatest comes first: it pays for the others.
pub async fn list_due_receipts(conn: &mut Conn, now: u64, most: u32) -> Result<Vec<ReceiptRow>, StoreError> {
    let rest = "open = 1 and due_at <= $1 order by due_at, request, input, records desc limit $2";
    select(conn, rest, &values![Count(now), most]).await
}

/// Writes down what the chain says of a receipt and when it is looked at again. The receipt stays: another may have
/// come, which is then open.
pub async fn advance_receipt(conn: &mut Conn, row: &ReceiptRow) -> Result<(), StoreError> {
    let sql = "update gateway_receipts set settled = $1, confirmed = $2, \
               open = case when records > $3 then 1 else $4 end, due_at = $5, tries = $6, failure = $7 \
               where request = $8 and attempt = $9 and input = $10";
    let mut all = values![row.settled, row.confirmed, row.records, row.open, row.due_at].to_vec();
    all.extend(values![row.tries, row.failure, row.request, row.attempt, row.input]);
    execute(conn, sql, all).await?;
    Ok(())
}

/// Has receipts that were found paid since then looked at again by `at`. Their number.
pub async fn reopen_receipts(conn: &mut Conn, since: u64, at: u64) -> Result<u64, StoreError> {
    let sql = "update gateway_receipts set open = 1, due_at = $1 where open = 0 and due_at >= $2";
    execute(conn, sql, values![Count(at), Count(since)]).await
}

/// Keeps a key. The same again is a duplicate ([`StoreError::is_duplicate`]).
pub async fn insert_training_key(conn: &mut Conn, row: TrainingKeyRow) -> Result<(), StoreError> {
    insert(conn, &[row]).await
}

/// What this reader key was given for the chunk in the attempt.
pub async fn find_training_key(
    conn: &mut Conn,
    request: RequestId,
    attempt: u8,
    input: u32,
    chunk: u32,
    reader_key: B256,
) -> Result<Option<TrainingKeyRow>, StoreError> {
    let rest = "request = $1 and attempt = $2 and input = $3 and chunk = $4 and reader_key = $5";
    Ok(select(conn, rest, &values![request, attempt, input, chunk, reader_key]).await?.pop())
}

/// The first key that was given for the chunk in the attempt, to whichever reader key.
pub async fn find_first_training_key(
    conn: &mut Conn,
    request: RequestId,
    attempt: u8,
    input: u32,
    chunk: u32,
) -> Result<Option<TrainingKeyRow>, StoreError> {
    let rest = "request = $1 and attempt = $2 and input = $3 and chunk = $4 \
                order by released_at, reader_key limit 1";
    Ok(select(conn, rest, &values![request, attempt, input, chunk]).await?.pop())
}

/// Most records of an input that any attempt has signed for.
pub async fn most_records(conn: &mut Conn, request: RequestId, input: u32) -> Result<u32, StoreError> {
    let rest = "request = $1 and input = $2 order by records desc limit 1";
    let rows: Vec<ReceiptRow> = select(conn, rest, &values![request, input]).await?;
    Ok(rows.first().map_or(0, |row| row.records))
}
