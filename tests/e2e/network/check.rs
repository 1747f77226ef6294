//! The check that every case ends with: every request and job has ended, the money adds up to the wei and is where the
//! terms say, the database is what a rebuild makes of the chain, and nothing happened twice. It changes nothing but the
//! chain's length.

use std::collections::{BTreeMap, BTreeSet};

use alloy::primitives::{Address, U256};
use alloy::providers::Provider;
use alloy::rpc::types::{Filter, Log};
use alloy::sol_types::SolEvent;
use offsetdata_protocol::bindings::access::AccessToken::{self, AccessBought};
use offsetdata_protocol::bindings::billing::UsageBilling::{self, VoucherSettled};
use offsetdata_protocol::bindings::token::DevToken;
use offsetdata_protocol::bindings::training::TrainingCoordinator::{
    self, CommitmentLanded, RequestClosed, TrainingRequested, VersionAppended,
};
use offsetdata_protocol::ids::RequestId;
use offsetdata_sdk::training::{Outcome, Status};
use offsetdata_sdk::{billing, token};
use serde_json::{Value, json};

use super::story::Sold;
use super::{Network, PATIENCE, PUBLISHER, PURSE, Part, READER, RELAYER_KEY, account, until};

/// Development accounts that have a purse.
const ACCOUNTS: u32 = 10;
/// The whole, in basis points.
const WHOLE: u64 = 10_000;

impl Network {
    /// Holds everything against the chain. `sold` are the collections that were read against vouchers.
    pub(in crate::e2e) async fn check(&self, sold: &[&Sold]) {
        self.settle_vouchers(sold).await;
        let outcomes = self.requests_end().await;
        if self.runs(Part::Relayer) && !outcomes.is_empty() {
            self.jobs_end().await;
        }
        for outcome in &outcomes {
            self.is_paid_by_its_terms(outcome).await;
        }
        self.money_adds_up(&outcomes).await;
        self.database_is_what_the_chain_says().await;
    }

    /// Every reader's promise lands, and no more than that.
    async fn settle_vouchers(&self, sold: &[&Sold]) {
        for sold in sold {
            self.insist(PUBLISHER, &["billing", "settle", &sold.id], PATIENCE).await;
            until("all vouchers are settled", PATIENCE, async || {
                let statement = self.attempt(READER, &["billing", "statement", &sold.id]).await.ok()?;
                let is_paid = statement["open"] == "0" && statement["onChain"] == statement["charged"];
                is_paid.then_some(())
            })
            .await;
        }
    }

    async fn requests_end(&self) -> Vec<Outcome> {
        let mut outcomes = Vec::new();
        for request in self.all::<TrainingRequested>(self.chain.deployment().training_coordinator).await {
            let id = RequestId(request.request);
            let mut outcome = self.ended(id).await;
            if outcome.facts.status == Status::Settled {
                // Whoever finished has read everything, and its gateway has the receipts.
                outcome = until(&format!("receipts of {id} are landed"), PATIENCE, async || {
                    self.outcome(id).await.filter(|outcome| outcome.data_open.is_zero())
                })
                .await;
            }
            outcomes.push(outcome);
        }
        outcomes
    }

    async fn jobs_end(&self) {
        let over = ["succeeded", "cancelled", "failed", "expired", "confirmed", "dropped", "superseded"];
        until("every job and every transaction of the relayer has ended", PATIENCE, async || {
            let mut known = 0;
            for line in self.metrics(Part::Relayer).await?.lines() {
                let Some((what, count)) = line.split_once("{is=\"").filter(|(name, _)| {
                    ["offsetdata_relayer_jobs", "offsetdata_relayer_transactions"].contains(name)
                }) else {
                    continue;
                };
                let (state, _) = count.split_once('"').unwrap_or_else(|| panic!("{what}: {line}"));
                if !over.contains(&state) {
                    return None;
                }
                known += 1;
            }
            assert!(known >= 2, "the relayer counts jobs and transactions");
            Some(())
        })
        .await;
    }

