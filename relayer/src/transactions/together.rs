//! Commitments that travel together: they are tried with one call, several batches one on top of the other, signed in one
//! database transaction, and sent. What a batch would leave out is tried alone, which says why.

use std::collections::VecDeque;

use alloy::eips::BlockId;
use alloy::primitives::U256;
use offsetdata_protocol::ids::RequestId;
use offsetdata_store::Count;
use offsetdata_store::relay::signers;
use offsetdata_store::relay::transactions::{self as rows, TransactionRow};

use super::batch;
use super::flight::cost;
use super::followed::commit;
use super::queued::Round;
use super::reconciler::{Reconciler, Report};
use super::signing::seal;
use super::state::{Kind, TransactionState as State};
use crate::RelayerError;
use crate::chain::Trial;

type Group = Vec<TransactionRow>;

impl Reconciler {
    /// Each group as one transaction, in their order.
    pub(super) async fn sign_groups(
        &mut self,
        groups: Vec<Group>,
        round: &mut Round<'_>,
        report: &mut Report,
    ) -> Result<(), RelayerError> {
        let mut rest: VecDeque<Group> = groups.into();
        while round.room > 0 && self.lacks.is_none() {
            for group in &mut rest {
                group.retain(|row| !round.is_held(row));
            }
            rest.retain(|group| !group.is_empty());
            let Some(first) = rest.front() else { return Ok(()) };
            let target = first[0].target;
            let most = self.batches_at_once.min(round.room);
            let is_next = |group: &&Group| group.len() > 1 && group[0].target == target;
            let tried = rest.iter().take(most).take_while(is_next).count();
            let alone = match tried {
                0 => rest.pop_front().unwrap_or_default(),
                _ => {
                    let tried = rest.drain(..tried).collect();
                    self.sign_tried(tried, &mut rest, round, report).await?
                }
            };
            for row in alone {
                if round.room == 0 || self.lacks.is_some() {
                    return Ok(());
                }
                if !round.is_held(&row) {
                    self.sign_alone(row, round, report).await?;
                }
            }
        }
        Ok(())
    }

    /// Signs what would land and gives back what is to be tried alone. `rest` gets what was not tried as it will be met.
    async fn sign_tried(
        &mut self,
        tried: Vec<Group>,
        rest: &mut VecDeque<Group>,
        round: &mut Round<'_>,
        report: &mut Report,
    ) -> Result<Group, RelayerError> {
        // Only what is in flight changes what a batch meets; without it, the block is enough.
        let is_after = tried.iter().flatten().any(|row| round.has_predecessor(row));
        let at = if is_after { BlockId::pending() } else { BlockId::latest() };
        if is_after {
            self.send_signed(round).await?;
        }
        let target = tried[0][0].target;
        let calls = tried.iter().map(|group| batch::call(group)).collect::<Result<Vec<_>, _>>()?;
        let trials = self.chain.try_batches(at, self.tenure.signer, target, calls, batch::MAX_GAS).await?;
        let Some(trials) = trials else {
            // Perhaps not so many.
            self.batches_at_once = usize::from(tried.len() > 1);
            if self.batches_at_once == 0 {
                tracing::info!("the node has no eth_simulateV1: commitments are sent one by one");
            }
            tried.into_iter().rev().for_each(|group| rest.push_front(group));
            return Ok(Group::new());
        };
        let (mut ready, mut alone) = (Vec::new(), Group::new());
        let mut tried = tried.into_iter();
        for (trial, group) in trials.into_iter().zip(&mut tried) {
            let Trial::Lands { gas, skipped } = trial else {
                alone.extend(group);
                break;
            };
            let mut members = Group::new();
            for row in group {
                let sequence = batch::sequence(&row)?;
                let is_left_out = row.request.is_none_or(|request| skipped.contains(&(request, sequence)));
                if is_left_out { alone.push(row) } else { members.push(row) }
            }
            if gas > batch::MAX_GAS || members.len() < 2 {
                alone.extend(members);
                break;
            }
            ready.push((members, gas));
        }
        // The others were tried on top of what will not be there.
        tried.rev().for_each(|group| rest.push_front(group));
        alone.sort_by_key(|row| row.id.0);
        self.sign_batches(ready, round, report).await?;
        Ok(alone)
    }

    async fn sign_batches(
        &mut self,
        ready: Vec<(Group, u64)>,
        round: &mut Round<'_>,
        report: &mut Report,
    ) -> Result<(), RelayerError> {
        let mut promised = U256::ZERO;
        let mut paid = Vec::new();
        for (members, gas) in ready {
            let gas_limit = self.with_margin(gas);
            if self.cannot_pay(gas_limit, promised, round) {
                break;
            }
            promised += U256::from(round.fees.max_fee).saturating_mul(U256::from(gas_limit));
            paid.push((batch::call(&members)?, members, gas_limit));
        }
        if paid.is_empty() {
            return Ok(());
        }
        let (now, signer) = (round.now, self.tenure.signer);
        let mut signed = Vec::new();
        let mut tx = self.tenure.write(now).await?;
        for (calldata, members, gas_limit) in &paid {
            let ids: Vec<u64> = members.iter().map(|row| row.id.0).collect();
            let nonce = signers::take_nonce(&mut tx, signer, self.tenure.epoch).await?;
            let nonce = nonce.ok_or(RelayerError::Fenced)?;
            let carrier = TransactionRow {
                dedupe: format!("batch:{signer}:{nonce}"),
                kind: Kind::CommitBatch.as_str().to_owned(),
                request: None,
                calldata: calldata.clone(),
                expires_at: members.iter().map(|row| row.expires_at).max().unwrap_or(Count(now)),
                state: State::Signed.as_str().to_owned(),
                reason: None,
                reverts: 0,
                nonce: Some(Count(nonce)),
                created_at: Count(now),
                updated_at: Count(now),
                max_gas: None,
                carrier: None,
                pinned: true,
                ..members[0].clone()
            };
            // Someone ended one of them meanwhile: nothing is committed, and the next round looks again.
            let Some(carrier) = rows::insert_carrier(&mut tx, carrier, &ids).await? else {
                round.room = 0;
                return Ok(());
            };
            let form = self.form(&carrier, nonce, *gas_limit, round.fees);
            let envelope = seal(&self.signer, form, round.head.number, now)?;
            rows::insert_envelope(&mut tx, envelope.clone()).await?;
            tracing::debug!(batch = carrier.id.0, commitments = ids.len(), gas_limit, "signed");
            signed.push((carrier, envelope));
        }
        commit(tx).await?;
        report.signed += u32::try_from(signed.len()).unwrap_or(u32::MAX);
        let all = signed.iter().map(|(_, envelope)| cost(envelope)).sum();
        self.note_signed(all, signed.len());
        round.room = round.room.saturating_sub(signed.len());
        let requests = paid.iter().flat_map(|(_, members, _)| members).filter_map(|row| row.request);
        round.before.extend(requests.collect::<Vec<RequestId>>());
        round.signed.extend(signed);
        Ok(())
    }
}
