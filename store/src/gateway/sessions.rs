//! Sessions of readers. A token is known by its SHA-256 only.

use alloy::primitives::{Address, B256};

use crate::codec::Count;
use crate::record::{insert, record, select};
use crate::relay::{execute, values};
use crate::{Conn, StoreError};

record! {
    /// An account that signed in.
    SessionRow in "gateway_sessions" {
        /// SHA-256 of the token.
        token_hash: B256,
        /// Whose it is.
        account: Address,
        /// Nonce of the challenge that it answered.
        nonce: String,
        /// When the token ends.
        expires_at: Count,
        /// Whether it was ended before.
        ended: bool,
    }
}

/// Keeps a session, forgets those that ended, and ends the account's oldest where it has more than `most`. A nonce that
/// was used is a duplicate ([`StoreError::is_duplicate`]).
pub async fn insert_session(
    conn: &mut Conn,
    session: SessionRow,
    now: u64,
    most: u32,
) -> Result<(), StoreError> {
    execute(conn, "delete from gateway_sessions where expires_at <= $1", values![Count(now)]).await?;
    let account = session.account;
    insert(conn, &[session]).await?;
    let sql = "update gateway_sessions set ended = 1 where account = $1 and ended = 0 and token_hash not in \
               (select token_hash from gateway_sessions where account = $1 and ended = 0 \
               order by expires_at desc, nonce desc limit $2)";
    execute(conn, sql, values![account, most]).await?;
    Ok(())
}

/// The session of a token that has not ended.
pub async fn find_session(
    conn: &mut Conn,
    token_hash: B256,
    now: u64,
) -> Result<Option<SessionRow>, StoreError> {
    let rest = "token_hash = $1 and ended = 0 and expires_at > $2";
    Ok(select(conn, rest, &values![token_hash, Count(now)]).await?.pop())
}
