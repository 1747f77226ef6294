//! What a gateway refuses of trainings: terms, assignments, attempts and receipts that do not hold.

use alloy::primitives::{B256, Bytes};
use alloy::signers::local::PrivateKeySigner;
use alloy::sol_types::SolValue;
use offsetdata_protocol::gateway_api::{ReceiptEvidence, Text, TrainKeyRequest, code};
use offsetdata_protocol::messages::DataReceipt;
use offsetdata_protocol::seal::SealingSecret;
use offsetdata_protocol::selection::given_root;

use crate::support::reader::{Reader, read, sign};
use crate::support::training::{TRAIN, TRAIN_PRICE, Training, account, points};
use crate::support::{PER_CHUNK, RECORDS, World};
use offsetdata_sdk::training;

const CHUNK: u128 = TRAIN_PRICE * PER_CHUNK as u128;

#[tokio::test]
async fn only_the_assigned_worker_of_an_open_request_opens_it() {
    let world = World::new().await;
    let training = Training::new(&world).await;
    let worker = training.reader(&world).await;
    let good = training.upload(1);

    // Signed by somebody else than the scheduler of the terms.
    let by_stranger = training.upload_by(&PrivateKeySigner::random(), training.worker.address(), 1);
    let refusal = training.open(&worker, &by_stranger).await.unwrap_err();
    assert_eq!((refusal.code.as_str(), refusal.status), (code::FOREIGN_SIGNATURE, 422));
    // A worker that it does not name: the session's account is what is checked.
    let foreign = Reader::sign_in(&world).await;
    assert_eq!(training.open(&foreign, &good).await.unwrap_err().code, code::FOREIGN_SIGNATURE);
    // Other terms than those of the request, and inputs that they do not hash.
    let mut other = training.terms.escrow.clone();
    other.scheduler = training.worker.address();
    let upload = offsetdata_protocol::gateway_api::TrainingUpload {
        escrow: other.abi_encode().into(),
        ..training.upload_by(&training.worker, training.worker.address(), 1)
    };
    let refusal = training.open(&worker, &upload).await.unwrap_err();
    assert_eq!((refusal.code.as_str(), refusal.status), (code::NOT_ASSIGNED, 403));
    let mut inputs = training.terms.inputs.clone();
    inputs[0].pricePerRecord = 0;
    let upload = offsetdata_protocol::gateway_api::TrainingUpload {
        inputs: inputs.abi_encode().into(),
        ..good.clone()
    };
    assert_eq!(training.open(&worker, &upload).await.unwrap_err().code, code::NOT_ASSIGNED);
    for (part, bytes) in [("short", good.escrow.slice(..100)), ("none", Bytes::new())] {
        let upload = offsetdata_protocol::gateway_api::TrainingUpload { escrow: bytes, ..good.clone() };
        assert_eq!(training.open(&worker, &upload).await.unwrap_err().code, code::MALFORMED, "{part}");
    }
    let zero = offsetdata_protocol::gateway_api::TrainingUpload { attempt: 0, ..good.clone() };
    assert_eq!(training.open(&worker, &zero).await.unwrap_err().code, code::MALFORMED);
    // Without a session nothing at all.
    let mut nobody = Reader::sign_in(&world).await;
    nobody.token = "ab".repeat(32);
    assert_eq!(training.open(&nobody, &good).await.unwrap_err().code, code::NO_SESSION);

    assert_eq!(training.open(&worker, &good).await.unwrap().inputs, [0]);
    assert_eq!(training.open(&worker, &good).await.unwrap().inputs, [0], "the same call, the same answer");
    // The same attempt for another worker.
    let mut second = Reader::sign_in(&world).await;
    let upload = training.upload_by(&training.scheduler, second.account.address(), 1);
    assert_eq!(training.open(&second, &upload).await.unwrap_err().code, code::NOT_ASSIGNED);
    // A key of an attempt that is not open, or is another's.
    let answer = training.key(&worker, 0, 2, training.receipt(2, 0, PER_CHUNK)).await.unwrap_err();
    assert_eq!((answer.code.as_str(), answer.status), (code::UNKNOWN_TRAINING, 404));
    second.token = foreign.token;
    second.account = foreign.account;
    let answer = training.key(&second, 0, 1, training.receipt(1, 0, PER_CHUNK)).await.unwrap_err();
    assert_eq!(answer.code, code::NOT_ASSIGNED);
}

