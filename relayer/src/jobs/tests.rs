//! From the chain's tables to jobs, on a real database: intake, cancellation, endings, reorgs, work that can't land.

use alloy::primitives::aliases::{U40, U48};
use alloy::primitives::{Address, B256, Bytes, U256};
use alloy::sol_types::{SolCall, SolValue};
use offsetdata_protocol::bindings::training::TrainingCoordinator as training;
use offsetdata_protocol::cid::{RAW, block_cid};
use offsetdata_protocol::ids::{MethodId, ModelId, RequestId};
use offsetdata_protocol::metrics::{PointsBlock, series_root};
use offsetdata_protocol::worker_api::{Action, Failure, Finish, Heartbeat, Phase};
use offsetdata_protocol::{Digest, messages};
use offsetdata_store::chain::blocks::{BlockRow, Cursor, advance_cursor, insert_blocks};
use offsetdata_store::chain::requests::{RequestStatus, RequestedRow};
use offsetdata_store::chain::training::{CancellationRow, ClosingRow};
use offsetdata_store::chain::{Position, rollback_above};
use offsetdata_store::relay::transactions::{self, TransactionRow, advance_transaction};
use offsetdata_store::relay::work;
use offsetdata_store::{Count, Record, insert};

use super::{JobError, StoredArtifact};
use crate::fixture::{Bench, COORDINATOR, HYPERPARAMETERS, TRAINER, block, sign};

mod adopting;

const OPENED: u64 = 1_000_000;
const NOW: u64 = OPENED + 100;

impl Bench {
    /// The index reaches this block, whose time is `timestamp`.
    async fn reach(&self, number: u64, timestamp: u64) {
        let hash = B256::with_last_byte(number as u8);
        let cursor = Cursor {
            chain_id: Count(31_337),
            genesis: B256::ZERO,
            coordinator: COORDINATOR,
            start_block: Count(0),
            number: Count(number),
            hash,
            timestamp: Count(timestamp),
            chain_head: Count(number),
            safe: Count(0),
            finalized: Count(0),
            updated_at: Count(timestamp),
        };
        let block = BlockRow { number: Count(number), hash, timestamp: Count(timestamp), eventful: true };
        let mut tx = self.jobs.pool.write().await.unwrap();
        insert_blocks(&mut tx, &[block]).await.unwrap();
        advance_cursor(&mut tx, &cursor).await.unwrap();
        tx.commit().await.unwrap();
    }

    async fn row<R: Record>(&self, row: R) {
        let mut tx = self.jobs.pool.write().await.unwrap();
        insert(&mut tx, &[row]).await.unwrap();
        tx.commit().await.unwrap();
    }

    fn requested(&self, salt: u8, block: u64, scheduler: Address) -> RequestedRow {
        let (escrow, details) = self.terms(salt);
        RequestedRow {
            position: Position::new(block, salt.into()).unwrap(),
            id: self.request(salt),
            model: ModelId(details.model),
            method: MethodId(details.method),
            user_account: escrow.user,
            developer: escrow.developer,
            scheduler,
            parent: RequestId(B256::ZERO),
            hyperparameters_digest: details.hyperparametersDigest,
            trainer_digest: TRAINER,
            unit_limit: Count(1000),
            opened_at: Count(OPENED),
            start_deadline: Count(OPENED + 1800),
            deadline: Count(OPENED + 3600),
            grace_period: Count(600),
            escrow: escrow.abi_encode().into(),
            details: details.abi_encode().into(),
            inputs: Default::default(),
        }
    }

    async fn request_at(&self, salt: u8, block: u64) -> RequestId {
        self.row(self.requested(salt, block, self.jobs.scheduler.address())).await;
        self.request(salt)
    }

    async fn state(&self, request: RequestId) -> String {
        self.jobs.find(request).await.unwrap().map_or("none".into(), |job| job.state)
    }

    async fn transactions(&self, request: RequestId) -> Vec<TransactionRow> {
        let mut conn = self.jobs.pool.acquire().await.unwrap();
        transactions::list_of_request(&mut conn, request).await.unwrap()
    }

    /// As the reconciler would end or confirm it.
    async fn transaction_becomes(&self, row: &TransactionRow, state: &str, reason: &str) {
        let mut tx = self.jobs.pool.write().await.unwrap();
        let next = TransactionRow { state: state.into(), reason: Some(reason.into()), ..row.clone() };
        assert!(advance_transaction(&mut tx, &row.state, &next).await.unwrap());
        tx.commit().await.unwrap();
    }

