//! Against a real Kubo node: the same CIDs, collections published to it and read from it, fallback, CAR files.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod node;

use std::path::Path;

use node::Node;
use offsetdata_content::blocks::{Kubo, KuboAuth};
use offsetdata_content::car::{self, Scope};
use offsetdata_content::collection::OnChain;
use offsetdata_content::{Blocks, Collection, ContentError, PublishOptions, Published, Publisher, gateway};
use offsetdata_protocol::chunk::ChunkLimits;
use offsetdata_protocol::cid::{Cid, DAG_CBOR, FileWriter, Layout, RAW, file_cid};
use offsetdata_protocol::manifest::{Field, FieldKind, Visibility};
use offsetdata_protocol::record::{Record, Value};
use offsetdata_protocol::{Codec, CollectionKey, Digest, SeriesId};

const MIB: usize = 1 << 20;

fn bytes(length: usize) -> Vec<u8> {
    let mut state = length as u64 | 1;
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}

fn options() -> PublishOptions {
    PublishOptions {
        series: SeriesId([7; 16]),
        key: CollectionKey::from_bytes([9; 32]),
        visibility: Visibility::Public,
        preview_records: 0,
        limits: ChunkLimits { records: 64, ..ChunkLimits::default() },
        codec: Codec::Identity,
        fields: vec![Field::required("data", FieldKind::Bytes)],
        licence: "CC0-1.0".into(),
        croissant: "{}".into(),
        quality_report: None,
    }
}

/// Record 100 alone is three blocks of 1 MiB.
fn record(n: u64) -> Record {
    let length = if n == 100 { 3 * MIB } else { 100 + n as usize };
    Record::from_fields([("data", Value::from(bytes(length)))]).unwrap()
}

async fn fill(mut publisher: Publisher, count: u64) -> Published {
    while publisher.len() < count {
        publisher.push(record(publisher.len()).view()).await.unwrap();
    }
    publisher.finish().await.unwrap()
}

async fn publish(blocks: &Blocks, count: u64) -> Published {
    fill(Publisher::new(blocks.clone(), options()).unwrap(), count).await
}

async fn open(blocks: Blocks, published: &Published) -> Result<Collection, ContentError> {
    let on_chain = OnChain {
        manifest_digest: published.manifest_digest,
        content_root: published.content_root(),
        record_count: published.manifest.record_count,
    };
    Collection::open(blocks, on_chain).await
}

fn kubo(node: &Node) -> Kubo {
    Kubo::new(&node.api, None).unwrap()
}

/// Files below a folder whose names are CIDs.
fn blocks_below(folder: &Path) -> usize {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
    let count = |entry: std::fs::DirEntry| match entry.file_type().unwrap().is_dir() {
        true => blocks_below(&entry.path()),
        false => usize::from(entry.file_name().to_string_lossy().starts_with("baf")),
    };
    entries.map(count).sum()
}

#[tokio::test]
async fn files_have_the_cids_that_kubo_gives_them() {
    let Some(node) = Node::start("files_have_the_cids_that_kubo_gives_them", None) else { return };
    let add = |more: &[&str], data: &[u8]| -> Cid {
        let mut arguments = vec!["add", "-Q", "--only-hash"];
        arguments.extend(more);
        node.words(&arguments, data)[0].parse().unwrap()
    };
    let profile = ["--cid-version=1", "--raw-leaves", "--chunker=size-1048576", "--max-file-links=1024"];
    // One block, one level, and more leaves than a node of the profile of 2015 has.
    for length in [0, 5, MIB, MIB + 1, 3 * MIB + 17, 180 * MIB + 1] {
        let data = bytes(length);
        assert_eq!(file_cid(&data), add(&profile, &data), "{length}");
    }
    // Two levels, which take more than 1 GiB in that profile, with smaller leaves, at and around the full nodes.
    for (max_links, leaves) in [(1024, 1024), (1024, 1025), (1024, 2500), (16, 256), (16, 257), (16, 5000)] {
        let data = bytes(leaves * 512 - 3);
        let layout = Layout { block_bytes: 512, max_links, raw_leaves: true };
        let mut writer = FileWriter::with_layout(layout);
        writer.write(&data, &mut |_, _| {});
        let links = format!("--max-file-links={max_links}");
        let theirs = add(&["--cid-version=1", "--raw-leaves", "--chunker=size-512", &links], &data);
        assert_eq!(writer.finish(&mut |_, _| {}).cid, theirs, "{leaves} leaves, {max_links} links");
    }
    let old = bytes(50 * MIB);
    let mut writer = FileWriter::with_layout(Layout::V0_2015);
    writer.write(&old, &mut |_, _| {});
    let theirs = add(&["--cid-version=0", "--chunker=size-262144", "--max-file-links=174"], &old);
    assert_eq!(writer.finish(&mut |_, _| {}).cid, theirs);
}

