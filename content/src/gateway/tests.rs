//! What the gateway form answers over HTTP: blocks, CAR files whole and cut off, and refusals.

use offsetdata_protocol::cid::FileNode;
use reqwest::header::{ACCEPT, CONTENT_TYPE, ETAG, IF_NONE_MATCH};

use super::*;

async fn serve(blocks: Blocks) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/ipfs", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router(blocks)).await });
    url
}

/// A store with a file of four blocks: a node and three leaves.
async fn stored() -> (tempfile::TempDir, Blocks, Cid, Vec<u8>) {
    let folder = tempfile::tempdir().unwrap();
    let blocks = Blocks::directory(folder.path()).unwrap();
    let data: Vec<u8> = (0..(2 << 20) + 99).map(|i: u32| (i / 5000) as u8).collect();
    let cid = blocks.put_file(&data).await.unwrap();
    (folder, blocks, cid, data)
}

#[tokio::test]
async fn a_car_file_is_what_is_exported_and_is_imported_again() {
    let (_folder, blocks, cid, data) = stored().await;
    let mut expected = Vec::new();
    car::export(&blocks, cid, Scope::All, &mut expected, &mut |_| {}).await.unwrap();
    let url = serve(blocks).await;
    let client = reqwest::Client::new();
    let by_query = client.get(format!("{url}/{cid}?format=car")).send().await.unwrap();
    assert_eq!(by_query.headers()[CONTENT_TYPE], CAR_ANSWER);
    let etag = by_query.headers()[ETAG].clone();
    assert!(by_query.bytes().await.unwrap() == expected);
    for accept in [
        CAR_TYPE,
        "application/vnd.ipld.car; version=1; order=dfs; dups=n",
        "text/html, application/vnd.ipld.car;order=unk",
    ] {
        let by_header = client.get(format!("{url}/{cid}")).header(ACCEPT, accept).send().await.unwrap();
        assert_eq!(by_header.status(), 200, "{accept}");
        assert!(by_header.bytes().await.unwrap() == expected, "{accept}");
    }
    let head = client.head(format!("{url}/{cid}?format=car")).send().await.unwrap();
    assert_eq!((head.status(), &head.headers()[ETAG]), (StatusCode::OK, &etag));
    let known =
        client.get(format!("{url}/{cid}?format=car")).header(IF_NONE_MATCH, etag).send().await.unwrap();
    assert_eq!(known.status(), 304);
    let folder = tempfile::tempdir().unwrap();
    let there = Blocks::directory(folder.path()).unwrap();
    car::import(&there, std::io::Cursor::new(&expected), &mut |_| {}).await.unwrap();
    assert!(there.get_file(&cid, data.len()).await.unwrap() == data);
}

#[tokio::test]
async fn scopes_and_refusals() {
    let (_folder, blocks, cid, _) = stored().await;
    let url = serve(blocks).await;
    let size = async |query: &str| {
        let answer = reqwest::get(format!("{url}/{cid}?{query}")).await.unwrap();
        assert_eq!(answer.status(), 200, "{query}");
        answer.bytes().await.unwrap().len()
    };
    assert!(size("format=car&dag-scope=block").await < 1000);
    assert_eq!(size("format=car&dag-scope=entity").await, size("format=car&dag-scope=all").await);
    for (query, status) in [
        ("format=car&dag-scope=half", 400),
        ("format=car&car-version=2", 406),
        ("format=car&car-order=sorted", 406),
        ("format=tar", 406),
        ("", 406),
    ] {
        assert_eq!(reqwest::get(format!("{url}/{cid}?{query}")).await.unwrap().status(), status, "{query}");
    }
    let absent = "bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy";
    assert_eq!(reqwest::get(format!("{url}/{absent}?format=car")).await.unwrap().status(), 404);
    assert_eq!(reqwest::get(format!("{url}/nothing?format=car")).await.unwrap().status(), 400);
}

#[tokio::test]
async fn what_is_not_whole_breaks_off_and_is_not_taken_for_the_whole() {
    let (folder, blocks, cid, _) = stored().await;
    let node = FileNode::decode(&blocks.get(&cid, MAX_BLOCK_BYTES).await.unwrap()).unwrap();
    let lost = node.links[2].cid.to_string();
    let shard = folder.path().join("kept").join(&lost[lost.len() - 2..]);
    std::fs::remove_file(shard.join(&lost)).unwrap();
    let url = serve(blocks).await;
    let answer = reqwest::get(format!("{url}/{cid}?format=car")).await.unwrap();
    assert_eq!(answer.status(), 200);
    answer.bytes().await.unwrap_err();
}

#[tokio::test]
async fn so_many_car_files_at_one_time_and_no_more() {
    let (_folder, blocks, _, _) = stored().await;
    // Readers that take nothing: the file is longer than all that buffers on the way hold.
    let cid = blocks.put_file(&vec![5; 32 << 20]).await.unwrap();
    let url = serve(blocks).await;
    let mut open = Vec::new();
    for _ in 0..MAX_CARS {
        open.push(reqwest::get(format!("{url}/{cid}?format=car")).await.unwrap());
    }
    let refused = reqwest::get(format!("{url}/{cid}?format=car")).await.unwrap();
    assert_eq!(refused.status(), 503);
    assert!(refused.headers().contains_key(RETRY_AFTER));
    assert_eq!(reqwest::get(format!("{url}/{cid}?format=raw")).await.unwrap().status(), 200);
    // Who goes away makes room.
    drop(open);
    for attempt in 0.. {
        if reqwest::get(format!("{url}/{cid}?format=car")).await.unwrap().status() == 200 {
            break;
        }
        assert!(attempt < 100, "there is no room");
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
}
