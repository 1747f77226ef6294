//! Training requests and where they stand. Derived from rows only; the contract has the last word.

use alloy::primitives::{Address, B256, Bytes};
use offsetdata_protocol::ids::{CollectionId, MethodId, ModelId, RequestId};
use sqlx::any::AnyRow;

use crate::codec::{Column, Count, Put, Value};
use crate::record::{find, record, select};
use crate::{Conn, StoreError};

use super::Position;
use super::page::{Filter, Page, list, list_where};

/// Where a request stands, as the contract numbers it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RequestStatus {
    /// Escrowed; commitments land. Followed by any other.
    Open,
    /// The user asked to stop; signed work lands until the grace ends. Followed by `Settled`, `Cancelled`.
    Cancelling,
    /// Final: a version was appended.
    Settled,
    /// Final: stopped by the user.
    Cancelled,
    /// Final: the scheduler signed that the job can't succeed.
    Failed,
    /// Final: deadline and grace have passed.
    Expired,
}

impl RequestStatus {
    /// The status with the contract's number; `None` for 0 (never requested) and numbers that there are not.
    pub fn from_code(code: u8) -> Option<Self> {
        Some(match code {
            1 => Self::Open,
            2 => Self::Cancelling,
            3 => Self::Settled,
            4 => Self::Cancelled,
            5 => Self::Failed,
            6 => Self::Expired,
            _ => return None,
        })
    }

    /// The contract's number.
    pub fn code(self) -> u8 {
        match self {
            Self::Open => 1,
            Self::Cancelling => 2,
            Self::Settled => 3,
            Self::Cancelled => 4,
            Self::Failed => 5,
            Self::Expired => 6,
        }
    }

    /// Whether nothing follows.
    pub fn is_final(self) -> bool {
        !matches!(self, Self::Open | Self::Cancelling)
    }
}

impl Column for RequestStatus {
    const NULL: Value = Value::NullInt;
    fn value(&self) -> Value {
        self.code().value()
    }
    fn read(row: &AnyRow, column: &str) -> Result<Self, StoreError> {
        let code = u8::read(row, column)?;
        Self::from_code(code).ok_or_else(|| StoreError::Column {
            column: column.to_owned(),
            expected: "1 to 6",
            actual: code.to_string(),
        })
    }
}

record! {
    /// `TrainingRequested`.
    RequestedRow in "requests" {
        /// Where.
        position: Position,
        /// The request.
        id: RequestId,
        /// The model.
        model: ModelId,
        /// The method of the model's base.
        method: MethodId,
        /// Who pays.
        user_account: Address,
        /// Who is paid for units.
        developer: Address,
        /// Key that signs assignments.
        scheduler: Address,
        /// The request that this one retrains, or zero.
        parent: RequestId,
        /// SHA-256 of the hyperparameters (raw block).
        hyperparameters_digest: B256,
        /// SHA-256 of the trainer.
        trainer_digest: B256,
        /// No more units are paid.
        unit_limit: Count,
        /// Unix seconds.
        opened_at: Count,
        /// Unix seconds.
        start_deadline: Count,
        /// Unix seconds.
        deadline: Count,
        /// Seconds.
        grace_period: Count,
        /// `abi.encode(EscrowTerms)`.
        escrow: Bytes,
        /// `abi.encode(RequestDetails)`.
        details: Bytes,
        /// `abi.encode(DataInput[])`.
        inputs: Bytes,
    }
}

record! {
    /// A request as it stands.
    RequestRow in "request_states" {
        /// Where it was requested.
        position: Position,
        /// The request.
        id: RequestId,
        /// The model.
        model: ModelId,
        /// The method of the model's base.
        method: MethodId,
        /// Who pays.
        user_account: Address,
        /// Who is paid for units.
        developer: Address,
        /// Key that signs assignments.
        scheduler: Address,
        /// The request that this one retrains, or zero.
        parent: RequestId,
        /// SHA-256 of the hyperparameters (raw block).
        hyperparameters_digest: B256,
        /// SHA-256 of the trainer.
        trainer_digest: B256,
        /// No more units are paid.
        unit_limit: Count,
        /// Unix seconds.
        opened_at: Count,
        /// Unix seconds.
        start_deadline: Count,
        /// Unix seconds.
        deadline: Count,
        /// Seconds.
        grace_period: Count,
        /// `abi.encode(EscrowTerms)`.
        escrow: Bytes,
        /// `abi.encode(RequestDetails)`.
        details: Bytes,
        /// `abi.encode(DataInput[])`.
        inputs: Bytes,
        /// Where it stands.
        status: RequestStatus,
        /// Until when signed work lands after a cancellation, Unix seconds.
        grace_ends_at: Option<Count>,
        /// Greatest attempt that landed, 0 before the first.
        attempt: u8,
        /// Its worker.
        worker: Option<Address>,
        /// Commitments that landed.
        sequence: u32,
        /// Points of the series after the last of them.
        point_count: u32,
        /// Units that are paid.
        units: Count,
        /// Block of the request.
        block_number: Count,
        /// Its hash.
        block_hash: B256,
        /// Its time in Unix seconds.
        block_timestamp: Count,
    }
}

