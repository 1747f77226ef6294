//! Calls and transactions against one deployment. Before anything is sent it is tried, so that a refusal costs nothing
//! and comes with the contract's reason.

use std::sync::Arc;
use std::time::Duration;

use alloy::network::TransactionBuilder;
use alloy::primitives::{Address, B256, TxKind};
use alloy::providers::{DynProvider, Provider, ProviderBuilder};
use alloy::rpc::types::{Filter, Log, TransactionReceipt, TransactionRequest};
use alloy::sol_types::{SolCall, SolEvent};
use alloy::transports::{RpcError, TransportErrorKind};
use offsetdata_node::Endpoints;
use offsetdata_protocol::deployments::Deployment;
use offsetdata_protocol::reverts;

use crate::{Account, Relayer, SdkError};

/// No call takes longer, with all its tries.
const ANSWERED_WITHIN: Duration = Duration::from_secs(60);
/// How long a transaction may take to be mined.
const MINED_WITHIN: Duration = Duration::from_secs(120);
/// How often a receipt is asked for.
const POLL: Duration = Duration::from_millis(200);

/// One chain with one deployment. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Chain {
    provider: DynProvider,
    deployment: Deployment,
    sponsor: Option<Arc<Relayer>>,
}

impl Chain {
    /// Connects to endpoints that are separated by commas, of which the first that is well is asked, and checks chain id and
    /// code. No error repeats a URL: it may carry a key.
    ///
    /// # Errors
    /// An endpoint that cannot be reached or serves another chain; a contract that is not there.
    pub async fn connect(rpc_urls: &str, deployment: Deployment) -> Result<Self, SdkError> {
        let endpoints = Endpoints::parse(rpc_urls, ANSWERED_WITHIN);
        let endpoints = endpoints.map_err(|error| SdkError::Rpc(error.to_string()))?;
        let provider = endpoints.provider().erased();
        let actual = provider.get_chain_id().await.map_err(rpc)?;
        if actual != deployment.chain_id {
            return Err(SdkError::WrongChain { expected: deployment.chain_id, actual });
        }
        endpoints.expect_chain(actual);
        let chain = Self { provider, deployment, sponsor: None };
        for (name, address) in [
            ("CollectionRegistry", chain.deployment.collection_registry),
            ("ModelRegistry", chain.deployment.model_registry),
            ("TrainingCoordinator", chain.deployment.training_coordinator),
        ] {
            if chain.provider.get_code_at(address).await.map_err(rpc)?.is_empty() {
                return Err(SdkError::NotDeployed { name, address });
            }
        }
        Ok(chain)
    }

    /// The same chain, where a relayer pays: what an account sends goes as a request that it signs for the forwarder.
    ///
    /// # Errors
    /// A relayer that pays for nobody.
    pub fn with_sponsor(&self, relayer: Relayer) -> Result<Self, SdkError> {
        if relayer.info().sponsor.is_none() {
            let url = relayer.info().audience.clone();
            return Err(SdkError::Relayer { url, reason: "it pays for nobody's transactions".into() });
        }
        Ok(Self { sponsor: Some(Arc::new(relayer)), ..self.clone() })
    }

    /// The same chain, where accounts pay for themselves.
    pub fn without_sponsor(&self) -> Self {
        Self { sponsor: None, ..self.clone() }
    }

    /// Whether a relayer pays.
    pub fn is_sponsored(&self) -> bool {
        self.sponsor.is_some()
    }

    /// The deployment.
    pub fn deployment(&self) -> &Deployment {
        &self.deployment
    }

    /// The provider, for what this crate has no word for.
    pub fn provider(&self) -> &DynProvider {
        &self.provider
    }

    /// Time of the newest block, Unix seconds. Terms count by it, not by a clock of ours.
    ///
    /// # Errors
    /// An endpoint that does not answer.
    pub async fn now(&self) -> Result<u64, SdkError> {
        let block = self.provider.get_block(alloy::eips::BlockId::latest()).await.map_err(rpc)?;
        block.map(|block| block.header.timestamp).ok_or_else(|| SdkError::Rpc("no newest block".into()))
    }

    /// Reads from a contract at the newest block.
    ///
    /// # Errors
    /// A refusal with the contract's reason, or an endpoint that does not answer.
    pub async fn call<C: SolCall>(&self, to: Address, call: &C) -> Result<C::Return, SdkError> {
        let request = TransactionRequest::default().with_to(to).with_input(call.abi_encode());
        let data = self.provider.call(request).await.map_err(rpc)?;
        C::abi_decode_returns(&data).map_err(|e| SdkError::Rpc(format!("{}: {e}", C::SIGNATURE)))
    }

    /// Gas that a transaction with this call would take, without sending it.
    ///
    /// # Errors
    /// As [`Chain::call`].
    pub async fn estimate<C: SolCall>(&self, from: Address, to: Address, call: &C) -> Result<u64, SdkError> {
        let request = TransactionRequest::default().with_from(from).with_to(to).with_input(call.abi_encode());
        self.provider.estimate_gas(request).await.map_err(rpc)
    }

