//! Events of the training coordinator → rows.

use alloy::primitives::Log;
use alloy::sol_types::{Error, SolEventInterface, SolValue};
use offsetdata_protocol::bindings::training::TrainingCoordinator::{
    RequestClosed, TrainingCoordinatorEvents as Event, TrainingRequested, VersionAppended,
};
use offsetdata_store::Count;
use offsetdata_store::chain::payments::{Creditor, WithdrawalRow};
use offsetdata_store::chain::requests::{RequestInputRow, RequestStatus, RequestedRow};
use offsetdata_store::chain::training::{
    AttemptRow, CancellationRow, ClosingRow, CommitmentRow, DataPaymentRow, DataReleaseRow,
    UnitCollectionRow, VersionRow,
};
use offsetdata_store::chain::{ChainRows, Position, points};

use super::small;

pub(super) fn push(rows: &mut ChainRows, position: Position, log: &Log) -> Result<(), Error> {
    match Event::decode_log(log)?.data {
        Event::TrainingRequested(e) => push_request(rows, position, &e),
        Event::AttemptAssigned(e) => rows.attempts.push(AttemptRow {
            position,
            request: e.request.into(),
            worker: e.worker,
            attempt: e.attempt,
            resume_point: e.resumePoint,
            valid_until: small(e.validUntil),
        }),
        Event::CommitmentLanded(e) => {
            let commitment = CommitmentRow {
                position,
                request: e.request.into(),
                sequence: e.sequence,
                point_count: e.pointCount,
                units: small(e.units),
                points_digest: e.pointsDigest,
                last_values: e.lastValues,
                relayer: e.relayer,
            };
            rows.points_fetches.push(points::fetch_of(&commitment));
            rows.commitments.push(commitment);
        }
        Event::DataPaid(e) => rows.data_payments.push(DataPaymentRow {
            position,
            request: e.request.into(),
            payee: e.payee,
            worker: e.worker,
            input: e.input,
            records: e.records,
            records_root: e.recordsRoot,
            amount: e.amount,
        }),
        Event::UnitsCollected(e) => rows.unit_collections.push(UnitCollectionRow {
            position,
            request: e.request.into(),
            developer: e.developer,
            units: small(e.units),
            amount: e.amount,
        }),
        Event::CancelRequested(e) => rows.cancellations.push(CancellationRow {
            position,
            request: e.request.into(),
            grace_ends_at: small(e.graceEndsAt),
        }),
        Event::VersionAppended(e) => rows.versions.push(version(position, &e)),
        Event::RequestClosed(e) => rows.closings.push(closing(position, &e)?),
        Event::DataEscrowReleased(e) => rows.data_releases.push(DataReleaseRow {
            position,
            request: e.request.into(),
            user_account: e.user,
            amount: e.amount,
        }),
        Event::Withdrawn(e) => rows.withdrawals.push(WithdrawalRow {
            position,
            contract: Creditor::TrainingCoordinator,
            account: e.account,
            to_account: e.to,
            amount: e.amount,
        }),
        // A skipped item changed nothing.
        Event::CommitmentSkipped(_) | Event::EIP712DomainChanged(_) => {}
    }
    Ok(())
}

fn push_request(rows: &mut ChainRows, position: Position, e: &TrainingRequested) {
    for (input, terms) in (0u32..).zip(&e.inputs) {
        rows.request_inputs.push(RequestInputRow {
            position,
            input,
            request: e.request.into(),
            collection: terms.collection.into(),
            selection: terms.selection,
            selection_root: terms.selectionRoot,
            first: terms.first,
            count: terms.count,
            record_cap: terms.recordCap,
            price_per_record: terms.pricePerRecord,
            payee: terms.payee,
        });
    }
    rows.requests.push(RequestedRow {
        position,
        id: e.request.into(),
        model: e.model.into(),
        method: e.details.method.into(),
        user_account: e.user,
        developer: e.escrow.developer,
        scheduler: e.escrow.scheduler,
        parent: e.details.parent.into(),
        hyperparameters_digest: e.details.hyperparametersDigest,
        trainer_digest: e.details.trainerDigest,
        unit_limit: small(e.escrow.landing.unitLimit),
        opened_at: small(e.escrow.landing.openedAt),
        start_deadline: small(e.escrow.landing.startDeadline),
        deadline: small(e.escrow.landing.deadline),
        grace_period: Count(e.escrow.landing.gracePeriod.into()),
        escrow: e.escrow.abi_encode().into(),
        details: e.details.abi_encode().into(),
        inputs: e.inputs.abi_encode().into(),
    });
}

fn version(position: Position, e: &VersionAppended) -> VersionRow {
    VersionRow {
        position,
        model: e.model.into(),
        request: e.request.into(),
        version: e.version,
        worker: e.worker,
        attempt: e.settlement.attempt,
        sequence: e.settlement.sequence,
        point_count: e.settlement.pointCount,
        units: small(e.settlement.units),
        artifact_digest: e.settlement.artifactDigest,
        artifact_cid: e.settlement.artifactCid,
        series_root: e.settlement.seriesRoot,
        inputs_root: e.settlement.inputsRoot,
        result_values: e.settlement.resultValues,
    }
}

fn closing(position: Position, e: &RequestClosed) -> Result<ClosingRow, Error> {
    let status = RequestStatus::from_code(e.status)
        .filter(|status| status.is_final())
        .ok_or_else(|| Error::custom(format!("status {} is not final", e.status)))?;
    Ok(ClosingRow {
        position,
        request: e.request.into(),
        status,
        units: small(e.units),
        developer_paid: e.developerPaid,
        relay_paid: e.relayPaid,
        refunded: e.refunded,
        reason_digest: e.reasonDigest,
    })
}
