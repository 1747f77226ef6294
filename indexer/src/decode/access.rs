//! Events of the access token → rows. Only offers are kept: who holds a right is asked of the contract.

use alloy::primitives::{Address, Log};
use alloy::sol_types::{Error, SolEventInterface};
use offsetdata_protocol::bindings::access::AccessToken::AccessTokenEvents as Event;
use offsetdata_store::Count;
use offsetdata_store::chain::access::OfferRow;
use offsetdata_store::chain::{ChainRows, Position};

use super::small;

pub(super) fn push(rows: &mut ChainRows, position: Position, log: &Log) -> Result<(), Error> {
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
        _ => {}
    }
    Ok(())
}
