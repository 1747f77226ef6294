//! Leads a signer's transactions from the queue to the chain, driven by each new block. A restart at any point goes on
//! from the rows. It never uses two nonces for one transaction while the first could still land, and leaves no hole.

use std::collections::{BTreeMap, HashMap, HashSet};

use alloy::primitives::B256;
use alloy::signers::local::PrivateKeySigner;
use offsetdata_store::Pool;
use offsetdata_store::relay::signers;
use offsetdata_store::relay::transactions::{self as rows, EnvelopeRow, TransactionRow};

use super::fees::Fees;
use super::followed::{Tenure, advance, exclude, include};
use super::settings::TransactionSettings;
use super::signing::{Form, seal};
use super::state::TransactionState as State;
use crate::RelayerError;
use crate::chain::{Chain, Head, Inclusion, Sent};
use crate::scheduler::Scheduler;

/// A nonce that was used without a receipt of ours: so many blocks until we believe it, as nodes can lag.
const BELIEVE_AFTER_BLOCKS: u64 = 2;
/// A transaction that was included and reverted so often is given up.
const MAX_REVERTS: u32 = 5;
/// So many free nonces are looked at in a round.
const MAX_HOLES: usize = 64;

/// What a round did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Report {
    /// Newly signed.
    pub signed: u32,
    /// Newly found in a block.
    pub included: u32,
    /// Taken out of their block by a reorg.
    pub reorged: u32,
    /// Replaced by a form that pays more.
    pub replaced: u32,
    /// Ended without landing.
    pub ended: u32,
}

/// Follows one signer's transactions.
#[derive(Debug)]
pub struct Reconciler {
    pub(super) chain: Chain,
    chain_id: u64,
    pub(super) signer: PrivateKeySigner,
    pub(super) scheduler: Scheduler,
    pub(super) settings: TransactionSettings,
    pub(super) tenure: Tenure,
    /// The head up to which all inclusions were compared with the chain.
    verified: Option<(u64, B256)>,
    /// Since which head a transaction's nonce is used without a receipt of ours.
    missing: HashMap<u64, u64>,
}

impl Reconciler {
    /// Takes the signer for this process, or `None` while another one holds it.
    ///
    /// # Errors
    /// The node or the database.
    pub async fn acquire(
        pool: Pool,
        chain: Chain,
        signer: PrivateKeySigner,
        scheduler: Scheduler,
        settings: TransactionSettings,
        holder: &str,
        now: u64,
    ) -> Result<Option<Self>, RelayerError> {
        let chain_id = chain.chain_id().await?;
        let address = signer.address();
        let first_nonce = chain.pending_nonce(address).await?;
        let lease_seconds = settings.signer_lease_seconds;
        let mut tx = pool.write().await?;
        let epoch =
            signers::acquire_signer(&mut tx, address, holder, now, now + lease_seconds, first_nonce).await?;
        tx.commit().await.map_err(offsetdata_store::StoreError::from)?;
        Ok(epoch.map(|epoch| Self {
            chain,
            chain_id,
            signer,
            scheduler,
            settings,
            tenure: Tenure { pool, signer: address, epoch, lease_seconds },
            verified: None,
            missing: HashMap::new(),
        }))
    }

    /// Gives the signer back at once.
    ///
    /// # Errors
    /// The database; then the lease ends by itself.
    pub async fn release(self, now: u64) -> Result<(), RelayerError> {
        let mut tx = self.tenure.pool.write().await?;
        signers::renew_signer(&mut tx, self.tenure.signer, self.tenure.epoch, now).await?;
        commit(tx).await
    }

    /// One round: keeps the lease, compares with the chain, sends what is in flight, signs what is queued.
    ///
    /// # Errors
    /// [`RelayerError::Fenced`] ends this reconciler; others are met by the next round.
    pub async fn round(&mut self, now: u64) -> Result<Report, RelayerError> {
        let mut report = Report::default();
        commit(self.tenure.write(now).await?).await?;
        let head = self.chain.head().await?;
        self.verify_inclusions(&head, now, &mut report).await?;
        self.follow_in_flight(&head, now, &mut report).await?;
        self.confirm(&head, now, &mut report).await?;
        self.sign_queued(&head, now, &mut report).await?;
        Ok(report)
    }

    pub(super) async fn list(&self, state: State) -> Result<Vec<TransactionRow>, RelayerError> {
        let mut conn = self.tenure.pool.acquire().await?;
        Ok(rows::list_in(&mut conn, self.tenure.signer, state.as_str(), 10_000).await?)
    }

    async fn envelopes(&self, transaction: u64) -> Result<Vec<EnvelopeRow>, RelayerError> {
        let mut conn = self.tenure.pool.acquire().await?;
        Ok(rows::list_envelopes(&mut conn, transaction).await?)
    }

    // ------------------------------------------------------------ reorgs

