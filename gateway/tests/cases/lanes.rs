//! Readers of one account at the same time, each in its lane.

use std::collections::BTreeSet;

use offsetdata_protocol::gateway_api::{Statement, Text, code};

use crate::support::reader::{Reader, read};
use crate::support::{PER_CHUNK, PRICE, RECORDS, World, eventually};

#[tokio::test]
async fn two_lanes_never_collide_and_no_chunk_is_charged_twice() {
    let world = World::new().await;
    let reader = Reader::with_money(&world, 10_000, 10_000).await;
    let chunks = RECORDS.div_ceil(PER_CHUNK);
    // Both want everything, from both ends.
    let run = async |number: u32, order: Vec<u32>| {
        let lane = reader.lane(number);
        let (mut amount, mut records) = (0, 0u64);
        let mut paid = BTreeSet::new();
        for chunk in order {
            let count = if chunk == chunks - 1 { RECORDS % PER_CHUNK } else { PER_CHUNK };
            let next = amount + PRICE * u128::from(count);
            let voucher = reader.voucher(&world, lane, next, records + u64::from(count));
            let answer =
                eventually("a key", async || match reader.key(&world, chunk, Some(voucher.clone())).await {
                    Ok(answer) => Some(answer),
                    Err(refusal) => {
                        assert_eq!(refusal.code, code::OVER_CREDIT, "{refusal:?}");
                        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
                        None
                    }
                })
                .await;
            if answer.release.lane == Text(lane) && answer.release.charged.0 > 0 {
                (amount, records) = (next, records + u64::from(count));
                paid.insert(chunk);
            }
        }
        (amount, paid)
    };
    let ((first, of_first), (second, of_second)) =
        tokio::join!(run(1, (0..chunks).collect()), run(2, (0..chunks).rev().collect()));
    assert_eq!(first + second, PRICE * u128::from(RECORDS), "each chunk once");
    assert_eq!(of_first.len() + of_second.len(), chunks as usize);
    assert!(of_first.is_disjoint(&of_second));
    let path = format!("/v1/collections/{}/statement", world.collection);
    let statement: Statement = read(reader.get(&path).await).await.unwrap();
    assert_eq!(statement.total.charged, Text(first + second));
    assert_eq!(statement.chunks, chunks);
}

#[tokio::test]
async fn one_voucher_at_the_same_time_for_two_chunks_pays_for_one() {
    let world = World::new().await;
    let reader = Reader::with_money(&world, 10_000, 10_000).await;
    let voucher = reader.voucher(&world, reader.lane(1), PRICE * u128::from(PER_CHUNK), PER_CHUNK.into());
    let answers =
        futures::future::join_all((0..4).map(|chunk| reader.key(&world, chunk, Some(voucher.clone())))).await;
    let refused: Vec<&str> = answers
        .iter()
        .filter_map(|answer| answer.as_ref().err().map(|refusal| refusal.code.as_str()))
        .collect();
    assert_eq!(refused, [code::REPLAYED; 3]);
}
