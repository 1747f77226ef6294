//! Money by account: what was paid for collections, what contracts came to owe, what was pulled. The training coordinator's
//! credits are not among them: they are told with the requests.

use alloy::primitives::{Address, U256};
use offsetdata_protocol::ids::{CollectionId, RequestId};

use crate::codec::{Amount, coded};
use crate::record::record;
use crate::{Conn, StoreError};

use super::Position;
use super::page::{Filter, Page, list_merged, list_where};

coded! {
    /// One of the contracts that owe money.
    Creditor "0 to 2" {
        /// AccessToken.
        AccessToken = 0,
        /// UsageBilling.
        UsageBilling = 1,
        /// TrainingCoordinator.
        TrainingCoordinator = 2,
    }
}

record! {
    /// `Withdrawn` of any of the contracts.
    WithdrawalRow in "withdrawals" {
        /// Where.
        position: Position,
        /// Which contract paid.
        contract: Creditor,
        /// Whose credit.
        account: Address,
        /// Who got the money.
        to_account: Address,
        /// How much.
        amount: U256,
    }
}

record! {
    /// `ChangeCredited`.
    ChangeCreditRow in "change_credits" {
        /// Where.
        position: Position,
        /// Who authorized more than the price.
        buyer: Address,
        /// What it was credited.
        amount: U256,
    }
}

coded! {
    /// Why money moved from a payer to a payee.
    PaymentKind "0 to 3" {
        /// A voucher was settled.
        Voucher = 0,
        /// A right was bought.
        Purchase = 1,
        /// Money of a purchase went back: to be subtracted from what the payer paid.
        Refund = 2,
        /// A training request paid for records.
        Training = 3,
    }
}

record! {
    /// Money for a collection, of any of [`PAYMENTS`].
    Payment in "voucher_payments" {
        /// Of the event.
        position: Position,
        /// Why.
        kind: PaymentKind,
        /// Who paid, or got back.
        payer: Address,
        /// Who was paid; of a refund who had been.
        payee: Address,
        /// For which collection.
        collection: CollectionId,
        /// The training request, if any.
        request: Option<RequestId>,
        /// How much.
        amount: Amount,
    }
}

coded! {
    /// Why a contract owes.
    CreditKind "0 to 6" {
        /// A right was bought whose money is not refundable.
        Purchase = 0,
        /// Money that was held back became the payee's.
        Release = 1,
        /// Money of a purchase went back to the holder.
        Refund = 2,
        /// A buyer authorized more than the price.
        Change = 3,
        /// A deposit had thawed.
        Deposit = 4,
        /// Revenue from vouchers was collected.
        Revenue = 5,
        /// A contributor claimed its share.
        Share = 6,
    }
}

record! {
    /// What a contract came to owe an account, of any of [`CREDITS`].
    Credit in "purchase_credits" {
        /// Of the event.
        position: Position,
        /// Which contract: AccessToken or UsageBilling.
        contract: Creditor,
        /// Why.
        kind: CreditKind,
        /// Whom.
        account: Address,
        /// From which collection, where it is from one.
        collection: Option<CollectionId>,
        /// How much.
        amount: U256,
    }
}

/// Views of payments.
pub(super) const PAYMENTS: &[&str] =
    &["voucher_payments", "purchase_payments", "refund_payments", "training_payments"];
/// Views of credits.
const CREDITS: &[&str] = &[
    "purchase_credits",
    "release_credits",
    "refund_credits",
    "buyer_credits",
    "deposit_credits",
    "revenue_credits",
    "share_credits",
];

/// Which payments.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PaymentFilter {
    /// Only those by this payer.
    pub payer: Option<Address>,
    /// Only those to this payee.
    pub payee: Option<Address>,
    /// Only those for this collection.
    pub collection: Option<CollectionId>,
}

impl PaymentFilter {
    fn conditions(&self) -> Filter {
        Filter::all()
            .equal_some("payer", self.payer.as_ref())
            .equal_some("payee", self.payee.as_ref())
            .equal_some("collection", self.collection.as_ref())
    }
}

/// Payments for collections.
///
/// # Errors
/// A database that can't be read; so everywhere below.
pub async fn list_payments(
    conn: &mut Conn,
    filter: PaymentFilter,
    page: Page,
) -> Result<Vec<Payment>, StoreError> {
    list_merged(conn, PAYMENTS, &filter.conditions(), page, |row: &Payment| row.position).await
}

/// What AccessToken and UsageBilling came to owe an account.
pub async fn list_credits(conn: &mut Conn, account: Address, page: Page) -> Result<Vec<Credit>, StoreError> {
    let filter = Filter::all().equal("account", &account);
    list_merged(conn, CREDITS, &filter, page, |row: &Credit| row.position).await
}

/// What an account pulled.
pub async fn list_withdrawals(
    conn: &mut Conn,
    account: Address,
    page: Page,
) -> Result<Vec<WithdrawalRow>, StoreError> {
    list_where(conn, Filter::all().equal("account", &account), page).await
}
