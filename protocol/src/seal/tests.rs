//! Seals open only where they were meant to, and X25519 is that of RFC 7748.

use super::*;
use alloy::primitives::B256;

fn place() -> ChunkPlace {
    ChunkPlace {
        chain_id: 31337,
        collection: CollectionId(B256::repeat_byte(0x11)),
        ordinal: 7,
        account: Address::repeat_byte(0x22),
    }
}

#[test]
fn public_key_of_rfc_7748() {
    // RFC 7748, 6.1: Alice's keys.
    let secret = "77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a";
    let public = "8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a";
    let secret = SealingSecret::from_bytes(alloy::hex::decode_to_array(secret).unwrap());
    assert_eq!(secret.public_key().unwrap(), public.parse().unwrap());
}

#[test]
fn only_the_receiver_opens() {
    let (reader, secret) = (SealingSecret::from_bytes([1; 32]), ChunkSecret::from_bytes([9; 32]));
    let sealed = place().seal(&secret, &reader.public_key().unwrap(), [5; 32]).unwrap();
    assert_eq!(place().open(&sealed, &reader).unwrap(), secret);
    let other = SealingSecret::from_bytes([2; 32]);
    assert_eq!(place().open(&sealed, &other), Err(ProtocolError::Cipher { what: "chunk secret" }));
    for at in 0..SealedKey::LEN {
        let mut changed = sealed;
        changed.0[at] ^= 1;
        assert!(place().open(&changed, &reader).is_err(), "byte {at}");
    }
}

#[test]
fn a_seal_holds_for_one_place() {
    let (reader, secret) = (SealingSecret::from_bytes([1; 32]), ChunkSecret::from_bytes([9; 32]));
    let sealed = place().seal(&secret, &reader.public_key().unwrap(), [5; 32]).unwrap();
    let others = [
        ChunkPlace { chain_id: 1, ..place() },
        ChunkPlace { collection: CollectionId(B256::ZERO), ..place() },
        ChunkPlace { ordinal: 8, ..place() },
        ChunkPlace { account: Address::ZERO, ..place() },
    ];
    for other in others {
        assert!(other.open(&sealed, &reader).is_err(), "{other:?}");
    }
    let collection = CollectionPlace { chain_id: 31337, collection: place().collection };
    assert!(collection.open(&sealed, &reader).is_err());
}

#[test]
fn entropy_makes_the_seal() {
    let (reader, secret) =
        (SealingSecret::from_bytes([1; 32]).public_key().unwrap(), ChunkSecret::from_bytes([9; 32]));
    let seal = |entropy| place().seal(&secret, &reader, entropy).unwrap();
    assert_eq!(seal([5; 32]), seal([5; 32]));
    assert_ne!(seal([5; 32]), seal([6; 32]));
}

#[test]
fn a_key_of_small_order_is_refused() {
    let secret = ChunkSecret::from_bytes([9; 32]);
    assert!(place().seal(&secret, &SealingKey([0; 32]), [5; 32]).is_err());
    let mut hostile = SealedKey([0; 80]);
    hostile.0[32..].fill(7);
    assert!(place().open(&hostile, &SealingSecret::from_bytes([1; 32])).is_err());
}

#[test]
fn a_secret_key_is_not_printed() {
    assert_eq!(format!("{:?}", SealingSecret::from_bytes([0xab; 32])), "SealingSecret(redacted)");
}
