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

use alloy::primitives::{Address, B256, Bytes};
use serde::{Deserialize, Serialize};

use crate::seal::{SealedKey, SealingKey};
use crate::{Digest, LeafHash, Root};

mod text;
mod training;

pub use text::{Base64, Text};
pub use training::{
    ReceiptEvidence, ReceiptUpload, TrainKeyAnswer, TrainKeyRequest, TrainingOpened, TrainingUpload,
};

/// Most records in one [`RecordsRequest`].
pub const MAX_RECORDS: u32 = 1024;
/// Most bytes of records in one [`RecordsAnswer`]; a single larger record is answered alone.
pub const MAX_RECORDS_BYTES: usize = 8 * 1024 * 1024;

/// What [`Refusal::code`] may say. Each stands for one reason; docs/protocol.md says what to do about it.
pub mod code {
    /// 400: not JSON of this form, or a number out of range.
    pub const MALFORMED: &str = "malformed";
    /// 401: no session, or an old one. Sign in.
    pub const NO_SESSION: &str = "noSession";
    /// 401: the challenge is unknown, used or too old. Ask for another.
    pub const CHALLENGE_USED: &str = "challengeUsed";
    /// 422: the message is not the one of the challenge (domain, URI, chain, account, times).
    pub const WRONG_MESSAGE: &str = "wrongMessage";
    /// 422: the signature is not of who must have signed, or something signed was altered.
    pub const FOREIGN_SIGNATURE: &str = "foreignSignature";
    /// 404: this gateway does not serve the collection.
    pub const UNKNOWN_COLLECTION: &str = "unknownCollection";
    /// 404: the collection has no such chunk or record.
    pub const NOT_IN_COLLECTION: &str = "notInCollection";
    /// 503: manifest or pages are not at hand yet.
    pub const NOT_AT_HAND: &str = "notAtHand";
    /// 403: the account has no READ right, at the head or at the depth that counts.
    pub const NO_RIGHT: &str = "noRight";
    /// 403: the publisher denied the account.
    pub const DENIED: &str = "denied";
    /// 403: the account is not the publisher or payee.
    pub const NOT_PUBLISHER: &str = "notPublisher";
    /// 402: the chunk costs something and no voucher came. The refusal has a quote.
    pub const VOUCHER_REQUIRED: &str = "voucherRequired";
    /// 422: the voucher is for another payer, payee or collection.
    pub const WRONG_PARTY: &str = "wrongParty";
    /// 422: the lane is not one of this gateway, or is used elsewhere.
    pub const WRONG_LANE: &str = "wrongLane";
    /// 409: the lane has this amount already: a voucher that was used, or an older one.
    pub const REPLAYED: &str = "replayed";
    /// 422: amount or records are not what the lane has and the chunk costs. The refusal has a quote.
    pub const WRONG_AMOUNT: &str = "wrongAmount";
    /// 422: the voucher, reader key, permit or authorization ends too early.
    pub const EXPIRED: &str = "expired";
    /// 422: the key is not authorized by the payer, or not any more.
    pub const UNKNOWN_SPENDER: &str = "unknownSpender";
    /// 402: more than the spender key's cap leaves.
    pub const OVER_CAP: &str = "overCap";
    /// 402: allowance, permit and balance do not cover what is open and this chunk.
    pub const UNFUNDED: &str = "unfunded";
    /// 402 with `Retry-After`: as much is open as this account is trusted with; it is being settled.
    pub const OVER_CREDIT: &str = "overCredit";
    /// 409: a timed purchase that is refundable: send the word of use first. The refusal has `since`.
    pub const USE_REQUIRED: &str = "useRequired";
    /// 403: the request, its assignment or its inputs do not hold: another worker, scheduler, attempt or state.
    pub const NOT_ASSIGNED: &str = "notAssigned";
    /// 403: the publisher does not trust this worker with this trainer on the collection.
    pub const NOT_TRUSTED: &str = "notTrusted";
    /// 404: the training was not opened here. Send its terms first.
    pub const UNKNOWN_TRAINING: &str = "unknownTraining";
    /// 422: records or root of the receipt are not those of the input up to this chunk.
    pub const WRONG_RECEIPT: &str = "wrongReceipt";
    /// 409: permit or authorization does not carry the next nonce.
    pub const WRONG_NONCE: &str = "wrongNonce";
    /// 503: the chain has had no new block for too long.
    pub const STALE_HEAD: &str = "staleHead";
    /// 503: the same call may work later.
    pub const TRY_AGAIN: &str = "tryAgain";
    /// 413: the body is too large.
    pub const TOO_LARGE: &str = "tooLarge";
    /// 415: the body is not `application/json`.
    pub const NOT_JSON: &str = "notJson";
    /// 429: too many calls.
    pub const TOO_MANY: &str = "tooMany";
    /// 408: the body took too long.
    pub const TOO_SLOW: &str = "tooSlow";
    /// 404: no such call.
    pub const NOT_FOUND: &str = "notFound";
    /// 405: not this method.
    pub const WRONG_METHOD: &str = "wrongMethod";
    /// 500: a fault of the gateway.
    pub const FAULT: &str = "fault";
}

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

