//! The gateway's tables on a real database file. What the gateway makes of them is tested there.

use alloy::primitives::{Address, B256, Bytes, U256};
use offsetdata_protocol::ids::CollectionId;

use super::lanes::{self, LaneRow};
use super::releases::{self, ReleaseRow};
use super::sessions::{self, SessionRow};
use super::signed::{self, PermitRow, UseRow};
use crate::Count;
use crate::database::{self, Database};

on_both_databases! {
    a_challenge_opens_one_session_and_the_oldest_give_way,
    lanes_keep_the_last_voucher_and_what_is_paid,
    a_chunk_is_charged_once,
    what_is_signed_is_kept_until_it_lands,
}

const COLLECTION: CollectionId = CollectionId(B256::repeat_byte(1));
const PAYER: Address = Address::repeat_byte(2);
const PAYEE: Address = Address::repeat_byte(3);

fn lane(number: u64, amount: u128) -> LaneRow {
    LaneRow {
        payer: PAYER,
        payee: PAYEE,
        collection: COLLECTION,
        lane: number,
        amount,
        records: 10,
        valid_until: Count(1000),
        from_deposit: false,
        signer: PAYER,
        signature: Bytes::from_static(&[7; 65]),
        settled: 0,
        confirmed: 0,
        open: true,
        due_at: Count(50),
        tries: 0,
        failure: None,
        updated_at: Count(10),
    }
}

async fn a_challenge_opens_one_session_and_the_oldest_give_way(database: Database) {
    let pool = &database.pool;
    let mut conn = pool.acquire().await.unwrap();
    let session = |n: u8| SessionRow {
        token_hash: B256::repeat_byte(n),
        account: PAYER,
        nonce: format!("nonce{n}"),
        expires_at: Count(100 + u64::from(n)),
        ended: false,
    };
    for n in 1..=3 {
        sessions::insert_session(&mut conn, session(n), 10, 2).await.unwrap();
    }
    let found = async |n: u8, now: u64| {
        let mut conn = pool.acquire().await.unwrap();
        sessions::find_session(&mut conn, B256::repeat_byte(n), now).await.unwrap().is_some()
    };
    assert!(!found(1, 20).await, "ended by newer ones");
    assert!(found(2, 20).await && found(3, 20).await);
    assert!(!found(3, 103).await, "over");
    let again = SessionRow { token_hash: B256::repeat_byte(9), ..session(1) };
    assert!(sessions::insert_session(&mut conn, again.clone(), 20, 2).await.unwrap_err().is_duplicate());
    sessions::insert_session(&mut conn, again, 200, 2).await.unwrap();
}

async fn lanes_keep_the_last_voucher_and_what_is_paid(database: Database) {
    let pool = &database.pool;
    let mut conn = pool.acquire().await.unwrap();
    lanes::put_lane(&mut conn, lane(u64::MAX, 100)).await.unwrap();
    lanes::put_lane(&mut conn, lane(1, 40)).await.unwrap();
    lanes::put_lane(&mut conn, LaneRow { due_at: Count(60), ..lane(1, u128::MAX) }).await.unwrap();
    assert_eq!(lanes::list_lanes_of(&mut conn, PAYER).await.unwrap().len(), 2);
    assert_eq!(lanes::list_lanes_for(&mut conn, COLLECTION).await.unwrap().len(), 2);
    assert_eq!(lanes::list_due_lanes(&mut conn, 55, 10).await.unwrap(), [lane(u64::MAX, 100)]);
    assert_eq!(lanes::hasten(&mut conn, Some(PAYER), None, 55).await.unwrap(), 1);
    assert_eq!(lanes::list_due_lanes(&mut conn, 55, 10).await.unwrap().len(), 2);

    let paid = LaneRow { settled: 100, confirmed: 99, tries: 2, ..lane(u64::MAX, 100) };
    lanes::advance_lane(&mut conn, &paid).await.unwrap();
    let found = lanes::find_lane(&mut conn, PAYER, PAYEE, COLLECTION, u64::MAX).await.unwrap().unwrap();
    assert_eq!((found.clone(), found.unsettled()), (paid.clone(), 0));
    let whole = LaneRow { confirmed: 100, ..paid };
    lanes::advance_lane(&mut conn, &whole).await.unwrap();
    let due = lanes::list_due_lanes(&mut conn, 100, 10).await.unwrap();
    assert_eq!(due.iter().map(|row| row.lane).collect::<Vec<_>>(), [1]);
}

async fn a_chunk_is_charged_once(database: Database) {
    let pool = &database.pool;
    let mut conn = pool.acquire().await.unwrap();
    let release = |key: u8, paid: bool| ReleaseRow {
        account: PAYER,
        collection: COLLECTION,
        chunk: 4,
        reader_key: B256::repeat_byte(key),
        paid,
        payee: PAYEE,
        lane: 1,
        charged: 5,
        lane_amount: 5,
        key_digest: B256::ZERO,
        sealed_secret: Bytes::from_static(&[1; 80]),
        signature: Bytes::from_static(&[2; 65]),
        released_at: Count(9),
    };
    releases::insert_release(&mut conn, release(1, true)).await.unwrap();
    assert!(releases::insert_release(&mut conn, release(2, true)).await.unwrap_err().is_duplicate());
    releases::insert_release(&mut conn, release(2, false)).await.unwrap();
    let found = releases::find_release(&mut conn, PAYER, COLLECTION, 4, B256::repeat_byte(2)).await.unwrap();
    assert_eq!(found, Some(release(2, false)));
    let charge = releases::find_charge(&mut conn, PAYER, COLLECTION, 4).await.unwrap();
    assert_eq!(charge, Some(release(1, true)));
    assert_eq!(releases::count_charges(&mut conn, PAYER, COLLECTION).await.unwrap(), 1);
}

async fn what_is_signed_is_kept_until_it_lands(database: Database) {
    let pool = &database.pool;
    let mut conn = pool.acquire().await.unwrap();
    let permit = PermitRow {
        owner: PAYER,
        value: U256::MAX,
        deadline: U256::from(7),
        nonce: U256::ZERO,
        signature: Bytes::from_static(&[3; 65]),
        stored_at: Count(1),
    };
    signed::put_permit(&mut conn, PermitRow { value: U256::from(1), ..permit.clone() }).await.unwrap();
    signed::put_permit(&mut conn, permit.clone()).await.unwrap();
    assert_eq!(signed::find_permit(&mut conn, PAYER).await.unwrap(), Some(permit));
    let used = UseRow {
        collection: COLLECTION,
        holder: PAYER,
        since: Count(5),
        signature: Bytes::from_static(&[4; 65]),
        landed: false,
        due_at: Count(5),
        tries: 0,
        failure: None,
    };
    signed::put_use(&mut conn, used.clone()).await.unwrap();
    signed::put_use(&mut conn, used.clone()).await.unwrap();
    assert_eq!(signed::list_due_uses(&mut conn, 5, 10).await.unwrap(), std::slice::from_ref(&used));
    signed::advance_use(&mut conn, &UseRow { landed: true, ..used }).await.unwrap();
    assert!(signed::list_due_uses(&mut conn, 5, 10).await.unwrap().is_empty());
}
