//! What workers signed and sent: commitments, artifacts and settlements. It checks no signature.

use alloy::primitives::{B256, Bytes};
use offsetdata_protocol::ids::RequestId;

use super::{execute, values};
use crate::codec::Count;
use crate::record::{find, insert, record, select};
use crate::{Conn, StoreError};

record! {
    /// A commitment that was accepted.
    CommitmentRow in "relay_commitments" {
        /// The request.
        request: RequestId,
        /// From 1, over all attempts.
        sequence: u32,
        /// The attempt.
        attempt: u8,
        /// Head before it.
        previous_head: B256,
        /// Head after it.
        head: B256,
        /// SHA-256 of the points block.
        points_digest: B256,
        /// Points of the series after it.
        point_count: u32,
        /// Units.
        units: Count,
        /// Four int64.
        last_values: B256,
        /// The worker's.
        signature: Bytes,
        /// Unix seconds.
        accepted_at: Count,
    }
}

record! {
    /// An artifact that the relayer keeps.
    ArtifactRow in "relay_artifacts" {
        /// The request.
        request: RequestId,
        /// The attempt.
        attempt: u8,
        /// SHA-256 of the bytes.
        digest: B256,
        /// Its CID.
        cid: String,
        /// Length.
        bytes: Count,
        /// Unix seconds.
        stored_at: Count,
    }
}

record! {
    /// The signed result.
    SettlementRow in "relay_settlements" {
        /// The request.
        request: RequestId,
        /// The attempt.
        attempt: u8,
        /// abi.encode(Settlement).
        settlement: Bytes,
        /// The worker's.
        signature: Bytes,
        /// Unix seconds.
        accepted_at: Count,
    }
}

/// Keeps a commitment.
pub async fn insert_commitment(conn: &mut Conn, commitment: CommitmentRow) -> Result<(), StoreError> {
    insert(conn, &[commitment]).await
}

/// A commitment.
pub async fn find_commitment(
    conn: &mut Conn,
    request: RequestId,
    sequence: u32,
) -> Result<Option<CommitmentRow>, StoreError> {
    Ok(select(conn, "request = $1 and sequence = $2", &values![request, sequence]).await?.pop())
}

/// The commitments of a request over all attempts, in their order.
pub async fn list_commitments(conn: &mut Conn, request: RequestId) -> Result<Vec<CommitmentRow>, StoreError> {
    select(conn, "request = $1 order by sequence", &values![request]).await
}

/// Forgets the commitments from this sequence on, which can't land, and the settlement that follows them.
pub async fn delete_work_from(conn: &mut Conn, request: RequestId, sequence: u32) -> Result<(), StoreError> {
    let sql = "delete from relay_commitments where request = $1 and sequence >= $2";
    execute(conn, sql, values![request, sequence]).await?;
    delete_settlement(conn, request).await
}

/// Keeps an artifact in place of the one that this attempt sent before.
pub async fn put_artifact(conn: &mut Conn, artifact: ArtifactRow) -> Result<(), StoreError> {
    let sql = "delete from relay_artifacts where request = $1 and attempt = $2";
    execute(conn, sql, values![artifact.request, artifact.attempt]).await?;
    insert(conn, &[artifact]).await
}

/// The artifact of an attempt.
pub async fn find_artifact(
    conn: &mut Conn,
    request: RequestId,
    attempt: u8,
) -> Result<Option<ArtifactRow>, StoreError> {
    Ok(select(conn, "request = $1 and attempt = $2", &values![request, attempt]).await?.pop())
}

/// Keeps the result in place of an earlier attempt's, which a reorg can have left without a chance to land.
pub async fn put_settlement(conn: &mut Conn, settlement: SettlementRow) -> Result<(), StoreError> {
    delete_settlement(conn, settlement.request).await?;
    insert(conn, &[settlement]).await
}

/// The result.
pub async fn find_settlement(
    conn: &mut Conn,
    request: RequestId,
) -> Result<Option<SettlementRow>, StoreError> {
    find(conn, "request", &request).await
}

/// Forgets a result that can't land.
pub async fn delete_settlement(conn: &mut Conn, request: RequestId) -> Result<(), StoreError> {
    execute(conn, "delete from relay_settlements where request = $1", values![request]).await?;
    Ok(())
}
