//! Sealed content opens whole, in its place, by its receiver, or not at all.

use super::*;

fn place() -> ContentPlace {
    ContentPlace { purpose: ContentPurpose::Artifact, request: B256::repeat_byte(0x11) }
}

fn entropy(byte: u8) -> ContentEntropy {
    ContentEntropy::from_bytes([byte; ContentEntropy::LEN])
}

fn developer() -> SealingSecret {
    SealingSecret::from_bytes([1; 32])
}

fn content(length: usize) -> Vec<u8> {
    (0..length).map(|at| (at % 251) as u8).collect()
}

fn sealed(length: usize) -> Vec<u8> {
    place().seal(&content(length), &developer().public_key().unwrap(), entropy(5)).unwrap()
}

#[test]
fn content_of_every_length_comes_back() {
    for length in [0, 1, SEGMENT_BYTES - 1, SEGMENT_BYTES, SEGMENT_BYTES + 1, 3 * SEGMENT_BYTES] {
        let sealed = sealed(length);
        let segments = length.div_ceil(SEGMENT_BYTES).max(1);
        assert_eq!(sealed.len(), CONTENT_HEADER_BYTES + length + 16 * segments);
        assert_eq!(place().open(&sealed, &developer()).unwrap(), content(length), "{length}");
    }
}

#[test]
fn parts_of_any_length_are_the_same_bytes() {
    let whole = content(2 * SEGMENT_BYTES + 77);
    let expected = sealed(whole.len());
    for step in [1_000, SEGMENT_BYTES, SEGMENT_BYTES + 16] {
        let mut out = Vec::new();
        let mut sealer = place().sealer(&developer().public_key().unwrap(), entropy(5), &mut out).unwrap();
        whole.chunks(step).for_each(|part| sealer.update(part, &mut out).unwrap());
        sealer.finish(&mut out).unwrap();
        assert_eq!(out, expected);

        let mut opener = place().opener(&expected, &developer()).unwrap();
        let mut clear = Vec::new();
        for part in expected[CONTENT_HEADER_BYTES..].chunks(step) {
            opener.update(part, &mut clear).unwrap();
        }
        opener.finish(&mut clear).unwrap();
        assert_eq!(clear, whole);
    }
}

#[test]
fn every_changed_byte_is_seen() {
    let whole = sealed(SEGMENT_BYTES + 40);
    let tail = whole.len() - 60..whole.len();
    for at in (0..CONTENT_HEADER_BYTES + 40).chain(tail) {
        let mut changed = whole.clone();
        changed[at] ^= 1;
        assert!(place().open(&changed, &developer()).is_err(), "byte {at}");
    }
}

#[test]
fn cut_swapped_and_lengthened_content_is_refused() {
    let whole = sealed(2 * SEGMENT_BYTES + 40);
    let segment = SEGMENT_BYTES + 16;
    let body = CONTENT_HEADER_BYTES;
    for end in [0, 7, 127, 128, body + 15, body + 16, body + segment, body + 2 * segment, whole.len() - 1] {
        assert!(place().open(&whole[..end], &developer()).is_err(), "{end} bytes");
    }
    let mut longer = whole.clone();
    longer.extend_from_slice(&[0; 16]);
    assert!(place().open(&longer, &developer()).is_err());
    let mut swapped = whole.clone();
    swapped[body..body + segment].copy_from_slice(&whole[body + segment..body + 2 * segment]);
    swapped[body + segment..body + 2 * segment].copy_from_slice(&whole[body..body + segment]);
    assert!(place().open(&swapped, &developer()).is_err());
    // The same key and place, but another content's segment.
    let mut other = sealed(2 * SEGMENT_BYTES + 41);
    other[..body].copy_from_slice(&whole[..body]);
    assert!(place().open(&other[..whole.len()], &developer()).is_err());
}

#[test]
fn it_holds_for_one_receiver_and_one_place() {
    let whole = sealed(40);
    let other = SealingSecret::from_bytes([2; 32]);
    assert!(matches!(place().open(&whole, &other), Err(ProtocolError::Cipher { .. })));
    let places = [
        ContentPlace { purpose: ContentPurpose::Checkpoint, ..place() },
        ContentPlace { request: B256::ZERO, ..place() },
    ];
    for elsewhere in places {
        assert!(matches!(elsewhere.open(&whole, &developer()), Err(ProtocolError::Invalid { .. })));
        // A header that lies about the place does not open there either.
        let mut lying = whole.clone();
        lying[8..41].copy_from_slice(&elsewhere.associated());
        assert!(matches!(elsewhere.open(&lying, &developer()), Err(ProtocolError::Cipher { .. })));
    }
    let small = place().seal(b"x", &SealingKey([0; 32]), entropy(1));
    assert!(small.is_err());
    assert_eq!(format!("{:?}", entropy(7)), "ContentEntropy(redacted)");
}
