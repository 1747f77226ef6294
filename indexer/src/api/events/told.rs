//! Events as they are told: one envelope, and the rows of the API as bodies. It reads rows and decides nothing.

use std::collections::HashMap;

use axum::response::sse;
use offsetdata_protocol::cid::{DAG_CBOR, block_cid};
use offsetdata_store::chain::access::OfferRow;
use offsetdata_store::chain::billing::VoucherSettlementRow;
use offsetdata_store::chain::collections::CollectionRow;
use offsetdata_store::chain::happenings::{self, Happening, HappeningKind};
use offsetdata_store::chain::models::ModelRow;
use offsetdata_store::chain::requests::RequestedRow;
use offsetdata_store::chain::rights::AccessEventRow;
use offsetdata_store::chain::training::{
    AttemptRow, CancellationRow, ClosingRow, DataPaymentRow, DataReleaseRow, LandedCommitment,
    UnitCollectionRow, VersionRow,
};
use offsetdata_store::chain::{Position, blocks};
use offsetdata_store::{Conn, Record, StoreError};
use serde::Serialize;
use utoipa::ToSchema;

use super::place::{EventId, prefix};
use crate::api::billing::Voucher;
use crate::api::block::BlockRef;
use crate::api::located::{Located, locate};
use crate::api::model::Visibility;
use crate::api::rights::{AccessEvent, Right};
use crate::api::scalars::{Account, Amount, Bytes32, Long};
use crate::api::training::{
    Attempt, Closing, Commitment, DataPayment, DataRelease, Point, PointsAvailability, UnitCollection,
    Version,
};

/// What an event is; also its `event:` field. The names are those of the contracts' events, but for `points` and `rollback`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) enum EventType {
    /// A request was made.
    TrainingRequested,
    /// The first commitment of an attempt landed. Points from its `resumePoint` on that an earlier attempt measured are replaced by
    /// those that follow.
    AttemptAssigned,
    /// A commitment landed.
    CommitmentLanded,
    /// Metric points of the commitment told before, in parts.
    Points,
    /// A publisher was paid.
    DataPaid,
    /// The developer was paid.
    UnitsCollected,
    /// The user asked to stop.
    CancelRequested,
    /// The request made a version of its model.
    VersionAppended,
    /// The request ended.
    RequestClosed,
    /// Escrow for data went back to the user.
    DataEscrowReleased,
    /// A collection was registered.
    CollectionRegistered,
    /// An offer was made or changed.
    OfferSet,
    /// An offer was withdrawn.
    OfferCleared,
    /// Something happened to a right.
    AccessChanged,
    /// A voucher was settled.
    VoucherSettled,
    /// A model was requested.
    ModelRequested,
    /// A reorg: everything after `block` that was told did not happen. What did follows.
    Rollback,
}

impl EventType {
    fn name(self) -> String {
        serde_json::to_value(self).ok().and_then(|value| Some(value.as_str()?.to_owned())).unwrap_or_default()
    }
}

/// The data of an event, as JSON.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Told {
    #[serde(rename = "type")]
    pub(super) kind: EventType,
    /// Block number · 2^20 + log index, in decimal digits: the cursor of the row in lists.
    pub(super) position: String,
    /// The training request that it is about.
    pub(super) request_id: Option<Bytes32>,
    pub(super) block: Option<BlockRef>,
    /// Null for `rollback`.
    pub(super) body: Option<Body>,
    #[serde(skip)]
    pub(super) id: EventId,
}

impl Told {
    /// As it goes over the wire.
    pub(super) fn event(&self) -> Result<sse::Event, axum::Error> {
        sse::Event::default().id(self.id.to_string()).event(self.kind.name()).json_data(self)
    }
}

/// What an event says, by `type`.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(untagged)]
pub(super) enum Body {
    Requested(Requested),
    Attempt(Attempt),
    Commitment(Commitment),
    Points(Points),
    DataPayment(DataPayment),
    UnitCollection(UnitCollection),
    Cancelling(Cancelling),
    Version(Version),
    Closing(Closing),
    DataRelease(DataRelease),
    Registered(Registered),
    Offer(OfferTerms),
    Access(AccessEvent),
    Voucher(Voucher),
    Model(RequestedModel),
}

