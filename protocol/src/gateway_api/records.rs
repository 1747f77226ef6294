//! Records with their proofs, for readers without IPFS. It proves nothing itself.

use alloy::primitives::Bytes;
use serde::{Deserialize, Serialize};

use super::{Base64, Text, VoucherUpload};
use crate::{LeafHash, Root};

/// Most records in one [`RecordsRequest`].
pub const MAX_RECORDS: u32 = 1024;
/// Most bytes of records in one [`RecordsAnswer`]; a single larger record is answered alone.
pub const MAX_RECORDS_BYTES: usize = 8 * 1024 * 1024;

/// A reader without IPFS wants records.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RecordsRequest {
    /// Index of the first.
    pub first: u32,
    /// How many, 1 to [`MAX_RECORDS`].
    pub count: u32,
    /// What pays for their chunk, where something is due.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub voucher: Option<VoucherUpload>,
}

/// Records with their proofs. The answer ends where the first record's chunk ends, or at [`MAX_RECORDS_BYTES`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RecordsAnswer {
    /// The collection's content root, as on chain.
    pub content_root: Root,
    /// The collection's records.
    pub record_count: u32,
    /// The chunk that they are of.
    pub chunk: u32,
    /// In order of index.
    pub records: Vec<ProvenRecord>,
    /// What was charged for the chunk by this call.
    pub charged: Text<u128>,
}

/// A record and what proves that it is in the collection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ProvenRecord {
    /// Its index.
    pub index: u32,
    /// DAG-CBOR.
    pub record: Base64,
    /// 16 bytes; absent in a public collection.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub salt: Option<Bytes>,
    /// SHA-256(0x00 ‖ salt ‖ record).
    pub leaf_hash: LeafHash,
    /// From the leaf's sibling up.
    pub proof: Vec<LeafHash>,
}