#[tokio::test]
async fn a_request_that_is_young_unknown_or_over_is_not_open() {
    let world = World::new().await;
    let mut training = Training::unrequested(&world).await;
    training.trust(&world, true).await;
    let terms = training.prepare(&world, |_| {}, B256::ZERO).await;
    training.terms = terms.clone();
    let worker = training.reader(&world).await;
    // Not on the chain, or not any more: a reorg may have taken it, and it may come back.
    let refusal = training.open(&worker, &training.upload(1)).await.unwrap_err();
    assert_eq!((refusal.code.as_str(), refusal.retry_after_seconds), (code::NOT_ASSIGNED, Some(2)));
    training.request(&world, terms).await;
    // In the head only.
    let refusal = training.open(&worker, &training.upload(1)).await.unwrap_err();
    assert_eq!((refusal.code.as_str(), refusal.retry_after_seconds), (code::NOT_ASSIGNED, Some(1)));
    world.node.mine(2).await;
    training.open(&worker, &training.upload(1)).await.unwrap();
    training.key(&worker, 0, 1, training.receipt(1, 0, PER_CHUNK)).await.unwrap();

    // Cancelled: no new key, though the grace has not ended, and none of those that were given either.
    training.cancel().await;
    for (chunk, end) in [(1, 2 * PER_CHUNK), (0, PER_CHUNK)] {
        let refusal = training.key(&worker, chunk, 1, training.receipt(1, 0, end)).await.unwrap_err();
        assert_eq!(refusal.code, code::NOT_ASSIGNED);
        assert!(refusal.detail.unwrap().contains("CANCELLING"));
    }
    assert_eq!(training.open(&worker, &training.upload(1)).await.unwrap_err().code, code::NOT_ASSIGNED);
}

#[tokio::test]
async fn a_trust_that_a_reorg_takes_away_never_counted() {
    let world = World::new().await;
    let mut training = Training::unrequested(&world).await;
    let terms = training.prepare(&world, |_| {}, B256::ZERO).await;
    training.request(&world, terms).await;
    world.node.mine(3).await;
    let worker = training.reader(&world).await;
    training.open(&worker, &training.upload(1)).await.unwrap();
    training.trust(&world, true).await;
    let refusal = training.key(&worker, 0, 1, training.receipt(1, 0, PER_CHUNK)).await.unwrap_err();
    assert_eq!((refusal.code.as_str(), refusal.retry_after_seconds), (code::NOT_TRUSTED, Some(1)));
    world.node.reorg(1).await;
    world.node.mine(3).await;
    let refusal = training.key(&worker, 0, 1, training.receipt(1, 0, PER_CHUNK)).await.unwrap_err();
    assert_eq!((refusal.code.as_str(), refusal.retry_after_seconds), (code::NOT_TRUSTED, None));
}

#[tokio::test]
async fn a_receipt_says_exactly_what_was_given() {
    let world = World::new().await;
    let training = Training::new(&world).await;
    let worker = training.reader(&world).await;
    training.open(&worker, &training.upload(1)).await.unwrap();
    let all = |end: u32| (0..end).collect::<Vec<u32>>();
    let wrong = async |chunk: u32, receipt| {
        let refusal = training.key(&worker, chunk, 1, receipt).await.unwrap_err();
        assert_eq!(refusal.status, 422, "{refusal:?}");
        refusal.code.clone()
    };
    // One record too few, one too many, the right number with another root, the root with another number.
    assert_eq!(wrong(0, training.receipt(1, 0, PER_CHUNK - 1)).await, code::WRONG_RECEIPT);
    assert_eq!(wrong(0, training.receipt(1, 0, PER_CHUNK + 1)).await, code::WRONG_RECEIPT);
    assert_eq!(wrong(0, training.receipt(1, 1, PER_CHUNK + 1)).await, code::WRONG_RECEIPT);
    let root = given_root(&all(PER_CHUNK)).unwrap();
    assert_eq!(wrong(0, training.receipt_of(1, PER_CHUNK + 1, root)).await, code::WRONG_RECEIPT);
    // Signed by somebody else, for another attempt, altered after it was signed.
    let message = DataReceipt {
        request: training.terms.request.0,
        attempt: 1,
        input: 0,
        collection: world.collection.0,
        records: PER_CHUNK,
        recordsRoot: root.into(),
    };
    let good = training.receipt(1, 0, PER_CHUNK);
    let mut receipt = good.clone();
    receipt.signature = sign(&training.user, &message, &training.domain());
    assert_eq!(wrong(0, receipt).await, code::FOREIGN_SIGNATURE);
    assert_eq!(wrong(0, training.receipt(2, 0, PER_CHUNK)).await, code::FOREIGN_SIGNATURE);
    let mut receipt = good.clone();
    receipt.records -= 1;
    assert_eq!(wrong(0, receipt).await, code::FOREIGN_SIGNATURE);
    // Skipping a chunk would sign for what was not given.
    assert_eq!(wrong(1, training.receipt(1, 0, 2 * PER_CHUNK)).await, code::WRONG_RECEIPT);
    assert_eq!(wrong(1, training.receipt(1, PER_CHUNK, 2 * PER_CHUNK)).await, code::WRONG_RECEIPT);

    let body = TrainKeyRequest { attempt: 1, reader_key: worker.reader_key(), receipt: good.clone() };
    let answer = training.key_by(&worker, 0, &body).await.unwrap();
    assert_eq!((answer.release.right, answer.release.charged), (TRAIN, Text(CHUNK)));
    assert_eq!(training.key_by(&worker, 0, &body).await.unwrap(), answer, "the same call, the same bytes");
    // The old receipt does not pay for the next chunk.
    assert_eq!(wrong(1, good.clone()).await, code::WRONG_RECEIPT);
    training.key(&worker, 1, 1, training.receipt(1, 0, 2 * PER_CHUNK)).await.unwrap();
    // Another key of the same worker, started anew: what was signed for is given again and not charged again.
    let mut anew = training.reader(&world).await;
    anew.sealing = SealingSecret::from_bytes([9; 32]);
    let again = training.key(&anew, 0, 1, good).await.unwrap();
    assert_eq!(again.release.charged, Text(0));
    assert_ne!(again.sealed_secret, answer.sealed_secret);
    // The last, short chunk.
    for chunk in 2..5 {
        let end = RECORDS.min((chunk + 1) * PER_CHUNK);
        training.key(&worker, chunk, 1, training.receipt(1, 0, end)).await.unwrap();
    }
    let refusal = training.key(&worker, 5, 1, training.receipt(1, 0, RECORDS)).await.unwrap_err();
    assert_eq!(refusal.code, code::NOT_IN_COLLECTION);
}

