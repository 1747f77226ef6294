//! Settlement cut off anywhere, and what cannot be paid.

use std::time::Duration;

use offsetdata_protocol::bindings::token::DevToken;
use offsetdata_protocol::gateway_api::{KeyRequest, code};

use crate::support::reader::Reader;
use crate::support::{CHUNK, PER_CHUNK, World, now};
use alloy::primitives::U256;

const COUNT: u64 = PER_CHUNK as u64;

/// Sells a chunk each to some readers, without the settlement loop.
async fn sold(world: &mut World, readers: usize) -> (offsetdata_gateway::context::Context, Vec<Reader>) {
    let mut all = Vec::new();
    for _ in 0..readers {
        all.push(Reader::with_money(world, 1000, 1000).await);
    }
    world.stop().await;
    let context = world.bind().await;
    for reader in &all {
        let voucher = Some(reader.voucher(world, reader.lane(1), CHUNK, COUNT));
        let request = KeyRequest { reader_key: reader.reader_key(), voucher };
        let account = reader.account.address();
        context.release_key(account, world.collection, 0, &request, now()).await.unwrap();
    }
    (context, all)
}

#[tokio::test]
async fn cut_off_between_any_two_steps_everything_is_paid_once() {
    let mut world = World::new().await;
    let (context, readers) = sold(&mut world, 2).await;
    let later = now() + 4000;
    // A round takes some dozen calls to the node: it is dropped after each of many spans of time.
    for milliseconds in (0..60).map(|n| n * 7) {
        let _ = tokio::time::timeout(Duration::from_millis(milliseconds), context.settle_due(later)).await;
        // A lane that is settled is looked at again until it is confirmed: never paid again.
        assert!(world.revenue().await <= 2 * CHUNK);
    }
    let mut rounds = 0;
    while world.revenue().await < 2 * CHUNK {
        context.settle_due(later + 10_000 * rounds).await.unwrap();
        rounds += 1;
        assert!(rounds < 20, "it is not settled");
    }
    for reader in &readers {
        assert_eq!(world.settled(reader.account.address(), reader.lane(1)).await, CHUNK);
        assert_eq!(world.balance(reader.account.address()).await, 1000 - CHUNK);
    }
    assert_eq!(world.revenue().await, 2 * CHUNK);
    // Confirmed: nothing is left to do.
    world.node.mine(2).await;
    context.settle_due(later + 1_000_000).await.unwrap();
    let before = world.node.transactions_of(context.address()).await;
    let round = context.settle_due(later + 2_000_000).await.unwrap();
    assert_eq!((round.due, round.transactions), (0, 0));
    assert_eq!(world.node.transactions_of(context.address()).await, before);
}

#[tokio::test]
async fn many_payers_are_settled_in_one_transaction() {
    let mut world = World::new().await;
    let (context, readers) = sold(&mut world, 4).await;
    let round = context.settle_due(now() + 4000).await.unwrap();
    // A permit and an authorization each, and one batch.
    assert_eq!((round.due, round.transactions), (4, 9));
    assert_eq!(world.revenue().await, 4 * CHUNK);
    drop(readers);
}

#[tokio::test]
async fn a_reorg_that_takes_a_settlement_back_is_met_by_another() {
    let mut world = World::new().await;
    let (context, _readers) = sold(&mut world, 1).await;
    context.settle_due(now() + 4000).await.unwrap();
    assert_eq!(world.revenue().await, CHUNK);
    world.node.reorg(1).await;
    assert_eq!(world.revenue().await, 0, "the reorg took it");
    context.settle_due(now() + 4100).await.unwrap();
    assert_eq!(world.revenue().await, CHUNK);
}

#[tokio::test]
async fn who_cannot_pay_costs_no_gas_keeps_its_reason_and_gets_no_more() {
    let mut world = World::new().await;
    let (context, readers) = sold(&mut world, 1).await;
    let reader = &readers[0];
    // The money goes elsewhere before it is settled.
    world.node.give_ether(reader.account.address()).await;
    let call = DevToken::transferCall { to: world.publisher.address(), value: U256::from(1000 - CHUNK + 1) };
    world.node.send(&reader.account, world.node.deployment.token, &call).await;
    let poor = DevToken::transferCall { to: world.publisher.address(), value: U256::from(CHUNK - 1) };
    world.node.send(&reader.account, world.node.deployment.token, &poor).await;
    let round = context.settle_due(now() + 4000).await.unwrap();
    assert_eq!(round.transactions, 2, "permit and authorization, no settlement");
    let account = reader.account.address();
    let statement = context.statement(account, world.collection).await.unwrap();
    let failure = statement.lanes[0].failure.clone().unwrap();
    assert!(failure.contains("NotPaid"), "{failure}");
    assert_eq!((statement.total.open.0, world.revenue().await), (CHUNK, 0));
    let voucher = Some(reader.voucher(&world, reader.lane(1), 2 * CHUNK, 2 * COUNT));
    let request = KeyRequest { reader_key: reader.reader_key(), voucher };
    let refused = context.release_key(account, world.collection, 1, &request, now()).await.unwrap_err();
    assert_eq!(refused.code(), code::UNFUNDED);
    // The same promise, signed by the payer itself: nothing is added, and another amount is none of it.
    let until = now() + 90_000;
    let by = |amount| {
        let payee = world.publisher.address();
        reader.voucher_by(&reader.account, &world, payee, reader.lane(1), amount, COUNT, until)
    };
    let renew = async |amount| context.renew_voucher(account, world.collection, &by(amount), now()).await;
    assert_eq!(renew(CHUNK + 1).await.unwrap_err().code(), code::WRONG_AMOUNT);
    renew(CHUNK).await.unwrap();
    // Money comes back, and with it the settlement.
    world.mint(account, 1000).await;
    context.settle_due(now() + 100_000).await.unwrap();
    assert_eq!(world.revenue().await, CHUNK);
}

