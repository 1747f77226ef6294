//! What the chain says of bases, projects and models, from the registry and its events. It reads no description: that is
//! a block, found by its digest.

use std::collections::BTreeMap;

use alloy::primitives::{Address, U256};
use offsetdata_protocol::Digest;
use offsetdata_protocol::bindings::models::{MethodTerms, ModelRegistry};
use offsetdata_protocol::bindings::training::{Settlement, TrainingCoordinator};
use offsetdata_protocol::ids::{BaseId, MethodId, ModelId, ProjectId, RequestId};

use super::Metadata;
use crate::history::events;
use crate::{Chain, SdkError};

/// What the chain says of a base.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BaseFacts {
    /// Its id.
    pub id: BaseId,
    /// Who offers it.
    pub developer: Address,
    /// Whether it takes no new models and requests.
    pub retired: bool,
    /// Its description as it was last revised.
    pub metadata: Metadata,
    /// Methods that were ever offered, each with its last terms.
    pub methods: Vec<MethodFacts>,
    /// Keys of the workers that are allowed now.
    pub workers: Vec<Address>,
}

/// A method as it was last offered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MethodFacts {
    /// Its id: the hash of its name.
    pub id: MethodId,
    /// Its name.
    pub name: String,
    /// Prices, keys and digests.
    pub terms: MethodTerms,
    /// Whether it is offered now.
    pub offered: bool,
}

/// What the chain says of a project.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProjectFacts {
    /// Its id.
    pub id: ProjectId,
    /// Whose it is.
    pub owner: Address,
    /// Its description as it was last revised.
    pub metadata: Metadata,
}

/// What the chain says of a model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelFacts {
    /// Its id.
    pub id: ModelId,
    /// Whose it is; who had it last, once it is deleted.
    pub owner: Address,
    /// What it was made from.
    pub base: BaseId,
    /// Where it belongs.
    pub project: ProjectId,
    /// Whether everyone who is not denied may use it.
    pub public: bool,
    /// Whether it was deleted: what it was stays.
    pub deleted: bool,
    /// Unix seconds.
    pub created_at: u64,
    /// Its description as it was last revised.
    pub metadata: Metadata,
    /// Accounts that may use and train it beside its owner.
    pub allowed: Vec<Address>,
    /// Accounts that may not, whatever the visibility.
    pub denied: Vec<Address>,
}

/// One trained state of a model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VersionFacts {
    /// From 1.
    pub version: u32,
    /// The model.
    pub model: ModelId,
    /// The request that made it.
    pub request: RequestId,
    /// Whose word it is.
    pub worker: Address,
    /// What was signed.
    pub settlement: Settlement,
    /// Number of the block.
    pub block: Option<u64>,
}

fn metadata(digest: alloy::primitives::B256, uri: String) -> Metadata {
    Metadata { digest: Digest(digest.0), uri }
}

/// What the chain says of a base.
///
/// # Errors
/// An unknown id, or an endpoint that does not answer.
pub async fn base(chain: &Chain, id: BaseId) -> Result<BaseFacts, SdkError> {
    let at = chain.deployment().model_registry;
    let of = [Some(id.0), None, None];
    let published = events::<ModelRegistry::BasePublished>(chain, at, of).await?;
    let (published, _) = published.into_iter().next().ok_or(SdkError::Unknown { what: "base", id: id.0 })?;
    let revised = events::<ModelRegistry::BaseMetadataRevised>(chain, at, of).await?.pop();
    let described = match revised {
        Some((event, _)) => metadata(event.metadataDigest, event.metadataUri),
        None => metadata(published.metadataDigest, published.metadataUri),
    };
    let mut methods = BTreeMap::new();
    for (event, _) in events::<ModelRegistry::MethodOffered>(chain, at, of).await? {
        methods.insert(MethodId(event.method), (event.name, event.terms));
    }
    let mut found = Vec::with_capacity(methods.len());
    for (method, (name, terms)) in methods {
        let state = chain.call(at, &ModelRegistry::methodOfCall { base: id.0, method: method.0 }).await?;
        found.push(MethodFacts { id: method, name, terms, offered: state.active });
    }
    let mut workers = BTreeMap::new();
    for (event, _) in events::<ModelRegistry::WorkerSet>(chain, at, of).await? {
        workers.insert(event.worker, event.allowed);
    }
    Ok(BaseFacts {
        id,
        developer: published.developer,
        retired: chain.call(at, &ModelRegistry::isRetiredCall { base: id.0 }).await?,
        metadata: described,
        methods: found,
        workers: workers.into_iter().filter_map(|(worker, allowed)| allowed.then_some(worker)).collect(),
    })
}

/// Bases of a developer, or of everyone, the oldest first.
///
/// # Errors
/// An endpoint that does not answer.
pub async fn bases(chain: &Chain, developer: Option<Address>) -> Result<Vec<BaseId>, SdkError> {
    let at = chain.deployment().model_registry;
    let by = [None, developer.map(|who| who.into_word()), None];
    let found = events::<ModelRegistry::BasePublished>(chain, at, by).await?;
    Ok(found.into_iter().map(|(event, _)| BaseId(event.base)).collect())
}

