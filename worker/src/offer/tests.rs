//! A whole offer passes; one changed part of it does not.

use alloy::primitives::{Bytes, Uint, address};
use alloy::signers::SignerSync;
use offsetdata_protocol::bindings::training::LandingTerms;
use offsetdata_sdk::Account;

use super::*;

pub(crate) fn deployment() -> Deployment {
    let at = address!("0x00000000000000000000000000000000000000c0");
    Deployment {
        chain_id: 31337,
        start_block: 0,
        version: "1".into(),
        token: at,
        forwarder: at,
        collection_registry: at,
        access_token: at,
        usage_billing: at,
        model_registry: at,
        training_coordinator: at,
    }
}

fn details(hyperparameters: &str, inputs: &[DataInput]) -> RequestDetails {
    RequestDetails {
        model: B256::repeat_byte(1),
        method: B256::repeat_byte(2),
        inputsHash: inputs_hash(inputs),
        hyperparametersDigest: Digest::of(hyperparameters.as_bytes()).0.into(),
        trainerDigest: BuiltIn::ImageClassifier.digest(),
        seed: B256::repeat_byte(3),
        splitSeed: B256::repeat_byte(4),
        validationBps: 1000,
        testBps: 1000,
        parent: B256::ZERO,
        salt: B256::ZERO,
    }
}

fn escrow(scheduler: Address) -> EscrowTerms {
    EscrowTerms {
        user: Address::repeat_byte(1),
        developer: Address::repeat_byte(2),
        scheduler,
        unitPrice: 5,
        holdbackBps: 1000,
        dataEscrow: 0,
        receiptWindow: 3600,
        landing: LandingTerms {
            unitLimit: Uint::from(1000),
            maxUnitsPerSecond: 100,
            relayFee: 1,
            relayFeeCap: 10,
            openedAt: Uint::from(1),
            startDeadline: Uint::from(2),
            deadline: Uint::from(3),
            gracePeriod: 60,
        },
    }
}

fn offer(hyperparameters: &str) -> (JobOffer, Address) {
    let (scheduler, worker) = (Account::dev(3).unwrap(), Account::dev(4).unwrap().address());
    let inputs: Vec<DataInput> = Vec::new();
    let (escrow, details) = (escrow(scheduler.address()), details(hyperparameters, &inputs));
    let deployment = deployment();
    let (chain_id, coordinator) = (deployment.chain_id, deployment.training_coordinator);
    let request = RequestId::of_terms(chain_id, coordinator, &escrow, details_hash(&details)).0;
    let assignment = Assignment { request, attempt: 1, worker, resumePoint: 0, validUntil: Uint::from(99) };
    let signed = assignment.eip712_signing_hash(&training_domain(chain_id, coordinator));
    let offer = JobOffer {
        request,
        escrow: escrow.abi_encode().into(),
        details: details.abi_encode().into(),
        inputs: inputs.abi_encode().into(),
        hyperparameters: hyperparameters.to_owned(),
        attempt: 1,
        resume_point: 0,
        valid_until: 99,
        assignment_signature: scheduler.signer().sign_hash_sync(&signed).unwrap().as_bytes().to_vec().into(),
        sequence: 0,
        head: B256::ZERO,
        checkpoint: None,
    };
    (offer, worker)
}

/// A job for a trainer, as a worker has it once the offer was checked.
pub(crate) fn job(trainer: BuiltIn) -> Job {
    let (offer, worker) = offer("{}");
    Job { trainer, ..check(&offer, &deployment(), worker).unwrap() }
}

#[test]
fn a_whole_offer_passes() {
    let (offer, worker) = offer("{}");
    let job = check(&offer, &deployment(), worker).unwrap();
    assert_eq!((job.attempt, job.trainer), (1, BuiltIn::ImageClassifier));
}

#[test]
fn one_changed_part_is_enough_to_refuse() {
    let (whole, worker) = offer("{}");
    let refused = |change: &dyn Fn(&mut JobOffer)| {
        let mut offer = whole.clone();
        change(&mut offer);
        check(&offer, &deployment(), worker).unwrap_err()
    };
    let flip = |bytes: &Bytes, at: usize| {
        let mut changed = bytes.to_vec();
        changed[at] ^= 1;
        Bytes::from(changed)
    };
    for error in [
        refused(&|o| o.request = B256::repeat_byte(9)),
        refused(&|o| o.escrow = flip(&o.escrow, 31)),
        refused(&|o| o.escrow = Bytes::from_static(&[1, 2, 3])),
        refused(&|o| o.details = flip(&o.details, 31)),
        refused(&|o| o.inputs = flip(&o.inputs, 63)),
        refused(&|o| o.hyperparameters = "{\"epochs\":2}".into()),
        refused(&|o| o.attempt = 2),
        refused(&|o| o.valid_until = 100),
        refused(&|o| o.assignment_signature = flip(&o.assignment_signature, 10)),
        refused(&|o| o.assignment_signature = Bytes::new()),
    ] {
        assert!(matches!(error, WorkerError::Offer(_)), "{error}");
        assert!(!error.is_retryable());
    }
    // Another worker's offer, and another chain's.
    assert!(check(&whole, &deployment(), Address::repeat_byte(8)).is_err());
    let elsewhere = Deployment { chain_id: 1, ..deployment() };
    assert!(check(&whole, &elsewhere, worker).is_err());
}

#[test]
fn an_attempt_goes_on_where_its_checkpoint_is() {
    let (mut offer, worker) = offer("{}");
    let checkpoint = CheckpointRef { attempt: 1, point_count: 7, units: 40, digest: B256::ZERO, bytes: 10 };
    offer.checkpoint = Some(checkpoint);
    let refused = check(&offer, &deployment(), worker).unwrap_err();
    assert!(refused.to_string().contains("point 0"), "{refused}");
    offer.checkpoint = Some(CheckpointRef { point_count: 0, ..checkpoint });
    assert!(check(&offer, &deployment(), worker).unwrap().checkpoint.is_some());
    offer.checkpoint = Some(CheckpointRef { point_count: 0, bytes: u64::MAX, ..checkpoint });
    assert!(check(&offer, &deployment(), worker).unwrap_err().to_string().contains("at most"));
}

#[test]
fn hyperparameters_outside_the_schema_are_refused_before_anything_is_read() {
    let (offer, worker) = offer("{\"epochs\":-1}");
    assert!(matches!(check(&offer, &deployment(), worker), Err(WorkerError::Trainer(_))));
}
