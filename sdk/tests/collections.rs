//! A private collection on a real chain with the real contracts: published, sealed to a gateway, read, appended to, and
//! audited with every kind of block changed or missing.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use alloy::primitives::B256;
use futures::TryStreamExt;
use offsetdata_content::{Blocks, Collection, ContentError, Keys, PublishOptions, Published, Publisher};
use offsetdata_protocol::bindings::collections::CollectionRegistry::CollectionKeySealed;
use offsetdata_protocol::chunk::ChunkLimits;
use offsetdata_protocol::deployments::Deployment;
use offsetdata_protocol::ids::CollectionId;
use offsetdata_protocol::manifest::{Field, FieldKind, Manifest, Visibility};
use offsetdata_protocol::record::{Record, Value};
use offsetdata_protocol::seal::{CollectionPlace, SealedKey, SealingSecret};
use offsetdata_protocol::{Codec, Digest};
use offsetdata_sdk::audit::collection::{Question, audit};
use offsetdata_sdk::audit::{Report, State, Verdict};
use offsetdata_sdk::publishing::{self, Period, Terms};
use offsetdata_sdk::{Account, Chain, Reader, Recovery, SdkError, collections};

const RECORDS: u64 = 500;
const PREVIEW: u32 = 20;

/// An anvil on a free port; it ends with the test.
struct Anvil {
    url: String,
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

/// The contracts as they are deployed anywhere, by the script that deploys them.
async fn deployed() -> (Anvil, Chain) {
    let anvil = anvil();
    let deployer = Account::dev(0).unwrap().address().to_string();
    let status = Command::new("timeout")
        .arg("400")
        .arg(root().join("scripts/deploy"))
        .args(["--rpc-url", &anvil.url, "--unlocked", "--sender", &deployer])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .unwrap();
    assert!(status.success(), "scripts/deploy failed");
    let chain = Chain::connect(&anvil.url, Deployment::dev().unwrap()).await.unwrap();
    (anvil, chain)
}

fn record(n: u64) -> Record {
    Record::from_fields([("n", Value::from(n)), ("text", Value::from(format!("record {n}")))]).unwrap()
}

fn options(recovery: &Recovery, preview_records: u32) -> PublishOptions {
    PublishOptions {
        series: recovery.series,
        key: recovery.key.clone(),
        visibility: Visibility::Private,
        preview_records,
        limits: ChunkLimits { records: 64, ..ChunkLimits::default() },
        codec: Codec::Identity,
        fields: vec![Field::required("n", FieldKind::Integer), Field::required("text", FieldKind::Text)],
        licence: "CC-BY-4.0".into(),
        croissant: "{}".into(),
        quality_report: None,
    }
}

/// Records from `first` on, as a source of them gives them.
fn numbers(
    range: std::ops::Range<u64>,
) -> impl FnOnce(u64) -> Result<std::vec::IntoIter<Result<Record, SdkError>>, SdkError> {
    move |skip| Ok(range.skip(skip as usize).map(|n| Ok(record(n))).collect::<Vec<_>>().into_iter())
}

async fn publish(publisher: Publisher, range: std::ops::Range<u64>) -> Published {
    let mut seen = 0;
    let end = range.end;
    let published = publishing::publish(publisher, numbers(range), |there| seen = there).await.unwrap();
    assert_eq!(seen, end);
    published
}

fn only(report: &Report, about: &str) -> (State, String) {
    let found: Vec<_> = report.about(about).collect();
    assert_eq!(found.len(), 1, "{about}: {found:#?}");
    (found[0].state, found[0].says.clone())
}

async fn look(chain: &Chain, blocks: &Blocks, id: CollectionId, question: &Question) -> Report {
    audit(chain, blocks, id, question, |_, _| {}).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_private_collection_from_its_publisher_to_its_auditor() {
    let (_anvil, chain) = deployed().await;
    let folder = tempfile::tempdir().unwrap();
    let store = folder.path().join("blocks");
    let (publisher, stranger) = (Account::dev(1).unwrap(), Account::dev(6).unwrap());
    let file = folder.path().join("numbers.recovery.json");
    let (recovery, _) = Recovery::read_or_write(&file, "Numbers").unwrap();
    let blocks = Blocks::directory(&store).unwrap();
    let begin = Publisher::new(blocks.clone(), options(&recovery, PREVIEW)).unwrap();
    let published = publish(begin.resume(Digest::of(b"numbers")).await.unwrap(), 0..RECORDS).await;
    let (id, receipt) =
        collections::register(&chain, &publisher, &published, None, B256::ZERO).await.unwrap();
    assert!(receipt.is_some());
    assert_eq!(collections::list(&chain, Some(publisher.address())).await.unwrap()[0].0, id);
    assert!(collections::list(&chain, Some(stranger.address())).await.unwrap().is_empty());

    sold(&chain, &publisher, &stranger, id, &recovery).await;
    read(&chain, &blocks, id, &recovery).await;
    let newer = appended(&chain, &publisher, &stranger, &blocks, id, &recovery).await;
    audited(&chain, &blocks, &store, id, newer, &recovery).await;
}

/// Offers, and the key on chain as a gateway finds it.
async fn sold(chain: &Chain, publisher: &Account, stranger: &Account, id: CollectionId, recovery: &Recovery) {
    let right = collections::RIGHT_READ;
    let nothing = publishing::set_offer(chain, publisher, id, right, Terms::default()).await;
    assert!(matches!(nothing, Err(SdkError::Terms(_))));
    let period = Some(Period { price: 1000, seconds: 3600, refund_seconds: 60 });
    let terms = Terms { per_record: Some(5), period, ..Terms::default() };
    publishing::set_offer(chain, publisher, id, right, terms).await.unwrap();
    let refused = publishing::set_offer(chain, stranger, id, right, terms).await;
    assert!(matches!(refused, Err(SdkError::Refused { .. })), "{refused:?}");

    let gateway = SealingSecret::from_bytes([5; 32]);
    let public = gateway.public_key().unwrap();
    assert!(!publishing::is_sealed_to(chain, id, &public).await.unwrap());
    publishing::seal_key(chain, publisher, id, &recovery.key, &public).await.unwrap();
    assert!(publishing::is_sealed_to(chain, id, &public).await.unwrap());
    let registry = chain.deployment().collection_registry;
    let events = chain.events::<CollectionKeySealed>(registry, id.0).await.unwrap();
    let sealed = SealedKey(events[0].0.sealedKey.to_vec().try_into().unwrap());
    let place = CollectionPlace { chain_id: chain.deployment().chain_id, collection: id };
    assert_eq!(place.open(&sealed, &gateway).unwrap(), recovery.key);
}

async fn read(chain: &Chain, blocks: &Blocks, id: CollectionId, recovery: &Recovery) {
    let keys = Keys::Collection(recovery.key.clone());
    let owner = Reader::open(chain, blocks.clone(), id, keys).await.unwrap();
    let all: Vec<(u32, Record)> = owner.records(0..500).try_collect().await.unwrap();
    assert_eq!(all.len(), 500);
    assert!(
        all.iter().enumerate().all(|(i, (index, found))| *index == i as u32 && *found == record(i as u64))
    );
    let some: Vec<(u32, Record)> = owner.records(83..86).try_collect().await.unwrap();
    assert_eq!(some.iter().map(|(index, _)| *index).collect::<Vec<_>>(), [83, 84, 85]);
    for index in [0, 84, 499] {
        let proven = owner.record(index).await.unwrap();
        assert_eq!(proven.record, record(index.into()));
        let leaf = Digest(proven.leaf.0);
        assert!(collections::verify_record(chain, id, index, leaf, &proven.proof).await.unwrap().0);
        assert!(!collections::verify_record(chain, id, index + 1, leaf, &proven.proof).await.unwrap().0);
    }
    // Without a key there is the preview, and whatever a gateway gives.
    let anyone = Reader::open(chain, blocks.clone(), id, Keys::Published).await.unwrap();
    let preview: Vec<_> = anyone.records(0..PREVIEW).try_collect().await.unwrap();
    assert_eq!(preview.len(), 20);
    let refused: Result<Vec<_>, _> = anyone.records(0..PREVIEW + 1).try_collect().await;
    assert!(matches!(refused, Err(SdkError::Content(ContentError::NoKey { ordinal: 1 }))));
    let secrets = owner.content().clone();
    let bought = anyone.records_with(100..300, move |ordinal| {
        let secret = secrets.secret(ordinal).map_err(SdkError::from);
        async move { secret }
    });
    assert_eq!(bought.try_collect::<Vec<_>>().await.unwrap().len(), 200);
    let past: Result<Vec<_>, _> = anyone.records(499..501).try_collect().await;
    assert!(matches!(past, Err(SdkError::Content(ContentError::NoSuchRecord { .. }))));
}

async fn appended(
    chain: &Chain,
    publisher: &Account,
    stranger: &Account,
    blocks: &Blocks,
    id: CollectionId,
    recovery: &Recovery,
) -> CollectionId {
    let on_chain = collections::facts(chain, id).await.unwrap().on_chain;
    let older = Collection::open(blocks.clone(), on_chain).await.unwrap();
    let next = Publisher::append(blocks.clone(), options(recovery, 0), &older).unwrap();
    let published = publish(next, RECORDS..700).await;
    let (newer, _) = collections::register(chain, publisher, &published, Some(id), B256::ZERO).await.unwrap();
    let on_chain = collections::facts(chain, newer).await.unwrap().on_chain;
    let content = Collection::open(blocks.clone(), on_chain).await.unwrap();
    // Not proven on chain yet, but by the pages.
    let report = look(chain, blocks, newer, &Question { skip_scan: true, ..Question::default() }).await;
    let (state, says) = only(&report, "versions");
    assert!(state == State::Proven && says.contains("not proven on chain"), "{says}");
    assert!(publishing::prove_append(chain, stranger, newer, &older, &older).await.is_err());
    publishing::prove_append(chain, stranger, newer, &content, &older).await.unwrap();
    newer
}

async fn audited(
    chain: &Chain,
    blocks: &Blocks,
    store: &Path,
    id: CollectionId,
    newer: CollectionId,
    recovery: &Recovery,
) {
    let question = Question {
        keys: Keys::Collection(recovery.key.clone()),
        indices: vec![0, 333, 499],
        ranges: vec![60..90, 0..500],
        skip_scan: false,
    };
    let theirs = Blocks::remote().with_directory(store).unwrap();
    let report = look(chain, &theirs, id, &question).await;
    assert_eq!(report.verdict(), Verdict::Ok, "{report:#?}");
    for about in ["registration", "manifest", "pages", "licence", "record 0", "record 333", "record 499"] {
        assert_eq!(only(&report, about).0, State::Proven, "{about}");
    }
    assert!(only(&report, "records").1.starts_with("500 of 500"));
    assert_eq!(only(&report, "range 60..90").1, "is in chunks 1 to 2");
    assert_eq!(only(&report, "versions").0, State::Stated, "the later version is only named");
    assert_eq!(only(&report, "gateways").0, State::Stated);
    let later = look(chain, &theirs, newer, &question).await;
    assert!(only(&later, "versions").1.contains("the contract checked"));

    // Without the key, what is closed is said, and a record that nobody can open is no pass.
    let closed = look(chain, &theirs, id, &Question::default()).await;
    assert_eq!(closed.verdict(), Verdict::Ok);
    let states: Vec<State> = closed.about("records").map(|finding| finding.state).collect();
    assert_eq!(states, [State::Proven, State::Closed]);
    let asked = look(chain, &theirs, id, &Question { indices: vec![5, 300], ..Question::default() }).await;
    assert_eq!(
        (only(&asked, "record 5").0, only(&asked, "record 300").0),
        (State::Proven, State::Unavailable)
    );
    assert_eq!(asked.verdict(), Verdict::Unavailable);
    let beyond = look(chain, &theirs, id, &Question { indices: vec![500], ..Question::default() }).await;
    assert_eq!((only(&beyond, "record 500").0, beyond.verdict()), (State::Failed, Verdict::Failed));

    // Each kind of block, changed by one byte and missing.
    let on_chain = collections::facts(chain, id).await.unwrap().on_chain;
    let content = Collection::open(blocks.clone(), on_chain).await.unwrap();
    let manifest = Manifest::cid(on_chain.manifest_digest);
    let (page, chunk) = (content.manifest().pages[0].cid, content.chunks()[6].cid);
    for (cid, about) in [(manifest, "manifest"), (page, "pages"), (chunk, "chunks")] {
        let name = cid.to_string();
        let file = store.join(&name[name.len() - 2..]).join(&name);
        let whole = std::fs::read(&file).unwrap();
        for at in [0, whole.len() / 2, whole.len() - 1] {
            let mut changed = whole.clone();
            changed[at] ^= 1;
            std::fs::write(&file, &changed).unwrap();
            for question in [&question, &Question::default()] {
                let report = look(chain, &theirs, id, question).await;
                assert_eq!(report.verdict(), Verdict::Failed, "{about} at {at}");
                let found = report.about(about).find(|finding| finding.state == State::Failed).unwrap();
                assert!(found.says.contains(&name), "{}", found.says);
                assert_eq!(found.data["actual"], Digest::of(&changed).to_string());
            }
            let reader = Reader::open(chain, theirs.clone(), id, question.keys.clone()).await;
            let refused = match reader {
                Ok(reader) => reader.records(0..500).try_collect::<Vec<_>>().await.map(|_| ()),
                Err(error) => Err(error),
            };
            assert!(
                matches!(refused, Err(SdkError::Content(ContentError::Changed { cid: c, .. })) if c == cid)
            );
        }
        std::fs::remove_file(&file).unwrap();
        let report = look(chain, &theirs, id, &question).await;
        assert_eq!(report.verdict(), Verdict::Unavailable, "{about} is missing: {report:#?}");
        assert!(report.about(about).any(|finding| finding.says.contains("UNAVAILABLE")));
        std::fs::write(&file, &whole).unwrap();
    }
    assert_eq!(look(chain, &theirs, id, &question).await.verdict(), Verdict::Ok);
    let unknown = audit(chain, &theirs, CollectionId(B256::repeat_byte(9)), &question, |_, _| {}).await;
    assert!(matches!(unknown, Err(SdkError::Unknown { .. })));
}
