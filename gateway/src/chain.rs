//! The node behind an RPC endpoint, as far as the gateway needs it. It decides nothing.

use std::time::Duration;

use alloy::consensus::{SignableTransaction, TxEip1559, TxEnvelope};
use alloy::eips::{BlockId, Encodable2718};
use alloy::network::{TransactionBuilder, TxSignerSync};
use alloy::primitives::{Address, B256, Bytes, TxKind, U256};
use alloy::providers::{Provider, RootProvider};
use alloy::rpc::types::{BlockNumberOrTag, TransactionReceipt, TransactionRequest};
use alloy::signers::local::PrivateKeySigner;
use alloy::sol_types::SolCall;
use alloy::transports::{RpcError, TransportError};
use offsetdata_node::{Endpoints, Look};

use crate::GatewayError;

/// No call takes longer.
const TIMEOUT: Duration = Duration::from_secs(15);
/// So long a transaction may take to come into a block before it is replaced.
const MINED_WITHIN: Duration = Duration::from_secs(45);
/// What is in no block after so long is sent again.
const SENT_AGAIN: Duration = Duration::from_secs(3);
/// What a node that has no opinion on tips gets, in wei.
const DEFAULT_TIP: u128 = 1_000_000_000;

mod extra {
    alloy::sol! {
        interface IERC1271 {
            function isValidSignature(bytes32 hash, bytes signature) external view returns (bytes4);
        }
    }
}

/// A block, as far as it matters here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// Number.
    pub number: u64,
    /// Hash.
    pub hash: B256,
    /// Unix seconds.
    pub timestamp: u64,
}

/// Why a call to a contract gave nothing.
#[derive(Debug)]
pub enum CallFailure {
    /// It reverted with these bytes, or there is no such code in that block.
    Reverted(Bytes),
    /// The node could not say.
    Failed(GatewayError),
}

impl From<CallFailure> for GatewayError {
    fn from(failure: CallFailure) -> Self {
        match failure {
            CallFailure::Failed(error) => error,
            CallFailure::Reverted(data) => {
                GatewayError::Rpc { call: "eth_call", reason: format!("reverted with {data}") }
            }
        }
    }
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
    pub fn new(urls: &str) -> Result<Self, GatewayError> {
        let endpoints = Endpoints::parse(urls, TIMEOUT)
            .map_err(|error| GatewayError::Setting { setting: "--rpc-url", reason: error.to_string() })?;
        Ok(Self { provider: endpoints.provider(), endpoints })
    }

    /// From now on no node is asked that serves another chain.
    pub fn expect(&self, chain_id: u64) {
        self.endpoints.expect_chain(chain_id);
    }

