//! What can go wrong between the chain and the database. It carries no URL: those may hold keys of RPC providers.

use alloy::primitives::{Address, B256};
use offsetdata_store::StoreError;

/// Why the indexer could not go on.
#[derive(Debug, thiserror::Error)]
pub enum IndexerError {
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The node did not answer, or answered with an error.
    #[error("RPC {method}: {reason}")]
    Rpc {
        /// The call.
        method: &'static str,
        /// What came back.
        reason: String,
        /// Whether the node itself refused; then a smaller range may do.
        refused: bool,
    },
    /// Answers of the node that can't all be true, such as during a reorg.
    #[error("the node's answers contradict each other: {reason}")]
    Inconsistent {
        /// What differs.
        reason: String,
    },
    /// A log of our contracts that is none of their events.
    #[error(
        "log {log_index} of block {block} at {address} is no event of this deployment's contracts: {reason}"
    )]
    UnknownEvent {
        /// Block number.
        block: u64,
        /// Index in the block.
        log_index: u64,
        /// The contract.
        address: Address,
        /// What the decoder said.
        reason: String,
    },
    /// The chain left the indexed one below the depth that can be undone.
    #[error(
        "reorg deeper than {limit} blocks: none of the known blocks down to {lowest} is in the chain any more; \
         if this is the right chain, index it into a new database, or set a greater --reorg-depth before that"
    )]
    ReorgTooDeep {
        /// Blocks that can be undone.
        limit: u64,
        /// The lowest block that was compared.
        lowest: u64,
    },
    /// The node serves another chain.
    #[error("the deployment is on chain {expected}, the node serves chain {actual}")]
    WrongChain {
        /// Chain id of the deployment.
        expected: u64,
        /// Chain id of the node.
        actual: u64,
    },
    /// There is no contract where the deployment says.
    #[error("no code at {address}, where the deployment has its {contract}")]
    NoCode {
        /// Which contract.
        contract: &'static str,
        /// Where.
        address: Address,
    },
    /// The chain is shorter than the deployment.
    #[error("the deployment begins at block {start}, the chain ends at block {head}")]
    ChainTooShort {
        /// Start block of the deployment.
        start: u64,
        /// Head of the chain.
        head: u64,
    },
    /// The database was filled from something else.
    #[error("the database holds {what} {actual}, this deployment has {expected}: use another database")]
    OtherDeployment {
        /// What differs.
        what: &'static str,
        /// In the deployment or chain.
        expected: String,
        /// In the database.
        actual: String,
    },
    /// A setting that can't be used.
    #[error("{setting}: {reason}")]
    Setting {
        /// Which.
        setting: &'static str,
        /// Why.
        reason: String,
    },
    /// The API could not be served.
    #[error("API: {0}")]
    Api(#[from] std::io::Error),
}

impl IndexerError {
    /// Whether the same step can succeed later.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Store(error) => error.is_retryable(),
            Self::Rpc { .. } | Self::Inconsistent { .. } => true,
            _ => false,
        }
    }

    pub(crate) fn inconsistent(reason: impl Into<String>) -> Self {
        Self::Inconsistent { reason: reason.into() }
    }
}

/// A short form of a hash for messages.
pub(crate) fn short(hash: B256) -> String {
    format!("{}…", alloy::hex::encode_prefixed(&hash[..6]))
}
