//! All that happens as one list in the order of the chain: of one request, or of everything. It gives places and kinds; the rows
//! are those of their tables.

use alloy::primitives::Address;
use offsetdata_protocol::ids::{CollectionId, ModelId, RequestId};
use sqlx::AssertSqlSafe;
use std::fmt::Write as _;

use crate::codec::{Column, Put, Value, coded};
use crate::record::{Record, select_in};
use crate::{Conn, StoreError};

use super::Position;

coded! {
    /// What happened. The names are those of the contracts' events.
    HappeningKind "0 to 13" {
        /// A request was made.
        TrainingRequested = 0,
        /// The first commitment of an attempt landed.
        AttemptAssigned = 1,
        /// A commitment landed.
        CommitmentLanded = 2,
        /// A publisher was paid.
        DataPaid = 3,
        /// The developer was paid.
        UnitsCollected = 4,
        /// The user asked to stop.
        CancelRequested = 5,
        /// A request made a version.
        VersionAppended = 6,
        /// A request ended.
        RequestClosed = 7,
        /// What data did not cost went back.
        DataEscrowReleased = 8,
        /// A collection was registered.
        CollectionRegistered = 9,
        /// An offer was made, changed or withdrawn.
        OfferChanged = 10,
        /// Something happened to a right.
        AccessChanged = 11,
        /// A voucher was settled.
        VoucherSettled = 12,
        /// A model was requested.
        ModelRequested = 13,
    }
}

/// Where something happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Happening {
    /// Where.
    pub position: Position,
    /// What.
    pub kind: HappeningKind,
}

/// Which happenings of all: those for which everything that is named holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct HappeningFilter {
    /// About this model.
    pub model: Option<ModelId>,
    /// About this collection, or a request that has it among its inputs.
    pub collection: Option<CollectionId>,
    /// By this account: who requested, registered, holds the right or pays.
    pub user: Option<Address>,
}

