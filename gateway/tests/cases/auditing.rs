//! A training on private data is audited with the chain and blocks alone: whole it passes, and each thing that is altered
//! afterwards fails and is named.

use std::path::{Path, PathBuf};

use alloy::primitives::{B256, Bytes};
use offsetdata_content::Blocks;
use offsetdata_protocol::bindings::training::TrainingCoordinator;
use offsetdata_protocol::cid::RAW;
use offsetdata_protocol::ids::{details_hash, terms_hash};
use offsetdata_protocol::metrics::{MetricPoint, series_root};
use offsetdata_protocol::{CollectionKey, Root};
use offsetdata_sdk::audit::model::{Question, audit};
use offsetdata_sdk::audit::{Evidence, Report, State, Verdict};

use super::training::{read_all, world};
use crate::support::training::{Training, UNITS, points};
use crate::support::{KEY, RECORDS, World, eventually};

/// A request that is settled and paid, whose gateway is stopped; the blocks of its two commitments.
async fn settled() -> (World, Training, [Vec<u8>; 2], Vec<MetricPoint>) {
    let mut world = world().await;
    let training = Training::new(&world).await;
    let blocks = training.blocks(&world);
    blocks.put(RAW, b"{}").await.unwrap();
    let content = training.content(&world).await;
    let keys = training.access(1, Some(world.url())).keys(&blocks, 0, &content).unwrap();
    assert_eq!(read_all(&training, &world, &keys, 0..content.chunk_count()).await.unwrap(), RECORDS);

    let (first, head) = training.commitment(1, (0, B256::ZERO), 0, points(0, 3), UNITS / 2);
    let (second, head) = training.commitment(1, (1, head), 3, points(3, 5), UNITS);
    for step in [&first, &second] {
        blocks.put(RAW, &step.block).await.unwrap();
    }
    training.land_first(&world, 1, &first).await;
    let call = TrainingCoordinator::commitCall {
        landing: training.terms.escrow.landing.clone(),
        termsHash: terms_hash(&training.terms.escrow, details_hash(&training.terms.details)),
        commitment: second.call.clone(),
        signature: second.signature.clone(),
    };
    world.node.send(&training.developer, world.node.deployment.training_coordinator, &call).await;
    let series = points(0, 5);
    training.settle(&world, 1, (2, head), &series, UNITS).await;
    eventually("the receipt lands", async || {
        world.node.mine(1).await;
        (training.paid(&world).await == RECORDS).then_some(())
    })
    .await;
    world.stop().await;
    (world, training, [first.block, second.block], series)
}

async fn look(training: &Training, blocks: &Blocks, question: &Question) -> Report {
    audit(&training.chain, blocks, training.model, question, |_, _| {}).await.unwrap()
}

/// The file of the block store that has these bytes.
fn file_of(folder: &Path, bytes: &[u8]) -> Option<PathBuf> {
    std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).find_map(|path| {
        if path.is_dir() {
            return file_of(&path, bytes);
        }
        std::fs::read(&path).is_ok_and(|found| found == bytes).then_some(path)
    })
}

fn failures(report: &Report) -> Vec<String> {
    let failed = report.findings.iter().filter(|finding| finding.state == State::Failed);
    failed.map(|finding| finding.about.clone()).collect()
}

