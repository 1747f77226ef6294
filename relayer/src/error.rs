//! The one error type of the crate. It carries no key, no token and no RPC address.

use offsetdata_content::ContentError;
use offsetdata_store::StoreError;

/// Why the relayer could not do something.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RelayerError {
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The blocks.
    #[error(transparent)]
    Content(#[from] ContentError),
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
    /// Nothing is deployed where the deployment says.
    #[error("no code at {what} {address}: is this the deployment of this chain?")]
    NoCode {
        /// Which contract.
        what: &'static str,
        /// Where.
        address: alloy::primitives::Address,
    },
    /// Another process uses the same signer.
    #[error("another process holds the signer now: this one stops writing")]
    Fenced,
    /// A row of ours that does not hold what it should.
    #[error("{what} in the database: {reason}")]
    Corrupt {
        /// Which row and column.
        what: &'static str,
        /// What is wrong with it.
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

impl RelayerError {
    /// Whether the same can succeed later.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Store(error) => error.is_retryable(),
            Self::Content(error) => error.is_retryable(),
            Self::Rpc { .. } | Self::Io { .. } => true,
            _ => false,
        }
    }
}
