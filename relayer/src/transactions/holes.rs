//! Nonces below the signer's next one that nothing in flight stands for, as reorgs leave them: everything after such a nonce
//! would wait for ever. It decides nothing about what is in flight.

use std::collections::HashSet;

use alloy::primitives::Bytes;
use offsetdata_store::Count;
use offsetdata_store::relay::signers;
use offsetdata_store::relay::transactions::{self as rows, EnvelopeRow, NewTransaction, TransactionRow};

use super::fees::Fees;
use super::flight::Flying;
use super::followed::{advance, commit};
use super::reconciler::Reconciler;
use super::signing::seal;
use super::state::{Kind, TransactionState as State};
use crate::RelayerError;
use crate::chain::Head;

/// So many free nonces are looked at in a round.
const MAX_HOLES: usize = 64;
/// Gas of a call that does nothing.
const FILLER_GAS: u64 = 21_000;
const FILLER: &str = "fill:";

/// Whether a transaction is there for its nonce only.
pub(super) fn is_filler(row: &TransactionRow) -> bool {
    row.dedupe.starts_with(FILLER)
}

impl Reconciler {
    /// Sends again what had a free nonce before, as an envelope that had reverted and lost its block. Where that pays too
    /// little it pays more. A call that does nothing uses up the nonce of what was given up, and one that somebody else had
    /// used with this key, once that does not come back.
    pub(super) async fn fill_holes(
        &mut self,
        used: u64,
        flying: &[TransactionRow],
        head: &Head,
        now: u64,
    ) -> Result<(), RelayerError> {
        let signer = self.tenure.signer;
        let next = {
            let mut conn = self.tenure.pool.acquire().await?;
            signers::find_signer(&mut conn, signer).await?.map_or(0, |row| row.next_nonce.0)
        };
        let taken: HashSet<u64> = flying.iter().filter_map(|row| row.nonce.map(|nonce| nonce.0)).collect();
        let free: Vec<u64> = (used..next).take(MAX_HOLES).filter(|nonce| !taken.contains(nonce)).collect();
        self.holes.retain(|nonce, _| free.contains(nonce));
        for nonce in free {
            let since = *self.holes.entry(nonce).or_insert(head.number);
            let is_stuck = head.number.saturating_sub(since) >= self.settings.bump_after_blocks;
            let (before, is_given_up) = {
                let mut conn = self.tenure.pool.acquire().await?;
                let before = rows::find_envelope_with(&mut conn, signer, nonce).await?;
                let row = match &before {
                    Some(envelope) => rows::find_transaction(&mut conn, envelope.transaction_id.0).await?,
                    None => None,
                };
                let dropped = State::Dropped.as_str();
                (before, row.is_some_and(|row| row.state == dropped && !is_filler(&row)))
            };
            let envelope = match before {
                // Landing now, it would do what nobody counts on any more.
                Some(envelope) if is_given_up => self.filler(nonce, Some(&envelope), head, now).await?,
                Some(envelope) if !is_stuck => envelope,
                Some(envelope) => {
                    self.holes.insert(nonce, head.number);
                    self.paying_more(envelope, head, now).await?
                }
                None if is_stuck => self.filler(nonce, None, head, now).await?,
                // Whose it was may send it again.
                None => continue,
            };
            let answer = self.chain.send(&envelope.raw).await;
            tracing::warn!(nonce, hash = %envelope.hash, ?answer, "a nonce was free again; its envelope is sent again");
        }
        Ok(())
    }

    async fn paying_more(
        &self,
        envelope: EnvelopeRow,
        head: &Head,
        now: u64,
    ) -> Result<EnvelopeRow, RelayerError> {
        let row = {
            let mut conn = self.tenure.pool.acquire().await?;
            rows::find_transaction(&mut conn, envelope.transaction_id.0).await?
        };
        let Some(row) = row else { return Ok(envelope) };
        let mut one = Flying { row, newest: envelope };
        let tip = self.chain.tip().await?;
        self.replace(&mut one, head, tip, now).await?;
        Ok(one.newest)
    }

    /// A call of the signer to itself, without value, followed like any other transaction. It pays more than what had the
    /// nonce before.
    async fn filler(
        &self,
        nonce: u64,
        before: Option<&EnvelopeRow>,
        head: &Head,
        now: u64,
    ) -> Result<EnvelopeRow, RelayerError> {
        let signer = self.tenure.signer;
        let dedupe = format!("{FILLER}{signer}:{nonce}");
        let (tip, most) = (self.chain.tip().await?, self.settings.max_fee_per_gas);
        let fees = before
            .map(|before| Fees { max_fee: before.max_fee, priority_fee: before.priority_fee })
            .and_then(|before| before.replacement(head.base_fee, tip, most))
            .unwrap_or_else(|| Fees::first(head.base_fee, tip, most));
        let new = NewTransaction {
            dedupe: dedupe.clone(),
            signer,
            kind: Kind::Call.as_str().to_owned(),
            request: None,
            target: signer,
            calldata: Bytes::new(),
            expires_at: now,
            max_gas: None,
        };
        let mut tx = self.tenure.write(now).await?;
        rows::insert_transaction(&mut tx, new, now).await?;
        let corrupt = |reason: &str| RelayerError::Corrupt {
            what: "relay_transactions",
            reason: format!("{dedupe} {reason}"),
        };
        let row = rows::find_by_dedupe(&mut tx, &dedupe).await?;
        let mut row = row.ok_or_else(|| corrupt("was not kept"))?;
        if let Some(before) = before.filter(|_| row.state != State::Pending.as_str()) {
            // It had its call before, and that one was given up too: what is there goes out, so that nothing waits for ever.
            return Ok(before.clone());
        }
        row.nonce = Some(Count(nonce));
        let envelope = seal(&self.signer, self.form(&row, nonce, FILLER_GAS, fees), head.number, now)?;
        if !advance(&mut tx, &mut row, State::Signed, None, now).await? {
            return Err(corrupt("changed while it was signed"));
        }
        rows::insert_envelope(&mut tx, envelope.clone()).await?;
        commit(tx).await?;
        tracing::warn!(
            nonce,
            "a nonce is free again that nothing of ours wants: a call that does nothing uses it up"
        );
        Ok(envelope)
    }
}
