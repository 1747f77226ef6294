//! Every event that the indexer keeps, made from numbers: the same numbers make the same event.

use alloy::primitives::{
    Address, B256, LogData, U256,
    aliases::{U24, U40, U48, U96},
    keccak256,
};
use alloy::sol_types::SolEvent;
use offsetdata_protocol::bindings::access::{self, AccessToken};
use offsetdata_protocol::bindings::billing::UsageBilling;
use offsetdata_protocol::bindings::collections::CollectionRegistry;
use offsetdata_protocol::bindings::models::{self, ModelRegistry};
use offsetdata_protocol::bindings::training::{self, TrainingCoordinator};
use offsetdata_protocol::deployments::Deployment;

/// 32 bytes that `kind` and `n` stand for.
pub fn word(kind: &str, n: u64) -> B256 {
    keccak256(format!("{kind} {n}"))
}

/// An account that `n` stands for.
pub fn account(n: u64) -> Address {
    Address::from_slice(&word("account", n)[12..])
}

pub fn registered(n: u64) -> LogData {
    CollectionRegistry::CollectionRegistered {
        id: word("collection", n),
        publisher: account(n % 3),
        previous: if n.is_multiple_of(2) { B256::ZERO } else { word("collection", n - 1) },
        contentRoot: word("root", n),
        recordCount: 1 + (n % 1_000_000) as u32,
        manifestDigest: word("manifest", n),
        policyDigest: B256::ZERO,
        sharesRoot: B256::ZERO,
        salt: word("salt", n),
    }
    .encode_log_data()
}

pub fn escrow(n: u64) -> training::EscrowTerms {
    training::EscrowTerms {
        user: account(n % 5),
        developer: account(100),
        scheduler: account(101),
        unitPrice: u128::MAX - u128::from(n),
        holdbackBps: 1000,
        dataEscrow: 0,
        receiptWindow: 600,
        landing: training::LandingTerms {
            unitLimit: U48::from(60_000u64),
            maxUnitsPerSecond: u64::MAX,
            relayFee: 7,
            relayFeeCap: 20,
            openedAt: U40::from(1_700_000_000u64),
            startDeadline: U40::from(1_700_003_600u64),
            deadline: U40::from(1_700_007_200u64),
            gracePeriod: 600,
        },
    }
}

pub fn inputs(n: u64) -> Vec<training::DataInput> {
    (0..1 + n % 3)
        .map(|i| training::DataInput {
            collection: word("collection", i),
            selection: (i % 3) as u8,
            selectionRoot: B256::ZERO,
            first: 5,
            count: 10,
            recordCap: 10,
            pricePerRecord: 3,
            payee: account(i),
        })
        .collect()
}

pub fn requested(n: u64) -> LogData {
    let (escrow, inputs) = (escrow(n), inputs(n));
    TrainingCoordinator::TrainingRequested {
        request: word("request", n),
        model: word("model", n % 4),
        user: escrow.user,
        details: training::RequestDetails {
            model: word("model", n % 4),
            method: word("method", 0),
            inputsHash: offsetdata_protocol::ids::inputs_hash(&inputs),
            hyperparametersDigest: word("hyperparameters", n),
            trainerDigest: word("trainer", 0),
            seed: word("seed", n),
            splitSeed: word("split", n),
            validationBps: 1000,
            testBps: 1000,
            parent: B256::ZERO,
            salt: word("salt", n),
        },
        escrow,
        inputs,
    }
    .encode_log_data()
}

pub fn assigned(request: u64, attempt: u8, resume_point: u32) -> LogData {
    TrainingCoordinator::AttemptAssigned {
        request: word("request", request),
        worker: account(200 + u64::from(attempt)),
        attempt,
        resumePoint: resume_point,
        validUntil: U40::from(1_700_000_600u64),
    }
    .encode_log_data()
}

pub fn committed(request: u64, sequence: u32, point_count: u32, points_digest: B256) -> LogData {
    TrainingCoordinator::CommitmentLanded {
        request: word("request", request),
        sequence,
        pointCount: point_count,
        units: U48::from(100 * u64::from(sequence)),
        pointsDigest: points_digest,
        lastValues: offsetdata_protocol::messages::pack_values(
            [0.5, 0.75, f64::NAN, 0.25].map(offsetdata_protocol::metrics::MetricValue::from_f64),
        ),
        relayer: account(300),
    }
    .encode_log_data()
}

