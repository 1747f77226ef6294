//! One call of one endpoint: bounded in time and size, without a word of the address in its errors.

use std::time::Duration;

use alloy::transports::{TransportError, TransportErrorKind};
use alloy_json_rpc::{RequestPacket, ResponsePacket};
use reqwest::header::CONTENT_TYPE;
use reqwest::{Client, Response, StatusCode, Url};

/// Longest answer, in bytes. A range of logs that is longer is asked for in parts.
pub(crate) const MAX_ANSWER: usize = 64 << 20;

/// Sends a body, reads the answer.
pub(crate) async fn post(
    client: &Client,
    url: &Url,
    body: Vec<u8>,
    limit: Duration,
) -> Result<ResponsePacket, TransportError> {
    match tokio::time::timeout(limit, exchange(client, url, body)).await {
        Ok(answer) => answer,
        Err(_) => Err(TransportErrorKind::custom_str(&format!("no answer within {limit:?}"))),
    }
}

async fn exchange(client: &Client, url: &Url, body: Vec<u8>) -> Result<ResponsePacket, TransportError> {
    let request = client.post(url.clone()).header(CONTENT_TYPE, "application/json").body(body);
    let response = request.send().await.map_err(unreachable)?;
    let status = response.status();
    let bytes = read(response).await?;
    let packet = serde_json::from_slice::<ResponsePacket>(&bytes);
    if !status.is_success() {
        // Some nodes put their errors under a status of their own; those are answers.
        return match packet {
            Ok(packet) if packet.is_error() && is_an_answer(status) => Ok(packet),
            _ => Err(TransportErrorKind::http_error(status.as_u16(), String::new())),
        };
    }
    packet.map_err(|error| {
        TransportErrorKind::custom_str(&format!(
            "the answer is not of JSON-RPC ({} bytes): {error}",
            bytes.len()
        ))
    })
}

fn is_an_answer(status: StatusCode) -> bool {
    status.is_client_error() && status != StatusCode::TOO_MANY_REQUESTS
}

async fn read(mut response: Response) -> Result<Vec<u8>, TransportError> {
    let too_large = || TransportErrorKind::http_error(StatusCode::PAYLOAD_TOO_LARGE.as_u16(), String::new());
    if response.content_length().is_some_and(|length| length > MAX_ANSWER as u64) {
        return Err(too_large());
    }
    let mut bytes = Vec::new();
    while let Some(part) = response.chunk().await.map_err(unreachable)? {
        if bytes.len() + part.len() > MAX_ANSWER {
            return Err(too_large());
        }
        bytes.extend_from_slice(&part);
    }
    Ok(bytes)
}

// The address may carry a key of the provider.
fn unreachable(error: reqwest::Error) -> TransportError {
    let what = if error.is_connect() { "the node can't be reached" } else { "the node broke off" };
    TransportErrorKind::custom_str(what)
}

/// Whether an answer has the ids of its request.
pub(crate) fn fits(request: &RequestPacket, answer: &ResponsePacket) -> bool {
    match (request, answer) {
        (RequestPacket::Single(request), ResponsePacket::Single(answer)) => *request.id() == answer.id,
        (RequestPacket::Batch(requests), ResponsePacket::Batch(answers)) => requests.len() == answers.len(),
        _ => false,
    }
}

/// Whether an error says that this endpoint can't serve now, rather than that the call is wrong.
pub(crate) fn is_busy(answer: &ResponsePacket) -> bool {
    answer.as_error().is_some_and(|error| {
        let text = error.message.to_ascii_lowercase();
        error.code == 429
            || ["rate limit", "too many requests", "header not found", "request limit", "missing trie node"]
                .iter()
                .any(|words| text.contains(words))
    })
}
