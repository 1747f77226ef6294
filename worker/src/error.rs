//! The one error type of a job's run. It carries no key and no record.

use offsetdata_content::ContentError;
use offsetdata_protocol::ProtocolError;
use offsetdata_sdk::SdkError;

use crate::dataset::DatasetError;
use crate::trainers::TrainerError;

/// Why a job could not be done.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WorkerError {
    /// The relayer cannot be reached, or it failed.
    #[error("relayer {url}: {reason}")]
    Relayer {
        /// Which relayer.
        url: String,
        /// What happened.
        reason: String,
    },
    /// The relayer refused for good.
    #[error("the relayer refused ({code}): {reason}")]
    Refused {
        /// Its word for programs.
        code: String,
        /// Its words for people.
        reason: String,
    },
    /// An offer whose parts do not fit the chain or one another.
    #[error("the job does not hold: {0}")]
    Offer(String),
    /// A job that asks for something this worker does not do.
    #[error("this worker cannot do the job: {0}")]
    Unsupported(String),
    /// Settings that cannot work.
    #[error("settings: {0}")]
    Settings(String),
    /// What an attempt before left cannot be gone on from here.
    #[error("checkpoint: {0}")]
    Checkpoint(String),
    /// A model's artifact that is not what the chain names, or that this worker cannot open.
    #[error("artifact: {0}")]
    Artifact(String),
    /// The worker shuts down; the job goes on elsewhere.
    #[error("given back, as the worker stops")]
    Released,
    /// The user cancelled, or the request is gone.
    #[error("cancelled")]
    Cancelled,
    /// Signing failed.
    #[error("signing: {0}")]
    Signing(String),
    /// The chain.
    #[error(transparent)]
    Sdk(#[from] SdkError),
    /// The data.
    #[error(transparent)]
    Content(#[from] ContentError),
    /// Bytes that do not hold.
    #[error(transparent)]
    Protocol(#[from] ProtocolError),
    /// Records that do not fit the trainer.
    #[error(transparent)]
    Dataset(#[from] DatasetError),
    /// The training itself.
    #[error(transparent)]
    Trainer(#[from] TrainerError),
}

impl WorkerError {
    /// Whether another attempt can help.
    pub fn is_retryable(&self) -> bool {
        match self {
            // Another worker of the developer may have the key that opens it.
            Self::Relayer { .. } | Self::Checkpoint(_) | Self::Artifact(_) | Self::Released => true,
            Self::Sdk(error) => error.is_retryable(),
            Self::Content(error) => error.is_retryable(),
            Self::Trainer(error) => error.is_retryable(),
            _ => false,
        }
    }
}
