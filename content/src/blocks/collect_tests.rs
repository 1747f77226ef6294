//! What garbage collection takes, and what it must not.

use std::time::{Duration, SystemTime};

use offsetdata_protocol::chunk::ChunkLimits;
use offsetdata_protocol::cid::{Cid, RAW};
use offsetdata_protocol::manifest::{Field, FieldKind, Manifest, Visibility};
use offsetdata_protocol::record::{Record, Value};
use offsetdata_protocol::{Codec, CollectionKey, Digest, SeriesId};

use crate::{Blocks, Collection, ContentError, PublishOptions, Published, Publisher};

const HOUR: Duration = Duration::from_secs(3600);

fn options(series: u8, records: u32) -> PublishOptions {
    PublishOptions {
        series: SeriesId([series; 16]),
        key: CollectionKey::from_bytes([series; 32]),
        visibility: Visibility::Public,
        preview_records: 0,
        limits: ChunkLimits { records, ..ChunkLimits::default() },
        codec: Codec::Identity,
        fields: vec![Field::required("n", FieldKind::Bytes)],
        licence: "CC0-1.0".into(),
        croissant: "{}".into(),
        quality_report: None,
    }
}

async fn publish(blocks: &Blocks, series: u8, count: usize, bytes: usize) -> Published {
    let mut publisher = Publisher::new(blocks.clone(), options(series, 10)).unwrap();
    for n in 0..count {
        let value = Value::from(vec![u8::try_from(n % 251).unwrap(); bytes]);
        publisher.push(Record::from_fields([("n", value)]).unwrap().view()).await.unwrap();
    }
    publisher.finish().await.unwrap()
}

async fn holds(blocks: &Blocks, published: &Published) -> bool {
    let on_chain = crate::collection::OnChain {
        manifest_digest: published.manifest_digest,
        content_root: published.content_root(),
        record_count: published.manifest.record_count,
    };
    let Ok(collection) = Collection::open(blocks.clone(), on_chain).await else { return false };
    collection.tree().await.is_ok()
}

#[tokio::test]
async fn what_no_pin_reaches_goes_and_the_rest_stays() {
    let folder = tempfile::tempdir().unwrap();
    let blocks = Blocks::directory(folder.path()).unwrap();
    let kept = publish(&blocks, 1, 35, 100).await;
    // A record longer than a block makes a chunk that is a tree of blocks.
    let large = publish(&blocks, 2, 2, 3 << 20).await;
    let gone = publish(&blocks, 3, 35, 100).await;
    let fact = blocks.put(RAW, b"points of a training").await.unwrap();
    assert_eq!(blocks.pins().await.unwrap().len(), 3);
    assert!(blocks.unpin(gone.manifest_cid).await.unwrap());
    assert!(!blocks.unpin(gone.manifest_cid).await.unwrap());

    let later = SystemTime::now() + 2 * HOUR;
    let dry = blocks.collect(HOUR, later, true).await.unwrap();
    assert!(holds(&blocks, &gone).await, "a dry run deletes nothing");
    let done = blocks.collect(HOUR, later, false).await.unwrap();
    assert_eq!(dry, done);
    // Four chunks, a page and a manifest.
    assert_eq!((done.pins, done.deleted, done.young), (2, 6, 0));
    assert!(holds(&blocks, &kept).await && holds(&blocks, &large).await);
    assert!(!holds(&blocks, &gone).await);
    assert_eq!(blocks.get(&fact, 100).await.unwrap(), b"points of a training");
    let again = blocks.collect(HOUR, later, false).await.unwrap();
    assert_eq!((again.deleted, again.reached), (0, done.reached));
}

#[tokio::test]
async fn what_is_young_or_was_just_wanted_again_stays() {
    let folder = tempfile::tempdir().unwrap();
    let blocks = Blocks::directory(folder.path()).unwrap();
    let first = publish(&blocks, 1, 35, 100).await;
    blocks.unpin(first.manifest_cid).await.unwrap();
    let now = SystemTime::now();
    assert_eq!(blocks.collect(HOUR, now, false).await.unwrap().young, 6);
    for shard in std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap()) {
        if shard.file_name().len() == 2 {
            for block in std::fs::read_dir(shard.path()).unwrap() {
                let file = std::fs::File::open(block.unwrap().path()).unwrap();
                file.set_modified(now - 2 * HOUR).unwrap();
            }
        }
    }
    // Publishing the same again finds the old blocks, and makes them young.
    let again = publish(&blocks, 1, 35, 100).await;
    blocks.unpin(again.manifest_cid).await.unwrap();
    let found = blocks.collect(HOUR, now, false).await.unwrap();
    assert_eq!((found.young, found.deleted), (6, 0));
}

#[tokio::test]
async fn chunks_of_a_publishing_that_is_not_finished_stay() {
    let folder = tempfile::tempdir().unwrap();
    let blocks = Blocks::directory(folder.path()).unwrap();
    let source = Digest::of(b"source");
    let begin = || Publisher::new(blocks.clone(), options(1, 2));
    let mut publisher = begin().unwrap().resume(source).await.unwrap();
    for n in 0..400u32 {
        let record = Record::from_fields([("n", Value::from(n.to_be_bytes().to_vec()))]).unwrap();
        publisher.push(record.view()).await.unwrap();
    }
    drop(publisher);
    let later = SystemTime::now() + 2 * HOUR;
    blocks.collect(HOUR, later, false).await.unwrap();
    let resumed = loop {
        // A thread that was bringing blocks to disk may still hold the journal.
        match begin().unwrap().resume(source).await {
            Ok(resumed) => break resumed,
            Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
        }
    };
    assert!(resumed.len() >= 90, "{} records are still there", resumed.len());
}

#[tokio::test]
async fn nothing_is_deleted_where_it_is_unknown_what_a_pin_reaches() {
    let folder = tempfile::tempdir().unwrap();
    let blocks = Blocks::directory(folder.path()).unwrap();
    let loose = publish(&blocks, 1, 35, 100).await;
    blocks.unpin(loose.manifest_cid).await.unwrap();
    let elsewhere: Cid = Manifest::cid(Digest::of(b"elsewhere"));
    blocks.pin(elsewhere).await.unwrap();
    let later = SystemTime::now() + 2 * HOUR;
    let refused = blocks.collect(HOUR, later, false).await;
    assert!(matches!(refused, Err(ContentError::NotFound { cid }) if cid == elsewhere));
    assert!(holds(&blocks, &loose).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_writer_in_parallel_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let blocks = Blocks::directory(folder.path()).unwrap();
    let collector = {
        let blocks = Blocks::directory(folder.path()).unwrap();
        tokio::spawn(async move {
            loop {
                // A manifest whose pages are being written is not pinned yet, so what a pin reaches is always there.
                blocks.collect(HOUR, SystemTime::now(), false).await.unwrap();
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        })
    };
    for series in 1..8 {
        let published = publish(&blocks, series, 55, 300).await;
        assert!(holds(&blocks, &published).await);
    }
    assert!(!collector.is_finished());
    collector.abort();
}
