//! Sessions of workers. A token is known by its SHA-256 only.

use alloy::primitives::{Address, B256, Bytes};

use super::{execute, values};
use crate::codec::Count;
use crate::record::{insert, record, select};
use crate::{Conn, StoreError};

record! {
    /// A worker that said hello.
    SessionRow in "relay_sessions" {
        /// SHA-256 of the token.
        token_hash: B256,
        /// Its key.
        worker: Address,
        /// Digests of its trainers, 32 bytes each.
        trainers: Bytes,
        /// The hello's time.
        issued_at: Count,
        /// When the token ends.
        expires_at: Count,
    }
}

/// Keeps a session and ends all others of this worker.
pub async fn insert_session(conn: &mut Conn, session: SessionRow) -> Result<(), StoreError> {
    execute(conn, "delete from relay_sessions where worker = $1", values![session.worker]).await?;
    insert(conn, &[session]).await
}

/// The session of a token that has not ended.
pub async fn find_session(
    conn: &mut Conn,
    token_hash: B256,
    now: u64,
) -> Result<Option<SessionRow>, StoreError> {
    Ok(select(conn, "token_hash = $1 and expires_at > $2", &values![token_hash, Count(now)]).await?.pop())
}

/// The newest session of a worker.
pub async fn find_session_of(conn: &mut Conn, worker: Address) -> Result<Option<SessionRow>, StoreError> {
    Ok(select(conn, "worker = $1 order by issued_at desc limit 1", &values![worker]).await?.pop())
}
