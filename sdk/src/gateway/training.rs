//! A worker's side of TRAIN: shows its assignment once, then signs for each chunk which records it has been given by it,
//! and gets the chunk's secret. It signs for no record whose secret it did not get, but those of the chunk that it asks for.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use alloy::sol_types::{SolStruct, SolValue};
use futures::{Stream, StreamExt};
use offsetdata_content::collection::CHUNKS_AHEAD;
use offsetdata_content::{Blocks, Collection};
use offsetdata_protocol::ChunkSecret;
use offsetdata_protocol::bindings::training::DataInput;
use offsetdata_protocol::chunk::OpenChunk;
use offsetdata_protocol::gateway_api::{
    ReceiptEvidence, ReceiptUpload, TrainKeyRequest, TrainingOpened, TrainingUpload,
};
use offsetdata_protocol::ids::{CollectionId, RequestId};
use offsetdata_protocol::merkle::{RecordCount, RootBuilder};
use offsetdata_protocol::messages::{DataReceipt, training_domain};
use offsetdata_protocol::selection::{Selection, given_leaf};
use tokio::sync::Mutex;

use super::identity::{Identity, again};
use super::{Gateway, SignedIn, gateways_of, sign};
use crate::collections::RIGHT_TRAIN;
use crate::{Account, Chain, SdkError};

/// A reader key is valid for so many seconds.
const VALID_SECONDS: u64 = 7 * 86_400;

/// A gateway at which a training was opened, and the inputs that it serves.
type Opened = (Identity, Vec<u32>);

/// What a worker reads by: its request and the scheduler's word on it. Cheap to clone.
#[derive(Debug, Clone)]
pub struct TrainingAccess {
    chain: Chain,
    worker: Account,
    request: RequestId,
    upload: Arc<TrainingUpload>,
    inputs: Arc<Vec<DataInput>>,
    gateway: Option<String>,
    /// By URL.
    open: Arc<Mutex<HashMap<String, Opened>>>,
}

/// Secrets of the chunks of one input. Cheap to clone.
#[derive(Debug, Clone)]
pub struct TrainKeys {
    access: TrainingAccess,
    blocks: Blocks,
    content: Collection,
    input: u32,
    collection: CollectionId,
    selected: Range<u32>,
    price: u128,
    given: Arc<Mutex<Given>>,
}

/// What was given so far.
#[derive(Debug, Default)]
struct Given {
    identity: Option<Identity>,
    /// No record of the selection below it is missing.
    next_index: u32,
    tree: RootBuilder,
    secrets: HashMap<u32, ChunkSecret>,
}

impl TrainingAccess {
    /// A training that `worker` is assigned to. `gateway` is asked before those that publishers name. Nothing is sent yet.
    ///
    /// # Errors
    /// Inputs that are none.
    pub fn new(
        chain: &Chain,
        worker: &Account,
        request: RequestId,
        upload: TrainingUpload,
        gateway: Option<String>,
    ) -> Result<Self, SdkError> {
        let inputs = Vec::<DataInput>::abi_decode_validate(&upload.inputs)
            .map_err(|error| SdkError::Terms(format!("the inputs of {request}: {error}")))?;
        Ok(Self {
            chain: chain.clone(),
            worker: worker.clone(),
            request,
            upload: Arc::new(upload),
            inputs: Arc::new(inputs),
            gateway: gateway.map(|url| url.trim_end_matches('/').to_owned()),
            open: Arc::default(),
        })
    }

