//! A whole network on loopback for the tests beside it: anvil with the contracts, the indexer, the relayer, and a worker
//! that signs what it is told. All parts are the real ones; the worker trains nothing, as no test here needs weights.
#![allow(dead_code, unused_imports, reason = "each test uses a part of it")]

#[path = "../../../store/tests/support/database.rs"]
pub(crate) mod database;
pub(crate) mod faults;
mod worker;

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use alloy::primitives::{Address, B256, U256};
use alloy::signers::local::PrivateKeySigner;
use clap::Parser;
use offsetdata_protocol::Digest;
use offsetdata_protocol::bindings::collections::{CollectionRegistry, CollectionTerms};
use offsetdata_protocol::bindings::models::MethodTerms;
use offsetdata_protocol::cid::RAW;
use offsetdata_protocol::deployments::Deployment;
use offsetdata_protocol::ids::{BaseId, CollectionId, MethodId, ModelId, ProjectId};
use offsetdata_sdk::models::{self, Metadata, ModelTerms};
use offsetdata_sdk::training::{self, Terms, TrainingPlan};
use offsetdata_sdk::{Account, Chain, Relayer, collections, token};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::task::JoinHandle;
pub(crate) use worker::{Worker, points, problem};

pub(crate) const HYPERPARAMETERS: &str = r#"{"epochs":3}"#;
const POLL: &str = "--poll-milliseconds";
pub(crate) const TRAINER: B256 = B256::repeat_byte(0x77);

/// An anvil on a free port; it ends with the test.
pub(crate) struct Anvil {
    pub(crate) url: String,
    process: Child,
}

impl Drop for Anvil {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().unwrap()
}

fn anvil() -> Anvil {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    folders.push(root().join(".tools/bin"));
    let program = folders.into_iter().map(|folder| folder.join("anvil")).find(|file| file.is_file());
    let mut process = Command::new(program.expect("anvil is not there: run scripts/setup"))
        .args(["--host", "127.0.0.1", "--port", "0", "--slots-in-an-epoch", "1"])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(process.stdout.take().unwrap()).lines().map(|line| line.unwrap());
    let listening = lines.find_map(|line| line.strip_prefix("Listening on ").map(str::to_owned)).unwrap();
    // Whoever does not read blocks the writer in the end.
    std::thread::spawn(move || lines.for_each(drop));
    Anvil { url: format!("http://{}", listening.trim()), process }
}

#[derive(clap::Parser)]
pub(crate) struct RelayerArguments {
    #[command(flatten)]
    pub(crate) config: offsetdata_relayer::Config,
}

#[derive(clap::Parser)]
struct IndexerArguments {
    #[command(flatten)]
    config: offsetdata_indexer::Config,
}

const ARGUMENTS: &str = "OFFSETDATA_TEST_RELAYER";

/// Not a test: what [`Network::start_relayer`] starts as a process, so that it can be killed like one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "the relayer of the other tests, in a process of its own"]
async fn a_relayer_of_its_own() {
    // Who runs all ignored tests runs this one too, and means no relayer.
    serve_relayer().await;
}

/// Runs the relayer where this process was started to be one. Whether it was.
pub(crate) async fn serve_relayer() -> bool {
    let Ok(arguments) = std::env::var(ARGUMENTS) else { return false };
    let arguments: Vec<String> = serde_json::from_str(&arguments).unwrap();
    let config = RelayerArguments::parse_from(arguments).config;
    offsetdata_relayer::run(config, std::future::pending()).await.unwrap();
    true
}

/// A process that is killed with the test, or before.
pub(crate) struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A service that runs in the background until it is told to stop.
pub(crate) struct Running {
    task: JoinHandle<()>,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// The whole network.
pub(crate) struct Network {
    anvil: Anvil,
    pub(crate) chain: Chain,
    pub(crate) folder: TempDir,
    pub(crate) relayer_url: String,
    indexer: Running,
    relayer: Option<Process>,
    settings: Vec<String>,
    port: u16,
    /// What the relayer is told to ask instead of the node itself.
    rpc: Option<String>,
}

/// A base with one method, for which the relayer schedules and one worker works.
pub(crate) struct Offered {
    pub(crate) base: BaseId,
    pub(crate) method: MethodId,
}

impl Network {
    /// Everything runs; `settings` are further arguments of the relayer.
    pub(crate) async fn start(settings: &[&str]) -> Self {
        let anvil = anvil();
        let deployer = account(0).address().to_string();
        let deployed = Command::new("timeout")
            .arg("400")
            .arg(root().join("scripts/deploy"))
            .args(["--rpc-url", &anvil.url, "--unlocked", "--sender", &deployer])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .unwrap();
        assert!(deployed.success(), "scripts/deploy failed");
        let deployment = Deployment::dev().unwrap();
        let chain = Chain::connect(&anvil.url, deployment.clone()).await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("deployment.json"), serde_json::to_string(&deployment).unwrap())
            .unwrap();
        let indexer = {
            let arguments = arguments(&anvil.url, &folder, &["--listen", "127.0.0.1:0", "--poll-ms", "50"]);
            let config = IndexerArguments::parse_from(arguments).config;
            let run = offsetdata_indexer::run(config, std::future::pending());
            Running { task: tokio::spawn(async move { run.await.unwrap() }) }
        };
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut network = Self {
            anvil,
            chain,
            folder,
            relayer_url: format!("http://127.0.0.1:{port}"),
            indexer,
            relayer: None,
            settings: settings.iter().map(|text| (*text).to_owned()).collect(),
            port,
            rpc: None,
        };
        network.start_relayer().await;
        network
    }

