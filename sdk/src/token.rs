//! The settlement token: balances, allowances, what its holders sign, and the faucet of the development token.

use alloy::primitives::{Address, B256, Bytes, Signature, U256, keccak256};
use alloy::signers::SignerSync;
use alloy::sol_types::SolValue;
use offsetdata_protocol::bindings::token::DevToken;

use crate::{Account, Chain, SdkError};

/// Seconds for which what is signed for the token holds, by the chain's clock.
const VALID_SECONDS: u64 = 1800;

/// Balance in the token's smallest unit.
///
/// # Errors
/// An endpoint that does not answer.
pub async fn balance_of(chain: &Chain, account: Address) -> Result<U256, SdkError> {
    chain.call(chain.deployment().token, &DevToken::balanceOfCall { account }).await
}

/// Lets `spender` take `amount`, where it may not already: by a transaction, or where a relayer pays by a permit
/// (ERC-2612).
///
/// # Errors
/// As [`Chain::send`].
pub async fn ensure_allowance(
    chain: &Chain,
    owner: &Account,
    spender: Address,
    amount: U256,
) -> Result<(), SdkError> {
    let token = chain.deployment().token;
    let allowance = chain.call(token, &DevToken::allowanceCall { owner: owner.address(), spender }).await?;
    if allowance < amount && chain.is_sponsored() {
        let deadline = U256::from(chain.now().await?.saturating_add(VALID_SECONDS));
        let signed = permit(chain, owner, spender, amount, deadline).await?;
        let (v, r, s) = (27 + u8::from(signed.v()), signed.r().into(), signed.s().into());
        let call = DevToken::permitCall { owner: owner.address(), spender, value: amount, deadline, v, r, s };
        chain.land(owner, token, &call).await?;
    } else if allowance < amount {
        chain.send(owner, token, &DevToken::approveCall { spender, value: amount }).await?;
    }
    Ok(())
}

/// Signs a permit (ERC-2612) with the owner's next nonce.
///
/// # Errors
/// As [`Chain::call`]; a key that can't sign.
pub async fn permit(
    chain: &Chain,
    owner: &Account,
    spender: Address,
    value: U256,
    deadline: U256,
) -> Result<Signature, SdkError> {
    let kind =
        keccak256("Permit(address owner,address spender,uint256 value,uint256 nonce,uint256 deadline)");
    let nonce =
        chain.call(chain.deployment().token, &DevToken::noncesCall { owner: owner.address() }).await?;
    let fields = (kind, owner.address(), spender, value, nonce, deadline).abi_encode();
    sign(chain, owner, keccak256(fields)).await
}

/// A signed payment that only its receiver can take (ERC-3009).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Authorization {
    /// From this second on.
    pub valid_after: U256,
    /// Before this second.
    pub valid_before: U256,
    /// The payer's.
    pub signature: Bytes,
}

/// Signs that `to` may take `value` once, from now and for half an hour. `nonce` says what for.
///
/// # Errors
/// As [`Chain::call`]; a key that can't sign.
pub async fn authorize(
    chain: &Chain,
    from: &Account,
    to: Address,
    value: U256,
    nonce: B256,
) -> Result<Authorization, SdkError> {
    let kind = keccak256(
        "ReceiveWithAuthorization(address from,address to,uint256 value,uint256 validAfter,uint256 validBefore,bytes32 nonce)",
    );
    let valid_after = U256::ZERO;
    let valid_before = U256::from(chain.now().await?.saturating_add(VALID_SECONDS));
    let fields = (kind, from.address(), to, value, valid_after, valid_before, nonce).abi_encode();
    let signature = sign(chain, from, keccak256(fields)).await?;
    Ok(Authorization { valid_after, valid_before, signature: Bytes::copy_from_slice(&signature.as_bytes()) })
}

async fn sign(chain: &Chain, account: &Account, fields: B256) -> Result<Signature, SdkError> {
    let domain = chain.call(chain.deployment().token, &DevToken::DOMAIN_SEPARATORCall {}).await?;
    let digest = keccak256([&[0x19, 0x01], domain.as_slice(), fields.as_slice()].concat());
    account.signer().sign_hash_sync(&digest).map_err(|e| SdkError::Account(format!("signing: {e}")))
}

/// Makes development tokens. Works on the development token only.
///
/// # Errors
/// As [`Chain::send`].
pub async fn mint(chain: &Chain, payer: &Account, to: Address, amount: U256) -> Result<(), SdkError> {
    chain.send(payer, chain.deployment().token, &DevToken::mintCall { to, amount }).await?;
    Ok(())
}
