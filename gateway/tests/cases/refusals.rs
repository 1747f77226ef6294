//! Every voucher that does not hold is refused with its reason, and takes nothing.

use alloy::primitives::{Address, U256};
use alloy::signers::local::PrivateKeySigner;
use offsetdata_protocol::bindings::billing::UsageBilling;
use offsetdata_protocol::gateway_api::{
    Allowance, KeyAnswer, KeyRequest, PermitUpload, SpenderUpload, Statement, Text, VoucherUpload, code,
};
use offsetdata_protocol::seal::SealingKey;

use crate::support::reader::{Reader, read};
use crate::support::{CHUNK, PER_CHUNK, World, now};

const COUNT: u64 = PER_CHUNK as u64;

#[tokio::test]
async fn vouchers_that_do_not_hold() {
    let world = World::new().await;
    let reader = Reader::with_money(&world, 10_000, 10 * CHUNK).await;
    let (lane, payee) = (reader.lane(1), world.publisher.address());
    let good = reader.voucher(&world, lane, CHUNK, COUNT);
    let by = |key: &PrivateKeySigner, payee, lane, amount, until| {
        reader.voucher_by(key, &world, payee, lane, amount, COUNT, until)
    };
    let day = now() + 86_400;
    let altered = |change: fn(&mut VoucherUpload)| {
        let mut voucher = good.clone();
        change(&mut voucher);
        voucher
    };
    let stranger = PrivateKeySigner::random();
    let cases = [
        ("another payee", by(&reader.spender, Address::repeat_byte(5), lane, CHUNK, day), code::WRONG_PARTY),
        ("another gateway's lane", by(&reader.spender, payee, 1, CHUNK, day), code::WRONG_LANE),
        ("ends too early", by(&reader.spender, payee, lane, CHUNK, now() + 100), code::EXPIRED),
        ("over", by(&reader.spender, payee, lane, CHUNK, now() - 1), code::EXPIRED),
        ("too little", by(&reader.spender, payee, lane, CHUNK - 1, day), code::WRONG_AMOUNT),
        ("too much", by(&reader.spender, payee, lane, CHUNK + 1, day), code::WRONG_AMOUNT),
        ("a foreign signer", by(&stranger, payee, lane, CHUNK, day), code::UNKNOWN_SPENDER),
        ("altered amount", altered(|v| v.amount = Text(CHUNK + 1)), code::FOREIGN_SIGNATURE),
        ("altered records", altered(|v| v.records = Text(COUNT + 1)), code::FOREIGN_SIGNATURE),
        ("altered end", altered(|v| v.valid_until += 1), code::FOREIGN_SIGNATURE),
        ("altered deposit", altered(|v| v.from_deposit = true), code::FOREIGN_SIGNATURE),
        ("altered lane", altered(|v| v.lane = Text(v.lane.0 + 1)), code::FOREIGN_SIGNATURE),
        ("no signature", altered(|v| v.signature = Default::default()), code::FOREIGN_SIGNATURE),
        (
            "a time that is none",
            by(&reader.spender, payee, lane, CHUNK, day).with_end(1 << 40),
            code::MALFORMED,
        ),
    ];
    for (what, voucher, expected) in cases {
        let refusal = reader.key(&world, 0, Some(voucher)).await.expect_err(what);
        assert_eq!(refusal.code, expected, "{what}: {refusal:?}");
    }
    // Nothing of it was taken.
    let path = format!("/v1/collections/{}/statement", world.collection);
    let statement: Statement = read(reader.get(&path).await).await.unwrap();
    assert_eq!((statement.total.charged, statement.chunks, statement.lanes.len()), (Text(0), 0, 0));

    reader.key(&world, 0, Some(good.clone())).await.unwrap();
    let refusal = reader.key(&world, 1, Some(good)).await.unwrap_err();
    assert_eq!(refusal.code, code::REPLAYED, "one voucher does not pay for two chunks");
    assert_eq!(refusal.quote.unwrap().lane_amount, Text(2 * CHUNK));
    let refusal = reader.key(&world, 99, None).await.unwrap_err();
    assert_eq!(refusal.code, code::NOT_IN_COLLECTION);
}

trait WithEnd {
    fn with_end(self, end: u64) -> Self;
}
impl WithEnd for VoucherUpload {
    fn with_end(mut self, end: u64) -> Self {
        self.valid_until = end;
        self
    }
}

