//! The scheduler's word: assignments and closures, signed with its key. It decides on none.

use alloy::primitives::{Address, B256, Bytes};
use alloy::signers::SignerSync;
use alloy::signers::local::PrivateKeySigner;
use alloy::sol_types::{Eip712Domain, SolStruct};
use offsetdata_protocol::bindings::training::TrainingCoordinator as training;
use offsetdata_protocol::ids::RequestId;
use offsetdata_protocol::messages;

use crate::RelayerError;

/// The scheduler's key and what it signs for. `Debug` shows the address only.
#[derive(Clone)]
pub struct Scheduler {
    signer: PrivateKeySigner,
    domain: Eip712Domain,
}

impl std::fmt::Debug for Scheduler {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Scheduler").field("address", &self.address()).finish_non_exhaustive()
    }
}

impl Scheduler {
    /// A scheduler for one coordinator on one chain.
    pub fn new(signer: PrivateKeySigner, chain_id: u64, coordinator: Address) -> Self {
        Self { signer, domain: messages::training_domain(chain_id, coordinator) }
    }

    /// The address that methods name.
    pub fn address(&self) -> Address {
        self.signer.address()
    }

    /// The domain of what is signed for the coordinator.
    pub fn domain(&self) -> &Eip712Domain {
        &self.domain
    }

    /// Says that this worker makes this attempt.
    ///
    /// # Errors
    /// A key that can't sign; a time over 40 bits.
    pub fn assign(
        &self,
        request: RequestId,
        attempt: u8,
        worker: Address,
        resume_point: u32,
        valid_until: u64,
    ) -> Result<(training::Assignment, Bytes), RelayerError> {
        let valid_until = narrow(valid_until, "assignment.validUntil")?;
        let message = messages::Assignment {
            request: request.0,
            attempt,
            worker,
            resumePoint: resume_point,
            validUntil: valid_until,
        };
        let call =
            training::Assignment { attempt, worker, resumePoint: resume_point, validUntil: valid_until };
        Ok((call, self.sign(&message)?))
    }

    /// Says that nothing more will land after this sequence.
    ///
    /// # Errors
    /// A key that can't sign.
    pub fn close(
        &self,
        request: RequestId,
        sequence: u32,
        reason_digest: B256,
    ) -> Result<(training::Closure, Bytes), RelayerError> {
        let message = messages::Closure { request: request.0, sequence, reasonDigest: reason_digest };
        Ok((training::Closure { sequence, reasonDigest: reason_digest }, self.sign(&message)?))
    }

    fn sign(&self, message: &impl SolStruct) -> Result<Bytes, RelayerError> {
        let hash = message.eip712_signing_hash(&self.domain);
        Ok(Bytes::from(self.signer.sign_hash_sync(&hash)?.as_bytes()))
    }
}

/// A number in a field of the contract that has fewer bits.
///
/// # Errors
/// A number that does not fit.
pub fn narrow<T: TryFrom<u64>>(number: u64, what: &'static str) -> Result<T, RelayerError> {
    T::try_from(number).map_err(|_| RelayerError::Corrupt {
        what,
        reason: format!("{number} does not fit the contract's field"),
    })
}
