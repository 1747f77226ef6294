//! What each revert means for each kind of call.

use alloy::primitives::aliases::{U40, U48};
use alloy::primitives::{B256, Bytes, U256};
use alloy::sol_types::{SolCall, SolError};
use offsetdata_protocol::bindings::training::TrainingCoordinator as Coordinator;
use offsetdata_protocol::ids::{RequestId, details_hash};
use offsetdata_protocol::messages;

use super::{Revert, Terms, Verdict, judge, status};
use crate::checks::signature;
use crate::fixture::Bench;
use crate::transactions::Kind;

struct Calls {
    bench: Bench,
    request: RequestId,
    assigned: Bytes,
    next: Bytes,
    settle: Bytes,
    close: Bytes,
}

impl Calls {
    async fn new() -> Self {
        let bench = Bench::new(1_000_000).await;
        let (escrow, details) = bench.terms(1);
        let terms = Terms { escrow, details };
        let request = bench.request(1);
        let scheduler = &bench.jobs.scheduler;
        let commitment = |sequence: u32| Coordinator::Commitment {
            attempt: 2,
            sequence,
            pointCount: 1,
            units: U48::from(1),
            pointsDigest: B256::ZERO,
            lastValues: B256::ZERO,
        };
        let assignment = scheduler.assign(request, 2, bench.worker.address(), 0, 1_000_600).unwrap();
        let (_, assigned) = terms.commit_call(Some(assignment), commitment(3), Bytes::new());
        let (_, next) = terms.commit_call(None, commitment(4), Bytes::new());
        let settlement = Coordinator::Settlement {
            attempt: 2,
            sequence: 4,
            pointCount: 1,
            units: U48::from(1),
            artifactDigest: B256::ZERO,
            artifactCid: B256::ZERO,
            seriesRoot: B256::ZERO,
            inputsRoot: B256::ZERO,
            resultValues: B256::ZERO,
        };
        let settle = terms.settle_call(settlement, Bytes::new());
        let (closure, signed) = scheduler.close(request, 4, B256::repeat_byte(1)).unwrap();
        let close = terms.close_call(closure, signed);
        Self { bench, request, assigned, next, settle, close }
    }

    fn judge(&self, kind: Kind, error: &impl SolError, at: (u8, u8, u32), has_predecessor: bool) -> Verdict {
        let state = Coordinator::RequestState {
            worker: self.bench.worker.address(),
            status: at.0,
            attempt: at.1,
            sequence: at.2,
            units: U48::ZERO,
        };
        let calldata = match kind {
            Kind::CommitAssigned => &self.assigned,
            Kind::Commit | Kind::CommitBatch => &self.next,
            Kind::Settle => &self.settle,
            Kind::Close | Kind::Call => &self.close,
        };
        let data = error.abi_encode();
        let revert = Revert {
            kind,
            request: Some(self.request),
            calldata,
            data: &data,
            state: (kind != Kind::Call).then_some(&state),
            has_predecessor,
            valid_until: 2_000_000,
        };
        judge(&revert, &self.bench.jobs.scheduler).unwrap()
    }
}

fn kind_of(verdict: &Verdict) -> &'static str {
    match verdict {
        Verdict::Superseded(_) => "superseded",
        Verdict::Never(_) => "never",
        Verdict::Wait(_) => "wait",
        Verdict::Renew(_) => "renew",
    }
}

