//! Keys of a collection: one secret, and by HKDF-SHA256 (RFC 5869) a secret for each chunk and what it needs.
//! It seals no key to anybody and draws no randomness: a collection key comes from outside.

use aws_lc_rs::cipher::{AES_256, EncryptingKey, EncryptionContext, UnboundCipherKey};
use aws_lc_rs::hkdf::{HKDF_SHA256, KeyType, Prk, Salt as HkdfSalt};
use aws_lc_rs::iv::FixedLength;

use crate::digest::{Digest, Domain, byte_string, sha256};
use crate::leaf::Salt;
use crate::{ChunkHeader, ProtocolError};

/// The salt of every HKDF extraction here.
const EXTRACT: &[u8] = b"offsetdata/chunk/1";

byte_string!(
    /// What makes a chunk's secret its own: keyed BLAKE3 over its header and its encoded bytes.
    Seed, 32
);

macro_rules! secret {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq)]
        pub struct $name([u8; 32]);

        impl $name {
            /// Takes the 32 bytes.
            pub const fn from_bytes(bytes: [u8; 32]) -> Self { Self(bytes) }
            /// The 32 bytes, for storing or sealing them.
            pub const fn reveal(&self) -> &[u8; 32] { &self.0 }
        }
        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(concat!(stringify!($name), "(redacted)"))
            }
        }
        impl Drop for $name {
            fn drop(&mut self) { zeroize::Zeroize::zeroize(&mut self.0) }
        }
    };
}

pub(crate) use secret;

secret!(
    /// The secret of a whole collection. Of a public one it stands in the manifest.
    CollectionKey
);
secret!(
    /// The secret of one chunk: what a reader is given.
    ChunkSecret
);

impl CollectionKey {
    /// The chunk's seed: `BLAKE3(key = HKDF(collection key, "seed"), header ‖ encoded bytes)`.
    ///
    /// # Errors
    /// None that an input could cause; a failing cipher library.
    pub fn seed(&self, header: &ChunkHeader, encoded: &[u8]) -> Result<Seed, ProtocolError> {
        let mut key = expand(&extract(&self.0), &[b"seed"])?;
        let mut hasher = blake3::Hasher::new_keyed(&key);
        zeroize::Zeroize::zeroize(&mut key);
        hasher.update(&header.encode());
        hasher.update(encoded);
        Ok(Seed(*hasher.finalize().as_bytes()))
    }

    /// The secret of the chunk with this seed: `HKDF(collection key, "secret" ‖ seed)`.
    ///
    /// # Errors
    /// As [`CollectionKey::seed`].
    pub fn chunk_secret(&self, seed: &Seed) -> Result<ChunkSecret, ProtocolError> {
        expand(&extract(&self.0), &[b"secret", &seed.0]).map(ChunkSecret)
    }
}

impl ChunkSecret {
    /// `SHA-256(tag ‖ secret)`; stands in the manifest, so that a wrong secret is evidence.
    pub fn digest(&self) -> Digest {
        sha256(&[Domain::Key.tag(), &self.0])
    }

    /// Whether this is the secret with that digest.
    ///
    /// # Errors
    /// [`ProtocolError::DigestMismatch`].
    pub fn verify(&self, digest: &Digest) -> Result<(), ProtocolError> {
        crate::error::same_digest("chunk secret", *digest, self.digest())
    }

    /// The key of AES-256-GCM: `HKDF(secret, "aes-256-gcm")`.
    pub(crate) fn aes_key(&self) -> Result<[u8; 32], ProtocolError> {
        expand(&extract(&self.0), &[b"aes-256-gcm"])
    }

    /// Salts of the records `first .. first + count` of the collection: salt i is AES-256 of i as a 128-bit
    /// big-endian number, under the key `HKDF(secret, "salt")`.
    ///
    /// # Errors
    /// As [`CollectionKey::seed`].
    pub fn salts(&self, first: u32, count: u32) -> Result<Vec<Salt>, ProtocolError> {
        let refused = |_| ProtocolError::Cipher { what: "salts" };
        let mut key = expand(&extract(&self.0), &[b"salt"])?;
        let unbound = UnboundCipherKey::new(&AES_256, &key);
        zeroize::Zeroize::zeroize(&mut key);
        // Counter mode over zeros, begun at `first`, is AES of first, first + 1, and so on.
        let cipher = unbound.and_then(EncryptingKey::ctr).map_err(refused)?;
        let mut stream = vec![0u8; count as usize * Salt::LEN];
        if count > 0 {
            let start = FixedLength::from(u128::from(first).to_be_bytes());
            cipher.less_safe_encrypt(&mut stream, EncryptionContext::Iv128(start)).map_err(refused)?;
        }
        Ok(stream.chunks_exact(Salt::LEN).map(|salt| Salt(std::array::from_fn(|i| salt[i]))).collect())
    }
}

fn extract(secret: &[u8; 32]) -> Prk {
    HkdfSalt::new(HKDF_SHA256, EXTRACT).extract(secret)
}

struct Bytes32;
impl KeyType for Bytes32 {
    fn len(&self) -> usize {
        32
    }
}

fn expand(prk: &Prk, info: &[&[u8]]) -> Result<[u8; 32], ProtocolError> {
    let mut out = [0u8; 32];
    prk.expand(info, Bytes32)
        .and_then(|okm| okm.fill(&mut out))
        .map_err(|_| ProtocolError::Cipher { what: "HKDF" })?;
    Ok(out)
}

#[cfg(test)]
mod tests;