    /// Keys of an input of the request, whose collection is `content`. `blocks` have the description that names its
    /// gateways. A gateway is asked when the first secret is.
    ///
    /// # Errors
    /// No such input; one that selects single records, or is data of the user's own.
    pub fn keys(&self, blocks: &Blocks, input: u32, content: &Collection) -> Result<TrainKeys, SdkError> {
        let missing = || SdkError::Terms(format!("{} has no input {input}", self.request));
        let terms = self.inputs.get(input as usize).ok_or_else(missing)?;
        let records = RecordCount::new(content.len())?;
        let selected =
            Selection::of_input(terms)?.range(records, terms.recordCap)?.ok_or_else(|| {
                SdkError::Terms(format!(
                    "input {input} selects single records of a private collection (BITMAP): gateways give keys for \
                     whole collections and ranges"
                ))
            })?;
        Ok(TrainKeys {
            access: self.clone(),
            blocks: blocks.clone(),
            content: content.clone(),
            input,
            collection: CollectionId(terms.collection),
            selected,
            price: terms.pricePerRecord,
            given: Arc::default(),
        })
    }

    /// The last receipts that a gateway keeps of this training and shows to this account.
    ///
    /// # Errors
    /// A gateway that does not answer; a refusal.
    pub async fn receipts(&self, gateway: &str) -> Result<Vec<ReceiptEvidence>, SdkError> {
        let session = Gateway::connect(gateway, &self.chain).await?.sign_in(&self.worker).await?;
        session.receipts(self.request).await
    }

    /// The gateway that serves an input, with the training opened there.
    async fn gateway_of(&self, blocks: &Blocks, input: u32, id: CollectionId) -> Result<Identity, SdkError> {
        let mut open = self.open.lock().await;
        let mut places: Vec<String> = self.gateway.iter().cloned().collect();
        let mut failure = match gateways_of(&self.chain, blocks, id).await {
            Ok(named) => {
                places.extend(named);
                None
            }
            Err(error) => Some(error),
        };
        for url in places {
            if !open.contains_key(&url) {
                match self.open_at(&url).await {
                    Ok(opened) => {
                        open.insert(url.clone(), opened);
                    }
                    Err(error) => {
                        tracing::warn!(url, %error, "the training can't be opened at this gateway");
                        // What a gateway refuses says more than one that is not there.
                        if !matches!(failure, Some(SdkError::GatewayRefused(_))) {
                            failure = Some(error);
                        }
                        continue;
                    }
                }
            }
            match open.get(&url) {
                Some((identity, served)) if served.contains(&input) => return Ok(identity.clone()),
                _ => {}
            }
        }
        Err(failure.unwrap_or_else(|| {
            SdkError::Terms(format!(
                "no gateway gives keys of collection {id}: its publisher names none that serves it; name one"
            ))
        }))
    }

    async fn open_at(&self, url: &str) -> Result<(Identity, Vec<u32>), SdkError> {
        let session = Gateway::connect(url, &self.chain).await?.sign_in(&self.worker).await?;
        let opened = again(|| session.open_training(self.request, &self.upload)).await?;
        let valid_until = self.chain.now().await?.saturating_add(VALID_SECONDS);
        let identity = Identity::new(&self.chain, &session, valid_until).await?;
        tracing::info!(url, request = %self.request, inputs = ?opened.inputs, "training opened");
        Ok((identity, opened.inputs))
    }
}

impl TrainKeys {
    /// Records that were signed for, within the cap.
    pub async fn records(&self) -> u64 {
        self.given.lock().await.tree.len()
    }

    /// The chunks that hold records of the input, in order, a few ahead; each is verified against the root on chain. Those
    /// that are open to all need no gateway.
    pub fn chunks(&self) -> impl Stream<Item = Result<OpenChunk, SdkError>> + use<> {
        let chunks = match self.content.chunks_of(self.selected.clone()) {
            Ok(chunks) => chunks,
            Err(error) => return futures::stream::iter([Err(SdkError::from(error))]).left_stream(),
        };
        let keys = self.clone();
        let secret = move |ordinal| {
            let keys = keys.clone();
            async move { keys.secret(ordinal).await }
        };
        self.content.stream_with(chunks, CHUNKS_AHEAD, secret).right_stream()
    }

