//! What happened to requests: attempts, commitments, payments, versions, ends. Signatures were checked by the contract.

use alloy::primitives::{Address, B256, U256, Uint};
use alloy::sol_types::SolStruct;
use offsetdata_protocol::ids::{ModelId, RequestId};
use offsetdata_protocol::messages;

use crate::codec::{Column, Count, Put};
use crate::record::{find, record, select};
use crate::{Conn, StoreError};

use super::Position;
use super::page::{Page, list};
use super::requests::RequestStatus;

record! {
    /// `AttemptAssigned`.
    AttemptRow in "attempts" {
        /// Where.
        position: Position,
        /// The request.
        request: RequestId,
        /// Who tries.
        worker: Address,
        /// From 1.
        attempt: u8,
        /// Metric points that stand before this attempt goes on.
        resume_point: u32,
        /// Unix seconds.
        valid_until: Count,
    }
}

record! {
    /// `CommitmentLanded`.
    CommitmentRow in "commitments" {
        /// Where.
        position: Position,
        /// The request.
        request: RequestId,
        /// From 1, over all attempts.
        sequence: u32,
        /// Points of the series after it.
        point_count: u32,
        /// Units done so far.
        units: Count,
        /// SHA-256 of the points block (raw).
        points_digest: B256,
        /// Four int64: train loss and accuracy, validation loss and accuracy, each times 1,000,000.
        last_values: B256,
        /// Who landed it.
        relayer: Address,
    }
}

record! {
    /// A commitment with what follows from the assignment before it.
    LandedCommitment in "landed_commitments" {
        /// Where.
        position: Position,
        /// The request.
        request: RequestId,
        /// Who signed.
        worker: Address,
        /// Attempt.
        attempt: u8,
        /// From 1, over all attempts.
        sequence: u32,
        /// Points of the series after it.
        point_count: u32,
        /// Units done so far.
        units: Count,
        /// SHA-256 of the points block (raw).
        points_digest: B256,
        /// Four int64: train loss and accuracy, validation loss and accuracy, each times 1,000,000.
        last_values: B256,
        /// Who landed it.
        relayer: Address,
    }
}

record! {
    /// `DataPaid`.
    DataPaymentRow in "data_payments" {
        /// Where.
        position: Position,
        /// The request.
        request: RequestId,
        /// Who was paid.
        payee: Address,
        /// Whose receipt.
        worker: Address,
        /// Place of the input in the request.
        input: u32,
        /// Records so far.
        records: u32,
        /// Root over them.
        records_root: B256,
        /// Paid now, in the token's smallest unit.
        amount: u128,
    }
}

record! {
    /// `UnitsCollected`.
    UnitCollectionRow in "unit_collections" {
        /// Where.
        position: Position,
        /// The request.
        request: RequestId,
        /// Who collected.
        developer: Address,
        /// Units collected so far.
        units: Count,
        /// Paid now.
        amount: U256,
    }
}

record! {
    /// `CancelRequested`.
    CancellationRow in "cancellations" {
        /// Where.
        position: Position,
        /// The request.
        request: RequestId,
        /// Unix seconds.
        grace_ends_at: Count,
    }
}

record! {
    /// `VersionAppended`.
    VersionRow in "versions" {
        /// Where.
        position: Position,
        /// The model.
        model: ModelId,
        /// The request that made it.
        request: RequestId,
        /// From 1.
        version: u32,
        /// Who trained it.
        worker: Address,
        /// Attempt.
        attempt: u8,
        /// The last commitment.
        sequence: u32,
        /// Points of the series.
        point_count: u32,
        /// Units done.
        units: Count,
        /// SHA-256 of the artifact in the clear.
        artifact_digest: B256,
        /// SHA-256 in the CID of the stored artifact.
        artifact_cid: B256,
        /// Root over all metric points.
        series_root: B256,
        /// Root over all records given to training.
        inputs_root: B256,
        /// Four int64: test loss and accuracy, validation loss and accuracy, each times 1,000,000.
        result_values: B256,
    }
}

