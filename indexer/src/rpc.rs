//! What is asked of the node, with a limit on time and repetition for what can succeed later. It believes no answer by itself:
//! `follow` holds them against each other.

use std::future::Future;
use std::time::Duration;

use alloy::eips::BlockNumberOrTag;
use alloy::network::Ethereum;
use alloy::primitives::{Address, B256};
use alloy::providers::{Provider, RootProvider};
use alloy::rpc::types::{Block, Filter, Log, TransactionReceipt};
use alloy::transports::{TransportError, TransportErrorKind};
use backon::{ExponentialBuilder, Retryable};
use futures::{StreamExt, TryStreamExt};
use offsetdata_node::Endpoints;

use crate::error::{IndexerError, short};
use crate::reorg::Header;

/// Calls under way at the same time.
const CONCURRENCY: usize = 8;

/// A node.
#[derive(Debug, Clone)]
pub struct Rpc {
    provider: RootProvider<Ethereum>,
    endpoints: Endpoints,
    timeout: Duration,
}

impl Rpc {
    /// Names nodes, separated by commas; the first that is well is asked. Nothing is asked yet.
    ///
    /// # Errors
    /// A text that is no http or https URL.
    pub fn new(urls: &str, timeout: Duration) -> Result<Self, IndexerError> {
        let endpoints = Endpoints::parse(urls, timeout)
            .map_err(|error| IndexerError::Setting { setting: "--rpc-url", reason: error.to_string() })?;
        Ok(Self { provider: endpoints.provider(), endpoints, timeout })
    }

    /// From now on no node is asked that serves another chain.
    pub fn expect_chain(&self, id: u64) {
        self.endpoints.expect_chain(id);
    }

    /// The node said things that contradict each other: another one is asked next.
    pub(crate) fn distrust(&self, why: &str) {
        self.endpoints.distrust(why);
    }

    /// EIP-155 chain id.
    ///
    /// # Errors
    /// [`IndexerError::Rpc`] after several tries; so everywhere below.
    pub async fn chain_id(&self) -> Result<u64, IndexerError> {
        self.call("eth_chainId", || async { self.provider.get_chain_id().await }).await
    }

    /// Whether there is code at an address.
    pub async fn has_code(&self, address: Address) -> Result<bool, IndexerError> {
        let code = self.call("eth_getCode", || async { self.provider.get_code_at(address).await }).await?;
        Ok(!code.is_empty())
    }

    /// The last block.
    pub async fn head(&self) -> Result<Header, IndexerError> {
        self.header(BlockNumberOrTag::Latest)
            .await?
            .ok_or_else(|| IndexerError::inconsistent("the chain has no latest block"))
    }

    /// A block by number or tag, `None` where there is none.
    pub async fn header(&self, block: BlockNumberOrTag) -> Result<Option<Header>, IndexerError> {
        let found: Option<Block> = self
            .call("eth_getBlockByNumber", || async { self.provider.get_block_by_number(block).await })
            .await?;
        Ok(found.map(|block| Header {
            number: block.header.inner.number,
            hash: block.header.hash,
            parent_hash: block.header.inner.parent_hash,
            timestamp: block.header.inner.timestamp,
            bloom: block.header.inner.logs_bloom,
            receipts_root: block.header.inner.receipts_root,
        }))
    }

    /// Number of the block with a tag; 0 where the node does not know the tag.
    pub async fn tagged(&self, tag: BlockNumberOrTag) -> Result<u64, IndexerError> {
        match self.header(tag).await {
            Ok(header) => Ok(header.map_or(0, |header| header.number)),
            Err(IndexerError::Rpc { refused: true, .. }) => Ok(0),
            Err(error) => Err(error),
        }
    }

