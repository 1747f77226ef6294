//! What holds for every built-in trainer: schemas, digests, estimates.
//! Runs are tested beside each trainer.

use serde_json::json;

use super::*;

fn refusal(value: Value) -> (String, String) {
    match BuiltIn::ImageClassifier.estimate_units(10, &value) {
        Err(TrainerError::Hyperparameters { at, reason }) => (at, reason),
        other => panic!("{value} gave {other:?}"),
    }
}

#[test]
fn schemas_are_valid_and_their_defaults_are_the_code_s() {
    for trainer in BuiltIn::ALL {
        let schema: Value = serde_json::from_str(trainer.schema()).unwrap();
        jsonschema::draft202012::meta::validate(&schema).unwrap();
        assert_eq!(&schema, trainer.schema_value());
        assert_eq!(BuiltIn::find(trainer.name()).unwrap(), trainer);
    }
    for trainer in BuiltIn::ALL {
        let schema = trainer.schema_value();
        let defaults: serde_json::Map<String, Value> = schema["properties"]
            .as_object()
            .unwrap()
            .iter()
            .filter_map(|(name, property)| Some((name.clone(), property.get("default")?.clone())))
            .collect();
        let stated = trainer.with_defaults(&Value::Object(defaults)).unwrap();
        let written = trainer.with_defaults(&json!({})).unwrap();
        assert_eq!(stated, written);
        for name in written.as_object().unwrap().keys() {
            assert!(schema["properties"][name]["description"].is_string(), "{name} is described");
        }
        assert!(written.as_object().unwrap().len() >= 10);
        assert!(trainer.with_defaults(&json!({"nonsense": 1})).is_err());
    }
    assert!(matches!(BuiltIn::find("llm"), Err(TrainerError::Unknown(name)) if name == "llm"));
}

#[test]
fn the_schema_refuses_and_names_the_place() {
    assert_eq!(refusal(json!({"epochs": 0})).0, "/epochs");
    assert_eq!(refusal(json!({"epochs": 1001})).0, "/epochs");
    assert_eq!(refusal(json!({"epochs": "12"})).0, "/epochs");
    assert_eq!(refusal(json!({"epochs": 1.5})).0, "/epochs");
    assert_eq!(refusal(json!({"batchSize": 1025})).0, "/batchSize");
    assert_eq!(refusal(json!({"learningRate": 0})).0, "/learningRate");
    assert_eq!(refusal(json!({"learningRate": -1e-3})).0, "/learningRate");
    assert_eq!(refusal(json!({"learningRateSchedule": "step"})).0, "/learningRateSchedule");
    assert_eq!(refusal(json!({"weightDecay": 1.01})).0, "/weightDecay");
    assert_eq!(refusal(json!({"channels": []})).0, "/channels");
    assert_eq!(refusal(json!({"channels": [8, 0]})).0, "/channels/1");
    assert_eq!(refusal(json!({"channels": [1, 1, 1, 1, 1]})).0, "/channels");
    assert_eq!(refusal(json!({"hidden": 1025})).0, "/hidden");
    assert_eq!(refusal(json!({"shift": 9})).0, "/shift");
    assert_eq!(refusal(json!({"labelSmoothing": 0.6})).0, "/labelSmoothing");
    assert_eq!(refusal(json!({"classes": 1})).0, "/classes");
    assert_eq!(refusal(json!({"classes": 1001})).0, "/classes");
    assert_eq!(refusal(json!({"lossEvery": 0})).0, "/lossEvery");
    assert_eq!(refusal(json!([])).0, "");
    assert!(refusal(json!({"epoch": 3})).1.contains("epoch"));
}

#[test]
fn units_are_known_before_paying() {
    let estimate = |records, value| BuiltIn::ImageClassifier.estimate_units(records, &value);
    assert_eq!(estimate(1_437, json!({})).unwrap(), 1_437 * 12);
    assert_eq!(estimate(100, json!({"epochs": 3, "batchSize": 64})).unwrap(), 300);
    assert_eq!(estimate(0, json!({})).unwrap(), 0);
    assert!(matches!(estimate(u64::MAX, json!({})), Err(TrainerError::UnitsOverflow)));

    let text = BuiltIn::TextClassifier;
    let cost = text.estimate(100, 7, &json!({"epochs": 3})).unwrap();
    assert_eq!(cost, Estimate { units: 300, cost: 2_100 });
    assert!(matches!(text.estimate(100, u128::MAX, &json!({})), Err(TrainerError::UnitsOverflow)));
    assert!(matches!(
        text.estimate(100, 7, &json!({"epochs": 0})),
        Err(TrainerError::Hyperparameters { .. })
    ));
}

#[test]
fn the_digest_binds_name_version_and_schema() {
    let trainer = BuiltIn::ImageClassifier;
    assert_eq!(trainer.digest(), trainer_digest("image-classifier", "1.0.0", trainer.schema_digest()));
    assert_eq!(BuiltIn::of_digest(trainer.digest()), Some(trainer));
    assert_eq!(BuiltIn::of_digest(B256::ZERO), None);
    let others = [
        trainer_digest("image-classifier2", "1.0.0", trainer.schema_digest()),
        trainer_digest("image-classifier", "1.0.1", trainer.schema_digest()),
        trainer_digest("image-classifier", "1.0.0", B256::ZERO),
    ];
    assert!(others.iter().all(|other| *other != trainer.digest()));
    // FIPS 180-4's example, so that "SHA-256" is what it says.
    assert_eq!(
        sha256(&[b"a", b"bc"]).to_string(),
        "0xba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    );
}
