//! Runs that stop anywhere and go on are the undisturbed run; records reach their trainer; models predict them.

use std::sync::atomic::{AtomicBool, Ordering};

use offsetdata_protocol::record::{Record, Value as Field};
use png::ColorType;
use serde_json::json;

use super::*;
use crate::dataset::tests::png;
use crate::trainers::random::TrainerRng;
use crate::trainers::{MetricEvent, TrainerState};

const SEED: [u8; 32] = [7; 32];

fn image_record(number: u64) -> Record {
    let mut rng = TrainerRng::new(&[1; 32], "pixels", number);
    let label = number % 3;
    let pixels: Vec<u8> =
        (0..36).map(|at| (rng.below(128) + 127 * u64::from(at % 3 == label)) as u8).collect();
    let image = png(6, 6, ColorType::Grayscale, &pixels);
    Record::from_fields([("image", Field::Bytes(image)), ("label", Field::from(label))]).unwrap()
}

fn text_record(number: u64) -> Record {
    let mut rng = TrainerRng::new(&[1; 32], "words", number);
    let label = number % 2;
    let text: Vec<String> = (0..20).map(|_| format!("w{}", rng.below(40) + 30 * label)).collect();
    let fields = [
        ("text", Field::from(text.join(" "))),
        ("title", Field::from(format!("t{}", rng.below(5)))),
        ("label", Field::from(label)),
    ];
    Record::from_fields(fields).unwrap()
}

fn examples(trainer: BuiltIn, hyperparameters: Value, make: fn(u64) -> Record) -> Examples {
    let mut examples = Examples::new(trainer, &hyperparameters).unwrap();
    for number in 0..50 {
        let split = match number % 10 {
            0 => Split::Validation,
            1 | 2 => Split::Test,
            _ => Split::Train,
        };
        examples.push(split, number, make(number).view()).unwrap();
    }
    examples
}

/// Keeps everything, and stops the run after `leave` states.
#[derive(Default)]
struct Log {
    events: Vec<MetricEvent>,
    states: Vec<(usize, TrainerState)>,
    leave: Option<usize>,
    stop: AtomicBool,
}

impl Log {
    fn run(self, examples: &Examples, state: Option<&[u8]>) -> (Self, Result<Trained, TrainerError>) {
        let mut watcher = self;
        let stop = std::mem::take(&mut watcher.stop);
        let stop = &stop;
        struct With<'a>(&'a mut Log, &'a AtomicBool);
        impl Watcher for With<'_> {
            fn metric(&mut self, event: MetricEvent) {
                self.0.events.push(event);
            }
            fn wants_state(&mut self) -> bool {
                true
            }
            fn state(&mut self, state: TrainerState) {
                self.0.states.push((self.0.events.len(), state));
                if self.0.leave == Some(self.0.states.len()) {
                    self.1.store(true, Ordering::Relaxed);
                }
            }
        }
        let result = examples.train(SEED, state, stop, &mut With(&mut watcher, stop));
        (watcher, result)
    }
}

fn bits(events: &[MetricEvent]) -> Vec<(u64, &'static str, u64, u64)> {
    events.iter().map(|event| (event.step, event.key, event.value.to_bits(), event.units)).collect()
}

/// Stops at every state, each time in what would be another process, and goes on from its bytes.
fn resumes_everywhere(examples: &Examples, states: usize) {
    let mut undisturbed_events = Vec::new();
    let undisturbed = examples
        .train(SEED, None, &AtomicBool::new(false), &mut |event: MetricEvent| undisturbed_events.push(event))
        .unwrap();
    let (watched, result) = Log::default().run(examples, None);
    assert_eq!(result.unwrap().artifact, undisturbed.artifact, "taking states changes nothing");
    assert_eq!(watched.states.len(), states);

    for (before, state) in &watched.states {
        let (rest, result) = Log::default().run(examples, Some(&state.bytes));
        let trained = result.unwrap();
        assert_eq!(bits(&rest.events), bits(&undisturbed_events[*before..]), "after step {}", state.step);
        assert_eq!(trained.artifact, undisturbed.artifact, "after step {}", state.step);
        assert_eq!((trained.finals, trained.units), (undisturbed.finals, undisturbed.units));
    }

    // One run, killed at each of its states.
    let (mut events, mut state) = (Vec::new(), None::<TrainerState>);
    let trained = loop {
        let log = Log { leave: Some(1), ..Log::default() };
        let (log, result) = log.run(examples, state.as_ref().map(|state| state.bytes.as_slice()));
        match result {
            Err(TrainerError::Cancelled { .. }) => {
                let (count, next) = log.states.into_iter().next().unwrap();
                events.extend_from_slice(&log.events[..count]);
                state = Some(next);
            }
            other => {
                events.extend(log.events);
                break other.unwrap();
            }
        }
    };
    assert_eq!(bits(&events), bits(&undisturbed_events));
    assert_eq!(trained.artifact, undisturbed.artifact);
}

#[test]
fn an_image_run_goes_on_from_every_step() {
    let hyperparameters = json!({"epochs": 3, "batchSize": 8, "channels": [4], "hidden": 5, "shift": 1,
                                 "labelSmoothing": 0.1, "lossEvery": 2});
    // 35 records in batches of 8: 5 steps an epoch.
    resumes_everywhere(&examples(BuiltIn::ImageClassifier, hyperparameters, image_record), 15);
}

