//! `offsetdata dev` as people use it: started, killed, started again, started afresh; with real processes on free ports.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod network;

use std::net::TcpListener;

use network::{Network, ports, runs};

#[test]
fn a_killed_network_goes_on_and_a_fresh_one_begins_anew() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("network");
    let mut network = Network::start(&dir, ports(), false);
    let ports = network.ports;
    let first = network.ready();

    let rows = folder.path().join("rows.jsonl");
    std::fs::write(&rows, "{\"text\":\"one\",\"label\":1}\n{\"text\":\"two\",\"label\":0}\n").unwrap();
    let publish =
        ["publish", rows.to_str().unwrap(), "--name", "Rows", "--licence", "CC0-1.0", "--as", "dev:1"];
    let published = network.json(&publish);
    let id = published["id"].as_str().unwrap().to_owned();

    let doctor = network.json(&["doctor", "--as", "dev:2"]);
    assert_eq!(doctor["ok"], true, "{doctor}");

    // While it runs nobody else takes its folder, and none of its processes is touched.
    let second = Network::command(&dir, &ports, false).output().unwrap();
    assert!(!second.status.success());
    let said = String::from_utf8_lossy(&second.stderr).into_owned();
    assert!(said.contains("a network runs in"), "{said}");
    assert_eq!(network.pids().len(), 5);

    // Killed, it leaves its processes behind: the next start ends them and goes on with what they did.
    let left = network.pids();
    network.end("-KILL");
    assert!(left.iter().all(|pid| runs(pid)));
    let mut network = Network::start(&dir, ports, false);
    assert!(left.iter().all(|pid| !runs(pid) || network.pids().contains(pid)));
    assert_eq!(network.ready()["accounts"], first["accounts"]);
    let shown = network.json(&["collection", "show", &id]);
    assert_eq!((shown["records"].as_u64(), &shown["root"]), (Some(2), &published["root"]));
    assert_eq!(network.json(&["collection", "verify", &id])["verified"], 2);

    // Stopped, it leaves nothing running.
    let left = network.pids();
    network.end("-TERM");
    assert!(left.iter().all(|pid| !runs(pid)), "{left:?}");

    let network = Network::start(&dir, ports, true);
    assert_eq!(network.ready()["accounts"], first["accounts"]);
    let gone = network.run(&["collection", "show", &id]);
    assert!(!gone.status.success());
    let said = String::from_utf8_lossy(&gone.stderr).into_owned();
    assert!(said.contains("is not known on this chain"), "{said}");
}

#[test]
fn a_taken_port_is_named_and_nothing_is_started() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("network");
    let taken = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let mut ports = ports();
    ports[3] = taken.local_addr().unwrap().port();
    let output = Network::command(&dir, &ports, false).output().unwrap();
    assert!(!output.status.success());
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let expected = format!("port {} for the gateway is taken", ports[3]);
    assert!(said.contains(&expected) && said.contains("--gateway-port"), "{said}");
    assert!(!dir.join("pids").exists());
}

#[test]
fn a_foreign_folder_is_not_deleted() {
    let folder = tempfile::tempdir().unwrap();
    let precious = folder.path().join("precious.txt");
    std::fs::write(&precious, "mine").unwrap();
    let output = Network::command(folder.path(), &ports(), true).output().unwrap();
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("it is not deleted"));
    assert_eq!(std::fs::read_to_string(&precious).unwrap(), "mine");
}
