//! Who may read: at the head and at the depth that counts, until the publisher says no.

use alloy::primitives::aliases::U40;
use alloy::primitives::{Address, Bytes, U256};
use offsetdata_protocol::bindings::access::{AccessToken, BuyLimits, Offer};
use offsetdata_protocol::bindings::token::DevToken;
use offsetdata_protocol::gateway_api::{Basis, ChunkQuote, Text, UseUpload, code};
use offsetdata_protocol::messages::{AccessUsed, access_domain};

use crate::support::reader::{Reader, read, sign};
use crate::support::{CHUNK, PER_CHUNK, World, eventually, metered};

/// No metered offer: only tokens count.
async fn unmetered() -> World {
    let world = World::new().await;
    let offer =
        Offer { timed: true, metered: false, pricePerRecord: 0, ..metered(world.publisher.address()) };
    world.offer(offer).await;
    world.node.mine(2).await;
    world
}

#[tokio::test]
async fn who_holds_nothing_gets_nothing() {
    let world = unmetered().await;
    let reader = Reader::sign_in(&world).await;
    let refusal = reader.key(&world, 0, None).await.unwrap_err();
    assert_eq!((refusal.code.as_str(), refusal.status), (code::NO_RIGHT, 403));
    let mut stranger = Reader::sign_in(&world).await;
    stranger.token = "ab".repeat(32);
    let refusal = stranger.key(&world, 0, None).await.unwrap_err();
    assert_eq!((refusal.code.as_str(), refusal.status), (code::NO_SESSION, 401));
    stranger.token.clear();
    assert_eq!(stranger.key(&world, 0, None).await.unwrap_err().code, code::NO_SESSION);
    // The publisher reads its own.
    stranger.account = world.publisher.clone();
    stranger.token = stranger.session().await.token;
    assert_eq!(stranger.key(&world, 0, None).await.unwrap().release.charged, Text(0));
}

#[tokio::test]
async fn a_grant_counts_from_the_second_block_and_not_after_a_reorg() {
    let world = unmetered().await;
    let reader = Reader::sign_in(&world).await;
    world.grant(reader.account.address()).await;
    assert_eq!(reader.key(&world, 0, None).await.unwrap_err().code, code::NO_RIGHT, "in the head alone");
    world.node.reorg(1).await;
    world.node.mine(3).await;
    assert_eq!(reader.key(&world, 0, None).await.unwrap_err().code, code::NO_RIGHT, "a reorg took it");
    world.grant(reader.account.address()).await;
    world.node.mine(1).await;
    let answer = reader.key(&world, 0, None).await.unwrap();
    assert_eq!((answer.release.charged, answer.release.lane), (Text(0), Text(0)));
}

#[tokio::test]
async fn a_reorged_grant_does_not_make_metered_reading_free() {
    let world = World::new().await;
    let reader = Reader::sign_in(&world).await;
    world.grant(reader.account.address()).await;
    assert_eq!(reader.key(&world, 0, None).await.unwrap_err().code, code::VOUCHER_REQUIRED);
    world.node.mine(1).await;
    assert_eq!(reader.key(&world, 0, None).await.unwrap().release.charged, Text(0));
    let path = format!("/v1/collections/{}/chunks/0", world.collection);
    let quote: ChunkQuote = read(reader.get(&path).await).await.unwrap();
    assert_eq!((quote.basis, quote.due), (Basis::Token, Text(0)));
}

#[tokio::test]
async fn who_is_denied_gets_no_further_key() {
    let world = World::new().await;
    let reader = Reader::with_money(&world, 10_000, 1000).await;
    let voucher = reader.voucher(&world, reader.lane(1), CHUNK, PER_CHUNK.into());
    reader.key(&world, 0, Some(voucher)).await.unwrap();
    world.deny(reader.account.address()).await;
    for chunk in [0, 1] {
        let refusal = reader.key(&world, chunk, None).await.unwrap_err();
        assert_eq!((refusal.code.as_str(), refusal.status), (code::DENIED, 403));
    }
}