#[test]
fn a_text_run_goes_on_from_every_step() {
    for hidden in [0, 4] {
        let hyperparameters = json!({"epochs": 2, "batchSize": 10, "hashBits": 10, "hidden": hidden});
        resumes_everywhere(&examples(BuiltIn::TextClassifier, hyperparameters, text_record), 8);
    }
}

#[test]
fn a_state_of_another_run_is_refused() {
    let small = |value| examples(BuiltIn::TextClassifier, value, text_record);
    let one = small(json!({"epochs": 2, "hashBits": 8}));
    let (log, _) = Log::default().run(&one, None);
    let bytes = &log.states[0].1.bytes;
    let refused = |examples: &Examples, bytes: &[u8]| match Log::default().run(examples, Some(bytes)).1 {
        Err(TrainerError::State(reason)) => reason,
        other => panic!("{other:?}"),
    };
    assert!(refused(&small(json!({"epochs": 3, "hashBits": 8})), bytes).contains("steps"));
    refused(&small(json!({"epochs": 2, "hashBits": 9})), bytes);
    let images = examples(BuiltIn::ImageClassifier, json!({"epochs": 2}), image_record);
    assert!(refused(&images, bytes).contains("trainer"));
    for end in [0, 7, 11, 40, bytes.len() / 2, bytes.len() - 1] {
        refused(&one, &bytes[..end]);
    }
    let mut damaged = bytes.clone();
    for at in (0..bytes.len()).step_by(97) {
        damaged[at] ^= 0x40;
        // A changed number may be read; nothing may panic. Bytes from elsewhere are authenticated before they come here.
        let _ = Log::default().run(&one, Some(&damaged));
        damaged[at] ^= 0x40;
    }
}

#[test]
fn records_that_lack_a_field_are_named() {
    let mut images = Examples::new(BuiltIn::ImageClassifier, &json!({})).unwrap();
    let error = images.push(Split::Train, 41, text_record(0).view()).unwrap_err();
    assert_eq!(error.to_string(), "record 41 has no bytes field \"image\"");
    let mut texts = Examples::new(BuiltIn::TextClassifier, &json!({})).unwrap();
    let unlabelled = Record::from_fields([("text", Field::from("a"))]).unwrap();
    let error = texts.push(Split::Train, 5, unlabelled.view()).unwrap_err();
    assert!(error.to_string().contains("\"label\""), "{error}");
    let negative = Record::from_fields([("text", Field::from("a")), ("label", Field::from(-1))]).unwrap();
    assert!(texts.push(Split::Train, 5, negative.view()).is_err());
    let title = [("text", Field::from("a")), ("title", Field::from(3)), ("label", Field::from(1))];
    let title = Record::from_fields(title).unwrap();
    assert!(texts.push(Split::Train, 5, title.view()).unwrap_err().to_string().contains("title"));
    assert!(texts.is_empty());
    assert!(matches!(
        texts.train(SEED, None, &AtomicBool::new(false), &mut |_: MetricEvent| ()),
        Err(TrainerError::NoTrainingRecords)
    ));
}

#[test]
fn models_predict_records_without_labels() {
    for (trainer, make) in [
        (BuiltIn::ImageClassifier, image_record as fn(u64) -> Record),
        (BuiltIn::TextClassifier, text_record),
    ] {
        let examples = examples(trainer, json!({"epochs": 8}), make);
        let (_, result) = Log::default().run(&examples, None);
        let trained = result.unwrap();
        let model = Model::load(trainer, &trained.artifact).unwrap();
        let records: Vec<Record> = (0..50).filter(|number| matches!(number % 10, 1 | 2)).map(make).collect();
        let bare: Vec<Record> = records
            .iter()
            .map(|record| {
                let fields = record.fields().filter(|(name, _)| *name != "label").map(|(name, value)| {
                    let value = match (value.as_text(), value.as_bytes()) {
                        (Some(text), _) => Field::from(text),
                        (_, Some(bytes)) => Field::from(bytes),
                        _ => panic!("{name}"),
                    };
                    (name, value)
                });
                Record::from_fields(fields).unwrap()
            })
            .collect();
        let views: Vec<_> = bare.iter().map(Record::view).collect();
        let predictions = model.predict(&views).unwrap();
        let right = predictions
            .iter()
            .zip(&records)
            .filter(|(p, record)| label(0, record.view()).unwrap() == u64::from(p.label))
            .count();
        assert_eq!(Some(right as f64 / records.len() as f64), trained.finals.test_accuracy, "{trainer:?}");
        assert!(trained.finals.test_accuracy.unwrap() >= 0.8, "{trainer:?} {:?}", trained.finals);
        assert!(model.predict(&[]).unwrap().is_empty());

        let other = BuiltIn::ALL.into_iter().find(|other| *other != trainer).unwrap();
        assert!(matches!(Model::load(other, &trained.artifact), Err(TrainerError::Artifact(_))));
        let wrong = Record::from_fields([("x", Field::from(1))]).unwrap();
        let error = model.predict(&[views[0], wrong.view()]).unwrap_err();
        assert!(error.to_string().starts_with("record 1 has no "), "{error}");
    }
}
