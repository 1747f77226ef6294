//! One call, one transaction: it is run before it is signed, and what can't land ends with its reason, or waits for what it
//! needs. Which comes first, and what travels together, is not decided here.

use alloy::eips::BlockId;
use alloy::primitives::{Bytes, U256};
use offsetdata_protocol::bindings::training::TrainingCoordinator::RequestState;
use offsetdata_store::Count;
use offsetdata_store::relay::signers;
use offsetdata_store::relay::transactions::{self as rows, TransactionRow};

use super::flight::cost;
use super::followed::{advance, commit};
use super::queued::Round;
use super::reconciler::{Reconciler, Report};
use super::signing::seal;
use super::state::{Kind, TransactionState as State};
use crate::RelayerError;
use crate::chain::{Estimate, Head};
use crate::landing::{Revert, Verdict, judge};
use crate::sponsor::revert_reason;

/// A gas estimate over this can't be a call of ours.
const MAX_GAS: u64 = 15_000_000;

/// Outcome of a try to sign.
enum Outcome {
    Signed,
    Ended,
    Waits,
    /// The signer can't pay for it.
    Lacks,
}

impl Reconciler {
    pub(super) async fn sign_alone(
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
            Estimate::Reverts(data) => {
                let revert = (at, data, has_predecessor);
                return self.on_revert(row, revert, head, now, report).await;
            }
            Estimate::Unknown(reason) => return self.wait(row, reason, now, report).await,
        };
        let gas_limit = self.with_margin(gas);
        let most = row.max_gas.map_or(MAX_GAS, |most| most.0.min(MAX_GAS));
        let gas_limit = if gas <= most { gas_limit.min(most) } else { gas_limit };
        if gas_limit > most {
            let reason = format!("takes {gas} gas, more than the {most} that are paid for it");
            return self.wait(row, reason, now, report).await;
        }
        if self.cannot_pay(gas_limit, U256::ZERO, round) {
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
        self.note_signed(cost(&envelope), 1);
        round.signed.push((row, envelope));
        Ok(Outcome::Signed)
    }

    async fn on_revert(
        &self,
        mut row: TransactionRow,
        (at, data, has_predecessor): (BlockId, Bytes, bool),
        head: &Head,
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
                    revert_reason(&self.chain, forwarder, target, &calldata, &data).await?
                }
                None => offsetdata_protocol::reverts::reason(&data),
            };
            return self.end(row, State::Dropped, reason, now, report).await;
        }
        let revert = Revert {
            kind,
            request: row.request,
            calldata: &row.calldata,
            data: &data,
            state: state.as_ref(),
            has_predecessor,
            valid_until: now + self.settings.assignment_seconds,
        };
        match judge(&revert, &self.scheduler)? {
            Verdict::Superseded(reason) => self.end(row, State::Superseded, reason, now, report).await,
            // What it follows may have lost its block since this round looked: then the next round knows.
            Verdict::Never(_) if !self.is_still_there(head).await? => Ok(Outcome::Waits),
            // A block between the two questions, and the answers are of different states.
            Verdict::Never(_) if !self.is_of_one_block(&row, at, &data, state.as_ref()).await? => {
                Ok(Outcome::Waits)
            }
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

    async fn is_still_there(&self, head: &Head) -> Result<bool, RelayerError> {
        Ok(self.chain.block_at(head.number).await?.is_some_and(|block| block.hash == head.hash))
    }

    /// Whether the revert and the request's state belong together: both are the same once more, while no block comes.
    async fn is_of_one_block(
        &self,
        row: &TransactionRow,
        at: BlockId,
        data: &Bytes,
        state: Option<&RequestState>,
    ) -> Result<bool, RelayerError> {
        let before = self.chain.head().await?;
        if let (Some(request), Some(state)) = (row.request, state)
            && self.chain.state_of(row.target, request).await? != *state
        {
            return Ok(false);
        }
        let again = self.chain.estimate(at, self.tenure.signer, row.target, &row.calldata).await?;
        let is_same = matches!(again, Estimate::Reverts(ref other) if other == data);
        Ok(is_same && self.chain.head().await?.hash == before.hash)
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