/// The terms of a request.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Requested {
    model_id: Bytes32,
    method_id: Bytes32,
    /// Who pays.
    user: Account,
    developer: Account,
    /// The request that this one retrains.
    parent: Option<Bytes32>,
    /// No more units are paid.
    unit_limit: Long,
    /// Unix seconds.
    deadline: Long,
}

/// Metric points of one commitment, or a part of them.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Points {
    /// If not `STORED`, they were not here when their turn came; once they are, `points` of the request's lists has them.
    pub(super) status: PointsAvailability,
    pub(super) points: Vec<Point>,
}

/// The user asked to stop.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Cancelling {
    /// Until when signed work lands, Unix seconds.
    grace_ends_at: Long,
}

/// A registered collection.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Registered {
    collection_id: Bytes32,
    registrant: Account,
    previous: Option<Bytes32>,
    content_root: Bytes32,
    record_count: Long,
    manifest_cid: String,
}

/// The terms of an offer; all zero where it was withdrawn.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct OfferTerms {
    collection_id: Bytes32,
    right: Right,
    price: Amount,
    price_per_record: Amount,
    payee: Account,
    /// Seconds of one purchase, 0 for ever.
    duration: Long,
    refund_window: Long,
    timed: bool,
    metered: bool,
}

/// A model that a user requested from a base.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct RequestedModel {
    model_id: Bytes32,
    base_id: Bytes32,
    project_id: Bytes32,
    owner: Account,
    visibility: Visibility,
}

/// An event before its block is known.
type Said = (EventType, Option<Bytes32>, Body);

/// Happenings as they are told, in their order.
///
/// # Errors
/// A database that can't be read.
pub(super) async fn load(conn: &mut Conn, wanted: &[Happening]) -> Result<Vec<Told>, StoreError> {
    let mut said: HashMap<i64, Said> = HashMap::new();
    let mut kinds: Vec<HappeningKind> = wanted.iter().map(|happening| happening.kind).collect();
    kinds.sort_unstable();
    kinds.dedup();
    for kind in kinds {
        let at: Vec<Position> =
            wanted.iter().filter(|one| one.kind == kind).map(|one| one.position).collect();
        for (position, event) in load_kind(conn, kind, &at).await? {
            said.insert(position.number(), event);
        }
    }
    let mut numbers: Vec<u64> = wanted.iter().map(|one| one.position.block()).collect();
    numbers.dedup();
    let mut blocks_of = HashMap::new();
    for row in blocks::find_blocks(conn, &numbers).await? {
        blocks_of.insert(row.number.0, row);
    }
    Ok(wanted
        .iter()
        .filter_map(|one| {
            let (kind, request_id, body) = said.remove(&one.position.number())?;
            let block = blocks_of.get(&one.position.block());
            Some(Told {
                kind,
                position: one.position.number().to_string(),
                request_id,
                block: block.cloned().map(BlockRef::from),
                body: Some(body),
                id: EventId {
                    position: one.position,
                    sequence: None,
                    block: block.map(|row| prefix(row.hash)),
                },
            })
        })
        .collect())
}

async fn load_kind(
    conn: &mut Conn,
    kind: HappeningKind,
    at: &[Position],
) -> Result<Vec<(Position, Said)>, StoreError> {
    use EventType as T;
    use HappeningKind as K;
    Ok(match kind {
        K::TrainingRequested => rows(conn, at).await?.into_iter().map(requested).collect(),
        K::AttemptAssigned => {
            shown::<AttemptRow, Attempt>(conn, at, T::AttemptAssigned, Body::Attempt, |row| {
                row.request.into()
            })
            .await?
        }
        K::CommitmentLanded => {
            shown::<LandedCommitment, Commitment>(conn, at, T::CommitmentLanded, Body::Commitment, |row| {
                row.request.into()
            })
            .await?
        }
        K::DataPaid => {
            shown::<DataPaymentRow, DataPayment>(conn, at, T::DataPaid, Body::DataPayment, |row| {
                row.request.into()
            })
            .await?
        }
        K::UnitsCollected => {
            shown::<UnitCollectionRow, UnitCollection>(
                conn,
                at,
                T::UnitsCollected,
                Body::UnitCollection,
                |row| row.request.into(),
            )
            .await?
        }
        K::CancelRequested => rows(conn, at).await?.into_iter().map(cancelling).collect(),
        K::VersionAppended => {
            shown::<VersionRow, Version>(conn, at, T::VersionAppended, Body::Version, |row| {
                row.request.into()
            })
            .await?
        }
        K::RequestClosed => {
            shown::<ClosingRow, Closing>(conn, at, T::RequestClosed, Body::Closing, |row| row.request.into())
                .await?
        }
        K::DataEscrowReleased => {
            shown::<DataReleaseRow, DataRelease>(conn, at, T::DataEscrowReleased, Body::DataRelease, |row| {
                row.request.into()
            })
            .await?
        }
        K::CollectionRegistered => rows(conn, at).await?.into_iter().map(registered).collect(),
        K::OfferChanged => rows(conn, at).await?.into_iter().map(offered).collect(),
        K::AccessChanged => {
            let rows = rows::<AccessEventRow>(conn, at).await?;
            let located = locate::<AccessEvent>(conn, rows).await?;
            located.into_iter().map(|(p, row)| (p, (T::AccessChanged, None, Body::Access(row)))).collect()
        }
        K::VoucherSettled => {
            let rows = rows::<VoucherSettlementRow>(conn, at).await?;
            let located = locate::<Voucher>(conn, rows).await?;
            located.into_iter().map(|(p, row)| (p, (T::VoucherSettled, None, Body::Voucher(row)))).collect()
        }
        K::ModelRequested => rows(conn, at).await?.into_iter().map(requested_model).collect(),
    })
}