    /// A worker claims, commits once (sequence and attempt are the same number) and hands in its result. The head after it.
    async fn finish(&self, request: RequestId, attempt: u8, previous: B256) -> B256 {
        let worker = self.worker.address();
        let offer = self.jobs.claim(&self.claimant(), NOW).await.unwrap().unwrap();
        assert_eq!((offer.attempt, offer.head), (attempt, previous));
        let (upload, head) = self.commitment(request, attempt, attempt.into(), previous, 0, 10);
        self.jobs.accept_commitment(request, worker, &upload, NOW).await.unwrap();
        let digest = Digest::of(b"encrypted");
        let cid = block_cid(RAW, digest);
        let artifact = StoredArtifact { digest, cid, bytes: 9 };
        self.jobs.note_artifact(request, worker, attempt, &artifact, NOW).await.unwrap();
        let points = PointsBlock::decode(&block(0, 2)).unwrap();
        let mut finish = Finish {
            attempt,
            sequence: attempt.into(),
            head,
            point_count: 2,
            units: 10,
            artifact_digest: Digest::of(b"in the clear").into(),
            artifact_cid: digest.into(),
            series_root: series_root(points.points()).unwrap().into(),
            inputs_root: B256::ZERO,
            result_values: B256::ZERO,
            signature: Bytes::new(),
        };
        let message = messages::Settlement {
            request: request.0,
            attempt,
            sequence: finish.sequence,
            head,
            pointCount: 2,
            units: U48::from(10),
            artifactDigest: finish.artifact_digest,
            artifactCid: finish.artifact_cid,
            seriesRoot: finish.series_root,
            inputsRoot: finish.inputs_root,
            resultValues: finish.result_values,
        };
        finish.signature = sign(&self.worker, &message, &self.jobs.scheduler);
        self.jobs.finish(request, worker, &finish, NOW).await.unwrap();
        head
    }

    async fn beat(&self, request: RequestId, attempt: u8, now: u64) -> Result<Action, JobError> {
        let beat = Heartbeat { attempt, phase: Phase::Training, progress_ppm: 1 };
        Ok(self.jobs.heartbeat(request, self.worker.address(), &beat, now).await?.action)
    }
}

#[tokio::test]
async fn confirmed_requests_of_this_scheduler_become_jobs_once_their_hyperparameters_are_there() {
    let mut bench = Bench::new(OPENED).await;
    bench.jobs.confirmations = 3;
    let request = bench.request_at(1, 5).await;
    bench.row(bench.requested(2, 5, Address::repeat_byte(9))).await;
    for block in 5..=6 {
        bench.reach(block, NOW).await;
        bench.jobs.round(NOW).await.unwrap();
        assert_eq!(bench.state(request).await, "none", "block {block}");
    }
    bench.reach(7, NOW).await;
    bench.jobs.round(NOW).await.unwrap();
    assert_eq!(bench.state(request).await, "requested");
    assert_eq!(bench.state(bench.request(2)).await, "none", "another scheduler's");
    assert!(bench.jobs.claim(&bench.claimant(), NOW).await.unwrap().is_none());

    bench.jobs.blocks.put(RAW, HYPERPARAMETERS.as_bytes()).await.unwrap();
    bench.jobs.round(NOW).await.unwrap();
    assert_eq!(bench.state(request).await, "queued");
    assert!(bench.jobs.claim(&bench.claimant(), NOW).await.unwrap().is_some());
    bench.jobs.round(NOW).await.unwrap();
    assert_eq!(bench.state(request).await, "assigned");
}

#[tokio::test]
async fn a_request_that_nobody_starts_in_time_expires() {
    let bench = Bench::new(OPENED).await;
    let request = bench.request_at(1, 5).await;
    bench.reach(5, OPENED + 1800).await;
    bench.jobs.round(NOW).await.unwrap();
    assert_eq!(bench.state(request).await, "requested");
    bench.reach(6, OPENED + 1801).await;
    bench.jobs.round(NOW).await.unwrap();
    assert_eq!(bench.state(request).await, "expired");
}

