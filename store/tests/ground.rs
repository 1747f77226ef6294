//! Connections, column types and what the relayer reads, on a database in a file.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[macro_use]
mod support;

use alloy::primitives::{Address, B256, Bytes, U256};
use offsetdata_store::chain::blocks::{self, BlockRow, Cursor};
use offsetdata_store::chain::requests::{self, RequestRow, RequestStatus, RequestedRow};
use offsetdata_store::chain::training::{AttemptRow, CancellationRow, ClosingRow, CommitmentRow};
use offsetdata_store::chain::{ChainRows, Page, Position, rollback_above};
use offsetdata_store::{Column, Conn, Count, Put, StoreError, connect};
use support::database::{self, Database};

on_both_databases! {
    values_come_back,
    values_of_another_kind_are_refused,
    two_writers_take_turns,
    a_reader_sees_one_moment,
    a_request_stands_where_its_events_say,
}

#[tokio::test]
async fn refuses_databases_that_it_can_not_use() {
    for (url, scheme) in
        [("mysql://u:secret@h/d", "mysql"), ("postgresx:y", "postgresx"), ("data.db", "data.db")]
    {
        let error = connect(url).await.unwrap_err();
        assert!(matches!(&error, StoreError::Unsupported { scheme: s } if s == scheme), "{error}");
        assert!(!error.to_string().contains("secret"));
    }
    assert!(matches!(connect("sqlite::memory:").await.unwrap_err(), StoreError::InMemory));
    assert!(matches!(connect("sqlite:x?mode=memory").await.unwrap_err(), StoreError::InMemory));
    let missing = connect("sqlite:/nonexistent/folder/x.db").await.unwrap_err();
    assert!(matches!(missing, StoreError::Database(_)), "{missing}");
    let nobody = connect("postgres://u:secret@127.0.0.1:1/d").await.unwrap_err();
    assert!(nobody.is_retryable() && !nobody.to_string().contains("secret"), "{nobody}");
}

#[tokio::test]
async fn settings_hold_on_every_connection() {
    let database = Database::sqlite().await;
    let pool = &database.pool;
    for _ in 0..3 {
        let mut conn = pool.acquire().await.unwrap();
        for (pragma, expected) in [("foreign_keys", 1), ("synchronous", 2), ("busy_timeout", 10_000)] {
            let sql = sqlx::AssertSqlSafe(format!("select * from pragma_{pragma}"));
            let row = sqlx::query(sql).fetch_one(&mut *conn).await.unwrap();
            assert_eq!(sqlx::Row::try_get::<i64, _>(&row, 0).unwrap(), expected, "{pragma}");
        }
    }
}

async fn values_come_back(database: Database) {
    let pool = &database.pool;
    let mut conn = pool.acquire().await.unwrap();
    async fn there_and_back<T: Column + PartialEq + std::fmt::Debug>(conn: &mut Conn, value: T) {
        // PostgreSQL keeps a statement with the types that it had first.
        let query = sqlx::query("select $1 as v").persistent(false);
        let row = query.put(&value).fetch_one(conn).await.unwrap();
        assert_eq!(T::read(&row, "v").unwrap(), value);
    }
    there_and_back(&mut conn, i64::MIN).await;
    there_and_back(&mut conn, u8::MAX).await;
    there_and_back(&mut conn, u16::MAX).await;
    there_and_back(&mut conn, u32::MAX).await;
    there_and_back(&mut conn, u64::MAX).await;
    there_and_back(&mut conn, u128::MAX).await;
    there_and_back(&mut conn, U256::MAX).await;
    there_and_back(&mut conn, Count(i64::MAX as u64)).await;
    there_and_back(&mut conn, true).await;
    there_and_back(&mut conn, "größer ≥ '\"; --".to_owned()).await;
    there_and_back(&mut conn, Bytes::new()).await;
    there_and_back(&mut conn, Address::repeat_byte(7)).await;
    there_and_back(&mut conn, B256::repeat_byte(9)).await;
    there_and_back(&mut conn, None::<B256>).await;
    there_and_back(&mut conn, None::<u32>).await;
    there_and_back(&mut conn, None::<String>).await;
    there_and_back(&mut conn, Some(RequestStatus::Expired)).await;
}

