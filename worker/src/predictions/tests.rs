//! A prediction is answered with what the artifact says, signed; everything that does not hold is refused.

use std::sync::atomic::AtomicBool;

use alloy::primitives::B256;
use offsetdata_protocol::gateway_api::Base64;
use offsetdata_protocol::record::{Record, Value as Field};
use offsetdata_protocol::seal::ContentEntropy;
use offsetdata_protocol::selection::Split;
use serde_json::json;

use super::*;
use crate::trainers::{Examples, MetricEvent};

const TRAINER: BuiltIn = BuiltIn::TextClassifier;

fn key() -> SealingSecret {
    SealingSecret::from_bytes([3; 32])
}

fn artifact() -> Vec<u8> {
    let mut examples = Examples::new(TRAINER, &json!({"hashBits": 8, "epochs": 30})).unwrap();
    for (number, text) in ["buy now", "buy cheap", "see you", "see them"].into_iter().enumerate() {
        let fields = [("text", Field::from(text)), ("label", Field::from(u64::from(number < 2)))];
        let record = Record::from_fields(fields).unwrap();
        examples.push(Split::Train, number as u64, record.view()).unwrap();
    }
    examples.train([1; 32], None, &AtomicBool::new(false), &mut |_: MetricEvent| ()).unwrap().artifact
}

fn sealed(artifact: &[u8], purpose: ContentPurpose) -> Vec<u8> {
    let place = ContentPlace { purpose, request: B256::repeat_byte(9) };
    place.seal(artifact, &key().public_key().unwrap(), ContentEntropy::from_bytes([6; 71])).unwrap()
}

#[test]
fn an_artifact_is_opened_only_as_what_the_chain_names() {
    let artifact = artifact();
    let digest = B256::from(Digest::of(&artifact).0);
    let good = sealed(&artifact, ContentPurpose::Artifact);
    let cid = file_cid(&good);
    let (model, bytes) = open(&good, &cid, digest, TRAINER, &key()).unwrap();
    assert_eq!(bytes, artifact.len());

    let refused = |sealed: &[u8], cid: &Cid, digest, trainer, key: &SealingSecret| {
        open(sealed, cid, digest, trainer, key).unwrap_err().to_string()
    };
    assert!(refused(&good, &file_cid(b"x"), digest, TRAINER, &key()).contains("CID"));
    assert!(refused(&good, &cid, B256::ZERO, TRAINER, &key()).contains("digest"));
    let stranger = SealingSecret::from_bytes([4; 32]);
    assert!(refused(&good, &cid, digest, TRAINER, &stranger).contains("artifact key"));
    refused(&good, &cid, digest, BuiltIn::ImageClassifier, &key());
    let checkpoint = sealed(&artifact, ContentPurpose::Checkpoint);
    assert!(refused(&checkpoint, &file_cid(&checkpoint), digest, TRAINER, &key()).contains("Checkpoint"));
    refused(&artifact, &file_cid(&artifact), digest, TRAINER, &key());

    let record = |text: &str| {
        let record = Record::from_fields([("text", Field::from(text))]).unwrap();
        Base64(record.into_bytes())
    };
    let predictions = predict(&model, &[record("buy"), record("see")]).unwrap();
    assert_eq!(predictions.iter().map(|p| p.label).collect::<Vec<_>>(), [1, 0]);
    assert!(predictions.iter().all(|p| (500_001..=1_000_000).contains(&p.score_ppm)), "{predictions:?}");
    let error = predict(&model, &[record("buy"), Base64(b"no record".to_vec())]).unwrap_err();
    assert!(error.to_string().starts_with("record 1: ") && !error.is_retryable(), "{error}");
    let other = Record::from_fields([("image", Field::from(1))]).unwrap();
    let error = predict(&model, &[Base64(other.into_bytes())]).unwrap_err();
    assert!(error.to_string().contains("record 0 has no text field"), "{error}");
}

#[test]
fn the_cache_is_bounded_and_keeps_what_was_used_last() {
    let (cache, artifact) = (Cache::default(), artifact());
    let model = || Arc::new(Model::load(TRAINER, &artifact).unwrap());
    let digest = |number: u8| B256::repeat_byte(number);
    for number in 0..16 {
        cache.keep(digest(number), TRAINER, model(), 1);
    }
    assert!(cache.find(digest(0), TRAINER).is_some());
    cache.keep(digest(99), TRAINER, model(), 1);
    assert!(cache.find(digest(0), TRAINER).is_some(), "it was used last");
    assert!(cache.find(digest(1), TRAINER).is_none());
    assert!(cache.find(digest(2), BuiltIn::ImageClassifier).is_none());
    cache.keep(digest(50), TRAINER, model(), 500 * 1024 * 1024);
    cache.keep(digest(51), TRAINER, model(), 500 * 1024 * 1024);
    assert_eq!(cache.len(), 1);
    assert!(cache.find(digest(51), TRAINER).is_some());
}
