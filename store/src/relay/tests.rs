//! The relayer's tables on a real database file. What the relayer makes of them is tested there.

use alloy::primitives::{Address, B256, Bytes, U256};
use offsetdata_protocol::ids::{ModelId, RequestId};

use super::checkpoints::{self, CheckpointRow};
use super::counts;
use super::jobs::{self, AttemptRow, JobRow};
use super::predictions::{self, PredictionRow};
use super::sessions::{self, SessionRow};
use super::signers;
use super::sponsored::{self, SponsoredRow};
use super::transactions::{self, EnvelopeRow, NewTransaction};
use super::work::{self, ArtifactRow, CommitmentRow};
use crate::Count;
use crate::database::{self, Database};

on_both_databases! {
    a_job_comes_back_and_is_advanced_once,
    an_attempt_ends_once,
    a_new_hello_ends_the_old_session,
    one_holder_of_a_signer_and_no_nonce_twice,
    a_transaction_is_queued_once_and_keeps_its_envelopes,
    work_that_cannot_land_is_forgotten_from_there_on,
    what_is_paid_for_users_is_summed_by_account_and_window,
    a_prediction_is_advanced_once_and_leaves_after_a_day,
    one_checkpoint_a_job_until_the_job_has_ended,
}

fn request(n: u8) -> RequestId {
    RequestId(B256::repeat_byte(n))
}

fn job(n: u8) -> JobRow {
    JobRow {
        request: request(n),
        state: "queued".into(),
        model: ModelId(B256::repeat_byte(9)),
        trainer: B256::repeat_byte(8),
        escrow: Bytes::from_static(&[1]),
        details: Bytes::from_static(&[2]),
        inputs: Bytes::from_static(&[3]),
        hyperparameters: None,
        attempt: 0,
        worker: None,
        lease_until: None,
        progress_ppm: 0,
        sequence: 0,
        head: B256::ZERO,
        point_count: 0,
        units: Count(0),
        reason: None,
        created_at: Count(u64::from(n)),
        updated_at: Count(u64::from(n)),
        released: 0,
    }
}

fn transaction(dedupe: &str) -> NewTransaction {
    NewTransaction {
        dedupe: dedupe.into(),
        signer: Address::repeat_byte(1),
        kind: "call".into(),
        request: Some(request(1)),
        target: Address::repeat_byte(2),
        calldata: Bytes::from_static(&[4]),
        expires_at: 100,
        max_gas: None,
    }
}

async fn a_job_comes_back_and_is_advanced_once(database: Database) {
    let pool = &database.pool;
    let mut tx = pool.write().await.unwrap();
    for n in [2, 1] {
        jobs::insert_job(&mut tx, job(n)).await.unwrap();
    }
    tx.commit().await.unwrap();
    // Without a transaction: in PostgreSQL a statement that fails ends one.
    let mut tx = pool.acquire().await.unwrap();
    assert!(jobs::insert_job(&mut tx, job(1)).await.unwrap_err().is_duplicate());
    let listed = jobs::list_jobs_in(&mut tx, "queued", 10).await.unwrap();
    assert_eq!(listed, [job(1), job(2)]);

    let mut leased = job(1);
    leased.state = "assigned".into();
    leased.attempt = 1;
    leased.worker = Some(Address::repeat_byte(7));
    leased.lease_until = Some(Count(50));
    leased.hyperparameters = Some("{}".into());
    assert!(jobs::advance_job(&mut tx, "queued", 0, &leased).await.unwrap());
    assert!(!jobs::advance_job(&mut tx, "queued", 0, &leased).await.unwrap(), "another one was quicker");
    assert_eq!(jobs::find_job(&mut tx, request(1)).await.unwrap(), Some(leased.clone()));
    assert_eq!(jobs::find_job_of(&mut tx, Address::repeat_byte(7), 49).await.unwrap(), Some(leased.clone()));
    assert_eq!(jobs::find_job_of(&mut tx, Address::repeat_byte(7), 50).await.unwrap(), None);
    assert_eq!(jobs::list_overdue(&mut tx, 49, 10).await.unwrap(), []);
    assert_eq!(jobs::list_overdue(&mut tx, 50, 10).await.unwrap(), [leased]);
}

