//! Against npm's ipfs-car, a CAR program that is not ours: it opens our files, and we open its.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use offsetdata_content::car::{self, Scope};
use offsetdata_content::{Blocks, ContentError, PublishOptions, Publisher};
use offsetdata_protocol::chunk::ChunkLimits;
use offsetdata_protocol::cid::file_cid;
use offsetdata_protocol::manifest::{Field, FieldKind, Visibility};
use offsetdata_protocol::record::{Record, Value};
use offsetdata_protocol::{Codec, CollectionKey, SeriesId};

/// The program, or none, which is said aloud, where npm's packages are not installed.
fn program(name: &str) -> Option<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let program = root.join("node_modules/.bin/ipfs-car");
    if program.exists() {
        return Some(program);
    }
    // Past libtest, which shows nothing of a test that passes: scripts/tally.py counts it.
    let said = format!("\nskipped: {name}: npm's ipfs-car is not installed: scripts/setup\n");
    std::io::stdout().write_all(said.as_bytes()).unwrap();
    None
}

fn words(program: &Path, arguments: &[&str]) -> Vec<String> {
    let output = Command::new(program).args(arguments).output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().split_whitespace().map(str::to_owned).collect()
}

fn data(length: usize) -> Vec<u8> {
    (0..length).map(|i| (i / 777 % 251) as u8).collect()
}

#[tokio::test]
async fn files_go_both_ways() {
    let Some(program) = program("files_go_both_ways") else { return };
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    for length in [5, (1 << 20) + 1, (3 << 20) + 7] {
        let data = data(length);
        let root = file_cid(&data).to_string();
        let here = Blocks::directory(folder.path().join("here")).unwrap();
        let cid = here.put_file(&data).await.unwrap();
        let file = tokio::fs::File::create(path("ours.car")).await.unwrap();
        car::export(&here, cid, Scope::All, file, &mut |_| {}).await.unwrap();
        assert_eq!(words(&program, &["roots", &path("ours.car")]), [root.as_str()]);
        let _ = std::fs::remove_file(path("out"));
        words(&program, &["unpack", &path("ours.car"), "--output", &path("out")]);
        assert!(std::fs::read(path("out")).unwrap() == data, "{length}");

        std::fs::write(path("file"), &data).unwrap();
        words(&program, &["pack", &path("file"), "--no-wrap", "--output", &path("theirs.car")]);
        let there = Blocks::directory(folder.path().join(format!("there{length}"))).unwrap();
        let file = tokio::fs::File::open(path("theirs.car")).await.unwrap();
        let imported = car::import(&there, file, &mut |_| {}).await.unwrap();
        assert_eq!(imported.root.to_string(), root);
        assert!(there.get_file(&imported.root, length).await.unwrap() == data, "{length}");
    }
    // A folder is neither a file nor a collection.
    words(&program, &["pack", &path("file"), "--output", &path("folder.car")]);
    let there = Blocks::directory(folder.path().join("folder")).unwrap();
    let file = tokio::fs::File::open(path("folder.car")).await.unwrap();
    let refused = car::import(&there, file, &mut |_| {}).await.unwrap_err();
    assert!(matches!(refused, ContentError::Protocol(_)), "{refused}");
    assert!(there.pins().await.unwrap().is_empty());
}

#[tokio::test]
async fn it_lists_every_block_of_a_collection() {
    let Some(program) = program("it_lists_every_block_of_a_collection") else { return };
    let folder = tempfile::tempdir().unwrap();
    let blocks = Blocks::directory(folder.path().join("blocks")).unwrap();
    let options = PublishOptions {
        series: SeriesId([7; 16]),
        key: CollectionKey::from_bytes([9; 32]),
        visibility: Visibility::Private,
        preview_records: 0,
        limits: ChunkLimits { records: 16, ..ChunkLimits::default() },
        codec: Codec::Identity,
        fields: vec![Field::required("n", FieldKind::Integer)],
        licence: "CC0-1.0".into(),
        croissant: "{}".into(),
        quality_report: None,
    };
    let mut publisher = Publisher::new(blocks.clone(), options).unwrap();
    for n in 0..1000u64 {
        publisher.push(Record::from_fields([("n", Value::from(n))]).unwrap().view()).await.unwrap();
    }
    let published = publisher.finish().await.unwrap();
    let path = folder.path().join("collection.car").to_str().unwrap().to_owned();
    let file = tokio::fs::File::create(&path).await.unwrap();
    car::export(&blocks, published.manifest_cid, Scope::All, file, &mut |_| {}).await.unwrap();
    let manifest = published.manifest_cid.to_string();
    assert_eq!(words(&program, &["roots", &path]), [manifest.as_str()]);
    let listed = words(&program, &["blocks", &path]);
    // The manifest, its page, and 63 chunks.
    assert_eq!(listed.len(), 65);
    assert_eq!(listed[0], manifest);
    assert_eq!(listed[1], published.manifest.pages[0].cid.to_string());
}
