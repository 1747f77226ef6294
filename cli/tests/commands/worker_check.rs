//! `offsetdata worker check`.

use crate::network::{SECRET, foreign_chain, ports, shared};

#[test]
fn what_is_well_is_said_to_be() {
    let network = shared();
    let found = network.check("worker", &[]);
    assert!(found.code == 0 && found.is_good_but_for(&[]), "{found:?}");
    for what in ["key", "trainers", "artifact key", "blocks", "RPC endpoint", "relayer", "gateway"] {
        assert_eq!(found.on(what).0, "good", "{what}: {found:?}");
    }
}

#[test]
fn each_wrong_setting_is_named_and_nothing_is_made() {
    let network = shared();
    let [nobody] = ports();
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    std::fs::write(path("no.key"), SECRET).unwrap();
    for wrong in [path("none.key"), path("no.key"), path(".")] {
        let found = network.check("worker", &[("WORKER_KEY", &wrong)]);
        assert_eq!((found.code, found.on("key").0, found.on("relayer").0), (1, "bad", "good"), "{found:?}");
    }
    for wrong in [path("no.key"), path(".")] {
        let found = network.check("worker", &[("ARTIFACT_KEY", &wrong)]);
        assert_eq!((found.code, found.on("artifact key").0), (1, "bad"), "{found:?}");
    }
    let found = network.check("worker", &[("ARTIFACT_KEY", &path("new.key"))]);
    assert!(found.code == 0 && found.on("artifact key").0 == "warning", "{found:?}");
    assert!(!folder.path().join("new.key").exists());

    let gone = format!("http://{SECRET}:{SECRET}@127.0.0.1:{nobody}/{SECRET}");
    let found = network.check("worker", &[("RPC_URL", &gone)]);
    assert!(found.code == 1 && found.on("RPC endpoint").1.contains("can't be reached"), "{found:?}");
    let found = network.check("worker", &[("RPC_URL", &format!("{gone},{}", network.url("rpc")))]);
    assert_eq!(found.code, 0, "one of two is enough: {found:?}");
    let found = network.check("worker", &[("RPC_URL", SECRET)]);
    assert!(found.code == 1 && found.on("RPC endpoint").0 == "bad", "{found:?}");
    let (_chain, foreign) = foreign_chain();
    let found = network.check("worker", &[("RPC_URL", &foreign)]);
    assert!(found.code == 1 && found.on("RPC endpoint").1.contains("serves chain 5"), "{found:?}");
    let found = network.check("worker", &[("DEPLOYMENT", &path("none.json"))]);
    assert!(found.code == 1 && found.on("deployment").1.contains("none.json"), "{found:?}");

    let silent = format!("http://127.0.0.1:{nobody}");
    for wrong in [silent.as_str(), &network.url("indexer")] {
        let found = network.check("worker", &[("RELAYER_URL", wrong)]);
        assert!(found.code == 0 && found.on("relayer").1.contains("no job comes before"), "{found:?}");
    }
    let found = network.check("worker", &[("GATEWAY_URL", &silent)]);
    assert!(found.code == 0 && found.on("gateway").0 == "warning", "{found:?}");
    let found = network.check("worker", &[("KUBO", &silent)]);
    assert!(found.code == 0 && found.on("Kubo").1.contains("does the node run?"), "{found:?}");
}