#[tokio::test]
async fn a_stale_attempt_is_refused_and_a_new_one_is_not_paid_twice() {
    let world = World::new().await;
    let training = Training::new(&world).await;
    let worker = training.reader(&world).await;
    training.open(&worker, &training.upload(1)).await.unwrap();
    for chunk in 0..2 {
        let receipt = training.receipt(1, 0, (chunk + 1) * PER_CHUNK);
        training.key(&worker, chunk, 1, receipt).await.unwrap();
    }
    training.open(&worker, &training.upload(2)).await.unwrap();
    let (step, head) = training.commitment(2, (0, B256::ZERO), 0, points(0, 2), 10);
    training.land_first(&world, 2, &step).await;
    world.node.mine(2).await;
    let refusal = training.key(&worker, 2, 1, training.receipt(1, 0, 3 * PER_CHUNK)).await.unwrap_err();
    assert_eq!(refusal.code, code::NOT_ASSIGNED);
    assert!(refusal.detail.unwrap().contains("stale"));
    assert_eq!(training.open(&worker, &training.upload(1)).await.unwrap_err().code, code::NOT_ASSIGNED);
    // The new attempt begins with the first chunk, and only what goes beyond the first one is charged.
    let mut charged = Vec::new();
    for chunk in 0..3 {
        let receipt = training.receipt(2, 0, (chunk + 1) * PER_CHUNK);
        charged.push(training.key(&worker, chunk, 2, receipt).await.unwrap().release.charged.0);
    }
    assert_eq!(charged, [0, 0, CHUNK]);
    training.settle(&world, 2, (1, head), &step.points, 10).await;
    crate::support::eventually("the receipt lands", async || {
        world.node.mine(1).await;
        (training.paid(&world).await == 3 * PER_CHUNK).then_some(())
    })
    .await;
    assert_eq!(training.credit(&world, world.publisher.address()).await, 3 * CHUNK);
}

#[tokio::test]
async fn receipts_are_seen_by_whom_they_concern() {
    let world = World::new().await;
    let training = Training::new(&world).await;
    let mut reader = training.reader(&world).await;
    let path = format!("/v1/trainings/{}/receipts", training.terms.request);
    let seen = async |reader: &Reader| read::<Vec<ReceiptEvidence>>(reader.get(&path).await).await;
    assert_eq!(seen(&reader).await.unwrap_err().code, code::UNKNOWN_TRAINING);
    training.open(&reader, &training.upload(1)).await.unwrap();
    training.key(&reader, 0, 1, training.receipt(1, 0, PER_CHUNK)).await.unwrap();
    let rows = seen(&reader).await.unwrap();
    assert_eq!(rows.len(), 1);
    assert_eq!(rows[0].receipt, training.receipt(1, 0, PER_CHUNK));
    for account in [world.publisher.clone(), training.user.clone()] {
        reader.account = account;
        reader.token.clear();
        reader.token = reader.session().await.token;
        assert_eq!(seen(&reader).await.unwrap(), rows);
    }
    let stranger = Reader::sign_in(&world).await;
    assert_eq!(seen(&stranger).await.unwrap_err().code, code::NOT_ASSIGNED);
}

#[tokio::test]
async fn single_records_and_data_of_the_users_own_are_not_served() {
    let world = World::new().await;
    let training = Training::with(&world, |inputs| {
        (inputs[0].selection, inputs[0].selectionRoot, inputs[0].count) = (2, B256::repeat_byte(4), 3);
        inputs[0].recordCap = 3;
    })
    .await;
    let worker = training.reader(&world).await;
    assert!(training.open(&worker, &training.upload(1)).await.unwrap().inputs.is_empty());
    let refusal = training.key(&worker, 0, 1, training.receipt(1, 0, 3)).await.unwrap_err();
    assert_eq!(refusal.code, code::UNKNOWN_TRAINING);
    let access = training.access(1, None);
    let error = access.keys(&training.blocks(&world), 0, &training.content(&world).await).unwrap_err();
    assert!(error.to_string().contains("BITMAP"), "{error}");
    training::cancel(&training.chain, &account(&training.user), training.terms.request).await.unwrap();
}
