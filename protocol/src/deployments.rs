//! Where the contracts stand on a chain, as `protocol/deployments/<chain id>.json` says. It reads no file.

use alloy::primitives::Address;
use serde::{Deserialize, Serialize};

/// One deployment of all contracts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Deployment {
    /// EIP-155 chain id.
    pub chain_id: u64,
    /// No event of ours is older than this block.
    pub start_block: u64,
    /// Version of the contracts.
    pub version: String,
    /// The settlement token (ERC-20).
    pub token: Address,
    /// The ERC-2771 forwarder.
    pub forwarder: Address,
    /// CollectionRegistry.
    pub collection_registry: Address,
    /// AccessToken.
    pub access_token: Address,
    /// UsageBilling.
    pub usage_billing: Address,
    /// ModelRegistry.
    pub model_registry: Address,
    /// TrainingCoordinator.
    pub training_coordinator: Address,
}

impl Deployment {
    /// Parses a deployment file.
    ///
    /// # Errors
    /// Where the text is not JSON of this form.
    pub fn parse(json: &str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(json)
    }
}