#[tokio::test]
async fn what_did_not_settle_says_why_and_when_it_is_tried_again() {
    let mut world = World::new().await;
    let (context, readers) = sold(&mut world, 1).await;
    let reader = &readers[0];
    let account = reader.account.address();
    // The spender key is revoked before its first voucher lands.
    world.node.give_ether(account).await;
    let spender = reader.spender.address();
    let call = offsetdata_protocol::bindings::billing::UsageBilling::revokeSpenderCall { spender };
    world.node.send(&reader.account, world.node.deployment.usage_billing, &call).await;
    context.settle_due(now()).await.unwrap();
    context.settle_due(now() + 4000).await.unwrap();
    let until = now() + 90_000;
    let payee = world.publisher.address();
    let by_payer = |lane, amount, records| {
        Some(reader.voucher_by(&reader.account, &world, payee, lane, amount, records, until))
    };
    let request =
        KeyRequest { reader_key: reader.reader_key(), voucher: by_payer(reader.lane(2), CHUNK, COUNT) };
    let refused = context.release_key(account, world.collection, 1, &request, now()).await.unwrap_err();
    let problem = refused.problem();
    assert_eq!(problem.code, code::OVER_CREDIT);
    assert!(problem.detail.unwrap().contains("SpenderNotAuthorized"));
    assert!(problem.retry_after_seconds.unwrap() > 1000);
    // The payer signs the same promise itself: it is paid, and reading goes on.
    let renewed = by_payer(reader.lane(1), CHUNK, COUNT).unwrap();
    context.renew_voucher(account, world.collection, &renewed, now()).await.unwrap();
    context.settle_due(now()).await.unwrap();
    assert_eq!(world.revenue().await, CHUNK);
    context.release_key(account, world.collection, 1, &request, now()).await.unwrap();
}

#[tokio::test]
async fn a_deposit_pays_where_the_voucher_says_so() {
    let mut world = World::new().await;
    let reader = Reader::sign_in(&world).await;
    let (account, payee) = (reader.account.address(), world.publisher.address());
    world.node.give_ether(account).await;
    world.mint(account, CHUNK).await;
    let (token, billing) = (world.node.deployment.token, world.node.deployment.usage_billing);
    let approve = DevToken::approveCall { spender: billing, value: U256::from(CHUNK) };
    world.node.send(&reader.account, token, &approve).await;
    let deposit = offsetdata_protocol::bindings::billing::UsageBilling::depositCall {
        payee,
        amount: U256::from(CHUNK),
    };
    world.node.send(&reader.account, billing, &deposit).await;
    world.stop().await;
    let context = world.bind().await;
    let ask = async |chunk: u32, amount: u128, from_deposit: bool| {
        let mut voucher = reader.voucher_by(
            &reader.account,
            &world,
            payee,
            reader.lane(1),
            amount,
            COUNT * u64::from(chunk + 1),
            now() + 90_000,
        );
        voucher.from_deposit = from_deposit;
        voucher.signature = reader.resign(&reader.account, &world, &voucher);
        let request = KeyRequest { reader_key: reader.reader_key(), voucher: Some(voucher) };
        context.release_key(account, world.collection, chunk, &request, now()).await
    };
    assert_eq!(ask(0, CHUNK, false).await.unwrap_err().code(), code::UNFUNDED, "nothing is allowed");
    ask(0, CHUNK, true).await.unwrap();
    assert_eq!(ask(1, 2 * CHUNK, true).await.unwrap_err().code(), code::UNFUNDED, "the deposit is promised");
    context.settle_due(now() + 4000).await.unwrap();
    assert_eq!((world.revenue().await, world.balance(account).await), (CHUNK, 0));
}

#[tokio::test]
async fn another_price_needs_another_voucher_and_no_offer_sells_nothing() {
    let world = World::new().await;
    let reader = Reader::with_money(&world, 10_000, 10_000).await;
    let publisher = world.publisher.address();
    let dearer = offsetdata_protocol::bindings::access::Offer {
        pricePerRecord: 9,
        ..crate::support::metered(publisher)
    };
    world.offer(dearer).await;
    let voucher = Some(reader.voucher(&world, reader.lane(1), CHUNK, COUNT));
    let refusal = reader.key(&world, 0, voucher).await.unwrap_err();
    assert_eq!(refusal.code, code::WRONG_AMOUNT);
    let due = refusal.quote.unwrap().lane_amount;
    assert_eq!(due.0, 90);
    reader.key(&world, 0, Some(reader.voucher(&world, reader.lane(1), due.0, COUNT))).await.unwrap();
    // The offer goes: what was charged is not sold again, and neither is anything else.
    let clear = offsetdata_protocol::bindings::access::AccessToken::clearOfferCall {
        collection: world.collection.0,
        right: 0,
    };
    world.node.send(&world.publisher, world.node.deployment.access_token, &clear).await;
    for chunk in [0, 1] {
        assert_eq!(reader.key(&world, chunk, None).await.unwrap_err().code, code::NO_RIGHT);
    }
}
