//! Rights to collections: grants, purchases, what ended them, denials, trusted trainers. A balance ends at its expiry without an
//! event, so that no row says who holds a right now: the reader holds the expiry against the time.

use alloy::primitives::{Address, B256, U256};
use offsetdata_protocol::ids::CollectionId;

use crate::codec::{Column, Count, coded};
use crate::record::record;
use crate::{Conn, StoreError};

use super::Position;
use super::page::{Filter, Page, list_where};

/// Expiry of a right that holds for ever: the greatest `uint40`.
pub const FOR_EVER: u64 = (1 << 40) - 1;

coded! {
    /// What happened to a right.
    AccessEventKind "0 to 5" {
        /// The publisher granted it, or extended one.
        Granted = 0,
        /// It was bought, or prolonged by a purchase.
        Bought = 1,
        /// The holder's word of use landed.
        UseLanded = 2,
        /// Money that was held back went to the payee.
        Released = 3,
        /// The holder took its money back; the right is gone.
        Refunded = 4,
        /// The publisher revoked it; the right is gone.
        Revoked = 5,
    }
}

record! {
    /// `AccessGranted`, `AccessBought`, `AccessUseLanded`, `AccessReleased`, `AccessRefunded` and `AccessRevoked`.
    AccessEventRow in "access_events" {
        /// Where.
        position: Position,
        /// Which of the events.
        kind: AccessEventKind,
        /// The collection.
        collection: CollectionId,
        /// 0 READ, 1 TRAIN.
        access_right: u8,
        /// Whose right.
        holder: Address,
        /// When the present period began, Unix seconds; 0 where the event does not say or the right is gone.
        since: Count,
        /// When it ends; [`FOR_EVER`]; 0 where the event does not say or the right is gone.
        expiry: Count,
        /// Last second of the refund window of a purchase; 0 where no money is held back.
        refund_until: Count,
        /// Who is paid by a purchase or release, else zero.
        payee: Address,
        /// Price, or what was released or returned to the holder.
        amount: U256,
        /// Whether the amount is not 0.
        moved: bool,
    }
}

record! {
    /// What an account holds or held of one right. The position is that of its first event.
    AccessState in "access_states" {
        /// Where it first appeared.
        position: Position,
        /// The collection.
        collection: CollectionId,
        /// 0 READ, 1 TRAIN.
        access_right: u8,
        /// Whose right.
        holder: Address,
        /// When the present period began, Unix seconds; 0 where the right is gone.
        since: Count,
        /// When it ends; [`FOR_EVER`]; 0 where the right is gone.
        expiry: Count,
        /// Last second of the refund window; 0 where no money is held back.
        refund_until: Count,
        /// Whether the publisher denies the account.
        denied: bool,
    }
}

record! {
    /// `AccessDenied`.
    AccessDenialRow in "access_denials" {
        /// Where.
        position: Position,
        /// The collection.
        collection: CollectionId,
        /// Who.
        account: Address,
        /// Denied, or no longer.
        denied: bool,
    }
}

record! {
    /// A denial that stands.
    AccessDenialState in "access_denial_states" {
        /// Where.
        position: Position,
        /// The collection.
        collection: CollectionId,
        /// Who.
        account: Address,
    }
}

record! {
    /// `TrainerSet`.
    TrainerRow in "trainers" {
        /// Where.
        position: Position,
        /// The collection.
        collection: CollectionId,
        /// Key of the worker.
        worker: Address,
        /// Digest of the trainer's code; zero: any.
        trainer_digest: B256,
        /// Trusted, or no longer.
        trusted: bool,
    }
}

record! {
    /// A trainer that is trusted.
    TrainerState in "trainer_states" {
        /// Where.
        position: Position,
        /// The collection.
        collection: CollectionId,
        /// Key of the worker.
        worker: Address,
        /// Digest of the trainer's code; zero: any.
        trainer_digest: B256,
    }
}

/// Which rights.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct AccessFilter {
    /// Only to this collection.
    pub collection: Option<CollectionId>,
    /// Only of this account.
    pub holder: Option<Address>,
    /// Only this right: 0 READ, 1 TRAIN.
    pub access_right: Option<u8>,
}

impl AccessFilter {
    fn conditions(&self) -> Filter {
        Filter::all()
            .equal_some("collection", self.collection.as_ref())
            .equal_some("holder", self.holder.as_ref())
            .equal_some("access_right", self.access_right.as_ref())
    }
}

/// What happened to rights.
///
/// # Errors
/// A database that can't be read; so everywhere below.
pub async fn list_access_events(
    conn: &mut Conn,
    filter: AccessFilter,
    page: Page,
) -> Result<Vec<AccessEventRow>, StoreError> {
    list_where(conn, filter.conditions(), page).await
}

/// What accounts hold. With `held_at` (Unix seconds) only rights that hold then.
pub async fn list_access(
    conn: &mut Conn,
    filter: AccessFilter,
    held_at: Option<u64>,
    page: Page,
) -> Result<Vec<AccessState>, StoreError> {
    let mut conditions = filter.conditions();
    if let Some(time) = held_at {
        conditions = conditions.holds("expiry > ? and denied = 0", [Count(time).value()]);
    }
    list_where(conn, conditions, page).await
}

/// Accounts that the publisher denies.
pub async fn list_denials(
    conn: &mut Conn,
    collection: CollectionId,
    page: Page,
) -> Result<Vec<AccessDenialState>, StoreError> {
    list_where(conn, Filter::all().equal("collection", &collection), page).await
}

/// Trainers that the publisher trusts.
pub async fn list_trainers(
    conn: &mut Conn,
    collection: CollectionId,
    page: Page,
) -> Result<Vec<TrainerState>, StoreError> {
    list_where(conn, Filter::all().equal("collection", &collection), page).await
}
