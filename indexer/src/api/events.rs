//! Server-sent events: what happens, in the order of the chain, to whoever keeps a connection open. An id names a place that never
//! changes, so a client goes on where it ended; what a reorg took back is said. It stores nothing for a client.

mod place;
mod reader;
mod told;

use std::convert::Infallible;
use std::time::{Duration, Instant};

use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::sse::{self, Sse};
use axum::response::{IntoResponse, Response};
use futures::stream;
use offsetdata_store::StoreError;
use offsetdata_store::chain::happenings::HappeningFilter;
use offsetdata_store::chain::requests;
use serde::Deserialize;
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use utoipa::IntoParams;

use self::place::EventId;
use self::reader::{Batch, Reader, Wanted};
use self::told::Told;
use super::rest::{Named, Params, Problem, Problems};
use super::scalars::{Account, Bytes32};
use super::{Api, TURN_TIMEOUT};

/// A comment is sent when nothing else was for so long, so that proxies and clients know that the stream lives.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// A client that takes nothing for so long loses its stream.
const SLOWEST: Duration = Duration::from_secs(30);
/// Between two looks when nothing was heard: points that wait, and changes by another process.
const LOOK: Duration = Duration::from_secs(2);
/// When clients come back, as they are told.
const RETRY: Duration = Duration::from_secs(2);
/// Wait after the database did not answer.
const RECOVERY: Duration = Duration::from_secs(1);

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct RequestEventParams {
    /// Id of an event (or a cursor of a list) to go on from; the header `Last-Event-ID` goes before it. Without either it begins with
    /// the request.
    #[param(pattern = "^[0-9]{1,19}(\\.[0-9]{1,10})?(-[0-9a-f]{16})?$")]
    after: Option<String>,
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct EventParams {
    /// Only about this model and requests to train it.
    #[param(inline)]
    model: Option<Bytes32>,
    /// Only about this collection and requests that have it among their inputs.
    #[param(inline)]
    collection: Option<Bytes32>,
    /// Only by this account: who requested, registered, holds the right or pays.
    #[param(inline)]
    user: Option<Account>,
    /// Also metric points. A commitment whose points are still to be fetched then holds up what follows, for at most ten seconds.
    #[serde(default)]
    points: bool,
    /// Id of an event (or a cursor of a list) to go on from, 0 for the beginning; the header `Last-Event-ID` goes before it. Without
    /// either it begins with what happens next.
    #[param(pattern = "^[0-9]{1,19}(\\.[0-9]{1,10})?(-[0-9a-f]{16})?$")]
    after: Option<String>,
}

/// What happens to a training request, from its beginning or from where the client was: states, commitments, metric points,
/// payments, the version. It ends after the request's end; a client that comes back after that is told 204.
#[utoipa::path(get, path = "/v1/requests/{id}/events", tag = "events",
    params(("id" = inline(Bytes32), Path, description = "Id of the request"), RequestEventParams,
        ("Last-Event-ID" = Option<String>, Header, description = "Id of the last event that the client has")),
    responses(
        (status = 200, description = "Server-sent events; `data` of each is", body = Told, content_type = "text/event-stream"),
        (status = 204, description = "The request ended, and the client has all of it"),
        Problems))]
pub(super) async fn request_events(
    State(api): State<Api>,
    headers: HeaderMap,
    Named(id): Named<Bytes32>,
    Params(params): Params<RequestEventParams>,
) -> Result<Response, Problem> {
    let after = last_event(&headers, params.after.as_deref())?;
    let reader = Reader::new(Wanted::Request(id.0.into()), after, Instant::now());
    if !reader.resumes() {
        let found = requests::find_request(&mut *api.pool.acquire().await?, id.0.into()).await?;
        found.ok_or_else(|| Problem::missing("request"))?;
    }
    answer(api, reader).await
}

/// Everything that happens, or what of it is about a model, a collection or an account.
#[utoipa::path(get, path = "/v1/events", tag = "events",
    params(EventParams,
        ("Last-Event-ID" = Option<String>, Header, description = "Id of the last event that the client has")),
    responses(
        (status = 200, description = "Server-sent events; `data` of each is", body = Told, content_type = "text/event-stream"),
        Problems))]