#[tokio::test]
async fn a_cancelled_request_is_closed_at_once_or_when_its_worker_has_stopped() {
    let bench = Bench::new(OPENED).await;
    bench.jobs.blocks.put(RAW, HYPERPARAMETERS.as_bytes()).await.unwrap();
    let (held, waiting) = (bench.request_at(1, 5).await, bench.request_at(2, 5).await);
    bench.reach(5, NOW).await;
    bench.jobs.round(NOW).await.unwrap();
    bench.jobs.round(NOW).await.unwrap();
    let offer = bench.jobs.claim(&bench.claimant(), NOW).await.unwrap().unwrap();
    let (held, waiting) = if offer.request == held.0 { (held, waiting) } else { (waiting, held) };
    for (log, request) in [(1, held), (2, waiting)] {
        let position = Position::new(6, log).unwrap();
        bench.row(CancellationRow { position, request, grace_ends_at: Count(NOW + 600) }).await;
    }
    bench.reach(6, NOW).await;
    bench.jobs.round(NOW).await.unwrap();
    assert_eq!(bench.state(waiting).await, "cancelled");
    assert_eq!(bench.transactions(waiting).await[0].kind, "close");
    assert_eq!(bench.state(held).await, "cancelling");
    assert_eq!(bench.beat(held, 1, NOW).await.unwrap(), Action::Cancel);
    assert!(bench.transactions(held).await.is_empty(), "signed work may still come");
    let failure = Failure { attempt: 1, reason: "cancelled".into(), retryable: false };
    bench.jobs.fail(held, bench.worker.address(), &failure, NOW).await.unwrap();
    assert_eq!(bench.state(held).await, "cancelled");
    let call = training::closeCall::abi_decode(&bench.transactions(held).await[0].calldata).unwrap();
    assert_eq!(call.escrow.landing.deadline, U40::from(OPENED + 3600));
}

#[tokio::test]
async fn a_worker_that_does_not_stop_is_not_waited_for() {
    let bench = Bench::new(OPENED).await;
    let request = bench.queue(1).await;
    bench.row(bench.requested(1, 5, bench.jobs.scheduler.address())).await;
    bench.jobs.claim(&bench.claimant(), NOW).await.unwrap().unwrap();
    bench
        .row(CancellationRow {
            position: Position::new(6, 0).unwrap(),
            request,
            grace_ends_at: Count(NOW + 600),
        })
        .await;
    bench.reach(5, NOW).await;
    bench.reach(6, NOW).await;
    bench.jobs.round(NOW).await.unwrap();
    assert_eq!(bench.beat(request, 1, NOW + 29).await.unwrap(), Action::Cancel);
    assert_eq!(bench.jobs.reap(NOW + 29).await.unwrap(), 0);
    assert_eq!(bench.jobs.reap(NOW + 30).await.unwrap(), 1, "heartbeats do not lengthen it any more");
    assert_eq!(bench.state(request).await, "cancelled");
}

#[tokio::test]
async fn what_a_reorg_takes_away_is_stopped_and_taken_up_when_it_is_back() {
    let bench = Bench::new(OPENED).await;
    bench.jobs.blocks.put(RAW, HYPERPARAMETERS.as_bytes()).await.unwrap();
    let request = bench.request_at(1, 5).await;
    bench.reach(5, NOW).await;
    bench.jobs.round(NOW).await.unwrap();
    bench.jobs.round(NOW).await.unwrap();
    bench.jobs.claim(&bench.claimant(), NOW).await.unwrap().unwrap();
    let mut tx = bench.jobs.pool.write().await.unwrap();
    rollback_above(&mut tx, 4).await.unwrap();
    tx.commit().await.unwrap();
    bench.reach(5, NOW).await;
    bench.jobs.round(NOW).await.unwrap();
    assert_eq!(bench.state(request).await, "vanished");
    assert_eq!(bench.beat(request, 1, NOW).await.unwrap(), Action::Cancel);
    assert!(bench.transactions(request).await.is_empty(), "nothing is closed that is not there");
    bench.request_at(1, 6).await;
    bench.reach(6, NOW).await;
    for _ in 0..2 {
        bench.jobs.round(NOW).await.unwrap();
    }
    assert_eq!(bench.state(request).await, "queued");
    let offer = bench.jobs.claim(&bench.claimant(), NOW).await.unwrap().unwrap();
    assert_eq!(offer.attempt, 2, "the old attempt is stale");
}