/// An account wants to sign in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ChallengeRequest {
    /// The account.
    pub account: Address,
}

/// What goes into the sign-in message. Valid once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Challenge {
    /// `Nonce`.
    pub nonce: String,
    /// `Issued At`, RFC 3339.
    pub issued_at: String,
    /// `Expiration Time`, RFC 3339.
    pub expiration_time: String,
}

impl Challenge {
    /// The EIP-4361 message that the account signs (EIP-191). `audience` is the URL that the client itself calls:
    /// a challenge passed on by somebody else then yields a message that is no use to them.
    ///
    /// # Errors
    /// [`crate::ProtocolError::Invalid`] for an audience without scheme and host, or a challenge with other than
    /// letters, digits and the marks of times in it.
    pub fn message(
        &self,
        audience: &str,
        account: Address,
        chain_id: u64,
    ) -> Result<String, crate::ProtocolError> {
        let invalid =
            |what| crate::ProtocolError::Invalid { what, reason: "not of the form expected".into() };
        let authority = audience
            .split_once("://")
            .map(|(_, rest)| rest.split(['/', '?', '#']).next().unwrap_or(rest))
            .filter(|host| !host.is_empty() && !audience.contains(char::is_whitespace))
            .ok_or_else(|| invalid("audience"))?;
        let plain = |text: &str, marks: &str| {
            (8..=64).contains(&text.len())
                && text.chars().all(|c| c.is_ascii_alphanumeric() || marks.contains(c))
        };
        if !plain(&self.nonce, "") || !plain(&self.issued_at, "-:.+") || !plain(&self.expiration_time, "-:.+")
        {
            return Err(invalid("challenge"));
        }
        Ok(format!(
            "{authority} wants you to sign in with your Ethereum account:\n{account}\n\n\
             Sign in to an Offsetdata gateway.\n\n\
             URI: {audience}\nVersion: 1\nChain ID: {chain_id}\nNonce: {}\nIssued At: {}\nExpiration Time: {}",
            self.nonce, self.issued_at, self.expiration_time
        ))
    }
}

/// The signed message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SignIn {
    /// The EIP-4361 message.
    pub message: String,
    /// Signature over it (EIP-191; ERC-1271 for contracts).
    pub signature: Bytes,
}

/// A session of an account.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Session {
    /// Bearer token.
    pub token: String,
    /// Whose it is.
    pub account: Address,
    /// Unix seconds.
    pub expires_at: u64,
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session")
            .field("account", &self.account)
            .field("expires_at", &self.expires_at)
            .finish_non_exhaustive()
    }
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
    /// One of this gateway's lanes ([`lane`]). Each parallel reader takes its own.
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

/// A reader without IPFS wants records.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RecordsRequest {
    /// Index of the first.
    pub first: u32,
    /// How many, 1 to [`MAX_RECORDS`].
    pub count: u32,
    /// What pays for their chunk, where something is due.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub voucher: Option<VoucherUpload>,
}

/// Records with their proofs. The answer ends where the first record's chunk ends, or at [`MAX_RECORDS_BYTES`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RecordsAnswer {
    /// The collection's content root, as on chain.
    pub content_root: Root,
    /// The collection's records.
    pub record_count: u32,
    /// The chunk that they are of.
    pub chunk: u32,
    /// In order of index.
    pub records: Vec<ProvenRecord>,
    /// What was charged for the chunk by this call.
    pub charged: Text<u128>,
}

