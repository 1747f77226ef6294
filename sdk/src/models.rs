//! Bases, methods, projects and models on chain. It keeps no metadata: that is a block, its digest stands on chain.

mod edit;
mod facts;

pub use edit::{
    delete_model, retire_base, revise_model, revise_project, set_allowed, set_denied, set_visibility,
    transfer_model, withdraw_method,
};
pub use facts::{
    BaseFacts, MethodFacts, ModelFacts, ModelFilter, ProjectFacts, VersionFacts, base, bases, model, models,
    project, projects, version_of, versions,
};

use alloy::primitives::{Address, B256, keccak256};
use alloy::rpc::types::TransactionReceipt;
use offsetdata_protocol::Digest;
use offsetdata_protocol::bindings::models::{MethodTerms, ModelRegistry};
use offsetdata_protocol::ids::{BaseId, MethodId, ModelId, ProjectId};

use crate::{Account, Chain, SdkError};

/// Method takes registered collections.
pub const INTAKE_COLLECTION: u8 = 1;
/// Method takes data that the user brings.
pub const INTAKE_DIRECT: u8 = 2;

/// Metadata of something: digest of its block and where else it may be found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Metadata {
    /// SHA-256 of the block.
    pub digest: Digest,
    /// A URL, or empty.
    pub uri: String,
}

/// Publishes a base, or finds it where it is published already.
///
/// # Errors
/// As [`Chain::send`].
pub async fn publish_base(
    chain: &Chain,
    developer: &Account,
    metadata: &Metadata,
    salt: B256,
) -> Result<BaseId, SdkError> {
    let registry = chain.deployment().model_registry;
    let metadata_digest = B256::from(metadata.digest.0);
    let id_call =
        ModelRegistry::baseIdOfCall { developer: developer.address(), metadataDigest: metadata_digest, salt };
    let id = chain.call(registry, &id_call).await?;
    if chain.call(registry, &ModelRegistry::developerOfCall { base: id }).await?.is_zero() {
        let call = ModelRegistry::publishBaseCall {
            metadataDigest: metadata_digest,
            metadataUri: metadata.uri.clone(),
            salt,
        };
        chain.send(developer, registry, &call).await?;
    }
    Ok(BaseId(id))
}

/// Offers a method of a base, or changes its terms for later requests.
///
/// # Errors
/// As [`Chain::send`].
pub async fn offer_method(
    chain: &Chain,
    developer: &Account,
    base: BaseId,
    name: &str,
    terms: MethodTerms,
) -> Result<MethodId, SdkError> {
    let call = ModelRegistry::offerMethodCall { base: base.0, name: name.to_owned(), terms };
    chain.send(developer, chain.deployment().model_registry, &call).await?;
    Ok(MethodId::of_name(name))
}

/// Allows worker keys for a base, or takes that back.
///
/// # Errors
/// As [`Chain::send`].
pub async fn set_workers(
    chain: &Chain,
    developer: &Account,
    base: BaseId,
    workers: Vec<Address>,
    allowed: bool,
) -> Result<TransactionReceipt, SdkError> {
    let call = ModelRegistry::setWorkersCall { base: base.0, workers, allowed };
    chain.send(developer, chain.deployment().model_registry, &call).await
}

/// Opens a project, or finds it where it is open already.
///
/// # Errors
/// As [`Chain::send`].
pub async fn create_project(
    chain: &Chain,
    owner: &Account,
    metadata: &Metadata,
    salt: B256,
) -> Result<ProjectId, SdkError> {
    let registry = chain.deployment().model_registry;
    let metadata_digest = B256::from(metadata.digest.0);
    let id_call =
        ModelRegistry::projectIdOfCall { owner: owner.address(), metadataDigest: metadata_digest, salt };
    let id = chain.call(registry, &id_call).await?;
    if chain.call(registry, &ModelRegistry::projectOwnerOfCall { project: id }).await?.is_zero() {
        let call = ModelRegistry::createProjectCall {
            metadataDigest: metadata_digest,
            metadataUri: metadata.uri.clone(),
            salt,
        };
        chain.send(owner, registry, &call).await?;
    }
    Ok(ProjectId(id))
}

/// What a model is made of.
#[derive(Debug, Clone)]
pub struct ModelTerms {
    /// The project that it belongs to.
    pub project: ProjectId,
    /// The base that it is made from.
    pub base: BaseId,
    /// Whether everyone may use it.
    pub public: bool,
    /// Accounts that may use and train a restricted model beside its owner.
    pub allowed: Vec<Address>,
    /// Its description.
    pub metadata: Metadata,
    /// Lets one owner make several models of one base in one project.
    pub salt: B256,
}

/// Requests a model, or finds it where it exists already.
///
/// # Errors
/// As [`Chain::send`].
pub async fn request_model(chain: &Chain, owner: &Account, terms: &ModelTerms) -> Result<ModelId, SdkError> {
    let registry = chain.deployment().model_registry;
    let id_call = ModelRegistry::modelIdOfCall {
        owner: owner.address(),
        project: terms.project.0,
        base: terms.base.0,
        salt: terms.salt,
    };
    let id = chain.call(registry, &id_call).await?;
    if chain.call(registry, &ModelRegistry::modelOfCall { model: id }).await?.base.is_zero() {
        let call = ModelRegistry::requestModelCall {
            project: terms.project.0,
            base: terms.base.0,
            visibility: u8::from(terms.public),
            allowed: terms.allowed.clone(),
            metadataDigest: terms.metadata.digest.0.into(),
            metadataUri: terms.metadata.uri.clone(),
            salt: terms.salt,
        };
        chain.send(owner, registry, &call).await?;
    }
    Ok(ModelId(id))
}

/// A salt from words, so that repeating a command finds what it made the first time.
pub fn salt_of(words: &str) -> B256 {
    keccak256(words.as_bytes())
}
