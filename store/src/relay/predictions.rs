//! Predictions that users asked for. Which state follows which is the relayer's.

use alloy::primitives::{Address, B256, Bytes};
use offsetdata_protocol::ids::{ModelId, RequestId};
use sqlx::AssertSqlSafe;

use super::work::ArtifactRow;
use super::{execute, values};
use crate::chain::training::VersionRow;
use crate::codec::{Column, Count, Put};
use crate::record::{find, insert, record, select};
use crate::{Conn, StoreError};

record! {
    /// A prediction.
    PredictionRow in "relay_predictions" {
        /// hashStruct of the signed request.
        id: B256,
        /// The model.
        model: ModelId,
        /// Its version.
        version: u32,
        /// Who asked.
        account: Address,
        /// The request that made the version.
        request: RequestId,
        /// Digest of the trainer that made the version.
        trainer: B256,
        /// The worker that made the version.
        version_worker: Address,
        /// SHA-256 of the artifact in the clear.
        artifact_digest: B256,
        /// CID of the stored artifact.
        artifact_cid: String,
        /// A JSON list of base64 texts; empty once it ended.
        records: String,
        /// Their number.
        record_count: u32,
        /// A word of the relayer's `Stage`.
        state: String,
        /// Who has or had the lease.
        worker: Option<Address>,
        /// End of the lease.
        lease_until: Option<Count>,
        /// How often it was given to a worker.
        tries: u8,
        /// Eight bytes for each record.
        predictions: Option<Bytes>,
        /// The worker's.
        signature: Option<Bytes>,
        /// Why it failed.
        failure: Option<String>,
        /// Unix seconds.
        valid_until: Count,
        /// Unix seconds.
        created_at: Count,
        /// Unix seconds.
        updated_at: Count,
    }
}

/// Keeps a prediction.
pub async fn insert_prediction(conn: &mut Conn, row: PredictionRow) -> Result<(), StoreError> {
    insert(conn, &[row]).await
}

/// A prediction.
pub async fn find_prediction(conn: &mut Conn, id: B256) -> Result<Option<PredictionRow>, StoreError> {
    find(conn, "id", &id).await
}

/// Predictions in a state, oldest first.
pub async fn list_in(conn: &mut Conn, state: &str, limit: u32) -> Result<Vec<PredictionRow>, StoreError> {
    select(conn, "state = $1 order by created_at, id limit $2", &values![state.to_owned(), limit]).await
}

/// The prediction whose lease this worker has.
pub async fn find_leased_to(
    conn: &mut Conn,
    worker: Address,
    now: u64,
) -> Result<Option<PredictionRow>, StoreError> {
    let rest = "state = 'leased' and worker = $1 and lease_until > $2 order by created_at limit 1";
    Ok(select(conn, rest, &values![worker, Count(now)]).await?.pop())
}

/// How many predictions have not ended, of one account where it is named.
pub async fn count_open(conn: &mut Conn, account: Option<Address>) -> Result<u64, StoreError> {
    let sql = "select count(*) as open from relay_predictions where state in ('waiting', 'leased')";
    let row = match account {
        None => sqlx::query(sql).fetch_one(conn).await?,
        Some(account) => {
            let sql = AssertSqlSafe(format!("{sql} and account = $1"));
            sqlx::query(sql).put_value(account.value()).fetch_one(conn).await?
        }
    };
    Ok(Count::read(&row, "open")?.0)
}

/// How many predictions an account asked for since then.
pub async fn count_since(conn: &mut Conn, account: Address, since: u64) -> Result<u64, StoreError> {
    let sql = "select count(*) as asked from relay_predictions where account = $1 and created_at > $2";
    let query = sqlx::query(sql).put_value(account.value()).put_value(Count(since).value());
    Ok(Count::read(&query.fetch_one(conn).await?, "asked")?.0)
}

/// Writes back what may change of a prediction, if it still is in `from` with so many tries. Whether it was.
pub async fn advance_prediction(
    conn: &mut Conn,
    from: &str,
    tries: u8,
    row: &PredictionRow,
) -> Result<bool, StoreError> {
    let changed = execute(
        conn,
        "update relay_predictions set records = $1, state = $2, worker = $3, lease_until = $4, tries = $5, \
         predictions = $6, signature = $7, failure = $8, updated_at = $9 where id = $10 and state = $11 and tries = $12",
        values![
            row.records,
            row.state,
            row.worker,
            row.lease_until,
            row.tries,
            row.predictions,
            row.signature,
            row.failure,
            row.updated_at,
            row.id,
            from.to_owned(),
            tries,
        ],
    )
    .await?;
    Ok(changed == 1)
}

/// Whether there are older predictions.
pub async fn has_before(conn: &mut Conn, created_at: u64) -> Result<bool, StoreError> {
    let found: Vec<PredictionRow> =
        select(conn, "created_at < $1 limit 1", &values![Count(created_at)]).await?;
    Ok(!found.is_empty())
}

/// Forgets predictions that are older.
pub async fn delete_before(conn: &mut Conn, created_at: u64) -> Result<u64, StoreError> {
    execute(conn, "delete from relay_predictions where created_at < $1", values![Count(created_at)]).await
}

/// A version of a model, the newest for 0.
pub async fn find_version_of(
    conn: &mut Conn,
    model: ModelId,
    version: u32,
) -> Result<Option<VersionRow>, StoreError> {
    if version == 0 {
        return Ok(select(conn, "model = $1 order by version desc limit 1", &values![model]).await?.pop());
    }
    Ok(select(conn, "model = $1 and version = $2", &values![model, version]).await?.pop())
}

/// An artifact by its CID.
pub async fn find_artifact_by_cid(conn: &mut Conn, cid: &str) -> Result<Option<ArtifactRow>, StoreError> {
    Ok(select(conn, "cid = $1 order by stored_at desc limit 1", &values![cid.to_owned()]).await?.pop())
}
