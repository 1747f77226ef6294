//! From the queue to the first envelope: each call is run before it is signed, and what can't land ends with its reason.
//! Commitments that wait together travel in one transaction. The order within a request is kept; one request does not
//! hold up another.

use std::collections::HashSet;

use alloy::eips::BlockId;
use alloy::primitives::{Bytes, U256};
use offsetdata_protocol::ids::RequestId;
use offsetdata_store::Count;
use offsetdata_store::relay::signers;
use offsetdata_store::relay::transactions::{self as rows, EnvelopeRow, TransactionRow};

use super::batch;
use super::fees::Fees;
use super::flight::cost;
use super::followed::{advance, commit};
use super::reconciler::{Reconciler, Report};
use super::signing::seal;
use super::state::{Kind, TransactionState as State};
use crate::RelayerError;
use crate::chain::{Estimate, Head, Trial};
use crate::landing::{Revert, Verdict, judge};
use crate::sponsor::revert_reason;

/// A gas estimate over this can't be a call of ours.
const MAX_GAS: u64 = 15_000_000;
/// A signer that can't pay for so much gas takes nothing new.
const LEAST_GAS: u64 = 100_000;
/// After so many seconds a nonce counts as used elsewhere though no node can say by what.
const BELIEVE_AFTER: u64 = 60;

/// Outcome of a try to sign.
enum Outcome {
    Signed,
    Ended,
    Waits,
    /// The signer can't pay for it.
    Lacks,
}

/// What a round of signing needs to know.
struct Round<'a> {
    head: &'a Head,
    fees: Fees,
    now: u64,
    room: usize,
    /// Requests of which something is in flight.
    before: HashSet<RequestId>,
    /// Requests whose next step waits: nothing after it is tried.
    held: HashSet<RequestId>,
    /// Signed in this round, to be sent.
    signed: Vec<(TransactionRow, EnvelopeRow)>,
}

impl Round<'_> {
    fn is_held(&self, row: &TransactionRow) -> bool {
        row.request.is_some_and(|request| self.held.contains(&request))
    }

    fn has_predecessor(&self, row: &TransactionRow) -> bool {
        row.request.is_some_and(|request| self.before.contains(&request))
    }
}

impl Reconciler {
    pub(super) async fn sign_queued(
        &mut self,
        head: &Head,
        now: u64,
        report: &mut Report,
    ) -> Result<(), RelayerError> {
        let (in_flight, before, unclaimed) = {
            let mut conn = self.tenure.pool.acquire().await?;
            let signer = self.tenure.signer;
            let mut in_flight = 0;
            for state in [State::Signed, State::Broadcast] {
                in_flight += rows::count_in(&mut conn, signer, state.as_str()).await?;
            }
            let before = rows::requests_in_flight(&mut conn, signer).await?;
            (in_flight, before, rows::count_unclaimed(&mut conn).await?)
        };
        let room = (self.settings.max_in_flight as usize)
            .saturating_sub(usize::try_from(in_flight).unwrap_or(usize::MAX));
        let funds = self.funds(head).await?;
        if room == 0 {
            return Ok(());
        }
        if !funds.is_zero() && self.lacks.is_none_or(|lacks| funds >= lacks) {
            self.lacks = None;
            self.claim(room, unclaimed, now).await?;
        }
        let queued = self.list(State::Pending).await?;
        if queued.is_empty() {
            return Ok(());
        }
        let tip = self.chain.tip().await?;
        let fees = Fees::first(head.base_fee, tip, self.settings.max_fee_per_gas);
        let least = U256::from(fees.max_fee).saturating_mul(U256::from(LEAST_GAS));
        if funds < self.lacks.unwrap_or(least) {
            let lacks = self.lacks.unwrap_or(least);
            return self.pass_over(lacks, now).await;
        }
        self.note_foreign_nonces(head, now).await?;
        let before = before.into_iter().collect();
        let mut round = Round { head, fees, now, room, before, held: HashSet::new(), signed: Vec::new() };
        let lacks = self.sign_all(queued, &mut round, report).await?;
        self.send_signed(&mut round).await?;
        match lacks {
            Some(lacks) => self.pass_over(lacks, now).await,
            None => Ok(()),
        }
    }

