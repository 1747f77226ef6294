//! The golden vectors of tests/vectors, which forge, Python and the page read too: made again and held against the files.
//! `OFFSETDATA_BLESS=1` rewrites them. cid.json is not made here: other tools' CIDs stand in it.
#![allow(clippy::unwrap_used, clippy::approx_constant, reason = "tests")]

use offsetdata_protocol::chunk::{ChunkBuilder, ChunkLimits, OpenChunk, SealedChunk, Taken};
use offsetdata_protocol::gateway_api::lane;
use offsetdata_protocol::ids::CollectionId;
use offsetdata_protocol::leaf::{leaf_hash, record_leaf};
use offsetdata_protocol::manifest::{
    Field, FieldKind, MANIFEST_VERSION, Manifest, Page, PreviewSecret, PublishedKey, Visibility,
};
use offsetdata_protocol::merkle::{
    RecordCount, RootBuilder, Tree, empty_root, verify_consistency, verify_inclusion,
};
use offsetdata_protocol::metrics::{MetricKey, MetricPoint, MetricValue, PointsBlock, series_root};
use offsetdata_protocol::record::{Record, Value as FieldValue};
use offsetdata_protocol::seal::{
    ChunkPlace, CollectionPlace, ContentEntropy, ContentPlace, ContentPurpose, SealingSecret,
};
use offsetdata_protocol::selection::{Bitmap, SplitRule, flags_root, given_root, inputs_leaf, order};
use offsetdata_protocol::{ChunkHeader, ChunkSecret, Codec, CollectionKey, Digest, SeriesId, merkle};
use serde_json::{Value, json};

fn hex(bytes: impl AsRef<[u8]>) -> String {
    format!("0x{}", hex::encode(bytes))
}

fn check(name: &str, made: &Value) {
    let path = format!("{}/../tests/vectors/{name}.json", env!("CARGO_MANIFEST_DIR"));
    if std::env::var_os("OFFSETDATA_BLESS").is_some() {
        return std::fs::write(path, format!("{}\n", serde_json::to_string_pretty(made).unwrap())).unwrap();
    }
    let kept: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    assert!(kept == *made, "tests/vectors/{name}.json is stale; OFFSETDATA_BLESS=1 rewrites it");
}

fn records() -> Vec<Record> {
    let list = |n: i64| FieldValue::List((0..n).map(|i| FieldValue::from(i - 2)).collect());
    vec![
        Record::from_fields([
            ("label", FieldValue::from(7u32)),
            ("image", FieldValue::from(vec![0x89, 0x50, 0x4e, 0x47])),
        ]),
        Record::from_fields([
            ("text", FieldValue::from("größer")),
            ("score", FieldValue::from(0.5)),
            ("n", FieldValue::from(-1i64)),
        ]),
        Record::from_fields([
            ("list", list(5)),
            ("empty", FieldValue::List(vec![])),
            ("big", FieldValue::from(u64::MAX)),
        ]),
        Record::from_fields([
            ("least", FieldValue::from(i64::MIN)),
            ("a", FieldValue::from(24u32)),
            ("b", FieldValue::from("")),
        ]),
        Record::from_fields(Vec::<(String, FieldValue)>::new()),
    ]
    .into_iter()
    .collect::<Result<_, _>>()
    .unwrap()
}

const SERIES: SeriesId = SeriesId(*b"series-of-digits");
const KEY: [u8; 32] = [0x42; 32];

fn seal(visibility: Visibility, codec: Codec) -> SealedChunk {
    let mut builder = ChunkBuilder::new(ChunkLimits::default()).unwrap();
    for record in records() {
        assert_eq!(builder.push(record.view()).unwrap(), Taken::Yes);
    }
    builder.seal(&CollectionKey::from_bytes(KEY), visibility, SERIES, 3, 100, codec).unwrap()
}

