//! The one error type of the crate: what was wrong, with what was expected and what was found.
//! It says nothing about retrying: these are pure functions, the same input fails again.

use crate::Digest;

/// Why bytes were refused or could not be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProtocolError {
    /// The bytes are not the canonical form.
    #[error("{what}: {reason} at byte {offset}")]
    Malformed {
        /// What was being read.
        what: &'static str,
        /// Which rule was broken.
        reason: &'static str,
        /// Where, counted from the start of the input.
        offset: usize,
    },
    /// The bytes decode, but the value breaks a rule, or the decoder of DAG-CBOR refused them.
    #[error("{what}: {reason}")]
    Invalid {
        /// What was being read or made.
        what: &'static str,
        /// Which rule was broken.
        reason: String,
    },
    /// A number or a length is outside its limits.
    #[error("{what}: {actual} is not within {min}..={max}")]
    OutOfRange {
        /// Which number.
        what: &'static str,
        /// Least allowed value.
        min: u64,
        /// Greatest allowed value.
        max: u64,
        /// The value found.
        actual: u64,
    },
    /// Two numbers that must be equal are not.
    #[error("{what}: expected {expected}, found {actual}")]
    Unequal {
        /// Which number.
        what: &'static str,
        /// What it must be.
        expected: u64,
        /// What it is.
        actual: u64,
    },
    /// A digest or root is not the one that was promised.
    #[error("{what}: expected {expected}, found {actual}")]
    DigestMismatch {
        /// Digest of what.
        what: &'static str,
        /// The promised digest.
        expected: Digest,
        /// The digest of what was found.
        actual: Digest,
    },
    /// A Merkle proof does not lead to the root.
    #[error("{what} proof does not lead to the root")]
    ProofInvalid {
        /// `inclusion` or `consistency`.
        what: &'static str,
    },
    /// A cipher refused: wrong key, wrong header or changed bytes.
    #[error("{what}: refused by the cipher (wrong key, wrong header or changed bytes)")]
    Cipher {
        /// Which step.
        what: &'static str,
    },
}

pub(crate) fn in_range(what: &'static str, actual: u64, min: u64, max: u64) -> Result<(), ProtocolError> {
    if (min..=max).contains(&actual) {
        Ok(())
    } else {
        Err(ProtocolError::OutOfRange { what, min, max, actual })
    }
}

pub(crate) fn equal(what: &'static str, expected: u64, actual: u64) -> Result<(), ProtocolError> {
    if expected == actual { Ok(()) } else { Err(ProtocolError::Unequal { what, expected, actual }) }
}

pub(crate) fn same_digest(what: &'static str, expected: Digest, actual: Digest) -> Result<(), ProtocolError> {
    if expected == actual { Ok(()) } else { Err(ProtocolError::DigestMismatch { what, expected, actual }) }
}
