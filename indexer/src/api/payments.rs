//! Money by account as the API shows it: payments, credits, withdrawals.

use async_graphql::{Enum, SimpleObject};
use offsetdata_store::chain::payments::{self, WithdrawalRow};
use offsetdata_store::chain::statement;
use serde::Serialize;
use utoipa::ToSchema;

use super::block::BlockRef;
use super::located::located;
use super::scalars::{Account, Amount, Bytes32};

/// Why money moved from a payer to a payee.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum, Serialize, ToSchema)]
#[graphql(remote = "payments::PaymentKind")]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(crate) enum PaymentKind {
    /// A voucher was settled.
    Voucher,
    /// A right was bought.
    Purchase,
    /// Money of a purchase went back: to be subtracted from what the payer paid.
    Refund,
    /// A training request paid for records.
    Training,
}

/// Money for a collection.
#[derive(Debug, Clone, PartialEq, Eq, SimpleObject, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Payment {
    kind: PaymentKind,
    /// Who paid, or got back.
    payer: Account,
    /// Who was paid; of a refund who had been.
    payee: Account,
    /// Null for data that the user brought.
    collection_id: Option<Bytes32>,
    /// The training request that paid.
    request_id: Option<Bytes32>,
    amount: Amount,
    block: Option<BlockRef>,
}

located!(Payment from payments::Payment, |row, block, _now| Self {
    kind: row.kind.into(),
    payer: Account(row.payer),
    payee: Account(row.payee),
    collection_id: (!row.collection.0.is_zero()).then(|| row.collection.into()),
    request_id: row.request.map(Bytes32::from),
    amount: row.amount.0.into(),
    block,
});

/// One of the contracts that owe money.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum, Serialize, ToSchema)]
#[graphql(remote = "payments::Creditor")]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(crate) enum Creditor {
    /// AccessToken.
    AccessToken,
    /// UsageBilling.
    UsageBilling,
    /// TrainingCoordinator.
    TrainingCoordinator,
}

/// Why a contract owes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum, Serialize, ToSchema)]
#[graphql(remote = "payments::CreditKind")]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(crate) enum CreditKind {
    /// A right was bought whose money is not refundable.
    Purchase,
    /// Money that was held back became the payee's.
    Release,
    /// Money of a purchase went back to the holder.
    Refund,
    /// A buyer authorized more than the price.
    Change,
    /// A deposit had thawed.
    Deposit,
    /// Revenue from vouchers was collected.
    Revenue,
    /// A contributor claimed its share.
    Share,
}

/// What AccessToken or UsageBilling came to owe an account.
#[derive(Debug, Clone, PartialEq, Eq, SimpleObject, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Credit {
    contract: Creditor,
    kind: CreditKind,
    account: Account,
    /// Where it is from a collection.
    collection_id: Option<Bytes32>,
    amount: Amount,
    block: Option<BlockRef>,
}

located!(Credit from payments::Credit, |row, block, _now| Self {
    contract: row.contract.into(),
    kind: row.kind.into(),
    account: Account(row.account),
    collection_id: row.collection.map(Bytes32::from),
    amount: row.amount.into(),
    block,
});

/// What an account pulled: all that a contract owed it.
#[derive(Debug, Clone, PartialEq, Eq, SimpleObject, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Withdrawal {
    contract: Creditor,
    account: Account,
    /// Who got the money.
    to: Account,
    amount: Amount,
    block: Option<BlockRef>,
}

located!(Withdrawal from WithdrawalRow, |row, block, _now| Self {
    contract: row.contract.into(),
    account: Account(row.account),
    to: Account(row.to_account),
    amount: row.amount.into(),
    block,
});

/// What an account paid to, or was paid by, one other account for one collection.
#[derive(Debug, Clone, PartialEq, Eq, SimpleObject, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct StatementLine {
    /// Who was paid by the account, or who paid it.
    other: Account,
    /// Null for data that the user brought.
    collection_id: Option<Bytes32>,
    /// By vouchers.
    vouchers: Amount,
    /// By purchases of rights.
    purchases: Amount,
    /// Of which went back.
    refunds: Amount,
    /// By training requests.
    training: Amount,
    /// What remains paid.
    total: Amount,
}

impl From<statement::StatementLine> for StatementLine {
    fn from(line: statement::StatementLine) -> Self {
        Self {
            total: line.total().into(),
            other: Account(line.other),
            collection_id: (!line.collection.0.is_zero()).then(|| line.collection.into()),
            vouchers: line.vouchers.into(),
            purchases: line.purchases.into(),
            refunds: line.refunds.into(),
            training: line.training.into(),
        }
    }
}