#[test]
fn record_leaf_json() {
    let private = seal(Visibility::Private, Codec::Identity);
    let secret = CollectionKey::from_bytes(KEY).chunk_secret(&private.entry.seed).unwrap();
    let salts = secret.salts(100, 5).unwrap();
    let cases: Vec<Value> = records()
        .iter()
        .zip(&salts)
        .map(|(record, salt)| {
            json!({
                "record": hex(record.as_bytes()),
                "publicLeaf": hex(record_leaf(None, record.as_bytes())),
                "salt": hex(salt),
                "privateLeaf": hex(record_leaf(Some(salt), record.as_bytes())),
            })
        })
        .collect();
    check("record_leaf", &json!({ "count": cases.len(), "cases": cases }));
}

#[test]
fn merkle_json() {
    // Leaf i's data is i as 4 big-endian bytes.
    let tree_of = |size: u32| Tree::new((0..size).map(|i| leaf_hash(&i.to_be_bytes())));
    let (mut roots, mut inclusion, mut consistency) = (vec![], vec![], vec![]);
    for size in [1u32, 2, 3, 7, 8, 9, 1000, 65_537, 1_000_000] {
        let tree = tree_of(size);
        let root = tree.root();
        roots.push(json!({ "size": size, "root": hex(root) }));
        let mut indices = vec![0, 1, size / 3, size / 2, size.wrapping_sub(2), size - 1];
        indices.retain(|i| *i < size);
        indices.sort_unstable();
        indices.dedup();
        for index in indices {
            let (leaf, proof) =
                (tree.leaf(index.into()).unwrap(), tree.inclusion_proof(index.into()).unwrap());
            verify_inclusion(&root, size.into(), index.into(), &leaf, &proof).unwrap();
            let proof: Vec<_> = proof.iter().map(hex).collect();
            inclusion.push(
                json!({ "size": size, "index": index, "leaf": hex(leaf), "root": hex(root), "proof": proof }),
            );
        }
        let mut olds = vec![1, 2, 3, 4, 6, 7, 8, 512, 999, 65_536, 999_999];
        olds.retain(|old| *old <= size);
        for old in olds {
            let (old_root, proof) =
                (tree.root_at(old.into()).unwrap(), tree.consistency_proof(old.into()).unwrap());
            verify_consistency(&old_root, old.into(), &root, size.into(), &proof).unwrap();
            let proof: Vec<_> = proof.iter().map(hex).collect();
            consistency.push(json!({
                "oldSize": old, "newSize": size, "oldRoot": hex(old_root), "newRoot": hex(root), "proof": proof,
            }));
        }
    }
    check(
        "merkle",
        &json!({
            "leafData": "leaf i is i as 4 big-endian bytes",
            "emptyRoot": hex(empty_root()),
            "rootCount": roots.len(), "roots": roots,
            "inclusionCount": inclusion.len(), "inclusion": inclusion,
            "consistencyCount": consistency.len(), "consistency": consistency,
        }),
    );
}

#[test]
fn chunk_json() {
    let key = CollectionKey::from_bytes(KEY);
    let mut cases = vec![];
    for (visibility, name) in [(Visibility::Public, "public"), (Visibility::Private, "private")] {
        let chunk = seal(visibility, Codec::Identity);
        let secret = key.chunk_secret(&chunk.entry.seed).unwrap();
        let opened =
            OpenChunk::open(&chunk.entry, &secret, visibility, SERIES, 3, chunk.bytes.clone()).unwrap();
        let header = ChunkHeader { series: SERIES, ordinal: 3, first: 100, count: 5, codec: Codec::Identity };
        cases.push(json!({
            "visibility": name,
            "collectionKey": hex(KEY),
            "series": hex(SERIES),
            "ordinal": 3, "first": 100, "count": 5, "codec": 0,
            "header": hex(header.encode()),
            "records": records().iter().map(|r| hex(r.as_bytes())).collect::<Vec<_>>(),
            "seed": hex(chunk.entry.seed),
            "secret": hex(secret.reveal()),
            "keyDigest": hex(secret.digest()),
            "ciphertext": hex(&chunk.bytes),
            "digest": hex(chunk.entry.digest),
            "cid": chunk.entry.cid.to_string(),
            "leaves": opened.leaves().iter().map(hex).collect::<Vec<_>>(),
            "subtrees": chunk.entry.subtrees.iter().map(hex).collect::<Vec<_>>(),
        }));
    }
    check("chunk", &json!({ "count": cases.len(), "cases": cases }));
}

