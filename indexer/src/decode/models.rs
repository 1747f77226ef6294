//! Events of the model registry → rows.

use alloy::primitives::{Address, B256, Log};
use alloy::sol_types::{Error, SolEventInterface};
use offsetdata_protocol::bindings::models::ModelRegistry::ModelRegistryEvents as Event;
use offsetdata_store::chain::collections::RetirementRow;
use offsetdata_store::chain::models::{
    BaseRow, MethodRow, ModelAccessRow, ModelRow, ModelTransferRow, ModelVisibilityRow, ProjectRow, WorkerRow,
};
use offsetdata_store::chain::{ChainRows, Position};

use super::{push_metadata, push_revision, word};

pub(super) fn push(rows: &mut ChainRows, position: Position, log: &Log) -> Result<(), Error> {
    match Event::decode_log(log)?.data {
        Event::BasePublished(e) => {
            push_metadata(rows, position, e.base, e.metadataDigest);
            rows.bases.push(BaseRow {
                position,
                id: e.base.into(),
                developer: e.developer,
                metadata_digest: e.metadataDigest,
                metadata_uri: e.metadataUri,
                salt: e.salt,
            });
        }
        Event::BaseMetadataRevised(e) => {
            push_revision(rows, position, e.base, e.metadataDigest, e.metadataUri);
        }
        Event::BaseRetired(e) => rows.retirements.push(RetirementRow { position, subject: e.base }),
        Event::MethodOffered(e) => rows.methods.push(MethodRow {
            position,
            base: e.base.into(),
            method: e.method.into(),
            withdrawn: false,
            name: e.name,
            unit_price: e.terms.unitPrice,
            max_units_per_second: e.terms.maxUnitsPerSecond,
            holdback_bps: e.terms.holdbackBps,
            intake: e.terms.intake,
            scheduler: e.terms.scheduler,
            trainer_digest: e.terms.trainerDigest,
            schema_digest: e.terms.schemaDigest,
        }),
        Event::MethodWithdrawn(e) => rows.methods.push(MethodRow {
            position,
            base: e.base.into(),
            method: e.method.into(),
            withdrawn: true,
            name: String::new(),
            unit_price: 0,
            max_units_per_second: 0,
            holdback_bps: 0,
            intake: 0,
            scheduler: Address::ZERO,
            trainer_digest: B256::ZERO,
            schema_digest: B256::ZERO,
        }),
        Event::WorkerSet(e) => {
            rows.workers.push(WorkerRow {
                position,
                base: e.base.into(),
                worker: e.worker,
                allowed: e.allowed,
            });
        }
        Event::ProjectCreated(e) => {
            push_metadata(rows, position, e.project, e.metadataDigest);
            rows.projects.push(ProjectRow {
                position,
                id: e.project.into(),
                owner: e.owner,
                metadata_digest: e.metadataDigest,
                metadata_uri: e.metadataUri,
                salt: e.salt,
            });
        }
        Event::ProjectMetadataRevised(e) => {
            push_revision(rows, position, e.project, e.metadataDigest, e.metadataUri);
        }
        Event::ModelRequested(e) => {
            push_metadata(rows, position, e.model, e.metadataDigest);
            rows.models.push(ModelRow {
                position,
                id: e.model.into(),
                base: e.base.into(),
                project: e.project.into(),
                first_owner: e.owner,
                visibility: e.visibility,
                metadata_digest: e.metadataDigest,
                metadata_uri: e.metadataUri,
                salt: e.salt,
            });
        }
        Event::ModelVisibilitySet(e) => rows.model_visibilities.push(ModelVisibilityRow {
            position,
            model: e.model.into(),
            visibility: e.visibility,
        }),
        Event::ModelAccessSet(e) => rows.model_accesses.push(ModelAccessRow {
            position,
            model: e.model.into(),
            account: e.account,
            allowed: e.allowed,
            denied: e.denied,
        }),
        Event::ModelMetadataRevised(e) => {
            push_revision(rows, position, e.model, e.metadataDigest, e.metadataUri);
        }
        Event::ModelDeleted(e) => rows.retirements.push(RetirementRow { position, subject: e.model }),
        Event::Transfer(e) => rows.model_transfers.push(ModelTransferRow {
            position,
            model: word(e.tokenId).into(),
            from_account: e.from,
            to_account: e.to,
        }),
        // Who may move a token is asked of the contract.
        Event::Approval(_) | Event::ApprovalForAll(_) => {}
    }
    Ok(())
}
