//! Chain → rows: one step reads a range of blocks and writes blocks, rows and cursor in one transaction, or takes back
//! what a reorg undid. It serves nobody.

use std::collections::BTreeMap;

use alloy::eips::BlockNumberOrTag;
use alloy::primitives::{Address, B256, BloomInput};
use alloy::rpc::types::Log;
use futures::future::join_all;
use offsetdata_protocol::deployments::Deployment;
use offsetdata_store::chain::blocks::{self, BlockRow, Cursor};
use offsetdata_store::chain::{ChainRows, rollback_above, undone};
use offsetdata_store::{Count, Pool, StoreError};

use crate::decode::{Contracts, decode};
use crate::error::{IndexerError, short};
use crate::proven::logs_of;
use crate::range::Range;
use crate::reorg::{BlockId, Header, Link, fork_point, link};
use crate::rpc::Rpc;

/// Blocks near the head that are read in one step.
const TIP_BLOCKS: u64 = 256;
/// Blocks whose logs are proven at the same time.
const PROVEN_AT_ONCE: usize = 8;
/// After so many steps whose receipts prove nothing the node's word is taken.
const MOST_DOUBTS: u32 = 10;
/// Known blocks that are compared at once when looking for a fork point.
const COMPARED: usize = 16;

/// What a step did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Nothing new.
    Idle,
    /// Blocks up to this one were added; there may be more.
    Advanced {
        /// The last block.
        to: u64,
        /// Rows that were added.
        rows: usize,
    },
    /// Blocks above this one were taken back.
    RolledBack {
        /// The fork point.
        to: u64,
    },
}

/// So many of the newest blocks are proven where nothing else is said.
pub const PROVEN_DEPTH: u64 = 10_000;

/// Follows one deployment.
#[derive(Debug)]
pub struct Follower {
    rpc: Rpc,
    pool: Pool,
    contracts: Contracts,
    addresses: Vec<Address>,
    reorg_depth: u64,
    proven_depth: u64,
    range: Range,
    /// Steps in a row in which receipts proved nothing.
    doubts: u32,
}

/// The chain's own word on how far it is.
#[derive(Debug, Clone, Copy)]
struct Tags {
    head: u64,
    safe: u64,
    finalized: u64,
}

/// What one transaction adds.
struct Batch {
    blocks: Vec<BlockRow>,
    rows: ChainRows,
    last: Header,
}

impl Follower {
    /// Follows `deployment` from where the database is. The database was checked by [`crate::preflight`].
    pub fn new(rpc: Rpc, pool: Pool, deployment: &Deployment, reorg_depth: u64) -> Self {
        let contracts = Contracts::from(deployment);
        Self {
            rpc,
            pool,
            addresses: contracts.addresses(),
            contracts,
            reorg_depth,
            proven_depth: reorg_depth,
            range: Range::default(),
            doubts: 0,
        }
    }

    /// The same with the logs of so many of the newest blocks proven by their receipts, if that is more than a reorg reaches.
    /// Further back the node's word is taken.
    #[must_use]
    pub fn proving(self, blocks: u64) -> Self {
        Self { proven_depth: blocks.max(self.reorg_depth), ..self }
    }

    /// One step. `now` is Unix seconds, written beside the cursor.
    ///
    /// # Errors
    /// A node or database that does not answer (retryable); answers that contradict each other (retryable); a reorg
    /// that is too deep; events that are none of ours.
    pub async fn step(&mut self, now: u64) -> Result<Step, IndexerError> {
        let cursor = self.cursor().await?;
        let last = BlockId { number: cursor.number.0, hash: cursor.hash };
        let head = self.rpc.head().await?;
        if head.id() == last && cursor.chain_head.0 == head.number {
            return Ok(Step::Idle);
        }
        let tags = Tags {
            head: head.number,
            safe: self.rpc.tagged(BlockNumberOrTag::Safe).await?.min(head.number),
            finalized: self.rpc.tagged(BlockNumberOrTag::Finalized).await?.min(head.number),
        };

        if head.number <= last.number {
            return self.at_the_head(&cursor, &head, tags, now).await;
        }
        let last_believed = head.number.saturating_sub(self.proven_depth);
        let batch = if last.number < last_believed {
            if self.rpc.header(last.number.into()).await?.map(|header| header.id()) != Some(last) {
                return self.roll_back(&cursor, tags, now).await;
            }
            self.read_deep(last.number + 1, last_believed).await?
        } else {
            let to = head.number.min(last.number + TIP_BLOCKS.min(self.range.blocks()));
            let headers = self.rpc.headers((last.number + 1..=to).collect()).await?;
            match link(last, &headers)? {
                Link::Reorg => return self.roll_back(&cursor, tags, now).await,
                Link::Extends => self.read_tip(&headers).await?,
            }
        };
        let (to, rows) = (batch.last.number, batch.rows.len());
        self.write(&cursor, batch, tags, now).await?;
        Ok(Step::Advanced { to, rows })
    }

