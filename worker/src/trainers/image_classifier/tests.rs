//! Runs of the image classifier on scikit-learn's digits, kept in tests/data/digits.

use std::io::Read;
use std::sync::atomic::{AtomicBool, Ordering};

use png::ColorType;
use serde_json::json;

use super::*;
use crate::dataset::tests::png;
use crate::dataset::{DatasetError, ImageSet};
use crate::trainers::random::TrainerRng;
use crate::trainers::{MetricEvent, Splits, Trained, TrainerError, metric};

const SEED: [u8; 32] = [42; 32];

/// (8×8 grey PNG, label), in the file's order.
fn digits() -> Vec<(Vec<u8>, u64)> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/data/digits/digits.csv.gz");
    let mut text = String::new();
    flate2::read::GzDecoder::new(std::fs::File::open(path).unwrap()).read_to_string(&mut text).unwrap();
    let digits: Vec<_> = text
        .lines()
        .map(|line| {
            let row: Vec<u16> = line.split(',').map(|cell| cell.parse().unwrap()).collect();
            let pixels: Vec<u8> = row[..64].iter().map(|level| ((level * 255 + 8) / 16) as u8).collect();
            (png(8, 8, ColorType::Grayscale, &pixels), u64::from(row[64]))
        })
        .collect();
    assert_eq!(digits.len(), 1_797);
    digits
}

/// The first `count` digits of a seeded shuffle, 70 : 10 : 20.
fn splits(count: usize) -> Splits {
    let digits = digits();
    let order = TrainerRng::new(&[1; 32], "split", 0).permutation(digits.len());
    let mut splits = Splits::<ImageSet>::default();
    for (place, record) in order.into_iter().take(count).enumerate() {
        let set = match place * 10 / count {
            0..=1 => &mut splits.test,
            2 => &mut splits.validation,
            _ => &mut splits.train,
        };
        set.push(record as u64, &digits[record].0, digits[record].1).unwrap();
    }
    splits
}

fn hyperparameters(value: serde_json::Value) -> Hyperparameters {
    Hyperparameters::from_json(&value).unwrap()
}

fn run(
    value: serde_json::Value,
    seed: [u8; 32],
    splits: &Splits,
) -> Result<(Trained, Vec<MetricEvent>), TrainerError> {
    let mut events = Vec::new();
    let cancel = AtomicBool::new(false);
    let trained =
        train(&hyperparameters(value), seed, None, splits, &cancel, &mut |event| events.push(event))?;
    Ok((trained, events))
}

fn bits(events: &[MetricEvent]) -> Vec<(u64, &'static str, u64, u64)> {
    events.iter().map(|event| (event.step, event.key, event.value.to_bits(), event.units)).collect()
}

fn last(events: &[MetricEvent], key: &str) -> f64 {
    events.iter().rev().find(|event| event.key == key).unwrap().value
}

#[test]
fn digits_are_learned() {
    let splits = splits(1_797);
    let started = std::time::Instant::now();
    let (trained, events) = run(json!({}), SEED, &splits).unwrap();
    let accuracy = trained.finals.test_accuracy.unwrap();
    println!(
        "test accuracy {accuracy:.4} of {}, {} steps, {:?}, artifact {}",
        splits.test.len(),
        trained.steps,
        started.elapsed(),
        crate::trainers::sha256(&[&trained.artifact])
    );
    assert!(accuracy >= 0.97, "test accuracy {accuracy}");
    assert_eq!(last(&events, metric::TEST_ACCURACY), accuracy);
    assert_eq!(trained.units, hyperparameters(json!({})).estimate_units(splits.train.len() as u64).unwrap());
    assert!(trained.finals.train_loss < 0.1 && trained.finals.validation_accuracy.unwrap() > 0.95);

    // The artifact predicts what the run measured.
    let classifier = ImageClassifier::load(&trained.artifact).unwrap();
    let predictions = classifier.predict(&splits.test).unwrap();
    let right = predictions.iter().zip(splits.test.labels()).filter(|(p, label)| p.label == **label).count();
    assert_eq!(right as f64 / splits.test.len() as f64, accuracy);
    let loss: f64 = predictions
        .iter()
        .zip(splits.test.labels())
        .map(|(prediction, label)| -f64::from(prediction.probabilities[*label as usize]).ln())
        .sum::<f64>()
        / splits.test.len() as f64;
    assert!((loss - trained.finals.test_loss.unwrap()).abs() < 1e-5);
}

