//! Databases for tests: SQLite in a file, and PostgreSQL in a server that lives as long as the test program. It asserts nothing.

#![allow(dead_code, reason = "each test program uses a part of it")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, unreachable_pub)]

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, OnceLock};

use offsetdata_store::{Pool, connect, migrate};

/// `postgres` has tests that can do with either use PostgreSQL; otherwise they use SQLite.
const WHICH: &str = "OFFSETDATA_TEST_DATABASE";

/// A database of one test, with the schema in it.
pub struct Database {
    pub pool: Pool,
    pub url: String,
    _folder: Option<tempfile::TempDir>,
}

impl Database {
    /// A file in a folder that goes with it.
    pub async fn sqlite() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", folder.path().join("test.db").display());
        Self::open(url, Some(folder)).await
    }

    /// A database of its own in the server of this test program, or why there is none.
    pub async fn postgres() -> Result<Self, String> {
        let url = postgres_url()?;
        Ok(Self::open(url, None).await)
    }

    /// The one that the environment asks for. Asked for PostgreSQL, there has to be one.
    pub async fn new() -> Self {
        match std::env::var(WHICH).as_deref() {
            Ok("postgres") => Self::postgres().await.unwrap(),
            Err(_) | Ok("" | "sqlite") => Self::sqlite().await,
            Ok(other) => panic!("{WHICH}: expected sqlite or postgres, got {other:?}"),
        }
    }

    async fn open(url: String, folder: Option<tempfile::TempDir>) -> Self {
        let pool = connect(&url).await.unwrap();
        migrate(&pool).await.unwrap();
        Self { pool, url, _folder: folder }
    }
}

/// The database of a folder, for tests whose parts know no more of each other: a file in it, or one in the server whose URL is kept
/// in the folder. The environment says which.
pub fn url_in(folder: &Path) -> String {
    if std::env::var(WHICH).as_deref() != Ok("postgres") {
        return format!("sqlite:{}", folder.join("test.db").display());
    }
    let kept = folder.join("database-url");
    if let Ok(url) = std::fs::read_to_string(&kept) {
        return url;
    }
    let url = postgres_url().unwrap();
    std::fs::write(&kept, &url).unwrap();
    url
}

/// The URL of a new empty database in the server of this test program, or why there is no server.
pub fn postgres_url() -> Result<String, String> {
    static CLUSTER: OnceLock<Result<Mutex<Cluster>, String>> = OnceLock::new();
    let cluster = CLUSTER.get_or_init(|| Cluster::start().map(Mutex::new)).as_ref().map_err(String::clone)?;
    Ok(cluster.lock().unwrap_or_else(std::sync::PoisonError::into_inner).new_database())
}

/// Stops a process by `signal("STOP")` where it is not in the middle of a transaction: the lock of a file would stay with it, for as
/// long as it lives.
pub async fn stop_between_writes(pool: &Pool, signal: impl Fn(&str)) {
    for _ in 0..100 {
        signal("STOP");
        let writes = tokio::time::timeout(std::time::Duration::from_secs(1), pool.write()).await;
        if matches!(writes, Ok(Ok(_))) {
            return;
        }
        signal("CONT");
        tokio::time::sleep(std::time::Duration::from_millis(37)).await;
    }
    panic!("it is always writing");
}

/// Says that a test did not run, for `scripts/tally.py`: libtest knows only tests that are never run. Written past libtest, which
/// keeps what tests print.
pub fn skipped(test: &str, reason: &str) {
    let line = format!("\nskipped: {test}: {reason}\n");
    std::io::stdout().lock().write_all(line.as_bytes()).unwrap();
}

struct Cluster {
    programs: String,
    socket: String,
    made: u32,
    /// Its standard input is held open by this program, and closed with it in whichever way it ends: then the server ends too.
    _server: Child,
}

impl Cluster {
    fn start() -> Result<Self, String> {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../scripts/postgres");
        let there =
            Command::new(script).arg("where").stdin(Stdio::null()).output().map_err(|e| e.to_string())?;
        if !there.status.success() {
            return Err(String::from_utf8_lossy(&there.stderr).trim().to_owned());
        }
        // From here on a failure is one: the programs are there.
        let mut server = Command::new(script)
            .arg("throwaway")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(server.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let words: Vec<&str> = line.split_whitespace().collect();
        let ["ready", programs, socket] = words[..] else {
            panic!("scripts/postgres throwaway said {line:?}")
        };
        Ok(Self { programs: programs.into(), socket: socket.into(), made: 0, _server: server })
    }

    fn new_database(&mut self) -> String {
        self.made += 1;
        let name = format!("test_{}", self.made);
        let made = Command::new(Path::new(&self.programs).join("psql"))
            .args([
                "-h",
                &self.socket,
                "-U",
                "offsetdata",
                "-d",
                "postgres",
                "-qc",
                &format!("create database {name}"),
            ])
            .stdin(Stdio::null())
            .output()
            .unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        format!("postgres:///{name}?host={}&user=offsetdata", self.socket)
    }
}

/// Tests that run on both databases: functions that take a [`Database`].
#[allow(unused_macros, reason = "each test program uses a part of this file")]
macro_rules! on_both_databases {
    ($($test:ident,)*) => {
        mod sqlite {
            use super::database::Database;
            $(
                #[tokio::test]
                async fn $test() {
                    super::$test(Database::sqlite().await).await;
                }
            )*
        }

        mod postgres {
            use super::database::{Database, skipped};
            $(
                #[tokio::test]
                async fn $test() {
                    match Database::postgres().await {
                        Ok(database) => super::$test(database).await,
                        Err(reason) => skipped(concat!(module_path!(), "::", stringify!($test)), &reason),
                    }
                }
            )*
        }
    };
}
