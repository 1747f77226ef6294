//! The chain behind one or more RPC endpoints, as far as the relayer needs it. It holds no key and decides nothing.

mod batch;
mod read;
mod spent;

use std::time::Duration;

use alloy::eips::BlockId;
use alloy::network::TransactionBuilder;
use alloy::primitives::{Address, B256, Bytes, U256};
use alloy::providers::{Provider, RootProvider};
use alloy::rpc::types::{BlockNumberOrTag, Log, TransactionRequest};
use alloy::sol_types::SolCall;
use alloy::transports::{RpcError, TransportError};
use offsetdata_protocol::bindings::training::TrainingCoordinator::{self, RequestState};
use offsetdata_protocol::ids::RequestId;

use offsetdata_node::{Endpoints, Look};

use crate::RelayerError;
pub use batch::Trial;
pub(crate) use batch::skipped;

/// No call takes longer.
const TIMEOUT: Duration = Duration::from_secs(20);
/// What a node that has no opinion on tips gets, in wei.
const DEFAULT_TIP: u128 = 1_000_000_000;

/// A block, as far as it matters here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// Number.
    pub number: u64,
    /// Hash.
    pub hash: B256,
    /// Unix seconds.
    pub timestamp: u64,
    /// Wei for a unit of gas.
    pub base_fee: u128,
}

/// Where a transaction was included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Inclusion {
    /// Transaction hash.
    pub hash: B256,
    /// Number of the block.
    pub block_number: u64,
    /// Hash of the block.
    pub block_hash: B256,
    /// False where it reverted.
    pub succeeded: bool,
    /// Gas used.
    pub gas_used: u64,
}

/// What a call would do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Estimate {
    /// It would succeed with so much gas.
    Gas(u64),
    /// It would revert with these bytes.
    Reverts(Bytes),
    /// The node could not say.
    Unknown(String),
}

/// What a node said to a signed transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sent {
    /// It has it, new or already.
    Taken,
    /// Its nonce was used.
    NonceUsed,
    /// It has one with the same nonce that pays as much, or the fee is too low.
    Underpriced,
    /// Something else.
    Refused(String),
}

/// Calls to a node. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Chain {
    provider: RootProvider,
    endpoints: Endpoints,
}

impl Chain {
    /// Nodes behind `http` or `https` URLs, separated by commas; the first that is well is asked. None is called yet.
    ///
    /// # Errors
    /// A URL that is none.
    pub fn new(urls: &str) -> Result<Self, RelayerError> {
        let endpoints = Endpoints::parse(urls, TIMEOUT)
            .map_err(|error| RelayerError::Setting { setting: "--rpc-url", reason: error.to_string() })?;
        Ok(Self { provider: endpoints.provider(), endpoints })
    }

    /// From now on no node is asked that serves another chain.
    pub fn expect(&self, chain_id: u64) {
        self.endpoints.expect_chain(chain_id);
    }

    /// How each endpoint is doing.
    pub async fn look(&self) -> Vec<Look> {
        self.endpoints.look().await
    }

