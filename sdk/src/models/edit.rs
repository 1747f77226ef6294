//! What owners and developers change: descriptions, who may use a model, deletion, transfer, retirement. What is changed
//! for later requests changes nothing for running ones.

use alloy::primitives::{Address, U256};
use alloy::providers::Provider;
use alloy::rpc::types::TransactionReceipt;
use offsetdata_protocol::bindings::models::ModelRegistry;
use offsetdata_protocol::ids::{BaseId, MethodId, ModelId, ProjectId};

use super::Metadata;
use crate::chain::rpc;
use crate::{Account, Chain, SdkError};

/// Most accounts in one call: longer lists are sent in several.
const MAX_LIST: usize = 256;

/// Revises the description of a model. Its owner only.
///
/// # Errors
/// As [`Chain::send`].
pub async fn revise_model(
    chain: &Chain,
    owner: &Account,
    model: ModelId,
    metadata: &Metadata,
) -> Result<TransactionReceipt, SdkError> {
    let call = ModelRegistry::reviseModelCall {
        model: model.0,
        metadataDigest: metadata.digest.0.into(),
        metadataUri: metadata.uri.clone(),
    };
    chain.send(owner, chain.deployment().model_registry, &call).await
}

/// Revises the description of a project. Its owner only.
///
/// # Errors
/// As [`Chain::send`].
pub async fn revise_project(
    chain: &Chain,
    owner: &Account,
    project: ProjectId,
    metadata: &Metadata,
) -> Result<TransactionReceipt, SdkError> {
    let call = ModelRegistry::reviseProjectCall {
        project: project.0,
        metadataDigest: metadata.digest.0.into(),
        metadataUri: metadata.uri.clone(),
    };
    chain.send(owner, chain.deployment().model_registry, &call).await
}

/// Lets everyone use a model, or only its owner and those allowed. Owner only.
///
/// # Errors
/// As [`Chain::send`].
pub async fn set_visibility(
    chain: &Chain,
    owner: &Account,
    model: ModelId,
    public: bool,
) -> Result<TransactionReceipt, SdkError> {
    let call = ModelRegistry::setVisibilityCall { model: model.0, visibility: u8::from(public) };
    chain.send(owner, chain.deployment().model_registry, &call).await
}

/// Allows accounts to use and train a model, or takes that back. Owner only.
///
/// # Errors
/// As [`Chain::send`].
pub async fn set_allowed(
    chain: &Chain,
    owner: &Account,
    model: ModelId,
    accounts: &[Address],
    allowed: bool,
) -> Result<(), SdkError> {
    for accounts in accounts.chunks(MAX_LIST) {
        let call = ModelRegistry::setAllowedCall { model: model.0, accounts: accounts.to_vec(), allowed };
        chain.send(owner, chain.deployment().model_registry, &call).await?;
    }
    Ok(())
}

/// Denies accounts a model whatever its visibility, or takes that back. Owner only.
///
/// # Errors
/// As [`Chain::send`].
pub async fn set_denied(
    chain: &Chain,
    owner: &Account,
    model: ModelId,
    accounts: &[Address],
    denied: bool,
) -> Result<(), SdkError> {
    for accounts in accounts.chunks(MAX_LIST) {
        let call = ModelRegistry::setDeniedCall { model: model.0, accounts: accounts.to_vec(), denied };
        chain.send(owner, chain.deployment().model_registry, &call).await?;
    }
    Ok(())
}

/// Deletes a model for good: no new requests, no use, no transfer. Versions and history stay. Owner only.
///
/// # Errors
/// As [`Chain::send`].
pub async fn delete_model(
    chain: &Chain,
    owner: &Account,
    model: ModelId,
) -> Result<TransactionReceipt, SdkError> {
    let call = ModelRegistry::deleteModelCall { model: model.0 };
    chain.send(owner, chain.deployment().model_registry, &call).await
}

/// Gives a model to another account. A contract that can't hold ERC-721 tokens is refused. Owner only.
///
/// # Errors
/// As [`Chain::send`].
pub async fn transfer_model(
    chain: &Chain,
    owner: &Account,
    model: ModelId,
    to: Address,
) -> Result<TransactionReceipt, SdkError> {
    let (from, token_id) = (owner.address(), U256::from_be_bytes(model.0.0));
    let registry = chain.deployment().model_registry;
    if chain.provider().get_code_at(to).await.map_err(rpc)?.is_empty() {
        return chain
            .send(owner, registry, &ModelRegistry::transferFromCall { from, to, tokenId: token_id })
            .await;
    }
    let call = ModelRegistry::safeTransferFrom_0Call { from, to, tokenId: token_id };
    chain.send(owner, registry, &call).await
}

/// Retires a base for good: no new models and requests. Its developer only.
///
/// # Errors
/// As [`Chain::send`].
pub async fn retire_base(
    chain: &Chain,
    developer: &Account,
    base: BaseId,
) -> Result<TransactionReceipt, SdkError> {
    chain
        .send(developer, chain.deployment().model_registry, &ModelRegistry::retireBaseCall { base: base.0 })
        .await
}

/// Withdraws a method for later requests. Its developer only.
///
/// # Errors
/// As [`Chain::send`].
pub async fn withdraw_method(
    chain: &Chain,
    developer: &Account,
    base: BaseId,
    method: MethodId,
) -> Result<TransactionReceipt, SdkError> {
    let call = ModelRegistry::withdrawMethodCall { base: base.0, method: method.0 };
    chain.send(developer, chain.deployment().model_registry, &call).await
}
