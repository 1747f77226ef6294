//! Rights to collections as the API shows them: who holds them, and what happened to them.

use async_graphql::{Enum, SimpleObject};
use offsetdata_store::chain::rights::{
    self, AccessDenialState, AccessEventRow, AccessState, FOR_EVER, TrainerState,
};
use serde::Serialize;
use utoipa::ToSchema;

use super::block::BlockRef;
use super::located::located;
use super::scalars::{Account, Amount, Bytes32, Long};

/// What an access token allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum, Serialize, serde::Deserialize, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(crate) enum Right {
    /// To read records.
    Read,
    /// To train on records.
    Train,
}

impl Right {
    /// From the contract's number.
    pub(crate) fn from_code(code: u8) -> Self {
        if code == 0 { Self::Read } else { Self::Train }
    }

    /// The contract's number.
    pub(crate) fn code(self) -> u8 {
        match self {
            Self::Read => 0,
            Self::Train => 1,
        }
    }
}

/// What an account holds or held of one right.
#[derive(Debug, Clone, PartialEq, Eq, SimpleObject, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Access {
    collection_id: Bytes32,
    right: Right,
    holder: Account,
    /// Whether the holder's token counts at the time of the block that the answer is about. Metered offers admit without a
    /// token: the contract's `hasAccess` says so.
    held: bool,
    /// Unix seconds; null where the right is gone.
    since: Option<Long>,
    /// Unix seconds; null where it is for ever or gone.
    expiry: Option<Long>,
    for_ever: bool,
    /// Last second in which the money of the purchase can be taken back.
    refund_until: Option<Long>,
    /// Whether the publisher denies the account.
    denied: bool,
    /// The block in which it first appeared.
    first_in: Option<BlockRef>,
}

fn time(seconds: u64) -> Option<Long> {
    (seconds != 0 && seconds != FOR_EVER).then_some(Long(seconds))
}

located!(Access from AccessState, |row, block, now| Self {
    collection_id: row.collection.into(),
    right: Right::from_code(row.access_right),
    holder: Account(row.holder),
    held: row.expiry.0 > now && !row.denied,
    since: time(row.since.0),
    expiry: time(row.expiry.0),
    for_ever: row.expiry.0 == FOR_EVER,
    refund_until: time(row.refund_until.0),
    denied: row.denied,
    first_in: block,
});

/// What happened to a right.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum, Serialize, ToSchema)]
#[graphql(remote = "rights::AccessEventKind")]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(crate) enum AccessEventKind {
    /// The publisher granted it, or extended one.
    Granted,
    /// It was bought, or prolonged by a purchase.
    Bought,
    /// The holder's word of use landed.
    UseLanded,
    /// Money that was held back went to the payee.
    Released,
    /// The holder took its money back; the right is gone.
    Refunded,
    /// The publisher revoked it; the right is gone.
    Revoked,
}

/// One thing that happened to a right.
#[derive(Debug, Clone, PartialEq, Eq, SimpleObject, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AccessEvent {
    kind: AccessEventKind,
    collection_id: Bytes32,
    right: Right,
    holder: Account,
    /// Unix seconds; null where the event does not say.
    since: Option<Long>,
    /// Unix seconds; null where it is for ever or the event does not say.
    expiry: Option<Long>,
    for_ever: bool,
    refund_until: Option<Long>,
    /// Who is paid.
    payee: Option<Account>,
    /// Price, or what was released or returned to the holder.
    amount: Amount,
    block: Option<BlockRef>,
}

located!(AccessEvent from AccessEventRow, |row, block, _now| Self {
    kind: row.kind.into(),
    collection_id: row.collection.into(),
    right: Right::from_code(row.access_right),
    holder: Account(row.holder),
    since: time(row.since.0),
    expiry: time(row.expiry.0),
    for_ever: row.expiry.0 == FOR_EVER,
    refund_until: time(row.refund_until.0),
    payee: (!row.payee.is_zero()).then_some(Account(row.payee)),
    amount: row.amount.into(),
    block,
});

/// An account that the publisher denies every right.
#[derive(Debug, Clone, PartialEq, Eq, SimpleObject, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Denial {
    account: Account,
    denied_in: Option<BlockRef>,
}

located!(Denial from AccessDenialState, |row, block, _now| Self { account: Account(row.account), denied_in: block });

/// A worker that the publisher trusts with a trainer.
#[derive(Debug, Clone, PartialEq, Eq, SimpleObject, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Trainer {
    /// Key of the worker.
    worker: Account,
    /// Digest of the trainer's code; null: any.
    trainer_digest: Option<Bytes32>,
    trusted_in: Option<BlockRef>,
}

located!(Trainer from TrainerState, |row, block, _now| Self {
    worker: Account(row.worker),
    trainer_digest: (!row.trainer_digest.is_zero()).then(|| row.trainer_digest.into()),
    trusted_in: block,
});