    /// Takes back what a reorg took away. While the head seen last is still canonical, so is all that stood below it.
    async fn verify_inclusions(
        &mut self,
        head: &Head,
        now: u64,
        report: &mut Report,
    ) -> Result<(), RelayerError> {
        let lowest = head.number.saturating_sub(self.settings.reorg_depth);
        let first = match self.verified {
            Some((number, hash)) if self.is_canonical(number, hash, head).await? => number + 1,
            _ => lowest,
        };
        let included = {
            let mut conn = self.tenure.pool.acquire().await?;
            rows::list_included_from(&mut conn, self.tenure.signer, first).await?
        };
        let mut canonical: BTreeMap<u64, Option<B256>> = BTreeMap::new();
        for mut row in included {
            let (Some(number), Some(hash)) = (row.block_number, row.block_hash) else { continue };
            let actual = match canonical.get(&number.0) {
                Some(actual) => *actual,
                None => {
                    let actual = self.chain.block_at(number.0).await?.map(|block| block.hash);
                    canonical.insert(number.0, actual);
                    actual
                }
            };
            if actual == Some(hash) {
                continue;
            }
            tracing::warn!(
                transaction = row.id.0,
                block = number.0,
                "a reorg took a transaction out of its block"
            );
            exclude(&mut row);
            let mut tx = self.tenure.write(now).await?;
            if advance(&mut tx, &mut row, State::Broadcast, Some("taken out by a reorg".into()), now).await? {
                report.reorged += 1;
            }
            commit(tx).await?;
        }
        self.verified = Some((head.number, head.hash));
        Ok(())
    }

    async fn is_canonical(&self, number: u64, hash: B256, head: &Head) -> Result<bool, RelayerError> {
        if number == head.number {
            return Ok(hash == head.hash);
        }
        Ok(number < head.number && self.chain.block_at(number).await?.is_some_and(|block| block.hash == hash))
    }

    // ------------------------------------------------------------ in flight

    async fn follow_in_flight(
        &mut self,
        head: &Head,
        now: u64,
        report: &mut Report,
    ) -> Result<(), RelayerError> {
        let mut flying = self.list(State::Signed).await?;
        flying.extend(self.list(State::Broadcast).await?);
        flying.sort_by_key(|row| row.nonce.map(|nonce| nonce.0));
        let used = self.chain.nonce(self.tenure.signer).await?;
        self.fill_holes(used, &flying).await?;
        let mut is_first = true;
        let mut tip = None;
        for row in flying {
            let Some(nonce) = row.nonce else { continue };
            if nonce.0 < used {
                self.find_inclusion(row, head, now, report).await?;
            } else {
                let tip = match tip {
                    Some(tip) => tip,
                    None => *tip.insert(self.chain.tip().await?),
                };
                self.keep_alive(row, head, tip, is_first, now, report).await?;
                is_first = false;
            }
        }
        Ok(())
    }

    /// Sends again what no transaction in flight stands for: an envelope that had reverted and lost its block to a reorg.
    /// Without it everything with a higher nonce would wait for ever.
    async fn fill_holes(&self, used: u64, flying: &[TransactionRow]) -> Result<(), RelayerError> {
        let mut conn = self.tenure.pool.acquire().await?;
        let Some(signer) = signers::find_signer(&mut conn, self.tenure.signer).await? else { return Ok(()) };
        let taken: HashSet<u64> = flying.iter().filter_map(|row| row.nonce.map(|nonce| nonce.0)).collect();
        for nonce in (used..signer.next_nonce.0).take(MAX_HOLES).filter(|nonce| !taken.contains(nonce)) {
            if let Some(envelope) = rows::find_envelope_with(&mut conn, self.tenure.signer, nonce).await? {
                let answer = self.chain.send(&envelope.raw).await?;
                tracing::warn!(nonce, hash = %envelope.hash, ?answer, "a nonce was free again; its envelope is sent again");
            }
        }
        Ok(())
    }

    /// The nonce is used: by one of our envelopes, or by something else that was signed with this key.
    async fn find_inclusion(
        &mut self,
        mut row: TransactionRow,
        head: &Head,
        now: u64,
        report: &mut Report,
    ) -> Result<(), RelayerError> {
        let id = row.id.0;
        for envelope in self.envelopes(id).await? {
            if let Some(inclusion) = self.chain.inclusion(envelope.hash).await? {
                self.missing.remove(&id);
                // Which of the forms was taken says also which nonce this transaction has.
                row.nonce = Some(envelope.nonce);
                return self.note_inclusion(row, &inclusion, now, report).await;
            }
        }
        let since = *self.missing.entry(id).or_insert(head.number);
        let believed = since + BELIEVE_AFTER_BLOCKS.max(self.settings.confirmations);
        if head.number < believed {
            return Ok(());
        }
        self.missing.remove(&id);
        tracing::warn!(
            transaction = id,
            "its nonce was used by a transaction that is not ours; it gets a new one"
        );
        row.nonce = None;
        let mut tx = self.tenure.write(now).await?;
        advance(&mut tx, &mut row, State::Pending, Some("its nonce was used elsewhere".into()), now).await?;
        commit(tx).await
    }

