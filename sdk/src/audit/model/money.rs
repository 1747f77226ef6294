//! Who was paid what: receipts that paid publishers, and that all payments together are what was escrowed, to the wei.

use std::collections::BTreeMap;

use alloy::primitives::U256;
use alloy::sol_types::SolValue;
use offsetdata_protocol::Root;
use offsetdata_protocol::bindings::training::DataReceipt;
use offsetdata_protocol::bindings::training::TrainingCoordinator::{
    self, DataEscrowReleased, DataPaid, RequestClosed,
};
use offsetdata_protocol::messages;
use offsetdata_protocol::selection::given_root;
use serde_json::json;

use super::case::Case;
use super::data::span;
use super::work::Work;
use crate::SdkError;
use crate::audit::{SignedReceipt, State};

/// The whole, in basis points.
const WHOLE: u64 = 10_000;
/// `RequestStatus` of the contract.
const SETTLED: u8 = 3;
const RUNNING: [u8; 2] = [1, 2];

impl Case<'_> {
    /// Each payment to a publisher rests on a receipt that the worker of a signed assignment gave.
    pub(super) async fn receipts(&mut self, work: &Work) -> Result<(), SdkError> {
        let coordinator = self.chain.deployment().training_coordinator;
        let events = self.chain.events::<DataPaid>(coordinator, self.request.0).await?;
        let mut paid: BTreeMap<u32, u32> = BTreeMap::new();
        if self.evidence.receipts.len() > events.len() {
            self.fail("receipts", format!("the evidence has more than the {} that landed", events.len()));
        }
        let signed = self.evidence.receipts.clone();
        for (number, (event, _)) in events.iter().enumerate() {
            let about = format!("receipt {}", number + 1);
            let before = paid.insert(event.input, event.records).unwrap_or(0);
            let Some(signed) = signed.get(number) else {
                self.unavailable(&about, "neither calldata nor evidence has it");
                continue;
            };
            match self.check_receipt(event, signed, before).await? {
                Ok(worker) => {
                    let says = format!(
                        "worker {worker} signed for {} records of input {}, exactly the first ones selected; {} paid to \
                         {}",
                        event.records, event.input, event.amount, event.payee
                    );
                    let data = json!({
                        "input": event.input,
                        "records": event.records,
                        "recordsRoot": event.recordsRoot,
                        "worker": worker,
                        "payee": event.payee,
                        "amount": event.amount.to_string(),
                    });
                    self.report.add(about, State::Proven, says, data);
                }
                Err(why) => self.fail(&about, why),
            }
        }
        let worked = work.sequence != 0;
        for (position, input) in (0u32..).zip(self.inputs.clone()) {
            let signed = paid.get(&position).copied().unwrap_or(0);
            if input.pricePerRecord != 0 && signed < input.recordCap && worked {
                let says = format!(
                    "receipts were landed for {signed} of {} records of input {position}",
                    input.recordCap
                );
                self.report.add(
                    "receipts",
                    State::Stated,
                    says,
                    json!({ "input": position, "records": signed }),
                );
            }
        }
        Ok(())
    }

    async fn check_receipt(
        &self,
        event: &DataPaid,
        signed: &SignedReceipt,
        before: u32,
    ) -> Result<Result<alloy::primitives::Address, String>, SdkError> {
        let assignment = match self.assignment(&signed.assignment).await? {
            Ok(assignment) => assignment,
            Err(why) => return Ok(Err(format!("the assignment of its worker {why}"))),
        };
        let Ok(receipt) = DataReceipt::abi_decode_validate(&signed.receipt) else {
            return Ok(Err("it is not of the form of the contract".into()));
        };
        let landed = (event.input, event.records, event.recordsRoot);
        if (receipt.input, receipt.records, receipt.recordsRoot) != landed {
            return Ok(Err("it is not the one that landed".into()));
        }
        if (receipt.attempt, event.worker) != (assignment.attempt, assignment.worker) {
            return Ok(Err("it is of another attempt or worker than its assignment".into()));
        }
        let Some(input) = self.inputs.get(receipt.input as usize) else {
            return Ok(Err(format!("the request has no input {}", receipt.input)));
        };
        let message = messages::DataReceipt {
            request: self.request.0,
            attempt: receipt.attempt,
            input: receipt.input,
            collection: input.collection,
            records: receipt.records,
            recordsRoot: receipt.recordsRoot,
        };
        if !self.is_signed(assignment.worker, &message, &signed.signature).await? {
            return Ok(Err(format!("it is not signed by worker {}", assignment.worker)));
        }
        if let Some(span) = span(input) {
            let indices: Vec<u32> = span.take(receipt.records as usize).collect();
            let expected = given_root(&indices)?;
            if indices.len() != receipt.records as usize || expected != Root::from(receipt.recordsRoot) {
                return Ok(Err(format!(
                    "it has root {}, that of the first {} selected records is {expected}",
                    receipt.recordsRoot, receipt.records
                )));
            }
        }
        let due = U256::from(input.pricePerRecord) * U256::from(receipt.records.saturating_sub(before));
        if U256::from(event.amount) != due || event.payee != input.payee {
            return Ok(Err(format!(
                "{} was paid to {}, by the terms it is {due} to {}",
                event.amount, event.payee, input.payee
            )));
        }
        Ok(Ok(assignment.worker))
    }

    /// What went to developer, relayers, publishers and back is what was escrowed.
    pub(super) async fn payments(&mut self, work: &Work, settled: bool) -> Result<(), SdkError> {
        let coordinator = self.chain.deployment().training_coordinator;
        let call = TrainingCoordinator::escrowOfCall { escrow: self.escrow.clone() };
        let escrowed = self.chain.call(coordinator, &call).await?;
        let closed = self.chain.events::<RequestClosed>(coordinator, self.request.0).await?;
        let data_paid = sum(self
            .chain
            .events::<DataPaid>(coordinator, self.request.0)
            .await?
            .iter()
            .map(|(event, _)| U256::from(event.amount)));
        let released = sum(self
            .chain
            .events::<DataEscrowReleased>(coordinator, self.request.0)
            .await?
            .iter()
            .map(|(event, _)| event.amount));
        let [(closed, _)] = closed.as_slice() else {
            if closed.is_empty() && RUNNING.contains(&self.state.status) {
                let says = format!("{escrowed} are escrowed, {data_paid} of it paid to publishers: it runs");
                let data = json!({ "escrowed": escrowed.to_string(), "publishers": data_paid.to_string() });
                self.report.add("payments", State::Stated, says, data);
            } else {
                self.fail("payments", format!("{} events close the request, expected one", closed.len()));
            }
            return Ok(());
        };
        let terms = &self.escrow;
        let pay = |units: U256| units * U256::from(terms.unitPrice);
        let (units, limit) = (U256::from(closed.units), U256::from(terms.landing.unitLimit));
        let kept = WHOLE.saturating_sub(u64::from(terms.holdbackBps));
        let developer = match settled {
            true => pay(units),
            false => pay(units) * U256::from(kept) / U256::from(WHOLE),
        };
        let landings = u64::from(self.state.sequence) + u64::from(settled);
        let fee = U256::from(terms.landing.relayFee);
        let relay = fee * U256::from(landings.min(terms.landing.relayFeeCap.into()));
        let relay_limit = fee * U256::from(terms.landing.relayFeeCap);
        let data_escrow = U256::from(terms.dataEscrow);
        let expected_refund = (pay(limit) + relay_limit).checked_sub(developer + relay);
        let standing = data_escrow.checked_sub(data_paid + released);
        let right = closed.developerPaid == developer
            && closed.relayPaid == relay
            && expected_refund == Some(closed.refunded)
            && (closed.status == SETTLED) == settled;
        let all = standing.map(|standing| {
            closed.developerPaid + closed.relayPaid + closed.refunded + data_paid + released + standing
        });
        let data = json!({
            "escrowed": escrowed.to_string(),
            "developer": closed.developerPaid.to_string(),
            "relayers": closed.relayPaid.to_string(),
            "publishers": data_paid.to_string(),
            "refunded": (closed.refunded + released).to_string(),
            "standing": standing.map(|standing| standing.to_string()),
            "units": closed.units.to_string(),
            "landings": landings,
        });
        if right && all == Some(escrowed) && work.sequence <= self.state.sequence {
            let standing = match standing.filter(|standing| !standing.is_zero()) {
                Some(standing) => format!(" + {standing} until the window for receipts ends"),
                None => String::new(),
            };
            let says = format!(
                "escrowed {escrowed} = developer {} for {} units + relayers {} for {landings} landings + publishers \
                 {data_paid} + back {}{standing}",
                closed.developerPaid,
                closed.units,
                closed.relayPaid,
                closed.refunded + released,
            );
            self.report.add("payments", State::Proven, says, data);
        } else {
            let says = format!(
                "escrowed were {escrowed}; developer {} (by the terms {developer}), relayers {} ({relay}), publishers \
                 {data_paid}, back {}",
                closed.developerPaid, closed.relayPaid, closed.refunded
            );
            self.report.add("payments", State::Failed, says, data);
        }
        Ok(())
    }
}

fn sum(amounts: impl Iterator<Item = U256>) -> U256 {
    amounts.fold(U256::ZERO, |sum, amount| sum.saturating_add(amount))
}
