//! Events of the model registry and what stands now. It decides not who may use a model.

use alloy::primitives::{Address, B256};
use offsetdata_protocol::ids::{BaseId, MethodId, ModelId, ProjectId};

use crate::codec::Column;
use crate::record::{find, record, select};
use crate::{Conn, StoreError};

use super::Position;
use super::page::{Page, list};

record! {
    /// `BasePublished`.
    BaseRow in "bases" {
        /// Where.
        position: Position,
        /// The base.
        id: BaseId,
        /// Who published it.
        developer: Address,
        /// SHA-256 of its first metadata.
        metadata_digest: B256,
        /// Where that is.
        metadata_uri: String,
        /// Salt of the id.
        salt: B256,
    }
}

record! {
    /// A base as it stands.
    BaseState in "base_states" {
        /// Where it was published.
        position: Position,
        /// The base.
        id: BaseId,
        /// Who published it.
        developer: Address,
        /// SHA-256 of its metadata.
        metadata_digest: B256,
        /// Where that is.
        metadata_uri: String,
        /// Whether it is retired.
        retired: bool,
    }
}

record! {
    /// `MethodOffered` and `MethodWithdrawn`.
    MethodRow in "methods" {
        /// Where.
        position: Position,
        /// The base.
        base: BaseId,
        /// The method.
        method: MethodId,
        /// Withdrawn: the rest is zero.
        withdrawn: bool,
        /// Its name.
        name: String,
        /// Price of one unit in the token's smallest unit.
        unit_price: u128,
        /// No more units a second are paid.
        max_units_per_second: u64,
        /// Held back until settlement, in basis points.
        holdback_bps: u16,
        /// 1 collection, 2 direct, 3 both.
        intake: u8,
        /// Key that signs assignments.
        scheduler: Address,
        /// SHA-256 of the trainer.
        trainer_digest: B256,
        /// SHA-256 of the hyperparameters' JSON Schema.
        schema_digest: B256,
    }
}

record! {
    /// A method that is offered.
    MethodState in "method_states" {
        /// Where.
        position: Position,
        /// The base.
        base: BaseId,
        /// The method.
        method: MethodId,
        /// Its name.
        name: String,
        /// Price of one unit in the token's smallest unit.
        unit_price: u128,
        /// No more units a second are paid.
        max_units_per_second: u64,
        /// Held back until settlement, in basis points.
        holdback_bps: u16,
        /// 1 collection, 2 direct, 3 both.
        intake: u8,
        /// Key that signs assignments.
        scheduler: Address,
        /// SHA-256 of the trainer.
        trainer_digest: B256,
        /// SHA-256 of the hyperparameters' JSON Schema.
        schema_digest: B256,
    }
}

record! {
    /// `WorkerSet`.
    WorkerRow in "workers" {
        /// Where.
        position: Position,
        /// The base.
        base: BaseId,
        /// Key of the worker.
        worker: Address,
        /// Allowed, or not any more.
        allowed: bool,
    }
}

record! {
    /// A worker that is allowed now.
    WorkerState in "worker_states" {
        /// Where.
        position: Position,
        /// The base.
        base: BaseId,
        /// Key of the worker.
        worker: Address,
    }
}

record! {
    /// `ProjectCreated`.
    ProjectRow in "projects" {
        /// Where.
        position: Position,
        /// The project.
        id: ProjectId,
        /// Whose it is.
        owner: Address,
        /// SHA-256 of its first metadata.
        metadata_digest: B256,
        /// Where that is.
        metadata_uri: String,
        /// Salt of the id.
        salt: B256,
    }
}

record! {
    /// A project as it stands.
    ProjectState in "project_states" {
        /// Where it was created.
        position: Position,
        /// The project.
        id: ProjectId,
        /// Whose it is.
        owner: Address,
        /// SHA-256 of its metadata.
        metadata_digest: B256,
        /// Where that is.
        metadata_uri: String,
    }
}

record! {
    /// `ModelRequested`.
    ModelRow in "models" {
        /// Where.
        position: Position,
        /// The model.
        id: ModelId,
        /// Its base.
        base: BaseId,
        /// Its project.
        project: ProjectId,
        /// Who requested it.
        first_owner: Address,
        /// 0 RESTRICTED, 1 PUBLIC, at first.
        visibility: u8,
        /// SHA-256 of its first metadata.
        metadata_digest: B256,
        /// Where that is.
        metadata_uri: String,
        /// Salt of the id.
        salt: B256,
    }
}

record! {
    /// A model as it stands.
    ModelState in "model_states" {
        /// Where it was requested.
        position: Position,
        /// The model.
        id: ModelId,
        /// Its base.
        base: BaseId,
        /// Its project.
        project: ProjectId,
        /// Who owns it now.
        owner: Address,
        /// 0 RESTRICTED, 1 PUBLIC.
        visibility: u8,
        /// SHA-256 of its metadata.
        metadata_digest: B256,
        /// Where that is.
        metadata_uri: String,
        /// Whether it is deleted.
        deleted: bool,
    }
}