    /// Wei that are free: what the signer has in this block without what everything in flight can cost.
    async fn funds(&mut self, head: &Head) -> Result<U256, RelayerError> {
        let balance = match self.funds {
            Some((hash, balance)) if hash == head.hash && self.lacks.is_none() && !balance.is_zero() => {
                balance
            }
            _ => self.chain.balance(self.tenure.signer).await?,
        };
        self.funds = Some((head.hash, balance));
        let is_empty = balance.is_zero() || self.lacks.is_some_and(|lacks| balance < lacks);
        self.lanes.note(self.tenure.signer, |lane| {
            (lane.balance, lane.is_empty) = (balance, is_empty);
        });
        Ok(balance.saturating_sub(self.committed))
    }

    /// Leaves what is not signed to signers that can pay.
    async fn pass_over(&mut self, lacks: U256, now: u64) -> Result<(), RelayerError> {
        if self.lacks.is_none() {
            tracing::warn!(signer = %self.tenure.signer, wei = %lacks, "the signer can't pay for gas: it is passed over");
        }
        self.lacks = Some(lacks);
        self.lanes.note(self.tenure.signer, |lane| lane.is_empty = true);
        let mut tx = self.tenure.write(now).await?;
        rows::give_back(&mut tx, self.tenure.signer).await?;
        commit(tx).await
    }

    /// Takes a fair share of what nobody has taken; of commitments at least a batch.
    async fn claim(&self, room: usize, unclaimed: u64, now: u64) -> Result<(), RelayerError> {
        if unclaimed == 0 {
            return Ok(());
        }
        let share = usize::try_from(unclaimed).unwrap_or(usize::MAX).div_ceil(self.lanes.able().max(1));
        let mut alone = share.min(room);
        let mut together = share.max(batch::MOST).min(room.saturating_mul(batch::MOST));
        let limit = u32::try_from(alone + together).unwrap_or(u32::MAX);
        let mut tx = self.tenure.write(now).await?;
        for waiting in rows::list_unclaimed(&mut tx, self.tenure.signer, limit).await? {
            let left = if waiting.kind == Kind::Commit.as_str() { &mut together } else { &mut alone };
            if *left == 0 {
                // Nothing after it is taken either: it may be of the same request.
                break;
            }
            if rows::claim(&mut tx, self.tenure.signer, waiting.id).await? {
                *left -= 1;
            }
        }
        commit(tx).await
    }

    /// Goes on after nonces that this key used elsewhere, where the chain proves that it did.
    async fn note_foreign_nonces(&mut self, head: &Head, now: u64) -> Result<(), RelayerError> {
        let signer = self.tenure.signer;
        let used = self.chain.nonce(signer).await?;
        let next = {
            let mut conn = self.tenure.pool.acquire().await?;
            signers::find_signer(&mut conn, signer).await?.map_or(0, |row| row.next_nonce.0)
        };
        if used <= next {
            self.ahead_since = None;
            return Ok(());
        }
        let low = head.number.saturating_sub(self.settings.reorg_depth);
        let proven =
            self.chain.spender(signer, used - 1, low, head.number).await.is_ok_and(|hash| hash.is_some());
        let since = *self.ahead_since.get_or_insert(now);
        if !proven && now.saturating_sub(since) < BELIEVE_AFTER {
            return Ok(());
        }
        self.ahead_since = None;
        let mut tx = self.tenure.write(now).await?;
        signers::raise_nonce(&mut tx, signer, self.tenure.epoch, used).await?;
        tracing::warn!(nonce = used, "this key was used elsewhere: nonces go on after that");
        commit(tx).await
    }

