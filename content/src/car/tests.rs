//! What is written is read again; what is cut off, altered, too long or of another kind is refused.

use offsetdata_protocol::Digest;
use offsetdata_protocol::cid::{DAG_PB, RAW, block_cid, file_cid};

use super::*;

async fn exported(blocks: &Blocks, root: Cid, scope: Scope) -> Vec<u8> {
    let mut file = Vec::new();
    export(blocks, root, scope, &mut file, &mut |_| {}).await.unwrap();
    file
}

async fn read(blocks: &Blocks, file: &[u8]) -> Result<Imported, ContentError> {
    import(blocks, std::io::Cursor::new(file), &mut |_| {}).await
}

fn bytes(length: usize) -> Vec<u8> {
    (0..length).map(|i| (i / 1000 % 251) as u8).collect()
}

/// Blocks in a directory, and what is on its way there.
fn stored(root: &std::path::Path) -> usize {
    let below = |folder: &std::path::Path| -> Vec<std::path::PathBuf> {
        std::fs::read_dir(folder).into_iter().flatten().map(|entry| entry.unwrap().path()).collect()
    };
    let folders = below(root).into_iter().chain(below(&root.join("kept"))).chain(below(&root.join("tmp")));
    folders.flat_map(|folder| below(&folder)).filter(|file| !file.ends_with("lock") && file.is_file()).count()
}

/// A file of one block of our own making.
async fn car_of(root: Cid, blocks: &[(Cid, &[u8])]) -> Vec<u8> {
    let mut writer = iroh_car::CarWriter::new(iroh_car::CarHeader::new_v1(vec![root]), Vec::new());
    writer.write_header().await.unwrap();
    for (cid, block) in blocks {
        writer.write(*cid, block).await.unwrap();
    }
    writer.finish().await.unwrap()
}

#[tokio::test]
async fn a_file_goes_out_and_comes_in() {
    let (near, far) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (here, there) = (Blocks::directory(near.path()).unwrap(), Blocks::directory(far.path()).unwrap());
    for length in [0, 5, 1 << 20, (3 << 20) + 7] {
        let data = bytes(length);
        let root = here.put_file(&data).await.unwrap();
        let file = exported(&here, root, Scope::All).await;
        let imported = read(&there, &file).await.unwrap();
        assert_eq!((imported.root, imported.manifest), (root, None));
        assert_eq!(there.get_file(&root, length).await.unwrap(), data);
        assert!(there.pins().await.unwrap().contains(&root));
        // Again, as after a kill: the same.
        assert_eq!(read(&there, &file).await.unwrap().counted, imported.counted);
        assert_eq!(exported(&here, root, Scope::Entity).await, file);
        let alone = exported(&here, root, Scope::Block).await;
        assert!(alone.len() <= file.len() && (length > 1 << 20) == (alone.len() < file.len()));
    }
}

#[tokio::test]
async fn what_was_cut_off_is_not_taken_for_the_whole() {
    let (near, far) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (here, there) = (Blocks::directory(near.path()).unwrap(), Blocks::directory(far.path()).unwrap());
    let data = bytes((3 << 20) + 7);
    let root = here.put_file(&data).await.unwrap();
    let file = exported(&here, root, Scope::All).await;
    for cut in [1, 30, 70, 300, 1 << 20, file.len() - 8, file.len() - 1] {
        let error = read(&there, &file[..cut]).await.unwrap_err();
        assert!(matches!(error, ContentError::Car(_)), "{cut}: {error}");
    }
    // Exactly between two blocks.
    let node = here.get(&root, MAX_BLOCK_BYTES).await.unwrap();
    let head = car_of(root, &[(root, &node)]).await;
    let error = read(&there, &head).await.unwrap_err();
    assert!(error.to_string().contains("not whole"), "{error}");
    assert!(there.pins().await.unwrap().is_empty());
    assert_eq!(stored(far.path()), 0, "what is refused leaves nothing behind");
    // Whole, it is taken.
    assert_eq!(read(&there, &file).await.unwrap().root, root);
    // And it may leave out what is here.
    assert_eq!(read(&there, &head).await.unwrap().counted.blocks, 1);
}

#[tokio::test]
async fn what_is_altered_too_long_or_of_another_kind_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let blocks = Blocks::directory(folder.path()).unwrap();
    let refused = async |file: Vec<u8>| read(&blocks, &file).await.unwrap_err();
    let cid = block_cid(RAW, Digest::of(b"whole"));
    let error = refused(car_of(cid, &[(cid, b"whale")]).await).await;
    assert!(matches!(error, ContentError::Protocol(_)), "{error}");
    let long = vec![0; MAX_BLOCK_BYTES + 1];
    let long_cid = block_cid(RAW, Digest::of(&long));
    let error = refused(car_of(long_cid, &[(long_cid, &long)]).await).await;
    assert!(matches!(error, ContentError::TooLarge { .. }), "{error}");
    let longer = vec![0; 5 << 20];
    let error = refused(car_of(long_cid, &[(long_cid, &longer)]).await).await;
    assert!(matches!(error, ContentError::Car(_)), "{error}");
    // A node that is no file, and a map that is no manifest.
    let directory: &[u8] = &[0x0a, 0x02, 0x08, 0x01];
    let directory_cid = block_cid(DAG_PB, Digest::of(directory));
    assert_ne!(directory_cid, file_cid(directory));
    let error = refused(car_of(directory_cid, &[(directory_cid, directory)]).await).await;
    assert!(matches!(error, ContentError::Protocol(_)), "{error}");
    let map: &[u8] = &[0xa0];
    let map_cid = block_cid(DAG_CBOR, Digest::of(map));
    let error = refused(car_of(map_cid, &[(map_cid, map)]).await).await;
    assert!(matches!(error, ContentError::Protocol(_)), "{error}");
    // CIDs of version 0, no CAR at all, nothing, two roots, and lengths that promise more than there is.
    let old: Cid = "QmYwAPJzv5CZsnA625s3Xf2nemtYgPpHdWEz79ojWnPbdG".parse().unwrap();
    assert!(matches!(refused(car_of(old, &[]).await).await, ContentError::Protocol(_)));
    let two = iroh_car::CarHeader::new_v1(vec![cid, cid]);
    let mut two = iroh_car::CarWriter::new(two, Vec::new());
    two.write(cid, b"whole").await.unwrap();
    for file in
        [two.finish().await.unwrap(), b"PK\x03\x04".to_vec(), Vec::new(), vec![0xff; 64], vec![0x05, 1, 2]]
    {
        let error = refused(file).await;
        assert!(matches!(error, ContentError::Car(_)), "{error}");
    }
    // Blocks before the one that is altered, and more than are stored at a time.
    let data = bytes(70 << 20);
    let there = tempfile::tempdir().unwrap();
    let whole = Blocks::directory(there.path()).unwrap();
    let root = whole.put_file(&data).await.unwrap();
    let mut file = exported(&whole, root, Scope::All).await;
    let last = file.len() - 1;
    file[last] ^= 1;
    let error = refused(file).await;
    assert!(matches!(error, ContentError::Protocol(_)), "{error}");
    assert!(blocks.pins().await.unwrap().is_empty());
    assert_eq!(stored(folder.path()), 0, "what is refused leaves nothing behind");
}
