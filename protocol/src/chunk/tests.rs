//! Chunks that open again, and every way in which one must not.

use super::*;
use crate::cid::{DAG_PB, RAW, parts};
use crate::digest::Digest;
use crate::keys::{ChunkSecret, CollectionKey};
use crate::leaf::record_leaf;
use crate::manifest::Visibility;
use crate::record::{Record, Value};
use proptest::prelude::*;

const SERIES: SeriesId = SeriesId([0x5e; 16]);

fn key() -> CollectionKey {
    CollectionKey::from_bytes([0x11; 32])
}

fn record(n: usize, len: usize) -> Record {
    let body = (0..len).map(|i| (i * n) as u8).collect::<Vec<u8>>();
    Record::from_fields([("n", Value::from(n as u64)), ("body", Value::from(body))]).unwrap()
}

fn seal(records: &[Record], visibility: Visibility, codec: Codec, ordinal: u32, first: u32) -> SealedChunk {
    let mut builder = ChunkBuilder::new(ChunkLimits { records: 65_536, bytes: MAX_CHUNK_BYTES }).unwrap();
    records.iter().for_each(|record| assert_eq!(builder.push(record.view()).unwrap(), Taken::Yes));
    builder.seal(&key(), visibility, SERIES, ordinal, first, codec).unwrap()
}

fn secret(chunk: &SealedChunk) -> ChunkSecret {
    key().chunk_secret(&chunk.entry.seed).unwrap()
}

fn open(chunk: &SealedChunk, visibility: Visibility, ordinal: u32) -> Result<OpenChunk, ProtocolError> {
    OpenChunk::open(&chunk.entry, &secret(chunk), visibility, SERIES, ordinal, chunk.bytes.clone())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn a_chunk_opens_again(lens in prop::collection::vec(0usize..300, 1..40), first in 0u32..900_000, zip in any::<bool>(), public in any::<bool>()) {
        let records: Vec<Record> = lens.iter().enumerate().map(|(n, len)| record(n, *len)).collect();
        let codec = if zip { Codec::Zstd } else { Codec::Identity };
        let visibility = if public { Visibility::Public } else { Visibility::Private };
        let ordinal = first / 7;
        let chunk = seal(&records, visibility, codec, ordinal, first);
        let again = seal(&records, visibility, codec, ordinal, first);
        prop_assert_eq!(&chunk.bytes, &again.bytes);
        let opened = open(&chunk, visibility, ordinal).unwrap();
        prop_assert_eq!(opened.leaves(), &chunk.leaves[..]);
        prop_assert_eq!(opened.records().count(), records.len());
        for (i, read) in opened.records() {
            prop_assert_eq!(read.to_record(), records[(i - first) as usize].clone());
            let salt = opened.salt(i);
            prop_assert_eq!(salt.is_none(), public);
            prop_assert_eq!(record_leaf(salt.as_ref(), read.as_bytes()), chunk.leaves[(i - first) as usize]);
        }
        prop_assert!(opened.record(first + records.len() as u32).is_none());
    }

    #[test]
    fn a_flipped_byte_is_refused(at in any::<prop::sample::Index>(), bit in 0u8..8) {
        let chunk = seal(&[record(1, 50), record(2, 60)], Visibility::Private, Codec::Identity, 0, 0);
        let mut bytes = chunk.bytes.clone();
        bytes[at.index(chunk.bytes.len())] ^= 1 << bit;
        let refused = OpenChunk::open(&chunk.entry, &secret(&chunk), Visibility::Private, SERIES, 0, bytes.clone());
        let digest = matches!(refused, Err(ProtocolError::DigestMismatch { what: "chunk", .. }));
        prop_assert!(digest);
        // Also when whoever serves it lies about the digest.
        let mut entry = chunk.entry.clone();
        entry.digest = Digest::of(&bytes);
        let refused = OpenChunk::open(&entry, &secret(&chunk), Visibility::Private, SERIES, 0, bytes);
        let cipher = matches!(refused, Err(ProtocolError::Cipher { .. }));
        prop_assert!(cipher);
    }

    #[test]
    fn any_plaintext_never_panics(plain in prop::collection::vec(any::<u8>(), 0..300), count in 1u32..60, zip in any::<bool>()) {
        let codec = if zip { Codec::Zstd } else { Codec::Identity };
        prop_assert!(open_plain(plain, count, codec).is_err());
    }

    #[test]
    fn a_changed_plaintext_is_refused_or_has_other_leaves(at in any::<prop::sample::Index>(), to in any::<u8>()) {
        let sealed = seal(&[record(1, 5), record(2, 6)], Visibility::Public, Codec::Identity, 0, 0);
        let mut plain = plain_of(&[record(1, 5), record(2, 6)]);
        let at = at.index(plain.len());
        prop_assume!(plain[at] != to);
        plain[at] = to;
        let mut entry = entry_over(&plain, 2, Codec::Identity);
        entry.0.subtrees = sealed.entry.subtrees;
        prop_assert!(OpenChunk::open(&entry.0, &entry.1, Visibility::Public, SERIES, 0, entry.2).is_err());
    }
}

