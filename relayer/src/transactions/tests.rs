//! The reconciler against a real anvil: kills, drops, reorgs, rising fees, a second holder, a foreign use of the key.

use alloy::primitives::{Address, Bytes, address};
use alloy::signers::local::PrivateKeySigner;
use offsetdata_store::relay::transactions::{
    self as rows, ANYONE, NewTransaction, TransactionRow, insert_transaction,
};
use offsetdata_store::{Count, Pool};
use serde_json::json;
use tempfile::TempDir;

use super::anvil::Anvil;
use super::state::{Kind, TransactionState as State};
use super::{Common, Lanes, Reconciler, TransactionSettings};
use crate::RelayerError;
use crate::chain::Sent;
use crate::fixture::{COORDINATOR, database};
use crate::scheduler::Scheduler;

const TARGET: Address = Address::repeat_byte(0xaa);
/// The CREATE2 deployer that anvil starts with.
const DEPLOYER: Address = address!("4e59b44847b379578588920cA78FbF26c0B4956C");
const LONG_AGO: u64 = 1_000_000;

struct Bench {
    anvil: Anvil,
    _folder: TempDir,
    pool: Pool,
}

impl Bench {
    async fn new(arguments: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let pool = database(&folder).await;
        Self { anvil: Anvil::start(arguments).await, _folder: folder, pool }
    }

    async fn holder(&self, name: &str, settings: TransactionSettings, now: u64) -> Option<Reconciler> {
        let key: PrivateKeySigner = Anvil::signer();
        Reconciler::acquire(&self.common(&[key.address()], settings), key, name, now).await.unwrap()
    }

    fn common(&self, signers: &[Address], settings: TransactionSettings) -> Common {
        Common {
            pool: self.pool.clone(),
            chain: self.anvil.chain.clone(),
            scheduler: Scheduler::new(Anvil::signer(), 31_337, COORDINATOR),
            settings,
            lanes: Lanes::new(signers.iter().copied()),
        }
    }

    async fn want(&self, name: &str, target: Address) {
        self.want_call(name, target, name.as_bytes().to_vec().into()).await;
    }

    async fn want_call(&self, name: &str, target: Address, calldata: Bytes) {
        self.want_by(name, target, calldata, Anvil::signer().address()).await;
    }

    async fn want_by(&self, name: &str, target: Address, calldata: Bytes, signer: Address) {
        let new = NewTransaction {
            dedupe: name.into(),
            signer,
            kind: Kind::Call.as_str().into(),
            request: None,
            target,
            calldata,
            expires_at: LONG_AGO + 1000,
            max_gas: None,
        };
        let mut tx = self.pool.write().await.unwrap();
        assert!(insert_transaction(&mut tx, new, LONG_AGO).await.unwrap());
        tx.commit().await.unwrap();
    }

    async fn row(&self, name: &str) -> TransactionRow {
        let mut conn = self.pool.acquire().await.unwrap();
        rows::find_by_dedupe(&mut conn, name).await.unwrap().unwrap()
    }

    async fn state(&self, name: &str) -> State {
        State::read(&self.row(name).await.state).unwrap()
    }

