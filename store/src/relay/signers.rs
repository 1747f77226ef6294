//! Who may use a signer's nonces: one holder at a time, each with an epoch of its own.

use alloy::primitives::Address;

use super::{execute, values};
use crate::codec::Count;
use crate::lease::is_gone;
use crate::record::{find, insert, record};
use crate::{Conn, StoreError};

record! {
    /// A signer's nonces and their holder.
    SignerRow in "relay_signers" {
        /// Its address.
        signer: Address,
        /// The process that may write.
        holder: String,
        /// Rises with each new holder.
        epoch: Count,
        /// End of the holder's lease.
        lease_until: Count,
        /// The nonce of the next transaction.
        next_nonce: Count,
    }
}

/// A signer.
pub async fn find_signer(conn: &mut Conn, signer: Address) -> Result<Option<SignerRow>, StoreError> {
    find(conn, "signer", &signer).await
}

/// Takes a signer whose lease has ended, whose holder is a process of this machine that is gone, or that is new, for `holder`. The epoch, or `None` while another has it.
pub async fn acquire_signer(
    conn: &mut Conn,
    signer: Address,
    holder: &str,
    now: u64,
    lease_until: u64,
    first_nonce: u64,
) -> Result<Option<u64>, StoreError> {
    match find_signer(conn, signer).await? {
        None => {
            let row = SignerRow {
                signer,
                holder: holder.to_owned(),
                epoch: Count(1),
                lease_until: Count(lease_until),
                next_nonce: Count(first_nonce),
            };
            insert(conn, &[row]).await?;
            Ok(Some(1))
        }
        Some(row) if row.lease_until.0 <= now || row.holder == holder || is_gone(&row.holder) => {
            let epoch = row.epoch.0 + 1;
            let sql = "update relay_signers set holder = $1, epoch = $2, lease_until = $3 \
                       where signer = $4 and epoch = $5";
            let values = values![holder.to_owned(), Count(epoch), Count(lease_until), signer, row.epoch];
            Ok((execute(conn, sql, values).await? == 1).then_some(epoch))
        }
        Some(_) => Ok(None),
    }
}

/// Lengthens the lease. False where another holder has come: then nothing may be written any more.
pub async fn renew_signer(
    conn: &mut Conn,
    signer: Address,
    epoch: u64,
    lease_until: u64,
) -> Result<bool, StoreError> {
    let sql = "update relay_signers set lease_until = $1 where signer = $2 and epoch = $3";
    Ok(execute(conn, sql, values![Count(lease_until), signer, Count(epoch)]).await? == 1)
}

/// Takes the next nonce within the transaction that stores what is signed with it. `None` where another holder has come.
pub async fn take_nonce(conn: &mut Conn, signer: Address, epoch: u64) -> Result<Option<u64>, StoreError> {
    let sql = "update relay_signers set next_nonce = next_nonce + 1 where signer = $1 and epoch = $2";
    if execute(conn, sql, values![signer, Count(epoch)]).await? != 1 {
        return Ok(None);
    }
    Ok(find_signer(conn, signer).await?.map(|row| row.next_nonce.0 - 1))
}

/// Moves on past nonces that were used elsewhere. It never goes back.
pub async fn raise_nonce(
    conn: &mut Conn,
    signer: Address,
    epoch: u64,
    next: u64,
) -> Result<bool, StoreError> {
    let sql = "update relay_signers set next_nonce = $1 where signer = $2 and epoch = $3 and next_nonce < $1";
    Ok(execute(conn, sql, values![Count(next), signer, Count(epoch)]).await? == 1)
}
