//! Offers for rights to collections. What became of them stands in `rights`.

use alloy::primitives::Address;
use offsetdata_protocol::ids::CollectionId;

use crate::codec::{Column, Count};
use crate::record::{record, select, select_in};
use crate::{Conn, StoreError};

use super::Position;
use super::page::{Filter, Page, list_where};

record! {
    /// `OfferSet` and `OfferCleared`.
    OfferRow in "offers" {
        /// Where.
        position: Position,
        /// The collection.
        collection: CollectionId,
        /// 0 READ, 1 TRAIN.
        access_right: u8,
        /// Withdrawn: the rest is zero.
        cleared: bool,
        /// Price of one period in the token's smallest unit.
        price: u128,
        /// Price of one record.
        price_per_record: u128,
        /// Who is paid.
        payee: Address,
        /// Seconds of one purchase, 0 for ever.
        duration: Count,
        /// Seconds in which unused money can be taken back.
        refund_window: Count,
        /// Whether it can be bought for a time.
        timed: bool,
        /// Whether it can be used against payment per record.
        metered: bool,
        /// Policy contract, or zero.
        policy: Address,
    }
}

record! {
    /// An offer that stands.
    OfferState in "offer_states" {
        /// Where.
        position: Position,
        /// The collection.
        collection: CollectionId,
        /// 0 READ, 1 TRAIN.
        access_right: u8,
        /// Price of one period in the token's smallest unit.
        price: u128,
        /// Price of one record.
        price_per_record: u128,
        /// Who is paid.
        payee: Address,
        /// Seconds of one purchase, 0 for ever.
        duration: Count,
        /// Seconds in which unused money can be taken back.
        refund_window: Count,
        /// Whether it can be bought for a time.
        timed: bool,
        /// Whether it can be used against payment per record.
        metered: bool,
        /// Policy contract, or zero.
        policy: Address,
    }
}

/// The offers of a collection that stand: at most one a right.
///
/// # Errors
/// A database that can't be read.
pub async fn list_offers(conn: &mut Conn, collection: CollectionId) -> Result<Vec<OfferState>, StoreError> {
    select(conn, "collection = $1 order by access_right", &[collection.value()]).await
}

/// The offers of these collections that stand, by collection and right.
///
/// # Errors
/// A database that can't be read; so everywhere below.
pub async fn list_offers_of(
    conn: &mut Conn,
    collections: &[CollectionId],
) -> Result<Vec<OfferState>, StoreError> {
    select_in(conn, "collection", collections, "order by collection, access_right").await
}

/// Offers that stand, of one collection and for one right (0 READ, 1 TRAIN) where they are named.
pub async fn list_all_offers(
    conn: &mut Conn,
    collection: Option<CollectionId>,
    access_right: Option<u8>,
    page: Page,
) -> Result<Vec<OfferState>, StoreError> {
    let filter = Filter::all()
        .equal_some("collection", collection.as_ref())
        .equal_some("access_right", access_right.as_ref());
    list_where(conn, filter, page).await
}
