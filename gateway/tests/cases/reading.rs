//! The whole way: signatures only, keys, records, one settlement, statements that equal the chain.

use alloy::sol_types::SolStruct;
use offsetdata_gateway::signature::recover;
use offsetdata_protocol::SeriesId;
use offsetdata_protocol::gateway_api::{
    Basis, ChunkQuote, CollectionInfo, RecordsAnswer, RecordsRequest, Sales, Statement, Text, code,
};
use offsetdata_protocol::leaf::{Salt, record_leaf};
use offsetdata_protocol::manifest::Visibility;
use offsetdata_protocol::merkle::verify_inclusion;
use offsetdata_protocol::messages::gateway_domain;
use offsetdata_protocol::seal::ChunkPlace;
use offsetdata_protocol::{CollectionKey, Digest};

use crate::support::reader::{Reader, read};
use crate::support::{CHUNK, KEY, PER_CHUNK, PRICE, RECORDS, World, eventually, record};

fn proven(answer: &RecordsAnswer) {
    for proven in &answer.records {
        let salt = proven.salt.as_ref().map(|salt| Salt(salt.as_ref().try_into().unwrap()));
        assert_eq!(proven.record.0, record(proven.index).as_bytes());
        assert_eq!(record_leaf(salt.as_ref(), &proven.record.0), proven.leaf_hash);
        let proof: Vec<Digest> = proven.proof.iter().map(|hash| Digest(hash.0)).collect();
        verify_inclusion(
            &answer.content_root,
            answer.record_count.into(),
            proven.index.into(),
            &proven.leaf_hash,
            &proof,
        )
        .unwrap();
    }
}

#[tokio::test]
async fn a_reader_without_ether_reads_all_and_one_settlement_pays() {
    let world = World::new().await;
    let reader = Reader::with_money(&world, 10_000, 1_000).await;
    let lane = reader.lane(1);
    let chunks = RECORDS.div_ceil(PER_CHUNK);
    let (mut amount, mut records, mut waited) = (0, 0u64, 0);
    for chunk in 0..chunks {
        let path = format!("/v1/collections/{}/chunks/{chunk}", world.collection);
        let quote: ChunkQuote = read(reader.get(&path).await).await.unwrap();
        assert_eq!((quote.basis, quote.due), (Basis::Metered, Text(PRICE * u128::from(quote.count))));
        amount += quote.due.0;
        records += u64::from(quote.count);
        let voucher = reader.voucher(&world, lane, amount, records);
        let answer =
            eventually("credit", async || match reader.key(&world, chunk, Some(voucher.clone())).await {
                Ok(answer) => Some(answer),
                Err(refusal) => {
                    assert_eq!(
                        (refusal.code.as_str(), refusal.status),
                        (code::OVER_CREDIT, 402),
                        "{refusal:?}"
                    );
                    assert_eq!(refusal.retry_after_seconds, Some(1));
                    waited += 1;
                    None
                }
            })
            .await;
        // The key opens, and is the chunk's.
        let place = ChunkPlace {
            chain_id: reader.info.chain_id,
            collection: world.collection,
            ordinal: chunk,
            account: reader.account.address(),
        };
        let secret = place.open(&answer.sealed_secret, &reader.sealing).unwrap();
        let served = world.gateway().context.served(world.collection).await.unwrap();
        let entry = served.entry(chunk).unwrap();
        secret.verify(&entry.key_digest).unwrap();
        assert_eq!(secret, CollectionKey::from_bytes(KEY).chunk_secret(&entry.seed).unwrap());
        // The gateway's word says what was charged.
        let release = &answer.release;
        let digest = release
            .message()
            .eip712_signing_hash(&gateway_domain(reader.info.chain_id, reader.info.access_token));
        assert_eq!(recover(digest, &release.signature), Ok(reader.info.signer));
        assert_eq!((release.charged, release.lane, release.chunk), (quote.due, Text(lane), chunk));
        let quote: ChunkQuote = read(reader.get(&path).await).await.unwrap();
        assert_eq!((quote.basis, quote.due), (Basis::Charged, Text(0)));
    }
    assert!(waited > 0, "the second chunk waits until the first is settled");
    assert_eq!(amount, PRICE * u128::from(RECORDS));

    // Reading again costs nothing.
    for chunk in 0..chunks {
        reader.key(&world, chunk, None).await.unwrap();
    }
    // The payee asks for its money.
    let mut publisher = Reader::sign_in(&world).await;
    publisher.account = world.publisher.clone();
    publisher.token = publisher.session().await.token;
    let base = format!("/v1/collections/{}", world.collection);
    let answer = publisher.post(&format!("{base}/settle"), &()).await;
    assert_eq!(answer.status(), 202);
    eventually("settled", async || (world.revenue().await == amount).then_some(())).await;
    assert_eq!(world.settled(reader.account.address(), lane).await, amount);
    assert_eq!(world.balance(reader.account.address()).await, 10_000 - amount);
    let statement: Statement = eventually("statement", async || {
        let statement: Statement = read(reader.get(&format!("{base}/statement")).await).await.unwrap();
        (statement.total.open.0 == 0).then_some(statement)
    })
    .await;
    assert_eq!((statement.total.charged, statement.total.settled), (Text(amount), Text(amount)));
    assert_eq!((statement.chunks, statement.total.records), (chunks, Text(records)));
    let sales: Sales = read(publisher.get(&format!("{base}/sales")).await).await.unwrap();
    assert_eq!((sales.total, sales.lanes.len(), sales.next), (statement.total, 1, None));
    let refusal = read::<Sales>(reader.get(&format!("{base}/sales")).await).await.unwrap_err();
    assert_eq!(refusal.code, code::NOT_PUBLISHER);
    // Neither paid a wei of gas.
    assert!(world.node.balance(reader.account.address()).await.is_zero());
}