record! {
    /// An input of a request.
    RequestInputRow in "request_inputs" {
        /// Where the request is.
        position: Position,
        /// Place in the request, from 0.
        input: u32,
        /// The request.
        request: RequestId,
        /// The collection, zero for direct data.
        collection: CollectionId,
        /// 0 ALL, 1 RANGE, 2 BITMAP, 3 DIRECT.
        selection: u8,
        /// Bitmap root, content root of direct data, or zero.
        selection_root: B256,
        /// First record.
        first: u32,
        /// Number of records.
        count: u32,
        /// No more records are paid.
        record_cap: u32,
        /// Price of one record in the token's smallest unit.
        price_per_record: u128,
        /// Who is paid.
        payee: Address,
    }
}

/// A request.
///
/// # Errors
/// A database that can't be read; so everywhere below.
pub async fn find_request(conn: &mut Conn, id: RequestId) -> Result<Option<RequestRow>, StoreError> {
    find(conn, "id", &id).await
}

/// The end of the grace of a request whose end its user asked for.
pub async fn find_grace_end(conn: &mut Conn, id: RequestId) -> Result<Option<Count>, StoreError> {
    let row = sqlx::query("select grace_ends_at from cancellations where request = $1")
        .put(&id)
        .fetch_optional(conn)
        .await?;
    row.map(|row| Count::read(&row, "grace_ends_at")).transpose()
}

/// Requests without an end for this scheduler, requested at or before block `confirmed`
/// ([`super::blocks::Cursor::confirmed`]), in the order of the chain. Both open and cancelling ones.
pub async fn list_open_for_scheduler(
    conn: &mut Conn,
    scheduler: Address,
    confirmed: u64,
    page: Page,
) -> Result<Vec<RequestRow>, StoreError> {
    select(
        conn,
        "scheduler = $1 and position > $2 and position <= $3
         and not exists (select 1 from closings c where c.request = request_states.id)
         order by position limit $4",
        &[
            scheduler.value(),
            page.after.unwrap_or(Position::START).value(),
            Position::end_of(confirmed).value(),
            page.limit.value(),
        ],
    )
    .await
}

/// Requests, of one model and one user where they are named.
pub async fn list_requests(
    conn: &mut Conn,
    model: Option<ModelId>,
    user: Option<Address>,
    page: Page,
) -> Result<Vec<RequestRow>, StoreError> {
    let mut equal = Vec::new();
    equal.extend(model.map(|id| ("model", id.value())));
    equal.extend(user.map(|account| ("user_account", account.value())));
    list(conn, &equal, page).await
}

/// Requests that name this collection among their inputs.
pub async fn list_requests_of_collection(
    conn: &mut Conn,
    collection: CollectionId,
    page: Page,
) -> Result<Vec<RequestRow>, StoreError> {
    let filter = Filter::all().holds(
        "position in (select i.position from request_inputs i where i.collection = ?)",
        [collection.value()],
    );
    list_where(conn, filter, page).await
}

/// Requests that retrain this one.
pub async fn list_children(
    conn: &mut Conn,
    parent: RequestId,
    page: Page,
) -> Result<Vec<RequestRow>, StoreError> {
    list(conn, &[("parent", parent.value())], page).await
}

/// The inputs of a request, in order.
pub async fn list_inputs(conn: &mut Conn, request: RequestId) -> Result<Vec<RequestInputRow>, StoreError> {
    select(conn, "request = $1 order by input", &[request.value()]).await
}
