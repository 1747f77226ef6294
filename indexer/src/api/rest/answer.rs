//! What an answer is made of: data, the cursor of the next page, the block that it is about, and its ETag.

use alloy::primitives::keccak256;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use offsetdata_store::chain::{Page as StorePage, Position, blocks};
use offsetdata_store::{StoreError, Tx};
use serde::Serialize;
use tokio::sync::OwnedSemaphorePermit;
use utoipa::ToSchema;

use super::params::Paged;
use super::problem::{Problem, Problems};
use crate::api::block::Block;
use crate::api::located::{Located, locate};
use crate::api::{Api, TURN_TIMEOUT};

/// One thing.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct One<T> {
    data: T,
    /// The block that the answer is about.
    block: Block,
}

/// A page of a list.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Many<T> {
    data: Vec<T>,
    /// Give it as `after` to go on; null where there is no more.
    next: Option<String>,
    /// The block that the answer is about.
    block: Block,
}

/// A call being answered: one moment of the database, and a turn among all calls.
pub(crate) struct Reading {
    /// Where rows are read.
    pub(crate) tx: Tx,
    /// Time of the block, Unix seconds.
    pub(crate) time: u64,
    block: Block,
    tag: Option<HeaderValue>,
    _turn: OwnedSemaphorePermit,
}

impl Reading {
    /// Waits for a turn and begins to read.
    pub(crate) async fn begin(api: &Api, headers: &HeaderMap) -> Result<Self, Problem> {
        let turn = tokio::time::timeout(TURN_TIMEOUT, api.turns.clone().acquire_owned());
        let Ok(Ok(turn)) = turn.await else {
            return Err(Problem::new(StatusCode::TOO_MANY_REQUESTS, "too many calls at once"));
        };
        let mut tx = api.pool.read().await?;
        let cursor = blocks::head(&mut tx)
            .await?
            .ok_or_else(|| Problem::new(StatusCode::SERVICE_UNAVAILABLE, "nothing is indexed yet"))?;
        let tag = headers.get(header::IF_NONE_MATCH).cloned();
        Ok(Self { tx, time: cursor.timestamp.0, block: Block::from(&cursor), tag, _turn: turn })
    }

    /// The answer with one thing.
    pub(crate) fn one<T: Serialize>(self, data: T) -> Result<Response, Problem> {
        let (block, tag) = (self.block, self.tag);
        tagged(&One { data, block }, tag.as_ref())
    }

    /// The answer with rows of which one more was asked for than the page holds.
    pub(crate) fn many<T: Serialize>(
        self,
        rows: Vec<(Position, T)>,
        page: StorePage,
    ) -> Result<Response, Problem> {
        let rows = rows.into_iter().map(|(position, row)| (position.number().to_string(), row)).collect();
        self.part(rows, page.limit.saturating_sub(1) as usize)
    }

    /// The same for rows with any cursors, of which a page holds so many.
    pub(crate) fn part<T: Serialize>(self, rows: Vec<(String, T)>, held: usize) -> Result<Response, Problem> {
        let next = match rows.get(held.saturating_sub(1)) {
            Some((last, _)) if rows.len() > held => Some(last.clone()),
            _ => None,
        };
        let data = rows.into_iter().take(held).map(|(_, row)| row).collect();
        let (block, tag) = (self.block, self.tag);
        tagged(&Many { data, next, block }, tag.as_ref())
    }

    /// The answer with rows of events and their blocks.
    pub(crate) async fn located<T: Located + Serialize>(
        mut self,
        rows: Result<Vec<T::Row>, StoreError>,
        page: StorePage,
    ) -> Result<Response, Problem> {
        let shown = locate::<T>(&mut self.tx, rows?).await?;
        self.many(shown, page)
    }
}

/// The page that parameters ask for, with one row more, which tells whether there is a next page.
pub(crate) fn page(params: &impl Paged) -> Result<StorePage, Problem> {
    let (first, after, newest_first) = params.paging()?;
    Ok(StorePage { after, before: None, limit: first + 1, newest_first })
}

fn tagged<T: Serialize>(answer: &T, known: Option<&HeaderValue>) -> Result<Response, Problem> {
    let body = serde_json::to_vec(answer).map_err(|error| {
        tracing::error!(%error, "an answer could not be written");
        Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "the answer could not be written")
    })?;
    let tag = format!("\"{}\"", alloy::hex::encode(&keccak256(&body)[..16]));
    let is_known = known.and_then(|known| known.to_str().ok()).is_some_and(|known| {
        known.split(',').any(|one| one.trim().trim_start_matches("W/") == tag || one.trim() == "*")
    });
    let headers = [(header::ETAG, tag), (header::CACHE_CONTROL, "no-cache".to_owned())];
    if is_known {
        return Ok((StatusCode::NOT_MODIFIED, headers).into_response());
    }
    Ok((headers, [(header::CONTENT_TYPE, "application/json")], body).into_response())
}

/// The block up to which everything is in.
#[utoipa::path(get, path = "/v1/block", tag = "chain", responses((status = 200, description = "What was asked for", body = One<Block>), Problems))]
pub(super) async fn get_block(State(api): State<Api>, headers: HeaderMap) -> Result<Response, Problem> {
    let reading = Reading::begin(&api, &headers).await?;
    let block = reading.block;
    reading.one(block)
}
