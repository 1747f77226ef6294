//! Where the contracts stand on a chain, as `protocol/deployments/<chain id>.json` says. It reads no file.

use alloy::primitives::Address;
use serde::{Deserialize, Serialize};

/// The development network's deployment: the addresses follow from the bytecode (CREATE2, EIP-1014).
const DEV: &str = include_str!("../deployments/31337.json");

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
    /// The development network's deployment.
    ///
    /// # Errors
    /// Where the committed file is broken; a test holds it whole.
    pub fn dev() -> Result<Self, serde_json::Error> {
        Self::parse(DEV)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_committed_deployment_is_whole() {
        let dev = Deployment::dev().unwrap();
        assert_eq!(dev.chain_id, 31337);
        assert!(![dev.token, dev.training_coordinator, dev.model_registry].contains(&Address::ZERO));
    }
}
