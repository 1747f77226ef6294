//! Events of the billing contract → rows.

use alloy::primitives::{Log, U256};
use alloy::sol_types::{Error, SolEventInterface};
use offsetdata_protocol::bindings::billing::UsageBilling::UsageBillingEvents as Event;
use offsetdata_store::Count;
use offsetdata_store::chain::billing::{
    DepositEventKind, DepositEventRow, RevenueRow, ShareClaimRow, SpenderRow, VoucherSettled,
    VoucherSettlementRow, VoucherSkipRow,
};
use offsetdata_store::chain::payments::{Creditor, WithdrawalRow};
use offsetdata_store::chain::{ChainRows, Position};

use super::small;

pub(super) fn push(rows: &mut ChainRows, position: Position, log: &Log) -> Result<(), Error> {
    let deposit = |kind, payer, payee, amount, balance: Option<U256>, thaws_at| DepositEventRow {
        position,
        kind,
        payer,
        payee,
        amount,
        balance,
        thaws_at,
    };
    match Event::decode_log(log)?.data {
        Event::VoucherSettled(e) => {
            if e.paid > U256::from(u128::MAX) || e.depositTaken > e.paid {
                return Err(Error::custom("a voucher paid more than it can promise, or less than it took"));
            }
            if !e.depositTaken.is_zero() {
                rows.deposit_events.push(deposit(
                    DepositEventKind::Taken,
                    e.payer,
                    e.payee,
                    e.depositTaken,
                    None,
                    Count(0),
                ));
            }
            let settled = VoucherSettled {
                payer: e.payer,
                payee: e.payee,
                collection: e.collection.into(),
                lane: e.lane,
                signer: e.signer,
                records: e.records,
                paid: e.paid,
            };
            rows.voucher_settlements.push(VoucherSettlementRow::new(position, settled));
        }
        Event::VoucherSkipped(e) => rows.voucher_skips.push(VoucherSkipRow {
            position,
            payer: e.payer,
            payee: e.payee,
            collection: e.collection.into(),
            lane: e.lane,
            amount: e.amount,
            reason: e.reason,
        }),
        Event::SpenderAuthorized(e) => rows.spender_events.push(SpenderRow {
            position,
            payer: e.payer,
            spender: e.spender,
            revoked: false,
            cap: e.cap.to(),
            expiry: small(e.expiry),
            nonce: e.nonce.to(),
        }),
        Event::SpenderRevoked(e) => rows.spender_events.push(SpenderRow {
            position,
            payer: e.payer,
            spender: e.spender,
            revoked: true,
            cap: 0,
            expiry: Count(0),
            nonce: e.nonce.to(),
        }),
        Event::Deposited(e) => rows.deposit_events.push(deposit(
            DepositEventKind::Deposited,
            e.payer,
            e.payee,
            e.amount,
            Some(e.balance),
            Count(0),
        )),
        Event::DepositThawing(e) => rows.deposit_events.push(deposit(
            DepositEventKind::Thawing,
            e.payer,
            e.payee,
            e.amount,
            None,
            small(e.thawsAt),
        )),
        Event::DepositWithdrawn(e) => rows.deposit_events.push(deposit(
            DepositEventKind::Withdrawn,
            e.payer,
            e.payee,
            e.amount,
            Some(e.balance),
            Count(0),
        )),
        Event::RevenueCollected(e) => rows.revenue_collections.push(RevenueRow {
            position,
            collection: e.collection.into(),
            payee: e.payee,
            amount: e.amount,
            shared: e.shared,
        }),
        Event::ShareClaimed(e) => rows.share_claims.push(ShareClaimRow {
            position,
            collection: e.collection.into(),
            account: e.account,
            parts: e.parts,
            amount: e.amount,
        }),
        Event::Withdrawn(e) => rows.withdrawals.push(WithdrawalRow {
            position,
            contract: Creditor::UsageBilling,
            account: e.account,
            to_account: e.to,
            amount: e.amount,
        }),
        Event::EIP712DomainChanged(_) => {}
    }
    Ok(())
}
