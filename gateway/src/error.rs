//! The one error type of the crate. It carries no key, no token and no RPC address.

use alloy::primitives::Address;
use offsetdata_content::ContentError;
use offsetdata_protocol::ProtocolError;
use offsetdata_store::StoreError;

/// Why the gateway could not do something. What a reader is refused is a [`crate::Refused`].
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GatewayError {
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The blocks.
    #[error(transparent)]
    Content(#[from] ContentError),
    /// Bytes that are not what they should be.
    #[error(transparent)]
    Protocol(#[from] ProtocolError),
    /// A node did not answer as it should.
    #[error("RPC {call}: {reason}")]
    Rpc {
        /// The method.
        call: &'static str,
        /// What happened.
        reason: String,
    },
    /// A setting that can't work.
    #[error("{setting}: {reason}")]
    Setting {
        /// Which one.
        setting: &'static str,
        /// What is wrong with it and what is expected.
        reason: String,
    },
    /// The node serves another chain than the deployment names.
    #[error("the RPC endpoint serves chain {actual}, the deployment is on chain {expected}")]
    WrongChain {
        /// Of the deployment.
        expected: u64,
        /// Of the node.
        actual: u64,
    },
    /// A contract is missing or stands on other contracts than the deployment names.
    #[error("{what} at {address}: {reason}")]
    WrongContract {
        /// Which contract.
        what: &'static str,
        /// Where.
        address: Address,
        /// What is wrong.
        reason: String,
    },
    /// A transaction did not come into a block.
    #[error("transaction {what}: {reason}")]
    Transaction {
        /// What it would have done.
        what: &'static str,
        /// What happened.
        reason: String,
    },
    /// The key could not sign.
    #[error("signing: {0}")]
    Signing(#[from] alloy::signers::Error),
    /// A file or socket.
    #[error("{what}: {source}")]
    Io {
        /// What was tried.
        what: String,
        /// The cause.
        source: std::io::Error,
    },
}

impl GatewayError {
    /// Whether the same can succeed later.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Store(error) => error.is_retryable(),
            Self::Content(error) => error.is_retryable(),
            Self::Rpc { .. } | Self::Io { .. } | Self::Transaction { .. } => true,
            _ => false,
        }
    }
}
