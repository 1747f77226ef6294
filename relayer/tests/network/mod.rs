//! A whole network on loopback for the tests beside it: anvil with the contracts, the indexer, the relayer, and a worker
//! that signs what it is told. All parts are the real ones; the worker trains nothing, as no test here needs weights.
#![allow(dead_code, reason = "each test uses a part of it")]

#[path = "../../../store/tests/support/database.rs"]
pub(crate) mod database;
pub(crate) mod faults;

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use alloy::primitives::aliases::{U40, U48};
use alloy::primitives::{Address, B256, Bytes, U256};
use alloy::signers::SignerSync;
use alloy::signers::local::PrivateKeySigner;
use alloy::sol_types::SolStruct;
use clap::Parser;
use offsetdata_protocol::bindings::collections::{CollectionRegistry, CollectionTerms};
use offsetdata_protocol::bindings::models::MethodTerms;
use offsetdata_protocol::cid::RAW;
use offsetdata_protocol::deployments::Deployment;
use offsetdata_protocol::ids::{BaseId, CollectionId, MethodId, ModelId, ProjectId};
use offsetdata_protocol::messages::{WorkerHello, relay_domain};
use offsetdata_protocol::metrics::{MetricKey, MetricPoint, MetricValue, PointsBlock, series_root};
use offsetdata_protocol::worker_api::{
    ArtifactStored, CommitmentUpload, Finish, Hello, JobOffer, Problem, Welcome,
};
use offsetdata_protocol::{Digest, messages};
use offsetdata_sdk::models::{self, Metadata, ModelTerms};
use offsetdata_sdk::training::{self, Terms, TrainingPlan};
use offsetdata_sdk::{Account, Chain, Relayer, collections, token};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::task::JoinHandle;

