//! Whether the worker signed (EIP-712; 65 bytes, s in the lower half of the order, as the contract wants it).

use alloy::primitives::{Address, Signature};
use alloy::sol_types::{Eip712Domain, SolStruct};

use super::{Cause, CommitmentCase, FinishCase, Refusal};

pub(super) fn of_commitment(case: &CommitmentCase<'_>) -> Result<(), Refusal> {
    is_by(case.worker, case.message, case.domain, &case.upload.signature)
}

pub(super) fn of_finish(case: &FinishCase<'_>) -> Result<(), Refusal> {
    is_by(case.worker, case.message, case.domain, &case.finish.signature)
}

/// `expected` signed this message for this domain.
///
/// # Errors
/// `badSignature`.
pub fn is_by(
    expected: Address,
    message: &impl SolStruct,
    domain: &Eip712Domain,
    signature: &[u8],
) -> Result<(), Refusal> {
    let bad = |detail: String| Refusal::rejected(Cause::Untrue, "badSignature", detail);
    let bytes: &[u8; 65] =
        signature.try_into().map_err(|_| bad(format!("expected 65 bytes, got {}", signature.len())))?;
    // The contract takes 27 and 28 only.
    if !matches!(bytes[64], 27 | 28) {
        return Err(bad(format!("expected 27 or 28 as v, got {}", bytes[64])));
    }
    let parsed = Signature::from_raw_array(bytes).map_err(|error| bad(error.to_string()))?;
    if parsed.normalize_s().is_some() {
        return Err(bad("s is in the upper half of the order".to_owned()));
    }
    let signer = parsed
        .recover_address_from_prehash(&message.eip712_signing_hash(domain))
        .map_err(|error| bad(error.to_string()))?;
    if signer == expected {
        Ok(())
    } else {
        Err(bad(format!("expected a signature of {expected}, it is of {signer}")))
    }
}