async fn an_attempt_ends_once(database: Database) {
    let pool = &database.pool;
    let mut tx = pool.write().await.unwrap();
    let attempt = AttemptRow {
        request: request(1),
        attempt: 1,
        worker: Address::repeat_byte(7),
        resume_point: 0,
        valid_until: Count(600),
        signature: Bytes::from_static(&[5; 65]),
        started_at: Count(1),
        ended_at: None,
        outcome: None,
    };
    jobs::insert_attempt(&mut tx, attempt.clone()).await.unwrap();
    jobs::end_attempt(&mut tx, request(1), 1, "lost", 7).await.unwrap();
    jobs::end_attempt(&mut tx, request(1), 1, "settling", 8).await.unwrap();
    let ended = AttemptRow { ended_at: Some(Count(7)), outcome: Some("lost".into()), ..attempt };
    assert_eq!(jobs::find_attempt(&mut tx, request(1), 1).await.unwrap(), Some(ended));
}

async fn a_new_hello_ends_the_old_session(database: Database) {
    let pool = &database.pool;
    let mut tx = pool.write().await.unwrap();
    let session = |n: u8| SessionRow {
        token_hash: B256::repeat_byte(n),
        worker: Address::repeat_byte(7),
        trainers: Bytes::from(vec![1; 64]),
        issued_at: Count(u64::from(n)),
        expires_at: Count(100),
    };
    sessions::insert_session(&mut tx, session(1)).await.unwrap();
    sessions::insert_session(&mut tx, session(2)).await.unwrap();
    assert_eq!(sessions::find_session(&mut tx, B256::repeat_byte(1), 0).await.unwrap(), None);
    assert_eq!(sessions::find_session(&mut tx, B256::repeat_byte(2), 99).await.unwrap(), Some(session(2)));
    assert_eq!(sessions::find_session(&mut tx, B256::repeat_byte(2), 100).await.unwrap(), None);
    assert_eq!(sessions::find_session_of(&mut tx, Address::repeat_byte(7)).await.unwrap(), Some(session(2)));
}

async fn one_holder_of_a_signer_and_no_nonce_twice(database: Database) {
    let pool = &database.pool;
    let signer = Address::repeat_byte(1);
    let mut tx = pool.write().await.unwrap();
    assert_eq!(signers::acquire_signer(&mut tx, signer, "a", 10, 20, 5).await.unwrap(), Some(1));
    assert_eq!(signers::acquire_signer(&mut tx, signer, "b", 19, 30, 0).await.unwrap(), None);
    assert_eq!(signers::take_nonce(&mut tx, signer, 1).await.unwrap(), Some(5));
    assert_eq!(signers::take_nonce(&mut tx, signer, 1).await.unwrap(), Some(6));
    assert_eq!(signers::acquire_signer(&mut tx, signer, "b", 20, 30, 0).await.unwrap(), Some(2));
    assert_eq!(signers::take_nonce(&mut tx, signer, 1).await.unwrap(), None, "the old holder is fenced out");
    assert!(!signers::renew_signer(&mut tx, signer, 1, 99).await.unwrap());
    assert!(!signers::raise_nonce(&mut tx, signer, 2, 7).await.unwrap(), "nonces do not go back");
    assert!(signers::raise_nonce(&mut tx, signer, 2, 9).await.unwrap());
    assert_eq!(signers::take_nonce(&mut tx, signer, 2).await.unwrap(), Some(9));
}

async fn a_transaction_is_queued_once_and_keeps_its_envelopes(database: Database) {
    let pool = &database.pool;
    let mut tx = pool.write().await.unwrap();
    assert!(transactions::insert_transaction(&mut tx, transaction("a"), 1).await.unwrap());
    assert!(!transactions::insert_transaction(&mut tx, transaction("a"), 2).await.unwrap());
    assert!(transactions::insert_transaction(&mut tx, transaction("b"), 3).await.unwrap());
    let signer = Address::repeat_byte(1);
    let mut queued = transactions::list_in(&mut tx, signer, "pending", 10).await.unwrap();
    assert_eq!(
        queued.iter().map(|row| (row.id.0, row.dedupe.as_str())).collect::<Vec<_>>(),
        [(1, "a"), (2, "b")]
    );

    let mut first = queued.remove(0);
    first.state = "included".into();
    first.block_number = Some(Count(12));
    first.block_hash = Some(B256::repeat_byte(3));
    assert!(transactions::advance_transaction(&mut tx, "pending", &first).await.unwrap());
    assert!(!transactions::advance_transaction(&mut tx, "pending", &first).await.unwrap());
    assert_eq!(transactions::list_included_from(&mut tx, signer, 12).await.unwrap(), [first.clone()]);
    assert_eq!(transactions::list_included_from(&mut tx, signer, 13).await.unwrap(), []);
    assert_eq!(transactions::list_of_request(&mut tx, request(1)).await.unwrap().len(), 2);

    let envelope = |n: u8, max_fee: u128| EnvelopeRow {
        hash: B256::repeat_byte(n),
        transaction_id: Count(1),
        nonce: Count(4),
        raw: Bytes::from(vec![n; 10]),
        max_fee,
        priority_fee: u128::from(n),
        gas_limit: Count(21_000),
        signed_at: Count(1),
        signed_block: Count(2),
        sent_block: None,
    };
    transactions::insert_envelope(&mut tx, envelope(1, 255)).await.unwrap();
    transactions::insert_envelope(&mut tx, envelope(2, 256)).await.unwrap();
    transactions::mark_sent(&mut tx, B256::repeat_byte(2), 3).await.unwrap();
    let newest = EnvelopeRow { sent_block: Some(Count(3)), ..envelope(2, 256) };
    assert_eq!(transactions::list_envelopes(&mut tx, 1).await.unwrap(), [newest.clone(), envelope(1, 255)]);
    assert_eq!(transactions::find_envelope_with(&mut tx, signer, 4).await.unwrap(), Some(newest));
    assert_eq!(transactions::find_envelope_with(&mut tx, Address::ZERO, 4).await.unwrap(), None);
}

