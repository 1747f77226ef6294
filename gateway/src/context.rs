//! What all parts of the gateway share. It does nothing by itself.

use std::collections::HashSet;
use std::sync::{Arc, Mutex};

use alloy::primitives::{Address, B256};
use alloy::signers::local::PrivateKeySigner;
use alloy::sol_types::Eip712Domain;
use offsetdata_content::Blocks;
use offsetdata_protocol::deployments::Deployment;
use offsetdata_protocol::gateway_api::code;
use offsetdata_protocol::messages::{access_domain, billing_domain, gateway_domain};
use offsetdata_protocol::seal::{SealingKey, SealingSecret};
use offsetdata_store::{Lease, Pool};
use tokio::sync::Notify;

use crate::catalog::Catalog;
use crate::chain::{Chain, Head};
use crate::config::{SettlementSettings, Terms};
use crate::http::Limits;
use crate::metrics::Metrics;
use crate::{GatewayError, Refused};

/// What all parts share. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Context(Arc<Shared>);

/// What a [`Context`] points to.
#[derive(Debug)]
pub struct Shared {
    /// The database.
    pub pool: Pool,
    /// Blocks of manifests, pages and chunks.
    pub blocks: Blocks,
    /// The node.
    pub chain: Chain,
    /// The contracts.
    pub deployment: Deployment,
    /// Signs releases and transactions.
    pub signer: PrivateKeySigner,
    /// Opens collection keys.
    pub sealing: SealingSecret,
    /// Its public key.
    pub sealing_key: SealingKey,
    /// The public URL, without a slash at its end.
    pub audience: String,
    /// By which rules keys are given out.
    pub terms: Terms,
    /// How what was promised is landed.
    pub settlement: SettlementSettings,
    /// The settlement token's EIP-712 domain separator.
    pub token_domain: B256,
    /// Open collections.
    pub catalog: Catalog,
    /// Which of several instances settles.
    pub lease: Lease,
    /// Somebody waits for a settlement.
    pub wanted: Notify,
    /// Whose lanes are to be settled at once.
    pub hastened: Mutex<HashSet<Address>>,
    /// How many calls each client may make.
    pub limits: Limits,
    /// What is counted.
    pub metrics: Metrics,
}

impl std::ops::Deref for Context {
    type Target = Shared;

    fn deref(&self) -> &Shared {
        &self.0
    }
}

impl From<Shared> for Context {
    fn from(shared: Shared) -> Self {
        Self(Arc::new(shared))
    }
}

impl Shared {
    /// Domain of reader keys and releases.
    pub fn gateway_domain(&self) -> Eip712Domain {
        gateway_domain(self.deployment.chain_id, self.deployment.access_token)
    }

    /// Domain of words of use.
    pub fn access_domain(&self) -> Eip712Domain {
        access_domain(self.deployment.chain_id, self.deployment.access_token)
    }

    /// Domain of vouchers and authorizations.
    pub fn billing_domain(&self) -> Eip712Domain {
        billing_domain(self.deployment.chain_id, self.deployment.usage_billing)
    }

    /// Who signs releases.
    pub fn address(&self) -> Address {
        self.signer.address()
    }

    /// The newest block, unless it is too old to say who may what.
    ///
    /// # Errors
    /// `staleHead`, or a node that does not answer.
    pub async fn fresh_head(&self, now: u64) -> Result<Head, Refused> {
        let head = self.chain.head().await?;
        let age = now.saturating_sub(head.timestamp);
        if age > self.terms.stale_seconds {
            let detail = format!(
                "the newest block, {}, is {age} seconds old; at most {} are trusted",
                head.number, self.terms.stale_seconds
            );
            return Err(Refused::new(code::STALE_HEAD, detail).again_after(5));
        }
        Ok(head)
    }

    /// 32 random bytes.
    ///
    /// # Errors
    /// A machine without randomness.
    pub fn entropy(&self) -> Result<[u8; 32], GatewayError> {
        let mut bytes = [0u8; 32];
        aws_lc_rs::rand::fill(&mut bytes).map_err(|_| GatewayError::Io {
            what: "randomness".into(),
            source: std::io::Error::other("the machine has none"),
        })?;
        Ok(bytes)
    }
}
