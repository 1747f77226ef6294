//! An indexer in a process of its own, killed with -9 again and again while the chain grows and reorganizes: in the end its rows are
//! those of an undisturbed run.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::time::Duration;

use offsetdata_indexer::verify_database;
use offsetdata_store::chain::blocks;
use support::node::Node;
use support::process::{Process, source};
use support::{deployment, events};

const KILLS: u64 = 10;
const SEED: u64 = 0x0ff5_e7da;

/// Not a test by itself: this very program, started again by the test below, indexes here until it is killed.
#[tokio::test]
async fn indexes_when_it_is_started_to_be_killed() {
    support::process::index_where_asked().await;
}

/// The next number of a fixed series (SplitMix64).
fn next(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// Blocks with events of all kinds, and a reorg now and then.
async fn grow(node: &Node, n: &mut u64, blocks: u64, seed: &mut u64) {
    let deployment = deployment(31_337, 0);
    for _ in 0..blocks {
        for _ in 0..3 {
            *n += 1;
            node.emit(deployment.collection_registry, &events::registered(*n)).await;
            node.emit(deployment.training_coordinator, &events::requested(*n)).await;
            let (contract, event) = events::other(&deployment, *n);
            node.emit(contract, &event).await;
        }
        node.mine(1).await;
        if next(seed).is_multiple_of(12) {
            node.reorg(1 + next(seed) % 6).await;
        }
    }
}

async fn cursor(pool: &offsetdata_store::Pool) -> Option<u64> {
    blocks::head(&mut pool.acquire().await.unwrap()).await.unwrap().map(|cursor| cursor.number.0)
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_at_any_moment_it_ends_with_the_rows_of_an_undisturbed_run() {
    let deployment = deployment(31_337, 0);
    let node = Node::start(&deployment).await;
    let folder = tempfile::tempdir().unwrap();
    let text = serde_json::to_string(&deployment).unwrap();
    std::fs::write(folder.path().join("deployment.json"), text).unwrap();
    let (mut n, mut seed, mut moments) = (0, SEED, SEED ^ 1);
    grow(&node, &mut n, 120, &mut seed).await;
    let source = source(folder.path(), &node.url);
    let pool = offsetdata_store::connect(&source.database_url).await.unwrap();
    offsetdata_store::migrate(&pool).await.unwrap();

    let (mut unfinished, mut reached) = (0, Vec::new());
    for round in 0..KILLS {
        grow(&node, &mut n, 3, &mut seed).await;
        let before = cursor(&pool).await;
        let mut process = Process::start(folder.path(), &node.url, "127.0.0.1:0");
        let alive = Duration::from_millis(60 + next(&mut moments) % 700);
        // Every other one dies wherever it is by then, also at its start; the others have written something first,
        // however slow the machine is.
        if round % 2 == 0 {
            let written = async {
                while cursor(&pool).await == before {
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
            };
            tokio::time::timeout(Duration::from_secs(60), written).await.expect("it writes nothing");
        }
        // The chain grows while it is followed, and the kill comes in the middle of it.
        let growing = async {
            loop {
                grow(&node, &mut n, 1, &mut seed).await;
            }
        };
        let _ = tokio::time::timeout(alive, growing).await;
        assert!(process.is_running(), "it ended by itself");
        drop(process);
        let at = cursor(&pool).await;
        unfinished += usize::from(at != Some(node.head().await));
        reached.push(at);
    }
    assert!(unfinished >= 3, "too few kills were in the middle: {reached:?}");
    reached.dedup();
    assert!(reached.len() >= 3, "hardly anything was indexed between kills: {reached:?}");

    node.mine(20).await;
    let head = node.head().await;
    let last = Process::start(folder.path(), &node.url, "127.0.0.1:0");
    tokio::time::timeout(Duration::from_secs(60), async {
        while cursor(&pool).await != Some(head) {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    })
    .await
    .expect("it catches up");
    drop(last);
    let scratch = tempfile::tempdir().unwrap();
    let found = verify_database(&source, scratch.path(), |_, _| {}, |_| {}).await.unwrap();
    assert_eq!(found.differences, []);
    assert_eq!(found.block, head - 2, "up to the last final block");
    assert!(found.rows > 500, "{}", found.rows);
}
