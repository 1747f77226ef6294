//! A publishing process that is killed again and again, at any moment, ends with the bytes of one that was not.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod node;

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

const RECORDS: &str = "40000";
const BYTES: &str = "1024";
const CHUNK: &str = "64";
/// A run that takes longer than this is stuck.
const STUCK: Duration = Duration::from_secs(120);

/// The example is built beside the tests.
fn program() -> PathBuf {
    let this = std::env::current_exe().unwrap();
    let program = this.parent().unwrap().parent().unwrap().join("examples/publish_numbers");
    assert!(program.is_file(), "{} is not there: cargo test builds it", program.display());
    program
}

fn command(folder: &Path, visibility: &str) -> Command {
    let mut command = Command::new(program());
    command.arg(folder).args([RECORDS, BYTES, CHUNK, visibility]);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn field<'a>(output: &'a Output, name: &str) -> &'a str {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = std::str::from_utf8(&output.stdout).unwrap();
    let rest = text.split_once(&format!("\"{name}\":")).unwrap().1;
    rest.split([',', '}']).next().unwrap().trim_matches('"')
}

/// Length of the journal, which grows with what is stored.
fn journal(folder: &Path) -> u64 {
    let entries = std::fs::read_dir(folder.join("publishing"));
    entries.map_or(0, |entries| entries.map(|entry| entry.unwrap().metadata().unwrap().len()).sum())
}

/// A CAR file begins with its length and the DAG-CBOR of one root and the version.
const CAR_HEADER: u64 = 59;
/// A CID of ours in bytes: version, codec, hash, length and 32 bytes.
const CID_BYTES: u64 = 36;

/// Bytes of a block in a CAR file: the length of what follows in groups of seven bits, its CID, itself.
fn in_car(block: u64) -> u64 {
    let entry = CID_BYTES + block;
    u64::from((u64::BITS - entry.leading_zeros()).div_ceil(7)) + entry
}

/// Files below a folder, with their lengths.
fn files(folder: &Path) -> Vec<(String, u64)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap()) {
        if entry.file_type().unwrap().is_dir() {
            found.extend(files(&entry.path()));
        } else {
            found.push((entry.file_name().into_string().unwrap(), entry.metadata().unwrap().len()));
        }
    }
    found.sort();
    found
}

#[test]
fn killed_at_any_moment_it_ends_with_the_same_root_and_manifest() {
    for visibility in ["private", "public"] {
        let (whole, killed) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let begun = Instant::now();
        let expected = command(whole.path(), visibility).output().unwrap();
        let takes = begun.elapsed();
        let mut kills = 0;
        for attempt in 0..100 {
            let mut child = command(killed.path(), visibility).spawn().unwrap();
            // Somewhere in the first part of what the whole takes.
            let part = RandomState::new().hash_one(attempt) % 1000;
            std::thread::sleep(takes.mul_f64(0.01 + 0.15 * part as f64 / 1000.0));
            let running = child.try_wait().unwrap().is_none();
            child.kill().unwrap();
            child.wait().unwrap();
            if running {
                kills += 1;
            } else {
                // It was faster than the first one: there is nothing left to kill, so it begins anew.
                kills = 0;
                std::fs::remove_dir_all(killed.path()).unwrap();
            }
            if kills >= 4 && journal(killed.path()) > 1000 {
                break;
            }
        }
        assert!(kills >= 4, "only {kills} kills met a process that was running");
        let mut rest = command(killed.path(), visibility).spawn().unwrap();
        let deadline = Instant::now() + STUCK;
        while rest.try_wait().unwrap().is_none() {
            assert!(Instant::now() < deadline, "the last run is stuck");
            std::thread::sleep(Duration::from_millis(20));
        }
        let last_run = rest.wait_with_output().unwrap();
        for name in ["manifest", "root", "chunks"] {
            assert_eq!(field(&last_run, name), field(&expected, name), "{visibility} {name}");
        }
        let resumed: u64 = field(&last_run, "resumed").parse().unwrap();
        assert!(resumed > 0, "{kills} kills, and the last run began at record 0");
        // The same blocks, no half one, no journal and no leftover.
        let is_block = |(name, _): &(String, u64)| name.starts_with("baf");
        let blocks = |folder| files(folder).into_iter().filter(is_block).collect::<Vec<_>>();
        assert_eq!(blocks(killed.path()), blocks(whole.path()));
        assert!(!files(killed.path()).iter().any(|(name, _)| name.ends_with(".journal")));
        let begun_folders = std::fs::read_dir(killed.path().join("tmp")).unwrap().count();
        assert!(begun_folders <= 1, "{begun_folders} leftovers");
    }
}

#[test]
fn killed_while_it_publishes_to_a_node_it_ends_with_the_same_manifest() {
    let name = "killed_while_it_publishes_to_a_node_it_ends_with_the_same_manifest";
    let Some(node) = node::Node::start(name, None) else { return };
    let (embedded, killed) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let expected = command(embedded.path(), "private").output().unwrap();
    let to_node = || {
        let mut command = command(killed.path(), "private");
        command.args(["--kubo", &node.api]);
        command
    };
    let (mut kills, mut grown) = (0, Vec::new());
    while kills < 4 {
        let before = journal(killed.path());
        let mut child = to_node().spawn().unwrap();
        let begun = Instant::now();
        // Killed while a commit is under way: some time after the journal grew.
        while journal(killed.path()) <= before + 1000 && child.try_wait().unwrap().is_none() {
            assert!(begun.elapsed() < STUCK, "it notes nothing");
            std::thread::sleep(Duration::from_millis(5));
        }
        std::thread::sleep(Duration::from_millis(RandomState::new().hash_one(kills) % 300));
        let running = child.try_wait().unwrap().is_none();
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(running, "it was done after {kills} kills, {grown:?} bytes of journal: publish more");
        grown.push(journal(killed.path()));
        kills += 1;
    }
    let last_run = to_node().output().unwrap();
    for name in ["manifest", "root", "chunks"] {
        assert_eq!(field(&last_run, name), field(&expected, name), "{name}");
    }
    let resumed: u64 = field(&last_run, "resumed").parse().unwrap();
    assert!(resumed > 0, "the last run began at record 0, {grown:?}");
    // All of it is at the node and pinned there, and nothing in the directory.
    let manifest = field(&last_run, "manifest");
    assert_eq!(node.pinned(), [manifest]);
    let car = node.ipfs(&["dag", "export", manifest], b"");
    let blocks = files(embedded.path());
    // A pin is an empty file.
    let blocks = blocks.iter().filter(|(name, length)| name.starts_with("baf") && *length > 0);
    let expected = CAR_HEADER + blocks.map(|(_, length)| in_car(*length)).sum::<u64>();
    assert_eq!(
        car.len() as u64,
        expected,
        "what the node gives is what the directory has, and no block more"
    );
    assert!(
        !files(killed.path()).iter().any(|(name, _)| name.starts_with("baf") || name.ends_with(".journal"))
    );
}

#[test]
fn memory_stays_flat() {
    let folder = tempfile::tempdir().unwrap();
    let peak = |records: &str| {
        let run = Command::new(program())
            .arg(folder.path().join(records))
            .args([records, "256", "1024", "private"])
            .output()
            .unwrap();
        field(&run, "peakRssKb").parse::<u64>().unwrap()
    };
    let (few, many) = (peak("20000"), peak("200000"));
    assert!(many < few + 40_000, "{few} KB for 20,000 records, {many} KB for 200,000");
    assert!(many < 300 << 10, "{many} KB");
}