record! {
    /// `RequestClosed`.
    ClosingRow in "closings" {
        /// Where.
        position: Position,
        /// The request.
        request: RequestId,
        /// How it ended.
        status: RequestStatus,
        /// Units that are paid.
        units: Count,
        /// Paid to the developer over all.
        developer_paid: U256,
        /// Paid to relayers over all.
        relay_paid: U256,
        /// Returned to the user.
        refunded: U256,
        /// SHA-256 of the reason, or zero.
        reason_digest: B256,
    }
}

record! {
    /// `DataEscrowReleased`.
    DataReleaseRow in "data_releases" {
        /// Where.
        position: Position,
        /// The request.
        request: RequestId,
        /// Who got it.
        user_account: Address,
        /// How much.
        amount: U256,
    }
}

/// The attempts of a request whose first commitment landed.
///
/// # Errors
/// A database that can't be read; so everywhere below.
pub async fn list_attempts(conn: &mut Conn, request: RequestId) -> Result<Vec<AttemptRow>, StoreError> {
    select(conn, "request = $1 order by attempt", &[request.value()]).await
}

/// The landed commitments of a request.
pub async fn list_commitments(
    conn: &mut Conn,
    request: RequestId,
    page: Page,
) -> Result<Vec<LandedCommitment>, StoreError> {
    list(conn, &[("request", request.value())], page).await
}

/// A landed commitment.
pub async fn find_commitment(
    conn: &mut Conn,
    request: RequestId,
    sequence: u32,
) -> Result<Option<LandedCommitment>, StoreError> {
    Ok(select(conn, "request = $1 and sequence = $2", &[request.value(), sequence.value()]).await?.pop())
}

/// Head of a request's chain of commitments: the hashStruct of the last, which holds that of the one before. Zero before
/// the first. It reads all commitments of the request.
pub async fn head_of(conn: &mut Conn, request: RequestId) -> Result<B256, StoreError> {
    let rows: Vec<LandedCommitment> =
        select(conn, "request = $1 order by sequence", &[request.value()]).await?;
    Ok(rows.into_iter().fold(B256::ZERO, |previous_head, row| {
        let message = messages::Commitment {
            request: request.0,
            attempt: row.attempt,
            sequence: row.sequence,
            previousHead: previous_head,
            pointsDigest: row.points_digest,
            pointCount: row.point_count,
            units: Uint::from(row.units.0),
            lastValues: row.last_values,
        };
        message.eip712_hash_struct()
    }))
}

/// What publishers were paid for a request.
pub async fn list_data_payments(
    conn: &mut Conn,
    request: RequestId,
    page: Page,
) -> Result<Vec<DataPaymentRow>, StoreError> {
    list(conn, &[("request", request.value())], page).await
}

/// What the developer collected before a request's end.
pub async fn list_unit_collections(
    conn: &mut Conn,
    request: RequestId,
    page: Page,
) -> Result<Vec<UnitCollectionRow>, StoreError> {
    list(conn, &[("request", request.value())], page).await
}

/// What of a request's escrow for data went back.
pub async fn list_data_releases(
    conn: &mut Conn,
    request: RequestId,
) -> Result<Vec<DataReleaseRow>, StoreError> {
    select(conn, "request = $1 order by position", &[request.value()]).await
}

/// Who landed how many of the first `landings` commitments of a request.
pub async fn count_landings(
    conn: &mut Conn,
    request: RequestId,
    landings: u64,
) -> Result<Vec<(Address, u64)>, StoreError> {
    let rows = sqlx::query(
        "select relayer, count(*) as landings from commitments where request = $1 and sequence <= $2
         group by relayer order by relayer",
    )
    .put(&request)
    .put(&Count(landings))
    .fetch_all(conn)
    .await?;
    rows.iter().map(|row| Ok((Address::read(row, "relayer")?, Count::read(row, "landings")?.0))).collect()
}

/// The versions of a model.
pub async fn list_versions(
    conn: &mut Conn,
    model: ModelId,
    page: Page,
) -> Result<Vec<VersionRow>, StoreError> {
    list(conn, &[("model", model.value())], page).await
}

/// The version that a request made.
pub async fn find_version(conn: &mut Conn, request: RequestId) -> Result<Option<VersionRow>, StoreError> {
    find(conn, "request", &request).await
}

/// How a request ended.
pub async fn find_closing(conn: &mut Conn, request: RequestId) -> Result<Option<ClosingRow>, StoreError> {
    find(conn, "request", &request).await
}
