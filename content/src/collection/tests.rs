//! Writing and reading back, and every way in which a byte can be wrong.

use std::path::{Path, PathBuf};

use futures::StreamExt;
use offsetdata_protocol::chunk::ChunkLimits;
use offsetdata_protocol::manifest::{Field, FieldKind, Visibility};
use offsetdata_protocol::merkle::verify_inclusion;
use offsetdata_protocol::record::{Record, Value};
use offsetdata_protocol::{Codec, CollectionKey, SeriesId};

use super::*;
use crate::{PublishOptions, Published, Publisher};

fn options(records_a_chunk: u32) -> PublishOptions {
    PublishOptions {
        series: SeriesId([7; 16]),
        key: CollectionKey::from_bytes([9; 32]),
        visibility: Visibility::Public,
        preview_records: 0,
        limits: ChunkLimits { records: records_a_chunk, ..ChunkLimits::default() },
        codec: Codec::Identity,
        fields: vec![Field::required("label", FieldKind::Integer), Field::required("text", FieldKind::Text)],
        licence: "CC0-1.0".into(),
        croissant: "{}".into(),
        quality_report: None,
    }
}

fn record(i: u32) -> Record {
    Record::from_fields([
        ("label", Value::from(i64::from(i % 10))),
        ("text", Value::from(format!("record {i}"))),
    ])
    .unwrap()
}

async fn publish(folder: &Path, count: u32, records_a_chunk: u32) -> (Blocks, Published) {
    let blocks = Blocks::directory(folder).unwrap();
    let mut publisher = Publisher::new(blocks.clone(), options(records_a_chunk)).unwrap();
    for i in 0..count {
        publisher.push(record(i).view()).await.unwrap();
    }
    (blocks, publisher.finish().await.unwrap())
}

fn on_chain(published: &Published) -> OnChain {
    OnChain {
        manifest_digest: published.manifest_digest,
        content_root: published.content_root(),
        record_count: published.manifest.record_count,
    }
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
    let shards = entries.filter(|entry| entry.file_name().len() == 2).map(|shard| shard.path());
    shards.flat_map(|shard| std::fs::read_dir(shard).unwrap().map(|file| file.unwrap().path())).collect()
}

#[tokio::test]
async fn what_was_written_is_read_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let (blocks, published) = publish(folder.path(), 1000, 128).await;
    assert_eq!(published.chunks, 8);
    let collection = Collection::open(blocks, on_chain(&published)).await.unwrap();
    let mut next = 0;
    let mut chunks = std::pin::pin!(collection.stream());
    while let Some(chunk) = chunks.next().await {
        for (index, found) in chunk.unwrap().records() {
            assert_eq!(index, next);
            assert_eq!(found.as_bytes(), record(next).as_bytes());
            next += 1;
        }
    }
    assert_eq!(next, 1000);
    assert_eq!(collection.chunk_of(999).unwrap(), 7);
    assert!(matches!(
        collection.chunk_of(1000),
        Err(ContentError::NoSuchRecord { index: 1000, count: 1000 })
    ));
    let tree = collection.tree().await.unwrap();
    let proof = tree.inclusion_proof(500).unwrap();
    verify_inclusion(&collection.manifest().content_root, 1000, 500, &tree.leaf(500).unwrap(), &proof)
        .unwrap();
}

#[tokio::test]
async fn equal_input_gives_equal_bytes() {
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (_, first) = publish(one.path(), 300, 64).await;
    let (_, second) = publish(two.path(), 300, 64).await;
    assert_eq!(first.manifest_digest, second.manifest_digest);
    // Publishing into the same directory again changes no file.
    let before = files(one.path());
    publish(one.path(), 300, 64).await;
    assert_eq!(before.len(), files(one.path()).len());
}

#[tokio::test]
async fn a_flipped_byte_anywhere_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let (blocks, published) = publish(folder.path(), 300, 64).await;
    for file in files(folder.path()) {
        let whole = std::fs::read(&file).unwrap();
        let mut flipped = whole.clone();
        let middle = flipped.len() / 2;
        flipped[middle] ^= 1;
        std::fs::write(&file, &flipped).unwrap();
        let read = async { Collection::open(blocks.clone(), on_chain(&published)).await?.tree().await };
        let error = read.await.unwrap_err();
        assert!(
            matches!(&error, ContentError::Changed { cid, .. } if file.ends_with(cid.to_string())),
            "{file:?}: {error}"
        );
        std::fs::write(&file, &whole).unwrap();
    }
    Collection::open(blocks, on_chain(&published)).await.unwrap().tree().await.unwrap();
}

#[tokio::test]
async fn a_manifest_that_the_chain_does_not_confirm_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let (blocks, published) = publish(folder.path(), 10, 4).await;
    let mut other_root = on_chain(&published);
    other_root.content_root.0[0] ^= 1;
    assert!(Collection::open(blocks.clone(), other_root).await.is_err());
    let mut other_count = on_chain(&published);
    other_count.record_count = RecordCount::new(9).unwrap();
    assert!(Collection::open(blocks, other_count).await.is_err());
}

#[tokio::test]
async fn records_must_fit_the_schema_and_there_must_be_some() {
    let folder = tempfile::tempdir().unwrap();
    let blocks = Blocks::directory(folder.path()).unwrap();
    let mut publisher = Publisher::new(blocks.clone(), options(4)).unwrap();
    let stranger = Record::from_fields([("label", Value::from("seven"))]).unwrap();
    assert!(publisher.push(stranger.view()).await.is_err());
    assert!(publisher.is_empty());
    let error = publisher.finish().await.unwrap_err();
    assert!(matches!(error, ContentError::Protocol(ProtocolError::OutOfRange { actual: 0, .. })), "{error}");
}