    /// The secret of a chunk. Chunks that need a key are asked for in rising order; what was given is given again.
    ///
    /// # Errors
    /// A refusal, with the gateway's reason; an answer that does not hold; a chunk out of order or without a record of
    /// the input.
    pub async fn secret(&self, ordinal: u32) -> Result<ChunkSecret, SdkError> {
        if let Ok(secret) = self.content.secret(ordinal) {
            return Ok(secret);
        }
        // One at a time: receipts build on one another.
        let mut given = self.given.lock().await;
        if let Some(secret) = given.secrets.get(&ordinal) {
            return Ok(secret.clone());
        }
        let entry = self.content.entry(ordinal)?;
        let (first, end) = (entry.first, entry.first.saturating_add(entry.count));
        let from = given.next_index.max(self.selected.start);
        if end <= self.selected.start || first >= self.selected.end || end <= from {
            return Err(SdkError::Terms(format!("chunk {ordinal} has no record that the input still takes")));
        }
        if from < first {
            let before = self.content.chunk_of(from)?..ordinal;
            if let Some(closed) = before.clone().find(|ordinal| self.content.secret(*ordinal).is_err()) {
                return Err(SdkError::Terms(format!(
                    "chunk {closed} comes before chunk {ordinal}: a receipt says nothing that was not given"
                )));
            }
        }
        let mut tree = given.tree.clone();
        tree.extend((from..end.min(self.selected.end)).map(given_leaf));
        let added = tree.len() - given.tree.len();
        let identity = match given.identity.clone() {
            Some(identity) => identity,
            None => self.access.gateway_of(&self.blocks, self.input, self.collection).await?,
        };
        given.identity = Some(identity.clone());
        let request = TrainKeyRequest {
            attempt: self.access.upload.attempt,
            reader_key: identity.key.clone(),
            receipt: self.receipt(&tree).await?,
        };
        let path =
            format!("/v1/trainings/{}/inputs/{}/chunks/{ordinal}/key", self.access.request, self.input);
        let answer = identity.ask(&path, &request).await?;
        let secret = identity.open(RIGHT_TRAIN, self.collection, &self.content, ordinal, &answer)?;
        let (charged, most) = (answer.release.charged.0, self.price.saturating_mul(added.into()));
        if charged > most {
            return Err(identity.session.gateway.wire.failed(format!(
                "it charged {charged} for chunk {ordinal}; by the terms it is at most {most}"
            )));
        }
        (given.tree, given.next_index) = (tree, end);
        given.secrets.insert(ordinal, secret.clone());
        Ok(secret)
    }

    async fn receipt(&self, tree: &RootBuilder) -> Result<ReceiptUpload, SdkError> {
        let deployment = self.access.chain.deployment();
        let records = u32::try_from(tree.len())
            .map_err(|_| SdkError::Terms("more records than a collection has".into()))?;
        let root = tree.root();
        let message = DataReceipt {
            request: self.access.request.0,
            attempt: self.access.upload.attempt,
            input: self.input,
            collection: self.collection.0,
            records,
            recordsRoot: root.into(),
        };
        let domain = training_domain(deployment.chain_id, deployment.training_coordinator);
        let signature = sign(&self.access.worker, message.eip712_signing_hash(&domain)).await?;
        Ok(ReceiptUpload { records, records_root: root, signature })
    }
}

impl SignedIn {
    /// Shows a gateway that this account is assigned to a request. The inputs that it serves.
    ///
    /// # Errors
    /// A refusal: the terms, the assignment or the request's state do not hold.
    pub async fn open_training(
        &self,
        request: RequestId,
        upload: &TrainingUpload,
    ) -> Result<TrainingOpened, SdkError> {
        let path = format!("/v1/trainings/{request}");
        self.gateway.wire.put(&path, Some(&self.token), upload).await
    }

    /// The last receipt of each input and attempt that this account may see.
    ///
    /// # Errors
    /// A refusal.
    pub async fn receipts(&self, request: RequestId) -> Result<Vec<ReceiptEvidence>, SdkError> {
        self.gateway.wire.get(&format!("/v1/trainings/{request}/receipts"), Some(&self.token)).await
    }
}