async fn values_of_another_kind_are_refused(database: Database) {
    let pool = &database.pool;
    let mut conn = pool.acquire().await.unwrap();
    let row = sqlx::query("select -1 as n, 300 as big, $1 as bytes, 7 as status")
        .put(&Bytes::from_static(&[1, 2]))
        .fetch_one(&mut *conn)
        .await
        .unwrap();
    let named = |error: StoreError, expected: &str| {
        assert!(matches!(&error, StoreError::Column { expected: e, .. } if *e == expected), "{error}");
    };
    named(u32::read(&row, "n").unwrap_err(), "0 to 4294967295");
    named(Count::read(&row, "n").unwrap_err(), "0 or more");
    named(u8::read(&row, "big").unwrap_err(), "0 to 255");
    named(bool::read(&row, "big").unwrap_err(), "0 or 1");
    named(B256::read(&row, "bytes").unwrap_err(), "32 bytes");
    named(RequestStatus::read(&row, "status").unwrap_err(), "1 to 6");
    assert!(matches!(i64::read(&row, "bytes").unwrap_err(), StoreError::Database(_)));
    assert!(matches!(i64::read(&row, "nothing").unwrap_err(), StoreError::Database(_)));
}

async fn two_writers_take_turns(database: Database) {
    let pool = &database.pool;
    let mut tasks = Vec::new();
    for n in 0..6u64 {
        let pool = pool.clone();
        tasks.push(tokio::spawn(async move {
            for i in 0..5 {
                let mut tx = pool.write().await.unwrap();
                // Reads before it writes: with a late lock this would be refused as busy.
                blocks::find_block(&mut tx, 0).await.unwrap();
                blocks::insert_blocks(&mut tx, &[block(n * 5 + i)]).await.unwrap();
                tx.commit().await.unwrap();
            }
        }));
    }
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(blocks::list_blocks(&mut pool.acquire().await.unwrap(), 0, 100).await.unwrap().len(), 30);
}

async fn a_reader_sees_one_moment(database: Database) {
    let pool = &database.pool;
    let mut read = pool.read().await.unwrap();
    assert!(blocks::find_block(&mut read, 1).await.unwrap().is_none());
    let mut tx = pool.write().await.unwrap();
    blocks::insert_blocks(&mut tx, &[block(1)]).await.unwrap();
    tx.commit().await.unwrap();
    assert!(blocks::find_block(&mut read, 1).await.unwrap().is_none());
    drop(read);
    assert!(blocks::find_block(&mut pool.acquire().await.unwrap(), 1).await.unwrap().is_some());
    let again = blocks::insert_blocks(&mut pool.acquire().await.unwrap(), &[block(1)]).await.unwrap_err();
    assert!(again.is_duplicate() && !again.is_retryable(), "{again}");
}

fn block(number: u64) -> BlockRow {
    BlockRow {
        number: Count(number),
        hash: B256::with_last_byte(number as u8),
        timestamp: Count(1_000 + number),
        eventful: true,
    }
}

fn request(number: u64, scheduler: u8) -> RequestedRow {
    RequestedRow {
        position: Position::new(number, 3).unwrap(),
        id: B256::with_last_byte(number as u8).into(),
        model: B256::with_last_byte(1).into(),
        method: B256::with_last_byte(2).into(),
        user_account: Address::with_last_byte(3),
        developer: Address::with_last_byte(4),
        scheduler: Address::with_last_byte(scheduler),
        parent: B256::ZERO.into(),
        hyperparameters_digest: B256::ZERO,
        trainer_digest: B256::ZERO,
        unit_limit: Count(100),
        opened_at: Count(1),
        start_deadline: Count(2),
        deadline: Count(3),
        grace_period: Count(4),
        escrow: Bytes::from_static(b"escrow"),
        details: Bytes::from_static(b"details"),
        inputs: Bytes::from_static(b"inputs"),
    }
}

fn commitment(block: u64, request: u8, sequence: u32, units: u64) -> CommitmentRow {
    CommitmentRow {
        position: Position::new(block, 0).unwrap(),
        request: B256::with_last_byte(request).into(),
        sequence,
        point_count: sequence * 10,
        units: Count(units),
        points_digest: B256::ZERO,
        last_values: B256::ZERO,
        relayer: Address::ZERO,
    }
}

