//! A training on the collection of a [`World`]: a base with a scheduler, a user's model, a request with its escrow, a
//! worker that is assigned and trusted. It asserts nothing about the gateway.

use alloy::primitives::{Address, B256, Bytes};
use alloy::signers::local::PrivateKeySigner;
use alloy::sol_types::{Eip712Domain, SolStruct, SolValue};
use offsetdata_content::{Blocks, Collection};
use offsetdata_protocol::Root;
use offsetdata_protocol::bindings::access::AccessToken;
use offsetdata_protocol::bindings::models::MethodTerms;
use offsetdata_protocol::bindings::training::{
    Assignment, Commitment, DataInput, Settlement, TrainingCoordinator,
};
use offsetdata_protocol::gateway_api::{
    KeyAnswer, ReceiptUpload, Refusal, TrainKeyRequest, TrainingOpened, TrainingUpload,
};
use offsetdata_protocol::ids::{CollectionId, RequestId, details_hash, inputs_hash};
use offsetdata_protocol::messages::{self, training_domain};
use offsetdata_protocol::metrics::{MetricKey, MetricPoint, MetricValue, PointsBlock, series_root};
use offsetdata_protocol::selection::{Split, SplitRule, given_root, inputs_leaf};
use offsetdata_sdk::gateway::TrainingAccess;
use offsetdata_sdk::models::{self, Metadata, ModelTerms};
use offsetdata_sdk::training::{self, Terms, TrainingPlan};
use offsetdata_sdk::{Account, Chain, collections};

use super::reader::{Reader, read, sign};
use super::{RECORDS, World, metered};

/// Price of a record in training.
pub const TRAIN_PRICE: u128 = 11;
pub const TRAIN: u8 = 1;
pub const UNIT_PRICE: u128 = 3;
pub const UNITS: u64 = 100;
pub const RELAY_FEE: u128 = 5;

pub struct Training {
    pub chain: Chain,
    pub user: PrivateKeySigner,
    pub developer: PrivateKeySigner,
    pub scheduler: PrivateKeySigner,
    pub worker: PrivateKeySigner,
    pub trainer: B256,
    pub model: offsetdata_protocol::ids::ModelId,
    pub method: offsetdata_protocol::ids::MethodId,
    pub terms: Terms,
}

pub fn account(key: &PrivateKeySigner) -> Account {
    Account::from_key(&alloy::hex::encode(key.to_bytes())).unwrap()
}

fn metadata(name: &str) -> Metadata {
    Metadata { digest: offsetdata_protocol::Digest::of(name.as_bytes()), uri: String::new() }
}

/// What a worker does between two commitments.
pub struct Step {
    pub block: Vec<u8>,
    pub points: Vec<MetricPoint>,
    pub call: Commitment,
    pub signature: Bytes,
}

impl Training {
    /// A request for the whole collection, whose worker is trusted, at the depth that counts.
    pub async fn new(world: &World) -> Self {
        Self::with(world, |_| {}).await
    }

    /// The same with other inputs.
    pub async fn with(world: &World, change: impl FnOnce(&mut Vec<DataInput>)) -> Self {
        let mut training = Self::unrequested(world).await;
        training.trust(world, true).await;
        let terms = training.prepare(world, change, B256::ZERO).await;
        training.request(world, terms).await;
        world.node.mine(2).await;
        training
    }

