//! The settlement token: balances, allowances, and the faucet of the development token.

use alloy::primitives::{Address, U256};
use offsetdata_protocol::bindings::token::DevToken;

use crate::{Account, Chain, SdkError};

/// Balance in the token's smallest unit.
///
/// # Errors
/// An endpoint that does not answer.
pub async fn balance_of(chain: &Chain, account: Address) -> Result<U256, SdkError> {
    chain.call(chain.deployment().token, &DevToken::balanceOfCall { account }).await
}

/// Lets `spender` take `amount`, where it may not already.
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
    if allowance < amount {
        chain.send(owner, token, &DevToken::approveCall { spender, value: amount }).await?;
    }
    Ok(())
}

/// Makes development tokens. Works on the development token only.
///
/// # Errors
/// As [`Chain::send`].
pub async fn mint(chain: &Chain, payer: &Account, to: Address, amount: U256) -> Result<(), SdkError> {
    chain.send(payer, chain.deployment().token, &DevToken::mintCall { to, amount }).await?;
    Ok(())
}
