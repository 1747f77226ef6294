//! A throw-away Kubo node, started by scripts/kubo and stopped with the test, also when the test is killed.
#![allow(dead_code, reason = "each test file uses a part")]

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

/// What scripts/kubo ends with where there is no Kubo.
const UNAVAILABLE: i32 = 77;

pub(crate) struct Node {
    pub(crate) api: String,
    pub(crate) gateway: String,
    program: PathBuf,
    folder: TempDir,
    child: Child,
}

impl Node {
    /// A node of its own for the test `name`, or none, which is said aloud, where Kubo is not built.
    pub(crate) fn start(name: &str, authorization: Option<&str>) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let mut command = Command::new(root.join("scripts/kubo"));
        command.arg("run").arg(folder.path()).arg("--no-build");
        command.args(authorization.into_iter().flat_map(|secret| ["--authorization", secret]));
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        if line.is_empty() {
            let ended = child.wait_with_output().unwrap();
            let reason = String::from_utf8_lossy(&ended.stderr).trim().replace('\n', " ");
            assert_eq!(ended.status.code(), Some(UNAVAILABLE), "{reason}");
            // Past libtest, which shows nothing of a test that passes: scripts/tally.py counts it.
            std::io::stdout().write_all(format!("\nskipped: {name}: {reason}\n").as_bytes()).unwrap();
            return None;
        }
        let said: serde_json::Value = serde_json::from_str(&line).unwrap();
        let word = |key: &str| said[key].as_str().unwrap().to_owned();
        Some(Self {
            api: word("api"),
            gateway: word("gateway"),
            program: word("program").into(),
            folder,
            child,
        })
    }

    /// What `ipfs ARGUMENTS` prints, with `input` given to it.
    pub(crate) fn ipfs(&self, arguments: &[&str], input: &[u8]) -> Vec<u8> {
        let mut command = Command::new(&self.program);
        command.env("IPFS_PATH", self.folder.path()).args(arguments);
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        std::thread::scope(|scope| {
            scope.spawn(move || stdin.write_all(input));
            let output = child.wait_with_output().unwrap();
            assert!(
                output.status.success(),
                "ipfs {arguments:?}: {}",
                String::from_utf8_lossy(&output.stderr)
            );
            output.stdout
        })
    }

    /// What is pinned with all that it reaches, but for the empty folder that every node begins with.
    pub(crate) fn pinned(&self) -> Vec<String> {
        let mut pinned = self.words(&["pin", "ls", "--type=recursive", "-q"], b"");
        pinned.retain(|cid| cid != "QmUNLLsPACCz1vLxQVkXqqLX5R1X345qqfHbsf67hvA3Nn");
        pinned
    }

    /// The words that `ipfs ARGUMENTS` prints.
    pub(crate) fn words(&self, arguments: &[&str], input: &[u8]) -> Vec<String> {
        String::from_utf8(self.ipfs(arguments, input))
            .unwrap()
            .split_whitespace()
            .map(str::to_owned)
            .collect()
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}
