//! Runs of the text classifier on real mails, kept in tests/data/spam.

use std::io::Read;
use std::sync::atomic::AtomicBool;

use alloy::primitives::B256;
use offsetdata_protocol::record::{Record, Value as Field};
use offsetdata_protocol::selection::{Split, SplitRule};
use serde_json::{Value, json};

use super::*;
use crate::trainers::{BuiltIn, Examples, MetricEvent, Model, TrainerError, metric};

const SEED: [u8; 32] = [42; 32];

fn mails() -> Vec<Record> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/data/spam/spam.jsonl.gz");
    let mut text = String::new();
    flate2::read::GzDecoder::new(std::fs::File::open(path).unwrap()).read_to_string(&mut text).unwrap();
    let mails: Vec<Record> = text
        .lines()
        .map(|line| {
            let mail: Value = serde_json::from_str(line).unwrap();
            let text = |field: &str| Field::from(mail[field].as_str().unwrap());
            let label = Field::from(mail["label"].as_u64().unwrap());
            Record::from_fields([("title", text("title")), ("text", text("text")), ("label", label)]).unwrap()
        })
        .collect();
    assert_eq!(mails.len(), 3_023);
    mails
}

#[test]
fn spam_is_told_from_ham() {
    let started = std::time::Instant::now();
    let mails = mails();
    let rule = SplitRule::new(B256::repeat_byte(1), 1_000, 2_000).unwrap();
    let mut examples = Examples::new(BuiltIn::TextClassifier, &json!({})).unwrap();
    for (index, mail) in (0u32..).zip(&mails) {
        examples.push(rule.split(index), index.into(), mail.view()).unwrap();
    }
    let read = started.elapsed();
    let mut events = Vec::new();
    let trained = examples
        .train(SEED, None, &AtomicBool::new(false), &mut |event: MetricEvent| events.push(event))
        .unwrap();
    let accuracy = trained.finals.test_accuracy.unwrap();
    println!(
        "test accuracy {accuracy:.4} of {}, validation {:.4}, train {:.4}, {} steps, read {read:?}, all {:?}",
        examples.len(Split::Test),
        trained.finals.validation_accuracy.unwrap(),
        trained.finals.train_accuracy,
        trained.steps,
        started.elapsed(),
    );
    assert!(accuracy >= 0.96, "test accuracy {accuracy}");
    assert_eq!(trained.units, examples.units().unwrap());
    assert!(events.iter().any(|event| event.key == metric::VALIDATION_ACCURACY && event.value > 0.95));

    // The artifact predicts what the run measured; most mails are ham, so guessing is far worse.
    let model = Model::load(BuiltIn::TextClassifier, &trained.artifact).unwrap();
    let held_out: Vec<_> =
        (0u32..).zip(&mails).filter(|(index, _)| rule.split(*index) == Split::Test).collect();
    let views: Vec<_> = held_out.iter().map(|(_, mail)| mail.view()).collect();
    let predictions = model.predict(&views).unwrap();
    let label = |mail: &Record| mail.field("label").unwrap().as_integer().unwrap();
    let right =
        predictions.iter().zip(&held_out).filter(|(p, (_, mail))| i128::from(p.label) == label(mail)).count();
    assert_eq!(right as f64 / held_out.len() as f64, accuracy);
    let ham = held_out.iter().filter(|(_, mail)| label(mail) == 0).count();
    assert!((ham as f64) < 0.75 * held_out.len() as f64);
}

#[test]
fn damaged_and_hostile_artifacts_are_refused() {
    let mut examples = Examples::new(BuiltIn::TextClassifier, &json!({"hashBits": 8, "epochs": 1})).unwrap();
    for (number, text) in ["one two", "three"].into_iter().enumerate() {
        let fields = [("text", Field::from(text)), ("label", Field::from(number as u64))];
        let record = Record::from_fields(fields).unwrap();
        examples.push(Split::Train, number as u64, record.view()).unwrap();
    }
    let trained = examples.train(SEED, None, &AtomicBool::new(false), &mut |_: MetricEvent| ()).unwrap();
    let bytes = trained.artifact;
    let model = TextClassifier::load(&bytes).unwrap();
    assert_eq!((model.header().classes, model.header().parameters), (2, 257 * 2));
    let refusal = |bytes: &[u8]| match TextClassifier::load(bytes) {
        Err(error @ (TrainerError::Artifact(_) | TrainerError::Hyperparameters { .. })) => error.to_string(),
        other => panic!("{other:?}"),
    };
    for end in [0, 7, 8, 11, 12, 40, bytes.len() / 2, bytes.len() - 1] {
        refusal(&bytes[..end]);
    }
    let mut flipped = bytes.clone();
    *flipped.last_mut().unwrap() ^= 1;
    assert!(refusal(&flipped).contains("not those of the header"));
    let length = u32::from_be_bytes(bytes[8..12].try_into().unwrap()) as usize;
    let changed = |change: &dyn Fn(&mut Value)| {
        let mut header: Value = serde_json::from_slice(&bytes[12..12 + length]).unwrap();
        change(&mut header);
        let header = serde_json::to_vec(&header).unwrap();
        let mut out = bytes[..8].to_vec();
        out.extend_from_slice(&(header.len() as u32).to_be_bytes());
        out.extend_from_slice(&header);
        out.extend_from_slice(&bytes[12 + length..]);
        refusal(&out)
    };
    assert!(changed(&|h| h["version"] = json!("2.0.0")).contains("2.0.0"));
    changed(&|h| h["classes"] = json!(0));
    changed(&|h| h["hyperparameters"]["hashBits"] = json!(60));
    changed(&|h| h["hyperparameters"]["hashBits"] = json!(9));
    changed(&|h| h["extra"] = json!(1));
    let other = changed(&|h| {
        h["hyperparameters"]["hashBits"] = json!(9);
        h["parameters"] = json!(513 * 2);
    });
    assert!(other.contains("columns"), "{other}");
}
