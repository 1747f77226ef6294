//! Trying a batch of commitments: which of them would land, and how much gas it takes. It sends nothing.

use std::collections::HashSet;

use alloy::eips::BlockId;
use alloy::network::TransactionBuilder;
use alloy::primitives::{Address, Bytes};
use alloy::providers::Provider;
use alloy::rpc::types::simulate::{SimBlock, SimulatePayload};
use alloy::rpc::types::{Log, TransactionRequest};
use alloy::sol_types::SolEvent;
use alloy::transports::RpcError;
use offsetdata_protocol::bindings::training::TrainingCoordinator::CommitmentSkipped;
use offsetdata_protocol::ids::RequestId;

use super::{Chain, TIMEOUT};
use crate::RelayerError;

/// What a batch would do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trial {
    /// It would go through.
    Lands {
        /// Gas.
        gas: u64,
        /// What it would leave out: request and sequence.
        skipped: HashSet<(RequestId, u32)>,
    },
    /// It would revert as a whole.
    Reverts,
    /// The node can't simulate transactions with their logs.
    Unsupported,
}

impl Chain {
    /// Runs a call in a block with its logs (`eth_simulateV1`).
    ///
    /// # Errors
    /// A node that does not answer.
    pub async fn try_batch(
        &self,
        at: BlockId,
        from: Address,
        to: Address,
        data: Bytes,
    ) -> Result<Trial, RelayerError> {
        let request = TransactionRequest::default().with_from(from).with_to(to).with_input(data);
        let payload = SimulatePayload::default().extend(SimBlock::default().call(request));
        let call = self.provider.simulate(&payload).block_id(at);
        let answer = match tokio::time::timeout(TIMEOUT, call.into_future()).await {
            Ok(Ok(answer)) => answer,
            // Whatever it says: without a simulation there is no batch.
            Ok(Err(RpcError::ErrorResp(payload))) => {
                tracing::debug!(code = payload.code, "eth_simulateV1 is refused");
                return Ok(Trial::Unsupported);
            }
            Ok(Err(error)) => return Err(self.failed("eth_simulateV1", &error)),
            Err(_) => {
                let reason = format!("no answer within {TIMEOUT:?}");
                return Err(RelayerError::Rpc { call: "eth_simulateV1", reason });
            }
        };
        match answer.first().and_then(|block| block.calls.first()) {
            Some(call) if call.status => {
                let gas = call.max_used_gas.unwrap_or_default().max(call.gas_used);
                Ok(Trial::Lands { gas, skipped: skipped(to, &call.logs) })
            }
            Some(_) => Ok(Trial::Reverts),
            None => Ok(Trial::Unsupported),
        }
    }
}

/// What a batch left out, by its logs.
pub(crate) fn skipped(coordinator: Address, logs: &[Log]) -> HashSet<(RequestId, u32)> {
    logs.iter()
        .filter(|log| log.address() == coordinator)
        .filter_map(|log| CommitmentSkipped::decode_log_data(log.data()).ok())
        .map(|event| (RequestId(event.request), event.sequence))
        .collect()
}