fn flipped(bytes: &Bytes) -> Bytes {
    let mut bytes = bytes.to_vec();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    bytes.into()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whole_it_passes_and_each_altered_byte_fails_by_name() {
    let (world, training, [_, second], series) = settled().await;
    let blocks = training.blocks(&world);
    let root = series_root(&series).unwrap();
    let question = Question {
        keys: vec![CollectionKey::from_bytes(KEY)],
        reexecuted: Some(root),
        ..Question::default()
    };
    let report = look(&training, &blocks, &question).await;
    assert_eq!(report.verdict(), Verdict::Ok, "{report:#?}");
    for (about, state) in [
        ("terms", State::Proven),
        ("parameters", State::Proven),
        ("model", State::Proven),
        ("assignment 1", State::Proven),
        ("commitments", State::Proven),
        ("points", State::Proven),
        ("settlement", State::Proven),
        ("series", State::Proven),
        ("inputs", State::Proven),
        ("result", State::Signed),
        ("re-execution", State::Reexecuted),
        ("receipt 1", State::Proven),
        ("payments", State::Proven),
        ("collection 0", State::Proven),
        ("licence 0", State::Proven),
        ("records 0", State::Proven),
    ] {
        assert!(report.about(about).any(|finding| finding.state == state), "{about}: {report:#?}");
    }
    // Without the key the records stay closed, which is said, and is no failure.
    let report = look(&training, &blocks, &Question::default()).await;
    assert_eq!(report.verdict(), Verdict::Ok);
    assert!(report.about("records 0").all(|finding| finding.state == State::Closed));

    // Run again with one changed record the series has another root.
    let other = Question { reexecuted: Some(Root([7; 32])), skip_scan: true, ..Question::default() };
    assert_eq!(failures(&look(&training, &blocks, &other).await), ["re-execution"]);

    // Evidence as a file says the same as calldata and blocks.
    let evidence = Evidence::gather(&training.chain, &blocks, training.terms.request).await.unwrap();
    let text = serde_json::to_string(&evidence).unwrap();
    let evidence: Evidence = serde_json::from_str(&text).unwrap();
    let ask = async |evidence: Evidence| {
        let question = Question { evidence: Some(evidence), skip_scan: true, ..Question::default() };
        look(&training, &Blocks::remote(), &question).await
    };
    let from_file = ask(evidence.clone()).await;
    assert_eq!(failures(&from_file), [""; 0]);
    let unavailable: Vec<_> =
        from_file.findings.iter().filter(|finding| finding.state == State::Unavailable).collect();
    assert!(unavailable.iter().all(|finding| finding.about == "licence 0"), "{unavailable:?}");

    type Change = fn(&mut Evidence);
    let changes: [(&str, Change); 12] = [
        ("terms", |e| e.escrow = flipped(&e.escrow)),
        ("terms", |e| e.inputs = flipped(&e.inputs)),
        ("terms", |e| e.request = B256::ZERO),
        ("parameters", |e| e.hyperparameters = Some("{ }".into())),
        ("assignment 1", |e| e.assignments[0].signature = flipped(&e.assignments[0].signature)),
        ("commitment 2", |e| e.commitments[1].signature = flipped(&e.commitments[1].signature)),
        ("commitment 1", |e| e.commitments[0].commitment = flipped(&e.commitments[0].commitment)),
        ("points 2", |e| e.commitments[1].points = e.commitments[1].points.as_ref().map(flipped)),
        ("receipt 1", |e| e.receipts[0].signature = flipped(&e.receipts[0].signature)),
        ("receipt 1", |e| {
            let mut bytes = e.receipts[0].receipt.to_vec();
            bytes[95] ^= 1;
            e.receipts[0].receipt = bytes.into();
        }),
        ("settlement", |e| {
            if let Some(settlement) = &mut e.settlement {
                settlement.signature = flipped(&settlement.signature);
            }
        }),
        ("settlement", |e| {
            if let Some(settlement) = &mut e.settlement {
                settlement.settlement = flipped(&settlement.settlement);
            }
        }),
    ];
    for (about, change) in changes {
        let mut altered = evidence.clone();
        change(&mut altered);
        assert_ne!(altered, evidence);
        let report = ask(altered).await;
        assert_eq!(report.verdict(), Verdict::Failed, "{about}");
        assert_eq!(failures(&report)[0], about);
    }
    // What is left out is no pass, and said to be missing.
    for (about, change) in [
        ("points 1", (|e| e.commitments[0].points = None) as Change),
        ("commitment 2", |e| drop(e.commitments.pop())),
        ("receipt 1", |e| e.receipts.clear()),
        ("settlement", |e| e.settlement = None),
        ("assignment 1", |e| e.assignments.clear()),
    ] {
        let mut lacking = evidence.clone();
        change(&mut lacking);
        let report = ask(lacking).await;
        assert_eq!(report.verdict(), Verdict::Unavailable, "{about}");
        assert!(report.about(about).any(|finding| finding.state == State::Unavailable), "{about}");
    }

    // Blocks: a point that is altered, one that is gone, a record that is altered.
    let folder = world.folder.path().join("blocks");
    let file = file_of(&folder, &second).unwrap();
    std::fs::write(&file, flipped(&second.clone().into())).unwrap();
    assert_eq!(failures(&look(&training, &blocks, &Question::default()).await), ["points 2"]);
    std::fs::remove_file(&file).unwrap();
    let report = look(&training, &blocks, &Question::default()).await;
    assert_eq!(report.verdict(), Verdict::Unavailable);
    assert!(report.about("points 2").any(|finding| finding.says.starts_with("UNAVAILABLE")));
    std::fs::write(&file, &second).unwrap();
    let content = training.content(&world).await;
    let chunk = content.ciphertext(3).await.unwrap();
    let file = file_of(&folder, &chunk).unwrap();
    std::fs::write(&file, flipped(&chunk.into())).unwrap();
    let report = look(&training, &blocks, &Question::default()).await;
    assert_eq!(failures(&report), ["records 0"]);
    assert!(report.about("records 0").any(|finding| finding.says.contains("chunk 3 (records 30 to 39)")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cancelled_request_is_accounted_for_to_the_wei() {
    let world = world().await;
    let training = Training::new(&world).await;
    let blocks = training.blocks(&world);
    blocks.put(RAW, b"{}").await.unwrap();
    let (first, _) = training.commitment(1, (0, B256::ZERO), 0, points(0, 3), UNITS / 2);
    blocks.put(RAW, &first.block).await.unwrap();
    training.land_first(&world, 1, &first).await;
    let question = Question { request: Some(training.terms.request), skip_scan: true, ..Question::default() };
    let payment = async || {
        let report = look(&training, &blocks, &question).await;
        assert_eq!(report.verdict(), Verdict::Ok, "{report:#?}");
        report.about("payments").next().unwrap().state
    };
    assert_eq!(payment().await, State::Stated, "it runs");
    training.cancel().await;
    let ends = training.chain.now().await.unwrap() + 400;
    world.node.call("evm_setNextBlockTimestamp", serde_json::json!([ends])).await;
    world.node.mine(1).await;
    let call = TrainingCoordinator::expireCall {
        escrow: training.terms.escrow.clone(),
        detailsHash: details_hash(&training.terms.details),
    };
    world.node.send(&training.developer, world.node.deployment.training_coordinator, &call).await;
    assert_eq!(payment().await, State::Proven);
    // There is no version to ask for.
    let none = audit(&training.chain, &blocks, training.model, &Question::default(), |_, _| {}).await;
    assert!(none.unwrap_err().to_string().contains("no version"));
}
