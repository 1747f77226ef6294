//! A client of server-sent events over real HTTP.

use std::time::Duration;

use alloy::transports::http::reqwest::{Client, Response};
use serde_json::Value;

/// One event as it came.
#[derive(Debug, Clone, PartialEq)]
pub struct Heard {
    pub id: String,
    pub name: String,
    pub data: Value,
}

impl Heard {
    pub fn position(&self) -> i64 {
        self.data["position"].as_str().unwrap().parse().unwrap()
    }
}

pub struct Stream {
    response: Response,
    buffer: String,
    pub comments: usize,
}

impl Stream {
    /// Opens a stream; `last` is the id of the last event that the client has.
    pub async fn open(client: &Client, url: &str, last: Option<&str>) -> Self {
        let response = ask(client, url, last).await;
        assert_eq!(response.status(), 200, "{url}");
        assert!(response.headers()["content-type"].to_str().unwrap().starts_with("text/event-stream"));
        Self { response, buffer: String::new(), comments: 0 }
    }

    /// The next event; `None` when the stream ended.
    pub async fn next(&mut self) -> Option<Heard> {
        tokio::time::timeout(Duration::from_secs(30), self.read()).await.expect("an event within 30 s")
    }

    async fn read(&mut self) -> Option<Heard> {
        loop {
            while let Some((block, rest)) = self.buffer.split_once("\n\n") {
                let (block, rest) = (block.to_owned(), rest.to_owned());
                self.buffer = rest;
                match parse(&block) {
                    Some(heard) => return Some(heard),
                    None => self.comments += 1,
                }
            }
            match self.response.chunk().await {
                Ok(Some(bytes)) => self.buffer += std::str::from_utf8(&bytes).unwrap(),
                Ok(None) | Err(_) => return None,
            }
        }
    }

    /// Whether nothing comes for a while.
    pub async fn is_quiet(&mut self, wait: Duration) -> bool {
        tokio::time::timeout(wait, self.read()).await.is_err()
    }

    /// Everything until the stream ends.
    pub async fn rest(&mut self) -> Vec<Heard> {
        let mut all = Vec::new();
        while let Some(heard) = self.next().await {
            all.push(heard);
        }
        all
    }
}

/// Asks for a stream.
pub async fn ask(client: &Client, url: &str, last: Option<&str>) -> Response {
    let mut request = client.get(url);
    if let Some(last) = last {
        request = request.header("last-event-id", last);
    }
    request.send().await.unwrap()
}

fn parse(block: &str) -> Option<Heard> {
    let field = |name: &str| block.lines().find_map(|line| line.strip_prefix(name)).map(str::to_owned);
    let data = field("data: ")?;
    Some(Heard {
        id: field("id: ").expect("every event has an id"),
        name: field("event: ").expect("every event has a name"),
        data: serde_json::from_str(&data).unwrap(),
    })
}

/// What a client holds after it heard all of this: a rollback takes back what is beyond its place.
pub fn folded(all: &[Heard]) -> Vec<Heard> {
    let mut held: Vec<Heard> = Vec::new();
    for heard in all {
        if heard.name == "rollback" {
            held.retain(|one| one.position() <= heard.position());
        } else {
            held.push(heard.clone());
        }
    }
    held
}