    /// What a request paid follows from its terms and from what landed, each thing once.
    async fn is_paid_by_its_terms(&self, outcome: &Outcome) {
        let (id, at) = (outcome.facts.id, self.chain.deployment().training_coordinator);
        let terms = &outcome.facts.terms.escrow;
        let settled = outcome.facts.status == Status::Settled;
        assert!(outcome.adds_up(), "the money of {id} does not add up: {outcome:?}");
        let landed = self.chain.events::<CommitmentLanded>(at, id.0).await.unwrap();
        let sequences: Vec<u32> = landed.iter().map(|(event, _)| event.sequence).collect();
        let expected: Vec<u32> = (1..=outcome.facts.state.sequence).collect();
        assert_eq!(sequences, expected, "commitments of {id}, each once and in order");
        let closed = self.chain.events::<RequestClosed>(at, id.0).await.unwrap();
        assert_eq!(closed.len(), 1, "{id} ends once");
        let versions =
            self.chain.events::<VersionAppended>(at, outcome.facts.terms.details.model).await.unwrap();
        let versions = versions.iter().filter(|(event, _)| event.request == id.0).count();
        assert_eq!(versions, usize::from(settled), "versions of {id}");
        let pay = U256::from(outcome.facts.state.units) * U256::from(terms.unitPrice);
        let kept = U256::from(WHOLE - u64::from(terms.holdbackBps));
        let developer = if settled { pay } else { pay * kept / U256::from(WHOLE) };
        assert_eq!(outcome.developer_paid, developer, "the developer's pay for {id}");
        let landings = outcome.facts.state.sequence + u32::from(settled);
        let relay = U256::from(landings.min(terms.landing.relayFeeCap)) * U256::from(terms.landing.relayFee);
        assert_eq!(outcome.relay_paid, relay, "the relayer's pay for {id}");
    }

    /// Each account has what the events say, each contract what it owes, and together they have all there is.
    async fn money_adds_up(&self, outcomes: &[Outcome]) {
        let at = self.chain.deployment();
        let address = |index: u32| account(index).address();
        let mut expected: BTreeMap<Address, U256> =
            (0..ACCOUNTS).map(|index| (address(index), U256::from(PURSE))).collect();
        let mut move_to = |from: Option<Address>, to: Option<Address>, amount: U256| {
            if let Some(from) = from {
                *expected.get_mut(&from).unwrap() -= amount;
            }
            if let Some(to) = to {
                *expected.get_mut(&to).unwrap() += amount;
            }
        };
        let mut standing = U256::ZERO;
        for outcome in outcomes {
            let terms = &outcome.facts.terms.escrow;
            move_to(Some(terms.user), None, outcome.facts.escrowed());
            move_to(None, Some(terms.user), outcome.refunded + outcome.data_returned);
            move_to(None, Some(terms.developer), outcome.developer_paid);
            move_to(None, Some(address(RELAYER_KEY)), outcome.relay_paid);
            for paid in &outcome.data {
                move_to(None, Some(paid.payee), U256::from(paid.amount));
            }
            standing += outcome.data_open;
        }
        let mut revenues = BTreeSet::new();
        for voucher in self.all::<VoucherSettled>(at.usage_billing).await {
            move_to(Some(voucher.payer), Some(voucher.payee), voucher.paid);
            revenues.insert((voucher.collection, voucher.payee));
        }
        let mut held = BTreeSet::new();
        for bought in self.all::<AccessBought>(at.access_token).await {
            move_to(Some(bought.holder), Some(bought.payee), U256::from(bought.price));
            held.insert((bought.collection, bought.right, bought.holder));
        }

        let mut actual: BTreeMap<Address, U256> = BTreeMap::new();
        let mut owed = billing::Credits::default();
        for &account in expected.keys() {
            let credits = billing::credits(&self.chain, account).await.unwrap();
            owed.coordinator += credits.coordinator;
            owed.billing += credits.billing;
            owed.access += credits.access;
            let balance = token::balance_of(&self.chain, account).await.unwrap();
            actual.insert(account, balance + credits.total());
        }
        for (collection, payee) in revenues {
            let call = UsageBilling::revenueOfCall { collection, payee };
            let revenue = self.chain.call(at.usage_billing, &call).await.unwrap();
            owed.billing += revenue;
            *actual.get_mut(&payee).unwrap() += revenue;
        }
        for (collection, right, holder) in held {
            let call = AccessToken::accessOfCall { collection, right, holder };
            let access = self.chain.call(at.access_token, &call).await.unwrap();
            if !access.payee.is_zero() {
                owed.access += U256::from(access.paid);
                *actual.get_mut(&access.payee).unwrap() += U256::from(access.paid);
            }
        }
        assert_eq!(actual, expected, "what each account has, with what it may take out");
        for (name, contract, owed) in [
            ("coordinator", at.training_coordinator, owed.coordinator + standing),
            ("billing", at.usage_billing, owed.billing),
            ("access", at.access_token, owed.access),
        ] {
            let balance = token::balance_of(&self.chain, contract).await.unwrap();
            assert_eq!(balance, owed, "the {name} contract has what it owes, and nothing is stuck in it");
        }
        let all = actual.values().fold(standing, |sum, amount| sum + amount);
        let supply = self.chain.call(at.token, &DevToken::totalSupplyCall {}).await.unwrap();
        assert_eq!(all, supply, "all tokens");
    }