    async fn note_inclusion(
        &self,
        mut row: TransactionRow,
        inclusion: &Inclusion,
        now: u64,
        report: &mut Report,
    ) -> Result<(), RelayerError> {
        include(&mut row, inclusion);
        let reason = (!inclusion.succeeded).then(|| "reverted".to_owned());
        let mut tx = self.tenure.write(now).await?;
        if advance(&mut tx, &mut row, State::Included, reason, now).await? {
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
        }
        commit(tx).await
    }

    /// Sends it again, or a form of it that pays more.
    async fn keep_alive(
        &self,
        mut row: TransactionRow,
        head: &Head,
        tip: u128,
        is_first: bool,
        now: u64,
        report: &mut Report,
    ) -> Result<(), RelayerError> {
        let Some(newest) = self.envelopes(row.id.0).await?.into_iter().next() else {
            let reason = format!("transaction {} has a nonce and no envelope", row.id.0);
            return Err(RelayerError::Corrupt { what: "relay_envelopes", reason });
        };
        let waited = head.number.saturating_sub(newest.signed_block.0);
        // Only the first one can be stuck for its own fee; the others wait for it, unless they pay too little too.
        let is_stuck =
            waited >= self.settings.bump_after_blocks && (is_first || newest.max_fee < head.base_fee);
        let mut envelope = newest;
        if is_stuck {
            let fees = Fees { max_fee: envelope.max_fee, priority_fee: envelope.priority_fee };
            match fees.replacement(head.base_fee, tip, self.settings.max_fee_per_gas) {
                Some(fees) => {
                    let form = self.form(&row, envelope.nonce.0, envelope.gas_limit.0, fees);
                    envelope = seal(&self.signer, form, head.number, now)?;
                    let mut tx = self.tenure.write(now).await?;
                    rows::insert_envelope(&mut tx, envelope.clone()).await?;
                    commit(tx).await?;
                    report.replaced += 1;
                    tracing::info!(transaction = row.id.0, hash = %envelope.hash, max_fee = fees.max_fee, "replaced");
                }
                None => tracing::warn!(
                    transaction = row.id.0,
                    "waits: a higher fee would be over --max-fee-per-gas"
                ),
            }
        } else if envelope.sent_block.is_some_and(|block| block.0 == head.number) {
            return Ok(());
        }
        self.send(&mut row, &envelope, head, now).await
    }

    pub(super) async fn send(
        &self,
        row: &mut TransactionRow,
        envelope: &EnvelopeRow,
        head: &Head,
        now: u64,
    ) -> Result<(), RelayerError> {
        match self.chain.send(&envelope.raw).await? {
            Sent::Taken => {}
            // The next round finds the receipt, or that the nonce was used elsewhere.
            Sent::NonceUsed => tracing::debug!(transaction = row.id.0, "its nonce is used already"),
            Sent::Underpriced => tracing::info!(transaction = row.id.0, "the node wants a higher fee"),
            Sent::Refused(reason) => {
                tracing::warn!(
                    transaction = row.id.0,
                    reason,
                    "the node refuses a transaction; it is sent again"
                );
                return Ok(());
            }
        }
        let mut tx = self.tenure.write(now).await?;
        rows::mark_sent(&mut tx, envelope.hash, head.number).await?;
        if row.state == State::Signed.as_str() {
            advance(&mut tx, row, State::Broadcast, None, now).await?;
        }
        commit(tx).await
    }

    pub(super) fn form(&self, row: &TransactionRow, nonce: u64, gas_limit: u64, fees: Fees) -> Form {
        Form {
            chain_id: self.chain_id,
            transaction: row.id.0,
            nonce,
            to: row.target,
            calldata: row.calldata.clone(),
            gas_limit,
            fees,
        }
    }

    // ------------------------------------------------------------ confirmed

    async fn confirm(&self, head: &Head, now: u64, report: &mut Report) -> Result<(), RelayerError> {
        for mut row in self.list(State::Included).await? {
            let Some(number) = row.block_number else { continue };
            if number.0 + self.settings.confirmations > head.number + 1 {
                continue;
            }
            let reverted = row.reason.is_some();
            let mut tx = self.tenure.write(now).await?;
            if !reverted {
                advance(&mut tx, &mut row, State::Confirmed, None, now).await?;
            } else {
                row.reverts += 1;
                row.nonce = None;
                exclude(&mut row);
                advance(&mut tx, &mut row, State::Pending, Some("reverted".into()), now).await?;
                if row.reverts >= MAX_REVERTS {
                    let reason = format!("was included and reverted {} times", row.reverts);
                    advance(&mut tx, &mut row, State::Dropped, Some(reason), now).await?;
                    report.ended += 1;
                }
            }
            commit(tx).await?;
        }
        Ok(())
    }
}

pub(super) async fn commit(tx: offsetdata_store::Tx) -> Result<(), RelayerError> {
    Ok(tx.commit().await.map_err(offsetdata_store::StoreError::from)?)
}