    /// What could not be paid for, if something could not.
    async fn sign_all(
        &mut self,
        queued: Vec<TransactionRow>,
        round: &mut Round<'_>,
        report: &mut Report,
    ) -> Result<Option<U256>, RelayerError> {
        let mut group: Vec<TransactionRow> = Vec::new();
        for row in queued {
            if round.room == 0 || self.lacks.is_some() {
                break;
            }
            if round.is_held(&row) {
                continue;
            }
            let is_batched =
                row.kind == Kind::Commit.as_str() && row.reverts == 0 && !self.is_without_batches;
            if !is_batched {
                // What comes before it in its request is signed before it.
                if row.request.is_some() && group.iter().any(|other| other.request == row.request) {
                    self.sign_group(std::mem::take(&mut group), round, report).await?;
                }
                if round.room > 0 && !round.is_held(&row) {
                    self.sign_alone(row, round, report).await?;
                }
                continue;
            }
            if group.first().is_some_and(|first| first.target != row.target) || group.len() == batch::MOST {
                self.sign_group(std::mem::take(&mut group), round, report).await?;
            }
            group.push(row);
        }
        if round.room > 0 && self.lacks.is_none() {
            self.sign_group(group, round, report).await?;
        }
        Ok(self.lacks)
    }

    async fn sign_alone(
        &mut self,
        row: TransactionRow,
        round: &mut Round<'_>,
        report: &mut Report,
    ) -> Result<(), RelayerError> {
        let request = row.request;
        match self.sign_one(row, round, report).await? {
            Outcome::Signed => {
                round.room = round.room.saturating_sub(1);
                round.before.extend(request);
            }
            Outcome::Ended => {}
            Outcome::Waits | Outcome::Lacks => round.held.extend(request),
        }
        Ok(())
    }

    /// Commitments as one transaction, without those that would be left out of it: these are tried alone, which says why.
    async fn sign_group(
        &mut self,
        group: Vec<TransactionRow>,
        round: &mut Round<'_>,
        report: &mut Report,
    ) -> Result<(), RelayerError> {
        let group: Vec<TransactionRow> = group.into_iter().filter(|row| !round.is_held(row)).collect();
        let mut alone = group.clone();
        if group.len() > 1 {
            // Only what is in flight changes what a batch meets; without it, the block is enough.
            let is_after = group.iter().any(|row| round.has_predecessor(row));
            let at = if is_after { BlockId::pending() } else { BlockId::latest() };
            if is_after {
                self.send_signed(round).await?;
            }
            let calldata = batch::call(&group)?;
            match self.chain.try_batch(at, self.tenure.signer, group[0].target, calldata).await? {
                Trial::Lands { gas, skipped } if gas <= batch::MAX_GAS => {
                    let mut members = Vec::new();
                    alone = Vec::new();
                    for row in group {
                        let sequence = batch::sequence(&row)?;
                        let is_left_out =
                            row.request.is_none_or(|request| skipped.contains(&(request, sequence)));
                        if is_left_out { alone.push(row) } else { members.push(row) }
                    }
                    if members.len() < 2 {
                        alone.extend(members);
                        alone.sort_by_key(|row| row.id.0);
                    } else {
                        self.sign_batch(members, gas, round, report).await?;
                    }
                }
                Trial::Unsupported => {
                    tracing::info!("the node has no eth_simulateV1: commitments are sent one by one");
                    self.is_without_batches = true;
                }
                Trial::Lands { .. } | Trial::Reverts => {}
            }
        }
        for row in alone {
            if round.room == 0 || self.lacks.is_some() {
                break;
            }
            if !round.is_held(&row) {
                self.sign_alone(row, round, report).await?;
            }
        }
        Ok(())
    }