async fn a_request_stands_where_its_events_say(database: Database) {
    let pool = &database.pool;
    let mut tx = pool.write().await.unwrap();
    let all: Vec<BlockRow> = (1..=20).map(block).collect();
    blocks::insert_blocks(&mut tx, &all).await.unwrap();
    let scheduler = Address::with_last_byte(50);
    let mut rows = ChainRows {
        requests: (1..=6).map(|n| request(n, 50 + u8::from(n == 6))).collect(),
        ..Default::default()
    };
    rows.attempts.push(AttemptRow {
        position: Position::new(7, 0).unwrap(),
        request: B256::with_last_byte(1).into(),
        worker: Address::with_last_byte(9),
        attempt: 1,
        resume_point: 0,
        valid_until: Count(9),
    });
    // A later attempt may begin again with fewer units: paid is the most that was reached.
    rows.commitments = vec![commitment(8, 1, 1, 40), commitment(9, 1, 2, 60), commitment(10, 1, 3, 20)];
    rows.cancellations.push(CancellationRow {
        position: Position::new(11, 0).unwrap(),
        request: B256::with_last_byte(2).into(),
        grace_ends_at: Count(77),
    });
    rows.closings.push(ClosingRow {
        position: Position::new(12, 0).unwrap(),
        request: B256::with_last_byte(3).into(),
        status: RequestStatus::Failed,
        units: Count(0),
        developer_paid: U256::ZERO,
        relay_paid: U256::ZERO,
        refunded: U256::MAX,
        reason_digest: B256::ZERO,
    });
    rows.insert(&mut tx).await.unwrap();

    let find = async |conn: &mut Conn, n: u8| -> RequestRow {
        requests::find_request(conn, B256::with_last_byte(n).into()).await.unwrap().unwrap()
    };
    let first = find(&mut tx, 1).await;
    assert_eq!(
        (first.status, first.attempt, first.sequence, first.point_count),
        (RequestStatus::Open, 1, 3, 30)
    );
    assert_eq!((first.units, first.worker), (Count(60), Some(Address::with_last_byte(9))));
    assert_eq!(
        (first.block_number, first.block_hash, first.block_timestamp),
        (Count(1), B256::with_last_byte(1), Count(1_001))
    );
    let second = find(&mut tx, 2).await;
    assert_eq!(
        (second.status, second.grace_ends_at, second.attempt),
        (RequestStatus::Cancelling, Some(Count(77)), 0)
    );
    assert_eq!(find(&mut tx, 3).await.status, RequestStatus::Failed);

    let open = async |conn: &mut Conn, confirmed, page| -> Vec<u64> {
        let rows = requests::list_open_for_scheduler(conn, scheduler, confirmed, page).await.unwrap();
        rows.iter().map(|row| row.position.block()).collect()
    };
    assert_eq!(
        open(&mut tx, 20, Page::first(10)).await,
        [1, 2, 4, 5],
        "open and cancelling, of this scheduler"
    );
    assert_eq!(open(&mut tx, 4, Page::first(10)).await, [1, 2, 4]);
    assert_eq!(open(&mut tx, 0, Page::first(10)).await, [0u64; 0]);
    let after = Some(Position::new(2, 3).unwrap());
    assert_eq!(open(&mut tx, 20, Page { after, ..Page::first(1) }).await, [4]);

    rollback_above(&mut tx, 9).await.unwrap();
    assert_eq!(find(&mut tx, 2).await.status, RequestStatus::Open);
    assert_eq!(find(&mut tx, 3).await.status, RequestStatus::Open);
    assert_eq!(find(&mut tx, 1).await.sequence, 2);
    rollback_above(&mut tx, 2).await.unwrap();
    assert!(requests::find_request(&mut tx, B256::with_last_byte(3).into()).await.unwrap().is_none());
}

#[test]
fn confirmations_count_the_head_as_one() {
    let cursor = |number| Cursor {
        chain_id: Count(1),
        genesis: B256::ZERO,
        coordinator: Address::ZERO,
        start_block: Count(0),
        number: Count(number),
        hash: B256::ZERO,
        timestamp: Count(0),
        chain_head: Count(number),
        safe: Count(0),
        finalized: Count(0),
        updated_at: Count(0),
    };
    assert_eq!(cursor(10).confirmed(1), Some(10));
    assert_eq!(cursor(10).confirmed(0), Some(10));
    assert_eq!(cursor(10).confirmed(11), Some(0));
    assert_eq!(cursor(10).confirmed(12), None);
}
