//! Leads a signer's transactions from the queue to the chain, driven by each new block. A restart at any point goes on
//! from the rows. It never uses two nonces for one transaction while the first could still land, and leaves no hole.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use alloy::primitives::{B256, U256};
use alloy::signers::local::PrivateKeySigner;
use futures::{StreamExt, TryStreamExt};
use offsetdata_store::Pool;
use offsetdata_store::relay::signers;
use offsetdata_store::relay::transactions::{self as rows, TransactionRow};

use super::batch;
use super::fees::Fees;
use super::followed::{Tenure, advance, commit, dissolve, exclude};
use super::lanes::Lanes;
use super::settings::TransactionSettings;
use super::signing::Form;
use super::state::{Kind, TransactionState as State};
use crate::RelayerError;
use crate::chain::{Chain, Head};
use crate::scheduler::Scheduler;

/// A transaction that was included and reverted so often is given up.
const MAX_REVERTS: u32 = 5;
/// So many seconds a chain that became shorter is taken for a node that lags.
const LAG_SECONDS: u64 = 30;
/// Calls to the node at the same time.
pub(super) const AT_ONCE: usize = 8;

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
    /// It took what it could take at once, and more waits.
    pub is_more: bool,
}

/// What all signers of a process need. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Common {
    /// The database.
    pub pool: Pool,
    /// The node.
    pub chain: Chain,
    /// Signs anew what the scheduler has to say again.
    pub scheduler: Scheduler,
    /// How transactions are sent.
    pub settings: TransactionSettings,
    /// All signers of this process.
    pub lanes: Lanes,
}

/// Follows one signer's transactions.
#[derive(Debug)]
pub struct Reconciler {
    pub(super) chain: Chain,
    chain_id: u64,
    pub(super) signer: PrivateKeySigner,
    pub(super) scheduler: Scheduler,
    pub(super) settings: TransactionSettings,
    pub(super) lanes: Lanes,
    pub(super) tenure: Tenure,
    /// The head up to which all inclusions were compared with the chain.
    verified: Option<(u64, B256)>,
    /// Since when the chain is shorter than what it included, Unix seconds.
    short_since: Option<u64>,
    /// Since when a transaction's nonce is used, and nobody knows by what, Unix seconds.
    pub(super) missing: HashMap<u64, u64>,
    /// Nonces that nothing in flight stands for, and the block since when.
    pub(super) holes: HashMap<u64, u64>,
    /// The same as `missing` for nonces after ours.
    pub(super) ahead_since: Option<u64>,
    /// When everything in flight was last sent whatever the head, Unix seconds.
    pub(super) resent_at: u64,
    /// Wei that everything in flight can cost.
    pub(super) committed: U256,
    /// Wei that the signer had in a block, and the block.
    pub(super) funds: Option<(B256, U256)>,
    /// What something would have cost that the signer could not pay.
    pub(super) lacks: Option<U256>,
    /// Batches that the node tries in one call; with none every commitment travels alone.
    pub(super) batches_at_once: usize,
    /// The head at which everything was looked after and sent.
    followed: Option<B256>,
    /// A node refused something in this round.
    pub(super) has_unsent: bool,
}

impl Reconciler {
    /// Takes the signer for this process, or `None` while another one holds it.
    ///
    /// # Errors
    /// The node or the database.
    pub async fn acquire(
        common: &Common,
        signer: PrivateKeySigner,
        holder: &str,
        now: u64,
    ) -> Result<Option<Self>, RelayerError> {
        let Common { pool, chain, scheduler, settings, lanes } = common.clone();
        let chain_id = chain.chain_id().await?;
        let address = signer.address();
        let first_nonce = chain.pending_nonce(address).await?;
        let lease_seconds = settings.signer_lease_seconds;
        let mut tx = pool.write().await?;
        let epoch =
            signers::acquire_signer(&mut tx, address, holder, now, now + lease_seconds, first_nonce).await?;
        commit(tx).await?;
        lanes.note(address, |lane| lane.is_held = epoch.is_some());
        let renewed = Arc::new(AtomicU64::new(now));
        Ok(epoch.map(|epoch| Self {
            chain,
            chain_id,
            signer,
            scheduler,
            settings,
            lanes,
            tenure: Tenure { pool, signer: address, epoch, lease_seconds, renewed },
            verified: None,
            short_since: None,
            missing: HashMap::new(),
            holes: HashMap::new(),
            ahead_since: None,
            resent_at: now,
            committed: U256::ZERO,
            funds: None,
            lacks: None,
            batches_at_once: batch::AT_ONCE,
            followed: None,
            has_unsent: false,
        }))
    }

    /// Gives the signer back at once, and with it what it has not signed.
    ///
    /// # Errors
    /// The database; then the lease ends by itself.
    pub async fn release(self, now: u64) -> Result<(), RelayerError> {
        self.lanes.note(self.tenure.signer, |lane| lane.is_held = false);
        let mut tx = self.tenure.write(now).await?;
        rows::give_back(&mut tx, self.tenure.signer).await?;
        signers::renew_signer(&mut tx, self.tenure.signer, self.tenure.epoch, now).await?;
        commit(tx).await
    }

