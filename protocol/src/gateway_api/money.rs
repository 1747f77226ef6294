//! What payers leave at a gateway, and what it tells of what was charged. It moves nothing.

use alloy::primitives::{Address, B256, Bytes};
use serde::{Deserialize, Serialize};

use super::Text;

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

/// What UsageBilling may take from an account. A permit sets the allowance, it does not add to it (ERC-2612): the next
/// one has to say this much and what is wanted on top.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Allowance {
    /// The allowance, or the value of the kept permit where that is more and can still land. 256 bits.
    pub allowed: Text<alloy::primitives::U256>,
    /// Promised from it by accepted vouchers of this gateway, not yet paid.
    pub open: Text<u128>,
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
