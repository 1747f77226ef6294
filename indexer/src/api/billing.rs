//! Payment for use as the API shows it: vouchers, spender keys, deposits, revenue, shares and usage.

use async_graphql::{Enum, SimpleObject};
use offsetdata_store::chain::billing::{
    self, DepositEventRow, RevenueRow, ShareClaimRow, SpenderState, VoucherSettlementRow, VoucherSkipRow,
};
use offsetdata_store::chain::usage;
use serde::Serialize;
use utoipa::ToSchema;

use super::block::BlockRef;
use super::located::located;
use super::scalars::{Account, Amount, Bytes32, Long};

/// A voucher that was settled, in full or in part.
#[derive(Debug, Clone, PartialEq, Eq, SimpleObject, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Voucher {
    payer: Account,
    payee: Account,
    collection_id: Bytes32,
    /// Decimal digits: 64 bits.
    lane: Amount,
    /// The payer or its spender key.
    signer: Account,
    /// Records of the lane since its beginning, as the voucher says: decimal digits, 64 bits.
    records: Amount,
    /// What was paid by this settlement.
    paid: Amount,
    block: Option<BlockRef>,
}

located!(Voucher from VoucherSettlementRow, |row, block, _now| Self {
    payer: Account(row.payer),
    payee: Account(row.payee),
    collection_id: row.collection.into(),
    lane: u128::from(row.lane).into(),
    signer: Account(row.signer),
    records: u128::from(row.records).into(),
    paid: row.paid.into(),
    block,
});

/// A voucher of a batch that was passed over.
#[derive(Debug, Clone, PartialEq, Eq, SimpleObject, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SkippedVoucher {
    payer: Account,
    payee: Account,
    collection_id: Bytes32,
    /// Decimal digits: 64 bits.
    lane: Amount,
    /// What it promises since the lane's beginning.
    amount: Amount,
    /// Selector of the contract's error: `0x` and 8 hexadecimal digits.
    reason: String,
    block: Option<BlockRef>,
}

located!(SkippedVoucher from VoucherSkipRow, |row, block, _now| Self {
    payer: Account(row.payer),
    payee: Account(row.payee),
    collection_id: row.collection.into(),
    lane: u128::from(row.lane).into(),
    amount: row.amount.into(),
    reason: row.reason.to_string(),
    block,
});

/// A key that signs vouchers for a payer.
#[derive(Debug, Clone, PartialEq, Eq, SimpleObject, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Spender {
    spender: Account,
    revoked: bool,
    /// Whether it counts at the time of the block that the answer is about.
    valid: bool,
    /// The most that is settled by it under this authorization.
    cap: Amount,
    /// What of it is settled.
    spent: Amount,
    /// Unix seconds; null where revoked.
    expiry: Option<Long>,
    /// Nonce of the authorization; of the next one where revoked.
    nonce: Long,
    /// Of the authorization or revocation.
    block: Option<BlockRef>,
}

located!(Spender from SpenderState, |row, block, now| Self {
    spender: Account(row.spender),
    revoked: row.revoked,
    valid: row.expiry.0 > now,
    cap: row.cap.into(),
    spent: row.spent().into(),
    expiry: (!row.revoked).then(|| row.expiry.into()),
    nonce: u64::from(row.nonce).into(),
    block,
});

/// What happened to a deposit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum, Serialize, ToSchema)]
#[graphql(remote = "billing::DepositEventKind")]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(crate) enum DepositEventKind {
    /// The payer added to it.
    Deposited,
    /// The payer gave notice of taking out; an amount of 0 takes the notice back.
    Thawing,
    /// What had thawed was credited to the payer.
    Withdrawn,
    /// A voucher was paid from it.
    Taken,
}

/// One thing that happened to a deposit.
#[derive(Debug, Clone, PartialEq, Eq, SimpleObject, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DepositEvent {
    kind: DepositEventKind,
    payer: Account,
    payee: Account,
    amount: Amount,
    /// The deposit after it, where the event says.
    balance: Option<Amount>,
    /// When what thaws may be taken out, Unix seconds.
    thaws_at: Option<Long>,
    block: Option<BlockRef>,
}

located!(DepositEvent from DepositEventRow, |row, block, _now| Self {
    kind: row.kind.into(),
    payer: Account(row.payer),
    payee: Account(row.payee),
    amount: row.amount.into(),
    balance: row.balance.map(Amount),
    thaws_at: (row.thaws_at.0 != 0).then(|| row.thaws_at.into()),
    block,
});

/// Revenue from vouchers that was collected.
#[derive(Debug, Clone, PartialEq, Eq, SimpleObject, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Revenue {
    collection_id: Bytes32,
    payee: Account,
    amount: Amount,
    /// Whether it went to the contributors' pool and not to the payee.
    shared: bool,
    block: Option<BlockRef>,
}

located!(Revenue from RevenueRow, |row, block, _now| Self {
    collection_id: row.collection.into(),
    payee: Account(row.payee),
    amount: row.amount.into(),
    shared: row.shared,
    block,
});

/// A share that a contributor claimed.
#[derive(Debug, Clone, PartialEq, Eq, SimpleObject, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ShareClaim {
    collection_id: Bytes32,
    account: Account,
    /// Its part of 1,000,000,000.
    parts: Long,
    amount: Amount,
    block: Option<BlockRef>,
}

located!(ShareClaim from ShareClaimRow, |row, block, _now| Self {
    collection_id: row.collection.into(),
    account: Account(row.account),
    parts: u64::from(row.parts).into(),
    amount: row.amount.into(),
    block,
});

/// Sum of settled vouchers.
#[derive(Debug, Clone, PartialEq, Eq, SimpleObject, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Usage {
    /// Where sums are by payer.
    payer: Option<Account>,
    /// Where sums are by day: Unix seconds of its beginning (UTC).
    day: Option<Long>,
    /// Records, as the vouchers say: decimal digits, 64 bits.
    records: Amount,
    paid: Amount,
    /// Number of settlements.
    settlements: Long,
}

impl From<usage::Usage> for Usage {
    fn from(row: usage::Usage) -> Self {
        Self {
            payer: row.payer.map(Account),
            day: row.day.map(|day| Long(day.saturating_mul(86_400))),
            records: u128::from(row.records).into(),
            paid: row.paid.into(),
            settlements: row.settlements.into(),
        }
    }
}