    async fn sign_batch(
        &mut self,
        members: Vec<TransactionRow>,
        gas: u64,
        round: &mut Round<'_>,
        report: &mut Report,
    ) -> Result<(), RelayerError> {
        let gas_limit = self.with_margin(gas);
        if self.cannot_pay(gas_limit, round) {
            return Ok(());
        }
        let ids: Vec<u64> = members.iter().map(|row| row.id.0).collect();
        let requests: Vec<RequestId> = members.iter().filter_map(|row| row.request).collect();
        let mut tx = self.tenure.write(round.now).await?;
        let nonce = signers::take_nonce(&mut tx, self.tenure.signer, self.tenure.epoch).await?;
        let nonce = nonce.ok_or(RelayerError::Fenced)?;
        let carrier = TransactionRow {
            dedupe: format!("batch:{}:{nonce}", self.tenure.signer),
            kind: Kind::CommitBatch.as_str().to_owned(),
            request: None,
            calldata: batch::call(&members)?,
            expires_at: members.iter().map(|row| row.expires_at).max().unwrap_or(Count(round.now)),
            state: State::Signed.as_str().to_owned(),
            reason: None,
            reverts: 0,
            nonce: Some(Count(nonce)),
            created_at: Count(round.now),
            updated_at: Count(round.now),
            max_gas: None,
            carrier: None,
            pinned: true,
            ..members[0].clone()
        };
        // Someone ended one of them meanwhile: nothing is committed, and the next round looks again.
        let Some(carrier) = rows::insert_carrier(&mut tx, carrier, &ids).await? else { return Ok(()) };
        let form = self.form(&carrier, nonce, gas_limit, round.fees);
        let envelope = seal(&self.signer, form, round.head.number, round.now)?;
        rows::insert_envelope(&mut tx, envelope.clone()).await?;
        commit(tx).await?;
        tracing::debug!(batch = carrier.id.0, commitments = ids.len(), gas, "signed");
        report.signed += 1;
        self.committed = self.committed.saturating_add(cost(&envelope));
        round.room = round.room.saturating_sub(1);
        round.before.extend(requests);
        round.signed.push((carrier, envelope));
        Ok(())
    }

    async fn send_signed(&mut self, round: &mut Round<'_>) -> Result<(), RelayerError> {
        let signed = std::mem::take(&mut round.signed);
        self.send_all(signed, round.head, round.now).await
    }

    fn with_margin(&self, gas: u64) -> u64 {
        gas.saturating_add(gas.saturating_mul(self.settings.gas_margin_percent) / 100)
    }

    /// Notes what the signer lacks for one more envelope.
    fn cannot_pay(&mut self, gas_limit: u64, round: &mut Round<'_>) -> bool {
        let cost = U256::from(round.fees.max_fee).saturating_mul(U256::from(gas_limit));
        let balance = self.funds.map_or(U256::ZERO, |(_, balance)| balance);
        if balance.saturating_sub(self.committed) >= cost {
            return false;
        }
        // With something in flight there may be enough once that has landed for less.
        if self.committed.is_zero() {
            self.lacks = Some(cost);
        }
        round.room = 0;
        true
    }

    async fn sign_one(
        &mut self,
        mut row: TransactionRow,
        round: &mut Round<'_>,
        report: &mut Report,
    ) -> Result<Outcome, RelayerError> {
        let (now, head) = (round.now, round.head);
        let has_predecessor = round.has_predecessor(&row);
        // What waits for a block changes what later steps of a request meet, and what users' calls meet.
        let at =
            if has_predecessor || row.request.is_none() { BlockId::pending() } else { BlockId::latest() };
        if at == BlockId::pending() {
            self.send_signed(round).await?;
        }
        // An estimate runs the call: what would revert is not sent.
        let gas = match self.chain.estimate(at, self.tenure.signer, row.target, &row.calldata).await? {
            Estimate::Gas(gas) => gas,
            Estimate::Reverts(data) => return self.on_revert(row, &data, has_predecessor, now, report).await,
            Estimate::Unknown(reason) => return self.wait(row, reason, now, report).await,
        };
        let gas_limit = self.with_margin(gas);
        let most = row.max_gas.map_or(MAX_GAS, |most| most.0.min(MAX_GAS));
        let gas_limit = if gas <= most { gas_limit.min(most) } else { gas_limit };
        if gas_limit > most {
            let reason = format!("takes {gas} gas, more than the {most} that are paid for it");
            return self.wait(row, reason, now, report).await;
        }
        if self.cannot_pay(gas_limit, round) {
            return Ok(Outcome::Lacks);
        }
        let mut tx = self.tenure.write(now).await?;
        let nonce = signers::take_nonce(&mut tx, self.tenure.signer, self.tenure.epoch).await?;
        let nonce = nonce.ok_or(RelayerError::Fenced)?;
        let envelope = seal(&self.signer, self.form(&row, nonce, gas_limit, round.fees), head.number, now)?;
        row.nonce = Some(Count(nonce));
        if !advance(&mut tx, &mut row, State::Signed, None, now).await? {
            // Someone ended it meanwhile: the nonce is not taken, as nothing is committed.
            return Ok(Outcome::Ended);
        }
        rows::insert_envelope(&mut tx, envelope.clone()).await?;
        commit(tx).await?;
        report.signed += 1;
        self.committed = self.committed.saturating_add(cost(&envelope));
        round.signed.push((row, envelope));
        Ok(Outcome::Signed)
    }

