//! Events of a contract by any of their indexed values, the oldest first. It reads the whole log: on a busy chain an
//! indexer is faster.

use alloy::primitives::{Address, B256};
use alloy::providers::Provider;
use alloy::rpc::types::{Filter, Log};
use alloy::sol_types::SolEvent;

use crate::chain::rpc;
use crate::{Chain, SdkError};

/// Events whose indexed values are these, where one is given.
pub(crate) async fn events<E: SolEvent>(
    chain: &Chain,
    contract: Address,
    indexed: [Option<B256>; 3],
) -> Result<Vec<(E, Log)>, SdkError> {
    let mut filter = Filter::new()
        .address(contract)
        .event_signature(E::SIGNATURE_HASH)
        .from_block(chain.deployment().start_block);
    if let Some(first) = indexed[0] {
        filter = filter.topic1(first);
    }
    if let Some(second) = indexed[1] {
        filter = filter.topic2(second);
    }
    if let Some(third) = indexed[2] {
        filter = filter.topic3(third);
    }
    let logs = chain.provider().get_logs(&filter).await.map_err(rpc)?;
    let decode = |log: Log| {
        let event = E::decode_log(&log.inner).map_err(|e| SdkError::Rpc(format!("{}: {e}", E::SIGNATURE)))?;
        Ok((event.data, log))
    };
    logs.into_iter().map(decode).collect()
}