#[test]
fn equal_runs_are_equal_bit_for_bit() {
    let splits = splits(200);
    let value =
        json!({"epochs": 2, "batchSize": 16, "shift": 1, "labelSmoothing": 0.05, "channels": [8, 16]});
    let (first, events) = run(value.clone(), SEED, &splits).unwrap();

    // The second run shares the process with others, each on a thread of its own.
    let (second, again) = std::thread::scope(|scope| {
        let noise = scope.spawn(|| run(value.clone(), [9; 32], &splits).unwrap());
        let again = scope.spawn(|| run(value.clone(), SEED, &splits).unwrap());
        let (other, other_events) = noise.join().unwrap();
        assert_ne!(bits(&other_events), bits(&events), "another seed is another run");
        assert_ne!(other.artifact, first.artifact);
        again.join().unwrap()
    });
    assert_eq!(bits(&again), bits(&events));
    assert_eq!(second.artifact, first.artifact);
    assert_eq!(second.finals, first.finals);
}

#[test]
fn events_come_in_order_with_units() {
    let splits = splits(100);
    let (trained, events) =
        run(json!({"epochs": 2, "batchSize": 32, "lossEvery": 2, "channels": [4]}), SEED, &splits).unwrap();
    assert_eq!((splits.train.len(), splits.validation.len(), splits.test.len()), (70, 10, 20));
    let seen: Vec<_> = events.iter().map(|event| (event.step, event.key, event.units)).collect();
    assert_eq!(
        seen,
        [
            (2, metric::TRAIN_LOSS, 64),
            (3, metric::TRAIN_ACCURACY, 70),
            (3, metric::VALIDATION_LOSS, 70),
            (3, metric::VALIDATION_ACCURACY, 70),
            (4, metric::TRAIN_LOSS, 102),
            (6, metric::TRAIN_LOSS, 140),
            (6, metric::TRAIN_ACCURACY, 140),
            (6, metric::VALIDATION_LOSS, 140),
            (6, metric::VALIDATION_ACCURACY, 140),
            (6, metric::TEST_LOSS, 140),
            (6, metric::TEST_ACCURACY, 140),
        ]
    );
    assert_eq!((trained.steps, trained.units), (6, 140));
}

#[test]
fn a_run_stops_when_cancelled() {
    let splits = splits(200);
    let cancel = AtomicBool::new(false);
    let mut losses = 0;
    let error = train(
        &hyperparameters(json!({"channels": [4]})),
        SEED,
        None,
        &splits,
        &cancel,
        &mut |event: MetricEvent| {
            losses += u64::from(event.key == metric::TRAIN_LOSS);
            cancel.store(event.step >= 3, Ordering::Relaxed);
        },
    )
    .unwrap_err();
    assert!(matches!(error, TrainerError::Cancelled { step: 3, units: 96 }), "{error}");
    assert_eq!(losses, 3);

    let error = train(
        &Hyperparameters::default(),
        SEED,
        None,
        &splits,
        &AtomicBool::new(true),
        &mut |_: MetricEvent| (),
    )
    .unwrap_err();
    assert!(matches!(error, TrainerError::Cancelled { step: 0, units: 0 }), "{error}");
}

