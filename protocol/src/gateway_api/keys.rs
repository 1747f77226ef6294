//! What a reader and a gateway exchange over a chunk's secret: READ. What a worker brings for TRAIN stands elsewhere.

use alloy::primitives::{Address, B256, Bytes};
use serde::{Deserialize, Serialize};

use super::Text;
use crate::Digest;
use crate::seal::{SealedKey, SealingKey};

/// What a chunk costs this account now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ChunkQuote {
    /// The chunk.
    pub ordinal: u32,
    /// Index of its first record.
    pub first: u32,
    /// Its records.
    pub count: u32,
    /// What a voucher has to add: 0 for a holder, for a chunk charged before and for a preview.
    pub due: Text<u128>,
    /// Who is paid.
    pub payee: Address,
    /// Why nothing is due, or that something is.
    pub basis: Basis,
}

/// By what an account may read a chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Basis {
    /// Everybody may: a public collection or a preview.
    Open,
    /// It is the publisher.
    Publisher,
    /// It holds the token.
    Token,
    /// It was charged for this chunk before.
    Charged,
    /// A voucher has to come.
    Metered,
}

/// A reader's key, signed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ReaderKeyUpload {
    /// What secrets are sealed to.
    pub public_key: SealingKey,
    /// Unix seconds.
    pub valid_until: u64,
    /// The account's signature over [`crate::messages::ReaderKey`] with the gateway's audience.
    pub signature: Bytes,
}

/// A voucher, signed. Payer is the session's account, collection that of the call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct VoucherUpload {
    /// Who is paid.
    pub payee: Address,
    /// One of this gateway's lanes ([`super::lane`]). Each parallel reader takes its own.
    pub lane: Text<u64>,
    /// What was promised in the lane before, and what is due for this.
    pub amount: Text<u128>,
    /// Records in the lane before, and those of this chunk.
    pub records: Text<u64>,
    /// Unix seconds.
    pub valid_until: u64,
    /// Whether the deposit for the payee is taken first.
    pub from_deposit: bool,
    /// The payer, or a spender key that it authorized.
    pub signer: Address,
    /// Signature of `signer` over [`crate::messages::UsageVoucher`].
    pub signature: Bytes,
}

/// A reader wants a chunk's secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct KeyRequest {
    /// Whom it is sealed to.
    pub reader_key: ReaderKeyUpload,
    /// What pays for it, where something is due.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub voucher: Option<VoucherUpload>,
}

/// A chunk's secret for this reader.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct KeyAnswer {
    /// Opens with [`crate::seal::ChunkPlace`] and the reader's secret key.
    pub sealed_secret: SealedKey,
    /// The gateway's word.
    pub release: SignedRelease,
}

/// [`crate::messages::KeyRelease`] with its signature.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SignedRelease {
    /// Who released it.
    pub gateway: Address,
    /// To whom.
    pub account: Address,
    /// Of which collection.
    pub collection: B256,
    /// 0 READ, 1 TRAIN.
    pub right: u8,
    /// Ordinal of the chunk.
    pub chunk: u32,
    /// Key digest of the chunk in its page.
    pub key_digest: Digest,
    /// Whom it is sealed to.
    pub reader_key: SealingKey,
    /// The lane that paid, 0 where nothing was charged.
    pub lane: Text<u64>,
    /// What was charged.
    pub charged: Text<u128>,
    /// Unix seconds.
    pub released_at: u64,
    /// The gateway's signature.
    pub signature: Bytes,
}

impl SignedRelease {
    /// What was signed.
    pub fn message(&self) -> crate::messages::KeyRelease {
        use alloy::primitives::Uint;
        crate::messages::KeyRelease {
            gateway: self.gateway,
            account: self.account,
            collection: self.collection,
            right: self.right,
            chunk: self.chunk,
            keyDigest: self.key_digest.into(),
            readerKey: B256::new(self.reader_key.0),
            lane: self.lane.0,
            charged: self.charged.0,
            // A time past 2^40 makes another message than any gateway signs.
            releasedAt: Uint::saturating_from(self.released_at),
        }
    }
}
