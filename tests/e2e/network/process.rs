//! A process that ends with the test, however the test ends, and what it said. It is no container: files and ports are
//! shared.

use std::fs::OpenOptions;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// How long a process may take to end after it was asked to.
const PATIENCE: Duration = Duration::from_secs(40);

/// A running process.
#[derive(Debug)]
pub(in crate::e2e) struct Process {
    name: &'static str,
    child: Child,
    logs: PathBuf,
}

impl Process {
    /// Starts it with a log of its own, at the end of which it goes on writing.
    pub(in crate::e2e) fn start(name: &'static str, mut command: Command, logs: &Path) -> Self {
        let log =
            OpenOptions::new().create(true).append(true).open(logs.join(format!("{name}.log"))).unwrap();
        command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
        let child = command.spawn().unwrap_or_else(|error| panic!("starting the {name}: {error}"));
        Self { name, child, logs: logs.to_path_buf() }
    }

    fn pid(&self) -> i32 {
        self.child.id().cast_signed()
    }

    pub(in crate::e2e) fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.pid()), signal)
            .unwrap_or_else(|error| panic!("{signal} to the {}: {error}", self.name));
    }

    pub(in crate::e2e) fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// SIGKILL. That it still ran is part of the test.
    pub(in crate::e2e) fn kill(mut self) {
        assert!(self.is_running(), "the {} ended by itself:\n{}", self.name, self.last_words(40));
        self.end();
    }

    /// SIGTERM, and its end.
    pub(in crate::e2e) async fn stop(mut self) {
        self.signal(Signal::SIGTERM);
        super::until("it ends when it is told to", PATIENCE, async || (!self.is_running()).then_some(()))
            .await;
    }

    /// Lets it write no file beyond so many kilobytes, or any.
    pub(in crate::e2e) fn limit_files(&self, kilobytes: Option<u64>) {
        let most = kilobytes.map_or("unlimited".to_owned(), |kilobytes| (kilobytes * 1024).to_string());
        let limited = Command::new("prlimit")
            .args(["--pid", &self.pid().to_string(), &format!("--fsize={most}:")])
            .status()
            .unwrap();
        assert!(limited.success(), "prlimit");
    }

    /// The last lines that it said.
    pub(in crate::e2e) fn last_words(&self, lines: usize) -> String {
        let said = log(&self.logs, self.name);
        let skipped = said.lines().count().saturating_sub(lines);
        said.lines().skip(skipped).collect::<Vec<_>>().join("\n")
    }

    fn end(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.end();
    }
}

/// What a process of this name has said.
pub(in crate::e2e) fn log(logs: &Path, name: &str) -> String {
    let bytes = std::fs::read(logs.join(format!("{name}.log"))).unwrap_or_default();
    String::from_utf8_lossy(&bytes).into_owned()
}

/// A command that the kernel ends with the test, also where that is killed. A limitable one hears of a file that it may
/// not make longer as of a full disk: by an error of the call, and not by a signal that kills it.
pub(in crate::e2e) fn tied(program: &Path, limitable: bool) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL"]);
    if limitable {
        command.args(["sh", "-c", "trap '' XFSZ; exec \"$@\"", "sh"]);
    }
    command.arg(program);
    command
}

/// The program that the tests start: it lies beside them, and was built from the sources as they are.
pub(in crate::e2e) fn program() -> PathBuf {
    let here = std::env::current_exe().unwrap();
    let folder = here.parent().and_then(Path::parent).unwrap();
    let program = folder.join("offsetdata");
    let build = "cargo build --workspace --bins builds it";
    let built = std::fs::metadata(&program).and_then(|file| file.modified());
    let built = built.unwrap_or_else(|error| panic!("{}: {error}; {build}", program.display()));
    // Cargo says what it was built from.
    let sources = std::fs::read_to_string(folder.join("offsetdata.d")).unwrap_or_default();
    let sources = sources.split_once(": ").map_or("", |(_, sources)| sources).replace("\\ ", "\0");
    for source in sources.split_whitespace() {
        let source = source.replace('\0', " ");
        let changed = std::fs::metadata(&source).and_then(|file| file.modified());
        if changed.is_ok_and(|changed| changed > built) {
            panic!("{} is older than {source}; {build}", program.display());
        }
    }
    program
}