record! {
    /// `Transfer` of a model, its making included.
    ModelTransferRow in "model_transfers" {
        /// Where.
        position: Position,
        /// The model.
        model: ModelId,
        /// From whom; zero when it was made.
        from_account: Address,
        /// To whom.
        to_account: Address,
    }
}

record! {
    /// `ModelVisibilitySet`.
    ModelVisibilityRow in "model_visibilities" {
        /// Where.
        position: Position,
        /// The model.
        model: ModelId,
        /// 0 RESTRICTED, 1 PUBLIC.
        visibility: u8,
    }
}

record! {
    /// `ModelAccessSet`.
    ModelAccessRow in "model_accesses" {
        /// Where.
        position: Position,
        /// The model.
        model: ModelId,
        /// Whose access.
        account: Address,
        /// Whether it may use the model.
        allowed: bool,
        /// Whether it may not, whatever the visibility.
        denied: bool,
    }
}

record! {
    /// What was last set for an account.
    ModelAccessState in "model_access_states" {
        /// Where.
        position: Position,
        /// The model.
        model: ModelId,
        /// Whose access.
        account: Address,
        /// Whether it may use the model.
        allowed: bool,
        /// Whether it may not, whatever the visibility.
        denied: bool,
    }
}

/// A base.
///
/// # Errors
/// A database that can't be read; so everywhere below.
pub async fn find_base(conn: &mut Conn, id: BaseId) -> Result<Option<BaseState>, StoreError> {
    find(conn, "id", &id).await
}

/// Bases, of one developer where it is named.
pub async fn list_bases(
    conn: &mut Conn,
    developer: Option<Address>,
    page: Page,
) -> Result<Vec<BaseState>, StoreError> {
    let equal: Vec<_> = developer.map(|account| ("developer", account.value())).into_iter().collect();
    list(conn, &equal, page).await
}

/// The methods that a base offers.
pub async fn list_methods(conn: &mut Conn, base: BaseId, page: Page) -> Result<Vec<MethodState>, StoreError> {
    list(conn, &[("base", base.value())], page).await
}

/// A method of the base of a model, if it is offered.
pub async fn find_method_of_model(
    conn: &mut Conn,
    model: ModelId,
    method: MethodId,
) -> Result<Option<MethodState>, StoreError> {
    let rows: Vec<MethodState> = select(
        conn,
        "method = $2 and base = (select m.base from models m where m.id = $1) limit 1",
        &[model.value(), method.value()],
    )
    .await?;
    Ok(rows.into_iter().next())
}

/// The workers that a base allows.
pub async fn list_workers(conn: &mut Conn, base: BaseId, page: Page) -> Result<Vec<WorkerState>, StoreError> {
    list(conn, &[("base", base.value())], page).await
}

/// Whether this worker key works for the base of the model now.
pub async fn is_worker_of_model(
    conn: &mut Conn,
    model: ModelId,
    worker: Address,
) -> Result<bool, StoreError> {
    let found: Vec<WorkerState> = select(
        conn,
        "worker = $2 and base = (select m.base from models m where m.id = $1) limit 1",
        &[model.value(), worker.value()],
    )
    .await?;
    Ok(!found.is_empty())
}

/// Whether this worker key works for any base of whose methods this key is the scheduler.
pub async fn is_worker_of_scheduler(
    conn: &mut Conn,
    scheduler: Address,
    worker: Address,
) -> Result<bool, StoreError> {
    let found: Vec<WorkerState> = select(
        conn,
        "worker = $2 and base in (select m.base from method_states m where m.scheduler = $1) limit 1",
        &[scheduler.value(), worker.value()],
    )
    .await?;
    Ok(!found.is_empty())
}

/// A project.
pub async fn find_project(conn: &mut Conn, id: ProjectId) -> Result<Option<ProjectState>, StoreError> {
    find(conn, "id", &id).await
}

/// Projects, of one owner where it is named.
pub async fn list_projects(
    conn: &mut Conn,
    owner: Option<Address>,
    page: Page,
) -> Result<Vec<ProjectState>, StoreError> {
    let equal: Vec<_> = owner.map(|account| ("owner", account.value())).into_iter().collect();
    list(conn, &equal, page).await
}

/// A model.
pub async fn find_model(conn: &mut Conn, id: ModelId) -> Result<Option<ModelState>, StoreError> {
    find(conn, "id", &id).await
}

/// Models, of one base and one project where they are named.
pub async fn list_models(
    conn: &mut Conn,
    base: Option<BaseId>,
    project: Option<ProjectId>,
    page: Page,
) -> Result<Vec<ModelState>, StoreError> {
    let mut equal = Vec::new();
    equal.extend(base.map(|id| ("base", id.value())));
    equal.extend(project.map(|id| ("project", id.value())));
    list(conn, &equal, page).await
}

/// What was set for the accounts of a model.
pub async fn list_model_accesses(
    conn: &mut Conn,
    model: ModelId,
    page: Page,
) -> Result<Vec<ModelAccessState>, StoreError> {
    list(conn, &[("model", model.value())], page).await
}
