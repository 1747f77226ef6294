//! The queue: what a signer takes of it, in which order, and whether it can pay. The order within a request is kept; one
//! request does not hold up another. Calls are tried and signed in `alone` and `together`.

use std::collections::HashSet;

use alloy::primitives::U256;
use offsetdata_protocol::ids::RequestId;
use offsetdata_store::relay::signers;
use offsetdata_store::relay::transactions::{self as rows, EnvelopeRow, TransactionRow};

use super::batch;
use super::fees::Fees;
use super::followed::commit;
use super::reconciler::{Reconciler, Report};
use super::state::{Kind, TransactionState as State};
use crate::RelayerError;
use crate::chain::Head;

/// A signer that can't pay for so much gas takes nothing new.
const LEAST_GAS: u64 = 100_000;
/// After so many seconds a nonce counts as used elsewhere though no node can say by what.
const BELIEVE_AFTER: u64 = 60;

/// What a round of signing needs to know.
pub(super) struct Round<'a> {
    pub(super) head: &'a Head,
    pub(super) fees: Fees,
    pub(super) now: u64,
    pub(super) room: usize,
    /// Requests of which something is in flight.
    pub(super) before: HashSet<RequestId>,
    /// Requests whose next step waits: nothing after it is tried.
    pub(super) held: HashSet<RequestId>,
    /// Signed in this round, to be sent.
    pub(super) signed: Vec<(TransactionRow, EnvelopeRow)>,
    /// Sent in this round, to be noted: it is sent once more by whoever comes after a kill before that.
    sent: Vec<(TransactionRow, EnvelopeRow)>,
}

impl Round<'_> {
    pub(super) fn is_held(&self, row: &TransactionRow) -> bool {
        row.request.is_some_and(|request| self.held.contains(&request))
    }

    pub(super) fn has_predecessor(&self, row: &TransactionRow) -> bool {
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
        let funds = self.funds(head).await?;
        let can_pay = !funds.is_zero() && self.lacks.is_none_or(|lacks| funds >= lacks);
        let signer = self.tenure.signer;
        let (in_flight, before, unclaimed) = {
            let mut conn = self.tenure.pool.acquire().await?;
            let unclaimed = rows::count_unclaimed(&mut conn).await?;
            let is_new = unclaimed > 0 && can_pay;
            if !is_new && rows::count_in(&mut conn, signer, State::Pending.as_str()).await? == 0 {
                return Ok(());
            }
            let mut in_flight = 0;
            for state in [State::Signed, State::Broadcast] {
                in_flight += rows::count_in(&mut conn, signer, state.as_str()).await?;
            }
            (in_flight, rows::requests_in_flight(&mut conn, signer).await?, unclaimed)
        };
        let room = (self.settings.max_in_flight as usize)
            .saturating_sub(usize::try_from(in_flight).unwrap_or(usize::MAX));
        if room == 0 {
            return Ok(());
        }
        if can_pay {
            self.lacks = None;
            report.is_more = self.claim(room, unclaimed, now).await?;
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
        let (signed, sent) = (Vec::new(), Vec::new());
        let mut round = Round { head, fees, now, room, before, held: HashSet::new(), signed, sent };
        let lacks = self.sign_all(queued, &mut round, report).await?;
        self.send_signed(&mut round).await?;
        self.note_sent(std::mem::take(&mut round.sent), head, now).await?;
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

    /// Takes a fair share of what nobody has taken; of commitments at least a batch, and at most what is tried at once: one
    /// that is first would take it all, and the others stand by. Whether there is more.
    async fn claim(&self, room: usize, unclaimed: u64, now: u64) -> Result<bool, RelayerError> {
        if unclaimed == 0 {
            return Ok(false);
        }
        let share = usize::try_from(unclaimed).unwrap_or(usize::MAX).div_ceil(self.lanes.able().max(1));
        let mut alone = share.min(room);
        let mut together = share.max(batch::MOST).min(room.min(batch::AT_ONCE).saturating_mul(batch::MOST));
        let limit = u32::try_from(alone + together).unwrap_or(u32::MAX);
        let mut tx = self.tenure.write(now).await?;
        let mut taken = Vec::new();
        for waiting in rows::list_unclaimed(&mut tx, self.tenure.signer, limit).await? {
            let left = if waiting.kind == Kind::Commit.as_str() { &mut together } else { &mut alone };
            if *left == 0 {
                // Nothing after it is taken either: it may be of the same request.
                break;
            }
            *left -= 1;
            taken.push(waiting.id);
        }
        rows::claim(&mut tx, self.tenure.signer, &taken).await?;
        commit(tx).await?;
        Ok(unclaimed > taken.len() as u64)
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
        let mut groups: Vec<Vec<TransactionRow>> = Vec::new();
        for row in queued {
            if round.room == 0 || self.lacks.is_some() {
                break;
            }
            if round.is_held(&row) {
                continue;
            }
            if row.kind == Kind::Commit.as_str() && row.reverts == 0 {
                match groups.last_mut() {
                    Some(group) if group.len() < batch::MOST && group[0].target == row.target => {
                        group.push(row);
                    }
                    _ => groups.push(vec![row]),
                }
                continue;
            }
            // What comes before it in its request is signed before it.
            if row.request.is_some() && groups.iter().flatten().any(|other| other.request == row.request) {
                self.sign_groups(std::mem::take(&mut groups), round, report).await?;
            }
            if round.room > 0 && self.lacks.is_none() && !round.is_held(&row) {
                self.sign_alone(row, round, report).await?;
            }
        }
        self.sign_groups(groups, round, report).await?;
        Ok(self.lacks)
    }

    pub(super) async fn send_signed(&mut self, round: &mut Round<'_>) -> Result<(), RelayerError> {
        let signed = std::mem::take(&mut round.signed);
        let (taken, failure) = self.send(signed).await;
        round.sent.extend(taken);
        failure.map_or(Ok(()), Err)
    }

    pub(super) fn with_margin(&self, gas: u64) -> u64 {
        gas.saturating_add(gas.saturating_mul(self.settings.gas_margin_percent) / 100)
    }

    /// Notes what the signer lacks for one more envelope, where so much is promised to others beside what is in flight.
    pub(super) fn cannot_pay(&mut self, gas_limit: u64, promised: U256, round: &mut Round<'_>) -> bool {
        let cost = U256::from(round.fees.max_fee).saturating_mul(U256::from(gas_limit));
        let balance = self.funds.map_or(U256::ZERO, |(_, balance)| balance);
        if balance.saturating_sub(self.committed).saturating_sub(promised) >= cost {
            return false;
        }
        // With something in flight there may be enough once that has landed for less.
        if self.committed.is_zero() && promised.is_zero() {
            self.lacks = Some(cost);
        }
        round.room = 0;
        true
    }

    /// So many envelopes more are in flight, which can cost so much.
    pub(super) fn note_signed(&mut self, cost: U256, envelopes: usize) {
        self.committed = self.committed.saturating_add(cost);
        self.lanes.note(self.tenure.signer, |lane| lane.in_flight += envelopes);
    }
}