fn plain_of(records: &[Record]) -> Vec<u8> {
    let (mut table, mut data) = (Vec::new(), Vec::new());
    for record in records {
        data.extend_from_slice(record.as_bytes());
        table.extend_from_slice(&(data.len() as u32).to_be_bytes());
    }
    [table, data].concat()
}

/// An entry, its secret and its ciphertext over any plaintext, as a hostile publisher would make them.
fn entry_over(plain: &[u8], count: u32, codec: Codec) -> (crate::manifest::ChunkEntry, ChunkSecret, Vec<u8>) {
    let header = ChunkHeader { series: SERIES, ordinal: 0, first: 0, count, codec };
    let seed = key().seed(&header, plain).unwrap();
    let secret = key().chunk_secret(&seed).unwrap();
    let mut bytes = plain.to_vec();
    build::cipher(&secret.aes_key().unwrap())
        .unwrap()
        .seal_in_place_append_tag(build::nonce(), aws_lc_rs::aead::Aad::from(header.encode()), &mut bytes)
        .unwrap();
    let digest = Digest::of(&bytes);
    let entry = crate::manifest::ChunkEntry {
        first: 0,
        count,
        codec,
        seed,
        key_digest: secret.digest(),
        digest,
        size: bytes.len() as u32,
        cid: crate::cid::block_cid(RAW, digest),
        subtrees: vec![],
    };
    (entry, secret, bytes)
}

fn open_plain(plain: Vec<u8>, count: u32, codec: Codec) -> Result<OpenChunk, ProtocolError> {
    let (entry, secret, bytes) = entry_over(&plain, count, codec);
    OpenChunk::open(&entry, &secret, Visibility::Public, SERIES, 0, bytes)
}

#[test]
fn another_place_key_or_series_is_refused() {
    let chunk = seal(&[record(1, 50), record(2, 60)], Visibility::Private, Codec::Zstd, 3, 100);
    let cipher =
        |result: Result<OpenChunk, ProtocolError>| matches!(result, Err(ProtocolError::Cipher { .. }));
    assert!(open(&chunk, Visibility::Private, 3).is_ok());
    assert!(cipher(open(&chunk, Visibility::Private, 4)));
    let elsewhere = |change: &dyn Fn(&mut SealedChunk)| {
        let mut changed = chunk.clone();
        change(&mut changed);
        open(&changed, Visibility::Private, 3)
    };
    assert!(cipher(elsewhere(&|chunk| chunk.entry.first += 1)));
    assert!(cipher(elsewhere(&|chunk| chunk.entry.count -= 1)));
    assert!(cipher(elsewhere(&|chunk| chunk.entry.codec = match chunk.entry.codec {
        Codec::Identity => Codec::Zstd,
        Codec::Zstd => Codec::Identity,
    })));
    assert!(elsewhere(&|chunk| chunk.entry.subtrees[0].0[0] ^= 1).is_err());
    assert!(elsewhere(&|chunk| chunk.entry.size += 1).is_err());
    assert!(elsewhere(&|chunk| chunk.entry.seed.0[0] ^= 1).is_err());
    // Without salts the leaves are others.
    assert!(open(&chunk, Visibility::Public, 3).is_err());
    let wrong = ChunkSecret::from_bytes([0; 32]);
    let refused = OpenChunk::open(&chunk.entry, &wrong, Visibility::Private, SERIES, 3, chunk.bytes.clone());
    assert!(matches!(refused, Err(ProtocolError::DigestMismatch { what: "chunk secret", .. })));
    let other = SeriesId([0; 16]);
    assert!(cipher(OpenChunk::open(
        &chunk.entry,
        &secret(&chunk),
        Visibility::Private,
        other,
        3,
        chunk.bytes
    )));
}

