//! Events of the access token → rows. Balances and transfers are left out: every grant, purchase and end has an event of its own.

use alloy::primitives::{Address, Log, U256};
use alloy::sol_types::{Error, SolEventInterface};
use offsetdata_protocol::bindings::access::AccessToken::AccessTokenEvents as Event;
use offsetdata_protocol::ids::CollectionId;
use offsetdata_store::Count;
use offsetdata_store::chain::access::OfferRow;
use offsetdata_store::chain::payments::{ChangeCreditRow, Creditor, WithdrawalRow};
use offsetdata_store::chain::rights::{AccessDenialRow, AccessEventKind, AccessEventRow, TrainerRow};
use offsetdata_store::chain::{ChainRows, Position};

use super::small;

pub(super) fn push(rows: &mut ChainRows, position: Position, log: &Log) -> Result<(), Error> {
    // What an event does not say is zero.
    let happened = |kind, collection: CollectionId, access_right, holder, amount: U256| AccessEventRow {
        position,
        kind,
        collection,
        access_right,
        holder,
        since: Count(0),
        expiry: Count(0),
        refund_until: Count(0),
        payee: Address::ZERO,
        amount,
        moved: !amount.is_zero(),
    };
    match Event::decode_log(log)?.data {
        Event::OfferSet(e) => rows.offers.push(OfferRow {
            position,
            collection: e.collection.into(),
            access_right: e.right,
            cleared: false,
            price: e.offer.price,
            price_per_record: e.offer.pricePerRecord,
            payee: e.offer.payee,
            duration: small(e.offer.duration),
            refund_window: small(e.offer.refundWindow),
            timed: e.offer.timed,
            metered: e.offer.metered,
            policy: e.offer.policy,
        }),
        Event::OfferCleared(e) => rows.offers.push(OfferRow {
            position,
            collection: e.collection.into(),
            access_right: e.right,
            cleared: true,
            price: 0,
            price_per_record: 0,
            payee: Address::ZERO,
            duration: Count(0),
            refund_window: Count(0),
            timed: false,
            metered: false,
            policy: Address::ZERO,
        }),
        Event::AccessGranted(e) => rows.access_events.push(AccessEventRow {
            since: small(e.since),
            expiry: small(e.expiry),
            ..happened(AccessEventKind::Granted, e.collection.into(), e.right, e.holder, U256::ZERO)
        }),
        Event::AccessBought(e) => rows.access_events.push(AccessEventRow {
            since: small(e.since),
            expiry: small(e.expiry),
            refund_until: small(e.refundUntil),
            payee: e.payee,
            ..happened(AccessEventKind::Bought, e.collection.into(), e.right, e.holder, U256::from(e.price))
        }),
        Event::AccessUseLanded(e) => rows.access_events.push(AccessEventRow {
            since: small(e.since),
            ..happened(AccessEventKind::UseLanded, e.collection.into(), e.right, e.holder, U256::ZERO)
        }),
        Event::AccessReleased(e) => rows.access_events.push(AccessEventRow {
            payee: e.payee,
            ..happened(AccessEventKind::Released, e.collection.into(), e.right, e.holder, e.amount)
        }),
        Event::AccessRefunded(e) => rows.access_events.push(happened(
            AccessEventKind::Refunded,
            e.collection.into(),
            e.right,
            e.holder,
            e.amount,
        )),
        Event::AccessRevoked(e) => rows.access_events.push(happened(
            AccessEventKind::Revoked,
            e.collection.into(),
            e.right,
            e.holder,
            e.refund,
        )),
        Event::AccessDenied(e) => rows.access_denials.push(AccessDenialRow {
            position,
            collection: e.collection.into(),
            account: e.account,
            denied: e.denied,
        }),
        Event::TrainerSet(e) => rows.trainers.push(TrainerRow {
            position,
            collection: e.collection.into(),
            worker: e.worker,
            trainer_digest: e.trainerDigest,
            trusted: e.trusted,
        }),
        Event::ChangeCredited(e) => {
            rows.change_credits.push(ChangeCreditRow { position, buyer: e.buyer, amount: e.amount });
        }
        Event::Withdrawn(e) => rows.withdrawals.push(WithdrawalRow {
            position,
            contract: Creditor::AccessToken,
            account: e.account,
            to_account: e.to,
            amount: e.amount,
        }),
        Event::TransferSingle(_)
        | Event::TransferBatch(_)
        | Event::ApprovalForAll(_)
        | Event::URI(_)
        | Event::EIP712DomainChanged(_) => {}
    }
    Ok(())
}