#[tokio::test]
async fn records_come_with_proofs_and_are_charged_by_chunk() {
    let mut world = World::new().await;
    let reader = Reader::with_money(&world, 10_000, 1_000).await;
    let path = format!("/v1/collections/{}/records", world.collection);
    let request = |first, count, voucher| RecordsRequest { first, count, voucher };
    let refusal = read::<RecordsAnswer>(reader.post(&path, &request(12, 4, None)).await).await.unwrap_err();
    assert_eq!(refusal.code, code::VOUCHER_REQUIRED);
    let quote = refusal.quote.unwrap();
    assert_eq!((quote.due, quote.records, quote.lane_amount), (Text(CHUNK), PER_CHUNK, Text(CHUNK)));

    let voucher = reader.voucher(&world, quote.lane.0, CHUNK, PER_CHUNK.into());
    let body = request(12, 4, Some(voucher));
    let answer: RecordsAnswer = read(reader.post(&path, &body).await).await.unwrap();
    assert_eq!(answer.records.iter().map(|r| r.index).collect::<Vec<_>>(), [12, 13, 14, 15]);
    assert_eq!((answer.chunk, answer.charged), (1, Text(CHUNK)));
    proven(&answer);
    // The same again, the rest of the chunk, and its key: charged already.
    let again: RecordsAnswer = read(reader.post(&path, &body).await).await.unwrap();
    assert_eq!((again.charged, &again.records), (Text(0), &answer.records));
    let rest: RecordsAnswer = read(reader.post(&path, &request(16, 1000, None)).await).await.unwrap();
    assert_eq!(rest.records.iter().map(|r| r.index).collect::<Vec<_>>(), [16, 17, 18, 19]);
    proven(&rest);
    assert_eq!(reader.key(&world, 1, None).await.unwrap().release.charged, Text(0));
    for (first, count, expected) in
        [(45, 1, code::NOT_IN_COLLECTION), (0, 0, code::MALFORMED), (0, 1025, code::MALFORMED)]
    {
        let answer = reader.post(&path, &request(first, count, None)).await;
        assert_eq!(read::<RecordsAnswer>(answer).await.unwrap_err().code, expected);
    }

    // A public collection is for everybody.
    let id = world.publish(Visibility::Public, SeriesId([9; 16])).await;
    let client = reqwest::Client::new();
    let url = format!("{}/v1/collections/{id}", world.url());
    let info: CollectionInfo = read(client.get(&url).send().await.unwrap()).await.unwrap();
    assert!(info.public && info.metered.is_none() && info.record_count == RECORDS);
    let answer = client.post(format!("{url}/records")).json(&request(44, 9, None)).send().await.unwrap();
    let answer: RecordsAnswer = read(answer).await.unwrap();
    assert_eq!(answer.records.len(), 1);
    assert!(answer.records[0].salt.is_none());
    proven(&answer);
}

#[tokio::test]
async fn a_retry_gets_the_same_answer_also_from_a_new_process() {
    let mut world = World::new().await;
    let reader = Reader::with_money(&world, 10_000, 1_000).await;
    let voucher = reader.voucher(&world, reader.lane(1), CHUNK, PER_CHUNK.into());
    let first = reader.key(&world, 0, Some(voucher.clone())).await.unwrap();
    assert_eq!(reader.key(&world, 0, Some(voucher.clone())).await.unwrap(), first);
    world.stop().await;
    world.start().await;
    let reader = Reader { url: world.url().to_owned(), ..reader };
    assert_eq!(reader.key(&world, 0, Some(voucher)).await.unwrap(), first);
    assert_eq!(reader.key(&world, 0, None).await.unwrap(), first);
    let base = format!("/v1/collections/{}/statement", world.collection);
    let statement: Statement = read(reader.get(&base).await).await.unwrap();
    assert_eq!((statement.total.charged, statement.chunks), (Text(CHUNK), 1));
}

#[tokio::test]
async fn a_wrong_sealed_key_sells_nothing() {
    let mut world = World::new().await;
    let wrong = world.seal(world.collection, CollectionKey::from_bytes([0x43; 32])).await;
    let pool = &world.gateway().context.pool;
    let mut conn = pool.acquire().await.unwrap();
    offsetdata_store::insert(&mut conn, &[wrong]).await.unwrap();
    drop(conn);
    let reader = Reader::with_money(&world, 10_000, 1_000).await;
    let voucher = reader.voucher(&world, reader.lane(1), CHUNK, PER_CHUNK.into());
    let refusal = reader.key(&world, 0, Some(voucher)).await.unwrap_err();
    assert_eq!(refusal.code, code::UNKNOWN_COLLECTION);
    let base = format!("/v1/collections/{}/statement", world.collection);
    let statement: Statement = read(reader.get(&base).await).await.unwrap();
    assert_eq!(statement.total.charged, Text(0));
}
