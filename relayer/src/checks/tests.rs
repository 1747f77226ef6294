//! Each check with what it refuses, on a leased job with real signatures.

use alloy::primitives::aliases::U48;
use alloy::primitives::{B256, Bytes, Signature, U256};
use alloy::signers::local::PrivateKeySigner;
use offsetdata_protocol::cid::file_cid;
use offsetdata_protocol::worker_api::{CommitmentUpload, Finish};
use offsetdata_protocol::{Digest, messages};
use offsetdata_store::Count;
use offsetdata_store::relay::jobs::JobRow;
use offsetdata_store::relay::work::{ArtifactRow, CommitmentRow};

use super::{Cause, CommitmentCase, FinishCase, Refusal, check_commitment, check_finish};
use crate::fixture::{Bench, block, sign};
use crate::landing::Terms;

const NOW: u64 = 1_000_100;
const OPENED: u64 = 1_000_000;

struct Case {
    bench: Bench,
    job: JobRow,
    terms: Terms,
    upload: CommitmentUpload,
    now: u64,
    grace_ends_at: Option<u64>,
}

impl Case {
    async fn new() -> Self {
        let bench = Bench::new(OPENED).await;
        let request = bench.queue(1).await;
        bench.jobs.claim(&bench.claimant(), NOW).await.unwrap().unwrap();
        let job = bench.jobs.find(request).await.unwrap().unwrap();
        let terms = Terms::decode(&job.escrow, &job.details).unwrap();
        let (upload, _) = bench.commitment(request, 1, 1, B256::ZERO, 0, 10);
        Self { bench, job, terms, upload, now: NOW, grace_ends_at: None }
    }

    fn message(&self) -> messages::Commitment {
        messages::Commitment {
            request: self.job.request.0,
            attempt: self.upload.attempt,
            sequence: self.upload.sequence,
            previousHead: self.upload.previous_head,
            pointsDigest: Digest::of(&self.upload.points).into(),
            pointCount: self.upload.point_count,
            units: U48::from(self.upload.units),
            lastValues: self.upload.last_values,
        }
    }

    fn sign_again(&mut self) {
        self.upload.signature = sign(&self.bench.worker, &self.message(), &self.bench.jobs.scheduler);
    }

    fn check(&self) -> Result<(), Refusal> {
        check_commitment(&CommitmentCase {
            job: &self.job,
            terms: &self.terms,
            grace_ends_at: self.grace_ends_at,
            worker: self.bench.worker.address(),
            upload: &self.upload,
            message: &self.message(),
            domain: self.bench.jobs.scheduler.domain(),
            now: self.now,
        })
    }

    fn refusal(&self) -> (&'static str, Cause) {
        let refusal = self.check().unwrap_err();
        (refusal.finding().code, refusal.finding().cause)
    }
}

#[tokio::test]
async fn a_commitment_that_holds_passes() {
    assert_eq!(Case::new().await.check(), Ok(()));
}

#[tokio::test]
async fn attempts_of_others_and_of_before() {
    let mut case = Case::new().await;
    case.upload.attempt = 2;
    assert_eq!(case.refusal(), ("staleAttempt", Cause::Conflict));
    case.upload.attempt = 1;
    case.job.worker = Some(PrivateKeySigner::random().address());
    assert_eq!(case.refusal(), ("notYourJob", Cause::Foreign));
    case.job.worker = None;
    assert_eq!(case.refusal(), ("staleAttempt", Cause::Conflict));
    case.job.worker = Some(case.bench.worker.address());
    case.job.state = "settling".into();
    assert_eq!(case.refusal(), ("notRunning", Cause::Conflict));
    case.job.state = "vanished".into();
    assert_eq!(case.refusal(), ("vanished", Cause::NotNow));
    case.job.state = "cancelling".into();
    assert_eq!(case.check(), Ok(()), "signed work lands until the grace ends");
}

