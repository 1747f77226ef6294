//! The processes of a network: each with a log of its own, started again when it dies, stopped together. It knows
//! nothing of what they do.

use std::fs::{File, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::process::{Child, Command};

/// How long a process may take to end after it was asked to.
const PATIENCE: Duration = Duration::from_secs(10);
/// Pause before a process that died is started again.
const PAUSE: Duration = Duration::from_secs(1);

/// Held while a network runs in the folder.
const LOCK: &str = "lock";

/// One process.
#[derive(Debug)]
pub(super) struct Part {
    name: &'static str,
    command: Command,
    child: Option<Child>,
}

impl Part {
    pub(super) fn new(name: &'static str, command: Command) -> Self {
        Self { name, command, child: None }
    }

    pub(super) fn name(&self) -> &'static str {
        self.name
    }

    fn spawn(&mut self, dir: &Path) -> anyhow::Result<()> {
        let path = dir.join("logs").join(format!("{}.log", self.name));
        let log = OpenOptions::new().create(true).append(true).open(&path);
        let log = log.with_context(|| format!("opening {}", path.display()))?;
        // A group of its own: Ctrl-C reaches this program alone, which then stops the parts in order.
        self.command
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .process_group(0)
            .kill_on_drop(true);
        let child = self.command.spawn().with_context(|| format!("starting the {}", self.name))?;
        self.child = Some(child);
        Ok(())
    }

    fn pid(&self) -> Option<u32> {
        self.child.as_ref().and_then(Child::id)
    }
}

/// All processes, in the order in which they were started.
#[derive(Debug)]
pub(super) struct Parts {
    dir: PathBuf,
    parts: Vec<Part>,
}

impl Parts {
    pub(super) fn new(dir: &Path) -> Self {
        Self { dir: dir.to_path_buf(), parts: Vec::new() }
    }

    pub(super) async fn start(&mut self, mut part: Part) -> anyhow::Result<()> {
        part.spawn(&self.dir)?;
        self.parts.push(part);
        self.remember();
        Ok(())
    }

    /// Starts again whatever dies. Never returns.
    pub(super) async fn watch(&mut self) {
        loop {
            tokio::time::sleep(PAUSE).await;
            for i in 0..self.parts.len() {
                let Some(part) = self.parts.get_mut(i) else { continue };
                let ended = match part.child.as_mut().map(Child::try_wait) {
                    Some(Ok(None)) => continue,
                    Some(Ok(Some(status))) => status.to_string(),
                    Some(Err(error)) => error.to_string(),
                    None => "it was not started".to_owned(),
                };
                eprintln!("{} ended ({ended}); starting it again", part.name);
                if let Err(error) = part.spawn(&self.dir) {
                    eprintln!("{error:#}");
                }
                self.remember();
            }
        }
    }

    /// Stops the last started first; who does not end in time is killed.
    pub(super) async fn stop(&mut self) {
        for part in self.parts.iter_mut().rev() {
            let (pid, Some(child)) = (part.pid(), part.child.as_mut()) else { continue };
            if let Some(pid) = pid.and_then(|pid| i32::try_from(pid).ok()) {
                let _ = kill(Pid::from_raw(pid), Signal::SIGTERM);
            }
            if tokio::time::timeout(PATIENCE, child.wait()).await.is_err() {
                eprintln!("{} did not end in {} s; killing it", part.name, PATIENCE.as_secs());
                let _ = child.kill().await;
            }
        }
        let _ = std::fs::remove_file(self.dir.join("pids"));
        let _ = std::fs::remove_file(self.dir.join("ready.json"));
    }

    /// Writes the process ids down, for a start after this program was killed.
    fn remember(&self) {
        let pids: Vec<String> = self.parts.iter().filter_map(|part| Some(part.pid()?.to_string())).collect();
        if let Err(error) = std::fs::write(self.dir.join("pids"), pids.join("\n")) {
            eprintln!("pids: {error}");
        }
    }
}

/// Keeps a second start out of the folder, and its processes alive. A start that was killed holds it no longer.
pub(super) fn lock(dir: &Path) -> anyhow::Result<File> {
    let path = dir.join(LOCK);
    let file = OpenOptions::new().create(true).truncate(false).write(true).open(&path);
    let file = file.with_context(|| format!("opening {}", path.display()))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => {
            bail!("a network runs in {} already: stop it, or name another --dir", dir.display())
        }
        Err(TryLockError::Error(error)) => Err(error).with_context(|| format!("locking {}", path.display())),
    }
}

/// Deletes everything in the folder but the lock.
pub(super) fn clear(dir: &Path) -> anyhow::Result<()> {
    let entries = std::fs::read_dir(dir).with_context(|| format!("reading {}", dir.display()))?;
    for entry in entries {
        let entry = entry?;
        let path = entry.path();
        let gone = match entry.file_name() == LOCK {
            true => continue,
            false if entry.file_type()?.is_dir() => std::fs::remove_dir_all(&path),
            false => std::fs::remove_file(&path),
        };
        gone.with_context(|| format!("deleting {}", path.display()))?;
    }
    std::fs::create_dir(dir.join("logs")).with_context(|| format!("creating {}/logs", dir.display()))
}

/// Stops processes that a killed start left behind. Only what still runs a program of ours is touched.
pub(super) fn stop_leftovers(dir: &Path) {
    let _ = std::fs::remove_file(dir.join("ready.json"));
    let Ok(pids) = std::fs::read_to_string(dir.join("pids")) else { return };
    let mut asked = Vec::new();
    for pid in pids.lines().filter_map(|line| line.parse::<i32>().ok()) {
        let words = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let program =
            String::from_utf8_lossy(words.split(|byte| *byte == 0).next().unwrap_or_default()).into_owned();
        if program.ends_with("anvil") || program.ends_with("offsetdata") {
            eprintln!("stopping {program} ({pid}), left behind by a start that was killed");
            let _ = kill(Pid::from_raw(pid), Signal::SIGTERM);
            asked.push(pid);
        }
    }
    for _ in 0..100 {
        asked.retain(|pid| kill(Pid::from_raw(*pid), None).is_ok());
        if asked.is_empty() {
            return;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    for pid in asked {
        let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
    }
}