/// Ten numbers in three chunks and one page, with the manifest's and the page's block.
fn ten_numbers(visibility: Visibility, preview: usize) -> (Manifest, Vec<u8>, Page, Vec<u8>) {
    let key = PublishedKey(KEY);
    let mut builder = ChunkBuilder::new(ChunkLimits { records: 4, bytes: 1 << 20 }).unwrap();
    let (mut chunks, mut root) = (vec![], RootBuilder::new());
    for first in [0u32, 4, 8] {
        for n in first..(first + 4).min(10) {
            let record = Record::from_fields([("n", FieldValue::from(n))]).unwrap();
            assert_eq!(builder.push(record.view()).unwrap(), Taken::Yes);
        }
        let ordinal = chunks.len() as u32;
        let chunk =
            builder.seal(&key.collection_key(), visibility, SERIES, ordinal, first, Codec::Identity).unwrap();
        root.extend(chunk.leaves);
        chunks.push(chunk.entry);
    }
    let page = Page { chunks };
    let (page_block, reference) = page.encode(0).unwrap();
    let secret = |seed| PreviewSecret(*key.collection_key().chunk_secret(seed).unwrap().reveal());
    let manifest = Manifest {
        version: MANIFEST_VERSION,
        series: SERIES,
        record_count: RecordCount::new(10).unwrap(),
        content_root: root.root(),
        public_key: (visibility == Visibility::Public).then_some(key),
        preview_secrets: page.chunks.iter().take(preview).map(|chunk| secret(&chunk.seed)).collect(),
        fields: vec![Field::required("n", FieldKind::Integer)],
        licence: "CC0-1.0".into(),
        croissant: r#"{"@type":"sc:Dataset","name":"ten numbers"}"#.into(),
        quality_report: Some(Digest::of(b"report")),
        pages: vec![reference],
    };
    manifest.verify_pages([&page]).unwrap();
    let block = manifest.encode().unwrap();
    (manifest, block, page, page_block)
}

#[test]
fn manifest_json() {
    let (manifest, block, _, page_block) = ten_numbers(Visibility::Public, 0);
    check(
        "manifest",
        &json!({
            "manifest": hex(&block),
            "digest": hex(Manifest::digest(&block)),
            "cid": Manifest::cid(Manifest::digest(&block)).to_string(),
            "page": hex(&page_block),
            "pageCid": manifest.pages[0].cid.to_string(),
            "contentRoot": hex(manifest.content_root),
            "recordCount": 10,
        }),
    );
}

#[test]
fn manifest_preview_json() {
    let (manifest, block, page, page_block) = ten_numbers(Visibility::Private, 2);
    check(
        "manifest_preview",
        &json!({
            "manifest": hex(&block),
            "digest": hex(Manifest::digest(&block)),
            "page": hex(&page_block),
            "pageCid": manifest.pages[0].cid.to_string(),
            "contentRoot": hex(manifest.content_root),
            "recordCount": 10,
            "previewSecrets": manifest.preview_secrets.iter().map(hex).collect::<Vec<_>>(),
            "keyDigests": page.chunks.iter().map(|chunk| hex(chunk.key_digest)).collect::<Vec<_>>(),
            "previewRecords": page.chunks.iter().take(2).map(|chunk| chunk.count).sum::<u32>(),
        }),
    );
}