#[test]
fn labels_and_shapes_that_do_not_fit_are_refused() {
    let image = png(8, 8, ColorType::Grayscale, &[9; 64]);
    let mut splits = Splits::<ImageSet>::default();
    assert!(matches!(run(json!({}), SEED, &splits), Err(TrainerError::NoTrainingRecords)));

    splits.train.push(5, &image, 0).unwrap();
    splits.train.push(6, &image, 3).unwrap();
    let error = run(json!({"classes": 3}), SEED, &splits).unwrap_err();
    assert!(
        matches!(
            error,
            TrainerError::Dataset(DatasetError::LabelOutOfRange { record: 6, label: 3, classes: 3 })
        ),
        "{error}"
    );

    splits.test.push(77, &image, 4).unwrap();
    let error = run(json!({}), SEED, &splits).unwrap_err();
    assert!(error.to_string().starts_with("record 77: label 4"), "{error}");

    splits.test = ImageSet::new();
    splits.validation.push(8, &png(4, 4, ColorType::Grayscale, &[9; 16]), 0).unwrap();
    let error = run(json!({}), SEED, &splits).unwrap_err();
    assert!(matches!(error, TrainerError::SplitShape { split: "validation", .. }), "{error}");

    let mut wide = Splits::<ImageSet>::default();
    wide.train.push(0, &png(64, 64, ColorType::Grayscale, &[0; 4096]), 0).unwrap();
    let error = run(json!({"channels": [256], "hidden": 1024}), SEED, &wide).unwrap_err();
    assert!(matches!(error, TrainerError::NetworkTooLarge { .. }), "{error}");
}

#[test]
fn every_shape_within_the_limits_trains() {
    for (width, height, color) in
        [(1, 1, ColorType::Grayscale), (64, 3, ColorType::Rgb), (5, 64, ColorType::Grayscale)]
    {
        let mut splits = Splits::<ImageSet>::default();
        for record in 0..6u64 {
            let samples = (width * height) as usize * color.samples();
            let pixels = vec![(record % 2 * 255) as u8; samples];
            splits.train.push(record, &png(width, height, color, &pixels), record % 2).unwrap();
        }
        let (trained, _) = run(
            json!({"epochs": 2, "batchSize": 4, "channels": [3, 5, 2, 4], "hidden": 0, "learningRateSchedule": "constant"}),
            SEED,
            &splits,
        )
        .unwrap();
        assert!(trained.finals.train_loss.is_finite());
        assert_eq!(trained.finals.test_accuracy, None);
        assert_eq!(trained.finals.validation_loss, None);
        let classifier = ImageClassifier::load(&trained.artifact).unwrap();
        assert_eq!(classifier.predict(&splits.train).unwrap().len(), 6);
    }
}

#[test]
fn a_run_away_loss_ends_the_run() {
    let splits = splits(300);
    let mut last_value = 0.0;
    let value = json!({"epochs": 200, "learningRate": 1, "weightDecay": 1, "channels": [4], "hidden": 0,
                       "learningRateSchedule": "constant"});
    // A rate of 1 may or may not run away on these data; what must never happen is a result that is no number.
    let cancel = AtomicBool::new(false);
    match train(&hyperparameters(value), SEED, None, &splits, &cancel, &mut |event: MetricEvent| {
        last_value = event.value;
        cancel.store(event.step >= 30, Ordering::Relaxed);
    }) {
        Err(TrainerError::Diverged { .. }) => assert!(!last_value.is_finite()),
        Err(TrainerError::Cancelled { .. }) => assert!(last_value.is_finite()),
        other => panic!("{other:?}"),
    }
}

mod artifacts {
    use super::*;

    fn small() -> (Vec<u8>, Splits) {
        let splits = splits(60);
        let (trained, _) =
            run(json!({"epochs": 1, "channels": [3], "hidden": 4, "classes": 12}), SEED, &splits).unwrap();
        (trained.artifact, splits)
    }

    fn refusal(bytes: &[u8]) -> String {
        match ImageClassifier::load(bytes) {
            Err(error @ (TrainerError::Artifact(_) | TrainerError::Hyperparameters { .. })) => {
                error.to_string()
            }
            Err(error) => panic!("{error:?}"),
            Ok(_) => panic!("it was read"),
        }
    }

