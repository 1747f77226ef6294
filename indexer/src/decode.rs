//! Logs of our contracts → rows. Pure: it knows no chain and no database.

mod access;
mod billing;
mod collections;
mod models;
mod training;

use alloy::primitives::{Address, B256, U256};
use alloy::rpc::types::Log;
use offsetdata_protocol::deployments::Deployment;
use offsetdata_store::chain::collections::MetadataRevisionRow;
use offsetdata_store::chain::documents::{DocumentFetchRow, DocumentKind};
use offsetdata_store::chain::{ChainRows, Position};

use crate::error::IndexerError;

/// The contracts whose events are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Contracts {
    /// CollectionRegistry.
    pub collections: Address,
    /// AccessToken.
    pub access: Address,
    /// UsageBilling.
    pub billing: Address,
    /// ModelRegistry.
    pub models: Address,
    /// TrainingCoordinator.
    pub training: Address,
}

impl From<&Deployment> for Contracts {
    fn from(deployment: &Deployment) -> Self {
        Self {
            collections: deployment.collection_registry,
            access: deployment.access_token,
            billing: deployment.usage_billing,
            models: deployment.model_registry,
            training: deployment.training_coordinator,
        }
    }
}

impl Contracts {
    /// Their addresses.
    pub fn addresses(&self) -> Vec<Address> {
        vec![self.collections, self.access, self.billing, self.models, self.training]
    }
}

/// Decodes the logs, which stand in the order of the chain.
///
/// # Errors
/// [`IndexerError::Inconsistent`] for a log without a place in the chain, taken back, or of another contract;
/// [`IndexerError::UnknownEvent`] for one that is no event of the contract's ABI.
pub fn decode(contracts: &Contracts, logs: &[Log]) -> Result<ChainRows, IndexerError> {
    let mut rows = ChainRows::default();
    for log in logs {
        let (Some(block), Some(log_index)) = (log.block_number, log.log_index) else {
            return Err(IndexerError::inconsistent("a log without block number or index"));
        };
        if log.removed {
            return Err(IndexerError::inconsistent(format!(
                "log {log_index} of block {block} was taken back"
            )));
        }
        let position = Position::new(block, log_index)?;
        let address = log.address();
        let decoded = if address == contracts.collections {
            collections::push(&mut rows, position, &log.inner)
        } else if address == contracts.access {
            access::push(&mut rows, position, &log.inner)
        } else if address == contracts.billing {
            billing::push(&mut rows, position, &log.inner)
        } else if address == contracts.models {
            models::push(&mut rows, position, &log.inner)
        } else if address == contracts.training {
            training::push(&mut rows, position, &log.inner)
        } else {
            return Err(IndexerError::inconsistent(format!("a log of {address}, which was not asked for")));
        };
        decoded.map_err(|error| IndexerError::UnknownEvent {
            block,
            log_index,
            address,
            reason: error.to_string(),
        })?;
    }
    Ok(rows)
}

/// Metadata that an event names is to be fetched.
fn push_metadata(rows: &mut ChainRows, position: Position, subject: B256, digest: B256) {
    rows.document_fetches.extend(DocumentFetchRow::new(position, DocumentKind::Metadata, subject, digest));
}

/// New metadata of something.
fn push_revision(rows: &mut ChainRows, position: Position, subject: B256, digest: B256, uri: String) {
    push_metadata(rows, position, subject, digest);
    rows.metadata_revisions.push(MetadataRevisionRow {
        position,
        subject,
        metadata_digest: digest,
        metadata_uri: uri,
    });
}

/// Unsigned integers that Solidity keeps below 64 bits and alloy in its own type.
fn small<const BITS: usize, const LIMBS: usize>(
    number: alloy::primitives::Uint<BITS, LIMBS>,
) -> offsetdata_store::Count {
    offsetdata_store::Count(number.saturating_to())
}

/// An ERC-721 token id as the id that it is.
fn word(number: U256) -> B256 {
    number.into()
}
