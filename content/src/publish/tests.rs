//! Private collections, previews, publishing that is taken up again, and next versions.

use std::collections::BTreeMap;
use std::path::Path;

use futures::{StreamExt, TryStreamExt};
use offsetdata_protocol::chunk::ChunkLimits;
use offsetdata_protocol::manifest::{Field, FieldKind};
use offsetdata_protocol::merkle::{verify_consistency, verify_inclusion};
use offsetdata_protocol::record::{Record, Value};
use offsetdata_protocol::{ChunkSecret, Codec, CollectionKey, SeriesId};

use super::*;
use crate::Keys;
use crate::collection::OnChain;

const KEY: [u8; 32] = [9; 32];

fn options(preview_records: u32) -> PublishOptions {
    PublishOptions {
        series: SeriesId([7; 16]),
        key: CollectionKey::from_bytes(KEY),
        visibility: Visibility::Private,
        preview_records,
        limits: ChunkLimits { records: 64, ..ChunkLimits::default() },
        codec: Codec::Identity,
        fields: vec![Field::required("n", FieldKind::Integer)],
        licence: "CC0-1.0".into(),
        croissant: "{}".into(),
        quality_report: None,
    }
}

fn record(n: u64) -> Record {
    Record::from_fields([("n", Value::from(n))]).unwrap()
}

fn on_chain(published: &Published) -> OnChain {
    OnChain {
        manifest_digest: published.manifest_digest,
        content_root: published.content_root(),
        record_count: published.manifest.record_count,
    }
}

async fn fill(mut publisher: Publisher, count: u64) -> Published {
    while publisher.len() < count {
        publisher.push(record(publisher.len()).view()).await.unwrap();
    }
    publisher.finish().await.unwrap()
}

async fn publish(folder: &Path, preview: u32, count: u64) -> (Published, Collection) {
    let blocks = Blocks::directory(folder).unwrap();
    let published = fill(Publisher::new(blocks.clone(), options(preview)).unwrap(), count).await;
    let collection = Collection::open(blocks, on_chain(&published)).await.unwrap();
    (published, collection)
}

async fn numbers(collection: &Collection) -> Result<Vec<u64>, ContentError> {
    let mut numbers = Vec::new();
    let mut chunks = std::pin::pin!(collection.stream());
    while let Some(chunk) = chunks.try_next().await? {
        for (index, found) in chunk.records() {
            assert_eq!(found.as_bytes(), record(index.into()).as_bytes());
            numbers.push(index.into());
        }
    }
    Ok(numbers)
}

#[tokio::test]
async fn a_private_collection_opens_by_its_key_and_by_given_secrets_only() {
    let folder = tempfile::tempdir().unwrap();
    let (_, collection) = publish(folder.path(), 0, 200).await;
    assert!(matches!(collection.open_chunk(0).await, Err(ContentError::NoKey { ordinal: 0 })));
    let key = CollectionKey::from_bytes(KEY);
    collection.verify_key(&key).unwrap();
    let owner = collection.clone().with_keys(Keys::Collection(key.clone()));
    assert_eq!(numbers(&owner).await.unwrap(), (0..200).collect::<Vec<_>>());
    let secrets: BTreeMap<u32, ChunkSecret> = [(2, owner.secret(2).unwrap())].into();
    let given = collection.clone().with_keys(Keys::Chunks(secrets.into()));
    assert_eq!(given.open_chunk(2).await.unwrap().first(), 128);
    assert!(matches!(given.open_chunk(1).await, Err(ContentError::NoKey { ordinal: 1 })));
    let wrong = CollectionKey::from_bytes([1; 32]);
    assert!(collection.verify_key(&wrong).is_err());
    let stranger = collection.with_keys(Keys::Collection(wrong));
    assert!(matches!(
        stranger.open_chunk(0).await,
        Err(ContentError::Protocol(ProtocolError::DigestMismatch { what: "chunk secret", .. }))
    ));
}