#[tokio::test]
async fn a_stale_head_says_nothing_about_rights() {
    let mut world = World::without_gateway().await;
    world.terms.stale_seconds = 1;
    world.start().await;
    world
        .publish(offsetdata_protocol::manifest::Visibility::Private, offsetdata_protocol::SeriesId([7; 16]))
        .await;
    world.offer(metered(world.publisher.address())).await;
    let reader = Reader::sign_in(&world).await;
    tokio::time::sleep(std::time::Duration::from_millis(2500)).await;
    let refusal = reader.key(&world, 0, None).await.unwrap_err();
    assert_eq!((refusal.code.as_str(), refusal.status), (code::STALE_HEAD, 503));
    assert!(refusal.retry_after_seconds.is_some());
    assert_eq!(reader.get("/ready").await.status(), 503);
    world.node.mine(2).await;
    assert_eq!(reader.get("/ready").await.status(), 200);
    assert_eq!(reader.key(&world, 0, None).await.unwrap_err().code, code::VOUCHER_REQUIRED);
}

#[tokio::test]
async fn a_refundable_purchase_is_used_with_a_word_of_use() {
    let world = unmetered().await;
    let offer = Offer {
        timed: true,
        metered: false,
        price: 500,
        pricePerRecord: 0,
        refundWindow: U40::from(3600),
        ..metered(world.publisher.address())
    };
    world.offer(offer).await;
    let reader = Reader::sign_in(&world).await;
    let (holder, deployment) = (reader.account.address(), &world.node.deployment);
    world.node.give_ether(holder).await;
    world.mint(holder, 500).await;
    let approve = DevToken::approveCall { spender: deployment.access_token, value: U256::from(500) };
    world.node.send(&reader.account, deployment.token, &approve).await;
    let limits = BuyLimits { maxPrice: 500, minDuration: U40::ZERO, minRefundWindow: U40::ZERO };
    let buy = AccessToken::buyCall { collection: world.collection.0, right: 0, limits };
    world.node.send(&reader.account, deployment.access_token, &buy).await;
    world.node.mine(2).await;

    let refusal = reader.key(&world, 0, None).await.unwrap_err();
    assert_eq!((refusal.code.as_str(), refusal.status), (code::USE_REQUIRED, 409));
    let since = refusal.since.unwrap();
    let path = format!("/v1/collections/{}/use", world.collection);
    let word = |since: u64| {
        let message =
            AccessUsed { collection: world.collection.0, right: 0, holder, since: U40::from(since) };
        let domain = access_domain(deployment.chain_id, deployment.access_token);
        UseUpload { since, signature: sign(&reader.account, &message, &domain) }
    };
    let foreign = UseUpload { since: since + 1, ..word(since) };
    assert_eq!(
        read::<()>(reader.post(&path, &foreign).await).await.unwrap_err().code,
        code::FOREIGN_SIGNATURE
    );
    let other = read::<()>(reader.post(&path, &word(since + 1)).await).await.unwrap_err();
    assert_eq!(other.code, code::NO_RIGHT);
    assert_eq!(reader.post(&path, &word(since)).await.status(), 204);
    reader.key(&world, 0, None).await.unwrap();
    eventually("the word of use lands", async || {
        let call = AccessToken::accessOfCall { collection: world.collection.0, right: 0, holder };
        world.node.read(deployment.access_token, &call).await.refundUntil.is_zero().then_some(())
    })
    .await;
}

/// Says yes to every signature (ERC-1271): returns 0x1626ba7e.
const AGREEABLE: &[u8] =
    &[0x63, 0x16, 0x26, 0xba, 0x7e, 0x60, 0xe0, 0x1b, 0x5f, 0x52, 0x60, 0x20, 0x5f, 0xf3];

#[tokio::test]
async fn contract_accounts_sign_in_by_erc_1271() {
    let world = World::new().await;
    let reader = Reader::sign_in(&world).await;
    let account = Address::repeat_byte(0x71);
    let body = serde_json::json!({ "account": account });
    let sign_in = async || {
        let challenge: offsetdata_protocol::gateway_api::Challenge =
            reader.post("/v1/challenges", &body).await.json().await.unwrap();
        let message = challenge.message(&reader.info.audience, account, reader.info.chain_id).unwrap();
        let signature = Bytes::from_static(b"as the contract likes it");
        let sign_in = offsetdata_protocol::gateway_api::SignIn { message, signature };
        read::<offsetdata_protocol::gateway_api::Session>(reader.post("/v1/sessions", &sign_in).await).await
    };
    assert_eq!(sign_in().await.unwrap_err().code, code::FOREIGN_SIGNATURE);
    world.node.call("anvil_setCode", serde_json::json!([account, Bytes::from_static(AGREEABLE)])).await;
    assert_eq!(sign_in().await.unwrap().account, account);
}