    /// Further settings, from the next start on.
    pub(crate) fn add_settings(&mut self, settings: &[&str]) {
        self.settings.extend(settings.iter().map(|text| (*text).to_owned()));
    }

    /// What the relayer is started with.
    pub(crate) fn config(&self) -> RelayerArguments {
        RelayerArguments::parse_from(self.relayer_arguments(self.port))
    }

    fn relayer_arguments(&self, port: u16) -> Vec<String> {
        let listen = format!("127.0.0.1:{port}");
        let artifacts = self.folder.path().join("artifacts").display().to_string();
        let key = account(5).signer().to_bytes().to_string();
        let mut own = vec!["--listen", &listen, "--artifacts", &artifacts];
        if !self.settings.iter().any(|text| text == POLL) {
            own.extend([POLL, "50"]);
        }
        own.extend(["--scheduler-key", &key, "--signer-lease-seconds", "2"]);
        own.extend(self.settings.iter().map(String::as_str));
        arguments(self.rpc.as_deref().unwrap_or(&self.anvil.url), &self.folder, &own)
    }

    pub(crate) async fn start_relayer(&mut self) {
        self.relayer = Some(self.relayer_at(self.port));
        self.until("the relayer answers", || async {
            reqwest::get(format!("{}/ready", self.relayer_url)).await.is_ok_and(|a| a.status().is_success())
        })
        .await;
    }

