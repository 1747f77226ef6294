//! A gateway in a process of its own, killed with -9 while it sells and settles: nothing is lost and nothing doubled.

use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use offsetdata_protocol::gateway_api::{KeyAnswer, KeyRequest, Refusal, Statement, Text, code};
use offsetdata_store::gateway::releases::ReleaseRow;

use crate::support::reader::Reader;
use crate::support::{PER_CHUNK, PRICE, RECORDS, World, config};

/// Folder, endpoint and address, for the process that serves.
const SERVE: &str = "OFFSETDATA_TEST_SERVE";
/// The process is known by the address that it listens on.
const OWN_URL: &str = "OFFSETDATA_TEST_OWN_URL";

/// Not a test by itself: this very program, started again by the test below, serves here until it is killed.
#[tokio::test]
async fn serves_when_it_is_started_to_be_killed() {
    let Ok(what) = std::env::var(SERVE) else { return };
    let [folder, rpc_url, listen] = <[&str; 3]>::try_from(what.split('\n').collect::<Vec<_>>()).unwrap();
    let mut config = config(folder.as_ref(), rpc_url);
    config.listen = listen.parse().unwrap();
    if std::env::var_os(OWN_URL).is_some() {
        config.public_url = None;
    }
    config.settlement.settle_seconds = 1;
    config.settlement.poll_milliseconds = 50;
    offsetdata_gateway::run(config, std::future::pending()).await.unwrap();
}

pub(super) struct Process(Child);

impl Process {
    pub(super) fn start(world: &World, listen: &str) -> Self {
        Self::of(Self::command(world, listen))
    }

    /// The same, known by the address that it listens on.
    pub(super) fn start_at(world: &World, listen: &str) -> Self {
        let mut command = Self::command(world, listen);
        command.env(OWN_URL, "1");
        Self::of(command)
    }

    fn of(mut command: Command) -> Self {
        Self(command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap())
    }

    fn command(world: &World, listen: &str) -> Command {
        let what = format!("{}\n{}\n{listen}", world.folder.path().display(), world.node.url);
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "cases::killing::serves_when_it_is_started_to_be_killed"]).env(SERVE, what);
        command
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // SIGKILL: it learns of nothing.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A key, however often the gateway dies meanwhile.
async fn insist(reader: &Reader, world: &World, chunk: u32, request: &KeyRequest) -> KeyAnswer {
    insist_at(&reader.url, reader, world, chunk, request).await
}

/// The same of the gateway at this URL.
pub(super) async fn insist_at(
    url: &str,
    reader: &Reader,
    world: &World,
    chunk: u32,
    request: &KeyRequest,
) -> KeyAnswer {
    let url = format!("{url}/v1/collections/{}/chunks/{chunk}/key", world.collection);
    for _ in 0..600 {
        let call = reader.client.post(&url).bearer_auth(&reader.token).json(request);
        if let Ok(answer) = call.send().await
            && let Ok(answer) = sound(answer).await
        {
            return answer;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("no key for chunk {chunk}");
}

/// Only what waiting helps against is waited for.
async fn sound(answer: reqwest::Response) -> Result<KeyAnswer, ()> {
    let success = answer.status().is_success();
    // The process may die in the middle of its answer.
    let Ok(text) = answer.text().await else { return Err(()) };
    if success {
        return serde_json::from_str(&text).map_err(drop);
    }
    let refusal: Refusal = serde_json::from_str(&text).unwrap();
    assert!([code::OVER_CREDIT, code::TRY_AGAIN].contains(&refusal.code.as_str()), "{refusal:?}");
    Err(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_again_and_again_it_loses_and_doubles_nothing() {
    let mut world = World::new().await;
    let mut reader = Reader::with_money(&world, 10_000, 10_000).await;
    world.stop().await;
    let listen = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    reader.url = format!("http://{listen}");
    let chunks = RECORDS.div_ceil(PER_CHUNK);
    let lane = reader.lane(1);
    let kills = AtomicU64::new(0);
    let reading = async {
        let (mut amount, mut records, mut answers) = (0, 0u64, Vec::new());
        for chunk in 0..chunks {
            let count = if chunk == chunks - 1 { RECORDS % PER_CHUNK } else { PER_CHUNK };
            amount += PRICE * u128::from(count);
            records += u64::from(count);
            let voucher = Some(reader.voucher(&world, lane, amount, records));
            let request = KeyRequest { reader_key: reader.reader_key(), voucher };
            let answer = insist(&reader, &world, chunk, &request).await;
            assert_eq!(insist(&reader, &world, chunk, &request).await, answer, "the same answer");
            answers.push((chunk, request, answer));
        }
        // What was sold stays sold, until it was killed often enough.
        while kills.load(Ordering::SeqCst) < 5 {
            for (chunk, request, answer) in &answers {
                assert_eq!(insist(&reader, &world, *chunk, request).await, *answer, "the same answer");
            }
        }
        (amount, answers)
    };
    let killing = async {
        loop {
            let process = Process::start(&world, &listen);
            let life = 500 + 130 * (kills.load(Ordering::SeqCst) % 9);
            tokio::time::sleep(Duration::from_millis(life)).await;
            drop(process);
            kills.fetch_add(1, Ordering::SeqCst);
        }
    };
    let (amount, answers) = tokio::select! {
        read = reading => read,
        () = killing => unreachable!(),
    };
    assert_eq!(amount, PRICE * u128::from(RECORDS));
    let charged: u128 = answers.iter().map(|(_, _, answer)| answer.release.charged.0).sum();
    assert_eq!(charged, amount);

    // What is left is settled after the last death, and the journal says the same as the chain.
    let context = world.bind().await;
    for round in 0..20 {
        context.settle_due(crate::support::now() + 5000 + 5000 * round).await.unwrap();
        world.node.mine(1).await;
    }
    assert_eq!(world.revenue().await, amount);
    assert_eq!(world.balance(reader.account.address()).await, 10_000 - amount);
    let statement: Statement = context.statement(reader.account.address(), world.collection).await.unwrap();
    assert_eq!((statement.total.charged, statement.total.open), (Text(amount), Text(0)));
    let mut conn = context.pool.acquire().await.unwrap();
    let rows: Vec<ReleaseRow> = offsetdata_store::select(&mut conn, "paid = 1", &[]).await.unwrap();
    assert_eq!(rows.len(), chunks as usize);
    drop(conn);
}
