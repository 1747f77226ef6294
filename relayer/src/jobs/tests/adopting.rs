//! What landed without the job: it goes on from the chain.

use alloy::primitives::{Address, B256};
use offsetdata_protocol::Digest;
use offsetdata_protocol::ids::RequestId;
use offsetdata_protocol::worker_api::CommitmentUpload;
use offsetdata_store::Count;
use offsetdata_store::chain::Position;
use offsetdata_store::chain::training::{AttemptRow, CommitmentRow};

use super::{NOW, OPENED};
use crate::fixture::Bench;

impl Bench {
    /// The index sees the first commitment of an attempt land.
    async fn land(&self, request: RequestId, upload: &CommitmentUpload, block: u64) {
        self.row(AttemptRow {
            position: Position::new(block, 0).unwrap(),
            request,
            worker: self.worker.address(),
            attempt: upload.attempt,
            resume_point: 0,
            valid_until: Count(NOW),
        })
        .await;
        self.row(CommitmentRow {
            position: Position::new(block, 1).unwrap(),
            request,
            sequence: upload.sequence,
            point_count: upload.point_count,
            units: Count(upload.units),
            points_digest: Digest::of(&upload.points).into(),
            last_values: upload.last_values,
            relayer: Address::ZERO,
        })
        .await;
        self.reach(block, NOW).await;
    }
}

#[tokio::test]
async fn what_was_given_up_and_landed_after_all_is_what_the_next_attempt_goes_on_from() {
    let bench = Bench::new(OPENED).await;
    bench.row(bench.requested(1, 5, bench.jobs.scheduler.address())).await;
    bench.reach(5, NOW).await;
    let request = bench.queue(1).await;
    let worker = bench.worker.address();
    bench.jobs.claim(&bench.claimant(), NOW).await.unwrap().unwrap();
    let (first, first_head) = bench.commitment(request, 1, 1, B256::ZERO, 0, 10);
    bench.jobs.accept_commitment(request, worker, &first, NOW).await.unwrap();
    // It can't land, and another attempt begins; then a reorg lets it land nevertheless.
    bench.transaction_becomes(&bench.transactions(request).await[0], "dropped", "unknown request").await;
    bench.jobs.round(NOW).await.unwrap();
    let offer = bench.jobs.claim(&bench.claimant(), NOW).await.unwrap().unwrap();
    assert_eq!((offer.attempt, offer.sequence), (2, 0));
    let mut head = B256::ZERO;
    for sequence in 1..=2 {
        let (upload, next) = bench.commitment(request, 2, sequence, head, (sequence - 1) * 2, 10);
        bench.jobs.accept_commitment(request, worker, &upload, NOW).await.unwrap();
        head = next;
    }
    bench.land(request, &first, 6).await;
    bench.jobs.round(NOW).await.unwrap();
    assert_eq!(bench.state(request).await, "assigned", "nothing is known to be lost yet");
    let queued = bench.transactions(request).await;
    bench.transaction_becomes(&queued[1], "dropped", "another attempt's stands there").await;
    bench.jobs.round(NOW).await.unwrap();
    let job = bench.jobs.find(request).await.unwrap().unwrap();
    assert_eq!((job.state.as_str(), job.sequence, job.head), ("queued", 1, first_head));
    assert_eq!(job.released, 1, "no worker failed");
    assert_eq!(bench.transactions(request).await[2].state, "dropped", "what should have followed");
    let offer = bench.jobs.claim(&bench.claimant(), NOW).await.unwrap().unwrap();
    assert_eq!((offer.attempt, offer.sequence, offer.head), (3, 1, first_head));
    let (third, third_head) = bench.commitment(request, 3, 2, first_head, 0, 10);
    bench.jobs.accept_commitment(request, worker, &third, NOW).await.unwrap();
    bench.land(request, &third, 7).await;
    bench.jobs.round(NOW).await.unwrap();
    let job = bench.jobs.find(request).await.unwrap().unwrap();
    assert_eq!((job.state.as_str(), job.sequence, job.head), ("assigned", 2, third_head));
}

#[tokio::test]
async fn a_database_that_knows_less_than_the_chain_goes_on_from_the_chain() {
    let bench = Bench::new(OPENED).await;
    bench.row(bench.requested(1, 5, bench.jobs.scheduler.address())).await;
    bench.reach(5, NOW).await;
    let request = bench.queue(1).await;
    bench.jobs.claim(&bench.claimant(), NOW).await.unwrap().unwrap();
    // As after a restore: two attempts landed that no row here knows of.
    let (first, head) = bench.commitment(request, 1, 1, B256::ZERO, 0, 10);
    let (second, head) = bench.commitment(request, 4, 2, head, 0, 10);
    bench.land(request, &first, 6).await;
    bench.land(request, &second, 7).await;
    bench.jobs.round(NOW).await.unwrap();
    let offer = bench.jobs.claim(&bench.claimant(), NOW).await.unwrap().unwrap();
    assert_eq!((offer.attempt, offer.sequence, offer.head), (5, 2, head));
}
