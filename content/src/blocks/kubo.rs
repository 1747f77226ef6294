//! A Kubo node by its RPC: blocks put and got, collections pinned. It trusts nothing that the node says: a block that is
//! stored is read back, and what is read is verified by the caller as everybody's is.
//!
//! `ipfs-api-backend-hyper` carries the requests. Its own calls are used where they say what is needed; where they lack
//! a parameter (`cid-codec`, `offline`, `timeout`), cannot carry a bearer token, or read an answer of any length, the
//! request is described here and sent through the same client. It knows http only: Kubo's RPC belongs on loopback or in
//! a private network, as whoever reaches it can do everything.

use std::fmt;
use std::io::Cursor;
use std::str::FromStr;
use std::time::Duration;

use futures::StreamExt;
use ipfs_api_backend_hyper::request::{self, ApiRequest};
use ipfs_api_backend_hyper::{Form, IpfsClient, TryFromUri};
use ipfs_api_prelude::Backend;
use offsetdata_protocol::cid::{Cid, DAG_CBOR, DAG_PB, verify_block};
use reqwest::Url;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::MAX_BLOCK_BYTES;
use crate::ContentError;

/// What one call may take; and, while a collection is pinned, the time between two signs of life.
const TIMEOUT: Duration = Duration::from_secs(30);
/// How long the node may look for a block among others.
const SEARCH: &str = "10s";
/// Longest answer that is no block: a line of JSON.
const MAX_ANSWER_BYTES: usize = 64 << 10;
/// Longest list of pins: some 500,000.
const MAX_PINS_BYTES: usize = 64 << 20;
/// Most of a node's words that an error repeats.
const MAX_WORDS: usize = 300;

/// Which Kubo node blocks are written to and read from.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct KuboSettings {
    /// RPC of a Kubo node, for example http://127.0.0.1:5001: blocks go there instead of into the directory, and are
    /// read from both. Whoever reaches this RPC can do everything: keep it on loopback or in a private network
    #[arg(long, global = true, env = "OFFSETDATA_KUBO", hide_env_values = true, value_name = "URL")]
    pub kubo: Option<String>,
    /// What the RPC asks for (API.Authorizations): bearer:TOKEN or basic:USER:PASSWORD. Prefer the environment:
    /// arguments are seen by other users
    #[arg(long, global = true, env = "OFFSETDATA_KUBO_AUTH", hide_env_values = true, value_name = "SECRET")]
    pub kubo_auth: Option<KuboAuth>,
    /// Keep in the directory too what goes to the Kubo node
    #[arg(long, global = true, env = "OFFSETDATA_KUBO_KEEP_LOCAL")]
    pub kubo_keep_local: bool,
}

/// Opens a Kubo RPC that asks for it. Never shown.
#[derive(Clone, PartialEq, Eq)]
pub enum KuboAuth {
    /// A token.
    Bearer(String),
    /// A user and a password.
    Basic(String, String),
}

impl FromStr for KuboAuth {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let plain = |text: &str| !text.is_empty() && text.chars().all(|c| c.is_ascii_graphic());
        match text.split_once(':') {
            Some(("bearer", token)) if plain(token) => Ok(Self::Bearer(token.to_owned())),
            Some(("basic", rest)) if plain(rest) => match rest.split_once(':') {
                Some((user, password)) => Ok(Self::Basic(user.to_owned(), password.to_owned())),
                None => Err("expected basic:USER:PASSWORD"),
            },
            _ => Err("expected bearer:TOKEN or basic:USER:PASSWORD"),
        }
    }
}

impl KuboAuth {
    /// The text that it was read from, for a program that is started with it.
    pub fn reveal(&self) -> String {
        match self {
            Self::Bearer(token) => format!("bearer:{token}"),
            Self::Basic(user, password) => format!("basic:{user}:{password}"),
        }
    }
}

impl fmt::Debug for KuboAuth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}

/// A Kubo node. Cheap to clone.
#[derive(Clone)]
pub struct Kubo {
    pub(super) url: String,
    client: IpfsClient,
    token: Option<String>,
}

