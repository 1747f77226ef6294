//! Payment for use: vouchers that were settled or skipped, spender keys, deposits, revenue and shares. It adds no deposits up.

use alloy::primitives::{Address, FixedBytes, U256};
use offsetdata_protocol::ids::CollectionId;

use crate::codec::{Count, coded};
use crate::record::record;
use crate::{Conn, StoreError};

use super::Position;
use super::page::{Filter, Page, list_where};

record! {
    /// `VoucherSettled`, with the numbers again in parts of 32 bits for sums.
    VoucherSettlementRow in "voucher_settlements" {
        /// Where.
        position: Position,
        /// Who paid.
        payer: Address,
        /// Who was paid.
        payee: Address,
        /// For which collection.
        collection: CollectionId,
        /// In which lane.
        lane: u64,
        /// The payer or its spender key.
        signer: Address,
        /// Records of the lane since its beginning, as the voucher says.
        records: u64,
        /// What was paid by this settlement.
        paid: U256,
        /// Lowest 32 bits of `records`.
        records_0: u32,
        /// The others.
        records_1: u32,
        /// Lowest 32 bits of `paid`.
        paid_0: u32,
        /// The next ones.
        paid_1: u32,
        /// The next ones.
        paid_2: u32,
        /// The highest of 128 bits.
        paid_3: u32,
    }
}

/// What `VoucherSettled` says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VoucherSettled {
    /// Who paid.
    pub payer: Address,
    /// Who was paid.
    pub payee: Address,
    /// For which collection.
    pub collection: CollectionId,
    /// In which lane.
    pub lane: u64,
    /// The payer or its spender key.
    pub signer: Address,
    /// Records of the lane since its beginning, as the voucher says.
    pub records: u64,
    /// What was paid; below 2^128, as a voucher promises no more.
    pub paid: U256,
}

impl VoucherSettlementRow {
    /// The row of an event.
    pub fn new(position: Position, event: VoucherSettled) -> Self {
        let VoucherSettled { payer, payee, collection, lane, signer, records, paid } = event;
        let part = |shift: usize| ((paid >> shift) & U256::from(u32::MAX)).saturating_to::<u32>();
        Self {
            position,
            payer,
            payee,
            collection,
            lane,
            signer,
            records,
            paid,
            records_0: (records & u64::from(u32::MAX)) as u32,
            records_1: (records >> 32) as u32,
            paid_0: part(0),
            paid_1: part(32),
            paid_2: part(64),
            paid_3: part(96),
        }
    }
}

record! {
    /// `VoucherSkipped`.
    VoucherSkipRow in "voucher_skips" {
        /// Where.
        position: Position,
        /// Who should have paid.
        payer: Address,
        /// Who should have been paid.
        payee: Address,
        /// For which collection.
        collection: CollectionId,
        /// In which lane.
        lane: u64,
        /// What the voucher promises since the lane's beginning.
        amount: u128,
        /// Selector of the error that says why.
        reason: FixedBytes<4>,
    }
}

record! {
    /// `SpenderAuthorized` and `SpenderRevoked`.
    SpenderRow in "spender_events" {
        /// Where.
        position: Position,
        /// Whose money.
        payer: Address,
        /// The key.
        spender: Address,
        /// Revoked: cap and expiry are zero.
        revoked: bool,
        /// The most that it may spend under this authorization.
        cap: u128,
        /// The key counts before this time, Unix seconds.
        expiry: Count,
        /// Of the authorization; of the next one where revoked.
        nonce: u32,
    }
}

record! {
    /// A spender key as it stands.
    SpenderState in "spender_states" {
        /// Of the last authorization or revocation.
        position: Position,
        /// Whose money.
        payer: Address,
        /// The key.
        spender: Address,
        /// Revoked: cap and expiry are zero.
        revoked: bool,
        /// The most that it may spend under this authorization.
        cap: u128,
        /// The key counts before this time, Unix seconds.
        expiry: Count,
        /// Of the authorization; of the next one where revoked.
        nonce: u32,
        /// Sum of the lowest 32 bits of what it spent; see [`SpenderState::spent`].
        paid_0: Count,
        /// Sum of the next ones.
        paid_1: Count,
        /// Sum of the next ones.
        paid_2: Count,
        /// Sum of the highest ones.
        paid_3: Count,
    }
}

impl SpenderState {
    /// What it spent under this authorization.
    pub fn spent(&self) -> U256 {
        whole([self.paid_0, self.paid_1, self.paid_2, self.paid_3])
    }
}

/// A sum whose parts of 32 bits were summed.
pub(super) fn whole(parts: [Count; 4]) -> U256 {
    parts.iter().rev().fold(U256::ZERO, |sum, part| sum.wrapping_shl(32).saturating_add(U256::from(part.0)))
}

coded! {
    /// What happened to a deposit.
    DepositEventKind "0 to 3" {
        /// The payer added to it.
        Deposited = 0,
        /// The payer gave notice of taking out, or took the notice back.
        Thawing = 1,
        /// What had thawed was credited to the payer.
        Withdrawn = 2,
        /// A voucher was paid from it.
        Taken = 3,
    }
}

record! {
    /// `Deposited`, `DepositThawing`, `DepositWithdrawn`, and what `VoucherSettled` took from a deposit.
    DepositEventRow in "deposit_events" {
        /// Where.
        position: Position,
        /// Which of the events.
        kind: DepositEventKind,
        /// Whose deposit.
        payer: Address,
        /// For whom.
        payee: Address,
        /// What was added, is to thaw, was taken out or paid a voucher.
        amount: U256,
        /// The deposit after it, where the event says.
        balance: Option<U256>,
        /// When what thaws may be taken out, Unix seconds; 0 where nothing thaws.
        thaws_at: Count,
    }
}

