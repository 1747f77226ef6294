//! A user's side of a relayer: calls that it pays for, and predictions. It trusts no answer: transactions are looked up
//! on the chain, predictions are held against the worker's signature and the version on the chain.

mod predict;
mod sponsor;
mod wire;

use std::sync::Arc;

use offsetdata_protocol::relay_api::RelayerInfo;
use tokio::sync::Mutex;

use crate::{Chain, SdkError};
pub use predict::Predictions;
use wire::Wire;

/// A relayer that serves this deployment. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Relayer {
    wire: Wire,
    info: RelayerInfo,
    chain: Chain,
    /// Forward requests of one process take turns: each needs the nonce after the one before.
    turn: Arc<Mutex<()>>,
}

impl Relayer {
    /// Asks a relayer who it is, and holds that against the deployment.
    ///
    /// # Errors
    /// No answer; a relayer of another chain or of other contracts, or one that calls itself by another URL.
    pub async fn connect(url: &str, chain: &Chain) -> Result<Self, SdkError> {
        let url = url.trim_end_matches('/').to_owned();
        let wire = Wire::new(&url)?;
        let info: RelayerInfo = wire.get("/v1/relayer").await?;
        let deployment = chain.deployment();
        let ours = (deployment.chain_id, deployment.training_coordinator);
        if (info.chain_id, info.coordinator) != ours {
            return Err(wire.failed(format!(
                "it serves chain {} with coordinator {}, expected chain {} with {}",
                info.chain_id, info.coordinator, ours.0, ours.1
            )));
        }
        if info.audience.trim_end_matches('/') != url {
            // What we sign names the URL that we call: passed on by a stranger it is no use to them.
            return Err(wire.failed(format!("it calls itself {}; use that URL", info.audience)));
        }
        if info.sponsor.is_some_and(|terms| terms.forwarder != deployment.forwarder) {
            return Err(
                wire.failed(format!("it sponsors for another forwarder than {}", deployment.forwarder))
            );
        }
        Ok(Self { wire, info, chain: chain.without_sponsor(), turn: Arc::default() })
    }

    /// What it says of itself.
    pub fn info(&self) -> &RelayerInfo {
        &self.info
    }
}