    /// Where the index stands, by the database, and the chain, by its node. It writes nothing.
    ///
    /// # Errors
    /// A node or database that does not answer; a database in which nothing is indexed yet.
    pub async fn look(&self) -> Result<(Cursor, u64), IndexerError> {
        Ok((self.cursor().await?, self.rpc.head().await?.number))
    }

    pub(crate) async fn cursor(&self) -> Result<Cursor, IndexerError> {
        let mut conn = self.pool.acquire().await?;
        blocks::head(&mut conn).await?.ok_or_else(|| IndexerError::inconsistent("the database has no cursor"))
    }

    /// The chain is not longer than what is indexed: the same, a node that lags behind, or another branch.
    async fn at_the_head(
        &mut self,
        cursor: &Cursor,
        head: &Header,
        tags: Tags,
        now: u64,
    ) -> Result<Step, IndexerError> {
        let known = blocks::find_block(&mut *self.pool.acquire().await?, head.number).await?;
        match known {
            Some(block) if block.hash != head.hash => self.roll_back(cursor, tags, now).await,
            _ => {
                if head.number == cursor.number.0 && differs(cursor, tags) {
                    let mut tx = self.pool.write().await?;
                    blocks::advance_cursor(&mut tx, &with_tags(cursor, tags, now)).await?;
                    tx.commit().await.map_err(StoreError::from)?;
                }
                Ok(Step::Idle)
            }
        }
    }

    /// Logs of a range. The next one is smaller where the node refuses it, and may be larger where it does not.
    async fn logs(&mut self, from: u64, to: u64) -> Result<Vec<Log>, IndexerError> {
        let logs = match self.rpc.logs(&self.addresses, from, to).await {
            Err(IndexerError::Rpc { refused: true, reason, .. }) if self.range.blocks() > 1 && to > from => {
                self.range = self.range.refused(to - from + 1);
                return Err(IndexerError::Rpc {
                    method: "eth_getLogs",
                    reason: format!(
                        "{reason} (for {} blocks; asking for {} now)",
                        to - from + 1,
                        self.range.blocks()
                    ),
                    refused: true,
                });
            }
            answer => answer?,
        };
        self.range = self.range.answered(logs.len());
        Ok(logs)
    }

    /// Blocks that no reorg reaches and nobody proves: large ranges, and no headers but the last.
    async fn read_deep(&mut self, from: u64, deepest: u64) -> Result<Batch, IndexerError> {
        let to = deepest.min(from + self.range.blocks() - 1);
        let logs = self.logs(from, to).await?;
        let last = self
            .rpc
            .headers(vec![to])
            .await?
            .pop()
            .ok_or_else(|| IndexerError::inconsistent("no last block"))?;
        let logs = in_order(logs, from, to)?;
        let blocks = self.blocks_of(&logs, &last).await?;
        Ok(Batch { rows: decode(&self.contracts, &logs)?, blocks, last })
    }

    /// Blocks of these logs and the last one. Times that the node did not send with the logs are asked for.
    async fn blocks_of(&self, logs: &[Log], last: &Header) -> Result<Vec<BlockRow>, IndexerError> {
        let mut known: BTreeMap<u64, (B256, Option<u64>)> = BTreeMap::new();
        known.insert(last.number, (last.hash, Some(last.timestamp)));
        let mut eventful = std::collections::BTreeSet::new();
        for log in logs {
            let (number, hash) = place(log)?;
            eventful.insert(number);
            let entry = known.entry(number).or_insert((hash, log.block_timestamp));
            same_hash(number, entry.0, hash)?;
        }
        let untimed: Vec<u64> =
            known.iter().filter(|(_, (_, time))| time.is_none()).map(|(n, _)| *n).collect();
        for header in self.rpc.headers(untimed).await? {
            if let Some(entry) = known.get_mut(&header.number) {
                same_hash(header.number, header.hash, entry.0)?;
                entry.1 = Some(header.timestamp);
            }
        }
        Ok(known
            .into_iter()
            .map(|(number, (hash, timestamp))| BlockRow {
                number: Count(number),
                hash,
                timestamp: Count(timestamp.unwrap_or_default()),
                eventful: eventful.contains(&number),
            })
            .collect())
    }

