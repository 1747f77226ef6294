//! PostgreSQL over TLS: a real server that takes nothing else, with a certificate of its own authority. Other properties of
//! the database are tested over a socket.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

#[path = "support/database.rs"]
mod database;

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::process::{Child, ChildStdin, Command, Stdio};

use offsetdata_store::{connect, migrate};

/// A server that ends with its standard input.
struct Server {
    folder: String,
    port: u16,
    _input: ChildStdin,
    _process: Child,
}

impl Server {
    /// Started, or the reason why it can't be.
    fn start() -> Result<Self, String> {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../scripts/postgres");
        let there = Command::new(script).arg("where").stdin(Stdio::null()).output().unwrap();
        if !there.status.success() {
            return Err(String::from_utf8_lossy(&there.stderr).trim().to_owned());
        }
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut process = Command::new(script)
            .arg("throwaway")
            .env("OFFSETDATA_POSTGRES_TLS", port.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let words: Vec<&str> = line.split_whitespace().collect();
        let ["ready", _, folder] = words[..] else { panic!("scripts/postgres throwaway said {line:?}") };
        Ok(Self { folder: folder.to_owned(), port, _input: process.stdin.take().unwrap(), _process: process })
    }

    fn url(&self, host: &str, query: &str) -> String {
        format!("postgres://offsetdata@{host}:{}/postgres?{query}", self.port)
    }
}

#[tokio::test]
async fn a_server_is_known_by_its_certificate() {
    let server = match Server::start() {
        Ok(server) => server,
        Err(reason) => return database::skipped("a_server_is_known_by_its_certificate", &reason),
    };
    let authority = format!("sslmode=verify-full&sslrootcert={}/ca.pem", server.folder);
    let pool = connect(&server.url("localhost", &authority)).await.unwrap();
    migrate(&pool).await.unwrap();
    let mut conn = pool.acquire().await.unwrap();
    let asked = "select ssl::text as ssl from pg_stat_ssl where pid = pg_backend_pid()";
    let row = sqlx::query(asked).fetch_one(&mut *conn).await.unwrap();
    assert_eq!(sqlx::Row::get::<String, _>(&row, "ssl"), "true");

    for (host, query) in [
        // Its certificate is for another name.
        ("127.0.0.1", authority.as_str()),
        // No authority that the world knows signed it.
        ("localhost", "sslmode=verify-full"),
        // The server takes nothing in the clear.
        ("localhost", "sslmode=disable"),
    ] {
        assert!(connect(&server.url(host, query)).await.is_err(), "{host} {query}");
    }
}
