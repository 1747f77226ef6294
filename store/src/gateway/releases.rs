//! Keys that were given out: who, what, paid by what, and the very bytes of the answer.

use alloy::primitives::{Address, B256, Bytes};
use offsetdata_protocol::ids::CollectionId;

use crate::codec::Count;
use crate::record::{insert, record, select};
use crate::relay::values;
use crate::{Conn, StoreError};

record! {
    /// A key that was given out.
    ReleaseRow in "gateway_releases" {
        /// To whom.
        account: Address,
        /// Of which collection.
        collection: CollectionId,
        /// Ordinal of the chunk.
        chunk: u32,
        /// X25519 key that it is sealed to; zero where records were given instead.
        reader_key: B256,
        /// Whether a voucher was taken for it.
        paid: bool,
        /// Who is paid, or zero.
        payee: Address,
        /// The lane that paid, or 0.
        lane: u64,
        /// What was charged.
        charged: u128,
        /// Amount of the voucher, or 0.
        lane_amount: u128,
        /// Digest of the chunk's secret.
        key_digest: B256,
        /// `SealedKey`, or empty where records were given.
        sealed_secret: Bytes,
        /// The gateway's signature over `KeyRelease`.
        signature: Bytes,
        /// Unix seconds.
        released_at: Count,
    }
}

/// Keeps a release. A second charge for a chunk is a duplicate ([`StoreError::is_duplicate`]).
pub async fn insert_release(conn: &mut Conn, row: ReleaseRow) -> Result<(), StoreError> {
    insert(conn, &[row]).await
}

/// What this reader key was given for the chunk; what was paid for first.
pub async fn find_release(
    conn: &mut Conn,
    account: Address,
    collection: CollectionId,
    chunk: u32,
    reader_key: B256,
) -> Result<Option<ReleaseRow>, StoreError> {
    let rest =
        "account = $1 and collection = $2 and chunk = $3 and reader_key = $4 order by paid desc limit 1";
    Ok(select(conn, rest, &values![account, collection, chunk, reader_key]).await?.pop())
}

/// The release that was charged for the chunk.
pub async fn find_charge(
    conn: &mut Conn,
    account: Address,
    collection: CollectionId,
    chunk: u32,
) -> Result<Option<ReleaseRow>, StoreError> {
    let rest = "account = $1 and collection = $2 and chunk = $3 and paid = 1";
    Ok(select(conn, rest, &values![account, collection, chunk]).await?.pop())
}

/// Chunks of the collection that the account was charged for.
pub async fn count_charges(
    conn: &mut Conn,
    account: Address,
    collection: CollectionId,
) -> Result<u32, StoreError> {
    let rest = "account = $1 and collection = $2 and paid = 1";
    let rows: Vec<ReleaseRow> = select(conn, rest, &values![account, collection]).await?;
    Ok(u32::try_from(rows.len()).unwrap_or(u32::MAX))
}