/// What the chain says of a project.
///
/// # Errors
/// An unknown id, or an endpoint that does not answer.
pub async fn project(chain: &Chain, id: ProjectId) -> Result<ProjectFacts, SdkError> {
    let at = chain.deployment().model_registry;
    let of = [Some(id.0), None, None];
    let created = events::<ModelRegistry::ProjectCreated>(chain, at, of).await?;
    let (created, _) = created.into_iter().next().ok_or(SdkError::Unknown { what: "project", id: id.0 })?;
    let revised = events::<ModelRegistry::ProjectMetadataRevised>(chain, at, of).await?.pop();
    let metadata = match revised {
        Some((event, _)) => metadata(event.metadataDigest, event.metadataUri),
        None => metadata(created.metadataDigest, created.metadataUri),
    };
    Ok(ProjectFacts { id, owner: created.owner, metadata })
}

/// Projects of an owner, or of everyone, the oldest first.
///
/// # Errors
/// An endpoint that does not answer.
pub async fn projects(chain: &Chain, owner: Option<Address>) -> Result<Vec<ProjectId>, SdkError> {
    let at = chain.deployment().model_registry;
    let by = [None, owner.map(|who| who.into_word()), None];
    let found = events::<ModelRegistry::ProjectCreated>(chain, at, by).await?;
    Ok(found.into_iter().map(|(event, _)| ProjectId(event.project)).collect())
}

/// What the chain says of a model.
///
/// # Errors
/// An unknown id, or an endpoint that does not answer.
pub async fn model(chain: &Chain, id: ModelId) -> Result<ModelFacts, SdkError> {
    let at = chain.deployment().model_registry;
    let of = [Some(id.0), None, None];
    let requested = events::<ModelRegistry::ModelRequested>(chain, at, of).await?;
    let (requested, _) = requested.into_iter().next().ok_or(SdkError::Unknown { what: "model", id: id.0 })?;
    let state = chain.call(at, &ModelRegistry::modelOfCall { model: id.0 }).await?;
    let token = ModelRegistry::ownerOfCall { tokenId: U256::from_be_bytes(id.0.0) };
    let owner = chain.call(at, &token).await?;
    let revised = events::<ModelRegistry::ModelMetadataRevised>(chain, at, of).await?.pop();
    let metadata = match revised {
        Some((event, _)) => metadata(event.metadataDigest, event.metadataUri),
        None => metadata(requested.metadataDigest, requested.metadataUri),
    };
    let mut accesses = BTreeMap::new();
    for (event, _) in events::<ModelRegistry::ModelAccessSet>(chain, at, of).await? {
        accesses.insert(event.account, (event.allowed, event.denied));
    }
    let those = |chosen: fn(&(bool, bool)) -> bool| {
        accesses.iter().filter(|(_, set)| chosen(set)).map(|(account, _)| *account).collect()
    };
    Ok(ModelFacts {
        id,
        owner,
        base: BaseId(state.base),
        project: ProjectId(requested.project),
        public: state.visibility == 1,
        deleted: state.deleted,
        created_at: state.createdAt.to::<u64>(),
        metadata,
        allowed: those(|set| set.0),
        denied: those(|set| set.1),
    })
}

/// Which models are meant; without any of these all are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ModelFilter {
    /// Who has them now.
    pub owner: Option<Address>,
    /// The base that they were made from.
    pub base: Option<BaseId>,
    /// The project that they belong to.
    pub project: Option<ProjectId>,
}

/// Models, the oldest first. Those that were given to an owner count as its own.
///
/// # Errors
/// An endpoint that does not answer.
pub async fn models(chain: &Chain, filter: &ModelFilter) -> Result<Vec<ModelId>, SdkError> {
    let at = chain.deployment().model_registry;
    let by = [None, filter.base.map(|id| id.0), filter.project.map(|id| id.0)];
    let requested = events::<ModelRegistry::ModelRequested>(chain, at, by).await?;
    let mut found: Vec<ModelId> = requested.into_iter().map(|(event, _)| ModelId(event.model)).collect();
    if let Some(owner) = filter.owner {
        let received = [None, Some(owner.into_word()), None];
        let mut has = Vec::new();
        for (event, _) in events::<ModelRegistry::Transfer>(chain, at, received).await? {
            let token = ModelRegistry::ownerOfCall { tokenId: event.tokenId };
            let model = ModelId(event.tokenId.to_be_bytes::<32>().into());
            if !has.contains(&model) && chain.call(at, &token).await? == owner {
                has.push(model);
            }
        }
        found.retain(|model| has.contains(model));
    }
    Ok(found)
}

/// Versions of a model, from 1.
///
/// # Errors
/// An endpoint that does not answer.
pub async fn versions(chain: &Chain, model: ModelId) -> Result<Vec<VersionFacts>, SdkError> {
    found_versions(chain, [Some(model.0), None, None]).await
}

/// The version that a request made, where it did.
///
/// # Errors
/// An endpoint that does not answer.
pub async fn version_of(chain: &Chain, request: RequestId) -> Result<Option<VersionFacts>, SdkError> {
    Ok(found_versions(chain, [None, Some(request.0), None]).await?.pop())
}

async fn found_versions(
    chain: &Chain,
    indexed: [Option<alloy::primitives::B256>; 3],
) -> Result<Vec<VersionFacts>, SdkError> {
    let at = chain.deployment().training_coordinator;
    let found = events::<TrainingCoordinator::VersionAppended>(chain, at, indexed).await?;
    let fact = |(event, log): (TrainingCoordinator::VersionAppended, alloy::rpc::types::Log)| VersionFacts {
        version: event.version,
        model: ModelId(event.model),
        request: RequestId(event.request),
        worker: event.worker,
        settlement: event.settlement,
        block: log.block_number,
    };
    Ok(found.into_iter().map(fact).collect())
}