    async fn timed<T>(
        &self,
        call: &'static str,
        future: impl IntoFuture<Output = Result<T, TransportError>>,
    ) -> Result<T, GatewayError> {
        match tokio::time::timeout(TIMEOUT, future.into_future()).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => Err(self.failed(call, &error)),
            Err(_) => Err(GatewayError::Rpc { call, reason: format!("no answer within {TIMEOUT:?}") }),
        }
    }

    // No word of a transport's error is of an address: `offsetdata_node` makes them all.
    /// How each endpoint is.
    pub async fn look(&self) -> Vec<Look> {
        self.endpoints.look().await
    }

    fn failed(&self, call: &'static str, error: &TransportError) -> GatewayError {
        let reason = match error {
            RpcError::Transport(kind) => kind.to_string(),
            RpcError::DeserError { err, .. } => {
                self.endpoints.distrust("an answer of another form");
                format!("an answer of another form: {err}")
            }
            other => other.to_string(),
        };
        GatewayError::Rpc { call, reason }
    }

    /// EIP-155 chain id.
    ///
    /// # Errors
    /// [`GatewayError::Rpc`], as of all calls below.
    pub async fn chain_id(&self) -> Result<u64, GatewayError> {
        self.timed("eth_chainId", self.provider.get_chain_id()).await
    }

    /// Whether there is code at an address.
    ///
    /// # Errors
    /// [`GatewayError::Rpc`].
    pub async fn has_code(&self, address: Address) -> Result<bool, GatewayError> {
        Ok(!self.timed("eth_getCode", self.provider.get_code_at(address)).await?.is_empty())
    }

    /// Wei of an account.
    ///
    /// # Errors
    /// [`GatewayError::Rpc`].
    pub async fn balance(&self, address: Address) -> Result<U256, GatewayError> {
        self.timed("eth_getBalance", self.provider.get_balance(address)).await
    }

    /// The newest block.
    ///
    /// # Errors
    /// [`GatewayError::Rpc`].
    pub async fn head(&self) -> Result<Head, GatewayError> {
        let call = self.provider.get_block_by_number(BlockNumberOrTag::Latest);
        let block = self.timed("eth_getBlockByNumber", call).await?.ok_or(GatewayError::Rpc {
            call: "eth_getBlockByNumber",
            reason: "there is no newest block".into(),
        })?;
        let header = &block.header;
        Ok(Head { number: header.number, hash: header.hash, timestamp: header.timestamp })
    }

    /// Hash of the canonical block with this number.
    ///
    /// # Errors
    /// [`GatewayError::Rpc`].
    pub async fn hash_of(&self, number: u64) -> Result<Option<B256>, GatewayError> {
        let call = self.provider.get_block_by_number(number.into());
        Ok(self.timed("eth_getBlockByNumber", call).await?.map(|block| block.header.hash))
    }

    /// Reads from a contract in a block.
    ///
    /// # Errors
    /// [`CallFailure::Reverted`], also where there is no code.
    pub async fn read<C: SolCall>(
        &self,
        to: Address,
        call: &C,
        at: BlockId,
    ) -> Result<C::Return, CallFailure> {
        let tx = TransactionRequest::default().with_to(to).with_input(call.abi_encode());
        let data = self.raw_call(tx, at).await?;
        C::abi_decode_returns(&data).map_err(|_| CallFailure::Reverted(Bytes::new()))
    }

    /// The same in the newest block.
    ///
    /// # Errors
    /// As [`Chain::read`].
    pub async fn read_now<C: SolCall>(&self, to: Address, call: &C) -> Result<C::Return, CallFailure> {
        self.read(to, call, BlockId::latest()).await
    }

    /// Tries a transaction on the newest block.
    ///
    /// # Errors
    /// As [`Chain::read`].
    pub async fn attempt<C: SolCall>(
        &self,
        from: Address,
        to: Address,
        call: &C,
    ) -> Result<C::Return, CallFailure> {
        let tx = TransactionRequest::default().with_from(from).with_to(to).with_input(call.abi_encode());
        let data = self.raw_call(tx, BlockId::latest()).await?;
        C::abi_decode_returns(&data).map_err(|_| CallFailure::Reverted(Bytes::new()))
    }

    async fn raw_call(&self, tx: TransactionRequest, at: BlockId) -> Result<Bytes, CallFailure> {
        let call = self.provider.call(tx).block(at);
        match tokio::time::timeout(TIMEOUT, call.into_future()).await {
            Ok(Ok(data)) => Ok(data),
            Ok(Err(RpcError::ErrorResp(payload))) => match payload.as_revert_data() {
                Some(data) => Err(CallFailure::Reverted(data)),
                None if payload.message.contains("revert") => Err(CallFailure::Reverted(Bytes::new())),
                None => Err(CallFailure::Failed(GatewayError::Rpc {
                    call: "eth_call",
                    reason: payload.message.to_string(),
                })),
            },
            Ok(Err(error)) => Err(CallFailure::Failed(self.failed("eth_call", &error))),
            Err(_) => Err(CallFailure::Failed(GatewayError::Rpc {
                call: "eth_call",
                reason: format!("no answer within {TIMEOUT:?}"),
            })),
        }
    }

    /// Whether a contract account says that it signed (ERC-1271). False for an account without code.
    ///
    /// # Errors
    /// [`GatewayError::Rpc`].
    pub async fn is_signed_by_contract(
        &self,
        account: Address,
        digest: B256,
        signature: &Bytes,
    ) -> Result<bool, GatewayError> {
        if !self.has_code(account).await? {
            return Ok(false);
        }
        let call = extra::IERC1271::isValidSignatureCall { hash: digest, signature: signature.clone() };
        match self.read_now(account, &call).await {
            Ok(answer) => Ok(answer == extra::IERC1271::isValidSignatureCall::SELECTOR),
            Err(CallFailure::Reverted(_)) => Ok(false),
            Err(CallFailure::Failed(error)) => Err(error),
        }
    }

    /// Lands a call and waits until it is in a block. The nonce is the account's next one, whatever waits before it: a
    /// transaction that got lost, or was sent by a process that is gone, is replaced.
    ///
    /// # Errors
    /// [`GatewayError::Transaction`] where it did not land, or reverted.
    pub async fn land<C: SolCall>(
        &self,
        what: &'static str,
        signer: &PrivateKeySigner,
        chain_id: u64,
        to: Address,
        call: &C,
        max_fee: u128,
    ) -> Result<TransactionReceipt, GatewayError> {
        let failed = |reason: String| GatewayError::Transaction { what, reason };
        let from = signer.address();
        let input = Bytes::from(call.abi_encode());
        let request = TransactionRequest::default().with_from(from).with_to(to).with_input(input.clone());
        let gas = self.timed("eth_estimateGas", self.provider.estimate_gas(request)).await?;
        let nonce = self.timed("eth_getTransactionCount", self.provider.get_transaction_count(from)).await?;
        let base = self.base_fee().await?;
        let tip = match self
            .timed("eth_maxPriorityFeePerGas", self.provider.get_max_priority_fee_per_gas())
            .await
        {
            Ok(tip) => tip,
            Err(_) => DEFAULT_TIP,
        };
        if base > max_fee {
            return Err(failed(format!(
                "the chain asks for {base} wei for a unit of gas, at most {max_fee} is paid"
            )));
        }
        let mut fee = (2 * base + tip).min(max_fee);
        let mut tip = tip.min(fee);
        let mut sent: Vec<B256> = Vec::new();
        for _ in 0..4 {
            let mut tx = TxEip1559 {
                chain_id,
                nonce,
                // Storage that others change in between costs more.
                gas_limit: gas + gas / 4 + 20_000,
                max_fee_per_gas: fee,
                max_priority_fee_per_gas: tip,
                to: TxKind::Call(to),
                value: U256::ZERO,
                access_list: Default::default(),
                input: input.clone(),
            };
            let signature = signer.sign_transaction_sync(&mut tx)?;
            let envelope = TxEnvelope::from(tx.into_signed(signature));
            sent.push(*envelope.tx_hash());
            let raw = envelope.encoded_2718();
            let refusal = match tokio::time::timeout(TIMEOUT, self.provider.send_raw_transaction(&raw)).await
            {
                Ok(Ok(_)) => None,
                Ok(Err(RpcError::ErrorResp(payload))) => Some(payload.message.to_string()),
                Ok(Err(error)) => return Err(self.failed("eth_sendRawTransaction", &error)),
                Err(_) => return Err(failed("no answer to it".into())),
            };
            let underpriced = refusal.as_deref().is_some_and(|text| text.contains("underpriced"));
            match refusal {
                Some(text) if !underpriced && !text.contains("already") => return Err(failed(text)),
                _ => {}
            }
            if !underpriced && let Some(receipt) = self.receipt_of(&sent, &raw, (from, nonce)).await? {
                if receipt.status() {
                    return Ok(receipt);
                }
                return Err(failed(format!("{} was mined and failed", receipt.transaction_hash)));
            }
            let next =
                self.timed("eth_getTransactionCount", self.provider.get_transaction_count(from)).await?;
            if next < nonce {
                return Err(failed(
                    "a reorg took away what came before it: all of it is looked at again".into(),
                ));
            }
            // An eighth more is what nodes ask of a replacement.
            fee = fee + fee / 8 + 1;
            tip = tip + tip / 8 + 1;
            if fee > max_fee {
                break;
            }
        }
        Err(failed(format!("not in a block for fees up to {max_fee} wei for a unit of gas; it may come yet")))
    }

    async fn base_fee(&self) -> Result<u128, GatewayError> {
        let call = self.provider.get_block_by_number(BlockNumberOrTag::Latest);
        let block = self.timed("eth_getBlockByNumber", call).await?;
        Ok(block.and_then(|block| block.header.base_fee_per_gas).unwrap_or_default().into())
    }

    /// The receipt of whichever of these comes into a block. `place` is the account and the nonce of all of them: where a
    /// reorg took away what came before, nobody waits for them.
    async fn receipt_of(
        &self,
        sent: &[B256],
        raw: &[u8],
        place: (Address, u64),
    ) -> Result<Option<TransactionReceipt>, GatewayError> {
        let until = tokio::time::Instant::now() + MINED_WITHIN;
        let mut again = tokio::time::Instant::now() + SENT_AGAIN;
        while tokio::time::Instant::now() < until {
            for hash in sent {
                let call = self.provider.get_transaction_receipt(*hash);
                if let Ok(Some(receipt)) = self.timed("eth_getTransactionReceipt", call).await {
                    return Ok(Some(receipt));
                }
            }
            if tokio::time::Instant::now() >= again {
                // Nodes forget, and reorgs take away; where it is known this is refused.
                let _ = self.timed("eth_sendRawTransaction", self.provider.send_raw_transaction(raw)).await;
                let next = self.provider.get_transaction_count(place.0);
                if self.timed("eth_getTransactionCount", next).await.is_ok_and(|next| next < place.1) {
                    return Ok(None);
                }
                again = tokio::time::Instant::now() + SENT_AGAIN;
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        Ok(None)
    }
}