#[tokio::test]
async fn sequences_and_heads() {
    let mut case = Case::new().await;
    for sequence in [0, 2, u32::MAX] {
        case.upload.sequence = sequence;
        assert_eq!(case.refusal(), ("wrongSequence", Cause::Conflict));
    }
    case.upload.sequence = 1;
    case.upload.previous_head = B256::repeat_byte(1);
    assert_eq!(case.refusal(), ("wrongHead", Cause::Conflict));
    case.job.sequence = u32::MAX;
    case.upload.sequence = 0;
    assert_eq!(case.refusal(), ("wrongSequence", Cause::Conflict));
}

#[tokio::test]
async fn times() {
    let mut case = Case::new().await;
    case.now = OPENED + 1801;
    assert_eq!(case.refusal(), ("tooLate", Cause::Conflict), "nothing landed by the start deadline");
    case.now = OPENED + 1800;
    assert_eq!(case.check(), Ok(()));
    case.grace_ends_at = Some(OPENED + 1799);
    assert_eq!(case.refusal(), ("tooLate", Cause::Conflict), "the grace after a cancellation is over");
}

#[tokio::test]
async fn units() {
    let mut case = Case::new().await;
    case.upload.units = 1001;
    assert_eq!(case.refusal(), ("unitsOverLimit", Cause::Untrue));
    // 100 seconds after the opening, at ten a second.
    case.upload.units = 1000;
    case.sign_again();
    assert_eq!(case.check(), Ok(()));
    case.now = NOW - 1;
    assert_eq!(case.refusal(), ("unitsTooFast", Cause::NotNow));
    assert!(matches!(case.check(), Err(Refusal::Retryable(_))), "later it may land");
    case.now = OPENED - 5;
    assert_eq!(case.refusal(), ("unitsTooFast", Cause::NotNow), "a clock before the opening");
    case.now = NOW;
    case.job.units = Count(1001);
    assert_eq!(case.refusal(), ("unitsFell", Cause::Conflict));
}

#[tokio::test]
async fn points() {
    let mut case = Case::new().await;
    case.upload.points = Bytes::from_static(b"no points");
    assert_eq!(case.refusal(), ("badPoints", Cause::Untrue));
    case.upload.points = Bytes::new();
    assert_eq!(case.refusal(), ("badPoints", Cause::Untrue));
    case.upload.points = block(1, 2).into();
    assert_eq!(case.refusal(), ("wrongPoint", Cause::Conflict));
    case.upload.points = block(0, 3).into();
    assert_eq!(case.refusal(), ("wrongPointCount", Cause::Untrue));
    case.upload.points = block(0, 0).into();
    case.upload.point_count = 0;
    case.sign_again();
    assert_eq!(case.check(), Ok(()), "progress without a measurement");
}

#[tokio::test]
async fn signatures() {
    let mut case = Case::new().await;
    let good = case.upload.signature.clone();
    case.upload.last_values = B256::ZERO;
    assert_eq!(case.refusal(), ("badSignature", Cause::Untrue), "of other values");
    case.upload.last_values = B256::repeat_byte(9);
    case.upload.signature = sign(&PrivateKeySigner::random(), &case.message(), &case.bench.jobs.scheduler);
    assert_eq!(case.refusal(), ("badSignature", Cause::Untrue), "of a foreign key");
    for length in [0, 64, 66] {
        case.upload.signature = Bytes::from(vec![1; length]);
        assert_eq!(case.refusal(), ("badSignature", Cause::Untrue));
    }
    // The other s of the same signature: valid mathematics, refused by the contract.
    let signature = Signature::from_raw(&good).unwrap();
    let order =
        U256::from_str_radix("fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141", 16).unwrap();
    let high = Signature::new(signature.r(), order - signature.s(), !signature.v());
    case.upload.signature = Bytes::from(high.as_bytes());
    assert_eq!(case.refusal(), ("badSignature", Cause::Untrue), "malleable s");
    let mut raw = good.to_vec();
    raw[64] -= 27;
    case.upload.signature = raw.into();
    assert_eq!(case.refusal(), ("badSignature", Cause::Untrue), "v of 0 or 1");
    case.upload.signature = good;
    assert_eq!(case.check(), Ok(()));
}