async fn work_that_cannot_land_is_forgotten_from_there_on(database: Database) {
    let pool = &database.pool;
    let mut tx = pool.write().await.unwrap();
    let commitment = |sequence: u32, attempt: u8| CommitmentRow {
        request: request(1),
        sequence,
        attempt,
        previous_head: B256::ZERO,
        head: B256::with_last_byte(1),
        points_digest: B256::ZERO,
        point_count: sequence * 10,
        units: Count(5),
        last_values: B256::ZERO,
        signature: Bytes::from_static(&[1; 65]),
        accepted_at: Count(1),
    };
    for (sequence, attempt) in [(1, 1), (2, 2), (3, 2)] {
        work::insert_commitment(&mut tx, commitment(sequence, attempt)).await.unwrap();
    }
    tx.commit().await.unwrap();
    // Without a transaction: in PostgreSQL a statement that fails ends one.
    let mut tx = pool.acquire().await.unwrap();
    assert!(work::insert_commitment(&mut tx, commitment(3, 2)).await.unwrap_err().is_duplicate());
    assert_eq!(
        work::list_commitments(&mut tx, request(1)).await.unwrap(),
        [commitment(1, 1), commitment(2, 2), commitment(3, 2)]
    );
    work::delete_work_from(&mut tx, request(1), 2).await.unwrap();
    assert_eq!(work::find_commitment(&mut tx, request(1), 1).await.unwrap(), Some(commitment(1, 1)));
    assert_eq!(work::find_commitment(&mut tx, request(1), 2).await.unwrap(), None);

    let artifact = |n: u8| ArtifactRow {
        request: request(1),
        attempt: 1,
        digest: B256::repeat_byte(n),
        cid: "bafk".into(),
        bytes: Count(3),
        stored_at: Count(1),
    };
    work::put_artifact(&mut tx, artifact(1)).await.unwrap();
    work::put_artifact(&mut tx, artifact(2)).await.unwrap();
    assert_eq!(work::find_artifact(&mut tx, request(1), 1).await.unwrap(), Some(artifact(2)));
}

async fn what_is_paid_for_users_is_summed_by_account_and_window(database: Database) {
    let pool = &database.pool;
    let mut tx = pool.write().await.unwrap();
    let row = |n: u8, account: u8, created_at: u64| SponsoredRow {
        id: B256::repeat_byte(n),
        account: Address::repeat_byte(account),
        nonce: Some(U256::from(n)),
        gas: Count(100 * u64::from(n)),
        settled: false,
        created_at: Count(created_at),
    };
    for row in [row(1, 1, 10), row(2, 1, 20), row(3, 2, 30)] {
        sponsored::insert_sponsored(&mut tx, row).await.unwrap();
    }
    tx.commit().await.unwrap();
    // Without a transaction: in PostgreSQL a statement that fails ends one.
    let mut tx = pool.acquire().await.unwrap();
    assert!(sponsored::insert_sponsored(&mut tx, row(1, 1, 10)).await.unwrap_err().is_duplicate());
    let one = Address::repeat_byte(1);
    assert_eq!(sponsored::sum_since(&mut tx, None, 0).await.unwrap(), (600, 3));
    assert_eq!(sponsored::sum_since(&mut tx, Some(one), 0).await.unwrap(), (300, 2));
    assert_eq!(sponsored::sum_since(&mut tx, Some(one), 10).await.unwrap(), (200, 1));
    assert_eq!(sponsored::sum_since(&mut tx, None, 99).await.unwrap(), (0, 0));
    assert_eq!(sponsored::find_open_with(&mut tx, one, U256::from(2)).await.unwrap(), Some(row(2, 1, 20)));
    sponsored::set_gas(&mut tx, B256::repeat_byte(2), 7, true).await.unwrap();
    assert_eq!(sponsored::find_open_with(&mut tx, one, U256::from(2)).await.unwrap(), None);
    assert_eq!(sponsored::list_unsettled(&mut tx, 10).await.unwrap(), [row(1, 1, 10), row(3, 2, 30)]);
    assert_eq!(sponsored::sum_since(&mut tx, Some(one), 0).await.unwrap(), (107, 2));
}