pub fn version(request: u64, version: u32) -> LogData {
    TrainingCoordinator::VersionAppended {
        model: word("model", request % 4),
        request: word("request", request),
        version,
        worker: account(201),
        settlement: training::Settlement {
            attempt: 1,
            sequence: 3,
            pointCount: 30,
            units: U48::from(300u64),
            artifactDigest: word("artifact", request),
            artifactCid: word("cid", request),
            seriesRoot: word("series", request),
            inputsRoot: word("inputs", request),
            resultValues: B256::ZERO,
        },
    }
    .encode_log_data()
}

pub fn closed(request: u64, status: u8) -> LogData {
    TrainingCoordinator::RequestClosed {
        request: word("request", request),
        status,
        units: U48::from(300u64),
        developerPaid: U256::MAX,
        relayPaid: U256::from(21),
        refunded: U256::from(5),
        reasonDigest: B256::ZERO,
    }
    .encode_log_data()
}

pub fn method_offered(base: u64, name: &str, unit_price: u128) -> LogData {
    ModelRegistry::MethodOffered {
        base: word("base", base),
        method: keccak256(name),
        name: name.into(),
        terms: models::MethodTerms {
            unitPrice: unit_price,
            maxUnitsPerSecond: 1000,
            holdbackBps: 500,
            intake: 3,
            scheduler: account(101),
            trainerDigest: word("trainer", 0),
            schemaDigest: word("schema", 0),
        },
    }
    .encode_log_data()
}

pub fn base_published(n: u64) -> LogData {
    ModelRegistry::BasePublished {
        base: word("base", n),
        developer: account(100),
        metadataDigest: word("metadata", n),
        metadataUri: format!("ipfs://base-{n}"),
        salt: B256::ZERO,
    }
    .encode_log_data()
}

pub fn worker_set(base: u64, worker: u64, allowed: bool) -> LogData {
    ModelRegistry::WorkerSet { base: word("base", base), worker: account(worker), allowed }.encode_log_data()
}

pub fn project_created(n: u64) -> LogData {
    ModelRegistry::ProjectCreated {
        project: word("project", n),
        owner: account(n % 5),
        metadataDigest: word("metadata", n),
        metadataUri: "two\u{0}parts".into(),
        salt: B256::ZERO,
    }
    .encode_log_data()
}

pub fn model_requested(n: u64) -> [LogData; 2] {
    [
        ModelRegistry::Transfer { from: Address::ZERO, to: account(n % 5), tokenId: word("model", n).into() }
            .encode_log_data(),
        ModelRegistry::ModelRequested {
            model: word("model", n),
            base: word("base", 0),
            project: word("project", 0),
            owner: account(n % 5),
            visibility: 0,
            metadataDigest: word("metadata", n),
            metadataUri: String::new(),
            salt: B256::ZERO,
        }
        .encode_log_data(),
    ]
}

/// One of the other events, about something that may or may not exist, and the contract that emits it.
pub fn other(deployment: &Deployment, n: u64) -> (Address, LogData) {
    let (collections, access_token, registry, coordinator) = (
        deployment.collection_registry,
        deployment.access_token,
        deployment.model_registry,
        deployment.training_coordinator,
    );
    let of = n % 7;
    match n % 36 {
        0 => (
            collections,
            CollectionRegistry::CollectionMetadataRevised {
                id: word("collection", of),
                metadataDigest: word("metadata", n),
                uri: format!("https://example.org/{n}"),
            }
            .encode_log_data(),
        ),
        1 => (
            collections,
            CollectionRegistry::CollectionRetired { id: word("collection", of) }.encode_log_data(),
        ),
        2 => (
            collections,
            CollectionRegistry::CollectionAppendProven {
                id: word("collection", of),
                previous: word("collection", of + 1),
                previousCount: n as u32,
            }
            .encode_log_data(),
        ),
        3 => (
            collections,
            CollectionRegistry::CollectionKeySealed {
                id: word("collection", of),
                gatewayKey: word("gateway", n),
                sealedKey: vec![n as u8; 80].into(),
            }
            .encode_log_data(),
        ),
        4 => (
            collections,
            CollectionRegistry::CollectionFlagged {
                id: word("collection", of),
                curator: account(n),
                flagsRoot: word("flags", n),
                flagCount: 3,
                reasonDigest: B256::ZERO,
            }
            .encode_log_data(),
        ),
        5 => (
            collections,
            CollectionRegistry::PublisherTransferStarted {
                id: word("collection", of),
                from: account(0),
                to: account(n),
            }
            .encode_log_data(),
        ),
        6 => (
            collections,
            CollectionRegistry::PublisherTransferred {
                id: word("collection", of),
                from: account(0),
                to: account(n),
            }
            .encode_log_data(),
        ),
        7 => (access_token, offer(of, (n % 2) as u8, u128::from(n))),
        8 => (
            access_token,
            AccessToken::OfferCleared { collection: word("collection", of), right: (n % 2) as u8 }
                .encode_log_data(),
        ),
        9 => (
            registry,
            ModelRegistry::BaseMetadataRevised {
                base: word("base", of),
                metadataDigest: word("metadata", n),
                metadataUri: "new".into(),
            }
            .encode_log_data(),
        ),
        10 => (
            registry,
            ModelRegistry::MethodWithdrawn { base: word("base", of), method: word("method", 0) }
                .encode_log_data(),
        ),
        11 => (registry, worker_set(of, n, n.is_multiple_of(2))),
        12 => (
            registry,
            ModelRegistry::ModelVisibilitySet { model: word("model", of), visibility: (n % 2) as u8 }
                .encode_log_data(),
        ),
        13 => (
            registry,
            ModelRegistry::ModelAccessSet {
                model: word("model", of),
                account: account(n),
                allowed: true,
                denied: n.is_multiple_of(3),
            }
            .encode_log_data(),
        ),
        14 => (
            registry,
            ModelRegistry::ModelDeleted { model: word("model", of), owner: account(0) }.encode_log_data(),
        ),
        15 => (
            coordinator,
            TrainingCoordinator::DataPaid {
                request: word("request", of),
                payee: account(1),
                worker: account(2),
                input: 0,
                records: n as u32,
                recordsRoot: word("records", n),
                amount: u128::MAX,
            }
            .encode_log_data(),
        ),
        16 => (
            coordinator,
            TrainingCoordinator::UnitsCollected {
                request: word("request", of),
                developer: account(100),
                units: U48::from(n),
                amount: U256::MAX,
            }
            .encode_log_data(),
        ),
        17 => (
            coordinator,
            TrainingCoordinator::DataEscrowReleased {
                request: word("request", of),
                user: account(0),
                amount: U256::from(n),
            }
            .encode_log_data(),
        ),
        n => circle(deployment, n, of),
    }
}

