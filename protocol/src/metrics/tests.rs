//! Values at their edges, blocks that nobody should accept, and series that were tampered with.

use super::*;
use proptest::prelude::*;

fn point(sequence: u32, step: u64, key: &str, value: f64) -> MetricPoint {
    MetricPoint { sequence, step, key: MetricKey::new(key).unwrap(), value: MetricValue::from_f64(value) }
}

fn points() -> impl Strategy<Value = Vec<MetricPoint>> {
    let row = (any::<u64>(), "[a-z]{1,8}(/[a-z]{1,8})?", any::<i64>());
    (0u32..1000, prop::collection::vec(row, 0..40)).prop_map(|(first, rows)| {
        let rows = rows.into_iter().zip(first..);
        rows.map(|((step, key, code), sequence)| MetricPoint {
            sequence,
            step,
            key: MetricKey::new(key).unwrap(),
            value: MetricValue::from_code(code),
        })
        .collect()
    })
}

#[test]
fn values_at_their_edges() {
    let code = |number| MetricValue::from_f64(number).code();
    assert_eq!((code(0.31), code(-1.5), code(0.0), code(-0.0)), (310_000, -1_500_000, 0, 0));
    // Exactly between two integers: to the even one.
    assert_eq!((code(0.5e-6), code(1.5e-6), code(-2.5e-6)), (0, 2, -2));
    assert_eq!(
        (code(f64::NAN), code(f64::NEG_INFINITY), code(f64::INFINITY)),
        (i64::MIN, i64::MIN + 1, i64::MAX)
    );
    assert_eq!((code(f64::MAX), code(f64::MIN)), (i64::MAX - 1, i64::MIN + 2));
    assert!(MetricValue::from_code(i64::MIN).to_f64().is_nan());
    assert_eq!(MetricValue::from_f64(f64::INFINITY).to_f64(), f64::INFINITY);
    assert_eq!(MetricValue::from_f64(f64::NEG_INFINITY).to_f64(), f64::NEG_INFINITY);
    assert_eq!(MetricValue::from_f64(0.984375).to_f64(), 0.984375);
}

#[test]
fn keys_are_plain() {
    for bad in ["", "a b", "é", "a\n", &"a".repeat(65)] {
        assert!(MetricKey::new(bad).is_err(), "{bad:?}");
    }
    assert!(MetricKey::new("validation/top-5_accuracy.v2").is_ok() && MetricKey::new("a".repeat(64)).is_ok());
}

proptest! {
    #[test]
    fn blocks_round_trip(points in points()) {
        let block = PointsBlock::new(points.clone()).unwrap().encode().unwrap();
        prop_assert_eq!(PointsBlock::decode(&block).unwrap().into_points(), points);
    }

    #[test]
    fn any_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        if let Ok(block) = PointsBlock::decode(&bytes) {
            prop_assert_eq!(block.encode().unwrap(), bytes);
        }
    }

    #[test]
    fn a_changed_block_is_canonical_or_refused(points in points(), at in any::<prop::sample::Index>(), to in any::<u8>()) {
        let mut bytes = PointsBlock::new(points).unwrap().encode().unwrap();
        let at = at.index(bytes.len());
        bytes[at] = to;
        if let Ok(block) = PointsBlock::decode(&bytes) {
            prop_assert_eq!(block.encode().unwrap(), bytes);
        }
    }
}

#[test]
fn a_series_shows_every_edit() {
    let series: Vec<_> =
        (0..20).map(|i| point(i, u64::from(i) / 2, "train/loss", 1.0 / f64::from(i + 1))).collect();
    let root = series_root(&series).unwrap();
    assert_eq!(series_root(&series).unwrap(), root);
    for i in 0..series.len() {
        let mut edits = vec![series.clone(); 3];
        edits[0][i].value = MetricValue::from_code(series[i].value.code() ^ 1);
        edits[1][i].step += 1;
        edits[2][i].key = MetricKey::new("train/los").unwrap();
        for edited in edits {
            assert_ne!(series_root(&edited).unwrap(), root);
        }
        let mut cut = series.clone();
        cut.remove(i);
        assert!(i + 1 == series.len() && series_root(&cut).unwrap() != root || series_root(&cut).is_err());
    }
    let mut swapped = series.clone();
    swapped.swap(3, 4);
    assert!(series_root(&swapped).is_err() && PointsBlock::new(swapped).is_err());
}

#[test]
fn a_series_can_be_taken_up_again() {
    let series: Vec<_> = (0..50).map(|i| point(i, u64::from(i), "train/loss", f64::from(i))).collect();
    let mut builder = SeriesBuilder::new();
    series[..31].iter().for_each(|p| builder.push(p).unwrap());
    let mut again: SeriesBuilder = serde_json::from_str(&serde_json::to_string(&builder).unwrap()).unwrap();
    assert!(again.push(&series[32]).is_err());
    series[31..].iter().for_each(|p| again.push(p).unwrap());
    assert_eq!(again.root(), series_root(&series).unwrap());
}

#[test]
fn a_block_has_a_greatest_size() {
    let long = |n: usize| {
        (0..n as u32).map(move |i| point(u32::MAX - n as u32 + i, u64::MAX, &"k".repeat(64), f64::MIN))
    };
    let full = PointsBlock::new(long(MAX_BLOCK_POINTS).collect()).unwrap().encode().unwrap();
    assert!(PointsBlock::decode(&full).is_ok());
    assert!(PointsBlock::new(long(MAX_BLOCK_POINTS + 1).collect()).is_err());
    assert!(PointsBlock::decode(&[0x9b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]).is_err());
    assert!(PointsBlock::new(vec![]).unwrap().encode().unwrap() == [0x80]);
}
