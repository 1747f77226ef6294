//! From the queue to the first envelope: each call is run before it is signed, and what can't land ends with its reason.
//! The order within a request is kept; one request does not hold up another.

use std::collections::HashSet;

use offsetdata_protocol::ids::RequestId;
use offsetdata_store::Count;
use offsetdata_store::relay::signers;
use offsetdata_store::relay::transactions::{self as rows, TransactionRow};

use super::fees::Fees;
use super::followed::advance;
use super::reconciler::{Reconciler, Report, commit};
use super::signing::seal;
use super::state::{Kind, TransactionState as State};
use crate::RelayerError;
use crate::chain::{Estimate, Head};
use crate::landing::{Revert, Verdict, judge};
use crate::sponsor::revert_reason;
use alloy::primitives::Bytes;

/// A gas estimate over this can't be a call of ours.
const MAX_GAS: u64 = 15_000_000;

enum Outcome {
    Signed,
    Ended,
    Waits,
}

impl Reconciler {
    pub(super) async fn sign_queued(
        &self,
        head: &Head,
        now: u64,
        report: &mut Report,
    ) -> Result<(), RelayerError> {
        let mut flying = self.list(State::Signed).await?;
        flying.extend(self.list(State::Broadcast).await?);
        let mut room = (self.settings.max_in_flight as usize).saturating_sub(flying.len());
        let queued = self.list(State::Pending).await?;
        if queued.is_empty() || room == 0 {
            return Ok(());
        }
        let used = self.chain.nonce(self.tenure.signer).await?;
        let mut tx = self.tenure.write(now).await?;
        if signers::raise_nonce(&mut tx, self.tenure.signer, self.tenure.epoch, used).await? {
            tracing::warn!(nonce = used, "this key was used elsewhere: nonces go on after that");
        }
        commit(tx).await?;
        let tip = self.chain.tip().await?;
        let fees = Fees::first(head.base_fee, tip, self.settings.max_fee_per_gas);
        let mut before: HashSet<RequestId> = flying.iter().filter_map(|row| row.request).collect();
        let mut held: HashSet<RequestId> = HashSet::new();
        for row in queued {
            if room == 0 {
                break;
            }
            if row.request.is_some_and(|request| held.contains(&request)) {
                continue;
            }
            let request = row.request;
            let has_predecessor = request.is_some_and(|request| before.contains(&request));
            match self.sign_one(row, has_predecessor, fees, head, now, report).await? {
                Outcome::Signed => {
                    room -= 1;
                    before.extend(request);
                }
                Outcome::Ended => {}
                Outcome::Waits => held.extend(request),
            }
        }
        Ok(())
    }

    async fn sign_one(
        &self,
        mut row: TransactionRow,
        has_predecessor: bool,
        fees: Fees,
        head: &Head,
        now: u64,
        report: &mut Report,
    ) -> Result<Outcome, RelayerError> {
        // An estimate runs the call: what would revert is not sent.
        let gas = match self.chain.estimate(self.tenure.signer, row.target, &row.calldata).await? {
            Estimate::Gas(gas) => gas,
            Estimate::Reverts(data) => return self.on_revert(row, &data, has_predecessor, now, report).await,
            Estimate::Unknown(reason) => return self.wait(row, reason, now, report).await,
        };
        let gas_limit = gas.saturating_add(gas.saturating_mul(self.settings.gas_margin_percent) / 100);
        let most = row.max_gas.map_or(MAX_GAS, |most| most.0.min(MAX_GAS));
        let gas_limit = if gas <= most { gas_limit.min(most) } else { gas_limit };
        if gas_limit > most {
            let reason = format!("takes {gas} gas, more than the {most} that are paid for it");
            return self.wait(row, reason, now, report).await;
        }
        let mut tx = self.tenure.write(now).await?;
        let nonce = signers::take_nonce(&mut tx, self.tenure.signer, self.tenure.epoch).await?;
        let nonce = nonce.ok_or(RelayerError::Fenced)?;
        let envelope = seal(&self.signer, self.form(&row, nonce, gas_limit, fees), head.number, now)?;
        row.nonce = Some(Count(nonce));
        if !advance(&mut tx, &mut row, State::Signed, None, now).await? {
            // Someone ended it meanwhile: the nonce is not taken, as nothing is committed.
            return Ok(Outcome::Ended);
        }
        rows::insert_envelope(&mut tx, envelope.clone()).await?;
        commit(tx).await?;
        report.signed += 1;
        self.send(&mut row, &envelope, head, now).await?;
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