    /// One more relayer with the same settings on the same database.
    pub(crate) fn relayer_at(&self, port: u16) -> Process {
        let arguments = self.relayer_arguments(port);
        let log = self.folder.path().join("relayer.log");
        let log = std::fs::OpenOptions::new().create(true).append(true).open(log).unwrap();
        let process = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "network::a_relayer_of_its_own", "--ignored", "--nocapture"])
            .env(ARGUMENTS, serde_json::to_string(&arguments).unwrap())
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        Process(process)
    }

    /// `STOP` takes the relayer's time away, `CONT` gives it back.
    pub(crate) fn signal_relayer(&self, name: &str) {
        let id = self.relayer.as_ref().unwrap().0.id().to_string();
        assert!(Command::new("kill").args([&format!("-{name}"), &id]).status().unwrap().success());
    }

    /// Kills the relayer (SIGKILL) in the middle of whatever it does.
    pub(crate) fn kill_relayer(&mut self) {
        self.relayer = None;
    }

    /// The relayer asks these endpoints from its next start on.
    pub(crate) fn behind(&mut self, urls: &str) {
        self.rpc = Some(urls.to_owned());
    }

    pub(crate) async fn restart_behind(&mut self, urls: &str) {
        self.kill_relayer();
        self.behind(urls);
        self.start_relayer().await;
    }

    /// The node itself.
    pub(crate) fn node(&self) -> &str {
        &self.anvil.url
    }

    pub(crate) fn database(&self) -> String {
        database::url_in(self.folder.path())
    }

    /// Tells the node to do something.
    pub(crate) async fn call(&self, method: &'static str, parameters: Value) -> Value {
        use alloy::providers::Provider;
        let answer = self.chain.provider().raw_request::<Value, Value>(method.into(), parameters).await;
        answer.unwrap_or_else(|error| panic!("{method}: {error}"))
    }

    pub(crate) async fn client(&self) -> Relayer {
        Relayer::connect(&self.relayer_url, &self.chain).await.unwrap()
    }

    /// The chain, where the relayer pays.
    pub(crate) async fn sponsored(&self) -> Chain {
        self.chain.with_sponsor(self.client().await).unwrap()
    }

    pub(crate) async fn until<F, C>(&self, what: &str, condition: C)
    where
        C: Fn() -> F,
        F: Future<Output = bool>,
    {
        for _ in 0..1200 {
            if condition().await {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let transactions = reqwest::get(format!("{}/v1/transactions?limit=20", self.relayer_url)).await;
        let told = match transactions {
            Ok(answer) => answer.text().await.unwrap_or_default(),
            Err(error) => error.to_string(),
        };
        panic!("waited in vain: {what}; the relayer's transactions: {told}");
    }

    pub(crate) async fn offer(&self) -> Offered {
        let developer = account(3);
        let metadata = Metadata { digest: Digest::of(b"base"), uri: String::new() };
        let base = models::publish_base(&self.chain, &developer, &metadata, B256::ZERO).await.unwrap();
        let terms = MethodTerms {
            unitPrice: 2,
            maxUnitsPerSecond: 1_000_000,
            holdbackBps: 1000,
            intake: models::INTAKE_COLLECTION,
            scheduler: account(5).address(),
            trainerDigest: TRAINER,
            schemaDigest: B256::ZERO,
        };
        let method = models::offer_method(&self.chain, &developer, base, "test", terms).await.unwrap();
        let workers = vec![account(4).address()];
        models::set_workers(&self.chain, &developer, base, workers, true).await.unwrap();
        Offered { base, method }
    }

    pub(crate) async fn collection(&self) -> CollectionId {
        let publisher = account(1);
        let terms = CollectionTerms {
            contentRoot: B256::repeat_byte(1),
            recordCount: 10,
            manifestDigest: B256::repeat_byte(2),
            previous: B256::ZERO,
            policyDigest: B256::ZERO,
            sharesRoot: B256::ZERO,
            salt: B256::ZERO,
        };
        let registry = self.chain.deployment().collection_registry;
        let id_call =
            CollectionRegistry::collectionIdOfCall { registrant: publisher.address(), terms: terms.clone() };
        let id = CollectionId(self.chain.call(registry, &id_call).await.unwrap());
        self.chain.send(&publisher, registry, &CollectionRegistry::registerCall { terms }).await.unwrap();
        collections::offer_training(&self.chain, &publisher, id, 3).await.unwrap();
        id
    }

    pub(crate) async fn model(&self, chain: &Chain, owner: &Account, base: BaseId) -> ModelId {
        let metadata = Metadata { digest: Digest::of(b"mine"), uri: String::new() };
        let project: ProjectId = models::create_project(chain, owner, &metadata, B256::ZERO).await.unwrap();
        let terms =
            ModelTerms { project, base, public: false, allowed: Vec::new(), metadata, salt: B256::ZERO };
        models::request_model(chain, owner, &terms).await.unwrap()
    }

    /// Requests a training of a model and waits until the relayer has it in its queue.
    pub(crate) async fn train(
        &self,
        chain: &Chain,
        user: &Account,
        model: ModelId,
        method: MethodId,
        collection: CollectionId,
    ) -> Terms {
        self.train_salted(chain, user, model, method, collection, 0).await
    }

    /// One of several requests with the same terms.
    pub(crate) async fn train_salted(
        &self,
        chain: &Chain,
        user: &Account,
        model: ModelId,
        method: MethodId,
        collection: CollectionId,
        salt: u32,
    ) -> Terms {
        let blocks = offsetdata_content::Blocks::directory(self.folder.path().join("blocks")).unwrap();
        blocks.put(RAW, HYPERPARAMETERS.as_bytes()).await.unwrap();
        let plan = TrainingPlan {
            model,
            method,
            inputs: vec![collection.into()],
            hyperparameters: HYPERPARAMETERS.into(),
            seed: B256::ZERO,
            split_seed: B256::ZERO,
            validation_bps: 1000,
            test_bps: 1000,
            unit_limit: 1000,
            relay_fee: 5,
            relay_fee_cap: 20,
            start_within: 3000,
            end_within: 6000,
            parent: None,
            salt: U256::from(salt).into(),
        };
        let terms = training::prepare(chain, user.address(), &plan).await.unwrap();
        training::request(chain, user, &terms).await.unwrap();
        terms
    }

    pub(crate) async fn fund(&self, to: Address) {
        token::mint(&self.chain, &account(0), to, U256::from(1_000_000)).await.unwrap();
    }

    /// The body of a page that has to answer well.
    pub(crate) async fn page(&self, path: &str) -> String {
        let answer = reqwest::get(format!("{}{path}", self.relayer_url)).await.unwrap();
        assert!(answer.status().is_success(), "{path}: {}", answer.status());
        answer.text().await.unwrap()
    }

    pub(crate) async fn job(&self, request: impl std::fmt::Display) -> Option<Value> {
        let jobs: Vec<Value> = serde_json::from_str(&self.page("/v1/jobs").await).unwrap();
        jobs.into_iter().find(|job| job["request"] == json!(request.to_string()))
    }
}

/// A development account.
pub(crate) fn account(index: u32) -> Account {
    Account::dev(index).unwrap()
}

/// An account that nobody gave ETH.
pub(crate) fn poor() -> Account {
    Account::from_key(&PrivateKeySigner::random().to_bytes().to_string()).unwrap()
}

fn arguments(rpc: &str, folder: &TempDir, own: &[&str]) -> Vec<String> {
    let path = |name: &str| folder.path().join(name).display().to_string();
    let mut all = vec!["service".to_owned(), "--rpc-url".to_owned(), rpc.to_owned()];
    for (name, value) in [
        ("--database-url", database::url_in(folder.path())),
        ("--deployment", path("deployment.json")),
        ("--blocks", path("blocks")),
    ] {
        all.extend([name.to_owned(), value]);
    }
    all.extend(own.iter().map(|text| (*text).to_owned()));
    all
}
