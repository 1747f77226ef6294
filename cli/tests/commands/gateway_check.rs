//! `offsetdata gateway check`.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::network::{SECRET, foreign_chain, ports, shared, signalled};

#[test]
fn what_is_well_is_said_to_be() {
    let network = shared();
    let found = network.check("gateway", &[]);
    assert!(found.code == 0 && found.is_good_but_for(&[]), "{found:?}");
    for what in [
        "signer key",
        "sealing key",
        "deployment",
        "RPC endpoint",
        "contracts",
        "chain",
        "signer",
        "index",
        "blocks",
        "public URL",
    ] {
        assert_eq!(found.on(what).0, "good", "{what}: {found:?}");
    }
}

#[test]
fn each_wrong_setting_is_named_and_nothing_is_made() {
    let network = shared();
    let [nobody] = ports();
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let gone = format!("http://{SECRET}:{SECRET}@127.0.0.1:{nobody}/{SECRET}");

    let found = network.check("gateway", &[("RPC_URL", &gone)]);
    let (grade, said) = found.on("RPC endpoint");
    assert!(found.code == 1 && grade == "bad" && said.contains("can't be reached"), "{found:?}");
    assert_eq!(found.on("contracts").0, "not there", "what could not be asked is not judged");
    assert_eq!(found.on("index").0, "good");
    let both = format!("{gone},{}", network.url("rpc"));
    let found = network.check("gateway", &[("RPC_URL", &both)]);
    assert!(found.code == 0 && found.on("RPC endpoint").0 == "warning", "one of two is enough: {found:?}");
    let (_chain, foreign) = foreign_chain();
    let found = network.check("gateway", &[("RPC_URL", &foreign)]);
    let (grade, said) = found.on("RPC endpoint");
    assert!(found.code == 1 && grade == "bad" && said.contains("serves chain 5"), "{found:?}");

    // Both keys are looked at, though one of them is to be made; a text that is no key is not repeated.
    std::fs::write(path("no.key"), SECRET).unwrap();
    for wrong in [path("no.key"), path(".")] {
        let but =
            [("GATEWAY_SIGNER_KEY_FILE", wrong.as_str()), ("GATEWAY_SEALING_KEY_FILE", &path("new.key"))];
        let found = network.check("gateway", &but);
        assert_eq!((found.code, found.on("signer key").0, found.on("sealing key").0), (1, "bad", "warning"));
        assert!(found.on("signer key").1.contains("--signer-key-file"), "{found:?}");
    }
    assert!(!folder.path().join("new.key").exists());

    let found = network.check("gateway", &[("DATABASE_URL", &format!("sqlite:{}", path("none.db")))]);
    assert!(found.code == 0 && found.on("index").1.contains("start the indexer"), "{found:?}");
    assert!(!folder.path().join("none.db").exists());
    let found = network
        .check("gateway", &[("DATABASE_URL", &format!("postgres://me:{SECRET}@127.0.0.1:{nobody}/x"))]);
    assert!(found.code == 1 && found.on("database").1.contains("refused"), "{found:?}");

    let found = network.check("gateway", &[("DEPLOYMENT", &path("none.json"))]);
    assert!(found.code == 1 && found.on("deployment").1.contains("--deployment"), "{found:?}");
    let found = network.check("gateway", &[("BLOCKS", &path("no.key"))]);
    assert!(found.code == 1 && found.on("blocks").1.contains("no folder"), "{found:?}");
    let found = network.check("gateway", &[("BLOCKS", &path("blocks"))]);
    assert!(found.code == 0 && found.on("blocks").0 == "warning", "{found:?}");
    assert!(!folder.path().join("blocks").exists());
    let kubo = format!("http://127.0.0.1:{nobody}");
    let found = network.check("gateway", &[("KUBO", &kubo), ("KUBO_AUTH", &format!("bearer:{SECRET}"))]);
    assert!(found.code == 0 && found.on("Kubo").1.contains("does the node run?"), "{found:?}");
    let found = network.check("gateway", &[("KUBO", &format!("http://me:{SECRET}@127.0.0.1:{nobody}"))]);
    assert!(found.code == 1 && found.on("Kubo").0 == "bad", "{found:?}");
}

#[test]
fn a_public_url_that_leads_elsewhere_is_wrong() {
    let network = shared();
    let [nobody] = ports();
    let silent = format!("http://127.0.0.1:{nobody}");
    let found = network.check("gateway", &[("GATEWAY_URL", &silent)]);
    assert!(found.code == 0 && found.on("public URL").1.contains("does the gateway run"), "{found:?}");
    let found = network.check("gateway", &[("GATEWAY_URL", &network.url("relayer"))]);
    assert!(found.code == 1 && found.on("public URL").1.contains("is no gateway"), "{found:?}");
    // The same gateway under another name: what readers sign would be for that one.
    let other = network.url("gateway").replace("127.0.0.1", "localhost");
    let found = network.check("gateway", &[("GATEWAY_URL", &other)]);
    assert!(found.code == 1 && found.on("public URL").1.contains("answers as"), "{found:?}");
    let found = network.check("gateway", &[("GATEWAY_URL", "ftp://example.org")]);
    assert!(found.code == 1 && found.on("public URL").1.contains("http or https"), "{found:?}");
}

#[test]
fn an_index_that_lags_is_noticed() {
    let network = shared();
    let indexer = network.pid("indexer");
    signalled("-STOP", &indexer);
    network.ask_chain("anvil_mine", json!([40]));
    let found = [network.check("gateway", &[]), network.check("relayer", &[])];
    signalled("-CONT", &indexer);
    for found in found {
        let (grade, said) = found.on("index");
        assert!(found.code == 0 && grade == "warning" && said.contains("does the indexer run?"), "{found:?}");
    }
    let begun = Instant::now();
    while network.check("gateway", &[]).on("index").0 != "good" {
        assert!(begun.elapsed() < Duration::from_secs(60), "it does not catch up");
        std::thread::sleep(Duration::from_millis(300));
    }
}
