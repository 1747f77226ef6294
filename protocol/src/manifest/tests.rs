//! Manifests and pages that read back, and every lie that one can tell.

use super::*;
use crate::chunk::{ChunkBuilder, ChunkLimits, Codec, Taken};
use crate::record::{Record, Value};
use proptest::prelude::*;

/// A public collection of `records` records in chunks of `per_chunk`, in pages of `per_page`.
fn collection(records: u32, per_chunk: u32, per_page: usize) -> (Manifest, Vec<Page>) {
    let key = PublishedKey([0x22; 32]);
    let mut builder = ChunkBuilder::new(ChunkLimits { records: per_chunk, bytes: 1 << 20 }).unwrap();
    let (mut entries, mut root, mut first) = (Vec::new(), RootBuilder::new(), 0);
    let mut seal = |builder: &mut ChunkBuilder, entries: &mut Vec<ChunkEntry>| {
        let ordinal = entries.len() as u32;
        let chunk = builder
            .seal(
                &key.collection_key(),
                Visibility::Public,
                SeriesId([1; 16]),
                ordinal,
                first,
                Codec::Identity,
            )
            .unwrap();
        first += chunk.entry.count;
        root.extend(chunk.leaves);
        entries.push(chunk.entry);
    };
    for n in 0..records {
        let record = Record::from_fields([("n", Value::from(n))]).unwrap();
        if builder.push(record.view()).unwrap() == Taken::Full {
            seal(&mut builder, &mut entries);
            assert_eq!(builder.push(record.view()).unwrap(), Taken::Yes);
        }
    }
    seal(&mut builder, &mut entries);
    let mut pages = Vec::new();
    let mut references = Vec::new();
    for (i, chunks) in entries.chunks(per_page).enumerate() {
        let page = Page { chunks: chunks.to_vec() };
        references.push(page.encode((i * per_page) as u32).unwrap().1);
        pages.push(page);
    }
    let manifest = Manifest {
        version: MANIFEST_VERSION,
        series: SeriesId([1; 16]),
        record_count: RecordCount::new(records).unwrap(),
        content_root: root.root(),
        public_key: Some(key),
        preview_secrets: Vec::new(),
        fields: vec![Field::required("n", FieldKind::Integer)],
        licence: "CC-BY-4.0".into(),
        croissant: r#"{"@type":"sc:Dataset","name":"numbers"}"#.into(),
        quality_report: None,
        pages: references,
    };
    (manifest, pages)
}

#[test]
fn a_collection_reads_back_and_proves_its_root() {
    for (records, per_chunk, per_page) in [(1, 1, 1), (100, 7, 3), (64, 64, 1), (333, 10, 512)] {
        let (manifest, pages) = collection(records, per_chunk, per_page);
        let block = manifest.encode().unwrap();
        assert_eq!(Manifest::decode(&block).unwrap(), manifest);
        manifest.verify_pages(&pages).unwrap();
        for (page, reference) in pages.iter().zip(&manifest.pages) {
            let (block, again) = page.encode(reference.ordinal).unwrap();
            assert_eq!((&Page::decode(&block).unwrap(), &again), (page, reference));
        }
        assert_eq!(crate::cid::parts(&Manifest::cid(Manifest::digest(&block))).unwrap().0, DAG_CBOR);
    }
}

/// The same collection, private, with a preview of `chunks` chunks. Its leaves have no salts, which no manifest tells.
fn with_preview(chunks: usize) -> (Manifest, Vec<Page>) {
    let (mut manifest, pages) = collection(100, 7, 3);
    let key = manifest.public_key.take().unwrap().collection_key();
    let entries = pages.iter().flat_map(|page| &page.chunks).take(chunks);
    let secret = |entry: &ChunkEntry| PreviewSecret(*key.chunk_secret(&entry.seed).unwrap().reveal());
    manifest.preview_secrets = entries.map(secret).collect();
    (manifest, pages)
}

