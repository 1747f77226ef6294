//! Whether an account signed a digest: by its key (65 bytes, s in the lower half, as the contracts want it) or, for an
//! account with code, by ERC-1271. It knows no message.

use alloy::primitives::{Address, B256, Bytes, Signature};
use offsetdata_protocol::gateway_api::code;

use crate::Refused;
use crate::chain::Chain;

/// Longest signature that a contract is asked about, in bytes.
const MAX_SIGNATURE: usize = 4096;

/// `expected` signed `digest`. `what` names the message in the refusal.
///
/// # Errors
/// `foreignSignature`; a node that does not answer.
pub async fn require(
    chain: &Chain,
    what: &str,
    expected: Address,
    digest: B256,
    signature: &Bytes,
) -> Result<(), Refused> {
    let found = recover(digest, signature);
    if found == Ok(expected) {
        return Ok(());
    }
    if signature.len() <= MAX_SIGNATURE && chain.is_signed_by_contract(expected, digest, signature).await? {
        return Ok(());
    }
    let reason = match found {
        Ok(other) => format!("it is of {other} (of another key, or what was signed was altered)"),
        Err(reason) => reason,
    };
    Err(Refused::new(
        code::FOREIGN_SIGNATURE,
        format!("{what}: expected a signature of {expected}, {reason}"),
    ))
}

/// Who signed, as the contracts' `ECDSA.recover` has it.
///
/// # Errors
/// In words: another length, another v, an s in the upper half, no point.
pub fn recover(digest: B256, signature: &[u8]) -> Result<Address, String> {
    let bytes: &[u8; 65] =
        signature.try_into().map_err(|_| format!("it has {} bytes and not 65", signature.len()))?;
    if !matches!(bytes[64], 27 | 28) {
        return Err(format!("its v is {} and neither 27 nor 28", bytes[64]));
    }
    let parsed = Signature::from_raw_array(bytes).map_err(|error| error.to_string())?;
    if parsed.normalize_s().is_some() {
        return Err("its s is in the upper half of the order".to_owned());
    }
    parsed.recover_address_from_prehash(&digest).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy::signers::SignerSync;
    use alloy::signers::local::PrivateKeySigner;

    #[test]
    fn only_one_form_of_a_signature_counts() {
        let key = PrivateKeySigner::random();
        let digest = B256::repeat_byte(7);
        let signature = key.sign_hash_sync(&digest).unwrap();
        let bytes = signature.as_bytes();
        assert_eq!(recover(digest, &bytes), Ok(key.address()));
        assert_ne!(recover(B256::repeat_byte(8), &bytes), Ok(key.address()));
        assert!(recover(digest, &bytes[..64]).is_err());
        assert!(recover(digest, &[0; 65]).is_err());
        let mut other_v = bytes;
        other_v[64] -= 27;
        assert!(recover(digest, &other_v).is_err());
        let order = alloy::primitives::U256::from_str_radix(
            "fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141",
            16,
        );
        let high = Signature::new(signature.r(), order.unwrap() - signature.s(), !signature.v()).as_bytes();
        assert!(recover(digest, &high).unwrap_err().contains("upper half"));
    }
}
