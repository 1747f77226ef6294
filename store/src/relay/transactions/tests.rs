//! The queue that signers share, and transactions that travel in another one.

use alloy::primitives::{Address, B256, Bytes};
use offsetdata_protocol::ids::RequestId;

use super::*;
use crate::relay::signers;
use crate::{Pool, Tx, connect, migrate};

const A: Address = Address::repeat_byte(0xa);
const B: Address = Address::repeat_byte(0xb);

async fn database(folder: &tempfile::TempDir) -> Pool {
    let pool = connect(&format!("sqlite:{}", folder.path().join("db").display())).await.unwrap();
    migrate(&pool).await.unwrap();
    pool
}

async fn queue(tx: &mut Tx, name: &str, kind: &str, signer: Address, request: Option<u8>) {
    let new = NewTransaction {
        dedupe: name.into(),
        signer,
        kind: kind.into(),
        request: request.map(|n| RequestId(B256::repeat_byte(n))),
        target: Address::ZERO,
        calldata: Bytes::new(),
        expires_at: 10,
        max_gas: None,
    };
    assert!(insert_transaction(tx, new, 1).await.unwrap());
}

fn ids(waiting: &[Waiting]) -> Vec<u64> {
    waiting.iter().map(|one| one.id).collect()
}

#[tokio::test]
async fn the_steps_of_a_request_stay_with_one_signer_while_one_of_them_may_land() {
    let folder = tempfile::tempdir().unwrap();
    let pool = database(&folder).await;
    let mut tx = pool.write().await.unwrap();
    for signer in [A, B] {
        signers::acquire_signer(&mut tx, signer, "a process", 1, 100, 0).await.unwrap();
    }
    queue(&mut tx, "one", "commit", ANYONE, Some(1)).await;
    queue(&mut tx, "two", "commit", ANYONE, Some(1)).await;
    queue(&mut tx, "other", "commit", ANYONE, Some(2)).await;
    queue(&mut tx, "call", "call", ANYONE, None).await;
    queue(&mut tx, "pinned", "call", A, None).await;
    assert_eq!(count_unclaimed(&mut tx).await.unwrap(), 4);
    assert_eq!(ids(&list_unclaimed(&mut tx, A, 3).await.unwrap()), [1, 2, 3]);

    assert_eq!(claim(&mut tx, A, &[1]).await.unwrap(), 1);
    assert_eq!(claim(&mut tx, B, &[1]).await.unwrap(), 0, "it has a signer");
    assert_eq!(claim(&mut tx, B, &[]).await.unwrap(), 0);
    assert_eq!(
        ids(&list_unclaimed(&mut tx, B, 9).await.unwrap()),
        [3, 4],
        "the second step is not for another one"
    );
    assert_eq!(ids(&list_unclaimed(&mut tx, A, 9).await.unwrap()), [2, 3, 4]);

    // In a block, it holds up nobody.
    let mut row = find_transaction(&mut tx, 1).await.unwrap().unwrap();
    (row.state, row.nonce) = ("included".into(), Some(Count(3)));
    assert!(advance_transaction(&mut tx, "pending", &row).await.unwrap());
    assert_eq!(ids(&list_unclaimed(&mut tx, B, 9).await.unwrap()), [2, 3, 4]);
}

#[tokio::test]
async fn only_what_was_never_signed_and_is_nobodys_own_is_given_back() {
    let folder = tempfile::tempdir().unwrap();
    let pool = database(&folder).await;
    let mut tx = pool.write().await.unwrap();
    for name in ["free", "signed once"] {
        queue(&mut tx, name, "call", ANYONE, None).await;
    }
    queue(&mut tx, "pinned", "call", A, None).await;
    for id in [1, 2] {
        assert_eq!(claim(&mut tx, A, &[id]).await.unwrap(), 1);
    }
    let envelope = EnvelopeRow {
        hash: B256::repeat_byte(1),
        transaction_id: Count(2),
        nonce: Count(0),
        raw: Bytes::new(),
        max_fee: 1,
        priority_fee: 1,
        gas_limit: Count(1),
        signed_at: Count(1),
        signed_block: Count(1),
        sent_block: None,
    };
    insert_envelope(&mut tx, envelope).await.unwrap();
    assert_eq!(give_back(&mut tx, A).await.unwrap(), 1);
    assert_eq!(ids(&list_unclaimed(&mut tx, B, 9).await.unwrap()), [1]);
    assert_eq!(give_back(&mut tx, A).await.unwrap(), 0);
}

#[tokio::test]
async fn what_travels_together_stands_together_until_it_is_taken_off() {
    let folder = tempfile::tempdir().unwrap();
    let pool = database(&folder).await;
    let mut tx = pool.write().await.unwrap();
    for (name, request) in [("one", 1), ("two", 2)] {
        queue(&mut tx, name, "commit", ANYONE, Some(request)).await;
    }
    for id in [1, 2] {
        assert_eq!(claim(&mut tx, A, &[id]).await.unwrap(), 1);
    }
    let one = find_transaction(&mut tx, 1).await.unwrap().unwrap();
    let carrier = TransactionRow {
        dedupe: "batch".into(),
        kind: "commitBatch".into(),
        request: None,
        state: "signed".into(),
        nonce: Some(Count(7)),
        ..one
    };
    let carrier = insert_carrier(&mut tx, carrier, &[1, 2]).await.unwrap().unwrap();
    assert_eq!(carrier.id, Count(3));
    tx.commit().await.unwrap();
    let mut tx = pool.write().await.unwrap();
    let again = TransactionRow { dedupe: "again".into(), ..carrier.clone() };
    assert_eq!(insert_carrier(&mut tx, again, &[1]).await.unwrap(), None, "it is carried already");
    tx.rollback().await.unwrap();
    let mut tx = pool.write().await.unwrap();
    let listed = list_in(&mut tx, A, "signed", 9).await.unwrap();
    assert_eq!(listed, std::slice::from_ref(&carrier), "without what it carries");
    assert_eq!(requests_in_flight(&mut tx, A).await.unwrap().len(), 2);

    let included = TransactionRow {
        state: "included".into(),
        hash: Some(B256::repeat_byte(9)),
        block_number: Some(Count(5)),
        block_hash: Some(B256::repeat_byte(5)),
        ..carrier
    };
    assert!(advance_transaction(&mut tx, "signed", &included).await.unwrap());
    follow_carrier(&mut tx, &included).await.unwrap();
    detach(&mut tx, 2, "left out", 9).await.unwrap();
    let of = async |tx: &mut Tx, id: u64| {
        let row = find_transaction(tx, id).await.unwrap().unwrap();
        (row.state, row.block_number, row.carrier, row.reverts)
    };
    assert_eq!(of(&mut tx, 1).await, ("included".into(), Some(Count(5)), Some(Count(3)), 0));
    assert_eq!(of(&mut tx, 2).await, ("pending".into(), None, None, 1));
    assert_eq!(list_carried(&mut tx, 3).await.unwrap().len(), 1);
    assert_eq!(list_included_from(&mut tx, A, 5).await.unwrap().len(), 1);
}