    /// Sends a transaction and waits until it is mined. With a sponsor the account signs, and the relayer sends and pays.
    ///
    /// # Errors
    /// A refusal with the contract's reason, before anything is sent; a transaction that fails or is not mined.
    pub async fn send<C: SolCall>(
        &self,
        account: &Account,
        to: Address,
        call: &C,
    ) -> Result<TransactionReceipt, SdkError> {
        let request = transaction(account, to, call);
        self.provider.call(request.clone()).await.map_err(rpc)?;
        match &self.sponsor {
            // The token takes nothing from a forwarder: its own forms carry signatures.
            Some(sponsor) if to != self.deployment.token => {
                let gas = self.provider.estimate_gas(request).await.map_err(rpc)?;
                let hash = sponsor.sponsor(account, to, call.abi_encode().into(), gas).await?;
                self.mined(hash).await
            }
            _ => self.send_own(account, request).await,
        }
    }

    /// Sends a call that anyone may send, as its arguments carry the user's signature. With a sponsor the relayer sends it,
    /// otherwise `account` does.
    ///
    /// # Errors
    /// As [`Chain::send`].
    pub async fn land<C: SolCall>(
        &self,
        account: &Account,
        to: Address,
        call: &C,
    ) -> Result<TransactionReceipt, SdkError> {
        let request = transaction(account, to, call);
        self.provider.call(request.clone()).await.map_err(rpc)?;
        match &self.sponsor {
            Some(sponsor) => {
                let hash = sponsor.sponsor_direct(to, call.abi_encode().into()).await?;
                self.mined(hash).await
            }
            None => self.send_own(account, request).await,
        }
    }

    async fn send_own(
        &self,
        account: &Account,
        request: TransactionRequest,
    ) -> Result<TransactionReceipt, SdkError> {
        let sender =
            ProviderBuilder::new().wallet(account.signer().clone()).connect_provider(self.provider.clone());
        let pending = sender.send_transaction(request).await.map_err(rpc)?;
        self.mined(*pending.tx_hash()).await
    }

    async fn mined(&self, hash: B256) -> Result<TransactionReceipt, SdkError> {
        let receipt = self.receipt(hash).await?;
        if !receipt.status() {
            return Err(SdkError::Transaction { hash, reason: "it was mined and failed".into() });
        }
        Ok(receipt)
    }

    /// Events of a contract of ours with this first indexed value.
    ///
    /// # Errors
    /// An endpoint that does not answer, or an event that does not decode.
    pub async fn events<E: SolEvent>(
        &self,
        contract: Address,
        first: B256,
    ) -> Result<Vec<(E, Log)>, SdkError> {
        self.events_by(contract, 1, first).await
    }

    /// The same by its indexed value number `topic`, 1 to 3.
    pub(crate) async fn events_by<E: SolEvent>(
        &self,
        contract: Address,
        topic: usize,
        value: B256,
    ) -> Result<Vec<(E, Log)>, SdkError> {
        let mut filter = Filter::new()
            .address(contract)
            .event_signature(E::SIGNATURE_HASH)
            .from_block(self.deployment.start_block);
        filter.topics[topic] = value.into();
        let logs = self.provider.get_logs(&filter).await.map_err(rpc)?;
        let decode = |log: Log| {
            let event =
                E::decode_log(&log.inner).map_err(|e| SdkError::Rpc(format!("{}: {e}", E::SIGNATURE)))?;
            Ok((event.data, log))
        };
        logs.into_iter().map(decode).collect()
    }

    async fn receipt(&self, hash: B256) -> Result<TransactionReceipt, SdkError> {
        let wait = async {
            loop {
                // A node that is busy for a moment is asked again; the deadline below ends it.
                match self.provider.get_transaction_receipt(hash).await {
                    Ok(Some(receipt)) => return receipt,
                    Ok(None) => {}
                    Err(error) => tracing::warn!(%hash, %error, "asking for a receipt"),
                }
                tokio::time::sleep(POLL).await;
            }
        };
        tokio::time::timeout(MINED_WITHIN, wait).await.map_err(|_| SdkError::Transaction {
            hash,
            reason: format!("not mined within {} s; it may still be", MINED_WITHIN.as_secs()),
        })
    }
}

fn transaction<C: SolCall>(account: &Account, to: Address, call: &C) -> TransactionRequest {
    TransactionRequest::default()
        .with_from(account.address())
        .with_kind(TxKind::Call(to))
        .with_input(call.abi_encode())
}

/// An RPC error, with the contract's reason where there is one.
pub(crate) fn rpc(error: RpcError<TransportErrorKind>) -> SdkError {
    if let Some(payload) = error.as_error_resp() {
        if let Some(data) = payload.as_revert_data() {
            return SdkError::Refused { reason: reverts::reason(&data) };
        }
        return SdkError::Rpc(payload.message.to_string());
    }
    SdkError::Rpc(error.to_string())
}