    /// A base, a model and a price, and nothing requested.
    pub async fn unrequested(world: &World) -> Self {
        let chain = Chain::connect(&world.node.url, world.node.deployment.clone()).await.unwrap();
        let [user, developer, scheduler, worker] = std::array::from_fn(|_| PrivateKeySigner::random());
        for key in [&user, &developer] {
            world.node.give_ether(key.address()).await;
        }
        world.mint(user.address(), 1_000_000).await;
        let offer = offsetdata_protocol::bindings::access::Offer {
            pricePerRecord: TRAIN_PRICE,
            ..metered(world.publisher.address())
        };
        let call = AccessToken::setOfferCall { collection: world.collection.0, right: TRAIN, offer };
        world.node.send(&world.publisher, world.node.deployment.access_token, &call).await;
        let trainer = B256::repeat_byte(0x77);
        let maker = account(&developer);
        let base = models::publish_base(&chain, &maker, &metadata("base"), B256::ZERO).await.unwrap();
        let method = MethodTerms {
            unitPrice: UNIT_PRICE,
            maxUnitsPerSecond: 1_000_000,
            holdbackBps: 1000,
            intake: models::INTAKE_COLLECTION | models::INTAKE_DIRECT,
            scheduler: scheduler.address(),
            trainerDigest: trainer,
            schemaDigest: B256::repeat_byte(1),
        };
        let method = models::offer_method(&chain, &maker, base, "method", method).await.unwrap();
        let owner = account(&user);
        let project = models::create_project(&chain, &owner, &metadata("project"), B256::ZERO).await.unwrap();
        let terms = ModelTerms {
            project,
            base,
            public: false,
            allowed: Vec::new(),
            metadata: metadata("model"),
            salt: B256::ZERO,
        };
        let model = models::request_model(&chain, &owner, &terms).await.unwrap();
        let plan = plan(world, model, method);
        let terms = training::prepare(&chain, user.address(), &plan).await.unwrap();
        Self { chain, user, developer, scheduler, worker, trainer, model, method, terms }
    }

    /// Terms of another request, not sent.
    pub async fn prepare(
        &self,
        world: &World,
        change: impl FnOnce(&mut Vec<DataInput>),
        parent: B256,
    ) -> Terms {
        let mut plan = plan(world, self.model, self.method);
        plan.parent = (!parent.is_zero()).then_some(RequestId(parent));
        let mut terms = training::prepare(&self.chain, self.user.address(), &plan).await.unwrap();
        change(&mut terms.inputs);
        terms.escrow.dataEscrow =
            terms.inputs.iter().map(|input| input.pricePerRecord * u128::from(input.recordCap)).sum();
        terms.details.inputsHash = inputs_hash(&terms.inputs);
        let deployment = self.chain.deployment();
        terms.request = RequestId::of_terms(
            deployment.chain_id,
            deployment.training_coordinator,
            &terms.escrow,
            details_hash(&terms.details),
        );
        let call = TrainingCoordinator::escrowOfCall { escrow: terms.escrow.clone() };
        terms.total = self.chain.call(deployment.training_coordinator, &call).await.unwrap();
        terms
    }

    pub async fn request(&mut self, _: &World, terms: Terms) {
        self.terms = terms;
        training::request(&self.chain, &account(&self.user), &self.terms).await.unwrap();
    }

    pub async fn trust(&self, world: &World, trusted: bool) {
        let call = AccessToken::setTrainerCall {
            collection: world.collection.0,
            worker: self.worker.address(),
            trainerDigest: self.trainer,
            trusted,
        };
        world.node.send(&world.publisher, world.node.deployment.access_token, &call).await;
    }

    pub fn domain(&self) -> Eip712Domain {
        let deployment = self.chain.deployment();
        training_domain(deployment.chain_id, deployment.training_coordinator)
    }

    /// What a worker sends of an attempt, signed by `scheduler`.
    pub fn upload_by(&self, scheduler: &PrivateKeySigner, worker: Address, attempt: u8) -> TrainingUpload {
        let valid_until = self.terms.escrow.landing.startDeadline.to::<u64>();
        let message = messages::Assignment {
            request: self.terms.request.0,
            attempt,
            worker,
            resumePoint: 0,
            validUntil: alloy::primitives::Uint::from(valid_until),
        };
        TrainingUpload {
            escrow: self.terms.escrow.abi_encode().into(),
            details: self.terms.details.abi_encode().into(),
            inputs: self.terms.inputs.abi_encode().into(),
            attempt,
            resume_point: 0,
            valid_until,
            assignment_signature: sign(scheduler, &message, &self.domain()),
        }
    }

    pub fn upload(&self, attempt: u8) -> TrainingUpload {
        self.upload_by(&self.scheduler, self.worker.address(), attempt)
    }

    /// The client that workers use.
    pub fn access(&self, attempt: u8, gateway: Option<&str>) -> TrainingAccess {
        TrainingAccess::new(
            &self.chain,
            &account(&self.worker),
            self.terms.request,
            self.upload(attempt),
            gateway.map(str::to_owned),
        )
        .unwrap()
    }

