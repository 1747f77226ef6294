//! Keys sealed to one receiver: HPKE (RFC 9180) in base mode with DHKEM(X25519, HKDF-SHA256), HKDF-SHA256 and
//! AES-256-GCM. It draws no randomness and keeps no key: entropy and keys come from outside.
//!
//! ```
//! use alloy::primitives::B256;
//! use offsetdata_protocol::{CollectionKey, ids::CollectionId, seal};
//!
//! # fn main() -> Result<(), offsetdata_protocol::ProtocolError> {
//! // 32 bytes each from the system's generator, never used twice.
//! let (gateway, entropy) = (seal::SealingSecret::from_bytes([1; 32]), [2; 32]);
//! let place = seal::CollectionPlace { chain_id: 31337, collection: CollectionId(B256::repeat_byte(3)) };
//! let sealed = place.seal(&CollectionKey::from_bytes([4; 32]), &gateway.public_key()?, entropy)?;
//! assert_eq!(place.open(&sealed, &gateway)?, CollectionKey::from_bytes([4; 32]));
//! # Ok(())
//! # }
//! ```

mod content;

use std::convert::Infallible;

use alloy::primitives::Address;
use hpke::aead::AesGcm256;
use hpke::kdf::HkdfSha256;
use hpke::kem::{Kem, X25519HkdfSha256};
use hpke::rand_core::{TryCryptoRng, TryRng};
use hpke::{Deserializable, HpkeError, OpModeR, OpModeS, Serializable};
use zeroize::Zeroize;

use crate::digest::byte_string;
use crate::ids::CollectionId;
use crate::keys::secret;
use crate::{ChunkSecret, CollectionKey, ProtocolError};

pub use content::{
    CONTENT_HEADER_BYTES, ContentEntropy, ContentOpener, ContentPlace, ContentPurpose, ContentSealer,
    SEGMENT_BYTES,
};

/// The `info` of a collection key.
const COLLECTION_KEY: &[u8] = b"offsetdata/collection-key/1";
/// The `info` of a chunk secret.
const CHUNK_SECRET: &[u8] = b"offsetdata/chunk-secret/1";

byte_string!(
    /// An X25519 public key (RFC 7748): what keys are sealed to.
    SealingKey, 32
);
byte_string!(
    /// A sealed key: `enc(32) ‖ ciphertext(48)`. As `CollectionKeySealed.sealedKey` it stands on chain.
    SealedKey, 80
);
secret!(
    /// An X25519 secret key (RFC 7748): opens what was sealed to its public key.
    SealingSecret
);

impl SealingSecret {
    /// The key that others seal to.
    ///
    /// # Errors
    /// None that an input could cause.
    pub fn public_key(&self) -> Result<SealingKey, ProtocolError> {
        let public = X25519HkdfSha256::sk_to_pk(&self.hpke()?);
        let mut bytes = [0; SealingKey::LEN];
        bytes.copy_from_slice(&public.to_bytes());
        Ok(SealingKey(bytes))
    }

    fn hpke(&self) -> Result<<X25519HkdfSha256 as Kem>::PrivateKey, ProtocolError> {
        Deserializable::from_bytes(self.reveal()).map_err(|e| refused("X25519 secret key", e))
    }
}

/// Which collection's key is sealed. Bound as associated data: `chain id(8) ‖ collection(32)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct CollectionPlace {
    /// EIP-155 chain id of the registry.
    pub chain_id: u64,
    /// The collection.
    pub collection: CollectionId,
}

impl CollectionPlace {
    /// Seals the collection's key to a gateway. `entropy` is 32 fresh random bytes, used for nothing else.
    ///
    /// # Errors
    /// [`ProtocolError::Cipher`] for a gateway key of small order.
    pub fn seal(
        &self,
        key: &CollectionKey,
        gateway: &SealingKey,
        entropy: [u8; 32],
    ) -> Result<SealedKey, ProtocolError> {
        seal("collection key", COLLECTION_KEY, &self.associated(), key.reveal(), gateway, entropy)
    }

    /// Opens what [`CollectionPlace::seal`] made. Whether it is the collection's key is shown by the key digests of
    /// its pages alone: whoever sealed it may have sealed anything.
    ///
    /// # Errors
    /// [`ProtocolError::Cipher`] when it was sealed to another key or for another place, or was changed.
    pub fn open(&self, sealed: &SealedKey, gateway: &SealingSecret) -> Result<CollectionKey, ProtocolError> {
        open("collection key", COLLECTION_KEY, &self.associated(), sealed, gateway)
            .map(CollectionKey::from_bytes)
    }

    fn associated(&self) -> [u8; 40] {
        let mut out = [0; 40];
        out[..8].copy_from_slice(&self.chain_id.to_be_bytes());
        out[8..].copy_from_slice(self.collection.0.as_slice());
        out
    }
}

