//! What has a nonce and is in no block yet: it is sent again at each block, replaced where it pays too little, and found
//! where it was included. A nonce counts as used elsewhere only where the block that used it says so.

use std::collections::HashMap;

use alloy::primitives::U256;
use alloy::rpc::types::Log;
use futures::{StreamExt, TryStreamExt};
use offsetdata_store::relay::transactions::{self as rows, EnvelopeRow, TransactionRow};

use super::batch;
use super::fees::Fees;
use super::followed::{advance, commit, dissolve, include};
use super::holes::is_filler;
use super::reconciler::{AT_ONCE, Reconciler, Report};
use super::signing::seal;
use super::state::{Kind, TransactionState as State};
use crate::RelayerError;
use crate::chain::{Head, Inclusion, Sent, skipped};

/// A head may have been so many blocks ahead of what other nodes had, when an envelope was signed.
const HEADS_DIFFER: u64 = 8;
/// After so many seconds a used nonce counts as used elsewhere though no node can say by what: none keeps that block.
const BELIEVE_AFTER: u64 = 900;

/// What waits for a block is sent again at each block, and after so many seconds without one.
const RESEND_SECONDS: u64 = 10;

/// What became of a transaction whose nonce is used.
enum Found {
    Included {
        nonce: u64,
        inclusion: Inclusion,
        logs: Vec<Log>,
    },
    /// A block holds it, and the node has no receipt of it.
    WithoutReceipt,
    UsedElsewhere,
    Unknown,
}

/// Signed forms by transaction.
type Forms = HashMap<u64, Vec<EnvelopeRow>>;

/// A transaction with the form of it that pays most.
pub(super) struct Flying {
    pub(super) row: TransactionRow,
    pub(super) newest: EnvelopeRow,
}

impl Reconciler {
    pub(super) async fn follow_in_flight(
        &mut self,
        head: &Head,
        now: u64,
        report: &mut Report,
    ) -> Result<(), RelayerError> {
        let mut flying = self.list(State::Signed).await?;
        flying.extend(self.list(State::Broadcast).await?);
        flying.sort_by_key(|row| row.nonce.map(|nonce| nonce.0));
        let mut forms = self.forms_in_flight().await?;
        let signer = self.tenure.signer;
        self.lanes.note(signer, |lane| lane.in_flight = flying.len());
        let used = self.chain.nonce(signer).await?;
        self.fill_holes(used, &flying, head, now).await?;
        self.committed = U256::ZERO;
        let is_used = |row: &TransactionRow| row.nonce.is_some_and(|nonce| nonce.0 < used);
        let (mined, waiting): (Vec<_>, Vec<_>) = flying.into_iter().partition(is_used);
        let mined = mined.into_iter().map(|row| (forms.remove(&row.id.0).unwrap_or_default(), row)).collect();
        self.note_mined(mined, head, now, report).await?;
        self.keep_alive(waiting, forms, head, now, report).await
    }

    /// The signed forms of each transaction in flight, newest first.
    async fn forms_in_flight(&self) -> Result<Forms, RelayerError> {
        let mut forms = Forms::new();
        let mut conn = self.tenure.pool.acquire().await?;
        for state in [State::Signed, State::Broadcast] {
            for envelope in rows::list_envelopes_in(&mut conn, self.tenure.signer, state.as_str()).await? {
                forms.entry(envelope.transaction_id.0).or_default().push(envelope);
            }
        }
        Ok(forms)
    }

    // ------------------------------------------------------------ in a block

    async fn note_mined(
        &mut self,
        mined: Vec<(Vec<EnvelopeRow>, TransactionRow)>,
        head: &Head,
        now: u64,
        report: &mut Report,
    ) -> Result<(), RelayerError> {
        if mined.is_empty() {
            return Ok(());
        }
        let this = &*self;
        let found: Vec<(TransactionRow, Found)> = futures::stream::iter(mined)
            .map(|(forms, row)| async move {
                let found = this.find(&row, &forms, head).await?;
                Ok::<_, RelayerError>((row, found))
            })
            .buffered(AT_ONCE)
            .try_collect()
            .await?;
        let mut tx = self.tenure.write(now).await?;
        for (mut row, found) in found {
            let id = row.id.0;
            let elsewhere = match found {
                Found::Included { nonce, inclusion, logs } => {
                    self.missing.remove(&id);
                    // Which of the forms was taken says also which nonce this transaction has.
                    row.nonce = Some(offsetdata_store::Count(nonce));
                    self.note_inclusion(&mut tx, row, &inclusion, &logs, now, report).await?;
                    continue;
                }
                Found::WithoutReceipt => {
                    tracing::warn!(transaction = id, "a block holds it, and no node has its receipt");
                    false
                }
                Found::UsedElsewhere => true,
                Found::Unknown => now.saturating_sub(*self.missing.entry(id).or_insert(now)) >= BELIEVE_AFTER,
            };
            if !elsewhere {
                continue;
            }
            self.missing.remove(&id);
            tracing::warn!(
                transaction = id,
                "its nonce was used by a transaction that is not ours; it gets a new one"
            );
            let reason = "its nonce was used elsewhere";
            row.nonce = None;
            if row.kind == Kind::CommitBatch.as_str() {
                dissolve(&mut tx, &mut row, reason, now).await?;
            } else {
                advance(&mut tx, &mut row, State::Pending, Some(reason.to_owned()), now).await?;
                if is_filler(&row) {
                    // The nonce was all that it was for.
                    advance(&mut tx, &mut row, State::Dropped, Some(reason.to_owned()), now).await?;
                }
            }
        }
        commit(tx).await
    }

