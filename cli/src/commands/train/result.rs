//! `offsetdata train result`: what a training made and where its money went, from the chain alone.

use offsetdata_protocol::bindings::training::Settlement;
use offsetdata_protocol::ids::{ModelId, RequestId};
use offsetdata_protocol::messages::unpack_values;
use offsetdata_sdk::training::{self, Outcome};
use serde_json::{Value, json};

use crate::context::Settings;
use crate::output;

/// The measured values of a settlement by name, those that are numbers.
pub(super) fn results(settlement: &Settlement) -> Vec<(&'static str, f64)> {
    ["test loss", "test accuracy", "validation loss", "validation accuracy"]
        .into_iter()
        .zip(unpack_values(settlement.resultValues).map(|value| value.to_f64()))
        .filter(|(_, value)| value.is_finite())
        .collect()
}

pub(super) async fn result(settings: &Settings, request: RequestId) -> anyhow::Result<()> {
    let outcome = training::outcome(&settings.chain().await?, request).await?;
    output::print(settings.json, &as_json(&outcome), || say(&outcome));
    Ok(())
}

fn as_json(outcome: &Outcome) -> Value {
    let facts = &outcome.facts;
    let version = outcome.version.as_ref().map(|version| {
        let settlement = &version.settlement;
        let values: serde_json::Map<String, Value> =
            results(settlement).into_iter().map(|(name, value)| (camel(name), value.into())).collect();
        json!({
            "model": version.model,
            "version": version.version,
            "worker": version.worker,
            "values": values,
            "points": settlement.pointCount,
            "seriesRoot": settlement.seriesRoot,
            "inputsRoot": settlement.inputsRoot,
            "artifactDigest": settlement.artifactDigest,
            "artifactCid": settlement.artifactCid,
            "block": version.block,
        })
    });
    let data = outcome.data.iter().map(|paid| {
        json!({
            "input": paid.input,
            "collection": facts.terms.inputs.get(paid.input as usize).map(|input| input.collection),
            "payee": paid.payee,
            "worker": paid.worker,
            "records": paid.records,
            "recordsRoot": paid.records_root,
            "amount": paid.amount.to_string(),
        })
    });
    json!({
        "request": facts.id,
        "status": facts.status.word(),
        "parent": facts.parent(),
        "user": facts.terms.user,
        "units": facts.state.units.to::<u64>(),
        "commitments": facts.state.sequence,
        "attempt": facts.state.attempt,
        "version": version,
        "reasonDigest": outcome.reason_digest,
        "payments": {
            "escrow": facts.escrowed().to_string(),
            "developer": { "account": facts.terms.escrow.developer, "amount": outcome.developer_paid.to_string() },
            "relayers": outcome.relay_paid.to_string(),
            "data": data.collect::<Vec<_>>(),
            "dataPaid": outcome.data_paid().to_string(),
            "refunded": outcome.refunded.to_string(),
            "dataReturned": outcome.data_returned.to_string(),
            "dataEscrowOpen": outcome.data_open.to_string(),
            "dataEscrowOpenUntil": outcome.data_open_until,
            "addsUp": outcome.closed.then(|| outcome.adds_up()),
        },
    })
}

/// `test loss` becomes `testLoss`.
fn camel(name: &str) -> String {
    let mut words = name.split(' ');
    let first = words.next().unwrap_or_default().to_owned();
    words.fold(first, |text, word| text + &word[..1].to_uppercase() + &word[1..])
}

fn say(outcome: &Outcome) -> String {
    let facts = &outcome.facts;
    let mut text = format!("request    {}\nstate      {}\n", facts.id, facts.status.word().to_lowercase());
    if let Some(parent) = facts.parent() {
        text += &format!("retrains   {parent}\n");
    }
    match &outcome.version {
        None => text += "version    none\n",
        Some(version) => {
            let settlement = &version.settlement;
            text += &format!("version    {} of model {}\n", version.version, ModelId(version.model.0));
            text += &format!("worker     {}\n", version.worker);
            for (name, value) in results(settlement) {
                text += &format!("           {name} {value:.6}\n");
            }
            text += &format!("series     {} over {} points\n", settlement.seriesRoot, settlement.pointCount);
            text += &format!("inputs     {}\n", settlement.inputsRoot);
            text += &format!(
                "artifact   {}\n           kept by the developer's relayer under CID digest {}\n",
                settlement.artifactDigest, settlement.artifactCid
            );
        }
    }
    text += &format!("escrow     {}\n", facts.escrowed());
    text += &format!("developer  {} for {} units\n", outcome.developer_paid, facts.state.units);
    text += &format!(
        "relayers   {} for {} commitments and the settlement\n",
        outcome.relay_paid, facts.state.sequence
    );
    for paid in &outcome.data {
        text +=
            &format!("data       {} to {} for {} records so far\n", paid.amount, paid.payee, paid.records);
    }
    text += &format!("returned   {}", outcome.refunded + outcome.data_returned);
    if !outcome.data_open.is_zero() {
        text += &format!("\nopen       {} for data", outcome.data_open);
    }
    if outcome.closed {
        let sum =
            if outcome.adds_up() { "every unit of the escrow is accounted for" } else { "THE SUM DIFFERS" };
        text += &format!("\n           {sum}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy::primitives::B256;
    use offsetdata_protocol::messages::pack_values;
    use offsetdata_protocol::metrics::MetricValue;

    #[test]
    fn only_numbers_are_results() {
        let values = [0.25, 0.975, f64::NAN, 0.5].map(MetricValue::from_f64);
        let settlement = Settlement { resultValues: pack_values(values), ..zero() };
        let expected = [("test loss", 0.25), ("test accuracy", 0.975), ("validation accuracy", 0.5)];
        assert_eq!(results(&settlement), expected);
        assert_eq!(camel("validation accuracy"), "validationAccuracy");
    }

    fn zero() -> Settlement {
        Settlement {
            attempt: 1,
            sequence: 0,
            pointCount: 0,
            units: alloy::primitives::Uint::ZERO,
            artifactDigest: B256::ZERO,
            artifactCid: B256::ZERO,
            seriesRoot: B256::ZERO,
            inputsRoot: B256::ZERO,
            resultValues: B256::ZERO,
        }
    }
}