    /// The same artifact with another header.
    fn with_header(bytes: &[u8], change: impl FnOnce(&mut serde_json::Value)) -> Vec<u8> {
        let length = u32::from_be_bytes(bytes[8..12].try_into().unwrap()) as usize;
        let mut header = serde_json::from_slice(&bytes[12..12 + length]).unwrap();
        change(&mut header);
        let header = serde_json::to_vec(&header).unwrap();
        let mut out = bytes[..8].to_vec();
        out.extend_from_slice(&(header.len() as u32).to_be_bytes());
        out.extend_from_slice(&header);
        out.extend_from_slice(&bytes[12 + length..]);
        out
    }

    #[test]
    fn the_header_says_how_to_use_the_weights() {
        let (bytes, splits) = small();
        let classifier = ImageClassifier::load(&bytes).unwrap();
        let header = classifier.header();
        assert_eq!((header.trainer.as_str(), header.version.as_str()), (NAME, VERSION));
        assert_eq!(header.classes, 12);
        assert_eq!(Some(header.input), splits.train.shape());
        assert_eq!(header.parameters, (3 * 9 + 9) + (3 * 16 * 4 + 4) + (4 * 12 + 12));
        let predictions = classifier.predict(&splits.test).unwrap();
        for prediction in &predictions {
            assert_eq!(prediction.probabilities.len(), 12);
            let total: f32 = prediction.probabilities.iter().sum();
            assert!((total - 1.0).abs() < 1e-5, "{total}");
        }
        let again = ImageClassifier::load(&bytes).unwrap().predict(&splits.test).unwrap();
        assert_eq!(predictions, again);
        assert_eq!(classifier.predict(&ImageSet::new()).unwrap(), []);

        let mut other = ImageSet::new();
        other.push(0, &png(4, 4, ColorType::Grayscale, &[0; 16]), 0).unwrap();
        assert!(matches!(classifier.predict(&other), Err(TrainerError::SplitShape { .. })));
    }

    #[test]
    fn damaged_and_hostile_artifacts_are_refused() {
        let (bytes, _) = small();
        for end in [0, 7, 8, 11, 12, 40, bytes.len() / 2, bytes.len() - 1] {
            refusal(&bytes[..end]);
        }
        let mut flipped = bytes.clone();
        *flipped.last_mut().unwrap() ^= 1;
        assert!(refusal(&flipped).contains("not those of the header"));

        let mut long = bytes.clone();
        long[8..12].copy_from_slice(&u32::MAX.to_be_bytes());
        assert!(refusal(&long).contains("at most"));

        assert!(refusal(&with_header(&bytes, |h| h["version"] = json!("2.0.0"))).contains("2.0.0"));
        assert!(refusal(&with_header(&bytes, |h| h["trainer"] = json!("other"))).contains("other"));
        refusal(&with_header(&bytes, |h| h["classes"] = json!(0)));
        refusal(&with_header(&bytes, |h| h["classes"] = json!(11)));
        refusal(&with_header(&bytes, |h| h["input"]["width"] = json!(65)));
        refusal(&with_header(&bytes, |h| h["normalisation"]["divisor"] = json!(1)));
        refusal(&with_header(&bytes, |h| h["extra"] = json!(1)));
        refusal(&with_header(&bytes, |h| h["hyperparameters"]["channels"] = json!([0])));
        // A header consistent in itself whose architecture the weights do not fit.
        let other = refusal(&with_header(&bytes, |h| {
            h["hyperparameters"]["hidden"] = json!(0);
            h["parameters"] = json!((3 * 9 + 9) + (48 * 12 + 12));
        }));
        assert!(other.contains("output.weight"), "{other}");
    }

    #[test]
    fn weights_that_are_no_numbers_are_refused() {
        let (bytes, _) = small();
        let length = u32::from_be_bytes(bytes[8..12].try_into().unwrap()) as usize;
        let mut changed = bytes.clone();
        let end = changed.len();
        changed[end - 4..].copy_from_slice(&f32::NAN.to_le_bytes());
        let digest = crate::trainers::sha256(&[&changed[12 + length..]]).to_string();
        let changed = with_header(&changed, |h| h["weightsDigest"] = json!(digest));
        assert!(refusal(&changed).contains("finite"), "{}", refusal(&changed));
    }
}