#[test]
fn metrics_json() {
    let numbers = [2.302585, 0.31, -1.5, 0.0, 1e-7, 0.5e-6, 1.5e-6, 1e300, -1e300];
    let mut values: Vec<MetricValue> = numbers.iter().map(|n| MetricValue::from_f64(*n)).collect();
    values.extend([f64::NAN, f64::INFINITY, f64::NEG_INFINITY].map(MetricValue::from_f64));
    let keys = ["train/loss", "train/accuracy", "validation/loss"];
    let points: Vec<MetricPoint> = values
        .iter()
        .zip(0u32..)
        .map(|(value, sequence)| MetricPoint {
            sequence,
            step: u64::from(sequence / 3) * 10,
            key: MetricKey::new(keys[sequence as usize % 3]).unwrap(),
            value: *value,
        })
        .collect();
    let block = PointsBlock::new(points.clone()).unwrap().encode().unwrap();
    let rows: Vec<Value> = points
        .iter()
        .map(|p| {
            // As text, because JSON readers may keep no 64 bits.
            let value = p.value.code().to_string();
            json!({ "sequence": p.sequence, "step": p.step, "key": p.key, "value": value, "leaf": hex(p.leaf_hash()) })
        })
        .collect();
    check(
        "metrics",
        &json!({
            "scale": 1_000_000,
            "numbers": numbers.iter().map(|n| format!("{n:e}")).chain(["NaN", "inf", "-inf"].map(String::from)).collect::<Vec<_>>(),
            "points": rows,
            "block": hex(&block),
            "digest": hex(PointsBlock::digest(&block)),
            "seriesRoot": hex(series_root(&points).unwrap()),
        }),
    );
}

#[test]
fn selection_json() {
    let seed = [0x07; 32].into();
    let rule = SplitRule::new(seed, 1_000, 2_000).unwrap();
    let splits: Vec<u8> = (0..64).map(|i| rule.split(i).code()).collect();
    let collection = [0xc0; 32].into();
    let inputs: Vec<_> = (0..64).map(|i| inputs_leaf(collection, i, rule.split(i))).collect();
    let bitmap =
        Bitmap::from_indices(RecordCount::new(1000).unwrap(), (0..1000).filter(|i| i % 7 == 3)).unwrap();
    check(
        "selection",
        &json!({
            "splitSeed": hex([0x07; 32]),
            "validationBps": 1_000, "testBps": 2_000,
            "splits": splits,
            "collection": hex([0xc0; 32]),
            "firstInputLeaf": hex(inputs[0]),
            "inputsRoot": hex(merkle::root(inputs)),
            "orderOfEpoch0": order(seed, 0, 20),
            "orderOfEpoch1": order(seed, 1, 20),
            "bitmap": hex(bitmap.as_bytes()), "bitmapRecords": 1000, "bitmapCount": bitmap.count(),
            "bitmapRoot": hex(bitmap.root()),
            "indices": [0, 3, 9, 1000],
            "givenRoot": hex(given_root(&[0, 3, 9, 1000]).unwrap()),
            "flagsRoot": hex(flags_root(&[0, 3, 9, 1000]).unwrap()),
        }),
    );
}

