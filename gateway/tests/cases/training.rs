//! A trusted worker reads what its request pays for, by the client that workers use, and the publisher is paid.

use futures::TryStreamExt;
use offsetdata_protocol::SeriesId;
use offsetdata_protocol::gateway_api::code;
use offsetdata_protocol::manifest::Visibility;
use offsetdata_protocol::selection::given_root;
use offsetdata_sdk::SdkError;
use offsetdata_sdk::gateway::{Description, TrainKeys, describe};

use crate::support::training::{ALL_RECORDS, TRAIN_PRICE, Training, account};
use crate::support::{RECORDS, World, eventually, metered, record};

/// A gateway that is known by the address that it listens on.
pub(super) async fn world() -> World {
    let mut world = World::without_gateway().await;
    world.own_url = true;
    world.start().await;
    world.publish(Visibility::Private, SeriesId([7; 16])).await;
    world.offer(metered(world.publisher.address())).await;
    world.node.mine(2).await;
    world
}

/// Reads chunks of the collection with the keys, several at a time, and counts their records.
pub(super) async fn read_all(
    training: &Training,
    world: &World,
    keys: &TrainKeys,
    chunks: std::ops::Range<u32>,
) -> Result<u32, SdkError> {
    let content = training.content(world).await;
    let opened = content.stream_with(chunks, 4, |ordinal| {
        let keys = keys.clone();
        async move { keys.secret(ordinal).await }
    });
    let counts = opened.map_ok(|chunk| {
        for (index, found) in chunk.records() {
            assert_eq!(found.to_record(), record(index));
        }
        chunk.len()
    });
    counts.try_fold(0, |sum, count| async move { Ok(sum + count) }).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_trusted_worker_reads_everything_and_the_publisher_is_paid_at_the_end() {
    let world = world().await;
    let training = Training::new(&world).await;
    let content = training.content(&world).await;
    let access = training.access(1, Some(world.url()));
    let keys = access.keys(&training.blocks(&world), 0, &content).unwrap();
    assert_eq!(read_all(&training, &world, &keys, 0..content.chunk_count()).await.unwrap(), RECORDS);
    assert_eq!(keys.records().await, u64::from(RECORDS));

    let receipts = access.receipts(world.url()).await.unwrap();
    let all: Vec<u32> = (0..RECORDS).collect();
    assert_eq!(receipts.len(), 1);
    assert_eq!(receipts[0].receipt.records, RECORDS);
    assert_eq!(receipts[0].receipt.records_root, given_root(&all).unwrap());

    // Nothing lands while the request runs.
    tokio::time::sleep(std::time::Duration::from_millis(2500)).await;
    assert_eq!(training.paid(&world).await, 0);
    training.finish(&world).await;
    eventually("the receipt lands", async || {
        world.node.mine(1).await;
        (training.paid(&world).await == RECORDS).then_some(())
    })
    .await;
    assert_eq!(training.credit(&world, world.publisher.address()).await, ALL_RECORDS);
    let landings = world.node.transactions_of(world.gateway().context.address()).await;
    tokio::time::sleep(std::time::Duration::from_secs(5)).await;
    assert_eq!(world.node.transactions_of(world.gateway().context.address()).await, landings, "landed once");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_gateway_is_found_by_the_description_on_chain() {
    let world = world().await;
    let training = Training::new(&world).await;
    let (content, blocks) = (training.content(&world).await, training.blocks(&world));
    let keys = training.access(1, None).keys(&blocks, 0, &content).unwrap();
    let error = keys.secret(0).await.unwrap_err();
    assert!(error.to_string().contains("names none") && !error.is_retryable(), "{error}");

    let gone = "http://127.0.0.1:9".to_owned();
    let description = Description {
        name: "Records".into(),
        description: String::new(),
        gateways: vec![gone, world.url().to_owned()],
    };
    let publisher = account(&world.publisher);
    let sent = describe(&training.chain, &publisher, &blocks, world.collection, &description).await.unwrap();
    assert!(sent.is_some());
    let again = describe(&training.chain, &publisher, &blocks, world.collection, &description).await.unwrap();
    assert!(again.is_none(), "the same again sends nothing");
    let keys = training.access(1, None).keys(&blocks, 0, &content).unwrap();
    keys.secret(0).await.unwrap();
    keys.secret(1).await.unwrap();
    // What was given is given again; what is skipped is not signed for.
    keys.secret(0).await.unwrap();
    assert!(keys.secret(3).await.unwrap_err().to_string().contains("chunk 2 comes before chunk 3"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_untrusted_worker_gets_no_key_and_is_told_so_for_good() {
    let world = world().await;
    let mut training = Training::unrequested(&world).await;
    let terms = training.prepare(&world, |_| {}, Default::default()).await;
    training.request(&world, terms).await;
    world.node.mine(2).await;
    let (content, blocks) = (training.content(&world).await, training.blocks(&world));
    let keys = training.access(1, Some(world.url())).keys(&blocks, 0, &content).unwrap();
    let error = keys.secret(0).await.unwrap_err();
    let SdkError::GatewayRefused(refusal) = &error else { panic!("{error}") };
    assert_eq!((refusal.code.as_str(), refusal.status), (code::NOT_TRUSTED, 403));
    assert!(!error.is_retryable());
    assert_eq!(keys.records().await, 0);
    assert!(
        training.access(1, None).receipts(world.url()).await.unwrap().is_empty(),
        "nothing was signed for"
    );

    // Trusted, it gets them; distrusted again, no more.
    training.trust(&world, true).await;
    world.node.mine(2).await;
    keys.secret(0).await.unwrap();
    training.trust(&world, false).await;
    world.node.mine(2).await;
    let SdkError::GatewayRefused(refusal) = keys.secret(1).await.unwrap_err() else { panic!("refused") };
    assert_eq!(refusal.code, code::NOT_TRUSTED);
    // The right of the user is the publisher's to take as well.
    training.trust(&world, true).await;
    world.deny(training.user.address()).await;
    world.node.mine(2).await;
    let SdkError::GatewayRefused(refusal) = keys.secret(1).await.unwrap_err() else { panic!("refused") };
    assert_eq!(refusal.code, code::DENIED);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_range_within_a_cap_is_given_and_paid_and_nothing_beyond() {
    let world = world().await;
    // Records 15 to 35, of which 12 are paid: 15 to 27, in the chunks 1 and 2.
    let training = Training::with(&world, |inputs| {
        (inputs[0].selection, inputs[0].first, inputs[0].count, inputs[0].recordCap) = (1, 15, 20, 12);
    })
    .await;
    let (content, blocks) = (training.content(&world).await, training.blocks(&world));
    let keys = training.access(1, Some(world.url())).keys(&blocks, 0, &content).unwrap();
    for outside in [0, 3] {
        assert!(keys.secret(outside).await.unwrap_err().to_string().contains("no record"), "{outside}");
    }
    let chunks: Vec<_> = keys.chunks().try_collect().await.unwrap();
    assert_eq!(
        chunks.iter().map(|chunk| (chunk.first(), chunk.len())).collect::<Vec<_>>(),
        [(10, 10), (20, 10)]
    );
    assert_eq!(keys.records().await, 12);
    let reader = training.reader(&world).await;
    let refusal = training.key(&reader, 3, 1, training.receipt(1, 15, 27)).await.unwrap_err();
    assert_eq!(refusal.code, code::NOT_IN_COLLECTION);
    training.finish(&world).await;
    eventually("the receipt lands", async || {
        world.node.mine(1).await;
        (training.paid(&world).await == 12).then_some(())
    })
    .await;
    assert_eq!(training.credit(&world, world.publisher.address()).await, 12 * TRAIN_PRICE);
}
