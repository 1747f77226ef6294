//! Serves blocks as a trustless gateway: `GET` and `HEAD` of `/ipfs/{cid}?format=raw`. It serves raw blocks only, no
//! file and no directory listing, and it fetches nothing on behalf of others.

use axum::Router;
use axum::extract::{Path, Query, State};
use axum::http::header::{
    ACCEPT, CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_TYPE, ETAG, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use offsetdata_protocol::cid::{Cid, parts};

use crate::blocks::MAX_BLOCK_BYTES;
use crate::{Blocks, ContentError};

const RAW_TYPE: &str = "application/vnd.ipld.raw";

#[derive(Debug, Default)]
struct Format(Option<String>);

/// The routes, over blocks that are here.
pub fn router(blocks: Blocks) -> Router {
    Router::new().route("/ipfs/{cid}", get(block)).with_state(blocks)
}

async fn block(
    State(blocks): State<Blocks>,
    Path(cid): Path<String>,
    Query(query): Query<Vec<(String, String)>>,
    headers: HeaderMap,
) -> Response {
    let Format(format) = format_of(&query, &headers);
    if format.as_deref() != Some("raw") {
        let said = "only raw blocks are served: ask with ?format=raw or Accept: application/vnd.ipld.raw\n";
        return (StatusCode::NOT_ACCEPTABLE, said).into_response();
    }
    let parsed = cid.parse::<Cid>().map_err(|e| e.to_string());
    let cid = match parsed.and_then(|cid| parts(&cid).map(|_| cid).map_err(|e| e.to_string())) {
        Ok(cid) => cid,
        Err(reason) => {
            return (StatusCode::BAD_REQUEST, format!("not a CID that is served here: {reason}\n"))
                .into_response();
        }
    };
    match blocks.get(&cid, MAX_BLOCK_BYTES).await {
        Ok(bytes) => {
            let head = [
                (CONTENT_TYPE, RAW_TYPE.to_owned()),
                (CONTENT_DISPOSITION, format!("attachment; filename=\"{cid}.bin\"")),
                (CACHE_CONTROL, "public, max-age=29030400, immutable".to_owned()),
                (ETAG, format!("\"{cid}.raw\"")),
                (X_CONTENT_TYPE_OPTIONS, "nosniff".to_owned()),
            ];
            (head, bytes).into_response()
        }
        Err(ContentError::NotFound { .. }) => {
            (StatusCode::NOT_FOUND, "this block is not here\n").into_response()
        }
        Err(error) => {
            tracing::error!(%cid, %error, "a block could not be given");
            (
                StatusCode::BAD_GATEWAY,
                "this block could not be read; it is kept from you because it is damaged\n",
            )
                .into_response()
        }
    }
}

fn format_of(query: &[(String, String)], headers: &HeaderMap) -> Format {
    if let Some((_, format)) = query.iter().find(|(name, _)| name == "format") {
        return Format(Some(format.clone()));
    }
    let accepts = headers.get(ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    Format(accepts.contains(RAW_TYPE).then(|| "raw".to_owned()))
}