#[test]
fn messages() {
    use alloy::primitives::{Address, B256, Uint, address};
    use alloy::sol_types::{Eip712Domain, SolStruct, SolValue};
    use offsetdata_protocol::bindings::collections::CollectionTerms;
    use offsetdata_protocol::bindings::training::{DataInput, EscrowTerms, LandingTerms, RequestDetails};
    use offsetdata_protocol::ids::{CollectionId, MethodId, RequestId, details_hash, inputs_hash};
    use offsetdata_protocol::messages as m;

    let (chain_id, contract) = (31337, address!("0x00000000000000000000000000000000000000c0"));
    let account = Address::repeat_byte;
    let word = B256::repeat_byte;
    let inputs = vec![DataInput {
        collection: word(0x11),
        selection: 1,
        selectionRoot: B256::ZERO,
        first: 5,
        count: 100,
        recordCap: 90,
        pricePerRecord: 3,
        payee: account(0xa1),
    }];
    let escrow = EscrowTerms {
        user: account(0x01),
        developer: account(0x02),
        scheduler: account(0x03),
        unitPrice: 5,
        holdbackBps: 1000,
        dataEscrow: 270,
        receiptWindow: 3600,
        landing: LandingTerms {
            unitLimit: Uint::from(1_000_000u64),
            maxUnitsPerSecond: 10_000,
            relayFee: 7,
            relayFeeCap: 20,
            openedAt: Uint::from(1_700_000_000u64),
            startDeadline: Uint::from(1_700_003_600u64),
            deadline: Uint::from(1_700_086_400u64),
            gracePeriod: 300,
        },
    };
    let details = RequestDetails {
        model: word(0x21),
        method: MethodId::of_name("image-classifier").0,
        inputsHash: inputs_hash(&inputs),
        hyperparametersDigest: word(0x22),
        trainerDigest: word(0x23),
        seed: word(0x24),
        splitSeed: word(0x25),
        validationBps: 1000,
        testBps: 2000,
        parent: B256::ZERO,
        salt: word(0x26),
    };
    let terms = CollectionTerms {
        contentRoot: word(0x31),
        recordCount: 1797,
        manifestDigest: word(0x32),
        previous: B256::ZERO,
        policyDigest: word(0x33),
        sharesRoot: word(0x34),
        salt: word(0x35),
    };
    let request = RequestId::of_terms(chain_id, contract, &escrow, details_hash(&details)).0;
    let training = m::training_domain(chain_id, contract);
    let message = |kind: &str, domain: &Eip712Domain, encoded: Vec<u8>, hash: B256, digest: B256| {
        let name = domain.name.as_deref().unwrap_or_default().to_owned();
        json!({ "type": kind, "domain": name, "encoded": hex(encoded), "hashStruct": hash, "digest": digest })
    };
    fn kind_of<M: SolStruct>(_: &M) -> String {
        M::eip712_encode_type().into_owned()
    }
    macro_rules! signed {
        ($domain:expr, $message:expr) => {{
            let (domain, value) = ($domain, $message);
            let digest = value.eip712_signing_hash(&domain);
            message(&kind_of(&value), &domain, value.abi_encode(), value.eip712_hash_struct(), digest)
        }};
    }
    let first = m::Commitment {
        request,
        attempt: 1,
        sequence: 1,
        previousHead: B256::ZERO,
        pointsDigest: word(0x41),
        pointCount: 12,
        units: Uint::from(4096),
        lastValues: word(0x42),
    };
    let second = m::Commitment {
        sequence: 2,
        previousHead: first.eip712_hash_struct(),
        pointsDigest: word(0x43),
        pointCount: 24,
        units: Uint::from(8192),
        ..m::Commitment { request, attempt: 1, lastValues: word(0x44), ..first.clone() }
    };
    let settlement = m::Settlement {
        request,
        attempt: 1,
        sequence: 2,
        head: second.eip712_hash_struct(),
        pointCount: 24,
        units: Uint::from(8192),
        artifactDigest: word(0x51),
        artifactCid: word(0x52),
        seriesRoot: word(0x53),
        inputsRoot: word(0x54),
        resultValues: word(0x55),
    };
    let made = json!({
        "chainId": chain_id,
        "contract": contract,
        "collection": {
            "registrant": account(0x04),
            "terms": hex(terms.abi_encode()),
            "id": CollectionId::of_terms(chain_id, contract, account(0x04), &terms),
        },
        "request": {
            "escrow": hex(escrow.abi_encode()),
            "details": hex(details.abi_encode()),
            "inputs": hex(inputs.abi_encode()),
            "inputsHash": inputs_hash(&inputs),
            "detailsHash": details_hash(&details),
            "id": request,
        },
        "messages": [
            signed!(training.clone(), m::Assignment {
                request, attempt: 1, worker: account(0x05), resumePoint: 0, validUntil: Uint::from(1_700_000_600u64),
            }),
            signed!(training.clone(), first),
            signed!(training.clone(), second),
            signed!(training.clone(), m::DataReceipt {
                request, attempt: 1, input: 0, collection: word(0x11), records: 90, recordsRoot: word(0x61),
            }),
            signed!(training.clone(), settlement),
            signed!(training, m::Closure { request, sequence: 2, reasonDigest: word(0x71) }),
            signed!(m::access_domain(chain_id, contract), m::AccessUsed {
                collection: word(0x11), right: 0, holder: account(0x06), since: Uint::from(1_700_000_000u64),
            }),
            signed!(m::billing_domain(chain_id, contract), m::UsageVoucher {
                payer: account(0x06), payee: account(0xa1), collection: word(0x11), lane: 1, amount: 900,
                records: 300, validUntil: Uint::from(1_700_086_400u64), fromDeposit: false,
            }),
            signed!(m::billing_domain(chain_id, contract), m::SpenderAuthorization {
                payer: account(0x06), spender: account(0x07), cap: Uint::from(5000),
                expiry: Uint::from(1_700_086_400u64), nonce: Uint::ZERO,
            }),
            signed!(m::relay_domain(chain_id, contract), m::WorkerHello {
                worker: account(0x05), audience: "https://relayer.example".into(), issuedAt: Uint::from(1_700_000_000u64),
            }),
            signed!(m::gateway_domain(chain_id, contract), m::ReaderKey {
                account: account(0x06), publicKey: word(0x81), audience: "https://gateway.example".into(),
                validUntil: Uint::from(1_700_086_400u64),
            }),
            signed!(m::gateway_domain(chain_id, contract), m::KeyRelease {
                gateway: account(0x08), account: account(0x06), collection: word(0x11), right: 0, chunk: 7,
                keyDigest: word(0x82), readerKey: word(0x81), lane: lane(account(0x08), 1), charged: 900,
                releasedAt: Uint::from(1_700_000_000u64),
            }),
        ],
    });
    check("messages", &made);
}

