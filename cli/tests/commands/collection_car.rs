//! `offsetdata collection export-car` and `import-car`: out of one store, into an empty one, and verified there.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

use crate::network::{Network, PROGRAM, ports, shared};

/// A command with a store of its own, and with no service but the chain.
fn run(network: &Network, store: &Path, words: &[&str]) -> Output {
    let mut command = Command::new(PROGRAM);
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("OFFSETDATA_"))
    {
        command.env_remove(name);
    }
    let [nobody] = ports();
    for name in ["INDEXER_URL", "GATEWAY_URL", "RELAYER_URL"] {
        command.env(format!("OFFSETDATA_{name}"), format!("http://127.0.0.1:{nobody}"));
    }
    command.env("OFFSETDATA_RPC_URL", network.url("rpc")).env("OFFSETDATA_BLOCKS", store);
    command.args(words).stdin(Stdio::null()).output().unwrap()
}

fn json(network: &Network, store: &Path, words: &[&str]) -> Value {
    let output = run(network, store, &[words, &["--json"]].concat());
    assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn refused(network: &Network, store: &Path, words: &[&str]) -> String {
    let output = run(network, store, words);
    assert_eq!(output.status.code(), Some(1), "{words:?}");
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Blocks, pins and what is on its way, below a store.
fn files(store: &Path) -> usize {
    let entries = std::fs::read_dir(store).into_iter().flatten().map(|entry| entry.unwrap());
    entries
        .map(|entry| match entry.file_type().unwrap().is_dir() {
            true => files(&entry.path()),
            false => usize::from(entry.file_name() != "lock"),
        })
        .sum()
}

#[test]
fn a_collection_goes_through_a_file_into_an_empty_store() {
    let network = shared();
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let (here, there) = (network.dir.join("blocks"), folder.path().join("there"));
    // Pixels that compress badly, in many chunks; private, so that what leaves is sealed.
    let rows: String = (0..400u32)
        .map(|n| {
            let noise: Vec<String> =
                (0..60).map(|i| n.wrapping_mul(2_654_435_761).rotate_left(i).to_string()).collect();
            format!("{{\"text\":\"{}\",\"label\":{}}}\n", noise.join(" "), n % 7)
        })
        .collect();
    std::fs::write(path("rows.jsonl"), rows).unwrap();
    let published = network.json(&[
        "publish",
        &path("rows.jsonl"),
        "--name",
        "Noise",
        "--licence",
        "CC0-1.0",
        "--chunk-records",
        "16",
        "--private",
        "--recovery",
        &path("recovery.json"),
        "--gateway",
        &network.url("gateway"),
        "--as",
        "dev:8",
    ]);
    let (id, manifest) = (published["id"].as_str().unwrap(), published["manifest"].as_str().unwrap());
    let file = path("noise.car");
    let exported = json(&network, &here, &["collection", "export-car", id, "-o", &file]);
    assert_eq!(exported["root"], published["manifest"]);
    // The manifest, its page and the chunks.
    assert_eq!(exported["blocks"].as_u64(), Some(published["chunks"].as_u64().unwrap() + 2));
    let whole = std::fs::read(&file).unwrap();
    assert!(whole.len() as u64 > exported["bytes"].as_u64().unwrap());
    let others = std::fs::metadata(path("rows.jsonl")).unwrap().permissions().mode();
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode(), others, "as other files of the user");
    // Of a CID no chain is asked, and the file is the same.
    let again = path("again.car");
    let [nobody] = ports();
    let words = [
        "collection",
        "export-car",
        manifest,
        "--output",
        &again,
        "--rpc",
        &format!("http://127.0.0.1:{nobody}"),
    ];
    json(&network, &here, &words);
    assert!(std::fs::read(&again).unwrap() == whole);

    // What is cut off, anywhere, or altered by a bit is refused, and leaves nothing behind.
    let damaged = path("damaged.car");
    for cut in [0, 10, 59, 60, 500, whole.len() / 2, whole.len() - 1] {
        std::fs::write(&damaged, &whole[..cut]).unwrap();
        let said = refused(&network, &there, &["collection", "import-car", &damaged]);
        assert!(said.contains("error: CAR file"), "{cut}: {said}");
        assert_eq!(files(&there), 0, "{cut}");
    }
    for at in [whole.len() / 3, whole.len() / 2, whole.len() - 1] {
        let mut altered = whole.clone();
        altered[at] ^= 1;
        std::fs::write(&damaged, altered).unwrap();
        let said = refused(&network, &there, &["collection", "import-car", &damaged]);
        assert!(said.contains("expected") || said.contains("CAR file"), "{at}: {said}");
        assert_eq!(files(&there), 0, "{at}");
    }
    let said = refused(&network, &there, &["collection", "import-car", &path("none.car")]);
    assert!(said.contains("none.car"), "{said}");
    let said = refused(&network, &there, &["collection", "import-car", &path("rows.jsonl"), "--json"]);
    assert!(said.contains("CAR file"), "{said}");

    let verify = ["collection", "verify", id, "--recovery", &path("recovery.json"), "--on-chain", "3"];
    refused(&network, &there, &verify);
    let imported = json(&network, &there, &["collection", "import-car", &file]);
    assert_eq!((&imported["root"], &imported["records"]), (&published["manifest"], &published["records"]));
    assert_eq!((&imported["blocks"], &imported["contentRoot"]), (&exported["blocks"], &published["root"]));
    let verified = json(&network, &there, &verify);
    assert_eq!(
        (&verified["verified"], &verified["verifiedOnChain"]),
        (&published["records"], &Value::from(3))
    );
    // It is pinned: nothing of it is garbage.
    let collected = json(&network, &there, &["collection", "gc", "--grace", "0"]);
    assert_eq!(
        (collected["deleted"].as_u64(), collected["pins"].as_u64()),
        (Some(0), Some(1)),
        "{collected}"
    );
    json(&network, &there, &verify);
    let words = ["collection", "export-car", manifest, "-o", &again];
    json(&network, &there, &words);
    assert!(std::fs::read(&again).unwrap() == whole, "and out of there comes the same file");
}

#[test]
fn what_is_not_there_leaves_no_file() {
    let network = shared();
    let folder = tempfile::tempdir().unwrap();
    let (store, out) = (folder.path().join("store"), folder.path().join("out"));
    std::fs::create_dir(&out).unwrap();
    let file = out.join("it.car").display().to_string();
    let unknown = format!("0x{}", "77".repeat(32));
    let said = refused(&network, &store, &["collection", "export-car", &unknown, "-o", &file]);
    assert!(said.contains("is not known on this chain"), "{said}");
    let absent = "bafyreiel5dyxnje7dsophogjpkenrwcjl7uodzvq6x3xav5ywo7lcjbq5y";
    let said = refused(&network, &store, &["collection", "export-car", absent, "-o", &file]);
    assert!(said.contains(absent), "{said}");
    let said = refused(&network, &store, &["collection", "export-car", "mails", "-o", &file]);
    assert!(said.contains("neither a collection"), "{said}");
    assert_eq!(std::fs::read_dir(&out).unwrap().count(), 0);
    let nowhere = folder.path().join("none/it.car").display().to_string();
    let said = refused(&network, &store, &["collection", "export-car", absent, "-o", &nowhere]);
    assert!(said.contains("none"), "{said}");
}
