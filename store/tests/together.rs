//! Writers that share a transaction: each gets its own answer, and one that fails takes nothing of the others with it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[macro_use]
mod support;

use offsetdata_store::relay::transactions::{
    ANYONE, NewTransaction, find_by_dedupe, insert_transaction, list_recent,
};
use offsetdata_store::{Lease, Pool, StoreError, Tables};
use support::database::{self, Database};

on_both_databases! {
    all_who_wait_are_written_together_and_failures_stay_alone,
    a_writer_that_went_away_takes_nobody_with_it,
    without_the_lease_nothing_is_written,
}

/// What a writer ends with.
#[derive(Debug)]
enum Failure {
    Unwilling,
    Store(StoreError),
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

fn row(n: usize) -> NewTransaction {
    NewTransaction {
        dedupe: format!("row {n}"),
        signer: ANYONE,
        kind: "call".into(),
        request: None,
        target: ANYONE,
        calldata: Default::default(),
        expires_at: 1,
        max_gas: None,
    }
}

/// Every fifth one writes and fails then; every seventh one writes what can't be written.
async fn write(pool: &Pool, n: usize) -> Result<usize, Failure> {
    pool.write_together(move |tx| {
        Box::pin(async move {
            assert!(insert_transaction(tx, row(n), 1).await?);
            if n % 7 == 3 {
                let twice = find_by_dedupe(tx, &row(n).dedupe).await?.unwrap();
                offsetdata_store::insert(tx, &[twice]).await?;
            }
            if n % 5 == 2 { Err(Failure::Unwilling) } else { Ok(n) }
        })
    })
    .await
}

async fn names(pool: &Pool) -> Vec<String> {
    let rows = list_recent(&mut pool.acquire().await.unwrap(), 1000).await.unwrap();
    rows.into_iter().rev().map(|row| row.dedupe).collect()
}

async fn all_who_wait_are_written_together_and_failures_stay_alone(database: Database) {
    let pool = database.pool.clone();
    let first = pool.write().await.unwrap();
    let mut waiting = Vec::new();
    for n in 0..20 {
        let pool = pool.clone();
        waiting.push(tokio::spawn(async move { write(&pool, n).await }));
        tokio::task::yield_now().await;
    }
    assert_eq!(names(&pool).await, Vec::<String>::new());
    first.rollback().await.unwrap();
    let expected: Vec<String> =
        (0..20).filter(|n| n % 7 != 3 && n % 5 != 2).map(|n| format!("row {n}")).collect();
    for (n, one) in waiting.into_iter().enumerate() {
        match one.await.unwrap() {
            Ok(done) => assert_eq!(done, n),
            Err(Failure::Unwilling) => assert!(n % 5 == 2 && n % 7 != 3, "{n}"),
            Err(Failure::Store(error)) => assert!(n % 7 == 3 && error.is_duplicate(), "{n}: {error}"),
        }
        // With the first answer all are there: they were one transaction.
        assert_eq!(names(&pool).await, expected);
    }
}

async fn a_writer_that_went_away_takes_nobody_with_it(database: Database) {
    let pool = database.pool.clone();
    let first = pool.write().await.unwrap();
    let mut tasks = Vec::new();
    for n in [0, 1] {
        let pool = pool.clone();
        tasks.push(tokio::spawn(async move { write(&pool, n).await }));
        tokio::task::yield_now().await;
    }
    tasks.remove(0).abort();
    drop(first);
    assert_eq!(tasks.remove(0).await.unwrap().unwrap(), 1);
    assert_eq!(names(&pool).await, ["row 0", "row 1"], "what was asked for goes on");
}

async fn without_the_lease_nothing_is_written(database: Database) {
    let lease = Lease::new(Tables::Relay, 10);
    let pool = database.pool.of(Tables::Relay).under(&lease);
    let refused = write(&pool, 0).await.unwrap_err();
    assert!(matches!(&refused, Failure::Store(error) if error.is_retryable()), "{refused:?}");
    assert!(lease.turn(&pool, 100).await.unwrap());
    assert_eq!(write(&pool, 1).await.unwrap(), 1);
    assert_eq!(names(&pool).await, ["row 1"]);
}