#[tokio::test]
async fn a_preview_ends_at_its_record_and_is_open_to_all() {
    for (preview, chunks) in [(20, 1), (64, 1), (65, 2), (150, 3)] {
        let folder = tempfile::tempdir().unwrap();
        let (published, collection) = publish(folder.path(), preview, 200).await;
        assert_eq!(published.manifest.preview_secrets.len(), chunks);
        assert_eq!(collection.open_records(), preview);
        let mut seen = 0;
        for ordinal in 0..u32::try_from(chunks).unwrap() {
            seen += collection.open_chunk(ordinal).await.unwrap().len();
        }
        assert_eq!(seen, preview);
        let next = u32::try_from(chunks).unwrap();
        assert!(matches!(collection.open_chunk(next).await, Err(ContentError::NoKey { .. })));
    }
    let folder = tempfile::tempdir().unwrap();
    let blocks = Blocks::directory(folder.path()).unwrap();
    let mut all = Publisher::new(blocks.clone(), options(10)).unwrap();
    for n in 0..10 {
        all.push(record(n).view()).await.unwrap();
    }
    assert!(matches!(all.finish().await, Err(ContentError::Publishing(_))));
    let public = PublishOptions { visibility: Visibility::Public, ..options(10) };
    assert!(matches!(Publisher::new(blocks, public), Err(ContentError::Publishing(_))));
}

#[tokio::test]
async fn secrets_from_elsewhere_are_asked_for_in_order_and_not_for_a_preview() {
    let folder = tempfile::tempdir().unwrap();
    let (_, collection) = publish(folder.path(), 20, 300).await;
    let owner = collection.clone().with_keys(Keys::Collection(CollectionKey::from_bytes(KEY)));
    let mut asked = Vec::new();
    let stream = collection.stream_with(0..collection.chunk_count(), 3, |ordinal| {
        asked.push(ordinal);
        let secret = owner.secret(ordinal);
        async move { secret }
    });
    let read: Vec<u32> = stream.map_ok(|chunk| chunk.first()).try_collect().await.unwrap();
    assert_eq!(read, [0, 20, 84, 148, 212, 276]);
    assert_eq!(asked, [1, 2, 3, 4, 5]);
    assert_eq!(collection.chunks_of(19..85).unwrap(), 0..3);
    assert_eq!(collection.chunks_of(20..84).unwrap(), 1..2);
    assert_eq!(collection.chunks_of(5..5).unwrap(), 0..0);
    assert!(collection.chunks_of(299..301).is_err());
    let refused: Vec<Result<_, ContentError>> = collection
        .stream_with(1..3, 2, |ordinal| async move { Err(ContentError::NoKey { ordinal }) })
        .collect()
        .await;
    assert!(refused.iter().all(Result::is_err));
}

#[tokio::test]
async fn one_chunk_and_the_pages_prove_a_record() {
    for count in [1, 2, 63, 64, 65, 200, 333] {
        let folder = tempfile::tempdir().unwrap();
        let (_, collection) = publish(folder.path(), 0, count).await;
        let collection = collection.with_keys(Keys::Collection(CollectionKey::from_bytes(KEY)));
        let tree = collection.tree().await.unwrap();
        for index in [0, count / 3, count / 2, count - 1] {
            let at = u32::try_from(index).unwrap();
            let chunk = collection.open_chunk(collection.chunk_of(at).unwrap()).await.unwrap();
            let proof = collection.inclusion_proof(at, &chunk).unwrap();
            assert_eq!(proof, tree.inclusion_proof(index).unwrap());
            let (root, leaf) = (tree.root(), tree.leaf(index).unwrap());
            verify_inclusion(&root, count, index, &leaf, &proof).unwrap();
        }
        if count > 64 {
            let first = collection.open_chunk(0).await.unwrap();
            assert!(matches!(collection.inclusion_proof(64, &first), Err(ContentError::NoSuchRecord { .. })));
        }
    }
}

