//! Which transaction used a nonce, proven by the block that holds it. It sends nothing.

use alloy::eips::BlockId;
use alloy::network::TransactionResponse;
use alloy::primitives::{Address, B256};
use alloy::providers::Provider;
use alloy::rpc::types::BlockNumberOrTag;

use super::Chain;
use crate::RelayerError;

impl Chain {
    /// The hash of this account's transaction with this nonce, searched in the blocks after `low` up to `high`. `None`
    /// where they do not hold it, or the node does not know them all any more.
    ///
    /// # Errors
    /// A node that does not answer.
    pub async fn spender(
        &self,
        account: Address,
        nonce: u64,
        low: u64,
        high: u64,
    ) -> Result<Option<B256>, RelayerError> {
        let (mut low, mut high) = (low, high);
        if self.count_at(account, high).await? <= nonce || self.count_at(account, low).await? > nonce {
            return Ok(None);
        }
        // Not used at `low`, used at `high`.
        while high - low > 1 {
            let middle = low + (high - low) / 2;
            if self.count_at(account, middle).await? > nonce {
                high = middle;
            } else {
                low = middle;
            }
        }
        let block = self.provider.get_block_by_number(BlockNumberOrTag::Number(high)).full();
        let block = self.timed("eth_getBlockByNumber", block).await?;
        Ok(block.and_then(|block| {
            let found = block.transactions.into_transactions_vec();
            found.iter().find(|tx| tx.from() == account && tx_nonce(*tx) == nonce).map(|tx| tx.tx_hash())
        }))
    }

    async fn count_at(&self, account: Address, block: u64) -> Result<u64, RelayerError> {
        let call = self.provider.get_transaction_count(account).block_id(BlockId::number(block));
        self.timed("eth_getTransactionCount", call).await
    }
}

fn tx_nonce(tx: &impl alloy::consensus::Transaction) -> u64 {
    tx.nonce()
}