async fn a_prediction_is_advanced_once_and_leaves_after_a_day(database: Database) {
    let pool = &database.pool;
    let mut tx = pool.write().await.unwrap();
    let (id, worker) = (B256::repeat_byte(1), Address::repeat_byte(4));
    let row = PredictionRow {
        id,
        model: ModelId(B256::repeat_byte(9)),
        version: 1,
        account: Address::repeat_byte(2),
        request: request(1),
        trainer: B256::repeat_byte(8),
        version_worker: worker,
        artifact_digest: B256::ZERO,
        artifact_cid: "bafk".into(),
        records: "[]".into(),
        record_count: 1,
        state: "waiting".into(),
        worker: None,
        lease_until: None,
        tries: 0,
        predictions: None,
        signature: None,
        failure: None,
        valid_until: Count(50),
        created_at: Count(10),
        updated_at: Count(10),
    };
    predictions::insert_prediction(&mut tx, row.clone()).await.unwrap();
    assert_eq!(predictions::count_open(&mut tx, Some(row.account)).await.unwrap(), 1);
    assert_eq!(predictions::count_open(&mut tx, Some(worker)).await.unwrap(), 0);
    assert_eq!(predictions::count_since(&mut tx, row.account, 9).await.unwrap(), 1);
    assert_eq!(predictions::count_since(&mut tx, row.account, 10).await.unwrap(), 0);
    let leased = PredictionRow {
        state: "leased".into(),
        worker: Some(worker),
        lease_until: Some(Count(20)),
        tries: 1,
        ..row.clone()
    };
    assert!(predictions::advance_prediction(&mut tx, "waiting", 0, &leased).await.unwrap());
    assert!(!predictions::advance_prediction(&mut tx, "waiting", 0, &leased).await.unwrap(), "only once");
    assert_eq!(predictions::find_leased_to(&mut tx, worker, 19).await.unwrap(), Some(leased.clone()));
    assert_eq!(predictions::find_leased_to(&mut tx, worker, 20).await.unwrap(), None);
    assert_eq!(predictions::list_in(&mut tx, "leased", 9).await.unwrap(), [leased]);
    assert!(!predictions::has_before(&mut tx, 10).await.unwrap());
    assert_eq!(predictions::delete_before(&mut tx, 11).await.unwrap(), 1);
    assert_eq!(predictions::find_prediction(&mut tx, id).await.unwrap(), None);
}

async fn one_checkpoint_a_job_until_the_job_has_ended(database: Database) {
    let pool = &database.pool;
    let mut tx = pool.write().await.unwrap();
    jobs::insert_job(&mut tx, job(1)).await.unwrap();
    let checkpoint = |sequence: u32| CheckpointRow {
        request: request(1),
        attempt: 1,
        sequence,
        point_count: 4,
        units: Count(5),
        digest: B256::repeat_byte(sequence as u8),
        bytes: Count(6),
        stored_at: Count(7),
    };
    checkpoints::put_checkpoint(&mut tx, checkpoint(1)).await.unwrap();
    checkpoints::put_checkpoint(&mut tx, checkpoint(2)).await.unwrap();
    assert_eq!(checkpoints::find_checkpoint(&mut tx, request(1)).await.unwrap(), Some(checkpoint(2)));
    assert_eq!(checkpoints::list_of_ended(&mut tx, 9).await.unwrap(), []);
    assert_eq!(counts::jobs_by_state(&mut tx).await.unwrap(), [("queued".to_owned(), 1)]);
    let ended = JobRow { state: "failed".into(), ..job(1) };
    assert!(jobs::advance_job(&mut tx, "queued", 0, &ended).await.unwrap());
    assert_eq!(checkpoints::list_of_ended(&mut tx, 9).await.unwrap(), [checkpoint(2)]);
    assert_eq!(counts::leases(&mut tx).await.unwrap(), 0);
}
