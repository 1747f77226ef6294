//! The dependency rule of ARCHITECTURE.md, checked over `cargo metadata`. It checks crates, not files.

#![allow(clippy::expect_used, reason = "tests")]

use std::collections::BTreeMap;

use cargo_metadata::{DependencyKind, MetadataCommand};

/// Rooms by floor: a room may use rooms on lower floors only.
const FLOORS: &[&[&str]] = &[
    &["protocol"],
    &["content", "store"],
    &["indexer", "relayer", "sdk"],
    &["worker"],
    &["cli"],
    &["tests"],
];

fn floor(package: &str) -> Option<usize> {
    let room = package.strip_prefix("offsetdata-")?;
    FLOORS.iter().position(|rooms| rooms.contains(&room))
}

#[test]
fn every_room_stands_on_a_floor() {
    let metadata = MetadataCommand::new().no_deps().exec().expect("cargo metadata");
    for package in &metadata.packages {
        assert!(floor(&package.name).is_some(), "{} has no floor in tests/rooms", package.name);
    }
}

#[test]
fn arrows_point_down() {
    let metadata = MetadataCommand::new().no_deps().exec().expect("cargo metadata");
    let mut seen = BTreeMap::new();
    for package in &metadata.packages {
        let above = floor(&package.name).expect("a floor");
        for dependency in package.dependencies.iter().filter(|d| d.kind != DependencyKind::Development) {
            if let Some(below) = floor(&dependency.name) {
                assert!(below < above, "{} must not depend on {}", package.name, dependency.name);
                *seen.entry(package.name.to_string()).or_insert(0) += 1;
            }
        }
    }
    assert!(seen.len() >= 7, "the rule saw only {seen:?}");
}

/// `protocol` is pure: what every program must agree on can do no IO and has no clock.
#[test]
fn protocol_brings_no_runtime() {
    let metadata = MetadataCommand::new().no_deps().exec().expect("cargo metadata");
    let protocol = metadata.packages.iter().find(|p| *p.name == "offsetdata-protocol").expect("protocol");
    for forbidden in ["tokio", "axum", "sqlx", "reqwest", "rand", "chrono"] {
        assert!(
            !protocol.dependencies.iter().any(|d| d.kind == DependencyKind::Normal && d.name == forbidden),
            "protocol must not depend on {forbidden}"
        );
    }
}