/// Which chunk's secret is sealed, and for whom. Bound as associated data:
/// `chain id(8) ‖ collection(32) ‖ ordinal(4) ‖ account(20)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ChunkPlace {
    /// EIP-155 chain id of the registry.
    pub chain_id: u64,
    /// The collection.
    pub collection: CollectionId,
    /// The chunk's ordinal, from 0.
    pub ordinal: u32,
    /// The account that the secret is given to.
    pub account: Address,
}

impl ChunkPlace {
    /// Seals the chunk's secret to a reader. `entropy` is 32 fresh random bytes, used for nothing else.
    ///
    /// # Errors
    /// [`ProtocolError::Cipher`] for a reader key of small order.
    pub fn seal(
        &self,
        secret: &ChunkSecret,
        reader: &SealingKey,
        entropy: [u8; 32],
    ) -> Result<SealedKey, ProtocolError> {
        seal("chunk secret", CHUNK_SECRET, &self.associated(), secret.reveal(), reader, entropy)
    }

    /// Opens what [`ChunkPlace::seal`] made. Hold it against the key digest of the page with [`ChunkSecret::verify`].
    ///
    /// # Errors
    /// [`ProtocolError::Cipher`] when it was sealed to another key or for another place, or was changed.
    pub fn open(&self, sealed: &SealedKey, reader: &SealingSecret) -> Result<ChunkSecret, ProtocolError> {
        open("chunk secret", CHUNK_SECRET, &self.associated(), sealed, reader).map(ChunkSecret::from_bytes)
    }

    fn associated(&self) -> [u8; 64] {
        let mut out = [0; 64];
        out[..8].copy_from_slice(&self.chain_id.to_be_bytes());
        out[8..40].copy_from_slice(self.collection.0.as_slice());
        out[40..44].copy_from_slice(&self.ordinal.to_be_bytes());
        out[44..].copy_from_slice(self.account.as_slice());
        out
    }
}

fn seal(
    what: &'static str,
    info: &[u8],
    associated: &[u8],
    plaintext: &[u8; 32],
    receiver: &SealingKey,
    entropy: [u8; 32],
) -> Result<SealedKey, ProtocolError> {
    let receiver = Deserializable::from_bytes(&receiver.0).map_err(|e| refused(what, e))?;
    let mut entropy = Entropy { bytes: entropy, used: 0 };
    let (encapped, ciphertext) = hpke::single_shot_seal_with_rng::<AesGcm256, HkdfSha256, X25519HkdfSha256>(
        &OpModeS::Base,
        &receiver,
        info,
        plaintext,
        associated,
        &mut entropy,
    )
    .map_err(|e| refused(what, e))?;
    // More bytes would have been zeros.
    crate::error::equal("entropy of a seal", 32, entropy.used as u64)?;
    crate::error::equal("sealed key", 48, ciphertext.len() as u64)?;
    let mut sealed = [0; SealedKey::LEN];
    sealed[..32].copy_from_slice(&encapped.to_bytes());
    sealed[32..].copy_from_slice(&ciphertext);
    Ok(SealedKey(sealed))
}

fn open(
    what: &'static str,
    info: &[u8],
    associated: &[u8],
    sealed: &SealedKey,
    receiver: &SealingSecret,
) -> Result<[u8; 32], ProtocolError> {
    let (encapped, ciphertext) = sealed.0.split_at(32);
    let encapped = Deserializable::from_bytes(encapped).map_err(|e| refused(what, e))?;
    let mut plaintext = hpke::single_shot_open::<AesGcm256, HkdfSha256, X25519HkdfSha256>(
        &OpModeR::Base,
        &receiver.hpke()?,
        &encapped,
        info,
        ciphertext,
        associated,
    )
    .map_err(|e| refused(what, e))?;
    let opened = <[u8; 32]>::try_from(plaintext.as_slice()).map_err(|_| ProtocolError::Cipher { what });
    plaintext.zeroize();
    opened
}

fn refused(what: &'static str, _: HpkeError) -> ProtocolError {
    ProtocolError::Cipher { what }
}

/// The caller's 32 bytes as what HPKE draws the ephemeral key from: `DeriveKeyPair` of exactly these.
struct Entropy {
    bytes: [u8; 32],
    used: usize,
}

impl TryRng for Entropy {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        let mut word = [0; 4];
        self.try_fill_bytes(&mut word)?;
        Ok(u32::from_be_bytes(word))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        let mut word = [0; 8];
        self.try_fill_bytes(&mut word)?;
        Ok(u64::from_be_bytes(word))
    }

    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), Infallible> {
        for byte in out {
            *byte = self.bytes.get(self.used).copied().unwrap_or(0);
            self.used += 1;
        }
        Ok(())
    }
}

impl TryCryptoRng for Entropy {}

impl Drop for Entropy {
    fn drop(&mut self) {
        self.bytes.zeroize();
    }
}

#[cfg(test)]
mod tests;
