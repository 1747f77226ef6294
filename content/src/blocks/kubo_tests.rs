//! What a node that lies, babbles or refuses is answered with. No Kubo is needed: each answer is one that it would not give.

use axum::Router;
use axum::body::Body;
use axum::http::StatusCode;
use axum::routing::post;

use super::*;

async fn serve(router: Router) -> Blocks {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    Blocks::remote().with_kubo(Kubo::new(&url, None).unwrap())
}

fn cid_of(bytes: &[u8]) -> Cid {
    block_cid(RAW, Digest::of(bytes))
}

fn stored(cid: Cid, size: usize) -> String {
    format!("{{\"Key\":\"{cid}\",\"Size\":{size}}}\n")
}

/// The error of storing the block `truth`.
async fn error(put: impl Into<String>, got: &'static str) -> ContentError {
    let put = put.into();
    let router = Router::new()
        .route("/api/v0/block/put", post(|| async move { put }))
        .route("/api/v0/block/get", post(move || async move { got }));
    serve(router).await.put(RAW, b"truth").await.unwrap_err()
}

#[tokio::test]
async fn what_a_node_says_that_it_stored_is_held_against_what_it_gives() {
    let right = stored(cid_of(b"truth"), 5);
    for (put, got, part) in [
        (stored(cid_of(b"lie"), 5), "truth", "says that it stored"),
        (stored(cid_of(b"truth"), 4), "truth", "says that it stored"),
        (right.clone(), "a lie", "gives other bytes"),
        (right.clone(), "", "gives other bytes"),
        ("<html>".to_owned(), "truth", "not Kubo's"),
        (String::new(), "truth", "not Kubo's"),
        ("x".repeat(100_000), "truth", "longer answer"),
    ] {
        let error = error(put, got).await;
        assert!(matches!(error, ContentError::Kubo { .. }), "{error}");
        assert!(error.to_string().contains(part), "{error}");
    }
    // It takes the block and pins it without saying so.
    let error = error(right, "truth").await;
    assert!(matches!(error, ContentError::Kubo { .. }), "{error}");
}

#[tokio::test]
async fn false_and_endless_blocks_are_not_taken() {
    let endless = || async {
        let parts = futures::stream::repeat_with(|| Ok::<_, std::io::Error>(vec![7u8; 1 << 16]));
        Body::from_stream(parts)
    };
    let blocks = serve(Router::new().route("/api/v0/block/get", post(endless))).await;
    let cid = cid_of(b"truth");
    assert!(matches!(blocks.get(&cid, MAX_BLOCK_BYTES).await, Err(ContentError::TooLarge { .. })));
    let blocks = serve(Router::new().route("/api/v0/block/get", post(|| async { "a lie" }))).await;
    assert!(matches!(blocks.get(&cid, 10).await, Err(ContentError::Changed { .. })));
}

#[tokio::test]
async fn refusals_are_said_in_the_nodes_words_but_short() {
    let long = format!("{{\"Message\":\"no\\nroom {}\",\"Code\":0,\"Type\":\"error\"}}", "x".repeat(10_000));
    let full = Router::new()
        .route("/api/v0/block/put", post(|| async move { (StatusCode::INTERNAL_SERVER_ERROR, long) }));
    let error = serve(full).await.put(RAW, b"truth").await.unwrap_err();
    let said = error.to_string();
    assert!(said.contains("no room xxx") && said.len() < 500, "{said}");
    let absent = || async {
        let said = "{\"Message\":\"block was not found locally (offline): ipld: could not find x\",\"Code\":0,\"Type\":\"error\"}";
        (StatusCode::INTERNAL_SERVER_ERROR, said)
    };
    let router =
        Router::new().route("/api/v0/block/get", post(absent)).route("/api/v0/block/stat", post(absent));
    let blocks = serve(router).await;
    assert!(matches!(blocks.get(&cid_of(b"truth"), 10).await, Err(ContentError::NotFound { .. })));
    assert!(!blocks.has(&cid_of(b"truth")).await);
}

#[test]
fn a_url_is_plain_http_and_a_secret_is_not_in_it() {
    for url in
        ["http://127.0.0.1:5001", "http://127.0.0.1:5001/", "http://node:5001/api/v0", "http://[::1]:5001"]
    {
        Kubo::new(url, None).unwrap();
    }
    for url in [
        "",
        "127.0.0.1:5001",
        "https://node:5001",
        "ftp://node",
        "http://node/ipfs",
        "http://me:secret@node:5001",
        "http://",
    ] {
        let error = Kubo::new(url, None).unwrap_err();
        assert!(!error.is_retryable() && !error.to_string().contains("secret"), "{error}");
    }
    for auth in ["", "token", "bearer:", "basic:user", "digest:x", "bearer:two\nlines", "bearer:two words"] {
        auth.parse::<KuboAuth>().unwrap_err();
    }
    for auth in ["bearer:abc", "basic:user:pass:word"] {
        assert_eq!(auth.parse::<KuboAuth>().unwrap().reveal(), auth);
    }
}
