//! Selections at their edges, splits in their proportions, orders that are permutations.

use super::*;
use proptest::prelude::*;

fn count(n: u32) -> RecordCount {
    RecordCount::new(n).unwrap()
}

#[test]
fn selections_at_their_edges() {
    let indices = |selection: Selection, cap| selection.indices(count(10), cap, None);
    assert_eq!(indices(Selection::All, u32::MAX).unwrap(), (0..10).collect::<Vec<_>>());
    assert_eq!(indices(Selection::All, 3).unwrap(), [0, 1, 2]);
    assert_eq!(indices(Selection::Range { first: 7, count: 3 }, 10).unwrap(), [7, 8, 9]);
    assert_eq!(indices(Selection::Range { first: 7, count: 3 }, 2).unwrap(), [7, 8]);
    for (first, count) in [(8, 3), (10, 1), (0, 0), (0, 11), (u32::MAX, 1), (1, u32::MAX)] {
        assert!(indices(Selection::Range { first, count }, 10).is_err(), "{first} {count}");
    }
    assert!(indices(Selection::All, 0).is_err());

    let bitmap = Bitmap::from_indices(count(10), [9, 0, 4]).unwrap();
    let chosen = Selection::Bitmap { root: bitmap.root(), count: 3 };
    assert_eq!(chosen.indices(count(10), 10, Some(&bitmap)).unwrap(), [0, 4, 9]);
    assert!(chosen.indices(count(10), 10, None).is_err());
    assert!(chosen.indices(count(11), 10, Some(&bitmap)).is_err());
    let other = Bitmap::from_indices(count(10), [9, 0, 5]).unwrap();
    assert!(chosen.indices(count(10), 10, Some(&other)).is_err());
    let miscounted = Selection::Bitmap { root: bitmap.root(), count: 2 };
    assert!(miscounted.indices(count(10), 10, Some(&bitmap)).is_err());
}

proptest! {
    #[test]
    fn bitmaps_round_trip(n in 1u32..5000, picks in prop::collection::vec(any::<prop::sample::Index>(), 0..60)) {
        let picks: std::collections::BTreeSet<u32> = picks.iter().map(|pick| pick.index(n as usize) as u32).collect();
        let bitmap = Bitmap::from_indices(count(n), picks.iter().copied()).unwrap();
        prop_assert_eq!(bitmap.count() as usize, picks.len());
        prop_assert!(bitmap.indices().eq(picks.iter().copied()));
        prop_assert_eq!(Bitmap::decode(count(n), bitmap.as_bytes().to_vec()).unwrap(), bitmap);
        prop_assert!(Bitmap::from_indices(count(n), [n]).is_err());
    }

    #[test]
    fn an_order_is_a_permutation(seed in any::<[u8; 32]>(), epoch in any::<u32>(), n in 0u32..400) {
        let mut items = order(seed.into(), epoch, n);
        items.sort_unstable();
        prop_assert_eq!(items, (0..n).collect::<Vec<_>>());
    }
}

#[test]
fn bits_past_the_last_record_are_refused() {
    assert!(Bitmap::decode(count(9), vec![0xff, 0x01]).is_ok());
    assert!(Bitmap::decode(count(9), vec![0xff, 0x02]).is_err());
    assert!(Bitmap::decode(count(9), vec![0xff]).is_err());
    assert!(Bitmap::decode(count(8), vec![0xff]).is_ok());
}

#[test]
fn splits_keep_their_proportions() {
    let rule = SplitRule::new([5; 32].into(), 1_500, 2_000).unwrap();
    let mut counts = [0u32; 3];
    (0..100_000).for_each(|i| counts[usize::from(rule.split(i).code())] += 1);
    // Five standard deviations of a binomial draw are about 650.
    for (count, expected) in counts.iter().zip([65_000u32, 15_000, 20_000]) {
        assert!(count.abs_diff(expected) < 650, "{counts:?}");
    }
    let other = SplitRule::new([6; 32].into(), 1_500, 2_000).unwrap();
    assert!((0..1000).any(|i| other.split(i) != rule.split(i)));
    assert!((0..1000).all(|i| SplitRule::new([6; 32].into(), 0, 0).unwrap().split(i) == Split::Train));
    assert!(SplitRule::new([0; 32].into(), 5_000, 5_000).is_err());
    assert!(SplitRule::new([0; 32].into(), u16::MAX, u16::MAX).is_err());
}

#[test]
fn orders_differ_by_seed_and_epoch() {
    let seed = [1; 32].into();
    assert_ne!(order(seed, 0, 50), order(seed, 1, 50));
    assert_ne!(order(seed, 0, 50), order([2; 32].into(), 0, 50));
    assert_eq!(order(seed, 0, 50), order(seed, 0, 50));
    // Each number comes first about as often: 600 of 3,000 draws each, five deviations are 110.
    let mut firsts = [0u32; 5];
    (0..3000).for_each(|epoch| firsts[order(seed, epoch, 5)[0] as usize] += 1);
    assert!(firsts.iter().all(|n| n.abs_diff(600) < 110), "{firsts:?}");
}

#[test]
fn receipts_and_flags_rise() {
    assert_ne!(given_root(&[1, 2, 3]).unwrap(), flags_root(&[1, 2, 3]).unwrap());
    assert!(given_root(&[1, 3, 2]).is_err() && given_root(&[1, 1]).is_err());
    assert_eq!(given_root(&[]).unwrap(), crate::merkle::empty_root());
}