    /// By which of our envelopes the nonce was used, or by something else that was signed with this key.
    async fn find(
        &self,
        row: &TransactionRow,
        envelopes: &[EnvelopeRow],
        head: &Head,
    ) -> Result<Found, RelayerError> {
        for envelope in envelopes {
            if let Some((inclusion, logs)) = self.chain.inclusion(envelope.hash).await? {
                return Ok(Found::Included { nonce: envelope.nonce.0, inclusion, logs });
            }
        }
        // No receipt is no proof: nodes lose them, or have them later than the block.
        let Some(nonce) = row.nonce else { return Ok(Found::Unknown) };
        let Some(signed) = envelopes.iter().map(|envelope| envelope.signed_block.0).min() else {
            return Ok(Found::Unknown);
        };
        let low = signed.saturating_sub(HEADS_DIFFER);
        match self.chain.spender(self.tenure.signer, nonce.0, low, head.number).await {
            Ok(Some(hash)) if envelopes.iter().any(|envelope| envelope.hash == hash) => {
                Ok(Found::WithoutReceipt)
            }
            Ok(Some(_)) => Ok(Found::UsedElsewhere),
            Ok(None) => Ok(Found::Unknown),
            Err(error) => {
                tracing::debug!(%error, "nobody can say by what a nonce was used");
                Ok(Found::Unknown)
            }
        }
    }

    async fn note_inclusion(
        &self,
        tx: &mut offsetdata_store::Tx,
        mut row: TransactionRow,
        inclusion: &Inclusion,
        logs: &[Log],
        now: u64,
        report: &mut Report,
    ) -> Result<(), RelayerError> {
        include(&mut row, inclusion);
        let reason = (!inclusion.succeeded).then(|| "reverted".to_owned());
        if !advance(tx, &mut row, State::Included, reason, now).await? {
            return Ok(());
        }
        report.included += 1;
        tracing::info!(
            transaction = row.id.0,
            kind = row.kind,
            hash = %inclusion.hash,
            block = inclusion.block_number,
            gas = inclusion.gas_used,
            succeeded = inclusion.succeeded,
            "included"
        );
        if row.kind == Kind::CommitBatch.as_str() && inclusion.succeeded {
            let left_out = skipped(row.target, logs);
            for member in rows::list_carried(tx, row.id.0).await? {
                let Some(request) = member.request else { continue };
                if left_out.contains(&(request, batch::sequence(&member)?)) {
                    tracing::info!(transaction = member.id.0, batch = row.id.0, "left out of a batch");
                    rows::detach(tx, member.id.0, "was left out of a batch", now).await?;
                }
            }
        }
        Ok(())
    }

    // ------------------------------------------------------------ in no block

    /// Sends everything again, or forms of it that pay more.
    async fn keep_alive(
        &mut self,
        waiting: Vec<TransactionRow>,
        mut forms: Forms,
        head: &Head,
        now: u64,
        report: &mut Report,
    ) -> Result<(), RelayerError> {
        let is_late = self.is_late(now);
        if is_late {
            self.resent_at = now;
        }
        let mut tip = None;
        let mut sends = Vec::new();
        for (place, row) in waiting.into_iter().filter(|row| row.nonce.is_some()).enumerate() {
            let Some(newest) = forms.remove(&row.id.0).and_then(|forms| forms.into_iter().next()) else {
                let reason = format!("transaction {} has a nonce and no envelope", row.id.0);
                return Err(RelayerError::Corrupt { what: "relay_envelopes", reason });
            };
            let mut one = Flying { row, newest };
            let waited = head.number.saturating_sub(one.newest.signed_block.0);
            // Only the first one can be stuck for its own fee; the others wait for it, unless they pay too little too.
            let is_stuck = waited >= self.settings.bump_after_blocks
                && (place == 0 || one.newest.max_fee < head.base_fee);
            let mut is_new = false;
            if is_stuck {
                let tip = match tip {
                    Some(tip) => tip,
                    None => *tip.insert(self.chain.tip().await?),
                };
                is_new = self.replace(&mut one, head, tip, now).await?;
                report.replaced += u32::from(is_new);
            }
            self.committed = self.committed.saturating_add(cost(&one.newest));
            if is_new || is_late || one.newest.sent_block.is_none_or(|block| block.0 != head.number) {
                sends.push((one.row, one.newest));
            }
        }
        let (taken, failure) = self.send(sends).await;
        self.note_sent(taken, head, now).await?;
        failure.map_or(Ok(()), Err)
    }