/// One of the events of access, billing and credits.
fn circle(deployment: &Deployment, n: u64, of: u64) -> (Address, LogData) {
    let (access_token, billing) = (deployment.access_token, deployment.usage_billing);
    let (collection, right, holder) = (word("collection", of), (n % 2) as u8, account(of));
    match n {
        18 => (access_token, bought(of, holder, 5, n % 4)),
        19 => (access_token, granted(of, holder, access_expiry(of))),
        20 => (
            access_token,
            AccessToken::AccessUseLanded { collection, right, holder, since: U40::from(1_700_000_000u64) }
                .encode_log_data(),
        ),
        21 => (
            access_token,
            AccessToken::AccessReleased {
                collection,
                right,
                holder,
                payee: account(9),
                amount: U256::from(n),
            }
            .encode_log_data(),
        ),
        22 => (
            access_token,
            AccessToken::AccessRefunded { collection, right, holder, amount: U256::from(n) }
                .encode_log_data(),
        ),
        23 => (access_token, revoked(of, holder, n % 2)),
        24 => (access_token, denied(of, holder, n.is_multiple_of(3))),
        25 => (
            access_token,
            AccessToken::TrainerSet {
                collection,
                worker: account(201),
                trainerDigest: word("trainer", of),
                trusted: n.is_multiple_of(2),
            }
            .encode_log_data(),
        ),
        26 => (
            access_token,
            AccessToken::ChangeCredited { buyer: holder, amount: U256::from(n) }.encode_log_data(),
        ),
        27 => (access_token, withdrawn(holder, n)),
        28 => (billing, settled(of, holder, n, n, U256::from(u128::MAX))),
        29 => (
            billing,
            UsageBilling::VoucherSkipped {
                payer: holder,
                payee: account(9),
                collection,
                lane: n,
                amount: u128::MAX,
                reason: [1, 2, 3, n as u8].into(),
            }
            .encode_log_data(),
        ),
        30 => (billing, spender_authorized(holder, account(400), 1_000)),
        31 => (
            billing,
            UsageBilling::SpenderRevoked { payer: holder, spender: account(400), nonce: U24::from(of) }
                .encode_log_data(),
        ),
        32 => (billing, deposited(holder, n)),
        33 => (
            billing,
            UsageBilling::DepositThawing {
                payer: holder,
                payee: account(9),
                amount: U256::from(n),
                thawsAt: U40::from(1_700_100_000u64),
            }
            .encode_log_data(),
        ),
        34 => (
            billing,
            UsageBilling::RevenueCollected {
                collection,
                payee: account(9),
                amount: U256::from(n),
                shared: of.is_multiple_of(2),
            }
            .encode_log_data(),
        ),
        _ => (
            billing,
            UsageBilling::ShareClaimed { collection, account: holder, parts: 7, amount: U256::from(n) }
                .encode_log_data(),
        ),
    }
}