    /// Blocks by number, in the order of the numbers.
    ///
    /// # Errors
    /// Also [`IndexerError::Inconsistent`] where one is missing: the chain became shorter.
    pub async fn headers(&self, numbers: Vec<u64>) -> Result<Vec<Header>, IndexerError> {
        futures::stream::iter(numbers)
            .map(|number| async move {
                self.header(number.into())
                    .await?
                    .ok_or_else(|| IndexerError::inconsistent(format!("there is no block {number} any more")))
            })
            .buffered(CONCURRENCY)
            .try_collect()
            .await
    }

    /// Blocks by number, those that are there.
    pub async fn known_headers(&self, numbers: Vec<u64>) -> Result<Vec<Header>, IndexerError> {
        let found: Vec<Option<Header>> = futures::stream::iter(numbers)
            .map(|number| self.header(number.into()))
            .buffered(CONCURRENCY)
            .try_collect()
            .await?;
        Ok(found.into_iter().flatten().collect())
    }

    /// Logs of these contracts in these blocks, as the node orders them.
    pub async fn logs(&self, addresses: &[Address], from: u64, to: u64) -> Result<Vec<Log>, IndexerError> {
        let filter = Filter::new().address(addresses.to_vec()).from_block(from).to_block(to);
        self.once("eth_getLogs", async { self.provider.get_logs(&filter).await }).await
    }

    /// Logs of these contracts in the block with this hash.
    pub async fn logs_of_block(&self, addresses: &[Address], hash: B256) -> Result<Vec<Log>, IndexerError> {
        let filter = Filter::new().address(addresses.to_vec()).at_block_hash(hash);
        self.call("eth_getLogs", || async { self.provider.get_logs(&filter).await }).await
    }

    /// All receipts of the block with this hash, in their order.
    pub async fn receipts(&self, hash: B256) -> Result<Vec<TransactionReceipt>, IndexerError> {
        let found = self
            .call("eth_getBlockReceipts", || async { self.provider.get_block_receipts(hash.into()).await })
            .await?;
        found.ok_or_else(|| IndexerError::inconsistent(format!("the node has no block {}", short(hash))))
    }

    async fn once<T>(
        &self,
        method: &'static str,
        call: impl Future<Output = Result<T, TransportError>>,
    ) -> Result<T, IndexerError> {
        match tokio::time::timeout(self.timeout, call).await {
            Ok(answer) => answer.map_err(|error| self.failed(method, &error)),
            Err(_) => {
                let reason = format!("no answer within {} s", self.timeout.as_secs());
                Err(IndexerError::Rpc { method, reason, refused: true })
            }
        }
    }

    async fn call<T, F>(&self, method: &'static str, call: impl Fn() -> F) -> Result<T, IndexerError>
    where
        F: Future<Output = Result<T, TransportError>>,
    {
        let patience = ExponentialBuilder::default()
            .with_min_delay(Duration::from_millis(100))
            .with_max_delay(Duration::from_secs(2))
            .with_max_times(4)
            .with_jitter();
        (|| self.once(method, call()))
            .retry(patience)
            .when(|error| matches!(error, IndexerError::Rpc { refused: false, .. }))
            .notify(|error, wait| tracing::debug!(%error, ?wait, "asking the node again"))
            .await
    }

    /// No word of a transport's error is of an address: `offsetdata_node` makes them all.
    fn failed(&self, method: &'static str, error: &TransportError) -> IndexerError {
        let (reason, refused) = match error {
            TransportError::ErrorResp(payload) => {
                (format!("error {}: {}", payload.code, limited(&payload.message)), true)
            }
            TransportError::Transport(TransportErrorKind::HttpError(http)) => {
                (format!("HTTP status {}", http.status), http.status == 413)
            }
            TransportError::Transport(kind) => (kind.to_string(), false),
            TransportError::DeserError { err, .. } => {
                self.distrust("an answer of another form");
                (format!("an answer of another form: {err}"), false)
            }
            TransportError::NullResp => ("an empty answer".to_owned(), false),
            _ => ("the call could not be made".to_owned(), false),
        };
        IndexerError::Rpc { method, reason, refused }
    }
}

fn limited(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(200).collect()
}