/// A record and what proves that it is in the collection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ProvenRecord {
    /// Its index.
    pub index: u32,
    /// DAG-CBOR.
    pub record: Base64,
    /// 16 bytes; absent in a public collection.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub salt: Option<Bytes>,
    /// SHA-256(0x00 ‖ salt ‖ record).
    pub leaf_hash: LeafHash,
    /// From the leaf's sibling up.
    pub proof: Vec<LeafHash>,
}

/// The word that a purchase was used, which ends its refund window.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct UseUpload {
    /// `since` of the purchase.
    pub since: u64,
    /// The account's signature over [`crate::messages::AccessUsed`].
    pub signature: Bytes,
}

/// A payer authorizes a key to sign vouchers. Payer is the session's account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SpenderUpload {
    /// The key's address.
    pub spender: Address,
    /// The most that it may spend.
    pub cap: Text<u128>,
    /// Unix seconds.
    pub expiry: u64,
    /// `spenderOf(payer, spender).nonce`.
    pub nonce: u32,
    /// The payer's signature over [`crate::messages::SpenderAuthorization`].
    pub signature: Bytes,
}

/// An ERC-2612 permit of the settlement token to UsageBilling. Owner is the session's account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PermitUpload {
    /// The allowance, 256 bits.
    pub value: Text<alloy::primitives::U256>,
    /// Unix seconds, 256 bits.
    pub deadline: Text<alloy::primitives::U256>,
    /// `nonces(owner)`.
    pub nonce: Text<alloy::primitives::U256>,
    /// 65 bytes.
    pub signature: Bytes,
}

/// What an account was charged for a collection at this gateway.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Statement {
    /// The collection.
    pub collection: B256,
    /// The account.
    pub account: Address,
    /// Sums over the lanes.
    pub total: Totals,
    /// Chunks charged.
    pub chunks: u32,
    /// One for each lane, in order of payee and lane.
    pub lanes: Vec<LaneStatement>,
}

/// Charged = settled + open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Totals {
    /// Promised by accepted vouchers.
    pub charged: Text<u128>,
    /// Of it, paid on chain.
    pub settled: Text<u128>,
    /// Of it, not yet paid.
    pub open: Text<u128>,
    /// Records that were paid for.
    pub records: Text<u64>,
}

/// One lane.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LaneStatement {
    /// Who pays.
    pub payer: Address,
    /// Who is paid.
    pub payee: Address,
    /// The lane.
    pub lane: Text<u64>,
    /// Its sums.
    pub total: Totals,
    /// Why the last attempt to settle it failed, if it did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
}

/// What a collection sold at this gateway, for its publisher and payees.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Sales {
    /// The collection.
    pub collection: B256,
    /// Sums over all lanes, also those of other pages.
    pub total: Totals,
    /// One for each lane, in order of payer, payee and lane.
    pub lanes: Vec<LaneStatement>,
    /// `after` of the next page, absent at the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// Settlement was started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SettleAnswer {
    /// What is open and will be settled.
    pub open: Text<u128>,
}

/// An error (RFC 9457, `application/problem+json`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Refusal {
    /// `urn:offsetdata:problem:` and the code.
    #[serde(rename = "type")]
    pub kind: String,
    /// One of [`code`].
    pub code: String,
    /// What is wrong, for people.
    pub title: String,
    /// HTTP status.
    pub status: u16,
    /// Expected and actual, and the next step.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// What a voucher has to say, with `voucherRequired` and `wrongAmount`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quote: Option<LaneQuote>,
    /// `since` of the purchase, with `useRequired`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<u64>,
    /// As the `Retry-After` header: the same call may work then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after_seconds: Option<u64>,
}

/// What the next voucher of a lane has to say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LaneQuote {
    /// Who is paid.
    pub payee: Address,
    /// What is due for the chunk.
    pub due: Text<u128>,
    /// Its records.
    pub records: u32,
    /// The lane that was asked about, or a new one.
    pub lane: Text<u64>,
    /// Amount that the voucher must have.
    pub lane_amount: Text<u128>,
    /// Records that the voucher must have.
    pub lane_records: Text<u64>,
}
