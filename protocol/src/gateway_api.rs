//! The JSON that readers and a gateway exchange (docs/protocol.md, "Gateway API"). It sends nothing.
//!
//! Every call can be repeated: the same call gets the same answer and is charged once.
//!
//! | call | body → answer |
//! |---|---|
//! | `GET /v1/gateway` | → [`GatewayInfo`] |
//! | `POST /v1/challenges` | [`ChallengeRequest`] → [`Challenge`] |
//! | `POST /v1/sessions` | [`SignIn`] → [`Session`] |
//! | `GET /v1/collections/{id}` | → [`CollectionInfo`] |
//! | `GET /v1/collections/{id}/chunks/{ordinal}` | → [`ChunkQuote`] |
//! | `POST /v1/collections/{id}/chunks/{ordinal}/key` | [`KeyRequest`] → [`KeyAnswer`] |
//! | `POST /v1/collections/{id}/records` | [`RecordsRequest`] → [`RecordsAnswer`] |
//! | `POST /v1/collections/{id}/vouchers` | [`VoucherUpload`] → 204 |
//! | `POST /v1/collections/{id}/use` | [`UseUpload`] → 204 |
//! | `POST /v1/spenders` | [`SpenderUpload`] → 204 |
//! | `GET /v1/permits` | → [`Allowance`] |
//! | `POST /v1/permits` | [`PermitUpload`] → 204 |
//! | `GET /v1/collections/{id}/statement` | → [`Statement`] |
//! | `GET /v1/collections/{id}/sales?after=…` | → [`Sales`] |
//! | `POST /v1/collections/{id}/settle` | → 202 [`SettleAnswer`] |
//! | `PUT /v1/trainings/{request}` | [`TrainingUpload`] → [`TrainingOpened`] |
//! | `POST /v1/trainings/{request}/inputs/{input}/chunks/{ordinal}/key` | [`TrainKeyRequest`] → [`TrainKeyAnswer`] |
//! | `GET /v1/trainings/{request}/receipts` | → [`ReceiptEvidence`]s, the last of each input |
//!
//! What is about an account carries `Authorization: Bearer <token of the session>`; the first three calls and
//! `GET /v1/collections/{id}` do without, and so do records of public collections and of previews. Errors are
//! [`Refusal`]s, whose `code` is one of [`code`].

use alloy::primitives::{Address, B256};
use serde::{Deserialize, Serialize};

use crate::Root;
use crate::seal::SealingKey;

mod keys;
mod money;
mod records;
mod refusal;
mod session;
mod text;
mod training;

pub use keys::{Basis, ChunkQuote, KeyAnswer, KeyRequest, ReaderKeyUpload, SignedRelease, VoucherUpload};
pub use money::{
    Allowance, LaneStatement, PermitUpload, Sales, SettleAnswer, SpenderUpload, Statement, Totals, UseUpload,
};
pub use records::{MAX_RECORDS, MAX_RECORDS_BYTES, ProvenRecord, RecordsAnswer, RecordsRequest};
pub use refusal::{LaneQuote, Refusal, code};
pub use session::{Challenge, ChallengeRequest, Session, SignIn};
pub use text::{Base64, Text};
pub use training::{
    ReceiptEvidence, ReceiptUpload, TrainKeyAnswer, TrainKeyRequest, TrainingOpened, TrainingUpload,
};

/// First lane of the gateway with this signer: its address's first four bytes, then `number(4)`. A voucher does not
/// name the gateway, so lanes do: otherwise one voucher could be shown to two of them.
///
/// ```
/// use alloy::primitives::address;
/// use offsetdata_protocol::gateway_api::lane;
/// assert_eq!(lane(address!("0102030400000000000000000000000000000000"), 5), 0x0102_0304_0000_0005);
/// ```
pub fn lane(signer: Address, number: u32) -> u64 {
    let mut bytes = [0; 8];
    bytes[..4].copy_from_slice(&signer[..4]);
    bytes[4..].copy_from_slice(&number.to_be_bytes());
    u64::from_be_bytes(bytes)
}

/// Who the gateway is and by which rules it sells.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GatewayInfo {
    /// Its public URL: `audience` of reader keys, `uri` of sign-in messages.
    pub audience: String,
    /// EIP-155 chain id.
    pub chain_id: u64,
    /// CollectionRegistry.
    pub collection_registry: Address,
    /// AccessToken, the verifying contract of reader keys and releases.
    pub access_token: Address,
    /// UsageBilling, the verifying contract of vouchers and the spender of permits.
    pub usage_billing: Address,
    /// The settlement token.
    pub token: Address,
    /// Signs key releases. Its lanes begin at [`lane`]`(signer, 0)`.
    pub signer: Address,
    /// What publishers seal collection keys to.
    pub sealing_key: SealingKey,
    /// A right counts when it is held at the head and so many blocks below.
    pub confirmations: u32,
    /// A voucher, and the authorization of the key that signed it, must be valid for so many seconds more.
    pub voucher_seconds: u64,
    /// Credit by which keys are released before anything is settled.
    pub credit: CreditTerms,
}

/// How much may be open, unsettled, of an account with one payee in one collection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CreditTerms {
    /// Never more than this, but always one chunk: the price of one chunk, or what was settled with the payee before
    /// where that is more, up to this.
    pub cap: Text<u128>,
    /// What is open for so many seconds is settled without being asked for.
    pub settle_after_seconds: u64,
}

/// What a gateway says about a collection that it serves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CollectionInfo {
    /// The collection.
    pub collection: B256,
    /// Its content root, as on chain.
    pub content_root: Root,
    /// Its records.
    pub record_count: u32,
    /// Its chunks.
    pub chunk_count: u32,
    /// The manifest's CID.
    pub manifest: String,
    /// Whether it is public: then records need no key, no right and no voucher.
    pub public: bool,
    /// Records that everybody may open, from the first.
    pub preview_records: u32,
    /// The READ offer at the head, where there is a metered one.
    pub metered: Option<MeteredOffer>,
}

/// A metered READ offer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MeteredOffer {
    /// In the token's smallest unit.
    pub price_per_record: Text<u128>,
    /// Who is paid: the `payee` of vouchers.
    pub payee: Address,
}
