//! Fields and records of JSON Lines and CSV, and what is refused.

use offsetdata_protocol::manifest::{FieldKind, check_record};
use offsetdata_protocol::record::ValueRef;

use super::*;

/// A file in a folder that goes away.
fn written(name: &str, text: &str) -> (tempfile::TempDir, std::path::PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    std::fs::write(&path, text).unwrap();
    (folder, path)
}

fn kinds(source: &Source) -> Vec<(String, FieldKind, bool)> {
    source.fields().into_iter().map(|field| (field.name, field.kind, field.optional)).collect()
}

fn all(source: &Source, skip: u64) -> Vec<Record> {
    let records: Vec<Record> = source.records(skip).unwrap().map(|record| record.unwrap()).collect();
    let fields = source.fields();
    records.iter().for_each(|record| check_record(&fields, record.view()).unwrap());
    records
}

#[test]
fn json_lines_become_records() {
    let text = "{\"a\":1,\"b\":\"x\",\"list\":[1,2.5]}\n\n{\"a\":2.5,\"ok\":true,\"b\":null}\n{\"a\":3,\"b\":\"größer\"}";
    let (_folder, path) = written("rows.jsonl", text);
    let source = Source::open(&path).unwrap();
    assert_eq!(source.count(), 3);
    let expected = [
        ("a", FieldKind::Float, false),
        ("b", FieldKind::Text, true),
        ("list", FieldKind::List, true),
        ("ok", FieldKind::Integer, true),
    ];
    assert_eq!(kinds(&source), expected.map(|(name, kind, optional)| (name.to_owned(), kind, optional)));
    let records = all(&source, 0);
    assert_eq!(records[0].field("a"), Some(ValueRef::Float(1.0)));
    assert_eq!(records[1].field("ok"), Some(ValueRef::Integer(1)));
    assert_eq!(all(&source, 2), records[2..]);
}

#[test]
fn csv_cells_get_the_narrowest_kind_of_their_column() {
    let text = "id,score,name,note,code\n1,0.5,ada,,007\n2,3,\"b, c\",7,8\n-3,1e3,9,x,99999999999999999999\n";
    let (_folder, path) = written("rows.csv", text);
    let source = Source::open(&path).unwrap();
    let expected = [
        ("code", FieldKind::Text, false),
        ("id", FieldKind::Integer, false),
        ("name", FieldKind::Text, false),
        ("note", FieldKind::Text, true),
        ("score", FieldKind::Float, false),
    ];
    assert_eq!(kinds(&source), expected.map(|(name, kind, optional)| (name.to_owned(), kind, optional)));
    let records = all(&source, 0);
    assert_eq!(records[1].field("name"), Some(ValueRef::Text("b, c")));
    assert_eq!(records[2].field("id"), Some(ValueRef::Integer(-3)));
    // A number that would not come back digit by digit stays text.
    assert_eq!(records[0].field("code"), Some(ValueRef::Text("007")));
    assert_eq!(records[2].field("score"), Some(ValueRef::Float(1000.0)));
    assert_eq!(all(&source, 1), records[1..]);
}

#[test]
fn what_is_no_record_is_refused_with_its_line() {
    let message = |name: &str, text: &str| {
        let (_folder, path) = written(name, text);
        format!("{:#}", Source::open(&path).unwrap_err())
    };
    assert!(message("a.jsonl", "{\"a\":1}\n[1]").contains("line 2"));
    assert!(message("a.jsonl", "{\"a\":{\"b\":1}}").contains("nested"));
    assert!(message("a.jsonl", "{\"a\":1}\n{\"a\":\"x\"}").contains("different kinds"));
    assert!(message("a.jsonl", "").contains("no record"));
    assert!(message("a.csv", "a,b\n1\n").contains("2 fields"));
    assert!(message("a.txt", "x").contains(".jsonl"));
}

#[test]
fn a_source_that_was_changed_has_another_digest() {
    let (_folder, path) = written("rows.csv", "a\n1\n");
    let before = Source::open(&path).unwrap().digest().unwrap();
    assert_eq!(Source::open(&path).unwrap().digest().unwrap(), before);
    std::fs::write(&path, "a\n22\n").unwrap();
    assert_ne!(Source::open(&path).unwrap().digest().unwrap(), before);
}
