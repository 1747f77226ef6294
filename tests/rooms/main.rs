//! The dependency rule of ARCHITECTURE.md, checked over `cargo metadata`. It checks crates, not files.

#![allow(clippy::expect_used, reason = "tests")]

use std::collections::BTreeMap;
use std::process::Command;

/// Rooms by floor: a room may use rooms on lower floors only.
const FLOORS: &[&[&str]] = &[
    &["protocol"],
    &["node", "content", "store"],
    &["indexer", "gateway", "relayer", "sdk"],
    &["worker"],
    &["cli"],
    &["tests"],
];

/// What `cargo metadata` says of a package, as far as the rule needs it. The crate of that name is not used: it would
/// turn on features that nothing else has, and with them another build of half the dependencies.
#[derive(serde::Deserialize)]
struct Package {
    name: String,
    dependencies: Vec<Dependency>,
}

#[derive(serde::Deserialize)]
struct Dependency {
    name: String,
    /// `dev`, `build`, or none for a normal one.
    kind: Option<String>,
}

fn packages() -> Vec<Package> {
    #[derive(serde::Deserialize)]
    struct Metadata {
        packages: Vec<Package>,
    }
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["metadata", "--format-version", "1", "--no-deps", "--offline"])
        .output()
        .expect("cargo metadata");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice::<Metadata>(&output.stdout).expect("metadata").packages
}

fn floor(package: &str) -> Option<usize> {
    let room = package.strip_prefix("offsetdata-")?;
    FLOORS.iter().position(|rooms| rooms.contains(&room))
}

#[test]
fn every_room_stands_on_a_floor() {
    for package in packages() {
        assert!(floor(&package.name).is_some(), "{} has no floor in tests/rooms", package.name);
    }
}

#[test]
fn arrows_point_down() {
    let mut seen = BTreeMap::new();
    for package in packages() {
        let above = floor(&package.name).expect("a floor");
        for dependency in package.dependencies.iter().filter(|d| d.kind.as_deref() != Some("dev")) {
            if let Some(below) = floor(&dependency.name) {
                assert!(below < above, "{} must not depend on {}", package.name, dependency.name);
                *seen.entry(package.name.clone()).or_insert(0) += 1;
            }
        }
    }
    assert!(seen.len() >= 7, "the rule saw only {seen:?}");
}

/// `protocol` is pure: what every program must agree on can do no IO and has no clock.
#[test]
fn protocol_brings_no_runtime() {
    let packages = packages();
    let protocol = packages.iter().find(|p| p.name == "offsetdata-protocol").expect("protocol");
    for forbidden in ["tokio", "axum", "sqlx", "reqwest", "rand", "chrono"] {
        assert!(
            !protocol.dependencies.iter().any(|d| d.kind.is_none() && d.name == forbidden),
            "protocol must not depend on {forbidden}"
        );
    }
}
