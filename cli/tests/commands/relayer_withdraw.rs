//! `offsetdata relayer withdraw`, while the relayer runs.

use std::fmt::Write;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::network::{Network, SECRET, foreign_chain, ports, shared};

const FEE: u64 = 7;

#[test]
fn what_landed_commitments_earned_is_taken_out_once() {
    let network = shared();
    assert_eq!(taken(&network), 0);
    let people = network.service(&["relayer", "withdraw"], &[]);
    assert!(people.status.success() && String::from_utf8_lossy(&people.stdout).contains("nothing is owed"));

    let request = train(&network);
    let begun = Instant::now();
    let result = loop {
        let result = network.json(&["train", "result", &request]);
        // Nodes tell of a status before its block; what adds up is in one.
        if result["status"] == "SETTLED" && result["payments"]["addsUp"] == true {
            break result;
        }
        assert!(begun.elapsed() < Duration::from_secs(180), "{result}");
        std::thread::sleep(Duration::from_millis(500));
    };
    // Each commitment, and the settlement.
    let owed = (result["commitments"].as_u64().unwrap() + 1) * FEE;
    let before = balance(&network);
    assert_eq!(taken(&network), owed);
    assert_eq!(balance(&network), before + u128::from(owed));
    assert_eq!(taken(&network), 0);
}

#[test]
fn wrong_settings_send_nothing_and_make_nothing() {
    let network = shared();
    let [nobody] = ports();
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    std::fs::write(path("no.key"), SECRET).unwrap();
    let (_chain, foreign) = foreign_chain();
    let gone = format!("http://{SECRET}:{SECRET}@127.0.0.1:{nobody}/{SECRET}");
    let none = format!("sqlite:{}", path("none.db"));
    let shut = format!("postgres://me:{SECRET}@127.0.0.1:{nobody}/x");
    for (name, value, expected) in [
        ("DATABASE_URL", none.as_str(), "there is no such database"),
        ("DATABASE_URL", &shut, "refused"),
        ("RPC_URL", &gone, "can't be reached"),
        ("RPC_URL", &foreign, "serves chain 5"),
        ("SCHEDULER_KEY_FILE", &path("none.key"), "--scheduler-key-file"),
        ("SCHEDULER_KEY_FILE", &path("no.key"), "is not a key"),
        ("DEPLOYMENT", &path("none.json"), "--deployment"),
    ] {
        for words in [&["relayer", "withdraw"][..], &["relayer", "withdraw", "--json"]] {
            let output = network.service(words, &[(name, value)]);
            let said = String::from_utf8_lossy(&output.stderr);
            assert_eq!(output.status.code(), Some(1), "{name}={value}: {said}");
            assert!(said.contains("the fees stay where they are") && said.contains(expected), "{said}");
            assert!(!said.contains(SECRET) && output.stdout.is_empty(), "{said}");
        }
    }
    assert!(!folder.path().join("none.db").exists());
}

fn taken(network: &Network) -> u64 {
    let output = network.service(&["relayer", "withdraw", "--json"], &[]);
    let error = String::from_utf8_lossy(&output.stderr);
    let said: Value =
        serde_json::from_slice(&output.stdout).unwrap_or_else(|problem| panic!("{problem}: {error}"));
    assert!(output.status.success() && said["ok"] == true, "{said}");
    let [one] = said["withdrawn"].as_array().unwrap().as_slice() else { panic!("{said}") };
    let amount: u64 = one["amount"].as_str().unwrap().parse().unwrap();
    assert_eq!(one["state"], if amount == 0 { "nothing" } else { "confirmed" }, "{said}");
    amount
}

fn balance(network: &Network) -> u128 {
    let shown = network.json(&["account", "show", "--as", "dev:5"]);
    shown["token"].as_str().unwrap().parse().unwrap()
}

/// A small training that pays a fee for each landing.
fn train(network: &Network) -> String {
    let rows = network.dir.join("words.jsonl");
    let mut text = String::new();
    for n in 0..60 {
        let word = ["cheap pills now", "minutes of the meeting"][n % 2];
        writeln!(text, "{{\"text\":\"{word} {n}\",\"label\":{}}}", n % 2).unwrap();
    }
    std::fs::write(&rows, text).unwrap();
    let id = |words: &[&str]| network.json(words)["id"].as_str().unwrap().to_owned();
    let rows = rows.display().to_string();
    let collection = id(&["publish", &rows, "--name", "Words", "--licence", "CC0-1.0", "--as", "dev:1"]);
    let accounts = network.ready()["accounts"].clone();
    let address = |role: &str| accounts[role]["address"].as_str().unwrap().to_owned();
    let (scheduler, worker) = (address("relayer"), address("worker"));
    let words = ["base", "publish", "--name", "Words", "--trainer", "text-classifier", "--unit-price", "1"];
    let base = id(&[&words[..], &["--scheduler", &scheduler, "--worker", &worker, "--as", "dev:3"]].concat());
    let project = id(&["project", "create", "--name", "Post", "--as", "dev:2"]);
    let words =
        ["model", "request", "--project", &project, "--base", &base, "--name", "Spam", "--as", "dev:2"];
    let model = id(&words);
    let fee = FEE.to_string();
    let words = ["train", "request", "--model", &model, "--collection", &collection];
    let requested =
        network.json(&[&words[..], &["--relay-fee", &fee, "--set", "epochs=2", "--as", "dev:2"]].concat());
    requested["request"].as_str().unwrap().to_owned()
}
