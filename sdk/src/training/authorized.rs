//! A request with one signature: an ERC-3009 authorization over the whole escrow whose nonce is the request's id, so that
//! it pays for these terms and for nothing else. Anyone may send it; the user needs no ETH and no allowance.

use alloy::primitives::{Bytes, U256, keccak256};
use alloy::signers::Signer;
use alloy::sol_types::SolValue;
use offsetdata_protocol::bindings::token::DevToken;
use offsetdata_protocol::bindings::training::TrainingCoordinator;

use super::Terms;
use crate::{Account, Chain, SdkError};

/// Seconds for which an authorization may be sent.
const VALID_FOR: u64 = 600;

const KIND: &str = "ReceiveWithAuthorization(address from,address to,uint256 value,uint256 validAfter,\
uint256 validBefore,bytes32 nonce)";

/// Signs the authorization, and gives the call that anyone may send.
///
/// # Errors
/// A token without ERC-3009's domain, a key that can't sign, an endpoint that does not answer.
pub async fn authorization(
    chain: &Chain,
    user: &Account,
    terms: &Terms,
) -> Result<TrainingCoordinator::requestWithAuthorizationCall, SdkError> {
    let deployment = chain.deployment();
    let domain = chain.call(deployment.token, &DevToken::DOMAIN_SEPARATORCall {}).await?;
    let after = U256::ZERO;
    let before = U256::from(chain.now().await?.saturating_add(VALID_FOR));
    let (from, to) = (user.address(), deployment.training_coordinator);
    let fields = (keccak256(KIND), from, to, terms.total, after, before, terms.request.0).abi_encode();
    let digest = keccak256([&[0x19, 0x01], domain.as_slice(), keccak256(fields).as_slice()].concat());
    let signature = user.signer().sign_hash(&digest).await;
    let signature = signature.map_err(|e| SdkError::Account(format!("signing: {e}")))?;
    Ok(TrainingCoordinator::requestWithAuthorizationCall {
        escrow: terms.escrow.clone(),
        details: terms.details.clone(),
        inputs: terms.inputs.clone(),
        validAfter: after,
        validBefore: before,
        signature: Bytes::copy_from_slice(&signature.as_bytes()),
    })
}
