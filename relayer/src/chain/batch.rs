//! Trying batches of commitments: which of them would land, and how much gas they take. It sends nothing.

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
}

impl Chain {
    /// Runs calls of an account with their logs, in a block and each on top of the one before (`eth_simulateV1`), each with
    /// at most so much gas. `None` where the node can't, or not so many.
    ///
    /// # Errors
    /// A node that does not answer.
    pub async fn try_batches(
        &self,
        at: BlockId,
        from: Address,
        to: Address,
        calls: Vec<Bytes>,
        gas: u64,
    ) -> Result<Option<Vec<Trial>>, RelayerError> {
        let asked = calls.len();
        let calls = calls.into_iter().map(|data| {
            TransactionRequest::default().with_from(from).with_to(to).with_input(data).with_gas_limit(gas)
        });
        let payload = SimulatePayload::default().extend(SimBlock::default().extend_calls(calls));
        let call = self.provider.simulate(&payload).block_id(at);
        let answer = match tokio::time::timeout(TIMEOUT, call.into_future()).await {
            Ok(Ok(answer)) => answer,
            // Whatever it says: without a simulation there is no batch.
            Ok(Err(RpcError::ErrorResp(payload))) => {
                tracing::debug!(code = payload.code, asked, "eth_simulateV1 is refused");
                return Ok(None);
            }
            Ok(Err(error)) => return Err(self.failed("eth_simulateV1", &error)),
            Err(_) => {
                let reason = format!("no answer within {TIMEOUT:?}");
                return Err(RelayerError::Rpc { call: "eth_simulateV1", reason });
            }
        };
        let trials: Vec<Trial> = answer
            .iter()
            .flat_map(|block| &block.calls)
            .map(|call| match call.status {
                true => {
                    let gas = call.max_used_gas.unwrap_or_default().max(call.gas_used);
                    Trial::Lands { gas, skipped: skipped(to, &call.logs) }
                }
                false => Trial::Reverts,
            })
            .collect();
        Ok((trials.len() == asked).then_some(trials))
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
