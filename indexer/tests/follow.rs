//! The follower against a real node: catching up, reorgs of several depths, a node that tells half the truth.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::time::Duration;

use alloy::primitives::B256;
use offsetdata_indexer::IndexerError;
use offsetdata_indexer::follow::{Follower, Step};
use offsetdata_indexer::preflight::{check_chain, check_database};
use offsetdata_indexer::rpc::Rpc;
use offsetdata_indexer::verify;
use offsetdata_protocol::deployments::Deployment;
use offsetdata_store::chain::{blocks, collections, requests};
use support::node::Node;
use support::{Database, deployment, events};

const DEPTH: u64 = 16;

fn rpc(node: &Node) -> Rpc {
    Rpc::new(&node.url, Duration::from_secs(10)).unwrap()
}

async fn follower(node: &Node, database: &Database, deployment: &Deployment) -> Follower {
    check_chain(&rpc(node), deployment).await.unwrap();
    check_database(&database.pool, &rpc(node), deployment, 0).await.unwrap();
    Follower::new(rpc(node), database.pool.clone(), deployment, DEPTH)
}

/// Steps until there is nothing new. Answers the fork points of the reorgs on the way.
async fn catch_up(follower: &mut Follower) -> Vec<u64> {
    let mut forks = Vec::new();
    loop {
        match follower.step(0).await.unwrap() {
            Step::Idle => return forks,
            Step::Advanced { .. } => {}
            Step::RolledBack { to } => forks.push(to),
        }
    }
}

#[tokio::test]
async fn follows_through_reorgs_like_a_rebuild() {
    let deployment = deployment(31_337, 0);
    let node = Node::start(&deployment).await;
    let followed = Database::new().await;
    let mut follower = follower(&node, &followed, &deployment).await;

    let mut n = 0;
    for depth in [0u64, 1, 0, 3, 7, 0, 2] {
        for _ in 0..4 {
            for _ in 0..3 {
                n += 1;
                node.emit(deployment.collection_registry, &events::registered(n)).await;
                node.emit(deployment.training_coordinator, &events::requested(n)).await;
                let (contract, event) = events::other(&deployment, n);
                node.emit(contract, &event).await;
            }
            node.mine(1).await;
        }
        node.mine(3).await;
        catch_up(&mut follower).await;
        if depth > 0 {
            let head = node.head().await;
            node.reorg(depth).await;
            assert_eq!(catch_up(&mut follower).await, [head - depth], "a reorg of {depth} blocks");
        }
    }

    let rebuilt = Database::new().await;
    let mut again = self::follower(&node, &rebuilt, &deployment).await;
    catch_up(&mut again).await;
    let dump = followed.dump().await;
    assert_eq!(dump, rebuilt.dump().await);
    assert!(dump.iter().filter(|line| line.starts_with("collections:")).count() > 20, "too little happened");

    let cursor = blocks::head(&mut followed.pool.acquire().await.unwrap()).await.unwrap().unwrap();
    assert_eq!(cursor.number.0, node.head().await);
    assert_eq!((cursor.safe.0, cursor.finalized.0), (cursor.number.0 - 1, cursor.number.0 - 2));
}

#[tokio::test]
async fn verification_finds_a_changed_row() {
    let deployment = deployment(31_337, 0);
    let node = Node::start(&deployment).await;
    let database = Database::new().await;
    let mut follower = follower(&node, &database, &deployment).await;
    for n in 0..40 {
        let (contract, event) = events::other(&deployment, n);
        node.emit(contract, &event).await;
        node.emit(deployment.collection_registry, &events::registered(n)).await;
        node.mine(1).await;
    }
    node.mine(20).await;
    catch_up(&mut follower).await;
    let found = async || {
        let scratch = Database::new().await;
        let mut last = 0;
        let progress = |block| last = block;
        verify(rpc(&node), &database.pool, &scratch.pool, &deployment, DEPTH, progress).await.unwrap()
    };
    let verified = found().await;
    assert_eq!(verified.differences, []);
    assert_eq!(verified.block, 58, "the last block that is final");
    assert!(verified.rows > 80 + 40, "{}", verified.rows);

    let mut conn = database.pool.acquire().await.unwrap();
    for change in [
        "update voucher_settlements set paid_0 = paid_0 - 1",
        "delete from access_events where position = (select max(position) from access_events)",
        "insert into retirements (position, subject) select 77, hash from blocks where number = 7",
        "update blocks set timestamp = timestamp + 1 where number = 7",
    ] {
        sqlx::query(change).execute(&mut *conn).await.unwrap();
    }
    let verified = found().await;
    let tables: Vec<&str> = verified.differences.iter().map(|difference| difference.table).collect();
    assert_eq!(tables, ["retirements", "access_events", "voucher_settlements", "blocks"]);
    assert!(!verified.is_equal() && verified.differences[0].first.as_deref().unwrap().starts_with("77 0x"));

    let empty = Database::new().await;
    let scratch = Database::new().await;
    let error = verify(rpc(&node), &empty.pool, &scratch.pool, &deployment, DEPTH, |_| {}).await.unwrap_err();
    assert!(matches!(error, IndexerError::Setting { setting: "--database-url", .. }), "{error}");
}