pub(super) async fn events(
    State(api): State<Api>,
    headers: HeaderMap,
    Params(params): Params<EventParams>,
) -> Result<Response, Problem> {
    let after = last_event(&headers, params.after.as_deref())?;
    let filter = HappeningFilter {
        model: params.model.map(|id| id.0.into()),
        collection: params.collection.map(|id| id.0.into()),
        user: params.user.map(|account| account.0),
    };
    let mut reader = Reader::new(Wanted::All { filter, points: params.points }, after, Instant::now());
    if !reader.resumes() {
        reader.begin_now(&api.pool).await?;
    }
    answer(api, reader).await
}

/// The id to go on from.
fn last_event(headers: &HeaderMap, after: Option<&str>) -> Result<Option<EventId>, Problem> {
    let header = match headers.get("last-event-id") {
        Some(value) => {
            Some(value.to_str().map_err(|_| Problem::malformed("Last-Event-ID: not an event's id"))?)
        }
        None => None,
    };
    // A browser that saw no event yet sends an empty one.
    match header.filter(|id| !id.is_empty()) {
        Some(id) => {
            EventId::parse(id).map(Some).ok_or_else(|| Problem::malformed("Last-Event-ID: not an event's id"))
        }
        None => after
            .map(|id| EventId::parse(id).ok_or_else(|| Problem::malformed("after: not an event's id")))
            .transpose(),
    }
}

async fn answer(api: Api, mut reader: Reader) -> Result<Response, Problem> {
    let seat = api
        .live
        .seat()
        .ok_or_else(|| Problem::new(StatusCode::TOO_MANY_REQUESTS, "too many streams at once"))?;
    // Before the first look, so that nothing falls between.
    let changes = api.live.changes();
    let resumes = reader.resumes();
    let first = read(&api, &mut reader).await?;
    if resumes && first.ended && first.told.is_empty() {
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    let (sender, receiver) = mpsc::channel(1);
    tokio::spawn(tell(api, reader, first, changes, sender, seat));
    let events = stream::unfold(receiver, |mut receiver| async move {
        receiver.recv().await.map(|event| (Ok::<sse::Event, Infallible>(event), receiver))
    });
    // Proxies that gather answers would hold events back.
    let unbuffered = (HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no"));
    Ok(([unbuffered], Sse::new(events)).into_response())
}

/// One batch, in turn with all calls.
async fn read(api: &Api, reader: &mut Reader) -> Result<Batch, StoreError> {
    let turn = tokio::time::timeout(TURN_TIMEOUT, api.turns.acquire()).await;
    let Ok(Ok(_turn)) = turn else { return Ok(Batch { more: true, ..Batch::default() }) };
    reader.read(&api.pool, Instant::now()).await
}

/// Why a stream is over.
struct Over;

/// Tells batch after batch until the end of the request, of the client or of the service.
async fn tell(
    api: Api,
    mut reader: Reader,
    mut batch: Batch,
    mut changes: tokio::sync::watch::Receiver<()>,
    sender: mpsc::Sender<sse::Event>,
    _seat: OwnedSemaphorePermit,
) {
    let stop = api.live.stop().clone();
    let telling = async {
        send(&sender, sse::Event::default().retry(RETRY)).await?;
        let mut quiet_since = Instant::now();
        loop {
            for told in &batch.told {
                let event = told.event().map_err(|error| {
                    tracing::error!(%error, "an event could not be written");
                    Over
                })?;
                send(&sender, event).await?;
                quiet_since = Instant::now();
            }
            if batch.ended {
                return Ok(());
            }
            if !batch.more {
                tokio::select! {
                    () = sender.closed() => return Err(Over),
                    _ = changes.changed() => {}
                    () = tokio::time::sleep(LOOK) => {}
                }
            }
            if quiet_since.elapsed() >= HEARTBEAT {
                send(&sender, sse::Event::default().comment("")).await?;
                quiet_since = Instant::now();
            }
            batch = match read(&api, &mut reader).await {
                Ok(batch) => batch,
                Err(error) => {
                    tracing::warn!(%error, "a stream could not be read");
                    if !error.is_retryable() {
                        return Err(Over);
                    }
                    tokio::time::sleep(RECOVERY).await;
                    Batch::default()
                }
            };
        }
    };
    let _: Result<(), Over> = tokio::select! {
        () = stop.cancelled() => Err(Over),
        ended = telling => ended,
    };
}

async fn send(sender: &mpsc::Sender<sse::Event>, event: sse::Event) -> Result<(), Over> {
    match tokio::time::timeout(SLOWEST, sender.send(event)).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(_)) | Err(_) => Err(Over),
    }
}