impl HappeningFilter {
    fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// A table of the list, and which of its columns say what the row is about.
struct Arm {
    kind: HappeningKind,
    table: &'static str,
    request: Option<&'static str>,
    model: Option<&'static str>,
    collection: Option<&'static str>,
    user: Option<&'static str>,
}

const fn of_request(kind: HappeningKind, table: &'static str) -> Arm {
    Arm { kind, table, request: Some("request"), model: None, collection: None, user: None }
}

const ARMS: &[Arm] = &[
    Arm {
        kind: HappeningKind::TrainingRequested,
        table: "requests",
        request: Some("id"),
        model: None,
        collection: None,
        user: None,
    },
    of_request(HappeningKind::AttemptAssigned, "attempts"),
    of_request(HappeningKind::CommitmentLanded, "commitments"),
    of_request(HappeningKind::DataPaid, "data_payments"),
    of_request(HappeningKind::UnitsCollected, "unit_collections"),
    of_request(HappeningKind::CancelRequested, "cancellations"),
    of_request(HappeningKind::VersionAppended, "versions"),
    of_request(HappeningKind::RequestClosed, "closings"),
    of_request(HappeningKind::DataEscrowReleased, "data_releases"),
    Arm {
        kind: HappeningKind::CollectionRegistered,
        table: "collections",
        request: None,
        model: None,
        collection: Some("id"),
        user: Some("registrant"),
    },
    Arm {
        kind: HappeningKind::OfferChanged,
        table: "offers",
        request: None,
        model: None,
        collection: Some("collection"),
        user: None,
    },
    Arm {
        kind: HappeningKind::AccessChanged,
        table: "access_events",
        request: None,
        model: None,
        collection: Some("collection"),
        user: Some("holder"),
    },
    Arm {
        kind: HappeningKind::VoucherSettled,
        table: "voucher_settlements",
        request: None,
        model: None,
        collection: Some("collection"),
        user: Some("payer"),
    },
    Arm {
        kind: HappeningKind::ModelRequested,
        table: "models",
        request: None,
        model: Some("id"),
        collection: None,
        user: Some("first_owner"),
    },
];

/// What happened to a request beyond a position.
///
/// # Errors
/// A database that can't be read; so everywhere below.
pub async fn list_of_request(
    conn: &mut Conn,
    request: RequestId,
    after: Position,
    limit: u32,
) -> Result<Vec<Happening>, StoreError> {
    let values = [after.value(), request.value(), limit.value()];
    let arms = ARMS.iter().filter_map(|arm| Some((arm, format!("position > $1 and {} = $2", arm.request?))));
    read(conn, arms, "$3", &values).await
}

/// What happened beyond a position, among the next `looked_at` happenings of all, so that a call is short however rare the wanted
/// ones are. Also answers the last position that was looked at where there may be more.
pub async fn list_all(
    conn: &mut Conn,
    filter: &HappeningFilter,
    after: Position,
    looked_at: u32,
) -> Result<(Vec<Happening>, Option<Position>), StoreError> {
    let every = ARMS.iter().map(|arm| (arm, "position > $1".to_owned()));
    let all = read(conn, every, "$2", &[after.value(), looked_at.value()]).await?;
    let last = all.last().map(|last| last.position);
    let more = last.filter(|_| all.len() >= looked_at as usize);
    let Some(until) = last.filter(|_| !filter.is_empty()) else { return Ok((all, more)) };
    let mut values = vec![after.value(), until.value(), looked_at.value()];
    let mut named = |value: Option<Value>| {
        value.map(|value| {
            values.push(value);
            values.len()
        })
    };
    let wanted = [
        named(filter.model.map(|id| id.value())),
        named(filter.collection.map(|id| id.value())),
        named(filter.user.map(|account| account.value())),
    ];
    let arms: Vec<(&Arm, String)> =
        ARMS.iter().filter_map(|arm| Some((arm, condition(arm, wanted)?))).collect();
    Ok((read(conn, arms.into_iter(), "$3", &values).await?, more))
}

/// The rows of a table that are about what is wanted: numbers of the values of model, collection and user. `None` where no row of
/// this table can be.
fn condition(arm: &Arm, [model, collection, user]: [Option<usize>; 3]) -> Option<String> {
    let mut text = "position > $1 and position <= $2".to_owned();
    if let Some(request) = arm.request {
        let mut exists = String::new();
        if let Some(n) = model {
            // Writing to a string does not fail; so below.
            let _ = write!(exists, " and r.model = ${n}");
        }
        if let Some(n) = user {
            let _ = write!(exists, " and r.user_account = ${n}");
        }
        if !exists.is_empty() {
            let table = arm.table;
            let _ =
                write!(text, " and exists (select 1 from requests r where r.id = {table}.{request}{exists})");
        }
        if let Some(n) = collection {
            let table = arm.table;
            let _ = write!(
                text,
                " and exists (select 1 from request_inputs i where i.request = {table}.{request} and i.collection = ${n})"
            );
        }
        return Some(text);
    }
    for (number, column) in [(model, arm.model), (collection, arm.collection), (user, arm.user)] {
        if let Some(n) = number {
            let _ = write!(text, " and {} = ${n}", column?);
        }
    }
    Some(text)
}

/// The first rows of each table, merged: every table has an index in this order, which their union would not use.
async fn read<'a>(
    conn: &mut Conn,
    arms: impl Iterator<Item = (&'a Arm, String)>,
    limit: &str,
    values: &[Value],
) -> Result<Vec<Happening>, StoreError> {
    let arms: Vec<String> = arms
        .map(|(arm, condition)| {
            let Value::Int(kind) = arm.kind.value() else { return String::new() };
            format!(
                "select position, kind from (select position, {kind} as kind from {} where {condition}
                 order by position limit {limit}) as arm_{kind}",
                arm.table
            )
        })
        .collect();
    let sql = format!("{} order by position limit {limit}", arms.join(" union all "));
    let mut statement = sqlx::query(AssertSqlSafe(sql));
    for value in values {
        statement = statement.put_value(value.clone());
    }
    let rows = statement.fetch_all(conn).await?;
    rows.iter()
        .map(|row| {
            Ok(Happening {
                position: Position::read(row, "position")?,
                kind: HappeningKind::read(row, "kind")?,
            })
        })
        .collect()
}

/// The rows of a table that stand at these positions, in any order.
pub async fn rows_at<R: Record>(conn: &mut Conn, positions: &[Position]) -> Result<Vec<R>, StoreError> {
    select_in(conn, "position", positions, "").await
}