#[test]
fn seal_json() {
    let (chain_id, collection) = (31337, CollectionId([0x11; 32].into()));
    let receiver = SealingSecret::from_bytes([0x61; 32]);
    let public = receiver.public_key().unwrap();
    let (entropy, key, secret) =
        ([0x62; 32], CollectionKey::from_bytes([0x63; 32]), ChunkSecret::from_bytes([0x64; 32]));
    let whole = CollectionPlace { chain_id, collection };
    let sealed_key = whole.seal(&key, &public, entropy).unwrap();
    assert_eq!(whole.open(&sealed_key, &receiver).unwrap(), key);
    let chunk = ChunkPlace { chain_id, collection, ordinal: 7, account: [0x06; 20].into() };
    let sealed_secret = chunk.seal(&secret, &public, entropy).unwrap();
    assert_eq!(chunk.open(&sealed_secret, &receiver).unwrap(), secret);
    let content_entropy: [u8; 71] = std::array::from_fn(|at| 0x80 + at as u8);
    let content = ContentPlace { purpose: ContentPurpose::Artifact, request: [0x77; 32].into() };
    let entropy_of = || ContentEntropy::from_bytes(content_entropy);
    let artifact = content.seal(b"artifact", &public, entropy_of()).unwrap();
    assert_eq!(content.open(&artifact, &receiver).unwrap(), b"artifact");
    // Three segments, the last of 10 bytes.
    let states: Vec<u8> = (0..2 * 65_536 + 10).map(|at| (at % 251) as u8).collect();
    let state = ContentPlace { purpose: ContentPurpose::Checkpoint, ..content };
    let checkpoint = state.seal(&states, &public, entropy_of()).unwrap();
    check(
        "seal",
        &json!({
            "chainId": chain_id, "collection": collection, "ordinal": chunk.ordinal, "account": chunk.account,
            "receiverSecretKey": hex(receiver.reveal()), "receiverPublicKey": hex(public),
            "entropy": hex(entropy),
            "collectionKey": hex(key.reveal()), "sealedCollectionKey": hex(sealed_key),
            "chunkSecret": hex(secret.reveal()), "sealedChunkSecret": hex(sealed_secret),
            "contentEntropy": hex(content_entropy), "request": content.request, "artifact": hex(b"artifact"),
            "sealedArtifact": hex(&artifact),
            "checkpointBytes": states.len(), "checkpoint": "byte i is i mod 251",
            "sealedCheckpointDigest": Digest::of(&checkpoint),
        }),
    );
}