    async fn on_revert(
        &self,
        mut row: TransactionRow,
        data: &[u8],
        has_predecessor: bool,
        now: u64,
        report: &mut Report,
    ) -> Result<Outcome, RelayerError> {
        let kind = Kind::read(&row.kind)?;
        let state = match row.request {
            Some(request) => Some(self.chain.state_of(row.target, request).await?),
            _ => None,
        };
        if kind == Kind::Call {
            // What is in flight may be what it waits for, as with two calls of one user; a node can have lost it.
            if !self.committed.is_zero() || self.lanes.list().iter().any(|lane| lane.in_flight > 0) {
                return self.wait(row, "would revert now".to_owned(), now, report).await;
            }
            let reason = match self.settings.forwarder {
                Some(forwarder) => {
                    let (target, calldata) = (row.target, row.calldata.clone());
                    revert_reason(&self.chain, forwarder, target, &calldata, &Bytes::copy_from_slice(data))
                        .await?
                }
                None => offsetdata_protocol::reverts::reason(data),
            };
            return self.end(row, State::Dropped, reason, now, report).await;
        }
        let revert = Revert {
            kind,
            request: row.request,
            calldata: &row.calldata,
            data,
            state: state.as_ref(),
            has_predecessor,
            valid_until: now + self.settings.assignment_seconds,
        };
        match judge(&revert, &self.scheduler)? {
            Verdict::Superseded(reason) => self.end(row, State::Superseded, reason, now, report).await,
            Verdict::Never(reason) => self.end(row, State::Dropped, reason, now, report).await,
            Verdict::Wait(reason) => self.wait(row, reason, now, report).await,
            Verdict::Renew(calldata) => {
                row.calldata = calldata;
                row.updated_at = Count(now);
                let mut tx = self.tenure.write(now).await?;
                rows::advance_transaction(&mut tx, State::Pending.as_str(), &row).await?;
                commit(tx).await?;
                Ok(Outcome::Waits)
            }
        }
    }

    async fn wait(
        &self,
        mut row: TransactionRow,
        reason: String,
        now: u64,
        report: &mut Report,
    ) -> Result<Outcome, RelayerError> {
        if now > row.expires_at.0 {
            return self.end(row, State::Dropped, reason, now, report).await;
        }
        if row.reason.as_ref() != Some(&reason) {
            tracing::info!(transaction = row.id.0, kind = row.kind, reason, "waits");
            row.reason = Some(reason);
            row.updated_at = Count(now);
            let mut tx = self.tenure.write(now).await?;
            rows::advance_transaction(&mut tx, State::Pending.as_str(), &row).await?;
            commit(tx).await?;
        }
        Ok(Outcome::Waits)
    }

    async fn end(
        &self,
        mut row: TransactionRow,
        state: State,
        reason: String,
        now: u64,
        report: &mut Report,
    ) -> Result<Outcome, RelayerError> {
        tracing::warn!(transaction = row.id.0, kind = row.kind, %state, reason, "ended without landing");
        let mut tx = self.tenure.write(now).await?;
        advance(&mut tx, &mut row, state, Some(reason), now).await?;
        commit(tx).await?;
        report.ended += 1;
        Ok(Outcome::Ended)
    }
}
