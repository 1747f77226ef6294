//! CIDs against those of ipfs-unixfs-importer, and nodes that nobody should accept.

use super::unixfs::FileWriter;
use super::*;
use proptest::prelude::*;
use std::collections::HashMap;

#[derive(serde::Deserialize)]
struct Vectors {
    files: Vec<File>,
    #[serde(rename = "profile2015")]
    profile_2015: Profile2015,
}

#[derive(serde::Deserialize)]
struct Profile2015 {
    files: Vec<File2015>,
}

#[derive(serde::Deserialize)]
struct File2015 {
    size: usize,
    cid: String,
}

#[derive(serde::Deserialize)]
#[serde(rename_all = "camelCase")]
struct File {
    size: usize,
    block_bytes: usize,
    max_links: usize,
    cid: String,
}

fn content(size: usize) -> Vec<u8> {
    (0..size).map(|i| (i % 251) as u8).collect()
}

/// Writes in uneven pieces; returns the root and all blocks.
fn write(bytes: &[u8], block_bytes: usize, max_links: usize, piece: usize) -> (Link, HashMap<Cid, Vec<u8>>) {
    let mut blocks = HashMap::new();
    let mut keep = |cid: Cid, block: &[u8]| {
        verify_block(&cid, block).unwrap();
        blocks.insert(cid, block.to_vec());
    };
    let mut writer = FileWriter::with_layout(Layout { block_bytes, max_links, raw_leaves: true });
    bytes.chunks(piece.max(1)).for_each(|piece| writer.write(piece, &mut keep));
    let root = writer.finish(&mut keep);
    (root, blocks)
}

fn read(cid: &Cid, blocks: &HashMap<Cid, Vec<u8>>, out: &mut Vec<u8>) {
    let block = &blocks[cid];
    if cid.codec() == RAW {
        return out.extend_from_slice(block);
    }
    let node = FileNode::decode(block).unwrap();
    assert_eq!(node.encode(), *block);
    node.links.iter().for_each(|link| read(&link.cid, blocks, out));
}

#[test]
fn equals_ipfs_unixfs_importer() {
    let vectors: Vectors = serde_json::from_str(include_str!("../../../tests/vectors/cid.json")).unwrap();
    assert!(vectors.files.len() >= 20);
    for file in vectors.files {
        let bytes = content(file.size);
        let (root, blocks) = write(&bytes, file.block_bytes, file.max_links, 100_003);
        assert_eq!(root.cid.to_string(), file.cid, "{} bytes", file.size);
        assert_eq!(root.file_bytes, file.size as u64);
        let mut again = Vec::new();
        read(&root.cid, &blocks, &mut again);
        assert!(again == bytes);
        if file.block_bytes == BLOCK_BYTES {
            assert_eq!(file_cid(&bytes), root.cid);
        }
    }
}

#[test]
fn equals_ipfs_cid_in_the_profile_of_2015() {
    let vectors: Vectors = serde_json::from_str(include_str!("../../../tests/vectors/cid.json")).unwrap();
    assert!(vectors.profile_2015.files.len() >= 10);
    for file in vectors.profile_2015.files {
        let mut writer = FileWriter::with_layout(Layout::V0_2015);
        content(file.size).chunks(100_003).for_each(|piece| writer.write(piece, &mut |_, _| {}));
        let root = writer.finish(&mut |_, _| {});
        assert_eq!((root.cid.to_string(), root.file_bytes), (file.cid, file.size as u64));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn pieces_do_not_matter_and_files_read_back(size in 0usize..9000, piece in 1usize..700) {
        let bytes = content(size);
        let (root, blocks) = write(&bytes, 64, 3, piece);
        let (whole, _) = write(&bytes, 64, 3, usize::MAX);
        prop_assert_eq!(root, whole);
        let mut again = Vec::new();
        read(&root.cid, &blocks, &mut again);
        prop_assert_eq!(again, bytes);
    }

    #[test]
    fn any_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        if let Ok(node) = FileNode::decode(&bytes) {
            prop_assert_eq!(node.encode(), bytes);
        }
    }

    #[test]
    fn a_changed_node_is_canonical_or_refused(at in any::<prop::sample::Index>(), to in any::<u8>()) {
        let (root, blocks) = write(&content(1000), 300, 8, 1000);
        let mut block = blocks[&root.cid].clone();
        let at = at.index(block.len());
        block[at] = to;
        if let Ok(node) = FileNode::decode(&block) {
            prop_assert_eq!(node.encode(), block);
        }
    }
}

#[test]
fn other_cids_are_refused() {
    let digest = Digest::of(b"x");
    assert_eq!(parts(&block_cid(RAW, digest)).unwrap(), (RAW, digest));
    let v0 = Cid::new_v0(multihash_of(digest)).unwrap();
    assert!(parts(&v0).is_err());
    assert!(parts(&block_cid(0x0129, digest)).is_err());
    assert!(parts(&Cid::new_v1(RAW, Multihash::wrap(0x1b, &digest.0).unwrap())).is_err());
    assert!(parts(&Cid::new_v1(RAW, Multihash::wrap(0x12, &digest.0[..31]).unwrap())).is_err());
    assert!(verify_block(&block_cid(RAW, digest), b"y").is_err());
    let node =
        FileNode { links: vec![Link { cid: block_cid(DAG_CBOR, digest), dag_bytes: 1, file_bytes: 1 }] };
    assert!(FileNode::decode(&node.encode()).is_err());
    assert!(FileNode::decode(&FileNode { links: vec![] }.encode()).is_err());
}