    /// Blocks that are proven, among them those that a reorg may still take: every header is known, every log has to fit
    /// its header.
    async fn read_tip(&mut self, headers: &[Header]) -> Result<Batch, IndexerError> {
        let (Some(first), Some(last)) = (headers.first(), headers.last()) else {
            return Err(IndexerError::inconsistent("no headers"));
        };
        let logs = self.logs(first.number, last.number).await?;
        let logs = in_order(logs, first.number, last.number)?;
        for log in &logs {
            let (number, hash) = place(log)?;
            let header = headers
                .get(usize::try_from(number - first.number).unwrap_or(usize::MAX))
                .ok_or_else(|| IndexerError::inconsistent(format!("a log of block {number}")))?;
            same_hash(number, header.hash, hash)?;
            not_removed(log)?;
        }
        let logs = self.proven(headers, logs).await?;
        let logs = in_order(logs, first.number, last.number)?;
        let blocks = headers
            .iter()
            .map(|header| BlockRow {
                number: Count(header.number),
                hash: header.hash,
                timestamp: Count(header.timestamp),
                eventful: logs.iter().any(|log| log.block_number == Some(header.number)),
            })
            .collect();
        Ok(Batch { rows: decode(&self.contracts, &logs)?, blocks, last: *last })
    }

    /// The same logs, with those that the node left out: where a header says that there may be logs of ours, the receipts
    /// of its block prove which. A node that can't prove them has to say the same twice.
    async fn proven(&mut self, headers: &[Header], logs: Vec<Log>) -> Result<Vec<Log>, IndexerError> {
        let mut told: BTreeMap<u64, Vec<Log>> = BTreeMap::new();
        for log in logs {
            told.entry(log.block_number.unwrap_or_default()).or_default().push(log);
        }
        let asked: Vec<&Header> = headers
            .iter()
            .filter(|header| told.contains_key(&header.number) || self.may_have_logs(header))
            .collect();
        let mut logs = Vec::new();
        for part in asked.chunks(PROVEN_AT_ONCE) {
            let found = join_all(part.iter().map(|header| self.logs_of_header(header))).await;
            for (header, found) in part.iter().zip(found) {
                let expected = told.remove(&header.number).unwrap_or_default();
                let (found, is_proven) = match found {
                    Ok(found) => found,
                    Err(error) => return Err(self.doubted(header, error)),
                };
                if found.len() != expected.len() {
                    let (block, told, found) = (header.number, expected.len(), found.len());
                    tracing::warn!(block, told, found, "the node left out logs of a block");
                    self.rpc.distrust("it left out logs");
                    if !is_proven && found < told {
                        let reason = format!("block {block} has {told} logs of ours, and {found}");
                        return Err(IndexerError::inconsistent(reason));
                    }
                }
                logs.extend(found);
            }
        }
        if self.doubts < MOST_DOUBTS {
            self.doubts = 0;
        }
        Ok(logs)
    }

    /// Our logs of a block, and whether its header proves them.
    async fn logs_of_header(&self, header: &Header) -> Result<(Vec<Log>, bool), IndexerError> {
        if self.doubts < MOST_DOUBTS {
            match self.rpc.receipts(header.hash).await {
                Ok(receipts) => return Ok((logs_of(header, receipts, &self.addresses)?, true)),
                // Not every node has this method.
                Err(IndexerError::Rpc { refused: true, reason, .. }) => {
                    tracing::debug!(reason, "logs are not proven");
                }
                Err(error) => return Err(error),
            }
        }
        Ok((self.rpc.logs_of_block(&self.addresses, header.hash).await?, false))
    }

    /// Receipts that prove nothing: another node is asked, and after some tries it is a chain of other receipts.
    fn doubted(&mut self, header: &Header, error: IndexerError) -> IndexerError {
        self.doubts += 1;
        self.rpc.distrust("its receipts prove nothing");
        if self.doubts == MOST_DOUBTS {
            tracing::error!(block = header.number, %error, "logs of this block can't be proven; the node's word is taken");
        }
        error
    }

    fn may_have_logs(&self, header: &Header) -> bool {
        self.addresses.iter().any(|address| header.bloom.contains_input(BloomInput::Raw(address.as_slice())))
    }

    async fn write(&self, cursor: &Cursor, batch: Batch, tags: Tags, now: u64) -> Result<(), IndexerError> {
        let mut tx = self.pool.write().await?;
        same_cursor(cursor, blocks::head(&mut tx).await?)?;
        blocks::insert_blocks(&mut tx, &batch.blocks).await?;
        undone::forget_restored(&mut tx).await?;
        batch.rows.insert(&mut tx).await?;
        let mut next = with_tags(cursor, tags, now);
        next.number = Count(batch.last.number);
        next.hash = batch.last.hash;
        next.timestamp = Count(batch.last.timestamp);
        blocks::advance_cursor(&mut tx, &next).await?;
        blocks::prune_blocks(&mut tx, batch.last.number.saturating_sub(self.reorg_depth)).await?;
        tx.commit().await.map_err(StoreError::from)?;
        Ok(())
    }