#[tokio::test]
async fn results() {
    let case = Case::new().await;
    let artifact = b"weights";
    let digest = B256::from(Digest::of(artifact));
    let series_root = B256::repeat_byte(5);
    let mut job = case.job.clone();
    (job.sequence, job.head, job.point_count, job.units) = (1, B256::repeat_byte(8), 2, Count(10));
    let stored = ArtifactRow {
        request: job.request,
        attempt: 1,
        digest,
        cid: file_cid(artifact).to_string(),
        bytes: Count(7),
        stored_at: Count(NOW),
    };
    let last = CommitmentRow {
        request: job.request,
        sequence: 1,
        attempt: 1,
        previous_head: B256::ZERO,
        head: job.head,
        points_digest: B256::ZERO,
        point_count: 2,
        units: Count(10),
        last_values: B256::ZERO,
        signature: Bytes::new(),
        accepted_at: Count(NOW),
    };
    let good = Finish {
        attempt: 1,
        sequence: 1,
        head: job.head,
        point_count: 2,
        units: 20,
        artifact_digest: digest,
        artifact_cid: digest,
        series_root,
        inputs_root: B256::repeat_byte(6),
        result_values: B256::repeat_byte(7),
        signature: Bytes::new(),
    };
    let check =
        |mut finish: Finish, artifact: Option<&ArtifactRow>, last: Option<&CommitmentRow>, signed: bool| {
            let message = messages::Settlement {
                request: job.request.0,
                attempt: finish.attempt,
                sequence: finish.sequence,
                head: finish.head,
                pointCount: finish.point_count,
                units: U48::from(finish.units),
                artifactDigest: finish.artifact_digest,
                artifactCid: finish.artifact_cid,
                seriesRoot: finish.series_root,
                inputsRoot: finish.inputs_root,
                resultValues: finish.result_values,
            };
            if signed {
                finish.signature = sign(&case.bench.worker, &message, &case.bench.jobs.scheduler);
            }
            check_finish(&FinishCase {
                job: &job,
                terms: &case.terms,
                grace_ends_at: None,
                worker: case.bench.worker.address(),
                finish: &finish,
                message: &message,
                domain: case.bench.jobs.scheduler.domain(),
                artifact,
                last,
                series_root,
                now: NOW,
            })
            .map_err(|refusal| refusal.finding().code)
        };
    let of = |finish: Finish| check(finish, Some(&stored), Some(&last), true);
    assert_eq!(of(good.clone()), Ok(()));
    assert_eq!(of(Finish { attempt: 2, ..good.clone() }), Err("staleAttempt"));
    assert_eq!(of(Finish { sequence: 2, ..good.clone() }), Err("wrongSequence"));
    assert_eq!(of(Finish { head: B256::ZERO, ..good.clone() }), Err("wrongHead"));
    assert_eq!(of(Finish { units: 9, ..good.clone() }), Err("unitsFell"));
    assert_eq!(of(Finish { units: 1001, ..good.clone() }), Err("unitsOverLimit"));
    let in_the_clear = Finish { artifact_digest: B256::repeat_byte(1), ..good.clone() };
    assert_eq!(of(in_the_clear), Ok(()), "of bytes that nobody here can open");
    assert_eq!(of(Finish { artifact_cid: B256::ZERO, ..good.clone() }), Err("artifactCid"));
    assert_eq!(of(Finish { point_count: 3, ..good.clone() }), Err("wrongPointCount"));
    assert_eq!(of(Finish { series_root: B256::ZERO, ..good.clone() }), Err("seriesRoot"));
    assert_eq!(check(good.clone(), None, Some(&last), true), Err("noArtifact"));
    assert_eq!(check(good.clone(), Some(&stored), None, true), Err("noCommitment"));
    let earlier = CommitmentRow { attempt: 0, ..last.clone() };
    assert_eq!(check(good.clone(), Some(&stored), Some(&earlier), true), Err("noCommitment"));
    assert_eq!(check(good, Some(&stored), Some(&last), false), Err("badSignature"));
}