record! {
    /// `RevenueCollected`.
    RevenueRow in "revenue_collections" {
        /// Where.
        position: Position,
        /// Of which collection.
        collection: CollectionId,
        /// Whose revenue.
        payee: Address,
        /// How much.
        amount: U256,
        /// Whether it went to the contributors' pool and not to the payee.
        shared: bool,
    }
}

record! {
    /// `ShareClaimed`.
    ShareClaimRow in "share_claims" {
        /// Where.
        position: Position,
        /// Of which collection.
        collection: CollectionId,
        /// The contributor.
        account: Address,
        /// Its part of 1,000,000,000.
        parts: u32,
        /// What it was credited.
        amount: U256,
    }
}

/// Which vouchers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct VoucherFilter {
    /// Only those of this payer.
    pub payer: Option<Address>,
    /// Only those to this payee.
    pub payee: Option<Address>,
    /// Only those for this collection.
    pub collection: Option<CollectionId>,
    /// Only those in this lane.
    pub lane: Option<u64>,
}

impl VoucherFilter {
    pub(super) fn conditions(&self) -> Filter {
        Filter::all()
            .equal_some("payer", self.payer.as_ref())
            .equal_some("payee", self.payee.as_ref())
            .equal_some("collection", self.collection.as_ref())
            .equal_some("lane", self.lane.as_ref())
    }
}

/// Settled vouchers.
///
/// # Errors
/// A database that can't be read; so everywhere below.
pub async fn list_vouchers(
    conn: &mut Conn,
    filter: VoucherFilter,
    page: Page,
) -> Result<Vec<VoucherSettlementRow>, StoreError> {
    list_where(conn, filter.conditions(), page).await
}

/// Vouchers of batches that were passed over.
pub async fn list_skipped_vouchers(
    conn: &mut Conn,
    filter: VoucherFilter,
    page: Page,
) -> Result<Vec<VoucherSkipRow>, StoreError> {
    list_where(conn, filter.conditions(), page).await
}

/// The spender keys of a payer.
pub async fn list_spenders(
    conn: &mut Conn,
    payer: Address,
    page: Page,
) -> Result<Vec<SpenderState>, StoreError> {
    list_where(conn, Filter::all().equal("payer", &payer), page).await
}

/// What happened to deposits, of one payer and for one payee where they are named.
pub async fn list_deposit_events(
    conn: &mut Conn,
    payer: Option<Address>,
    payee: Option<Address>,
    page: Page,
) -> Result<Vec<DepositEventRow>, StoreError> {
    let filter = Filter::all().equal_some("payer", payer.as_ref()).equal_some("payee", payee.as_ref());
    list_where(conn, filter, page).await
}

/// The first event of each deposit, of one payer and for one payee where they are named: one row a deposit.
pub async fn list_first_deposit_events(
    conn: &mut Conn,
    payer: Option<Address>,
    payee: Option<Address>,
    page: Page,
) -> Result<Vec<DepositEventRow>, StoreError> {
    let first = "not exists (select 1 from deposit_events n where n.payer = deposit_events.payer
                 and n.payee = deposit_events.payee and n.position < deposit_events.position)";
    let filter = Filter::all()
        .equal_some("payer", payer.as_ref())
        .equal_some("payee", payee.as_ref())
        .holds(first, []);
    list_where(conn, filter, page).await
}

/// Revenue that was collected, of one collection and one payee where they are named.
pub async fn list_revenue(
    conn: &mut Conn,
    collection: Option<CollectionId>,
    payee: Option<Address>,
    page: Page,
) -> Result<Vec<RevenueRow>, StoreError> {
    let filter =
        Filter::all().equal_some("collection", collection.as_ref()).equal_some("payee", payee.as_ref());
    list_where(conn, filter, page).await
}

/// Shares that contributors claimed, of one collection and one account where they are named.
pub async fn list_share_claims(
    conn: &mut Conn,
    collection: Option<CollectionId>,
    account: Option<Address>,
    page: Page,
) -> Result<Vec<ShareClaimRow>, StoreError> {
    let filter =
        Filter::all().equal_some("collection", collection.as_ref()).equal_some("account", account.as_ref());
    list_where(conn, filter, page).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_make_the_whole() {
        for paid in [U256::ZERO, U256::from(7), U256::from(u64::MAX), U256::from(u128::MAX)] {
            let row = VoucherSettlementRow::new(
                Position::START,
                VoucherSettled {
                    payer: Address::ZERO,
                    payee: Address::ZERO,
                    collection: CollectionId(alloy::primitives::B256::ZERO),
                    lane: 0,
                    signer: Address::ZERO,
                    records: u64::MAX - 5,
                    paid,
                },
            );
            let parts = [row.paid_0, row.paid_1, row.paid_2, row.paid_3].map(|part| Count(part.into()));
            assert_eq!(whole(parts), paid);
            assert_eq!(u64::from(row.records_1) << 32 | u64::from(row.records_0), u64::MAX - 5);
        }
        let carried = [u64::from(u32::MAX) * 5, 3, 0, 1].map(Count);
        let expected = U256::from(u64::from(u32::MAX) * 5) + (U256::from(3) << 32) + (U256::from(1) << 96);
        assert_eq!(whole(carried), expected);
    }
}