    /// Takes back all blocks above the highest one that the chain still has.
    async fn roll_back(&mut self, cursor: &Cursor, tags: Tags, now: u64) -> Result<Step, IndexerError> {
        let lowest = cursor.number.0.saturating_sub(self.reorg_depth);
        let mut known = Vec::new();
        {
            let mut conn = self.pool.acquire().await?;
            let limit = u32::try_from(self.reorg_depth + 1).unwrap_or(u32::MAX);
            for block in blocks::list_blocks(&mut conn, lowest, limit).await? {
                known.push(BlockId { number: block.number.0, hash: block.hash });
            }
        }
        for part in known.rchunks(COMPARED) {
            let chain: Vec<BlockId> = self
                .rpc
                .known_headers(part.iter().map(|block| block.number).collect())
                .await?
                .iter()
                .map(Header::id)
                .collect();
            let Some(fork) = fork_point(part, &chain) else { continue };
            let mut tx = self.pool.write().await?;
            same_cursor(cursor, blocks::head(&mut tx).await?)?;
            undone::remember_above(&mut tx, fork.number, fork.hash).await?;
            rollback_above(&mut tx, fork.number).await?;
            let block = blocks::find_block(&mut tx, fork.number).await?.ok_or_else(|| {
                IndexerError::inconsistent(format!("block {} left the database", fork.number))
            })?;
            let mut back = with_tags(cursor, tags, now);
            back.number = block.number;
            back.hash = block.hash;
            back.timestamp = block.timestamp;
            blocks::advance_cursor(&mut tx, &back).await?;
            tx.commit().await.map_err(StoreError::from)?;
            tracing::warn!(
                from = cursor.number.0,
                to = fork.number,
                left = short(cursor.hash),
                "the chain left indexed blocks; they are taken back"
            );
            return Ok(Step::RolledBack { to: fork.number });
        }
        Err(IndexerError::ReorgTooDeep {
            limit: self.reorg_depth,
            lowest: known.first().map_or(lowest, |b| b.number),
        })
    }
}

fn differs(cursor: &Cursor, tags: Tags) -> bool {
    (cursor.chain_head.0, cursor.safe.0, cursor.finalized.0) != (tags.head, tags.safe, tags.finalized)
}

fn with_tags(cursor: &Cursor, tags: Tags, now: u64) -> Cursor {
    Cursor {
        chain_head: Count(tags.head),
        safe: Count(tags.safe),
        finalized: Count(tags.finalized),
        updated_at: Count(now),
        ..cursor.clone()
    }
}

/// Another indexer on the same database would interleave its blocks with these.
fn same_cursor(expected: &Cursor, actual: Option<Cursor>) -> Result<(), IndexerError> {
    match actual {
        Some(actual) if (actual.number, actual.hash) == (expected.number, expected.hash) => Ok(()),
        _ => Err(IndexerError::inconsistent("another indexer moved the cursor of this database")),
    }
}

fn place(log: &Log) -> Result<(u64, B256), IndexerError> {
    log.block_number
        .zip(log.block_hash)
        .ok_or_else(|| IndexerError::inconsistent("a log without the number or hash of its block"))
}

fn not_removed(log: &Log) -> Result<(), IndexerError> {
    if log.removed {
        let place = log.block_number.unwrap_or_default();
        return Err(IndexerError::inconsistent(format!("a log of block {place} was taken back")));
    }
    Ok(())
}

fn same_hash(number: u64, expected: B256, actual: B256) -> Result<(), IndexerError> {
    if expected == actual {
        return Ok(());
    }
    Err(IndexerError::inconsistent(format!("block {number} is {} and {}", short(expected), short(actual))))
}

/// Logs in the order of the chain, each within the range and none twice.
fn in_order(mut logs: Vec<Log>, from: u64, to: u64) -> Result<Vec<Log>, IndexerError> {
    logs.sort_by_key(|log| (log.block_number, log.log_index));
    for log in &logs {
        match log.block_number {
            Some(number) if (from..=to).contains(&number) => {}
            number => {
                return Err(IndexerError::inconsistent(format!(
                    "asked for logs of {from} to {to}, got one of {number:?}"
                )));
            }
        }
    }
    if logs
        .windows(2)
        .any(|pair| (pair[0].block_number, pair[0].log_index) == (pair[1].block_number, pair[1].log_index))
    {
        return Err(IndexerError::inconsistent("the same log twice"));
    }
    Ok(logs)
}