    /// One round: keeps the lease, compares with the chain, sends what is in flight, signs what is queued.
    ///
    /// # Errors
    /// [`RelayerError::Fenced`] ends this reconciler; others are met by the next round.
    pub async fn round(&mut self, now: u64) -> Result<Report, RelayerError> {
        let mut report = Report::default();
        self.tenure.keep(now).await?;
        let head = self.chain.head().await?;
        // Between two blocks nothing becomes of what was sent. Where a step fails, all is looked at again.
        let followed = self.followed.take();
        self.has_unsent = false;
        let is_verified = self.verified == Some((head.number, head.hash));
        if followed != Some(head.hash) || !is_verified || self.is_late(now) {
            self.verify_inclusions(&head, now, &mut report).await?;
            self.follow_in_flight(&head, now, &mut report).await?;
            self.confirm(&head, now, &mut report).await?;
        }
        self.sign_queued(&head, now, &mut report).await?;
        self.followed = (!self.has_unsent).then_some(head.hash);
        Ok(report)
    }

    pub(super) async fn list(&self, state: State) -> Result<Vec<TransactionRow>, RelayerError> {
        let mut conn = self.tenure.pool.acquire().await?;
        Ok(rows::list_in(&mut conn, self.tenure.signer, state.as_str(), 10_000).await?)
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

    // ------------------------------------------------------------ reorgs

    /// Takes back what a reorg took away. While the head seen last is still canonical, so is all that stood below it.
    async fn verify_inclusions(
        &mut self,
        head: &Head,
        now: u64,
        report: &mut Report,
    ) -> Result<(), RelayerError> {
        if self.verified == Some((head.number, head.hash)) {
            return Ok(());
        }
        let lowest = head.number.saturating_sub(self.settings.reorg_depth);
        let first = match self.verified {
            Some((number, hash)) if self.is_canonical(number, hash, head).await? => number + 1,
            _ => {
                self.revive_superseded(now).await?;
                lowest
            }
        };
        let included = {
            let mut conn = self.tenure.pool.acquire().await?;
            rows::list_included_from(&mut conn, self.tenure.signer, first).await?
        };
        let numbers: BTreeMap<u64, ()> =
            included.iter().filter_map(|row| row.block_number.map(|number| (number.0, ()))).collect();
        let chain = &self.chain;
        let canonical: BTreeMap<u64, Option<B256>> = futures::stream::iter(numbers.into_keys())
            .map(|number| async move {
                Ok::<_, RelayerError>((number, chain.block_at(number).await?.map(|block| block.hash)))
            })
            .buffered(AT_ONCE)
            .try_collect()
            .await?;
        let mut gone = Vec::new();
        let mut unknown = false;
        for row in included {
            let (Some(number), Some(hash)) = (row.block_number, row.block_hash) else { continue };
            match canonical.get(&number.0).copied().flatten() {
                Some(actual) if actual == hash => {}
                Some(_) => gone.push(row),
                // A chain that ends before it, or a node that lags: which of them, time tells.
                None => {
                    unknown = true;
                    if now.saturating_sub(*self.short_since.get_or_insert(now)) >= LAG_SECONDS {
                        gone.push(row);
                    }
                }
            }
        }
        self.take_back(gone, now, report).await?;
        if !unknown {
            self.short_since = None;
            self.verified = Some((head.number, head.hash));
        }
        Ok(())
    }

    async fn take_back(
        &self,
        gone: Vec<TransactionRow>,
        now: u64,
        report: &mut Report,
    ) -> Result<(), RelayerError> {
        if gone.is_empty() {
            return Ok(());
        }
        let mut tx = self.tenure.write(now).await?;
        for mut row in gone {
            let block = row.block_number.map(|number| number.0);
            tracing::warn!(transaction = row.id.0, block, "a reorg took a transaction out of its block");
            exclude(&mut row);
            if advance(&mut tx, &mut row, State::Broadcast, Some("taken out by a reorg".into()), now).await? {
                report.reorged += 1;
            }
        }
        commit(tx).await
    }

    async fn is_canonical(&self, number: u64, hash: B256, head: &Head) -> Result<bool, RelayerError> {
        if number == head.number {
            return Ok(hash == head.hash);
        }
        Ok(number < head.number && self.chain.block_at(number).await?.is_some_and(|block| block.hash == hash))
    }

    // ------------------------------------------------------------ confirmed

    async fn confirm(&self, head: &Head, now: u64, report: &mut Report) -> Result<(), RelayerError> {
        let is_deep = |row: &TransactionRow| {
            row.block_number.is_some_and(|number| number.0 + self.settings.confirmations <= head.number + 1)
        };
        let deep: Vec<TransactionRow> =
            self.list(State::Included).await?.into_iter().filter(is_deep).collect();
        if deep.is_empty() {
            return Ok(());
        }
        let mut tx = self.tenure.write(now).await?;
        for mut row in deep {
            if row.reason.is_none() {
                advance(&mut tx, &mut row, State::Confirmed, None, now).await?;
                continue;
            }
            row.reverts += 1;
            if row.kind == Kind::CommitBatch.as_str() {
                dissolve(&mut tx, &mut row, "the batch reverted", now).await?;
                continue;
            }
            row.nonce = None;
            exclude(&mut row);
            advance(&mut tx, &mut row, State::Pending, Some("reverted".into()), now).await?;
            if row.reverts >= MAX_REVERTS {
                let reason = format!("was included and reverted {} times", row.reverts);
                advance(&mut tx, &mut row, State::Dropped, Some(reason), now).await?;
                report.ended += 1;
            }
        }
        commit(tx).await
    }
}