fn access_expiry(of: u64) -> u64 {
    if of.is_multiple_of(3) { (1 << 40) - 1 } else { 1_700_000_900 }
}

pub fn granted(collection: u64, holder: Address, expiry: u64) -> LogData {
    AccessToken::AccessGranted {
        collection: word("collection", collection),
        right: 0,
        holder,
        since: U40::from(1_700_000_000u64),
        expiry: U40::from(expiry),
    }
    .encode_log_data()
}

/// A purchase of READ that is refundable for so many seconds.
pub fn bought(collection: u64, holder: Address, price: u128, refund_window: u64) -> LogData {
    AccessToken::AccessBought {
        collection: word("collection", collection),
        right: 0,
        holder,
        price,
        payee: account(9),
        since: U40::from(1_700_000_000u64),
        expiry: U40::from(1_700_086_400u64),
        refundUntil: U40::from(if refund_window == 0 { 0 } else { 1_700_000_000 + refund_window }),
    }
    .encode_log_data()
}

pub fn revoked(collection: u64, holder: Address, refund: u64) -> LogData {
    AccessToken::AccessRevoked {
        collection: word("collection", collection),
        right: 0,
        holder,
        refund: U256::from(refund),
    }
    .encode_log_data()
}

pub fn denied(collection: u64, account: Address, denied: bool) -> LogData {
    AccessToken::AccessDenied { collection: word("collection", collection), account, denied }
        .encode_log_data()
}

/// What the same event is in all contracts that owe money.
pub fn withdrawn(account: Address, amount: u64) -> LogData {
    UsageBilling::Withdrawn { account, to: account, amount: U256::from(amount) }.encode_log_data()
}

/// A voucher of lane `lane` to account 9, signed by key 400.
pub fn settled(collection: u64, payer: Address, lane: u64, records: u64, paid: U256) -> LogData {
    settled_to(collection, payer, account(9), lane, records, paid)
}

pub fn settled_to(
    collection: u64,
    payer: Address,
    payee: Address,
    lane: u64,
    records: u64,
    paid: U256,
) -> LogData {
    settled_from(collection, payer, payee, lane, records, paid, U256::ZERO)
}

/// A voucher that took a part of what it paid from the deposit.
pub fn settled_from(
    collection: u64,
    payer: Address,
    payee: Address,
    lane: u64,
    records: u64,
    paid: U256,
    taken: U256,
) -> LogData {
    UsageBilling::VoucherSettled {
        payer,
        payee,
        collection: word("collection", collection),
        lane,
        signer: account(400),
        records,
        paid,
        depositTaken: taken,
    }
    .encode_log_data()
}

pub fn spender_authorized(payer: Address, spender: Address, cap: u64) -> LogData {
    UsageBilling::SpenderAuthorized {
        payer,
        spender,
        cap: U96::from(cap),
        expiry: U40::from(1_700_086_400u64),
        nonce: U24::ZERO,
    }
    .encode_log_data()
}

pub fn deposited(payer: Address, amount: u64) -> LogData {
    UsageBilling::Deposited {
        payer,
        payee: account(9),
        amount: U256::from(amount),
        balance: U256::from(amount),
    }
    .encode_log_data()
}

/// A collection with this root, manifest and number of records.
pub fn registered_as(n: u64, root: B256, manifest_digest: B256, records: u32) -> LogData {
    CollectionRegistry::CollectionRegistered {
        id: word("collection", n),
        publisher: account(n % 3),
        previous: B256::ZERO,
        contentRoot: root,
        recordCount: records,
        manifestDigest: manifest_digest,
        policyDigest: B256::ZERO,
        sharesRoot: B256::ZERO,
        salt: word("salt", n),
    }
    .encode_log_data()
}

/// New metadata of a collection.
pub fn metadata_revised(n: u64, digest: B256) -> LogData {
    CollectionRegistry::CollectionMetadataRevised {
        id: word("collection", n),
        metadataDigest: digest,
        uri: String::new(),
    }
    .encode_log_data()
}

pub fn offer(collection: u64, right: u8, price: u128) -> LogData {
    AccessToken::OfferSet {
        collection: word("collection", collection),
        right,
        offer: access::Offer {
            price,
            pricePerRecord: 2,
            payee: account(9),
            duration: U40::from(86_400u64),
            refundWindow: U40::ZERO,
            timed: true,
            metered: true,
            policy: Address::ZERO,
        },
    }
    .encode_log_data()
}