/// What users and workers sign for a relayer, and the names of what it does.
#[test]
fn relay_json() {
    use alloy::primitives::{Address, B256, Bytes, U256, Uint, address};
    use alloy::sol_types::SolStruct;
    use offsetdata_protocol::gateway_api::{Base64, Text};
    use offsetdata_protocol::messages as m;
    use offsetdata_protocol::relay_api::{Prediction, PredictionUpload, SponsorRequest, predictions_digest};

    let (chain_id, contract) = (31337, address!("0x00000000000000000000000000000000000000c0"));
    let (account, word) = (Address::repeat_byte, B256::repeat_byte);
    let data = Bytes::from_static(&[0x12, 0x34, 0x56, 0x78]);
    let forward = m::ForwardRequest {
        from: account(1),
        to: account(2),
        value: U256::ZERO,
        gas: U256::from(100_000),
        nonce: U256::from(3),
        deadline: Uint::from(1_700_000_600u64),
        data: data.clone(),
    };
    let sponsored = SponsorRequest::Forward {
        from: account(1),
        to: account(2),
        gas: 100_000,
        nonce: Text(U256::from(3)),
        deadline: 1_700_000_600,
        data: data.clone(),
        signature: Bytes::from(vec![7; 65]),
    };
    let direct = SponsorRequest::Direct { to: account(2), data };
    let upload = PredictionUpload {
        account: account(1),
        version: 1,
        records: records().into_iter().map(|record| Base64(record.into_bytes())).collect(),
        valid_until: 1_700_000_600,
        salt: word(3),
        signature: Bytes::new(),
    };
    let asked = m::PredictionRequest {
        model: word(0x21),
        version: 1,
        account: account(1),
        recordsRoot: upload.records_root().into(),
        audience: "https://relayer.example".into(),
        validUntil: Uint::from(1_700_000_600u64),
        salt: word(3),
    };
    let predictions =
        vec![Prediction { label: 7, score_ppm: 999_999 }, Prediction { label: 0, score_ppm: 500_000 }];
    let answer = m::PredictionAnswer {
        prediction: asked.eip712_hash_struct(),
        artifactDigest: word(0x51),
        predictionsDigest: predictions_digest(&predictions).into(),
    };
    let relay = m::relay_domain(chain_id, contract);
    let made = json!({
        "chainId": chain_id,
        "contract": contract,
        "forward": {
            "domain": "Offsetdata Forwarder",
            "type": m::ForwardRequest::eip712_encode_type(),
            "digest": forward.eip712_signing_hash(&m::forwarder_domain(chain_id, contract)),
            "body": sponsored,
            "calldata": sponsored.call(contract).1,
            "id": sponsored.id(contract),
        },
        "direct": { "body": direct, "id": direct.id(contract) },
        "prediction": {
            "body": upload,
            "recordsRoot": asked.recordsRoot,
            "id": asked.eip712_hash_struct(),
            "digest": asked.eip712_signing_hash(&relay),
        },
        "answer": {
            "predictions": predictions,
            "predictionsDigest": answer.predictionsDigest,
            "digest": answer.eip712_signing_hash(&relay),
        },
    });
    check("relay", &made);
}
