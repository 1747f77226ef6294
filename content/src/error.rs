//! The one error type of the crate. It carries no bytes of content.

use offsetdata_protocol::cid::Cid;
use offsetdata_protocol::{Digest, ProtocolError};

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
    /// Every source that has the block gave other bytes than the CID names.
    #[error("the block {cid} was changed: expected digest {}, found {actual}", digest_in(.cid))]
    Changed {
        /// The block.
        cid: Cid,
        /// Digest of the bytes that were given.
        actual: Box<Digest>,
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
    /// A Kubo node did not answer as it should.
    #[error("Kubo at {url} {reason}")]
    Kubo {
        /// Which node.
        url: String,
        /// What it did.
        reason: String,
        /// Whether it will do so again.
        lasting: bool,
    },
    /// A CAR file is not one, or not a whole one.
    #[error("CAR file: {0}")]
    Car(String),
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
    /// An ordinal outside the collection.
    #[error("chunk {ordinal} is not within the {count} chunks of the collection")]
    NoSuchChunk {
        /// The ordinal asked for.
        ordinal: u32,
        /// Chunks of the collection.
        count: u32,
    },
    /// Nobody gave the secret of a private chunk.
    #[error(
        "chunk {ordinal} is private, and its key was not given: a gateway or the publisher's recovery file has it"
    )]
    NoKey {
        /// Which chunk.
        ordinal: u32,
    },
    /// The disk is full.
    #[error("the disk of {path} is full; what is stored stays: free some space and repeat the command")]
    DiskFull {
        /// What was being written.
        path: String,
    },
    /// What was begun before is not what is asked for now.
    #[error("{0}")]
    Publishing(String),
}

/// The digest that a CID names.
fn digest_in(cid: &Cid) -> Digest {
    offsetdata_protocol::cid::parts(cid).map(|(_, digest)| digest).unwrap_or_default()
}

impl ContentError {
    /// Whether trying again can help.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::NotFound { .. } | Self::File { .. } | Self::Gateway { .. } | Self::DiskFull { .. } => true,
            Self::Kubo { lasting, .. } => !lasting,
            _ => false,
        }
    }
}
