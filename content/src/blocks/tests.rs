//! Files of all sizes, damaged blocks, and a gateway over HTTP.

use offsetdata_protocol::cid::file_cid;

use super::*;

#[tokio::test]
async fn files_of_all_sizes_come_back() {
    let folder = tempfile::tempdir().unwrap();
    let blocks = Blocks::directory(folder.path()).unwrap();
    for length in [0usize, 1, 1 << 20, (1 << 20) + 1, (3 << 20) + 17] {
        let bytes: Vec<u8> = (0..length).map(|i| (i % 251) as u8).collect();
        let cid = blocks.put_file(&bytes).await.unwrap();
        assert_eq!(cid, file_cid(&bytes));
        assert_eq!(blocks.get_file(&cid, length).await.unwrap(), bytes);
        if length > 0 {
            assert!(matches!(blocks.get_file(&cid, length - 1).await, Err(ContentError::TooLarge { .. })));
        }
    }
}

#[tokio::test]
async fn a_damaged_block_is_refused_and_put_again_mends_it() {
    let folder = tempfile::tempdir().unwrap();
    let blocks = Blocks::directory(folder.path()).unwrap();
    let cid = blocks.put(RAW, b"whole").await.unwrap();
    let shard = std::fs::read_dir(folder.path()).unwrap().next().unwrap().unwrap().path();
    let file = std::fs::read_dir(shard).unwrap().next().unwrap().unwrap().path();
    std::fs::write(&file, b"whale").unwrap();
    assert!(matches!(blocks.get(&cid, 10).await, Err(ContentError::Protocol(_))));
    blocks.put(RAW, b"whole").await.unwrap();
    assert_eq!(blocks.get(&cid, 10).await.unwrap(), b"whole");
}

#[tokio::test]
async fn a_block_over_the_limit_is_not_stored() {
    let folder = tempfile::tempdir().unwrap();
    let blocks = Blocks::directory(folder.path()).unwrap();
    assert!(matches!(
        blocks.put(RAW, &vec![0; MAX_BLOCK_BYTES + 1]).await,
        Err(ContentError::TooLarge { .. })
    ));
    assert!(matches!(Blocks::remote().put(RAW, b"x").await, Err(ContentError::ReadOnly)));
}

async fn serve(router: axum::Router) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    url
}

#[tokio::test]
async fn blocks_come_through_a_gateway_and_stay() {
    let (near, far) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let there = Blocks::directory(far.path()).unwrap();
    let bytes = vec![5u8; (2 << 20) + 1];
    let cid = there.put_file(&bytes).await.unwrap();
    let url = serve(crate::gateway::router(there)).await;
    let here = Blocks::directory(near.path()).unwrap().with_gateway(&url).unwrap();
    assert_eq!(here.get_file(&cid, bytes.len()).await.unwrap(), bytes);
    assert!(here.has(&cid).await);
    let nowhere = block_cid(RAW, Digest::of(b"nowhere"));
    assert!(matches!(here.get(&nowhere, 10).await, Err(ContentError::NotFound { .. })));
}

#[tokio::test]
async fn a_lying_gateway_gives_nothing() {
    let lie = axum::Router::new().fallback(|| async { "something else" });
    let url = serve(lie).await;
    let blocks = Blocks::remote().with_gateway(&url).unwrap();
    let cid = block_cid(RAW, Digest::of(b"the truth"));
    assert!(matches!(blocks.get(&cid, 1000).await, Err(ContentError::Protocol(_))));
    assert!(matches!(blocks.get(&cid, 3).await, Err(ContentError::TooLarge { .. })));
}

#[tokio::test]
async fn what_a_gateway_is_asked_wrongly_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let url = serve(crate::gateway::router(Blocks::directory(folder.path()).unwrap())).await;
    for (path, status) in [
        ("/ipfs/not-a-cid?format=raw", 400),
        ("/ipfs/..%2F..%2Fetc%2Fpasswd?format=raw", 400),
        ("/ipfs/QmYwAPJzv5CZsnA625s3Xf2nemtYgPpHdWEz79ojWnPbdG?format=raw", 400),
        ("/ipfs/bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy?format=raw", 404),
        ("/ipfs/bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy", 406),
    ] {
        assert_eq!(reqwest::get(format!("{url}{path}")).await.unwrap().status(), status, "{path}");
    }
}