#[tokio::test]
async fn a_collection_goes_to_the_node_and_is_pinned_by_its_manifest() {
    let Some(node) = Node::start("a_collection_goes_to_the_node_and_is_pinned_by_its_manifest", None) else {
        return;
    };
    let (embedded, journals) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let expected = publish(&Blocks::directory(embedded.path()).unwrap(), 500).await;
    let blocks = Blocks::directory(journals.path()).unwrap().with_kubo(kubo(&node));
    let published = publish(&blocks, 500).await;
    // The same bytes under the same CIDs, at the node alone.
    assert_eq!(published.manifest_cid, expected.manifest_cid);
    assert_eq!(blocks_below(journals.path()), 0);
    let manifest = published.manifest_cid.to_string();
    assert_eq!(node.pinned(), [manifest]);
    assert!(kubo(&node).pins().await.unwrap().contains(&published.manifest_cid));
    // What nobody pinned goes, what the manifest reaches stays.
    let loose = node.words(&["block", "put"], b"nobody wants this")[0].clone();
    node.ipfs(&["repo", "gc", "-q"], b"");
    let local = node.words(&["refs", "local"], b"");
    assert!(!local.contains(&loose));
    let remote = Blocks::remote().with_kubo(kubo(&node));
    let collection = open(remote.clone(), &published).await.unwrap();
    assert_eq!(collection.tree().await.unwrap().root(), expected.content_root());
    let chunk = collection.chunks().iter().find(|chunk| chunk.cid.codec() != RAW).unwrap();
    assert!(chunk.size as usize > 3 * MIB, "a chunk of several blocks was among them");
    // Left to garbage collection it is gone.
    assert!(blocks.unpin(published.manifest_cid).await.unwrap());
    assert!(!blocks.unpin(published.manifest_cid).await.unwrap());
    node.ipfs(&["repo", "gc", "-q"], b"");
    assert!(matches!(open(remote, &published).await, Err(ContentError::NotFound { .. })));
}

#[tokio::test]
async fn single_blocks_and_files_stay_at_the_node() {
    let Some(node) = Node::start("single_blocks_and_files_stay_at_the_node", None) else { return };
    let blocks = Blocks::remote().with_kubo(kubo(&node));
    let raw = blocks.put(RAW, b"points").await.unwrap();
    let cbor = blocks.put(DAG_CBOR, &[0xa0]).await.unwrap();
    let data = bytes(2 * MIB + 5);
    let file = blocks.put_file(&data).await.unwrap();
    // Again, also what a whole pin keeps already.
    blocks.put(RAW, b"points").await.unwrap();
    node.ipfs(&["pin", "add", &raw.to_string()], b"");
    blocks.put(RAW, b"points").await.unwrap();
    node.ipfs(&["repo", "gc", "-q"], b"");
    assert_eq!(blocks.get(&raw, 100).await.unwrap(), b"points");
    assert_eq!(blocks.get(&cbor, 100).await.unwrap(), [0xa0]);
    assert_eq!(blocks.get_file(&file, data.len()).await.unwrap(), data);
    assert_eq!(node.ipfs(&["cat", &file.to_string()], b""), data);
    assert!(blocks.has(&file).await);
    assert!(matches!(blocks.get(&raw, 3).await, Err(ContentError::TooLarge { .. })));
    assert!(!kubo(&node).version().await.unwrap().is_empty());
}

