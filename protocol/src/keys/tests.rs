//! Keys against plain HKDF and AES, and what must never be printed.

use super::*;
use aws_lc_rs::{cipher::PaddedBlockEncryptingKey, hmac};

/// HKDF-SHA256 of RFC 5869, one block, out of HMAC.
fn hkdf(secret: &[u8], info: &[u8]) -> [u8; 32] {
    let prk = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, EXTRACT), secret);
    let okm = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, prk.as_ref()), &[info, &[1]].concat());
    okm.as_ref().try_into().unwrap()
}

#[test]
fn secrets_are_plain_hkdf() {
    let key = CollectionKey::from_bytes([7; 32]);
    let seed = Seed([9; 32]);
    let secret = key.chunk_secret(&seed).unwrap();
    assert_eq!(*secret.reveal(), hkdf(&[7; 32], &[b"secret", &seed.0[..]].concat()));
    assert_eq!(secret.aes_key().unwrap(), hkdf(secret.reveal(), b"aes-256-gcm"));
    let header = ChunkHeader {
        series: crate::SeriesId([1; 16]),
        ordinal: 0,
        first: 0,
        count: 1,
        codec: crate::Codec::Identity,
    };
    let expected = blake3::keyed_hash(&hkdf(&[7; 32], b"seed"), &[&header.encode()[..], b"body"].concat());
    assert_eq!(key.seed(&header, b"body").unwrap().0, *expected.as_bytes());
}

#[test]
fn a_salt_is_one_block_of_aes() {
    let secret = ChunkSecret::from_bytes([3; 32]);
    let salts = secret.salts(999_990, 10).unwrap();
    for (i, salt) in salts.iter().enumerate() {
        let key = UnboundCipherKey::new(&AES_256, &hkdf(&[3; 32], b"salt")).unwrap();
        let mut block = (999_990 + i as u128).to_be_bytes().to_vec();
        // Padding adds a second block, which is not looked at.
        PaddedBlockEncryptingKey::ecb_pkcs7(key).unwrap().encrypt(&mut block).unwrap();
        assert_eq!(salt.0, block[..16]);
    }
    assert!(secret.salts(0, 0).unwrap().is_empty());
    assert_eq!(secret.salts(999_995, 1).unwrap()[0], salts[5]);
}

#[test]
fn a_secret_is_not_printed() {
    let secret = ChunkSecret::from_bytes([0xab; 32]);
    assert_eq!(format!("{secret:?}"), "ChunkSecret(redacted)");
    assert_eq!(format!("{:?}", CollectionKey::from_bytes([0xab; 32])), "CollectionKey(redacted)");
    let wrong = ChunkSecret::from_bytes([0xac; 32]).verify(&secret.digest()).unwrap_err();
    assert!(!format!("{wrong:?} {wrong}").contains("acacac"));
}
