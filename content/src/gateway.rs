//! Serves blocks as a trustless gateway: `GET` and `HEAD` of `/ipfs/{cid}?format=raw`, and with `?format=car` what a
//! block reaches, streamed. It serves no clear file and no directory listing, and the blocks that it is given are all it
//! has: whoever mounts it over blocks with gateways or a Kubo node lets strangers make it fetch.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, Query, State};
use axum::http::header::{
    ACCEPT, ACCEPT_RANGES, CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_TYPE, ETAG, IF_NONE_MATCH,
    RETRY_AFTER, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use futures::StreamExt;
use offsetdata_protocol::cid::{Cid, parts};
use tokio::sync::Semaphore;
use tokio_util::io::ReaderStream;

use crate::blocks::MAX_BLOCK_BYTES;
use crate::car::{self, Counted, Scope};
use crate::{Blocks, ContentError};

const RAW_TYPE: &str = "application/vnd.ipld.raw";
const CAR_TYPE: &str = "application/vnd.ipld.car";
/// Depth first, and a block that is linked to twice is sent twice: so much can be promised without remembering.
const CAR_ANSWER: &str = "application/vnd.ipld.car; version=1; order=dfs; dups=y";
/// CAR files that are sent at one time.
const MAX_CARS: usize = 16;
/// Who takes no block for so long makes room for others.
const CAR_PATIENCE: Duration = Duration::from_secs(60);
/// Bytes of a CAR file that wait for a slow reader.
const CAR_BUFFER: usize = 256 << 10;

/// What is served, and how many CAR files more.
#[derive(Debug, Clone)]
struct Served {
    blocks: Blocks,
    cars: Arc<Semaphore>,
}

#[derive(Debug, PartialEq, Eq)]
enum Format {
    Raw,
    Car(Scope),
}

/// The routes, over blocks that are here.
pub fn router(blocks: Blocks) -> Router {
    let served = Served { blocks, cars: Arc::new(Semaphore::new(MAX_CARS)) };
    Router::new().route("/ipfs/{cid}", get(block)).with_state(served)
}

async fn block(
    State(served): State<Served>,
    method: Method,
    Path(cid): Path<String>,
    Query(query): Query<Vec<(String, String)>>,
    headers: HeaderMap,
) -> Response {
    let format = match format_of(&query, &headers) {
        Ok(format) => format,
        Err(refusal) => return refusal.into_response(),
    };
    let parsed = cid.parse::<Cid>().map_err(|e| e.to_string());
    let cid = match parsed.and_then(|cid| parts(&cid).map(|_| cid).map_err(|e| e.to_string())) {
        Ok(cid) => cid,
        Err(reason) => {
            return (StatusCode::BAD_REQUEST, format!("not a CID that is served here: {reason}\n"))
                .into_response();
        }
    };
    let etag = match format {
        Format::Raw => format!("\"{cid}.raw\""),
        // Not of bytes but of a graph in an order: weak, as the specification asks.
        Format::Car(scope) => format!("W/\"{cid}.car.{scope:?}.dfs.y\"").to_lowercase(),
    };
    if headers.get(IF_NONE_MATCH).is_some_and(|known| known.as_bytes() == etag.as_bytes()) {
        return (StatusCode::NOT_MODIFIED, [(ETAG, etag)]).into_response();
    }
    let bytes = match served.blocks.get(&cid, MAX_BLOCK_BYTES).await {
        Ok(bytes) => bytes,
        Err(ContentError::NotFound { .. }) => {
            return (StatusCode::NOT_FOUND, "this block is not here\n").into_response();
        }
        Err(error) => {
            tracing::error!(%cid, %error, "a block could not be given");
            let said = "this block could not be read; it is kept from you because it is damaged\n";
            return (StatusCode::BAD_GATEWAY, said).into_response();
        }
    };
    let (kind, ending) = match format {
        Format::Raw => (RAW_TYPE, "bin"),
        Format::Car(_) => (CAR_ANSWER, "car"),
    };
    let head = [
        (CONTENT_TYPE, kind.to_owned()),
        (CONTENT_DISPOSITION, format!("attachment; filename=\"{cid}.{ending}\"")),
        (CACHE_CONTROL, "public, max-age=29030400, immutable".to_owned()),
        (ETAG, etag),
        (X_CONTENT_TYPE_OPTIONS, "nosniff".to_owned()),
    ];
    match format {
        Format::Raw => (head, bytes).into_response(),
        Format::Car(_) if method == Method::HEAD => (head, [(ACCEPT_RANGES, "none")]).into_response(),
        Format::Car(scope) => match car_body(served, cid, scope) {
            Some(body) => (head, [(ACCEPT_RANGES, "none")], body).into_response(),
            None => {
                let said = "too many CAR files are being sent; ask again, or ask for single blocks\n";
                (StatusCode::SERVICE_UNAVAILABLE, [(RETRY_AFTER, "10")], said).into_response()
            }
        },
    }
}

/// A CAR file as it is read; none where too many are on their way. Where a block fails the answer breaks off, so that
/// nobody takes a part for the whole.
fn car_body(served: Served, cid: Cid, scope: Scope) -> Option<Body> {
    let permit = served.cars.try_acquire_owned().ok()?;
    let (near, far) = tokio::io::duplex(CAR_BUFFER);
    let writing = tokio::spawn(async move {
        let _permit = permit;
        let sent = AtomicU64::new(0);
        let mut tell = |counted: Counted| sent.store(counted.blocks, Ordering::Relaxed);
        tokio::select! {
            result = car::export(&served.blocks, cid, scope, near, &mut tell) => result,
            () = stalled(&sent) => Err(ContentError::Car("who asked for it does not read it".to_owned())),
        }
    });
    let end = async move {
        match writing.await {
            Ok(Ok(_)) => None,
            Ok(Err(error)) => {
                tracing::warn!(%cid, %error, "a CAR file broke off");
                Some(Err(std::io::Error::other("the file broke off")))
            }
            Err(_) => Some(Err(std::io::Error::other("the file broke off"))),
        }
    };
    let end = futures::stream::once(end).filter_map(std::future::ready);
    Some(Body::from_stream(ReaderStream::with_capacity(far, 64 << 10).chain(end)))
}

/// Until no block went out for as long as [`CAR_PATIENCE`].
async fn stalled(sent: &AtomicU64) {
    let mut before = u64::MAX;
    loop {
        let now = sent.load(Ordering::Relaxed);
        if now == before {
            return;
        }
        before = now;
        tokio::time::sleep(CAR_PATIENCE).await;
    }
}

type Refusal = (StatusCode, &'static str);

/// The format by the query, which counts before the header.
fn format_of(query: &[(String, String)], headers: &HeaderMap) -> Result<Format, Refusal> {
    let asked = |name: &str| query.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
    let accepts = headers.get(ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let unknown = "only blocks and CAR files are served: ask with ?format=raw or ?format=car\n";
    let car = match asked("format") {
        Some("raw") => return Ok(Format::Raw),
        Some("car") => true,
        Some(_) => return Err((StatusCode::NOT_ACCEPTABLE, unknown)),
        None if accepts.contains(RAW_TYPE) => return Ok(Format::Raw),
        None => accepts.contains(CAR_TYPE),
    };
    if !car {
        return Err((StatusCode::NOT_ACCEPTABLE, unknown));
    }
    let parameter = |name: &str| {
        let range = accepts.split(',').find(|range| range.trim().starts_with(CAR_TYPE))?;
        range.split(';').find_map(|part| part.trim().strip_prefix(name)?.trim().strip_prefix('='))
    };
    let version = asked("car-version").or_else(|| parameter("version"));
    if version.is_some_and(|version| version != "1") {
        return Err((StatusCode::NOT_ACCEPTABLE, "only CAR files of version 1 are served\n"));
    }
    if asked("car-order").or_else(|| parameter("order")).is_some_and(|order| !matches!(order, "dfs" | "unk"))
    {
        return Err((StatusCode::NOT_ACCEPTABLE, "only the orders dfs and unk are served\n"));
    }
    // What asks for no block twice is content with some twice: the specification leaves it to the server.
    match asked("dag-scope") {
        None | Some("all") => Ok(Format::Car(Scope::All)),
        Some("block") => Ok(Format::Car(Scope::Block)),
        Some("entity") => Ok(Format::Car(Scope::Entity)),
        Some(_) => Err((StatusCode::BAD_REQUEST, "dag-scope is all, block or entity\n")),
    }
}

#[cfg(test)]
mod tests;