#[tokio::test]
async fn publishing_that_was_dropped_goes_on_to_the_same_bytes() {
    let (whole, cut) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (expected, _) = publish(whole.path(), 20, 5_000).await;
    let source = Digest::of(b"numbers");
    let blocks = Blocks::directory(cut.path()).unwrap();
    let begin = || Publisher::new(blocks.clone(), options(20)).unwrap();
    let mut publisher = begin().resume(source).await.unwrap();
    assert!(publisher.is_empty());
    assert!(matches!(begin().resume(source).await, Err(ContentError::Publishing(_))), "two at the same time");
    for n in 0..4_500 {
        publisher.push(record(n).view()).await.unwrap();
    }
    publisher.end_commit().await.unwrap();
    drop(publisher);
    // Of another source, or with other options that decide bytes, nothing is taken up …
    let copy = tempfile::tempdir().unwrap();
    let journal = format!("publishing/{}.journal", options(0).series);
    std::fs::create_dir(copy.path().join("publishing")).unwrap();
    std::fs::copy(cut.path().join(&journal), copy.path().join(&journal)).unwrap();
    let other = Publisher::new(Blocks::directory(copy.path()).unwrap(), options(20)).unwrap();
    assert!(other.resume(Digest::of(b"letters")).await.unwrap().is_empty());
    // … and of this one what is on disk, without what a kill left half written.
    let path = cut.path().join(&journal);
    let mut torn = std::fs::read(&path).unwrap();
    torn.extend(&torn.clone()[48..200]);
    std::fs::write(&path, torn).unwrap();
    let resumed = begin().resume(source).await.unwrap();
    assert!(resumed.len() >= 3_000 && resumed.len() < 4_500, "{}", resumed.len());
    let published = fill(resumed, 5_000).await;
    assert_eq!(published.manifest_digest, expected.manifest_digest);
    assert_eq!(published.stored_bytes, expected.stored_bytes);
    assert!(!path.exists(), "the journal of a whole collection is gone");
    assert_eq!(blocks.pins().await.unwrap(), [published.manifest_cid]);
}

#[tokio::test]
async fn a_chunk_that_is_gone_is_made_again() {
    let folder = tempfile::tempdir().unwrap();
    let blocks = Blocks::directory(folder.path()).unwrap();
    let begin = || Publisher::new(blocks.clone(), options(0)).unwrap();
    let source = Digest::of(b"numbers");
    let mut publisher = begin().resume(source).await.unwrap();
    for n in 0..4_500 {
        publisher.push(record(n).view()).await.unwrap();
    }
    publisher.end_commit().await.unwrap();
    drop(publisher);
    let entries = journal::unfinished(folder.path()).unwrap();
    let place =
        blocks.writable().unwrap().place(&entries[5].cid, crate::blocks::directory::Keep::WhileReached);
    std::fs::remove_file(place).unwrap();
    let resumed = begin().resume(source).await.unwrap();
    assert_eq!(resumed.len(), 5 * 64);
    let again = fill(resumed, 5_000).await;
    let elsewhere = tempfile::tempdir().unwrap();
    assert_eq!(again.manifest_digest, publish(elsewhere.path(), 0, 5_000).await.0.manifest_digest);
}

