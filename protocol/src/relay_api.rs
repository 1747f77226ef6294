//! The JSON that users and a relayer exchange (docs/protocol.md, "Relayer API"): sponsored calls and predictions. It
//! sends nothing. What workers exchange with a relayer is in [`crate::worker_api`].
//!
//! | call | body → answer |
//! |---|---|
//! | `GET /v1/relayer` | → [`RelayerInfo`] |
//! | `POST /v1/sponsor` | [`SponsorRequest`] → 202 [`SponsorAnswer`] |
//! | `GET /v1/sponsor/{id}` | → [`SponsorAnswer`] |
//! | `POST /v1/models/{model}/predictions?waitSeconds=N` | [`PredictionUpload`] → 200 or 202 [`PredictionState`] |
//!
//! Every call can be repeated: the same body gets the same thing done once. Errors are
//! [`crate::worker_api::Problem`]s.

use alloy::primitives::aliases::U48;
use alloy::primitives::{Address, B256, Bytes, U256, keccak256};
use alloy::sol_types::SolCall;
use serde::{Deserialize, Serialize};

use crate::bindings::forwarder::{ERC2771Forwarder, ForwardRequestData};
use crate::gateway_api::{Base64, Text};
use crate::leaf::record_leaf;
use crate::{Root, merkle};

/// Most records in one prediction.
pub const MAX_PREDICTION_RECORDS: usize = 1024;
/// Most bytes of records in one prediction.
pub const MAX_PREDICTION_BYTES: usize = 4 * 1024 * 1024;
/// Longest wait for a prediction, in seconds.
pub const MAX_PREDICTION_WAIT_SECONDS: u32 = 30;

/// Who the relayer is and what it does for users.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RelayerInfo {
    /// Its public URL: `audience` of hellos and prediction requests.
    pub audience: String,
    /// EIP-155 chain id.
    pub chain_id: u64,
    /// Its coordinator, the verifying contract of hellos and predictions.
    pub coordinator: Address,
    /// The key that signs assignments: `scheduler` of the methods that it serves.
    pub scheduler: Address,
    /// What it pays for, where it sponsors.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sponsor: Option<SponsorTerms>,
}

/// What a relayer pays for users that have no ETH.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SponsorTerms {
    /// ERC2771Forwarder that forward requests are signed for.
    pub forwarder: Address,
    /// Gas that one account may use within 24 hours.
    pub gas_per_account: u64,
    /// Gas for all accounts within 24 hours.
    pub gas_per_day: u64,
    /// Of it, what is left now.
    pub gas_left: u64,
    /// Most gas of one call.
    pub gas_per_call: u64,
}

/// A call that the relayer sends and pays for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "form", rename_all = "camelCase", rename_all_fields = "camelCase", deny_unknown_fields)]
pub enum SponsorRequest {
    /// An ERC-2771 forward request with no value, to a contract of the deployment. Sent as `execute`.
    Forward {
        /// Who signed.
        from: Address,
        /// A contract of the deployment.
        to: Address,
        /// Gas for the inner call.
        gas: u64,
        /// `nonces(from)` of the forwarder.
        nonce: Text<U256>,
        /// Unix seconds, 48 bits.
        deadline: u64,
        /// Calldata of the inner call.
        data: Bytes,
        /// Signature over `ForwardRequest` of the forwarder.
        signature: Bytes,
    },
    /// A call that anyone may send, as its arguments carry the user's signature: `requestWithAuthorization`,
    /// `buyWithAuthorization` and the like.
    Direct {
        /// A contract of the deployment.
        to: Address,
        /// Its calldata.
        data: Bytes,
    },
}

impl SponsorRequest {
    /// What the relayer sends, and to whom. A deadline over 48 bits is the greatest of 48, for which nobody signed.
    pub fn call(&self, forwarder: Address) -> (Address, Bytes) {
        match self {
            Self::Direct { to, data } => (*to, data.clone()),
            Self::Forward { .. } => {
                let call = self.forward().map(|request| ERC2771Forwarder::executeCall { request });
                (forwarder, call.map(|call| call.abi_encode().into()).unwrap_or_default())
            }
        }
    }

    /// The argument of `execute` and `verify`, of a forward request.
    pub fn forward(&self) -> Option<ForwardRequestData> {
        let Self::Forward { from, to, gas, deadline, data, signature, .. } = self else { return None };
        Some(ForwardRequestData {
            from: *from,
            to: *to,
            value: U256::ZERO,
            gas: U256::from(*gas),
            deadline: U48::saturating_from(*deadline),
            data: data.clone(),
            signature: signature.clone(),
        })
    }

    /// Its name: keccak-256 of `to(20) ‖ calldata` of what the relayer sends.
    pub fn id(&self, forwarder: Address) -> B256 {
        let (to, data) = self.call(forwarder);
        keccak256([to.as_slice(), &data].concat())
    }
}

/// Where a sponsored call stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SponsorAnswer {
    /// Its name: [`SponsorRequest::id`].
    pub id: B256,
    /// Where it stands.
    pub state: SponsorState,
    /// The transaction, once it is sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transaction: Option<B256>,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// States of a sponsored call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum SponsorState {
    /// Durable, and under way.
    Queued,
    /// In a block.
    Included,
    /// It will not land.
    Failed,
}

/// A user wants predictions of a model that it may use.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PredictionUpload {
    /// Who asks.
    pub account: Address,
    /// Version of the model, from 1; 0 for the newest.
    pub version: u32,
    /// DAG-CBOR records with the fields that the trainer reads; labels are not needed.
    pub records: Vec<Base64>,
    /// Unix seconds; at most an hour ahead.
    pub valid_until: u64,
    /// Random: makes the request unguessable, and two of the same records two.
    pub salt: B256,
    /// The account's signature over [`crate::messages::PredictionRequest`] (ERC-1271 for contracts).
    pub signature: Bytes,
}

impl PredictionUpload {
    /// Root over the records, in their order: leaves as of a public collection.
    pub fn records_root(&self) -> Root {
        merkle::root(self.records.iter().map(|record| record_leaf(None, &record.0)))
    }
}

/// Where a prediction stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PredictionState {
    /// hashStruct of the signed request.
    pub id: B256,
    /// The version that answers.
    pub version: u32,
    /// Why it failed, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
    /// The predictions, once they are there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result: Option<PredictionResult>,
}

/// A worker's signed predictions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PredictionResult {
    /// Who predicted.
    pub worker: Address,
    /// SHA-256 of the artifact in the clear: the version's `artifactDigest`.
    pub artifact_digest: B256,
    /// One for each record, in their order.
    pub predictions: Vec<Prediction>,
    /// The worker's signature over [`crate::messages::PredictionAnswer`].
    pub signature: Bytes,
}

/// What a classifier says of one record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Prediction {
    /// The most probable label.
    pub label: u32,
    /// Its probability times 1,000,000.
    pub score_ppm: u32,
}

/// What a [`crate::messages::PredictionAnswer`] covers: SHA-256 of `label(4) ‖ scorePpm(4)`, big-endian, of each
/// prediction.
pub fn predictions_digest(predictions: &[Prediction]) -> crate::Digest {
    let bytes: Vec<u8> = predictions
        .iter()
        .flat_map(|prediction| [prediction.label.to_be_bytes(), prediction.score_ppm.to_be_bytes()])
        .flatten()
        .collect();
    crate::Digest::of(&bytes)
}