    /// A round, and the blocks that follow at once where anvil makes one for each transaction.
    async fn round(&self, reconciler: &mut Reconciler) -> super::Report {
        let report = reconciler.round(LONG_AGO).await.unwrap();
        for _ in 0..200 {
            if self.anvil.call("txpool_status", json!([])).await["pending"] == json!("0x0") {
                break;
            }
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        report
    }

    async fn nonce(&self) -> u64 {
        self.anvil.chain.nonce(Anvil::signer().address()).await.unwrap()
    }
}

#[tokio::test]
async fn queued_transactions_land_in_their_order() {
    let bench = Bench::new(&[]).await;
    for name in ["one", "two", "three"] {
        bench.want(name, TARGET).await;
    }
    let mut reconciler = bench.holder("a", TransactionSettings::default(), LONG_AGO).await.unwrap();
    bench.round(&mut reconciler).await;
    bench.round(&mut reconciler).await;
    for (name, nonce) in [("one", 0), ("two", 1), ("three", 2)] {
        let row = bench.row(name).await;
        assert_eq!((row.state.as_str(), row.nonce), ("confirmed", Some(Count(nonce))), "{name}");
    }
    assert_eq!(bench.nonce().await, 3);
    let quiet = bench.round(&mut reconciler).await;
    assert_eq!(quiet, super::Report::default(), "nothing is left to do");
}

#[tokio::test]
async fn what_would_revert_is_dropped_with_its_reason_and_takes_no_nonce() {
    let bench = Bench::new(&[]).await;
    // Init code that reverts, after a salt: the deployer then reverts too.
    let calldata = [[0u8; 32].as_slice(), &[0x60, 0, 0x60, 0, 0xfd]].concat();
    bench.want_call("bad", DEPLOYER, calldata.into()).await;
    bench.want("good", TARGET).await;
    let mut reconciler = bench.holder("a", TransactionSettings::default(), LONG_AGO).await.unwrap();
    bench.round(&mut reconciler).await;
    bench.round(&mut reconciler).await;
    let bad = bench.row("bad").await;
    assert_eq!((bad.state.as_str(), bad.nonce), ("dropped", None));
    assert_eq!(bad.reason.as_deref(), Some("without a reason"));
    assert_eq!((bench.state("good").await, bench.nonce().await), (State::Confirmed, 1));
}

#[tokio::test]
async fn what_the_node_cannot_run_waits_until_its_time_is_over_and_holds_nothing_up() {
    let bench = Bench::new(&[]).await;
    // Shorter than a salt: the deployer runs out of gas, which could be the node's limit.
    bench.want("odd", DEPLOYER).await;
    bench.want("good", TARGET).await;
    let mut reconciler = bench.holder("a", TransactionSettings::default(), LONG_AGO).await.unwrap();
    bench.round(&mut reconciler).await;
    reconciler.round(LONG_AGO + 1000).await.unwrap();
    assert_eq!((bench.state("odd").await, bench.state("good").await), (State::Pending, State::Confirmed));
    reconciler.round(LONG_AGO + 1001).await.unwrap();
    assert_eq!((bench.state("odd").await, bench.nonce().await), (State::Dropped, 1));
}

#[tokio::test]
async fn a_process_that_dies_between_signing_and_sending_is_followed_by_one_that_sends_the_same() {
    let bench = Bench::new(&["--no-mining"]).await;
    bench.want("one", TARGET).await;
    let mut first = bench.holder("a", TransactionSettings::default(), LONG_AGO).await.unwrap();
    first.round(LONG_AGO).await.unwrap();
    // As if it had died before sending: the bytes are durable, the node has nothing, nobody noted a sending.
    let row = bench.row("one").await;
    let hash = {
        let mut conn = bench.pool.acquire().await.unwrap();
        rows::list_envelopes(&mut conn, row.id.0).await.unwrap()[0].hash
    };
    bench.anvil.call("anvil_dropTransaction", json!([hash])).await;
    let mut tx = bench.pool.write().await.unwrap();
    let signed = TransactionRow { state: "signed".into(), ..row };
    assert!(rows::advance_transaction(&mut tx, "broadcast", &signed).await.unwrap());
    tx.commit().await.unwrap();
    drop(first);

    let later = LONG_AGO + 60;
    let mut second = bench.holder("b", TransactionSettings::default(), later).await.unwrap();
    bench.anvil.mine(1).await;
    second.round(later).await.unwrap();
    bench.anvil.mine(1).await;
    second.round(later).await.unwrap();
    let row = bench.row("one").await;
    assert_eq!((row.state.as_str(), row.hash, bench.nonce().await), ("confirmed", Some(hash), 1));
}

#[tokio::test]
async fn a_dropped_transaction_is_sent_again() {
    let bench = Bench::new(&["--no-mining"]).await;
    bench.want("one", TARGET).await;
    let mut reconciler = bench.holder("a", TransactionSettings::default(), LONG_AGO).await.unwrap();
    reconciler.round(LONG_AGO).await.unwrap();
    bench.anvil.call("anvil_dropAllTransactions", json!([])).await;
    bench.anvil.mine(1).await;
    assert_eq!(bench.nonce().await, 0, "the node forgot it");
    reconciler.round(LONG_AGO).await.unwrap();
    bench.anvil.mine(1).await;
    reconciler.round(LONG_AGO).await.unwrap();
    assert_eq!((bench.state("one").await, bench.nonce().await), (State::Confirmed, 1));
}

#[tokio::test]
async fn a_reorg_takes_an_inclusion_back_and_it_lands_again() {
    let bench = Bench::new(&[]).await;
    bench.anvil.mine(3).await;
    bench.want("one", TARGET).await;
    let settings = TransactionSettings { confirmations: 3, ..TransactionSettings::default() };
    let mut reconciler = bench.holder("a", settings, LONG_AGO).await.unwrap();
    bench.round(&mut reconciler).await;
    bench.round(&mut reconciler).await;
    let before = bench.row("one").await;
    assert_eq!(before.state, "included", "it needs three blocks");

    bench.anvil.reorg(1).await;
    let report = bench.round(&mut reconciler).await;
    assert_eq!(report.reorged, 1);
    for _ in 0..4 {
        bench.anvil.mine(1).await;
        bench.round(&mut reconciler).await;
    }
    let after = bench.row("one").await;
    assert_eq!((after.state.as_str(), after.hash, bench.nonce().await), ("confirmed", before.hash, 1));
    assert_ne!(after.block_hash, before.block_hash);
}

#[tokio::test]
async fn a_reorg_below_the_confirmations_is_seen_too() {
    let bench = Bench::new(&[]).await;
    bench.anvil.mine(2).await;
    bench.want("one", TARGET).await;
    let mut reconciler = bench.holder("a", TransactionSettings::default(), LONG_AGO).await.unwrap();
    bench.round(&mut reconciler).await;
    bench.round(&mut reconciler).await;
    assert_eq!(bench.state("one").await, State::Confirmed);
    bench.anvil.reorg(2).await;
    assert_eq!(bench.round(&mut reconciler).await.reorged, 1);
    for _ in 0..2 {
        bench.anvil.mine(1).await;
        bench.round(&mut reconciler).await;
    }
    assert_eq!((bench.state("one").await, bench.nonce().await), (State::Confirmed, 1));
}

#[tokio::test]
async fn a_stuck_transaction_is_replaced_by_one_that_pays_more_until_the_cap() {
    let bench = Bench::new(&["--no-mining"]).await;
    bench.want("one", TARGET).await;
    let settings = TransactionSettings { bump_after_blocks: 2, ..TransactionSettings::default() };
    let mut reconciler = bench.holder("a", settings, LONG_AGO).await.unwrap();
    reconciler.round(LONG_AGO).await.unwrap();
    let envelopes = || async {
        let mut conn = bench.pool.acquire().await.unwrap();
        rows::list_envelopes(&mut conn, 1).await.unwrap()
    };
    let first = envelopes().await.remove(0);
    for _ in 0..2 {
        // Over what it offers: blocks come and leave it out.
        bench
            .anvil
            .call("anvil_setNextBlockBaseFeePerGas", json!([format!("0x{:x}", first.max_fee * 3)]))
            .await;
        bench.anvil.mine(1).await;
        reconciler.round(LONG_AGO).await.unwrap();
    }
    let all = envelopes().await;
    assert_eq!(all.len(), 2, "one replacement after two blocks");
    assert_eq!(all[0].nonce, first.nonce);
    assert!(
        all[0].max_fee * 1000 >= first.max_fee * 1125
            && all[0].priority_fee * 1000 >= first.priority_fee * 1125
    );
    bench.anvil.mine(1).await;
    reconciler.round(LONG_AGO).await.unwrap();
    let row = bench.row("one").await;
    assert_eq!((row.state.as_str(), row.hash), ("confirmed", Some(all[0].hash)));

    // With the cap where the fee is, it waits and stays as it is.
    bench.want("two", TARGET).await;
    reconciler.round(LONG_AGO).await.unwrap();
    drop(reconciler);
    let capped = TransactionSettings { max_fee_per_gas: 1, ..settings };
    let mut reconciler = bench.holder("b", capped, LONG_AGO + 60).await.unwrap();
    for _ in 0..3 {
        bench
            .anvil
            .call("anvil_setNextBlockBaseFeePerGas", json!([format!("0x{:x}", all[0].max_fee * 100)]))
            .await;
        bench.anvil.mine(1).await;
        assert_eq!(reconciler.round(LONG_AGO + 60).await.unwrap().replaced, 0);
    }
    assert_eq!(bench.state("two").await, State::Broadcast);
}

#[tokio::test]
async fn one_holder_at_a_time_and_the_old_one_is_fenced_out() {
    let bench = Bench::new(&[]).await;
    let settings = TransactionSettings::default();
    let mut first = bench.holder("a", settings, LONG_AGO).await.unwrap();
    assert!(bench.holder("b", settings, LONG_AGO + 14).await.is_none(), "the lease still runs");
    let mut second = bench.holder("b", settings, LONG_AGO + 15).await.unwrap();
    bench.want("one", TARGET).await;
    assert!(matches!(first.round(LONG_AGO + 15).await, Err(RelayerError::Fenced)));
    assert_eq!(bench.state("one").await, State::Pending);
    second.round(LONG_AGO + 15).await.unwrap();
    second.round(LONG_AGO + 15).await.unwrap();
    assert_eq!(bench.state("one").await, State::Confirmed);
    second.release(LONG_AGO + 16).await.unwrap();
    assert!(bench.holder("c", settings, LONG_AGO + 16).await.is_some(), "given back, it is free at once");
}

#[tokio::test]
async fn a_nonce_that_was_used_elsewhere_is_replaced_by_a_new_one() {
    let bench = Bench::new(&["--no-mining"]).await;
    bench.want("one", TARGET).await;
    let mut reconciler = bench.holder("a", TransactionSettings::default(), LONG_AGO).await.unwrap();
    reconciler.round(LONG_AGO).await.unwrap();
    bench.anvil.call("anvil_dropAllTransactions", json!([])).await;
    send_elsewhere(&bench, 0).await;
    for _ in 0..6 {
        bench.anvil.mine(1).await;
        reconciler.round(LONG_AGO).await.unwrap();
    }
    let row = bench.row("one").await;
    assert_eq!((row.state.as_str(), row.nonce, bench.nonce().await), ("confirmed", Some(Count(1)), 2));
}

/// A transaction that this key signed outside of the relayer.
async fn send_elsewhere(bench: &Bench, nonce: u64) {
    let foreign = super::signing::Form {
        chain_id: 31_337,
        transaction: 0,
        nonce,
        to: TARGET,
        calldata: Bytes::new(),
        gas_limit: 30_000,
        fees: super::Fees { max_fee: 10_000_000_000, priority_fee: 1_000_000_000 },
    };
    let foreign = super::signing::seal(&Anvil::signer(), foreign, 0, 0).unwrap();
    assert_eq!(bench.anvil.chain.send(&foreign.raw).await.unwrap(), Sent::Taken);
}

#[tokio::test]
async fn a_nonce_that_was_used_elsewhere_and_lost_its_block_holds_nothing_up() {
    let bench = Bench::new(&["--no-mining"]).await;
    bench.anvil.mine(8).await;
    let mut reconciler = bench.holder("a", TransactionSettings::default(), LONG_AGO).await.unwrap();
    send_elsewhere(&bench, 0).await;
    bench.want("one", TARGET).await;
    for _ in 0..4 {
        bench.anvil.mine(1).await;
        reconciler.round(LONG_AGO).await.unwrap();
    }
    let row = bench.row("one").await;
    assert_eq!((row.state.as_str(), row.nonce), ("confirmed", Some(Count(1))));
    bench.anvil.reorg(5).await;
    bench.anvil.call("anvil_dropAllTransactions", json!([])).await;
    assert_eq!(bench.nonce().await, 0, "both are gone, and the other one does not come back");
    for _ in 0..8 {
        reconciler.round(LONG_AGO).await.unwrap();
        bench.anvil.mine(1).await;
    }
    let row = bench.row("one").await;
    assert_eq!((row.state.as_str(), row.nonce, bench.nonce().await), ("confirmed", Some(Count(1)), 2));
    assert_eq!(bench.state(&format!("fill:{}:0", Anvil::signer().address())).await, State::Confirmed);
}

#[tokio::test]
async fn what_was_given_up_does_not_land_when_its_nonce_is_free_again() {
    let bench = Bench::new(&["--no-mining"]).await;
    bench.anvil.mine(8).await;
    let mut reconciler = bench.holder("a", TransactionSettings::default(), LONG_AGO).await.unwrap();
    bench.want("one", TARGET).await;
    reconciler.round(LONG_AGO).await.unwrap();
    bench.anvil.call("anvil_dropAllTransactions", json!([])).await;
    send_elsewhere(&bench, 0).await;
    bench.anvil.call("anvil_setCode", json!([TARGET, "0x5f5ffd"])).await;
    for _ in 0..4 {
        bench.anvil.mine(1).await;
        reconciler.round(LONG_AGO).await.unwrap();
    }
    assert_eq!(bench.state("one").await, State::Dropped, "its nonce was used, and then it would revert");
    bench.anvil.reorg(5).await;
    bench.anvil.call("anvil_dropAllTransactions", json!([])).await;
    bench.anvil.call("anvil_setCode", json!([TARGET, "0x"])).await;
    assert_eq!(bench.nonce().await, 0);
    for _ in 0..8 {
        reconciler.round(LONG_AGO).await.unwrap();
        bench.anvil.mine(1).await;
    }
    assert_eq!((bench.state("one").await, bench.nonce().await), (State::Dropped, 1));
    assert_eq!(bench.state(&format!("fill:{}:0", Anvil::signer().address())).await, State::Confirmed);
}

#[tokio::test]
async fn many_transactions_with_a_kill_after_each_round_land_once_each() {
    let bench = Bench::new(&["--no-mining"]).await;
    let names: Vec<String> = (0..12).map(|n| format!("call {n}")).collect();
    for name in &names {
        bench.want(name, TARGET).await;
    }
    let settings = TransactionSettings { max_in_flight: 5, ..TransactionSettings::default() };
    for round in 0..12u64 {
        // Each round is a new process; the lease of the one before has ended.
        let now = LONG_AGO + round * 60;
        let mut reconciler = bench.holder(&format!("process {round}"), settings, now).await.unwrap();
        reconciler.round(now).await.unwrap();
        if round % 3 == 1 {
            bench.anvil.call("anvil_dropAllTransactions", json!([])).await;
        }
        bench.anvil.mine(1).await;
    }
    let mut nonces = Vec::new();
    for name in &names {
        let row = bench.row(name).await;
        assert_eq!(row.state, "confirmed", "{name}: {:?}", row.reason);
        nonces.push(row.nonce.unwrap().0);
    }
    assert_eq!(nonces, (0..12).collect::<Vec<u64>>(), "in order, without holes");
    assert_eq!(bench.nonce().await, 12, "and nothing twice");
}

#[tokio::test]
async fn two_signers_share_one_queue() {
    let bench = Bench::new(&[]).await;
    let keys = [Anvil::signer(), PrivateKeySigner::random()];
    let other = keys[1].address();
    bench.anvil.call("anvil_setBalance", json!([other, "0x56bc75e2d63100000"])).await;
    bench.anvil.mine(1).await;
    let common =
        bench.common(&keys.each_ref().map(PrivateKeySigner::address), TransactionSettings::default());
    let mut both = Vec::new();
    for key in keys {
        both.push(Reconciler::acquire(&common, key, "a", LONG_AGO).await.unwrap().unwrap());
    }
    for n in 0..8 {
        let name = format!("call {n}");
        bench.want_by(&name, TARGET, name.clone().into_bytes().into(), ANYONE).await;
    }
    for _ in 0..4 {
        for reconciler in &mut both {
            reconciler.round(LONG_AGO).await.unwrap();
        }
    }
    let mut by_first = 0;
    for n in 0..8 {
        let row = bench.row(&format!("call {n}")).await;
        assert_eq!(row.state, "confirmed", "{:?}", row.reason);
        by_first += u64::from(row.signer == Anvil::signer().address());
    }
    assert!((2..=6).contains(&by_first), "{by_first} of 8");
    assert_eq!(bench.nonce().await, by_first);
    assert_eq!(bench.anvil.chain.nonce(other).await.unwrap(), 8 - by_first);
}

#[tokio::test]
async fn what_an_empty_signer_has_signed_waits_for_it_and_the_rest_goes_to_another() {
    let bench = Bench::new(&["--no-mining"]).await;
    let keys = [Anvil::signer(), PrivateKeySigner::random()];
    let (first, other) = (keys[0].address(), keys[1].address());
    let common = bench.common(&[first, other], TransactionSettings::default());
    let mut both = Vec::new();
    for key in keys {
        both.push(Reconciler::acquire(&common, key, "a", LONG_AGO).await.unwrap().unwrap());
    }
    bench.want_by("signed", TARGET, Bytes::new(), ANYONE).await;
    both[0].round(LONG_AGO).await.unwrap();
    assert_eq!((bench.row("signed").await.signer, bench.state("signed").await), (first, State::Broadcast));
    bench.anvil.call("anvil_dropAllTransactions", json!([])).await;
    for (address, wei) in [(first, "0x0"), (other, "0x56bc75e2d63100000")] {
        bench.anvil.call("anvil_setBalance", json!([address, wei])).await;
    }
    bench.want_by("next", TARGET, Bytes::new(), ANYONE).await;
    for _ in 0..3 {
        bench.anvil.mine(1).await;
        for reconciler in &mut both {
            reconciler.round(LONG_AGO).await.unwrap();
        }
    }
    let empty: Vec<bool> = common.lanes.list().iter().map(|lane| lane.is_empty).collect();
    assert_eq!(empty, [true, false]);
    assert_eq!((bench.row("next").await.signer, bench.state("next").await), (other, State::Confirmed));
    assert_eq!((bench.row("signed").await.signer, bench.state("signed").await), (first, State::Broadcast));

    bench.anvil.call("anvil_setBalance", json!([first, "0x56bc75e2d63100000"])).await;
    for _ in 0..3 {
        bench.anvil.mine(1).await;
        both[0].round(LONG_AGO).await.unwrap();
    }
    assert_eq!((bench.state("signed").await, bench.nonce().await), (State::Confirmed, 1));
    assert!(!common.lanes.list()[0].is_empty);
}