#[tokio::test]
async fn money_that_is_not_there() {
    let world = World::new().await;
    // Balance, and no allowance.
    let reader = Reader::sign_in(&world).await;
    world.mint(reader.account.address(), 10_000).await;
    assert_eq!(reader.post("/v1/spenders", &reader.authorization(1000, 0)).await.status(), 204);
    let voucher = reader.voucher(&world, reader.lane(1), CHUNK, COUNT);
    assert_eq!(reader.key(&world, 0, Some(voucher.clone())).await.unwrap_err().code, code::UNFUNDED);
    // A permit of less than a chunk, then of enough.
    let permit = reader.permit(&world, U256::from(CHUNK - 1)).await;
    assert_eq!(reader.post("/v1/permits", &permit).await.status(), 204);
    assert_eq!(reader.key(&world, 0, Some(voucher.clone())).await.unwrap_err().code, code::UNFUNDED);
    let permit = reader.permit(&world, U256::from(CHUNK)).await;
    assert_eq!(reader.post("/v1/permits", &permit).await.status(), 204);
    reader.key(&world, 0, Some(voucher)).await.unwrap();
    // What is promised stays covered; another permit says that and more.
    let permit = reader.permit(&world, U256::from(CHUNK - 1)).await;
    let refusal = read::<()>(reader.post("/v1/permits", &permit).await).await.unwrap_err();
    assert_eq!((refusal.code.as_str(), refusal.status), (code::UNFUNDED, 402));
    let allowance: Allowance = read(reader.get("/v1/permits").await).await.unwrap();
    assert_eq!(allowance, Allowance { allowed: Text(U256::from(CHUNK)), open: Text(CHUNK) });
    let permit = reader.permit(&world, U256::from(3 * CHUNK)).await;
    assert_eq!(reader.post("/v1/permits", &permit).await.status(), 204);
    let allowance: Allowance = read(reader.get("/v1/permits").await).await.unwrap();
    assert_eq!(allowance, Allowance { allowed: Text(U256::from(3 * CHUNK)), open: Text(CHUNK) });
    // A cap of one chunk and a half.
    let reader = Reader::with_money(&world, 10_000, CHUNK + CHUNK / 2).await;
    reader.key(&world, 0, Some(reader.voucher(&world, reader.lane(1), CHUNK, COUNT))).await.unwrap();
    let next = reader.voucher(&world, reader.lane(2), CHUNK, COUNT);
    let refusal = reader.key(&world, 1, Some(next)).await.unwrap_err();
    assert_eq!((refusal.code.as_str(), refusal.status), (code::OVER_CAP, 402));
}

#[tokio::test]
async fn permits_and_authorizations_that_do_not_hold() {
    let world = World::new().await;
    let reader = Reader::sign_in(&world).await;
    let other = Reader::sign_in(&world).await;
    let permit = reader.permit(&world, U256::from(5)).await;
    let cases: [(&str, PermitUpload, &str); 4] = [
        ("of another", other.permit(&world, U256::from(5)).await, code::FOREIGN_SIGNATURE),
        ("altered", PermitUpload { value: Text(U256::from(6)), ..permit.clone() }, code::FOREIGN_SIGNATURE),
        (
            "another nonce",
            PermitUpload { nonce: Text(U256::from(1)), ..permit.clone() },
            code::FOREIGN_SIGNATURE,
        ),
        ("over", PermitUpload { deadline: Text(U256::from(now())), ..permit.clone() }, code::EXPIRED),
    ];
    for (what, upload, expected) in cases {
        let refusal = read::<()>(reader.post("/v1/permits", &upload).await).await.expect_err(what);
        assert_eq!(refusal.code, expected, "{what}: {refusal:?}");
    }
    let authorization = reader.authorization(100, 0);
    let cases: [(&str, SpenderUpload, &str); 4] = [
        ("of another", other.authorization(100, 0), code::FOREIGN_SIGNATURE),
        ("altered", SpenderUpload { cap: Text(101), ..authorization.clone() }, code::FOREIGN_SIGNATURE),
        ("another nonce", reader.authorization(100, 1), code::WRONG_NONCE),
        ("over", SpenderUpload { expiry: now(), ..authorization.clone() }, code::EXPIRED),
    ];
    for (what, upload, expected) in cases {
        let refusal = read::<()>(reader.post("/v1/spenders", &upload).await).await.expect_err(what);
        assert_eq!(refusal.code, expected, "{what}: {refusal:?}");
    }
    // A key that was revoked on the chain signs no more vouchers.
    let reader = Reader::with_money(&world, 10_000, 1000).await;
    world.node.give_ether(reader.account.address()).await;
    let call = UsageBilling::revokeSpenderCall { spender: reader.spender.address() };
    world.node.send(&reader.account, world.node.deployment.usage_billing, &call).await;
    let voucher = reader.voucher(&world, reader.lane(1), CHUNK, COUNT);
    assert_eq!(reader.key(&world, 0, Some(voucher)).await.unwrap_err().code, code::UNKNOWN_SPENDER);
}

#[tokio::test]
async fn reader_keys_that_do_not_hold() {
    let world = World::new().await;
    let reader = Reader::with_money(&world, 10_000, 1000).await;
    let path = format!("/v1/collections/{}/chunks/0/key", world.collection);
    let good = reader.reader_key();
    let ask = async |change: &dyn Fn(&mut KeyRequest)| {
        let mut request = KeyRequest { reader_key: good.clone(), voucher: None };
        change(&mut request);
        read::<KeyAnswer>(reader.post(&path, &request).await).await.unwrap_err().code
    };
    assert_eq!(ask(&|r| r.reader_key.public_key = SealingKey([7; 32])).await, code::FOREIGN_SIGNATURE);
    assert_eq!(ask(&|r| r.reader_key.valid_until += 1).await, code::FOREIGN_SIGNATURE);
    assert_eq!(ask(&|r| r.reader_key.valid_until = now() - 1).await, code::EXPIRED);
    assert_eq!(ask(&|r| r.reader_key.valid_until = u64::MAX).await, code::EXPIRED);
    // Somebody else's session does not help.
    let thief = Reader::sign_in(&world).await;
    let request = KeyRequest { reader_key: good.clone(), voucher: None };
    let refusal = read::<KeyAnswer>(thief.post(&path, &request).await).await.unwrap_err();
    assert_eq!(refusal.code, code::FOREIGN_SIGNATURE);
}
