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
    std::fs::write(blocks.writable().unwrap().place(&cid, Keep::Always), b"whale").unwrap();
    let actual = Digest::of(b"whale");
    assert!(
        matches!(blocks.get(&cid, 10).await, Err(ContentError::Changed { actual: a, .. }) if *a == actual)
    );
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
    assert!(matches!(blocks.get(&cid, 1000).await, Err(ContentError::Changed { .. })));
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

fn temporary(folder: &Path) -> usize {
    std::fs::read_dir(folder.join("tmp")).unwrap().count()
}

#[tokio::test]
async fn leftovers_of_the_dead_are_swept_and_work_of_the_living_stays() {
    let folder = tempfile::tempdir().unwrap();
    let blocks = Blocks::directory(folder.path()).unwrap();
    let staged =
        blocks.writable().unwrap().stage(&block_cid(RAW, Digest::of(b"x")), b"x", Keep::Always).unwrap();
    // What a process that was killed leaves: a folder with a lock that nobody holds, and half a block.
    let dead = folder.path().join("tmp/wdead");
    std::fs::create_dir(&dead).unwrap();
    std::fs::write(dead.join("lock"), b"").unwrap();
    std::fs::write(dead.join(".tmp123"), b"half").unwrap();
    assert_eq!(temporary(folder.path()), 2);
    let second = Blocks::directory(folder.path()).unwrap();
    assert!(!dead.exists());
    assert_eq!(temporary(folder.path()), 1);
    directory::commit(blocks.writable().unwrap(), vec![staged]).unwrap();
    assert_eq!(second.get_raw(Digest::of(b"x"), 10).await.unwrap(), b"x");
    drop(blocks);
    assert_eq!(temporary(folder.path()), 0);
}

#[test]
fn a_full_disk_is_named() {
    let full = std::io::Error::from(std::io::ErrorKind::StorageFull);
    let error = directory::failed("writing", Path::new("/blocks/x"), full);
    assert!(matches!(error, ContentError::DiskFull { .. }) && error.is_retryable(), "{error}");
}

#[tokio::test]
async fn a_damaged_block_is_mended_by_a_gateway() {
    let (near, far) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let there = Blocks::directory(far.path()).unwrap();
    let cid = there.put(RAW, b"whole").await.unwrap();
    let url = serve(crate::gateway::router(there)).await;
    let here = Blocks::directory(near.path()).unwrap();
    here.put_reached(RAW, b"whole").await.unwrap();
    let place = here.writable().unwrap().place(&cid, Keep::WhileReached);
    std::fs::write(&place, b"whale").unwrap();
    assert!(here.get(&cid, 10).await.is_err());
    let here = here.with_gateway(&url).unwrap();
    assert_eq!(here.get(&cid, 10).await.unwrap(), b"whole");
    assert_eq!(std::fs::read(place).unwrap(), b"whole");
}

#[tokio::test]
async fn the_directory_of_another_is_left_as_it_is() {
    let (mine, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let cid = Blocks::directory(other.path()).unwrap().put(RAW, b"theirs").await.unwrap();
    let before = std::fs::read_dir(other.path()).unwrap().count();
    let reading = Blocks::remote().with_directory(other.path()).unwrap();
    assert_eq!(reading.get(&cid, 10).await.unwrap(), b"theirs");
    assert!(matches!(reading.put(RAW, b"mine").await, Err(ContentError::ReadOnly)));
    assert_eq!(std::fs::read_dir(other.path()).unwrap().count(), before);
    assert!(Blocks::remote().with_directory(mine.path().join("nowhere")).is_err());
}