async fn rows<R: Record>(conn: &mut Conn, at: &[Position]) -> Result<Vec<R>, StoreError> {
    happenings::rows_at(conn, at).await
}

/// Rows of a request as the API shows them.
async fn shown<R: Record, S: Located<Row = R>>(
    conn: &mut Conn,
    at: &[Position],
    kind: EventType,
    body: fn(S) -> Body,
    request: fn(&R) -> Bytes32,
) -> Result<Vec<(Position, Said)>, StoreError> {
    let rows = rows::<R>(conn, at).await?;
    let requests: Vec<Bytes32> = rows.iter().map(request).collect();
    let located = locate::<S>(conn, rows).await?;
    Ok(located
        .into_iter()
        .zip(requests)
        .map(|((position, row), request)| (position, (kind, Some(request), body(row))))
        .collect())
}

fn requested(row: RequestedRow) -> (Position, Said) {
    let body = Requested {
        model_id: row.model.into(),
        method_id: row.method.into(),
        user: Account(row.user_account),
        developer: Account(row.developer),
        parent: (!row.parent.0.is_zero()).then(|| row.parent.into()),
        unit_limit: row.unit_limit.into(),
        deadline: row.deadline.into(),
    };
    (row.position, (EventType::TrainingRequested, Some(row.id.into()), Body::Requested(body)))
}

fn cancelling(row: CancellationRow) -> (Position, Said) {
    let body = Cancelling { grace_ends_at: row.grace_ends_at.into() };
    (row.position, (EventType::CancelRequested, Some(row.request.into()), Body::Cancelling(body)))
}

fn registered(row: CollectionRow) -> (Position, Said) {
    let body = Registered {
        collection_id: row.id.into(),
        registrant: Account(row.registrant),
        previous: (!row.previous.0.is_zero()).then(|| row.previous.into()),
        content_root: row.content_root.into(),
        record_count: u64::from(row.record_count).into(),
        manifest_cid: block_cid(DAG_CBOR, row.manifest_digest.into()).to_string(),
    };
    (row.position, (EventType::CollectionRegistered, None, Body::Registered(body)))
}

fn offered(row: OfferRow) -> (Position, Said) {
    let kind = if row.cleared { EventType::OfferCleared } else { EventType::OfferSet };
    let body = OfferTerms {
        collection_id: row.collection.into(),
        right: Right::from_code(row.access_right),
        price: row.price.into(),
        price_per_record: row.price_per_record.into(),
        payee: Account(row.payee),
        duration: row.duration.into(),
        refund_window: row.refund_window.into(),
        timed: row.timed,
        metered: row.metered,
    };
    (row.position, (kind, None, Body::Offer(body)))
}

fn requested_model(row: ModelRow) -> (Position, Said) {
    let body = RequestedModel {
        model_id: row.id.into(),
        base_id: row.base.into(),
        project_id: row.project.into(),
        owner: Account(row.first_owner),
        visibility: Visibility::from_code(row.visibility),
    };
    (row.position, (EventType::ModelRequested, None, Body::Model(body)))
}