#[tokio::test]
async fn a_request_that_a_reorg_took_is_gone_and_comes_back() {
    let deployment = deployment(31_337, 0);
    let node = Node::start(&deployment).await;
    let database = Database::new().await;
    let mut follower = follower(&node, &database, &deployment).await;
    node.mine(5).await;
    node.emit(deployment.training_coordinator, &events::requested(1)).await;
    node.mine(1).await;
    catch_up(&mut follower).await;
    let id = events::word("request", 1).into();
    let mut conn = database.pool.acquire().await.unwrap();
    let found = requests::find_request(&mut conn, id).await.unwrap().unwrap();
    assert_eq!(found.block_number.0, 6);

    node.reorg(2).await;
    catch_up(&mut follower).await;
    assert_eq!(requests::find_request(&mut conn, id).await.unwrap(), None);

    node.emit(deployment.training_coordinator, &events::requested(1)).await;
    node.mine(1).await;
    catch_up(&mut follower).await;
    let again = requests::find_request(&mut conn, id).await.unwrap().unwrap();
    assert_ne!(again.block_hash, found.block_hash);
    assert_eq!(again.escrow, found.escrow);
}

#[tokio::test]
async fn a_reorg_deeper_than_the_limit_is_told() {
    let deployment = deployment(31_337, 0);
    let node = Node::start(&deployment).await;
    let database = Database::new().await;
    let mut follower = follower(&node, &database, &deployment).await;
    node.mine(40).await;
    catch_up(&mut follower).await;
    node.reorg(30).await;
    node.mine(1).await;
    let error = follower.step(0).await.unwrap_err();
    assert!(matches!(error, IndexerError::ReorgTooDeep { limit: DEPTH, lowest: 24 }), "{error}");
    assert!(!error.is_retryable());
}

#[tokio::test]
async fn catches_up_over_a_long_chain() {
    let deployment = deployment(31_337, 0);
    let node = Node::start(&deployment).await;
    for n in 1..=6 {
        node.emit(deployment.collection_registry, &events::registered(n)).await;
        node.mine(90).await;
    }
    let database = Database::new().await;
    let mut follower = follower(&node, &database, &deployment).await;
    catch_up(&mut follower).await;
    let mut conn = database.pool.acquire().await.unwrap();
    for n in 1..=6 {
        let id = events::word("collection", n).into();
        let found = collections::find_collection(&mut conn, id).await.unwrap().unwrap();
        assert_eq!(found.position.block(), 90 * (n - 1) + 1);
    }
    // Old blocks without rows are not kept.
    let kept = blocks::list_blocks(&mut conn, 0, 10_000).await.unwrap();
    assert_eq!(kept.len() as u64, 6 + DEPTH + 1);
}

#[tokio::test]
async fn refuses_what_does_not_fit() {
    let right = deployment(31_337, 1);
    let node = Node::start(&right).await;
    node.mine(3).await;
    let rpc = rpc(&node);

    let other_chain = deployment(1, 1);
    let error = check_chain(&rpc, &other_chain).await.unwrap_err();
    assert_eq!(error.to_string(), "the deployment is on chain 1, the node serves chain 31337");

    let mut no_code = right.clone();
    no_code.model_registry = support::events::account(1);
    let error = check_chain(&rpc, &no_code).await.unwrap_err();
    assert!(matches!(error, IndexerError::NoCode { contract: "ModelRegistry", .. }), "{error}");

    let late = deployment(31_337, 9);
    let error = check_chain(&rpc, &late).await.unwrap_err();
    assert!(matches!(error, IndexerError::ChainTooShort { start: 9, head: 3 }), "{error}");

    let database = Database::new().await;
    check_database(&database.pool, &rpc, &right, 0).await.unwrap();
    check_database(&database.pool, &rpc, &right, 0).await.unwrap();
    let mut moved = right.clone();
    moved.training_coordinator = support::events::account(2);
    let error = check_database(&database.pool, &rpc, &moved, 0).await.unwrap_err();
    assert!(matches!(error, IndexerError::OtherDeployment { what: "TrainingCoordinator", .. }), "{error}");

    let other_genesis = Node::start_with(&right, &["--timestamp", "1600000000"]).await;
    let error = check_database(&database.pool, &self::rpc(&other_genesis), &right, 0).await.unwrap_err();
    assert!(matches!(error, IndexerError::OtherDeployment { what: "genesis block", .. }), "{error}");
}

#[tokio::test]
async fn an_event_of_another_contract_version_stops_it() {
    let deployment = deployment(31_337, 0);
    let node = Node::start(&deployment).await;
    let database = Database::new().await;
    let mut follower = follower(&node, &database, &deployment).await;
    let unknown =
        alloy::primitives::LogData::new_unchecked(vec![B256::with_last_byte(9)], vec![1, 2, 3].into());
    node.emit(deployment.model_registry, &unknown).await;
    node.mine(1).await;
    let error = follower.step(0).await.unwrap_err();
    assert!(matches!(error, IndexerError::UnknownEvent { block: 1, log_index: 0, .. }), "{error}");
    assert!(!error.is_retryable());
    let cursor = blocks::head(&mut database.pool.acquire().await.unwrap()).await.unwrap().unwrap();
    assert_eq!(cursor.number.0, 0, "nothing of the block may be kept");
}
