//! Reading contracts and trying calls. It sends nothing.

use alloy::eips::BlockId;
use alloy::network::TransactionBuilder;
use alloy::primitives::{Address, B256, Bytes, Signature};
use alloy::providers::Provider;
use alloy::rpc::types::TransactionRequest;
use alloy::sol_types::SolCall;
use alloy::transports::RpcError;

use super::{Chain, TIMEOUT};
use crate::RelayerError;

alloy::sol! {
    interface IERC1271 {
        function isValidSignature(bytes32 hash, bytes signature) external view returns (bytes4);
    }
}

/// Longest signature that a contract is asked about, in bytes.
const MAX_SIGNATURE: usize = 4096;

impl Chain {
    /// What a call answers, or how it reverts.
    ///
    /// # Errors
    /// A node that does not answer.
    pub async fn simulate(
        &self,
        at: BlockId,
        from: Address,
        to: Address,
        data: Bytes,
    ) -> Result<Result<Bytes, Bytes>, RelayerError> {
        let request = TransactionRequest::default().with_from(from).with_to(to).with_input(data);
        let failed = |reason: String| RelayerError::Rpc { call: "eth_call", reason };
        match tokio::time::timeout(TIMEOUT, self.provider.call(request).block(at).into_future()).await {
            Ok(Ok(answer)) => Ok(Ok(answer)),
            Ok(Err(RpcError::ErrorResp(payload))) => match payload.as_revert_data() {
                Some(data) => Ok(Err(data)),
                None if payload.message.contains("revert") => Ok(Err(Bytes::new())),
                None => Err(failed(payload.message.to_string())),
            },
            Ok(Err(error)) => Err(self.failed("eth_call", &error)),
            Err(_) => Err(failed(format!("no answer within {TIMEOUT:?}"))),
        }
    }

    /// Reads from a contract of ours; `None` where it reverts.
    ///
    /// # Errors
    /// A node that does not answer, or not in the form of this call.
    pub async fn read<C: SolCall>(
        &self,
        at: BlockId,
        to: Address,
        call: &C,
    ) -> Result<Option<C::Return>, RelayerError> {
        match self.simulate(at, Address::ZERO, to, call.abi_encode().into()).await? {
            Ok(answer) => C::abi_decode_returns(&answer).map(Some).map_err(|error| RelayerError::Rpc {
                call: "eth_call",
                reason: format!("{}: {error}", C::SIGNATURE),
            }),
            Err(_) => Ok(None),
        }
    }

    /// Whether an account signed a digest: by its key, or by ERC-1271 where it is a contract.
    ///
    /// # Errors
    /// A node that does not answer.
    pub async fn is_signed_by(
        &self,
        account: Address,
        digest: B256,
        signature: &Bytes,
    ) -> Result<bool, RelayerError> {
        if recovers(account, digest, signature) {
            return Ok(true);
        }
        if signature.len() > MAX_SIGNATURE || !self.has_code(account).await? {
            return Ok(false);
        }
        let call = IERC1271::isValidSignatureCall { hash: digest, signature: signature.clone() };
        match self.simulate(BlockId::latest(), Address::ZERO, account, call.abi_encode().into()).await? {
            Ok(answer) => Ok(IERC1271::isValidSignatureCall::abi_decode_returns(&answer)
                .is_ok_and(|magic| magic == IERC1271::isValidSignatureCall::SELECTOR)),
            Err(_) => Ok(false),
        }
    }
}

/// 65 bytes, v 27 or 28, s in the lower half, as the contracts want it.
fn recovers(account: Address, digest: B256, signature: &[u8]) -> bool {
    let Ok(bytes) = <&[u8; 65]>::try_from(signature) else { return false };
    if !matches!(bytes[64], 27 | 28) {
        return false;
    }
    Signature::from_raw_array(bytes)
        .ok()
        .filter(|signature| signature.normalize_s().is_none())
        .and_then(|signature| signature.recover_address_from_prehash(&digest).ok())
        .is_some_and(|signer| signer == account)
}