#[test]
fn a_preview_reads_back_and_has_the_secrets_of_its_chunks() {
    for chunks in [0, 1, 5, 15] {
        let (manifest, pages) = with_preview(chunks);
        let block = manifest.encode().unwrap();
        assert_eq!(Manifest::decode(&block).unwrap(), manifest);
        assert_eq!(block.windows(14).any(|w| w == b"previewSecrets"), chunks > 0);
        manifest.verify_pages(&pages).unwrap();
    }
    let (mut wrong, pages) = with_preview(5);
    wrong.preview_secrets.swap(3, 4);
    wrong.encode().unwrap();
    assert!(matches!(
        wrong.verify_pages(&pages),
        Err(ProtocolError::DigestMismatch { what: "chunk secret", .. })
    ));
    let (mut many, _) = with_preview(15);
    many.preview_secrets.push(PreviewSecret::default());
    assert!(many.encode().is_err(), "more secrets than chunks");
    let (mut public, _) = collection(100, 7, 3);
    public.preview_secrets.push(PreviewSecret::default());
    assert!(public.encode().is_err(), "a preview of a public collection");
}

#[test]
fn links_are_links_for_any_ipld_reader() {
    use ipld_core::ipld::Ipld;
    let (manifest, pages) = collection(20, 4, 2);
    let root: Ipld = serde_ipld_dagcbor::from_slice(&manifest.encode().unwrap()).unwrap();
    let mut links = Vec::new();
    root.references(&mut links);
    assert_eq!(links, manifest.pages.iter().map(|page| page.cid).collect::<Vec<_>>());
    let page: Ipld = serde_ipld_dagcbor::from_slice(&pages[0].encode(0).unwrap().0).unwrap();
    links.clear();
    page.references(&mut links);
    assert_eq!(links, pages[0].chunks.iter().map(|chunk| chunk.cid).collect::<Vec<_>>());
}

#[test]
fn every_lie_is_refused() {
    let (manifest, pages) = collection(100, 7, 3);
    let lies: [&dyn Fn(&mut Manifest); 14] = [
        &|m| m.version = 2,
        &|m| m.record_count = RecordCount::new(99).unwrap(),
        &|m| m.fields.clear(),
        &|m| m.fields.push(m.fields[0].clone()),
        &|m| m.fields[0].name = "n".repeat(129),
        &|m| m.licence.clear(),
        &|m| m.licence = "x".repeat(1025),
        &|m| m.croissant = "[]".into(),
        &|m| m.croissant = "{".into(),
        &|m| m.croissant = format!("{{\"name\":\"{}\"}}", "x".repeat(MAX_CROISSANT_BYTES)),
        &|m| m.pages.swap(0, 1),
        &|m| m.pages.truncate(1),
        &|m| m.pages[1].first += 1,
        &|m| m.pages[0].cid = block_cid(crate::cid::RAW, Digest::default()),
    ];
    for (i, lie) in lies.iter().enumerate() {
        let mut lying = manifest.clone();
        lie(&mut lying);
        assert!(lying.encode().is_err(), "lie {i}");
        // Nor is it read where somebody else wrote it.
        assert!(Manifest::decode(&serde_ipld_dagcbor::to_vec(&lying).unwrap()).is_err(), "lie {i}");
    }
    let mut other_root = manifest.clone();
    other_root.content_root.0[0] ^= 1;
    assert!(matches!(
        other_root.verify_pages(&pages),
        Err(ProtocolError::DigestMismatch { what: "content root", .. })
    ));
    assert!(manifest.verify_pages(&pages[1..]).is_err());
    assert!(manifest.verify_pages(&pages[..pages.len() - 1]).is_err());
    let mut changed = pages.clone();
    changed[0].chunks[0].subtrees[0].0[0] ^= 1;
    assert!(manifest.verify_pages(&changed).is_err());
}

