//! Records against the library's DAG-CBOR, and against bytes that nobody should accept.

use super::*;
use ipld_core::ipld::Ipld;
use proptest::prelude::*;
use std::collections::BTreeMap;

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        ".{0,40}".prop_map(Value::Text),
        prop::collection::vec(any::<u8>(), 0..300).prop_map(Value::Bytes),
        (i128::from(i64::MIN)..=i128::from(u64::MAX)).prop_map(Value::Integer),
        (-300i128..300).prop_map(Value::Integer),
        any::<f64>().prop_filter("finite", |n| n.is_finite()).prop_map(|n| Value::Float(n + 0.0)),
    ];
    leaf.prop_recursive(4, 32, 8, |inner| prop::collection::vec(inner, 0..8).prop_map(Value::List))
}

fn fields() -> impl Strategy<Value = BTreeMap<String, Value>> {
    prop::collection::btree_map("[a-zé]{1,12}", value(), 0..12)
}

fn to_ipld(value: &Value) -> Ipld {
    match value {
        Value::Text(v) => Ipld::String(v.clone()),
        Value::Bytes(v) => Ipld::Bytes(v.clone()),
        Value::Integer(v) => Ipld::Integer(*v),
        Value::Float(v) => Ipld::Float(*v),
        Value::List(v) => Ipld::List(v.iter().map(to_ipld).collect()),
    }
}

/// Whether the library reads the bytes as a map of our kinds of values and writes the same bytes again.
fn oracle(bytes: &[u8]) -> bool {
    fn allowed(ipld: &Ipld, depth: usize) -> bool {
        match ipld {
            Ipld::Integer(n) => *n >= i128::from(i64::MIN) && *n <= i128::from(u64::MAX),
            Ipld::Float(n) => n.is_finite(),
            Ipld::String(_) | Ipld::Bytes(_) => true,
            Ipld::List(items) => depth < MAX_DEPTH && items.iter().all(|item| allowed(item, depth + 1)),
            _ => false,
        }
    }
    let Ok(Ipld::Map(map)) = serde_ipld_dagcbor::from_slice::<Ipld>(bytes) else { return false };
    map.iter().all(|(name, value)| (1..=MAX_FIELD_NAME_BYTES).contains(&name.len()) && allowed(value, 0))
        && serde_ipld_dagcbor::to_vec(&Ipld::Map(map)).unwrap() == bytes
}

proptest! {
    #[test]
    fn equals_the_library_and_round_trips(fields in fields()) {
        let record = Record::from_fields(fields.clone()).unwrap();
        let ipld = Ipld::Map(fields.iter().map(|(name, value)| (name.clone(), to_ipld(value))).collect());
        prop_assert_eq!(record.as_bytes(), serde_ipld_dagcbor::to_vec(&ipld).unwrap());
        let read: BTreeMap<String, Value> =
            record.fields().map(|(name, value)| (name.to_owned(), value.to_value())).collect();
        prop_assert_eq!(read, fields);
        prop_assert_eq!(Record::decode(record.as_bytes().to_vec()).unwrap(), record);
    }

    #[test]
    fn any_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        prop_assert_eq!(RecordRef::decode(&bytes).is_ok(), oracle(&bytes));
    }

    #[test]
    fn a_changed_record_is_canonical_or_refused(fields in fields(), at in any::<prop::sample::Index>(), to in any::<u8>()) {
        let mut bytes = Record::from_fields(fields).unwrap().into_bytes();
        let at = at.index(bytes.len());
        bytes[at] = to;
        prop_assert_eq!(RecordRef::decode(&bytes).is_ok(), oracle(&bytes));
    }

    #[test]
    fn a_cut_or_longer_record_is_refused(fields in fields(), at in any::<prop::sample::Index>()) {
        let bytes = Record::from_fields(fields).unwrap().into_bytes();
        prop_assert!(RecordRef::decode(&bytes[..at.index(bytes.len())]).is_err());
        prop_assert!(RecordRef::decode(&[&bytes[..], &[0]].concat()).is_err());
    }
}