#[tokio::test]
async fn reading_falls_back_from_directory_to_node_to_gateway() {
    let Some(node) = Node::start("reading_falls_back_from_directory_to_node_to_gateway", None) else {
        return;
    };
    let (near, far) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let there = Blocks::directory(far.path()).unwrap();
    let router = gateway::router(there.clone());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    let directory = Blocks::directory(near.path()).unwrap();
    let here = directory.clone().with_kubo(kubo(&node)).with_gateway(&url).unwrap();
    let (one, two, three) = (
        directory.put(RAW, b"in the directory").await.unwrap(),
        Blocks::remote().with_kubo(kubo(&node)).put(RAW, b"at the node").await.unwrap(),
        there.put(RAW, b"behind the gateway").await.unwrap(),
    );
    for (cid, expected) in
        [(one, &b"in the directory"[..]), (two, b"at the node"), (three, b"behind the gateway")]
    {
        assert_eq!(here.get(&cid, 100).await.unwrap(), expected);
    }
    // Kubo's own gateway is a trustless gateway like others.
    let theirs = Blocks::remote().with_gateway(&node.gateway).unwrap();
    assert_eq!(theirs.get(&two, 100).await.unwrap(), b"at the node");
    // A damaged block in the directory is given by the node, whole.
    let both = here.clone().keeping_local();
    let cid = both.put(RAW, b"whole").await.unwrap();
    let place = std::fs::read_dir(near.path().join("kept")).unwrap().map(|entry| entry.unwrap().path());
    let file = place.map(|shard| shard.join(cid.to_string())).find(|file| file.exists()).unwrap();
    std::fs::write(file, b"whale").unwrap();
    assert!(matches!(directory.get(&cid, 100).await, Err(ContentError::Changed { .. })));
    assert_eq!(here.get(&cid, 100).await.unwrap(), b"whole");
    // A node that is gone is said to be, but what others have is given.
    let nobody = Kubo::new("http://127.0.0.1:9", None).unwrap();
    let without = directory.with_kubo(nobody).with_gateway(&url).unwrap();
    assert_eq!(without.get(&three, 100).await.unwrap(), b"behind the gateway");
    assert!(matches!(without.put(RAW, b"x").await, Err(ContentError::Kubo { .. })));
}

#[tokio::test]
async fn a_guarded_node_lets_in_who_knows_the_secret() {
    let name = "a_guarded_node_lets_in_who_knows_the_secret";
    for secret in ["bearer:open-sesame", "basic:ali:open-sesame"] {
        let Some(node) = Node::start(name, Some(secret)) else { return };
        let right: KuboAuth = secret.parse().unwrap();
        let wrong: KuboAuth = secret.replace("open", "shut").parse().unwrap();
        let blocks =
            |auth: Option<&KuboAuth>| Blocks::remote().with_kubo(Kubo::new(&node.api, auth).unwrap());
        blocks(Some(&right)).put(RAW, b"treasure").await.unwrap();
        for auth in [None, Some(&wrong)] {
            let error = blocks(auth).put(RAW, b"treasure").await.unwrap_err();
            assert!(matches!(error, ContentError::Kubo { .. }) && !error.is_retryable(), "{error}");
            let said = format!("{error} {error:?} {auth:?} {:?}", blocks(auth));
            assert!(!said.contains("sesame"), "{said}");
        }
    }
}

#[tokio::test]
async fn the_next_version_brings_what_the_node_lacks_of_the_one_before() {
    let Some(node) = Node::start("the_next_version_brings_what_the_node_lacks_of_the_one_before", None)
    else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let embedded = Blocks::directory(folder.path()).unwrap();
    let old = publish(&embedded, 200).await;
    let older = open(embedded.clone(), &old).await.unwrap();
    let blocks = embedded.with_kubo(kubo(&node));
    let published = fill(Publisher::append(blocks.clone(), options(), &older).unwrap(), 300).await;
    let remote = Blocks::remote().with_kubo(kubo(&node));
    assert_eq!(open(remote.clone(), &published).await.unwrap().tree().await.unwrap().len(), 300);
    // The older one is reached by no pin of its own until it is asked for.
    assert!(matches!(open(remote.clone(), &old).await, Err(ContentError::NotFound { .. })));
    blocks.pin(old.manifest_cid).await.unwrap();
    assert_eq!(open(remote, &old).await.unwrap().tree().await.unwrap().len(), 200);
    assert_eq!(node.pinned().len(), 2);
}