pub(crate) const HYPERPARAMETERS: &str = r#"{"epochs":3}"#;
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
        let mut own = vec!["--listen", &listen, "--artifacts", &artifacts, "--poll-milliseconds", "50"];
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
        for _ in 0..600 {
            if condition().await {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("waited in vain: {what}");
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

/// A worker's session: it signs what a test tells it to.
pub(crate) struct Worker {
    pub(crate) account: Account,
    url: String,
    token: String,
    client: reqwest::Client,
    chain: Chain,
}

impl Worker {
    pub(crate) async fn open(network: &Network, account: Account) -> Self {
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let deployment = network.chain.deployment();
        let domain = relay_domain(deployment.chain_id, deployment.training_coordinator);
        let url = network.relayer_url.clone();
        for _ in 0..600 {
            let issued_at =
                std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
            let hello = WorkerHello {
                worker: account.address(),
                audience: url.clone(),
                issuedAt: U40::from(issued_at),
            };
            let signature =
                account.signer().sign_hash_sync(&hello.eip712_signing_hash(&domain)).unwrap().as_bytes();
            let body = Hello {
                worker: account.address(),
                trainers: vec![TRAINER],
                issued_at,
                signature: signature.to_vec().into(),
            };
            let answer = client.post(format!("{url}/v1/workers")).json(&body).send().await.unwrap();
            if answer.status().is_success() {
                let welcome: Welcome = answer.json().await.unwrap();
                let chain = network.chain.clone();
                return Self { account, url, token: welcome.token, client, chain };
            }
            // The index may not know the base yet, or a hello of this second was used.
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        panic!("no session");
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> reqwest::Response {
        let call = self.client.post(format!("{}{path}", self.url)).bearer_auth(&self.token);
        call.json(body).send().await.unwrap()
    }

    pub(crate) async fn get(&self, path: &str) -> reqwest::Response {
        self.client.get(format!("{}{path}", self.url)).bearer_auth(&self.token).send().await.unwrap()
    }

    pub(crate) async fn put(&self, path: &str, body: Vec<u8>) -> reqwest::Response {
        let call = self.client.put(format!("{}{path}", self.url)).bearer_auth(&self.token);
        call.body(body).send().await.unwrap()
    }

    pub(crate) async fn claim(&self) -> JobOffer {
        for _ in 0..10 {
            let answer = self.post("/v1/claim", &json!({ "waitSeconds": 10 })).await;
            if answer.status() == 200 {
                return answer.json().await.unwrap();
            }
            assert_eq!(answer.status(), 204);
        }
        panic!("no job");
    }

    /// Says nothing until the lease of that attempt has ended, then claims again.
    pub(crate) async fn claim_after_loss(&self, lost: u8) -> JobOffer {
        for _ in 0..100 {
            tokio::time::sleep(Duration::from_millis(100)).await;
            let jobs: Vec<Value> = self.get("/v1/jobs").await.json().await.unwrap();
            if jobs[0]["state"] == "queued" {
                break;
            }
        }
        let offer = self.claim().await;
        assert_eq!(offer.attempt, lost + 1);
        offer
    }

    fn sign(&self, message: &impl SolStruct) -> Bytes {
        let deployment = self.chain.deployment();
        let domain = messages::training_domain(deployment.chain_id, deployment.training_coordinator);
        let signed = self.account.signer().sign_hash_sync(&message.eip712_signing_hash(&domain)).unwrap();
        signed.as_bytes().to_vec().into()
    }

    /// A commitment over points `first … first + count − 1`, and the head after it.
    pub(crate) fn commitment(
        &self,
        offer: &JobOffer,
        sequence: u32,
        head: B256,
        first: u32,
        count: u32,
        units: u64,
    ) -> (CommitmentUpload, B256) {
        let points = PointsBlock::new(points(first, count)).unwrap().encode().unwrap();
        let message = messages::Commitment {
            request: offer.request,
            attempt: offer.attempt,
            sequence,
            previousHead: head,
            pointsDigest: Digest::of(&points).into(),
            pointCount: first + count,
            units: U48::from(units),
            lastValues: B256::ZERO,
        };
        let upload = CommitmentUpload {
            attempt: offer.attempt,
            sequence,
            previous_head: head,
            point_count: first + count,
            units,
            last_values: B256::ZERO,
            points: points.into(),
            signature: self.sign(&message),
        };
        (upload, message.eip712_hash_struct())
    }

    pub(crate) async fn commit(&self, offer: &JobOffer, upload: &CommitmentUpload) {
        let path = format!("/v1/jobs/{}/commitments", offer.request);
        let answer = self.post(&path, &json!(upload)).await;
        assert!(answer.status().is_success(), "{}", answer.text().await.unwrap());
    }

    /// Sends an artifact and the result over points `0 … count − 1`.
    pub(crate) async fn finish(
        &self,
        offer: &JobOffer,
        sequence: u32,
        head: B256,
        count: u32,
        units: u64,
        artifact: &[u8],
    ) -> Finish {
        let path = format!("/v1/jobs/{}/artifact?attempt={}", offer.request, offer.attempt);
        let stored: ArtifactStored = self.put(&path, artifact.to_vec()).await.json().await.unwrap();
        let cid = offsetdata_protocol::cid::parts(&stored.cid.parse().unwrap()).unwrap().1;
        let mut finish = Finish {
            attempt: offer.attempt,
            sequence,
            head,
            point_count: count,
            units,
            // Of the clear bytes, which the relayer does not have.
            artifact_digest: Digest::of(b"in the clear").into(),
            artifact_cid: cid.into(),
            series_root: series_root(&points(0, count)).unwrap().into(),
            inputs_root: B256::ZERO,
            result_values: B256::ZERO,
            signature: Bytes::new(),
        };
        let message = messages::Settlement {
            request: offer.request,
            attempt: finish.attempt,
            sequence,
            head,
            pointCount: count,
            units: U48::from(units),
            artifactDigest: finish.artifact_digest,
            artifactCid: finish.artifact_cid,
            seriesRoot: finish.series_root,
            inputsRoot: finish.inputs_root,
            resultValues: finish.result_values,
        };
        finish.signature = self.sign(&message);
        finish
    }
}

/// The points that every run measures.
pub(crate) fn points(first: u32, count: u32) -> Vec<MetricPoint> {
    (first..first + count)
        .map(|sequence| MetricPoint {
            sequence,
            step: sequence.into(),
            key: MetricKey::new("train/loss").unwrap(),
            value: MetricValue::from_f64(1.0 / f64::from(sequence + 1)),
        })
        .collect()
}

/// Status and word of a refusal.
pub(crate) async fn problem(answer: reqwest::Response) -> (u16, String) {
    let problem: Problem = answer.json().await.unwrap();
    (problem.status, problem.code)
}