    pub async fn content(&self, world: &World) -> Collection {
        let facts = collections::facts(&self.chain, world.collection).await.unwrap();
        Collection::open(self.blocks(world), facts.on_chain).await.unwrap()
    }

    pub fn blocks(&self, world: &World) -> Blocks {
        Blocks::directory(world.folder.path().join("blocks")).unwrap()
    }

    /// The worker, signed in, for calls made by hand.
    pub async fn reader(&self, world: &World) -> Reader {
        let mut reader = Reader::sign_in(world).await;
        reader.account = self.worker.clone();
        reader.token.clear();
        reader.token = reader.session().await.token;
        reader
    }

    pub async fn open(
        &self,
        reader: &Reader,
        upload: &TrainingUpload,
    ) -> Result<TrainingOpened, Box<Refusal>> {
        let url = format!("{}/v1/trainings/{}", reader.url, self.terms.request);
        let call = reader.client.put(url).bearer_auth(&reader.token).json(upload);
        read(call.send().await.unwrap()).await
    }

    /// The receipt over the records `first..end`.
    pub fn receipt(&self, attempt: u8, first: u32, end: u32) -> ReceiptUpload {
        let indices: Vec<u32> = (first..end).collect();
        self.receipt_of(attempt, end - first, given_root(&indices).unwrap())
    }

    pub fn receipt_of(&self, attempt: u8, records: u32, root: Root) -> ReceiptUpload {
        let message = messages::DataReceipt {
            request: self.terms.request.0,
            attempt,
            input: 0,
            collection: self.terms.inputs[0].collection,
            records,
            recordsRoot: root.into(),
        };
        let signature = sign(&self.worker, &message, &self.domain());
        ReceiptUpload { records, records_root: root, signature }
    }

    pub async fn key(
        &self,
        reader: &Reader,
        chunk: u32,
        attempt: u8,
        receipt: ReceiptUpload,
    ) -> Result<KeyAnswer, Box<Refusal>> {
        let body = TrainKeyRequest { attempt, reader_key: reader.reader_key(), receipt };
        self.key_by(reader, chunk, &body).await
    }

    pub async fn key_by(
        &self,
        reader: &Reader,
        chunk: u32,
        body: &TrainKeyRequest,
    ) -> Result<KeyAnswer, Box<Refusal>> {
        let path = format!("/v1/trainings/{}/inputs/0/chunks/{chunk}/key", self.terms.request);
        read(reader.post(&path, body).await).await
    }

    pub async fn paid(&self, world: &World) -> u32 {
        let call = TrainingCoordinator::recordsPaidOfCall { id: self.terms.request.0, input: 0 };
        world.node.read(world.node.deployment.training_coordinator, &call).await
    }

    pub async fn credit(&self, world: &World, account: Address) -> u128 {
        let call = TrainingCoordinator::creditOfCall { account };
        world.node.read(world.node.deployment.training_coordinator, &call).await.to()
    }

    /// A signed commitment of `points` after the landed sequence and head.
    pub fn commitment(
        &self,
        attempt: u8,
        (sequence, head): (u32, B256),
        before: u32,
        points: Vec<MetricPoint>,
        units: u64,
    ) -> (Step, B256) {
        let block = PointsBlock::new(points.clone()).unwrap().encode().unwrap();
        let [loss, unmeasured] = [points.last().unwrap().value, MetricValue::from_f64(f64::NAN)];
        let values = messages::pack_values([loss, unmeasured, unmeasured, unmeasured]);
        let message = messages::Commitment {
            request: self.terms.request.0,
            attempt,
            sequence: sequence + 1,
            previousHead: head,
            pointsDigest: PointsBlock::digest(&block).into(),
            pointCount: before + points.len() as u32,
            units: alloy::primitives::Uint::from(units),
            lastValues: values,
        };
        let call = Commitment {
            attempt,
            sequence: message.sequence,
            pointCount: message.pointCount,
            units: message.units,
            pointsDigest: message.pointsDigest,
            lastValues: values,
        };
        let signature = sign(&self.worker, &message, &self.domain());
        (Step { block, points, call, signature }, message.eip712_hash_struct())
    }