#[tokio::test]
async fn each_revert_has_its_meaning() {
    let calls = Calls::new().await;
    let stale = Coordinator::TrainingCoordinator_StaleAttempt { actual: 2, current: 2 };
    let order = Coordinator::TrainingCoordinator_WrongSequence { actual: 4, expected: 3 };
    let unassigned = Coordinator::TrainingCoordinator_AttemptNotAssigned { actual: 2, current: 1 };
    let fast = Coordinator::TrainingCoordinator_UnitsTooFast { actual: U48::from(9), maximum: U256::from(1) };
    let late = Coordinator::TrainingCoordinator_TooLate { last: U256::from(1) };
    let unknown = Coordinator::TrainingCoordinator_UnknownRequest { request: calls.request.0 };
    let ended =
        |at: u8| Coordinator::TrainingCoordinator_WrongStatus { request: calls.request.0, actual: at };
    let foreign = Coordinator::Signatures_InvalidSignature { expected: calls.bench.worker.address() };
    let (assigned, next, settle, close) = (Kind::CommitAssigned, Kind::Commit, Kind::Settle, Kind::Close);
    let (none, open, cancelling) = (status::NONE, status::OPEN, status::CANCELLING);
    let cases = [
        ("landed by another", calls.judge(assigned, &stale, (open, 2, 3), false), "superseded"),
        ("landed by another, with more", calls.judge(next, &order, (open, 2, 9), false), "superseded"),
        ("an earlier attempt's landed there", calls.judge(assigned, &order, (open, 1, 3), false), "never"),
        ("so it did, and more", calls.judge(next, &unassigned, (open, 1, 5), false), "never"),
        ("a later attempt has begun", calls.judge(assigned, &stale, (open, 3, 2), false), "never"),
        ("the one before is under way", calls.judge(next, &order, (open, 2, 2), true), "wait"),
        ("the one before is gone", calls.judge(next, &order, (open, 2, 2), false), "never"),
        ("its assignment is under way", calls.judge(next, &unassigned, (open, 1, 2), true), "wait"),
        ("its assignment is gone", calls.judge(next, &unassigned, (open, 1, 2), false), "never"),
        ("units run ahead of time", calls.judge(next, &fast, (open, 2, 3), false), "wait"),
        ("too late", calls.judge(next, &late, (cancelling, 2, 3), false), "never"),
        ("a reorg took the request", calls.judge(next, &unknown, (none, 0, 0), false), "wait"),
        ("cancelled meanwhile", calls.judge(next, &ended(4), (status::CANCELLED, 2, 3), false), "never"),
        ("a signature of someone else", calls.judge(next, &foreign, (open, 2, 3), false), "never"),
        ("settled by another", calls.judge(settle, &ended(3), (status::SETTLED, 2, 4), false), "superseded"),
        ("expired meanwhile", calls.judge(settle, &ended(6), (status::EXPIRED, 2, 4), false), "never"),
        ("commitments are under way", calls.judge(settle, &order, (open, 2, 3), true), "wait"),
        ("closed by another", calls.judge(close, &ended(5), (status::FAILED, 2, 4), false), "superseded"),
        ("settled instead", calls.judge(close, &ended(3), (status::SETTLED, 2, 4), false), "never"),
        ("less landed than was accepted", calls.judge(close, &order, (open, 2, 3), false), "renew"),
        ("work is under way", calls.judge(close, &order, (open, 2, 3), true), "wait"),
        ("a call of which nothing is known", calls.judge(Kind::Call, &late, (open, 0, 0), true), "never"),
    ];
    for (name, verdict, expected) in cases {
        assert_eq!(kind_of(&verdict), expected, "{name}: {verdict:?}");
    }
}

#[tokio::test]
async fn a_renewed_word_of_the_scheduler_is_signed_for_what_it_says() {
    let calls = Calls::new().await;
    let scheduler = &calls.bench.jobs.scheduler;
    let expired = Coordinator::TrainingCoordinator_AssignmentExpired { validUntil: U40::from(1_000_600) };
    let Verdict::Renew(renewed) = calls.judge(Kind::CommitAssigned, &expired, (status::OPEN, 1, 2), false)
    else {
        panic!("expected a renewed assignment");
    };
    let call = Coordinator::commitAssignedCall::abi_decode(&renewed).unwrap();
    assert_eq!(call.assignment.validUntil, U40::from(2_000_000));
    assert_eq!(call.detailsHash, details_hash(&calls.bench.terms(1).1));
    let message = messages::Assignment {
        request: calls.request.0,
        attempt: 2,
        worker: calls.bench.worker.address(),
        resumePoint: 0,
        validUntil: U40::from(2_000_000),
    };
    signature::is_by(scheduler.address(), &message, scheduler.domain(), &call.assignmentSignature).unwrap();

    let order = Coordinator::TrainingCoordinator_WrongSequence { actual: 4, expected: 3 };
    let Verdict::Renew(renewed) = calls.judge(Kind::Close, &order, (status::OPEN, 2, 3), false) else {
        panic!("expected a renewed closure");
    };
    let call = Coordinator::closeCall::abi_decode(&renewed).unwrap();
    let message =
        messages::Closure { request: calls.request.0, sequence: 3, reasonDigest: B256::repeat_byte(1) };
    signature::is_by(scheduler.address(), &message, scheduler.domain(), &call.signature).unwrap();
}

#[test]
fn what_is_no_error_of_ours_is_shown_in_short() {
    assert_eq!(super::describe(&[]), "reverts without a reason");
    assert!(super::describe(&[7; 1000]).len() < 200);
}