    /// Where no block comes without a transaction, one that a node lost would wait for ever.
    pub(super) fn is_late(&self, now: u64) -> bool {
        now.saturating_sub(self.resent_at) >= RESEND_SECONDS
    }

    /// Signs a form that pays more and keeps it. False where that would be over the cap.
    pub(super) async fn replace(
        &self,
        one: &mut Flying,
        head: &Head,
        tip: u128,
        now: u64,
    ) -> Result<bool, RelayerError> {
        let fees = Fees { max_fee: one.newest.max_fee, priority_fee: one.newest.priority_fee };
        let Some(fees) = fees.replacement(head.base_fee, tip, self.settings.max_fee_per_gas) else {
            tracing::warn!(transaction = one.row.id.0, "waits: a higher fee would be over --max-fee-per-gas");
            return Ok(false);
        };
        let form = self.form(&one.row, one.newest.nonce.0, one.newest.gas_limit.0, fees);
        let envelope = seal(&self.signer, form, head.number, now)?;
        let mut tx = self.tenure.write(now).await?;
        rows::insert_envelope(&mut tx, envelope.clone()).await?;
        commit(tx).await?;
        tracing::info!(transaction = one.row.id.0, hash = %envelope.hash, max_fee = fees.max_fee, "replaced");
        one.newest = envelope;
        Ok(true)
    }

    /// Sends what is durable: what a node took, and the last failure. One failure does not keep the others back.
    pub(super) async fn send(
        &mut self,
        sends: Vec<(TransactionRow, EnvelopeRow)>,
    ) -> (Vec<(TransactionRow, EnvelopeRow)>, Option<RelayerError>) {
        let chain = &self.chain;
        let answers: Vec<_> = futures::stream::iter(sends)
            .map(|(row, envelope)| async move {
                let answer = chain.send(&envelope.raw).await;
                (row, envelope, answer)
            })
            .buffered(AT_ONCE)
            .collect()
            .await;
        let (mut taken, mut failure) = (Vec::new(), None);
        for (row, envelope, answer) in answers {
            match answer {
                Ok(Sent::Taken) => {}
                // The next round finds the receipt, or what used the nonce.
                Ok(Sent::NonceUsed) => tracing::debug!(transaction = row.id.0, "its nonce is used already"),
                Ok(Sent::Underpriced) => {
                    tracing::info!(transaction = row.id.0, "the node wants a higher fee")
                }
                Ok(Sent::Refused(reason)) => {
                    if reason.to_ascii_lowercase().contains("insufficient funds") {
                        self.lacks = Some(cost(&envelope));
                    }
                    tracing::warn!(
                        transaction = row.id.0,
                        reason,
                        "the node refuses a transaction; it is sent again"
                    );
                    self.has_unsent = true;
                    continue;
                }
                Err(error) => {
                    failure = Some(error);
                    continue;
                }
            }
            taken.push((row, envelope));
        }
        (taken, failure)
    }

    /// Notes what a node took.
    pub(super) async fn note_sent(
        &self,
        taken: Vec<(TransactionRow, EnvelopeRow)>,
        head: &Head,
        now: u64,
    ) -> Result<(), RelayerError> {
        if taken.is_empty() {
            return Ok(());
        }
        let mut tx = self.tenure.write(now).await?;
        for (mut row, envelope) in taken {
            rows::mark_sent(&mut tx, envelope.hash, head.number).await?;
            if row.state == State::Signed.as_str() {
                advance(&mut tx, &mut row, State::Broadcast, None, now).await?;
            }
        }
        commit(tx).await
    }
}

/// Wei that an envelope can take from its signer.
pub(super) fn cost(envelope: &EnvelopeRow) -> U256 {
    U256::from(envelope.max_fee).saturating_mul(U256::from(envelope.gas_limit.0))
}