#[tokio::test]
async fn car_files_go_to_the_node_and_come_back() {
    let Some(node) = Node::start("car_files_go_to_the_node_and_come_back", None) else { return };
    let (near, far) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let here = Blocks::directory(near.path()).unwrap();
    let published = publish(&here, 300).await;
    let root = published.manifest_cid;
    let mut file = Vec::new();
    let counted = car::export(&here, root, Scope::All, &mut file, &mut |_| {}).await.unwrap();
    assert!(counted.blocks > 5 && counted.bytes > 3 * MIB as u64, "{counted:?}");
    let said = node.words(&["dag", "import", "--stats"], &file).join(" ");
    assert!(said.contains(&format!("Imported {} blocks", counted.blocks)), "{said}");
    assert!(said.contains(&root.to_string()), "{said}");
    let theirs = node.ipfs(&["dag", "export", &root.to_string()], b"");
    assert!(theirs == file, "Kubo's file has {} bytes, ours {}", theirs.len(), file.len());
    let there = Blocks::directory(far.path()).unwrap();
    let imported = car::import(&there, std::io::Cursor::new(&theirs), &mut |_| {}).await.unwrap();
    assert_eq!((imported.root, imported.counted), (root, counted));
    assert_eq!(imported.manifest, Some(published.manifest.clone()));
    assert_eq!(there.pins().await.unwrap(), [root]);
    assert_eq!(open(there, &published).await.unwrap().tree().await.unwrap().len(), 300);
    // The gateway form: ours and theirs are the same bytes.
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let ours = format!("http://{}", listener.local_addr().unwrap());
    let router = gateway::router(here);
    tokio::spawn(async move { axum::serve(listener, router).await });
    for scope in ["all", "block", "entity"] {
        let ask = async |base: &str| {
            let url = format!("{base}/ipfs/{root}?format=car&dag-scope={scope}&car-dups=y");
            let answer = reqwest::get(url).await.unwrap();
            assert_eq!(answer.status(), 200);
            answer.bytes().await.unwrap()
        };
        assert!(ask(&ours).await == ask(&node.gateway).await, "{scope}");
    }
    // Into a node through our import, too.
    let Some(second) = Node::start("car_files_go_to_the_node_and_come_back", None) else { return };
    let remote = Blocks::remote().with_kubo(kubo(&second));
    assert_eq!(car::import(&remote, std::io::Cursor::new(&file), &mut |_| {}).await.unwrap().root, root);
    assert_eq!(second.pinned(), [root.to_string()]);
    assert_eq!(open(remote, &published).await.unwrap().tree().await.unwrap().len(), 300);
}

#[tokio::test]
async fn a_chunk_that_the_node_lost_is_made_again() {
    let Some(node) = Node::start("a_chunk_that_the_node_lost_is_made_again", None) else { return };
    let folder = tempfile::tempdir().unwrap();
    let blocks = Blocks::directory(folder.path()).unwrap().with_kubo(kubo(&node));
    let source = Digest::of(b"numbers");
    let begin = || Publisher::new(blocks.clone(), options()).unwrap();
    let small = |n: u64| Record::from_fields([("data", Value::from(bytes(200 + n as usize % 7)))]).unwrap();
    let mut publisher = begin().resume(source).await.unwrap();
    for n in 0..8_000 {
        publisher.push(small(n).view()).await.unwrap();
    }
    drop(publisher);
    let mut resumed = begin().resume(source).await;
    // The commit that was under way when the publisher was dropped holds the journal until it ends.
    for _ in 0..100 {
        if resumed.is_ok() {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        resumed = begin().resume(source).await;
    }
    let resumed = resumed.unwrap();
    let noted = resumed.len();
    assert!((3_000..8_000).contains(&noted), "{noted}");
    drop(resumed);
    // Nothing is pinned yet, so a garbage collection of the node's takes it all.
    node.ipfs(&["repo", "gc", "-q"], b"");
    let mut again = begin().resume(source).await.unwrap();
    assert_eq!(again.len(), 0);
    for n in 0..8_000 {
        again.push(small(n).view()).await.unwrap();
    }
    let published = again.finish().await.unwrap();
    let remote = Blocks::remote().with_kubo(kubo(&node));
    assert_eq!(open(remote, &published).await.unwrap().tree().await.unwrap().len(), 8_000);
}