#[tokio::test]
async fn the_next_version_keeps_every_chunk_and_proves_that_it_only_appends() {
    let folder = tempfile::tempdir().unwrap();
    for (before, after) in [(1, 2), (100, 101), (200, 1000), (512, 700), (333, 40_000)] {
        let preview = if before == 200 { 20 } else { 0 };
        let (old, older) = publish(folder.path(), preview, before).await;
        let blocks = Blocks::directory(folder.path()).unwrap();
        let publisher = Publisher::append(blocks.clone(), options(0), &older).unwrap();
        assert_eq!((publisher.len(), publisher.appends_to()), (before, before));
        let published = fill(publisher, after).await;
        let newer = Collection::open(blocks, on_chain(&published)).await.unwrap();
        assert_eq!(newer.chunks()[..older.chunks().len()], *older.chunks());
        assert_eq!(newer.open_records(), preview);
        let proof = newer.append_proof(&older).unwrap();
        verify_consistency(&old.content_root(), before, &published.content_root(), after, &proof).unwrap();
        assert!(newer.append_proof(&newer).unwrap().is_empty());
        assert!(older.append_proof(&newer).is_err());
        let newer = newer.with_keys(Keys::Collection(CollectionKey::from_bytes(KEY)));
        assert_eq!(numbers(&newer).await.unwrap().len() as u64, after);
        let tree = newer.tree().await.unwrap();
        assert_eq!(proof, tree.consistency_proof(before).unwrap());
    }
}

#[tokio::test]
async fn appending_needs_the_same_series_key_and_some_record() {
    let folder = tempfile::tempdir().unwrap();
    let (_, older) = publish(folder.path(), 0, 100).await;
    let blocks = Blocks::directory(folder.path()).unwrap();
    let other_series = PublishOptions { series: SeriesId([8; 16]), ..options(0) };
    assert!(Publisher::append(blocks.clone(), other_series, &older).is_err());
    let other_key = PublishOptions { key: CollectionKey::from_bytes([1; 32]), ..options(0) };
    assert!(Publisher::append(blocks.clone(), other_key, &older).is_err());
    let nothing = Publisher::append(blocks, options(0), &older).unwrap();
    assert!(matches!(nothing.finish().await, Err(ContentError::Publishing(_))));
}

#[tokio::test]
async fn appending_goes_on_too_also_with_chunks_of_many_blocks() {
    let folder = tempfile::tempdir().unwrap();
    let (_, older) = publish(folder.path(), 0, 100).await;
    let blocks = Blocks::directory(folder.path()).unwrap();
    let large = PublishOptions { fields: vec![Field::required("data", FieldKind::Bytes)], ..options(0) };
    let picture = |n: u8| Record::from_fields([("data", Value::from(vec![n; 3 << 20]))]).unwrap();
    let begin = || Publisher::append(blocks.clone(), large.clone(), &older).unwrap();
    let source = Digest::of(b"pictures");
    let mut cut = begin().resume(source).await.unwrap();
    for n in 0..20 {
        cut.push(picture(n).view()).await.unwrap();
    }
    cut.end_commit().await.unwrap();
    drop(cut);
    let mut resumed = begin().resume(source).await.unwrap();
    let there = resumed.len() - resumed.appends_to();
    assert!(there > 0 && there < 20, "{there}");
    let mut whole = begin();
    for n in 0..25 {
        if u64::from(n) >= there {
            resumed.push(picture(n).view()).await.unwrap();
        }
        whole.push(picture(n).view()).await.unwrap();
    }
    let resumed = resumed.finish().await.unwrap();
    assert_eq!(resumed.manifest_digest, whole.finish().await.unwrap().manifest_digest);
    let newer = Collection::open(blocks, on_chain(&resumed)).await.unwrap();
    let newer = newer.with_keys(Keys::Collection(CollectionKey::from_bytes(KEY)));
    assert_eq!(newer.tree().await.unwrap().len(), 125);
    newer.append_proof(&older).unwrap();
    // The schema holds for the records of both versions.
    let fields = &newer.manifest().fields;
    assert_eq!(fields.iter().map(|field| field.name.as_str()).collect::<Vec<_>>(), ["n", "data"]);
    assert!(fields.iter().all(|field| field.optional));
    let other_kind = PublishOptions { fields: vec![Field::required("n", FieldKind::Text)], ..options(0) };
    assert!(Publisher::append(newer.blocks().clone(), other_kind, &older).is_err());
}