    async fn database_is_what_the_chain_says(&self) {
        let last = self.node.head().await;
        // So that all of it is final.
        self.node.mine(2 * u64::from(self.settings.epoch) + 2).await;
        let final_block = self.node.head().await;
        until("the index is at the head", PATIENCE, async || {
            (self.indexed().await? >= final_block).then_some(())
        })
        .await;
        let database = format!("sqlite:{}", self.path("offsetdata.db").display());
        let verified = self.run(PUBLISHER, &["indexer", "verify", "--database-url", &database]).await;
        assert_eq!(verified["equal"], true, "{verified}");
        assert!(verified["block"].as_u64().unwrap() >= last, "{verified}, expected block {last} at least");
    }

    /// The last block that the index has.
    pub(in crate::e2e) async fn indexed(&self) -> Option<u64> {
        let question = json!({ "query": "{ block { number } }" });
        let asked = self.client.post(format!("{}/graphql", self.url(Part::Indexer))).json(&question).send();
        let answer: Value = asked.await.ok()?.json().await.ok()?;
        let number = &answer["data"]["block"]["number"];
        number.as_u64().or_else(|| number.as_str()?.parse().ok())
    }

    /// All events of a kind, the oldest first.
    pub(in crate::e2e) async fn all<E: SolEvent>(&self, contract: Address) -> Vec<E> {
        self.logs::<E>(contract).await.iter().map(|log| E::decode_log(&log.inner).unwrap().data).collect()
    }

    /// The block of the newest event of a kind.
    pub(in crate::e2e) async fn newest<E: SolEvent>(&self, contract: Address) -> u64 {
        self.logs::<E>(contract)
            .await
            .last()
            .and_then(|log| log.block_number)
            .expect("there is such an event")
    }

    async fn logs<E: SolEvent>(&self, contract: Address) -> Vec<Log> {
        let filter = Filter::new().address(contract).event_signature(E::SIGNATURE_HASH).from_block(0);
        self.chain.provider().get_logs(&filter).await.unwrap()
    }

    /// What the coordinator keeps of a request: its status is 0 where it is not on the chain.
    pub(in crate::e2e) async fn state(&self, request: RequestId) -> TrainingCoordinator::RequestState {
        let at = self.chain.deployment().training_coordinator;
        self.chain.call(at, &TrainingCoordinator::stateOfCall { id: request.0 }).await.unwrap()
    }
}
