//! The newest checkpoint of each job. The bytes are files of the relayer.

use alloy::primitives::B256;
use offsetdata_protocol::ids::RequestId;

use super::{execute, values};
use crate::codec::Count;
use crate::record::{find, insert, record, select};
use crate::{Conn, StoreError};

record! {
    /// A checkpoint that the relayer keeps.
    CheckpointRow in "relay_checkpoints" {
        /// The request.
        request: RequestId,
        /// The attempt that made it.
        attempt: u8,
        /// The commitment after which it stands.
        sequence: u32,
        /// Points of the series before it.
        point_count: u32,
        /// Units before it.
        units: Count,
        /// SHA-256 of the stored bytes.
        digest: B256,
        /// Length.
        bytes: Count,
        /// Unix seconds.
        stored_at: Count,
    }
}

/// Keeps a checkpoint in place of the one before.
pub async fn put_checkpoint(conn: &mut Conn, checkpoint: CheckpointRow) -> Result<(), StoreError> {
    delete_checkpoint(conn, checkpoint.request).await?;
    insert(conn, &[checkpoint]).await
}

/// The checkpoint of a job.
pub async fn find_checkpoint(
    conn: &mut Conn,
    request: RequestId,
) -> Result<Option<CheckpointRow>, StoreError> {
    find(conn, "request", &request).await
}

/// Forgets the checkpoint of a job.
pub async fn delete_checkpoint(conn: &mut Conn, request: RequestId) -> Result<(), StoreError> {
    execute(conn, "delete from relay_checkpoints where request = $1", values![request]).await?;
    Ok(())
}

/// Checkpoints of jobs in one of the relayer's final states.
pub async fn list_of_ended(conn: &mut Conn, limit: u32) -> Result<Vec<CheckpointRow>, StoreError> {
    let rest = "request in (select j.request from relay_jobs j \
                where j.state in ('succeeded', 'cancelled', 'failed', 'expired')) limit $1";
    select(conn, rest, &values![limit]).await
}