#[test]
fn every_forbidden_form_is_refused() {
    let refused = [
        ("", "nothing"),
        ("80", "a list"),
        ("bfff", "an indefinite map"),
        ("a0a0", "two maps"),
        ("b800", "a map head that is too long"),
        ("a16000", "an empty name"),
        ("a1410000", "a name of bytes"),
        ("a261610061610", "half a byte"),
        ("a2616100616101", "a name twice"),
        ("a2616200616100", "names out of order"),
        ("a262616100616100", "a longer name first"),
        ("a161611817", "an integer that is too long"),
        ("a16161190017", "an integer that is too long"),
        ("a161611a00000017", "an integer that is too long"),
        ("a161611b0000000000000017", "an integer that is too long"),
        ("a161613b8000000000000000", "an integer below -2^63"),
        ("a16161f6", "null"),
        ("a16161f5", "true"),
        ("a16161f7", "undefined"),
        ("a16161f93c00", "a half float"),
        ("a16161fa3f800000", "a single float"),
        ("a16161fb7ff8000000000000", "not a number"),
        ("a16161fbfff0000000000000", "an infinity"),
        ("a16161fb8000000000000000", "negative zero"),
        ("a16161c000", "a tag"),
        ("a16161d82a4100", "a link"),
        ("a16161a0", "a map inside"),
        ("a161615f4100ff", "indefinite bytes"),
        ("a161619f00ff", "an indefinite list"),
        ("a1616161ff", "text that is not UTF-8"),
        ("a161615bffffffffffffffff", "bytes longer than memory"),
        ("a161619bffffffffffffffff", "a list longer than memory"),
        ("bb00ffffffffffffff", "more fields than allowed"),
    ];
    for (hex, what) in refused {
        let Ok(bytes) = hex::decode(hex) else { continue };
        assert!(RecordRef::decode(&bytes).is_err(), "{what}: {hex}");
    }
    assert!(RecordRef::decode(&hex::decode("a161613b7fffffffffffffff").unwrap()).is_ok(), "-2^63");
    assert!(RecordRef::decode(&[0xa0]).is_ok(), "no field");
}

#[test]
fn limits_are_exact() {
    let nested = |depth| (0..depth).fold(Value::Integer(0), |inner, _| Value::List(vec![inner]));
    assert!(Record::from_fields([("a", nested(MAX_DEPTH))]).is_ok());
    assert!(Record::from_fields([("a", nested(MAX_DEPTH + 1))]).is_err());
    let deep = [&[0xa1, 0x61, 0x61][..], &[0x81; MAX_DEPTH + 1], &[0x00]].concat();
    assert!(RecordRef::decode(&deep).is_err());
    assert!(RecordRef::decode(&[&[0xa1, 0x61, 0x61][..], &[0x81; 100_000], &[0x00]].concat()).is_err());

    assert!(Record::from_fields([("a".repeat(MAX_FIELD_NAME_BYTES), Value::from(1))]).is_ok());
    assert!(Record::from_fields([("a".repeat(MAX_FIELD_NAME_BYTES + 1), Value::from(1))]).is_err());
    let many = |n: usize| Record::from_fields((0..n).map(|i| (format!("f{i}"), Value::from(1))));
    assert!(Record::decode(many(MAX_FIELDS).unwrap().into_bytes()).is_ok());
    assert!(many(MAX_FIELDS + 1).is_err());

    // a1 61 61 5a and four bytes of length stand before the content.
    let full = Record::from_fields([("a", Value::Bytes(vec![7; MAX_RECORD_BYTES - 8]))]).unwrap();
    assert_eq!(full.as_bytes().len(), MAX_RECORD_BYTES);
    assert!(RecordRef::decode(full.as_bytes()).is_ok());
    assert!(matches!(
        Record::from_fields([("a", Value::Bytes(vec![7; MAX_RECORD_BYTES - 7]))]),
        Err(ProtocolError::OutOfRange { what: "record length", .. })
    ));
    assert_eq!(
        Record::from_fields([("a", Value::Float(-0.0))]),
        Record::from_fields([("a", Value::Float(0.0))])
    );
    assert!(Record::from_fields([("a", Value::Float(f64::NAN))]).is_err());
    assert!(Record::from_fields([("a", Value::Integer(i128::from(u64::MAX) + 1))]).is_err());
    assert!(Record::from_fields([("a", Value::Integer(i128::from(i64::MIN) - 1))]).is_err());
    assert!(Record::from_fields([("a", Value::from(1)), ("a", Value::from(2))]).is_err());
}
