//! The one error type of the crate. It carries no bytes of content.

use offsetdata_protocol::ProtocolError;
use offsetdata_protocol::cid::Cid;

/// Why bytes could not be stored or given.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ContentError {
    /// No source has the block.
    #[error("no source has the block {cid}")]
    NotFound {
        /// The block.
        cid: Cid,
    },
    /// The block is longer than the caller takes.
    #[error("the block {cid} is longer than {max} bytes")]
    TooLarge {
        /// The block.
        cid: Cid,
        /// What the caller takes.
        max: usize,
    },
    /// The bytes are not what they should be.
    #[error(transparent)]
    Protocol(#[from] ProtocolError),
    /// The directory could not be read or written.
    #[error("{what} {path}: {source}")]
    File {
        /// Reading, writing or creating.
        what: &'static str,
        /// Which file.
        path: String,
        /// The cause.
        source: std::io::Error,
    },
    /// A gateway did not answer as it should.
    #[error("gateway {url}: {reason}")]
    Gateway {
        /// Which gateway.
        url: String,
        /// What it did.
        reason: String,
    },
    /// There is no directory to write to.
    #[error("no directory to store blocks in: name one")]
    ReadOnly,
    /// An index outside the collection.
    #[error("record {index} is not within the {count} records of the collection")]
    NoSuchRecord {
        /// The index asked for.
        index: u32,
        /// Records of the collection.
        count: u32,
    },
}

impl ContentError {
    /// Whether trying again can help.
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::NotFound { .. } | Self::File { .. } | Self::Gateway { .. })
    }
}
