//! Two gateways in processes of their own on one database: both sell, each chunk is charged once, one of them settles, and when it is
//! killed the other does.

use std::time::Duration;

use offsetdata_protocol::gateway_api::{KeyRequest, Statement, Text};
use offsetdata_store::gateway::releases::ReleaseRow;
use offsetdata_store::{Pool, Tables, lease};

use super::killing::{Process, insist_at};
use crate::support::reader::Reader;
use crate::support::{PER_CHUNK, PRICE, RECORDS, World, database, eventually};

async fn epoch(pool: &Pool) -> Option<u64> {
    let row = lease::find(&mut pool.acquire().await.unwrap(), Tables::Gateway).await.unwrap();
    row.map(|row| row.epoch.0)
}

fn free_address() -> String {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_sell_and_whichever_is_left_settles() {
    let mut world = World::new().await;
    // This session is another instance's: it holds at all of them.
    let mut reader = Reader::with_money(&world, 10_000, 10_000).await;
    world.stop().await;
    let pool = offsetdata_store::connect(&database::url_in(world.folder.path())).await.unwrap();
    let before = epoch(&pool).await.unwrap();
    let (first_at, second_at) = (free_address(), free_address());
    let first = Process::start(&world, &first_at);
    eventually("the first has the lease", async || (epoch(&pool).await == Some(before + 1)).then_some(()))
        .await;
    let _second = Process::start(&world, &second_at);
    let urls = [format!("http://{first_at}"), format!("http://{second_at}")];
    for url in &urls {
        let health = format!("{url}/health");
        eventually("it answers", async || reader.client.get(&health).send().await.ok().map(drop)).await;
    }
    reader.url = urls[1].clone();
    reader.token = reader.session().await.token;

    let (chunks, lane) = (RECORDS.div_ceil(PER_CHUNK), reader.lane(1));
    let (mut first, mut amount, mut records) = (Some(first), 0, 0u64);
    for chunk in 0..chunks {
        let count = if chunk == chunks - 1 { RECORDS % PER_CHUNK } else { PER_CHUNK };
        amount += PRICE * u128::from(count);
        records += u64::from(count);
        let voucher = Some(reader.voucher(&world, lane, amount, records));
        let request = KeyRequest { reader_key: reader.reader_key(), voucher };
        if chunk == chunks / 2 {
            drop(first.take());
        }
        let at_second = insist_at(&urls[1], &reader, &world, chunk, &request);
        let answer = if first.is_some() {
            // Both are asked at the same moment.
            let (one, other) = tokio::join!(insist_at(&urls[0], &reader, &world, chunk, &request), at_second);
            assert_eq!(one, other, "two keys for one chunk");
            one
        } else {
            at_second.await
        };
        assert_eq!(answer.release.charged, Text(PRICE * u128::from(count)));
    }
    eventually("the second has the lease", async || (epoch(&pool).await == Some(before + 2)).then_some(()))
        .await;
    eventually("all is settled", async || (world.revenue().await == amount).then_some(())).await;
    assert_eq!(world.balance(reader.account.address()).await, 10_000 - amount);
    world.node.mine(3).await;
    let path = format!("/v1/collections/{}/statement", world.collection);
    let statement = tokio::time::timeout(Duration::from_secs(20), reader.get(&path)).await.unwrap();
    let statement: Statement = statement.json().await.unwrap();
    assert_eq!(statement.total.charged, Text(amount));
    let rows: Vec<ReleaseRow> =
        offsetdata_store::select(&mut pool.acquire().await.unwrap(), "paid = 1", &[]).await.unwrap();
    assert_eq!(rows.len(), chunks as usize);
}