#[tokio::test]
async fn what_ended_on_the_chain_has_ended() {
    for (status, expected) in [
        (RequestStatus::Settled, "succeeded"),
        (RequestStatus::Failed, "failed"),
        (RequestStatus::Expired, "expired"),
        (RequestStatus::Cancelled, "cancelled"),
    ] {
        let bench = Bench::new(OPENED).await;
        let request = bench.queue(1).await;
        bench.request_at(1, 5).await;
        bench
            .row(ClosingRow {
                position: Position::new(5, 7).unwrap(),
                request,
                status,
                units: Count(0),
                developer_paid: U256::ZERO,
                relay_paid: U256::ZERO,
                refunded: U256::ZERO,
                reason_digest: B256::ZERO,
            })
            .await;
        bench.reach(5, NOW).await;
        bench.jobs.round(NOW).await.unwrap();
        assert_eq!(bench.state(request).await, expected);
    }
}

/// As an index would have it whose chain took back everything above a block.
async fn taken_back_to(bench: &Bench, number: u64, timestamp: u64) {
    let mut tx = bench.jobs.pool.write().await.unwrap();
    rollback_above(&mut tx, number).await.unwrap();
    tx.commit().await.unwrap();
    bench.reach(number + 1, timestamp).await;
}

fn closing(request: RequestId, block: u64, status: RequestStatus) -> ClosingRow {
    ClosingRow {
        position: Position::new(block, 7).unwrap(),
        request,
        status,
        units: Count(0),
        developer_paid: U256::ZERO,
        relay_paid: U256::ZERO,
        refunded: U256::ZERO,
        reason_digest: B256::ZERO,
    }
}

#[tokio::test]
async fn what_others_ended_goes_on_where_a_reorg_took_the_end_away() {
    for status in [RequestStatus::Settled, RequestStatus::Failed, RequestStatus::Cancelled] {
        let bench = Bench::new(OPENED).await;
        bench.jobs.blocks.put(RAW, HYPERPARAMETERS.as_bytes()).await.unwrap();
        let request = bench.request_at(1, 5).await;
        bench.reach(5, NOW).await;
        bench.queue(1).await;
        bench.row(closing(request, 6, status)).await;
        bench.reach(6, NOW).await;
        bench.jobs.round(NOW).await.unwrap();
        assert!(["succeeded", "failed", "cancelled"].contains(&bench.state(request).await.as_str()));
        taken_back_to(&bench, 5, NOW).await;
        for _ in 0..3 {
            bench.jobs.round(NOW).await.unwrap();
        }
        assert_eq!(bench.state(request).await, "queued", "{status:?}");
    }
}

#[tokio::test]
async fn a_result_whose_settlement_cannot_land_after_a_reorg_is_worked_for_again() {
    let bench = Bench::new(OPENED).await;
    let request = bench.request_at(1, 5).await;
    bench.reach(5, NOW).await;
    bench.queue(1).await;
    let head = bench.finish(request, 1, B256::ZERO).await;
    assert_eq!(bench.state(request).await, "settling");
    bench.row(closing(request, 6, RequestStatus::Settled)).await;
    bench.reach(6, NOW).await;
    bench.jobs.round(NOW).await.unwrap();
    assert_eq!(bench.state(request).await, "succeeded");
    taken_back_to(&bench, 5, NOW).await;
    bench.jobs.round(NOW).await.unwrap();
    assert_eq!(bench.state(request).await, "succeeded", "its transaction is under way");

    let settle = bench.transactions(request).await.pop().unwrap();
    assert_eq!(settle.kind, "settle");
    bench.transaction_becomes(&settle, "dropped", "reverted").await;
    for _ in 0..3 {
        bench.jobs.round(NOW).await.unwrap();
    }
    assert_eq!(bench.state(request).await, "queued");
    let offer = bench.jobs.claim(&bench.claimant(), NOW).await.unwrap().unwrap();
    assert_eq!((offer.attempt, offer.sequence, offer.head), (2, 1, head), "what was committed stays");
    assert_eq!(offer.checkpoint, None);
}

#[tokio::test]
async fn a_later_attempt_may_finish_where_a_reorg_took_the_request_of_a_result_away() {
    let bench = Bench::new(OPENED).await;
    bench.jobs.blocks.put(RAW, HYPERPARAMETERS.as_bytes()).await.unwrap();
    let request = bench.request_at(1, 5).await;
    bench.reach(5, NOW).await;
    bench.queue(1).await;
    let head = bench.finish(request, 1, B256::ZERO).await;
    taken_back_to(&bench, 4, NOW).await;
    bench.jobs.round(NOW).await.unwrap();
    assert_eq!(bench.state(request).await, "vanished");
    bench.request_at(1, 6).await;
    bench.reach(6, NOW).await;
    for _ in 0..2 {
        bench.jobs.round(NOW).await.unwrap();
    }
    bench.finish(request, 2, head).await;
    assert_eq!(bench.state(request).await, "settling");
    let settlements = bench.transactions(request).await.into_iter().filter(|row| row.kind == "settle");
    assert_eq!(settlements.count(), 2, "of each attempt one: the chain takes the first that fits");
}