    /// Lands the attempt's first commitment with its assignment, by the developer.
    pub async fn land_first(&self, world: &World, attempt: u8, step: &Step) {
        let upload = self.upload(attempt);
        let call = TrainingCoordinator::commitAssignedCall {
            escrow: self.terms.escrow.clone(),
            detailsHash: details_hash(&self.terms.details),
            assignment: Assignment {
                attempt,
                worker: self.worker.address(),
                resumePoint: 0,
                validUntil: alloy::primitives::Uint::from(upload.valid_until),
            },
            assignmentSignature: upload.assignment_signature,
            commitment: step.call.clone(),
            signature: step.signature.clone(),
        };
        world.node.send(&self.developer, world.node.deployment.training_coordinator, &call).await;
    }

    pub async fn settle(
        &self,
        world: &World,
        attempt: u8,
        (sequence, head): (u32, B256),
        points: &[MetricPoint],
        units: u64,
    ) -> Settlement {
        let rule = SplitRule::new(
            self.terms.details.splitSeed,
            self.terms.details.validationBps,
            self.terms.details.testBps,
        )
        .unwrap();
        let collection = CollectionId(self.terms.inputs[0].collection);
        let inputs = (0..self.terms.inputs[0].recordCap)
            .map(|index| inputs_leaf(collection.0, index, rule.split(index) as Split));
        let call = Settlement {
            attempt,
            sequence,
            pointCount: points.len() as u32,
            units: alloy::primitives::Uint::from(units),
            artifactDigest: B256::repeat_byte(0xa1),
            artifactCid: B256::repeat_byte(0xa2),
            seriesRoot: series_root(points).unwrap().into(),
            inputsRoot: offsetdata_protocol::merkle::root(inputs).into(),
            resultValues: messages::pack_values([0.1, 0.97, 0.2, 0.95].map(MetricValue::from_f64)),
        };
        let message = messages::Settlement {
            request: self.terms.request.0,
            attempt,
            sequence,
            head,
            pointCount: call.pointCount,
            units: call.units,
            artifactDigest: call.artifactDigest,
            artifactCid: call.artifactCid,
            seriesRoot: call.seriesRoot,
            inputsRoot: call.inputsRoot,
            resultValues: call.resultValues,
        };
        let signature = sign(&self.worker, &message, &self.domain());
        let landing = TrainingCoordinator::settleCall {
            escrow: self.terms.escrow.clone(),
            details: self.terms.details.clone(),
            settlement: call.clone(),
            signature,
        };
        world.node.send(&self.developer, world.node.deployment.training_coordinator, &landing).await;
        call
    }

    /// Work from the first commitment to the settlement, in attempt 1.
    pub async fn finish(&self, world: &World) {
        let (first, head) = self.commitment(1, (0, B256::ZERO), 0, points(0, 3), UNITS / 2);
        self.land_first(world, 1, &first).await;
        self.settle(world, 1, (1, head), &first.points, UNITS).await;
    }

    pub async fn cancel(&self) {
        training::cancel(&self.chain, &account(&self.user), self.terms.request).await.unwrap();
    }
}

/// Metric points `from..end`.
pub fn points(from: u32, end: u32) -> Vec<MetricPoint> {
    (from..end)
        .map(|sequence| MetricPoint {
            sequence,
            step: u64::from(sequence) * 10,
            key: MetricKey::new("train/loss").unwrap(),
            value: MetricValue::from_f64(1.0 / f64::from(sequence + 1)),
        })
        .collect()
}

fn plan(
    world: &World,
    model: offsetdata_protocol::ids::ModelId,
    method: offsetdata_protocol::ids::MethodId,
) -> TrainingPlan {
    TrainingPlan {
        model,
        method,
        inputs: vec![world.collection.into()],
        hyperparameters: "{}".into(),
        seed: B256::repeat_byte(2),
        split_seed: B256::repeat_byte(3),
        validation_bps: 1500,
        test_bps: 1500,
        unit_limit: UNITS * 2,
        relay_fee: RELAY_FEE,
        relay_fee_cap: 10,
        start_within: 1800,
        end_within: 3600,
        parent: None,
        salt: PrivateKeySigner::random().to_bytes(),
    }
}

/// All that a request of the whole collection pays for records.
pub const ALL_RECORDS: u128 = TRAIN_PRICE * RECORDS as u128;
