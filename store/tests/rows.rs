//! Many rows and values in a statement, and texts in the order of their bytes.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[macro_use]
mod support;

use alloy::primitives::B256;
use offsetdata_store::chain::documents::{DocumentFetchRow, DocumentKind, TermRow};
use offsetdata_store::chain::{Position, fetch::FetchStatus};
use offsetdata_store::{Count, StoreError, insert, select, select_in};
use support::database::{self, Database};

on_both_databases! {
    many_rows_come_back,
    a_key_that_is_there_takes_all_rows_back,
    texts_have_the_order_of_their_bytes,
}

/// Everything that could mean something in a list of texts.
const REASONS: [Option<&str>; 8] = [
    None,
    Some(""),
    Some("null"),
    Some("a,b"),
    Some("{\"x\": [\\\"]}"),
    Some("line\nbreak\ttab 'quoted'"),
    Some("größer ≥ 𝛑"),
    Some("\\x00"),
];

fn fetch(n: u64) -> DocumentFetchRow {
    DocumentFetchRow {
        position: Position::new(n, 0).unwrap(),
        kind: DocumentKind::Metadata,
        subject: B256::from(alloy::primitives::U256::from(n)),
        digest: B256::repeat_byte(n as u8),
        status: FetchStatus::Waiting,
        tries: n as u32,
        next_try_at: Count(n),
        reason: REASONS[n as usize % REASONS.len()].map(str::to_owned),
    }
}

async fn many_rows_come_back(database: Database) {
    let rows: Vec<DocumentFetchRow> = (0..10_000).map(fetch).collect();
    let mut tx = database.pool.write().await.unwrap();
    insert(&mut tx, &rows[..1]).await.unwrap();
    insert(&mut tx, &rows[1..]).await.unwrap();
    insert::<DocumentFetchRow>(&mut tx, &[]).await.unwrap();
    tx.commit().await.unwrap();
    let mut conn = database.pool.acquire().await.unwrap();
    let back: Vec<DocumentFetchRow> = select(&mut conn, "tries >= 0 order by position", &[]).await.unwrap();
    assert!(back == rows, "not what was written");
    let wanted: Vec<B256> =
        rows.iter().step_by(2).map(|row| row.subject).chain([B256::repeat_byte(255)]).collect();
    let found: Vec<DocumentFetchRow> =
        select_in(&mut conn, "subject", &wanted, "and kind = 1 order by position").await.unwrap();
    assert_eq!(found.len(), 5_000);
    assert_eq!(select_in::<DocumentFetchRow, B256>(&mut conn, "subject", &[], "").await.unwrap(), []);
    let of_reason: Vec<DocumentFetchRow> =
        select_in(&mut conn, "reason", &[REASONS[4].unwrap().to_owned()], "").await.unwrap();
    assert_eq!(of_reason.len(), 1_250);
}

async fn a_key_that_is_there_takes_all_rows_back(database: Database) {
    let rows: Vec<DocumentFetchRow> = (0..100).map(fetch).collect();
    insert(&mut database.pool.acquire().await.unwrap(), &rows[50..51]).await.unwrap();
    let mut tx = database.pool.write().await.unwrap();
    let error: StoreError = insert(&mut tx, &rows).await.unwrap_err();
    assert!(error.is_duplicate() && !error.is_retryable(), "{error}");
    drop(tx);
    let mut conn = database.pool.acquire().await.unwrap();
    assert_eq!(select::<DocumentFetchRow>(&mut conn, "tries >= 0", &[]).await.unwrap().len(), 1);
}

async fn texts_have_the_order_of_their_bytes(database: Database) {
    let mut terms = ["b", "B", "a", "Z", "ä", "z", "_", "aa", "A"].map(str::to_owned).to_vec();
    let rows: Vec<TermRow> = terms
        .iter()
        .map(|term| TermRow {
            position: Position::new(1, 0).unwrap(),
            term: term.clone(),
            subject: B256::ZERO,
        })
        .collect();
    let mut conn = database.pool.acquire().await.unwrap();
    insert(&mut conn, &rows).await.unwrap();
    let back: Vec<TermRow> = select(&mut conn, "position > 0 order by term", &[]).await.unwrap();
    terms.sort();
    assert_eq!(back.into_iter().map(|row| row.term).collect::<Vec<_>>(), terms);
}