#[tokio::test]
async fn hyperparameters_that_are_none_end_the_job_with_a_closure() {
    for text in ["[1]", "{", "\u{0}"] {
        let bench = Bench::new(OPENED).await;
        let mut requested = bench.requested(1, 5, bench.jobs.scheduler.address());
        let (_, mut details) = bench.terms(1);
        details.hyperparametersDigest = offsetdata_protocol::Digest::of(text.as_bytes()).into();
        requested.details = details.abi_encode().into();
        bench.jobs.blocks.put(RAW, text.as_bytes()).await.unwrap();
        bench.row(requested).await;
        bench.reach(5, NOW).await;
        bench.jobs.round(NOW).await.unwrap();
        let job = bench.jobs.find(bench.request(1)).await.unwrap().unwrap();
        assert_eq!(job.state, "failed", "{text:?}");
        assert!(job.reason.unwrap().contains("JSON"));
        assert_eq!(bench.transactions(bench.request(1)).await[0].kind, "close");
    }
}

#[tokio::test]
async fn work_that_cannot_land_is_forgotten_and_another_attempt_goes_on_from_what_did() {
    let bench = Bench::new(OPENED).await;
    bench.row(bench.requested(1, 5, bench.jobs.scheduler.address())).await;
    bench.reach(5, NOW).await;
    let request = bench.queue(1).await;
    bench.jobs.claim(&bench.claimant(), NOW).await.unwrap().unwrap();
    let mut head = B256::ZERO;
    let mut heads = Vec::new();
    for sequence in 1..=3u32 {
        let (upload, next) = bench.commitment(request, 1, sequence, head, (sequence - 1) * 2, 10);
        bench.jobs.accept_commitment(request, bench.worker.address(), &upload, NOW).await.unwrap();
        heads.push(next);
        head = next;
    }
    let queued = bench.transactions(request).await;
    bench.transaction_becomes(&queued[1], "dropped", "too late").await;
    bench.jobs.round(NOW).await.unwrap();
    let job = bench.jobs.find(request).await.unwrap().unwrap();
    assert_eq!((job.state.as_str(), job.sequence, job.head), ("queued", 1, heads[0]));
    assert!(job.reason.unwrap().contains("too late"));
    let states: Vec<String> = bench.transactions(request).await.into_iter().map(|row| row.state).collect();
    assert_eq!(
        states,
        ["pending", "dropped", "dropped"],
        "what follows is dropped too, what comes before is not"
    );
    let mut conn = bench.jobs.pool.acquire().await.unwrap();
    assert!(work::find_commitment(&mut conn, request, 2).await.unwrap().is_none());
    drop(conn);
    bench.jobs.round(NOW).await.unwrap();
    let offer = bench.jobs.claim(&bench.claimant(), NOW).await.unwrap().unwrap();
    assert_eq!((offer.attempt, offer.sequence, offer.head), (2, 1, heads[0]));
    let (again, _) = bench.commitment(request, 2, 2, heads[0], 0, 10);
    bench.jobs.accept_commitment(request, bench.worker.address(), &again, NOW).await.unwrap();
    assert_eq!(
        bench.transactions(request).await.len(),
        4,
        "the same sequence of another attempt is another transaction"
    );
}

#[tokio::test]
async fn a_worker_that_begins_anew_gets_a_new_attempt() {
    let bench = Bench::new(OPENED).await;
    let request = bench.queue(1).await;
    bench.jobs.claim(&bench.claimant(), NOW).await.unwrap().unwrap();
    let (upload, head) = bench.commitment(request, 1, 1, B256::ZERO, 0, 10);
    bench.jobs.accept_commitment(request, bench.worker.address(), &upload, NOW).await.unwrap();
    let offer = bench.jobs.claim(&bench.claimant(), NOW).await.unwrap().unwrap();
    assert_eq!((offer.attempt, offer.sequence, offer.head), (2, 1, head));
}