#[test]
fn every_lie_of_a_page_is_refused() {
    let (_, pages) = collection(100, 7, 20);
    let lies: [&dyn Fn(&mut Page); 9] = [
        &|p| p.chunks.clear(),
        &|p| p.chunks.swap(0, 1),
        &|p| p.chunks.retain(|chunk| chunk.first != 7),
        &|p| p.chunks[2].count += 1,
        &|p| p.chunks[0].count = 0,
        &|p| p.chunks[2].subtrees.push(Digest::default()),
        &|p| p.chunks[0].digest.0[0] ^= 1,
        &|p| p.chunks[0].size = (1 << 20) + 1,
        &|p| p.chunks[0].cid = block_cid(DAG_CBOR, p.chunks[0].digest),
    ];
    for (i, lie) in lies.iter().enumerate() {
        let mut lying = pages[0].clone();
        lie(&mut lying);
        assert!(lying.encode(0).is_err(), "lie {i}");
        assert!(Page::decode(&serde_ipld_dagcbor::to_vec(&lying).unwrap()).is_err(), "lie {i}");
    }
    let (_, many) = collection(513, 1, 512);
    let joined = Page { chunks: many.into_iter().flat_map(|page| page.chunks).collect() };
    assert!(joined.encode(0).is_err(), "513 chunks");
}

#[test]
fn a_full_page_fits_into_a_block() {
    let (_, pages) = collection(1, 1, 1);
    let mut entry = pages[0].chunks[0].clone();
    entry.digest = Digest::of(b"x");
    entry.cid = block_cid(crate::cid::DAG_PB, entry.digest);
    (entry.size, entry.count) = (64 << 20, 1_952);
    let chunks = (0..MAX_PAGE_CHUNKS as u32).map(|i| {
        let first = 1 + i * 1_952;
        let levels = crate::merkle::subtree_levels(first.into(), 1_952);
        ChunkEntry { first, subtrees: vec![Digest::default(); levels.len()], ..entry.clone() }
    });
    let (block, _) = Page { chunks: chunks.collect() }.encode(1).unwrap();
    assert!(block.len() < MAX_BLOCK_BYTES, "{}", block.len());
    assert!(Page::decode(&block).is_ok());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        prop_assert!(Manifest::decode(&bytes).is_err());
        prop_assert!(Page::decode(&bytes).is_err());
    }

    #[test]
    fn changed_blocks_are_canonical_or_refused(at in any::<prop::sample::Index>(), to in any::<u8>(), cut in any::<bool>()) {
        let (manifest, pages) = collection(9, 2, 3);
        for (block, is_page) in [(manifest.encode().unwrap(), false), (pages[0].encode(0).unwrap().0, true)] {
            let mut bytes = block.clone();
            let at = at.index(bytes.len());
            if cut { bytes.truncate(at) } else { bytes[at] = to }
            if is_page {
                if let Ok(page) = Page::decode(&bytes) {
                    prop_assert_eq!(page.encode(0).unwrap().0, bytes);
                }
            } else if let Ok(manifest) = Manifest::decode(&bytes) {
                prop_assert_eq!(manifest.encode().unwrap(), bytes);
            }
        }
    }
}

#[test]
fn deep_blocks_do_not_exhaust_the_stack() {
    let deep = vec![0x81; 500_000];
    assert!(Manifest::decode(&deep).is_err());
    // Also behind a name that the manifest knows.
    let behind = [&[0xa1, 0x65][..], b"pages", &deep].concat();
    assert!(Manifest::decode(&behind).is_err());
}

#[test]
fn records_are_held_against_the_schema() {
    let fields = vec![
        Field::required("label", FieldKind::Integer),
        Field { optional: true, ..Field::required("note", FieldKind::Text) },
    ];
    let check = |pairs: Vec<(&str, Value)>| check_record(&fields, Record::from_fields(pairs).unwrap().view());
    assert!(check(vec![("label", 1.into())]).is_ok());
    assert!(check(vec![("label", 1.into()), ("note", "x".into())]).is_ok());
    let message = |result: Result<(), ProtocolError>| result.unwrap_err().to_string();
    assert!(message(check(vec![("note", "x".into())])).contains("\"label\" is missing"));
    assert!(message(check(vec![("label", "x".into())])).contains("is Text and not Integer"));
    assert!(message(check(vec![("label", 1.into()), ("other", 1.into())])).contains("not in the schema"));
}
