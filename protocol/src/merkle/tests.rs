//! The tree against ct-merkle, the vectors of Certificate Transparency, and proofs that were changed.

use super::*;
use crate::leaf::leaf_hash;
use ct_merkle::mem_backed_tree::MemoryBackedTree;
use proptest::prelude::*;
use sha2::Sha256;

fn data(n: u64) -> Vec<Vec<u8>> {
    (0..n).map(|i| i.to_be_bytes().repeat(1 + i as usize % 5)).collect()
}

fn leaves(n: u64) -> Vec<LeafHash> {
    data(n).iter().map(|data| leaf_hash(data)).collect()
}

fn oracle(n: u64) -> MemoryBackedTree<Sha256, Vec<u8>> {
    let mut tree = MemoryBackedTree::new();
    data(n).into_iter().for_each(|data| tree.push(data));
    tree
}

fn bytes(proof: &[Digest]) -> Vec<u8> {
    proof.iter().flat_map(|hash| hash.0).collect()
}

#[test]
fn roots_of_certificate_transparency() {
    // The leaves and roots of the reference tests of RFC 6962's implementations.
    let leaves =
        ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"];
    let roots = [
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
        "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
        "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
        "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
        "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
    ];
    let mut builder = RootBuilder::new();
    assert_eq!(builder.root(), roots[0].parse().unwrap());
    for (leaf, root) in leaves.iter().zip(&roots[1..]) {
        builder.push(leaf_hash(&hex::decode(leaf).unwrap()));
        assert_eq!(builder.root(), root.parse().unwrap());
    }
}

#[test]
fn equals_ct_merkle_at_every_small_size() {
    let (all, mut builder) = (leaves(70), RootBuilder::new());
    for n in 0..=70u64 {
        let (tree, oracle) = (Tree::new(all[..n as usize].iter().copied()), oracle(n));
        assert_eq!(tree.root().0, <[u8; 32]>::from(*oracle.root().as_bytes()));
        assert_eq!(builder.root(), tree.root());
        assert_eq!(tree.len(), n);
        for i in 0..n {
            let proof = tree.inclusion_proof(i).unwrap();
            assert_eq!(bytes(&proof), oracle.prove_inclusion(i as usize).as_bytes());
            verify_inclusion(&tree.root(), n, i, &all[i as usize], &proof).unwrap();
            assert_eq!(tree.root_at(i).unwrap(), root(all[..i as usize].iter().copied()));
        }
        for old in 1..=n {
            let proof = tree.consistency_proof(old).unwrap();
            if old < n {
                assert_eq!(bytes(&proof), oracle.prove_consistency((n - old) as usize).as_bytes());
            }
            verify_consistency(&tree.root_at(old).unwrap(), old, &tree.root(), n, &proof).unwrap();
        }
        assert!(tree.inclusion_proof(n).is_err() && tree.consistency_proof(0).is_err());
        assert!(tree.consistency_proof(n + 1).is_err() && tree.root_at(n + 1).is_err());
        if n < 70 {
            builder.push(all[n as usize]);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_builder_can_be_stored_at_any_point(n in 0u64..600, at in any::<prop::sample::Index>()) {
        let all = leaves(n);
        let at = at.index(all.len() + 1);
        let mut builder = RootBuilder::new();
        builder.extend(all[..at].iter().copied());
        let stored = serde_json::to_string(&builder).unwrap();
        let mut again: RootBuilder = serde_json::from_str(&stored).unwrap();
        again.extend(all[at..].iter().copied());
        prop_assert_eq!(again.root(), root(all));
    }

    #[test]
    fn subtrees_of_any_chunks_make_the_root(sizes in prop::collection::vec(1u64..90, 1..12)) {
        let all = leaves(sizes.iter().sum());
        let (mut builder, mut first) = (RootBuilder::new(), 0u64);
        for size in sizes {
            let these = &all[first as usize..(first + size) as usize];
            for (level, root) in subtree_levels(first, size).into_iter().zip(subtrees(first, these)) {
                builder.push_subtree(level, root).unwrap();
            }
            first += size;
        }
        prop_assert_eq!(builder.root(), root(all));
    }

    #[test]
    fn a_changed_inclusion_proof_is_refused(n in 1u64..300, i in any::<prop::sample::Index>(), what in 0usize..6, at in any::<prop::sample::Index>()) {
        let tree = Tree::new(leaves(n));
        let (mut root, mut index) = (tree.root(), i.index(n as usize) as u64);
        let (mut leaf, mut proof, mut size) = (tree.leaf(index).unwrap(), tree.inclusion_proof(index).unwrap(), n);
        match what {
            0 => root.0[at.index(32)] ^= 1,
            1 => leaf.0[at.index(32)] ^= 1,
            2 if !proof.is_empty() => { let at = at.index(proof.len()); proof[at].0[0] ^= 1 }
            3 if !proof.is_empty() => { proof.remove(at.index(proof.len())); }
            4 => proof.insert(at.index(proof.len() + 1), Digest::default()),
            // Another index of the same tree has another leaf.
            _ if n > 1 => index = (index + 1) % n,
            _ => size = 0,
        }
        prop_assert!(verify_inclusion(&root, size, index, &leaf, &proof).is_err());
    }

    #[test]
    fn a_changed_consistency_proof_is_refused(n in 2u64..300, old in any::<prop::sample::Index>(), what in 0usize..5, at in any::<prop::sample::Index>()) {
        let tree = Tree::new(leaves(n));
        let mut old_size = 1 + old.index(n as usize - 1) as u64;
        let (mut old_root, mut new_root) = (tree.root_at(old_size).unwrap(), tree.root());
        let mut proof = tree.consistency_proof(old_size).unwrap();
        match what {
            0 => old_root.0[at.index(32)] ^= 1,
            1 => new_root.0[at.index(32)] ^= 1,
            2 => { let at = at.index(proof.len()); proof[at].0[0] ^= 1 }
            3 => { proof.remove(at.index(proof.len())); }
            _ => old_size = n,
        }
        prop_assert!(verify_consistency(&old_root, old_size, &new_root, n, &proof).is_err());
    }

    #[test]
    fn any_proof_never_panics(size in any::<u64>(), index in any::<u64>(), proof in prop::collection::vec(any::<[u8; 32]>(), 0..70)) {
        let proof: Vec<Digest> = proof.into_iter().map(Digest).collect();
        prop_assert!(verify_inclusion(&Root::default(), size, index, &LeafHash::default(), &proof).is_err());
        prop_assert!(verify_consistency(&Root::default(), index, &Root([1; 32]), size, &proof).is_err());
    }
}

#[test]
fn misplaced_subtrees_and_frontiers_are_refused() {
    let mut builder = RootBuilder::new();
    builder.extend(leaves(3));
    assert!(builder.push_subtree(1, Digest::default()).is_err());
    assert!(builder.push_subtree(33, Digest::default()).is_err());
    assert!(builder.push_subtree(0, Digest::default()).is_ok());
    assert!(RootBuilder::from_frontier(3, vec![Digest::default()]).is_err());
    assert!(serde_json::from_str::<RootBuilder>(r#"{"len":1,"peaks":[]}"#).is_err());
}

#[test]
fn a_collection_has_between_one_and_a_million_records() {
    assert!(RecordCount::new(0).is_err() && RecordCount::new(1_000_001).is_err());
    assert!(RecordCount::new(1).is_ok() && RecordCount::new(1_000_000).is_ok());
}
