//! The one error type of the crate. It carries no key.

use alloy::primitives::{Address, B256};

/// Why something could not be done.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SdkError {
    /// An account that cannot be used.
    #[error("account: {0}")]
    Account(String),
    /// The RPC endpoint cannot be reached or answered with an error.
    #[error("RPC endpoint: {0}")]
    Rpc(String),
    /// The endpoint serves another chain than the deployment is on.
    #[error("the RPC endpoint serves chain {actual}, the deployment is on chain {expected}")]
    WrongChain {
        /// Chain id of the deployment.
        expected: u64,
        /// Chain id of the endpoint.
        actual: u64,
    },
    /// There is no contract where the deployment says.
    #[error("no contract at {address} ({name}): the deployment is not on this chain, or it was started anew")]
    NotDeployed {
        /// Which contract.
        name: &'static str,
        /// Where it should be.
        address: Address,
    },
    /// A contract refused, with its own reason.
    #[error("the contract refused: {reason}")]
    Refused {
        /// Name and values of the contract's error.
        reason: String,
    },
    /// A transaction was mined and failed, or did not appear in time.
    #[error("transaction {hash}: {reason}")]
    Transaction {
        /// Which transaction.
        hash: B256,
        /// What happened.
        reason: String,
    },
    /// An event that should be there is not.
    #[error("{what} {id} is not known on this chain")]
    Unknown {
        /// Kind of thing.
        what: &'static str,
        /// Its id.
        id: B256,
    },
    /// The indexer cannot be reached or answered with an error.
    #[error("indexer {url}: {reason}")]
    Indexer {
        /// Which indexer.
        url: String,
        /// What happened.
        reason: String,
    },
    /// A gateway cannot be reached or answered with an error.
    #[error("gateway {url}: {reason}")]
    Gateway {
        /// Which gateway.
        url: String,
        /// What happened.
        reason: String,
    },
    /// A gateway refused, with its reason.
    #[error("the gateway refused ({}): {}", .0.code, .0.detail.as_deref().unwrap_or(&.0.title))]
    GatewayRefused(Box<offsetdata_protocol::gateway_api::Refusal>),
    /// A relayer cannot be reached or answered with an error.
    #[error("relayer {url}: {reason}")]
    Relayer {
        /// Which relayer.
        url: String,
        /// What happened.
        reason: String,
    },
    /// A relayer refused, with its reason.
    #[error("the relayer refused ({}): {}", .0.code, .0.detail.as_deref().unwrap_or(&.0.title))]
    RelayerRefused(Box<offsetdata_protocol::worker_api::Problem>),
    /// A recovery file that cannot be read or written.
    #[error("recovery file {path}: {reason}")]
    Recovery {
        /// Which file.
        path: String,
        /// What is wrong.
        reason: String,
    },
    /// Terms that make no sense.
    #[error("{0}")]
    Terms(String),
    /// Content that is missing or wrong.
    #[error(transparent)]
    Content(#[from] offsetdata_content::ContentError),
    /// Bytes that do not hold.
    #[error(transparent)]
    Protocol(#[from] offsetdata_protocol::ProtocolError),
}

impl SdkError {
    /// Whether trying again can help.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Rpc(_) | Self::Indexer { .. } | Self::Gateway { .. } | Self::Relayer { .. } => true,
            Self::RelayerRefused(problem) => matches!(problem.status, 429 | 503),
            Self::GatewayRefused(refusal) => refusal.retry_after_seconds.is_some(),
            Self::Content(error) => error.is_retryable(),
            _ => false,
        }
    }
}