#[test]
fn hostile_plaintexts_are_refused() {
    let good = plain_of(&[record(1, 5), record(2, 6)]);
    let mut reversed = good.clone();
    reversed[..8].rotate_left(4);
    assert!(open_plain(reversed, 2, Codec::Identity).is_err(), "ends that fall");
    assert!(open_plain(good[..7].to_vec(), 2, Codec::Identity).is_err(), "half a table");
    assert!(open_plain([&good[..], &[0]].concat(), 2, Codec::Identity).is_err(), "bytes behind the records");
    // A frame of zstd that claims 2^40 bytes, one without its size, and one with a second frame behind it.
    let bomb = hex::decode("28b52ffde0000000000001000001000000").unwrap();
    assert!(open_plain(bomb, 2, Codec::Zstd).is_err());
    let packed = zstd::bulk::compress(&good, 3).unwrap();
    assert!(open_plain([&packed[..], &packed[..]].concat(), 2, Codec::Zstd).is_err());
    assert!(open_plain(zstd::stream::encode_all(&good[..], 3).unwrap(), 2, Codec::Zstd).is_err());
    assert!(open_plain([&packed[..], &[0]].concat(), 2, Codec::Zstd).is_err());
}

#[test]
fn a_builder_keeps_its_limits() {
    let mut builder = ChunkBuilder::new(ChunkLimits { records: 3, bytes: 200 }).unwrap();
    for expected in [Taken::Yes, Taken::Yes, Taken::Yes, Taken::Full] {
        assert_eq!(builder.push(record(1, 10).view()).unwrap(), expected);
    }
    let chunk = builder.seal(&key(), Visibility::Public, SERIES, 0, 0, Codec::Identity).unwrap();
    assert_eq!((chunk.entry.count, builder.len()), (3, 0));
    // A record that is larger than the chunk may be has a chunk of its own.
    assert_eq!(builder.push(record(1, 500).view()).unwrap(), Taken::Yes);
    assert_eq!(builder.push(record(1, 0).view()).unwrap(), Taken::Full);
    assert!(builder.seal(&key(), Visibility::Public, SERIES, 0, 1_000_000, Codec::Identity).is_err());
    assert!(builder.seal(&key(), Visibility::Public, SERIES, 1, 999_999, Codec::Identity).is_ok());
    assert!(builder.seal(&key(), Visibility::Public, SERIES, 2, 3, Codec::Identity).is_err(), "no record");
    for limits in [(0, 10), (65_537, 10), (1, 0), (1, MAX_CHUNK_BYTES + 1)] {
        assert!(ChunkBuilder::new(ChunkLimits { records: limits.0, bytes: limits.1 }).is_err(), "{limits:?}");
    }
}

#[test]
fn default_limits_make_single_blocks_and_large_records_files() {
    let mut builder = ChunkBuilder::new(ChunkLimits::default()).unwrap();
    let mut n = 0;
    while builder.push(record(n, 4000).view()).unwrap() == Taken::Yes {
        n += 1;
    }
    let chunk = builder.seal(&key(), Visibility::Private, SERIES, 0, 0, Codec::Identity).unwrap();
    assert!(
        chunk.bytes.len() <= crate::cid::BLOCK_BYTES && chunk.bytes.len() > crate::cid::BLOCK_BYTES - 5000
    );
    assert_eq!(parts(&chunk.entry.cid).unwrap(), (RAW, chunk.entry.digest));
    let large = seal(&[record(1, 3 << 20)], Visibility::Private, Codec::Identity, 1, n as u32);
    assert_eq!(parts(&large.entry.cid).unwrap().0, DAG_PB);
    assert!(open(&large, Visibility::Private, 1).is_ok());
}

#[test]
fn zstd_only_where_it_shrinks() {
    let zeros = Record::from_fields([("body", Value::from(vec![0u8; 5000]))]).unwrap();
    let chunk = seal(&[zeros], Visibility::Public, Codec::Zstd, 0, 0);
    assert!(chunk.entry.codec == Codec::Zstd && chunk.bytes.len() < 200);
    let noise =
        Record::from_fields([("b", Value::from(key().seed(&header(), b"noise").unwrap().0.to_vec()))])
            .unwrap();
    assert_eq!(seal(&[noise], Visibility::Public, Codec::Zstd, 0, 0).entry.codec, Codec::Identity);
}

fn header() -> ChunkHeader {
    ChunkHeader { series: SERIES, ordinal: 0, first: 0, count: 1, codec: Codec::Identity }
}