    async fn timed<T>(
        &self,
        call: &'static str,
        future: impl IntoFuture<Output = Result<T, TransportError>>,
    ) -> Result<T, RelayerError> {
        match tokio::time::timeout(TIMEOUT, future.into_future()).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => Err(self.failed(call, &error)),
            Err(_) => Err(RelayerError::Rpc { call, reason: format!("no answer within {TIMEOUT:?}") }),
        }
    }

    // No word of a transport's error is of an address: `offsetdata_node` makes them all.
    fn failed(&self, call: &'static str, error: &TransportError) -> RelayerError {
        let reason = match error {
            RpcError::DeserError { err, .. } => {
                self.endpoints.distrust("an answer of another form");
                format!("an answer of another form: {err}")
            }
            RpcError::Transport(kind) => kind.to_string(),
            other => other.to_string(),
        };
        RelayerError::Rpc { call, reason }
    }

    /// EIP-155 chain id.
    pub async fn chain_id(&self) -> Result<u64, RelayerError> {
        self.timed("eth_chainId", self.provider.get_chain_id()).await
    }

    /// Whether there is code at an address.
    pub async fn has_code(&self, address: Address) -> Result<bool, RelayerError> {
        Ok(!self.timed("eth_getCode", self.provider.get_code_at(address)).await?.is_empty())
    }

    /// Wei of an account.
    pub async fn balance(&self, address: Address) -> Result<U256, RelayerError> {
        self.timed("eth_getBalance", self.provider.get_balance(address)).await
    }

    /// The newest block.
    pub async fn head(&self) -> Result<Head, RelayerError> {
        self.block(BlockNumberOrTag::Latest).await?.ok_or_else(|| RelayerError::Rpc {
            call: "eth_getBlockByNumber",
            reason: "there is no newest block".into(),
        })
    }

    /// The canonical block with this number.
    pub async fn block_at(&self, number: u64) -> Result<Option<Head>, RelayerError> {
        self.block(BlockNumberOrTag::Number(number)).await
    }

    async fn block(&self, tag: BlockNumberOrTag) -> Result<Option<Head>, RelayerError> {
        let block = self.timed("eth_getBlockByNumber", self.provider.get_block_by_number(tag)).await?;
        Ok(block.map(|block| Head {
            number: block.header.number,
            hash: block.header.hash,
            timestamp: block.header.timestamp,
            base_fee: u128::from(block.header.base_fee_per_gas.unwrap_or_default()),
        }))
    }

    /// Transactions of an account up to the newest block.
    pub async fn nonce(&self, address: Address) -> Result<u64, RelayerError> {
        self.timed("eth_getTransactionCount", self.provider.get_transaction_count(address)).await
    }

    /// Transactions of an account with those that wait.
    pub async fn pending_nonce(&self, address: Address) -> Result<u64, RelayerError> {
        self.timed("eth_getTransactionCount", self.provider.get_transaction_count(address).pending()).await
    }

    /// What the node would tip, in wei for a unit of gas.
    pub async fn tip(&self) -> Result<u128, RelayerError> {
        match self.timed("eth_maxPriorityFeePerGas", self.provider.get_max_priority_fee_per_gas()).await {
            Ok(tip) => Ok(tip),
            // Not every node has this method.
            Err(RelayerError::Rpc { reason, .. }) if reason.contains("-32601") => Ok(DEFAULT_TIP),
            Err(error) => Err(error),
        }
    }

    /// Runs a call in a block (`pending`: on top of what waits) and says how much gas it takes, or how it reverts.
    pub async fn estimate(
        &self,
        at: BlockId,
        from: Address,
        to: Address,
        data: &Bytes,
    ) -> Result<Estimate, RelayerError> {
        let request = TransactionRequest::default().with_from(from).with_to(to).with_input(data.clone());
        let call = self.provider.estimate_gas(request).block(at);
        match tokio::time::timeout(TIMEOUT, call.into_future()).await {
            Ok(Ok(gas)) => Ok(Estimate::Gas(gas)),
            Ok(Err(RpcError::ErrorResp(payload))) => Ok(match payload.as_revert_data() {
                Some(data) => Estimate::Reverts(data),
                None if payload.message.contains("revert") => Estimate::Reverts(Bytes::new()),
                None => Estimate::Unknown(payload.message.to_string()),
            }),
            Ok(Err(error)) => Err(self.failed("eth_estimateGas", &error)),
            Err(_) => Err(RelayerError::Rpc {
                call: "eth_estimateGas",
                reason: format!("no answer within {TIMEOUT:?}"),
            }),
        }
    }

    /// Sends a signed transaction.
    pub async fn send(&self, raw: &Bytes) -> Result<Sent, RelayerError> {
        match tokio::time::timeout(TIMEOUT, self.provider.send_raw_transaction(raw)).await {
            Ok(Ok(_)) => Ok(Sent::Taken),
            Ok(Err(RpcError::ErrorResp(payload))) => Ok(read_refusal(&payload.message)),
            Ok(Err(error)) => Err(self.failed("eth_sendRawTransaction", &error)),
            Err(_) => Err(RelayerError::Rpc {
                call: "eth_sendRawTransaction",
                reason: format!("no answer within {TIMEOUT:?}"),
            }),
        }
    }

    /// Where a transaction was included, if it was, and what it logged.
    pub async fn inclusion(&self, hash: B256) -> Result<Option<(Inclusion, Vec<Log>)>, RelayerError> {
        let receipt =
            self.timed("eth_getTransactionReceipt", self.provider.get_transaction_receipt(hash)).await?;
        Ok(receipt.filter(|receipt| receipt.transaction_hash == hash).and_then(|receipt| {
            let inclusion = Inclusion {
                hash,
                block_number: receipt.block_number?,
                block_hash: receipt.block_hash?,
                succeeded: receipt.status(),
                gas_used: receipt.gas_used,
            };
            Some((inclusion, receipt.logs().to_vec()))
        }))
    }

    /// What the coordinator keeps of a request, in the newest block.
    pub async fn state_of(
        &self,
        coordinator: Address,
        request: RequestId,
    ) -> Result<RequestState, RelayerError> {
        let call = TrainingCoordinator::stateOfCall { id: request.0 };
        let tx = TransactionRequest::default().with_to(coordinator).with_input(call.abi_encode());
        let answer = self.timed("eth_call", self.provider.call(tx)).await?;
        TrainingCoordinator::stateOfCall::abi_decode_returns(&answer)
            .map_err(|error| RelayerError::Rpc { call: "eth_call", reason: format!("stateOf: {error}") })
    }
}

/// Nodes have no codes for these: they say it in words, each in its own.
fn read_refusal(message: &str) -> Sent {
    let text = message.to_ascii_lowercase();
    let says = |words: &[&str]| words.iter().any(|word| text.contains(word));
    if says(&["already known", "already imported", "known transaction", "alreadyknown"]) {
        Sent::Taken
    } else if says(&["nonce too low", "nonce is too low", "old nonce", "nonce has already been used"]) {
        Sent::NonceUsed
    } else if says(&[
        "underpriced",
        "fee too low",
        "max fee per gas less than block base fee",
        "gas price too low",
    ]) {
        Sent::Underpriced
    } else {
        Sent::Refused(message.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_of_geth_anvil_and_others() {
        for (message, expected) in [
            ("already known", Sent::Taken),
            ("ALREADY_EXISTS: already known", Sent::Taken),
            ("transaction already imported", Sent::Taken),
            ("nonce too low: next nonce 5, tx nonce 4", Sent::NonceUsed),
            ("replacement transaction underpriced", Sent::Underpriced),
            ("max fee per gas less than block base fee", Sent::Underpriced),
            (
                "insufficient funds for gas * price + value",
                Sent::Refused("insufficient funds for gas * price + value".into()),
            ),
        ] {
            assert_eq!(read_refusal(message), expected);
        }
    }

    #[test]
    fn an_address_that_is_none_is_refused_without_repeating_it() {
        for url in ["", "localhost", "ws://127.0.0.1:1", "file:///etc/passwd"] {
            let error = Chain::new(url).unwrap_err().to_string();
            assert!(error.starts_with("--rpc-url"), "{error}");
        }
    }
}