impl fmt::Debug for Kubo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kubo").field("url", &self.url).finish_non_exhaustive()
    }
}

/// Where a node may look for a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Look {
    /// Among its own.
    Own,
    /// Among those of the nodes that it knows too.
    Network,
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct BlockPut {
    cid_codec: &'static str,
    mhtype: &'static str,
    pin: bool,
}

impl ApiRequest for BlockPut {
    const PATH: &'static str = "/block/put";
}

#[derive(Serialize)]
struct BlockGet<'a> {
    arg: &'a str,
    offline: bool,
    timeout: &'static str,
}

impl ApiRequest for BlockGet<'_> {
    const PATH: &'static str = "/block/get";
}

#[derive(Serialize)]
struct BlockStat<'a> {
    arg: &'a str,
    offline: bool,
}

impl ApiRequest for BlockStat<'_> {
    const PATH: &'static str = "/block/stat";
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Stored {
    key: String,
    size: u64,
}

/// One line while a collection is pinned.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Pinning {
    #[serde(default)]
    pins: Option<Vec<String>>,
    #[serde(default)]
    progress: Option<u64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Pinned {
    #[serde(default)]
    keys: std::collections::HashMap<String, serde::de::IgnoredAny>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Version {
    version: String,
}

impl Kubo {
    /// Names a node; nothing is asked yet.
    ///
    /// # Errors
    /// A URL that is not `http://HOST:PORT`, or that has a password in it.
    pub fn new(url: &str, auth: Option<&KuboAuth>) -> Result<Self, ContentError> {
        let refused = |reason: &str| ContentError::Kubo {
            url: "?".to_owned(),
            reason: reason.to_owned(),
            lasting: true,
        };
        let parsed =
            Url::parse(url).map_err(|_| refused("expected a URL, for example http://127.0.0.1:5001"))?;
        if parsed.scheme() != "http" {
            return Err(refused(
                "expected http: the RPC belongs on loopback or in a private network; reach another one through a tunnel",
            ));
        }
        if !parsed.username().is_empty() || parsed.password().is_some() {
            return Err(refused(
                "give the password as OFFSETDATA_KUBO_AUTH=basic:USER:PASSWORD, not in the URL",
            ));
        }
        if !matches!(parsed.path(), "" | "/" | "/api/v0" | "/api/v0/") || parsed.query().is_some() {
            return Err(refused("expected the host and port alone, for example http://127.0.0.1:5001"));
        }
        let base = parsed.origin().ascii_serialization();
        let client = IpfsClient::from_str(&base).map_err(|error| refused(&error.to_string()))?;
        let (client, token) = match auth {
            Some(KuboAuth::Basic(user, password)) => (client.with_credentials(user, password), None),
            Some(KuboAuth::Bearer(token)) => (client, Some(format!("Bearer {token}"))),
            None => (client, None),
        };
        Ok(Self { url: base, client, token })
    }

    /// The version that the node says it has: whether it answers and lets us in.
    ///
    /// # Errors
    /// No answer, or another one than Kubo's.
    pub async fn version(&self) -> Result<String, ContentError> {
        let answer: Version = self.ask(request::Version, None).await?;
        Ok(words(&answer.version))
    }

    /// A block of at most `max` bytes, not verified.
    pub(super) async fn read(&self, cid: &Cid, max: usize, look: Look) -> Result<Vec<u8>, ContentError> {
        let request = BlockGet { arg: &cid.to_string(), offline: look == Look::Own, timeout: SEARCH };
        match self.collect(request, None, max).await {
            Err(Failure::TooLong) => Err(ContentError::TooLarge { cid: *cid, max }),
            Err(Failure::Said(words)) if is_absence(&words) => Err(ContentError::NotFound { cid: *cid }),
            result => result.map_err(|failure| self.failed(failure)),
        }
    }

    /// Whether the node itself has a block.
    ///
    /// # Errors
    /// A node that does not answer.
    pub(crate) async fn has(&self, cid: &Cid) -> Result<bool, ContentError> {
        let name = cid.to_string();
        match self.collect(BlockStat { arg: &name, offline: true }, None, MAX_ANSWER_BYTES).await {
            Ok(_) => Ok(true),
            Err(Failure::Said(words)) if is_absence(&words) => Ok(false),
            Err(failure) => Err(self.failed(failure)),
        }
    }

    /// Stores a block, and reads it back. It is not pinned.
    pub(crate) async fn write(&self, cid: Cid, bytes: Vec<u8>) -> Result<(), ContentError> {
        let cid_codec = match cid.codec() {
            DAG_PB => "dag-pb",
            DAG_CBOR => "dag-cbor",
            _ => "raw",
        };
        let length = bytes.len();
        let mut form = Form::default();
        form.add_reader_file("data", Cursor::new(bytes), "block");
        let request = BlockPut { cid_codec, mhtype: "sha2-256", pin: false };
        let stored: Stored = self.ask(request, Some(form)).await?;
        if stored.key.parse::<Cid>().ok() != Some(cid) || stored.size != length as u64 {
            let words = words(&stored.key);
            return Err(self.lied(format!("was given {cid} and says that it stored {words}")));
        }
        let back = self.read(&cid, MAX_BLOCK_BYTES, Look::Own).await;
        match back.map(|bytes| verify_block(&cid, &bytes)) {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(self.lied(format!("gives other bytes for {cid} than it was given"))),
            Err(ContentError::NotFound { .. }) => {
                Err(self.lied(format!("says that it stored {cid}, and does not have it")))
            }
            Err(error) => Err(error),
        }
    }

    /// Keeps all that a block reaches from the node's garbage collection, or with `whole` false the block alone.
    /// `progress` is told how many blocks the node has walked.
    pub(crate) async fn pin(
        &self,
        cid: &Cid,
        whole: bool,
        progress: &mut (dyn FnMut(u64) + Send),
    ) -> Result<(), ContentError> {
        let name = cid.to_string();
        let request = request::PinAdd { key: &name, recursive: Some(whole), progress: true };
        let mut stream = self.send(request, None).map_err(|failure| self.failed(failure))?;
        let (mut line, mut done) = (Vec::new(), false);
        while let Some(part) = within(stream.next()).await.map_err(|failure| self.failed(failure))? {
            let part = match part.map_err(Failure::from) {
                Ok(part) => part,
                // What is kept whole is kept.
                Err(Failure::Said(words)) if !whole && words.contains("already pinned recursively") => {
                    return Ok(());
                }
                Err(failure) => return Err(self.failed(failure)),
            };
            for byte in part {
                if byte != b'\n' {
                    line.push(byte);
                    if line.len() > MAX_ANSWER_BYTES {
                        return Err(self.failed(Failure::TooLong));
                    }
                    continue;
                }
                let said = self.parse::<Pinning>(&std::mem::take(&mut line))?;
                if let Some(walked) = said.progress {
                    progress(walked);
                }
                done |= said
                    .pins
                    .is_some_and(|pins| pins.iter().any(|pin| pin.parse::<Cid>().ok() == Some(*cid)));
            }
        }
        if done { Ok(()) } else { Err(self.lied(format!("did not pin {cid}: it ended without saying so"))) }
    }

    /// Leaves a block and what it reaches to the node's garbage collection. Says whether it was pinned.
    pub(crate) async fn unpin(&self, cid: &Cid) -> Result<bool, ContentError> {
        let name = cid.to_string();
        let request = request::PinRm { key: &name, recursive: true };
        match self.collect(request, None, MAX_ANSWER_BYTES).await {
            Ok(_) => Ok(true),
            Err(Failure::Said(words)) if words.contains("not pinned") => Ok(false),
            Err(failure) => Err(self.failed(failure)),
        }
    }

    /// What is pinned with all that it reaches, by us or by others.
    ///
    /// # Errors
    /// A node that does not answer, or that has more pins than half a million.
    pub async fn pins(&self) -> Result<Vec<Cid>, ContentError> {
        let request = request::PinLs { key: None, typ: Some("recursive") };
        let answer =
            self.collect(request, None, MAX_PINS_BYTES).await.map_err(|failure| self.failed(failure))?;
        let mut pins: Vec<Cid> =
            self.parse::<Pinned>(&answer)?.keys.keys().filter_map(|key| key.parse().ok()).collect();
        pins.sort_unstable();
        Ok(pins)
    }

    /// Sends a request whose answer is one JSON object.
    async fn ask<A: DeserializeOwned>(
        &self,
        request: impl ApiRequest,
        form: Option<Form<'static>>,
    ) -> Result<A, ContentError> {
        let answer =
            self.collect(request, form, MAX_ANSWER_BYTES).await.map_err(|failure| self.failed(failure))?;
        self.parse(&answer)
    }

    /// Sends a request, and reads the whole answer where it has at most `max` bytes.
    async fn collect(
        &self,
        request: impl ApiRequest,
        form: Option<Form<'static>>,
        max: usize,
    ) -> Result<Vec<u8>, Failure> {
        let mut stream = self.send(request, form)?;
        let whole = async {
            let mut bytes = Vec::new();
            while let Some(part) = stream.next().await {
                let part = part?;
                if bytes.len() + part.len() > max {
                    return Err(Failure::TooLong);
                }
                bytes.extend_from_slice(&part);
            }
            Ok(bytes)
        };
        within(whole).await?
    }

    fn send(&self, request: impl ApiRequest, form: Option<Form<'static>>) -> Result<Answer, Failure> {
        let mut request = self.client.build_base_request(request, form)?;
        if let Some(token) = &self.token {
            // It was found to be printable when it was read.
            let value =
                token.as_str().try_into().map_err(|_| Failure::Odd("a token of odd letters".to_owned()))?;
            request.headers_mut().insert("authorization", value);
        }
        Ok(self.client.request_stream_bytes(request))
    }

    fn parse<A: DeserializeOwned>(&self, json: &[u8]) -> Result<A, ContentError> {
        serde_json::from_slice(json).map_err(|_| self.lied("gives an answer that is not Kubo's".to_owned()))
    }

    fn failed(&self, failure: Failure) -> ContentError {
        let (reason, lasting) = match failure {
            Failure::Said(words) => (format!("says {words:?}"), false),
            // No access, or no RPC: neither changes by asking again.
            Failure::Odd(words) => (format!("says {words:?}"), true),
            Failure::TooLong => ("gives a longer answer than it should".to_owned(), false),
            Failure::Late => (format!("does not answer within {} s", TIMEOUT.as_secs()), false),
            Failure::Unreachable(words) => (format!("does not answer: {words}"), false),
        };
        ContentError::Kubo { url: self.url.clone(), reason, lasting }
    }

    fn lied(&self, reason: String) -> ContentError {
        ContentError::Kubo { url: self.url.clone(), reason, lasting: false }
    }
}

type Answer = ipfs_api_prelude::BoxStream<bytes::Bytes, ipfs_api_backend_hyper::Error>;

/// Why there is no answer.
#[derive(Debug)]
enum Failure {
    /// The node said why, as Kubo does.
    Said(String),
    /// Something said why.
    Odd(String),
    TooLong,
    Late,
    Unreachable(String),
}

impl From<ipfs_api_backend_hyper::Error> for Failure {
    fn from(error: ipfs_api_backend_hyper::Error) -> Self {
        use ipfs_api_backend_hyper::Error;
        match error {
            Error::Api(error) => Self::Said(words(&error.message)),
            Error::IpfsClientError(ipfs_api_prelude::Error::UnrecognizedApiError(text)) => {
                Self::Odd(words(&text))
            }
            error => Self::Unreachable(words(&error.to_string())),
        }
    }
}

async fn within<T>(work: impl Future<Output = T>) -> Result<T, Failure> {
    tokio::time::timeout(TIMEOUT, work).await.map_err(|_| Failure::Late)
}

/// What a node says when it lacks a block: the RPC has no code for it.
fn is_absence(words: &str) -> bool {
    ["could not find", "not found", "context deadline exceeded"].iter().any(|part| words.contains(part))
}

/// A node's words, short and on one line.
fn words(text: &str) -> String {
    text.trim().chars().map(|c| if c.is_control() { ' ' } else { c }).take(MAX_WORDS).collect()
}
