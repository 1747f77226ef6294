//! What a gateway refuses with, and why. It decides on no reason: the gateway does.

use alloy::primitives::Address;
use serde::{Deserialize, Serialize};

use super::Text;

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
