//! What an assigned worker and a gateway exchange: TRAIN. A training is opened once with its terms, then each chunk's
//! secret comes against a receipt that counts its records.

use alloy::primitives::{B256, Bytes};
use serde::{Deserialize, Serialize};

use super::{KeyAnswer, ReaderKeyUpload};
use crate::Root;

/// A request with its assignment: what shows that the session's account may train on the collections of its inputs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TrainingUpload {
    /// abi.encode(EscrowTerms).
    pub escrow: Bytes,
    /// abi.encode(RequestDetails).
    pub details: Bytes,
    /// abi.encode(DataInput\[\]).
    pub inputs: Bytes,
    /// The attempt, from 1. Its worker is the session's account.
    pub attempt: u8,
    /// Metric points that stand before it.
    pub resume_point: u32,
    /// Unix seconds; the attempt's first commitment lands by then.
    pub valid_until: u64,
    /// The scheduler's signature over [`crate::messages::Assignment`].
    pub assignment_signature: Bytes,
}

/// The gateway knows the training.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TrainingOpened {
    /// Positions of the inputs whose collections this gateway serves.
    pub inputs: Vec<u32>,
}

/// A worker wants a chunk's secret for an input of its request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TrainKeyRequest {
    /// The attempt.
    pub attempt: u8,
    /// Whom it is sealed to, signed by the worker.
    pub reader_key: ReaderKeyUpload,
    /// The worker's word on all records of the input up to the end of this chunk.
    pub receipt: ReceiptUpload,
}

/// [`crate::messages::DataReceipt`], signed; request, attempt, input and collection are those of the call. Chunks are
/// asked for in rising order, so that `records` and `recordsRoot` follow from selection and chunk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ReceiptUpload {
    /// Selected records in the chunks up to this one.
    pub records: u32,
    /// Root over their indices ([`crate::selection::given_root`]).
    pub records_root: Root,
    /// The worker's signature.
    pub signature: Bytes,
}

/// Answer to a [`TrainKeyRequest`]: the release has right 1, no lane, and as `charged` what the receipt adds.
pub type TrainKeyAnswer = KeyAnswer;

/// A receipt as a gateway keeps it: evidence of which records a worker was given.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ReceiptEvidence {
    /// The request.
    pub request: B256,
    /// The attempt.
    pub attempt: u8,
    /// Position of the input.
    pub input: u32,
    /// What was signed.
    #[serde(flatten)]
    pub receipt: ReceiptUpload,
}
