//! One instance writes, the others stand by, and who slept through the end of its lease writes nothing any more.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[macro_use]
mod support;

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use alloy::primitives::B256;
use offsetdata_store::chain::blocks::{self, BlockRow};
use offsetdata_store::{Count, Lease, Pool, StoreError, Tables, lease};
use support::database::{self, Database};

on_both_databases! {
    one_writes_at_a_time,
    a_holder_that_slept_is_fenced,
    the_next_takes_over,
    leases_of_other_tables_are_others,
    a_writer_waits_for_its_own_tables_only,
}

async fn add_block(pool: &Pool, number: u64) -> Result<(), StoreError> {
    let mut tx = pool.write().await?;
    let block = BlockRow { number: Count(number), hash: B256::ZERO, timestamp: Count(1), eventful: false };
    blocks::insert_blocks(&mut tx, &[block]).await?;
    Ok(tx.commit().await?)
}

async fn blocks(pool: &Pool) -> usize {
    blocks::list_blocks(&mut pool.acquire().await.unwrap(), 0, 100).await.unwrap().len()
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

async fn one_writes_at_a_time(database: Database) {
    let pool = &database.pool;
    let (first, second) = (Lease::new(Tables::Chain, 10), Lease::new(Tables::Chain, 10));
    assert!(lease::find(&mut pool.acquire().await.unwrap(), Tables::Chain).await.unwrap().is_none());
    assert!(
        matches!(add_block(&pool.under(&first), 1).await, Err(StoreError::Standby { .. })),
        "before it has it"
    );
    assert!(first.turn(pool, 100).await.unwrap() && first.is_held() && first.epoch() == Some(1));
    assert!(!second.turn(pool, 105).await.unwrap() && !second.is_held());
    add_block(&pool.under(&first), 1).await.unwrap();
    let refused = add_block(&pool.under(&second), 2).await.unwrap_err();
    assert!(matches!(refused, StoreError::Standby { lease: "indexer" }) && refused.is_retryable());

    assert!(
        first.turn(pool, 108).await.unwrap() && first.epoch() == Some(1),
        "the same epoch as long as it lasts"
    );
    assert!(!second.turn(pool, 117).await.unwrap(), "it was lengthened");
    first.release(pool, 117).await.unwrap();
    assert!(!first.is_held() && second.turn(pool, 117).await.unwrap());
    assert_eq!(second.epoch(), Some(2));
    add_block(&pool.under(&second), 2).await.unwrap();
    assert_eq!(blocks(pool).await, 2);
    let row = lease::find(&mut pool.acquire().await.unwrap(), Tables::Chain).await.unwrap().unwrap();
    assert_eq!((row.epoch, row.lease_until), (Count(2), Count(127)));
}

async fn a_holder_that_slept_is_fenced(database: Database) {
    let pool = &database.pool;
    let (sleeper, other) = (Lease::new(Tables::Chain, 10), Lease::new(Tables::Chain, 10));
    assert!(sleeper.turn(pool, 100).await.unwrap());
    assert!(other.turn(pool, 110).await.unwrap(), "its time is over");
    // It does not know yet, and is told by the database in the very transaction that would have written.
    assert!(sleeper.is_held());
    assert!(matches!(add_block(&pool.under(&sleeper), 1).await, Err(StoreError::Standby { .. })));
    assert!(!sleeper.is_held());
    assert_eq!(blocks(pool).await, 0);
    add_block(&pool.under(&other), 1).await.unwrap();
    assert!(!sleeper.turn(pool, 111).await.unwrap(), "it stands by");
    assert!(sleeper.turn(pool, 120).await.unwrap() && sleeper.epoch() == Some(3));
}

async fn the_next_takes_over(database: Database) {
    let pool = &database.pool;
    let (first, second) = (Lease::new(Tables::Relay, 2), Lease::new(Tables::Relay, 2));
    let keep = |lease: &Lease| {
        let (lease, pool) = (lease.clone(), pool.clone());
        tokio::spawn(async move { lease.keep(&pool, now, std::future::pending()).await })
    };
    let keeping = keep(&first);
    first.held().await;
    let standing_by = keep(&second);
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert!(first.is_held() && !second.is_held(), "it is kept beyond its first end");
    // It ends without a word.
    keeping.abort();
    let begun = Instant::now();
    tokio::time::timeout(Duration::from_secs(20), second.held()).await.unwrap();
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    assert!(!first.is_held(), "two at a time");
    standing_by.abort();
}

async fn leases_of_other_tables_are_others(database: Database) {
    let pool = &database.pool;
    for tables in [Tables::Chain, Tables::Relay, Tables::Gateway] {
        assert!(Lease::new(tables, 10).turn(&pool.of(tables), 100).await.unwrap());
        assert!(!Lease::new(tables, 10).turn(&pool.of(tables), 100).await.unwrap());
    }
}

async fn a_writer_waits_for_its_own_tables_only(database: Database) {
    let pool = &database.pool;
    let relay = pool.of(Tables::Relay).write().await.unwrap();
    let soon = Duration::from_millis(300);
    let of_relay = pool.of(Tables::Relay);
    let same = tokio::spawn(async move { of_relay.write().await.map(drop) });
    let other = tokio::time::timeout(soon, pool.of(Tables::Gateway).write()).await;
    // A file has one writer.
    assert_eq!(other.is_ok(), pool.dialect() == offsetdata_store::Dialect::Postgres);
    drop(other);
    assert!(!same.is_finished(), "two writers of the same tables");
    relay.commit().await.unwrap();
    same.await.unwrap().unwrap();
}
