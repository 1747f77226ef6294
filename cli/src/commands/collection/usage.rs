//! `offsetdata collection usage`: who used a collection for what, and what was paid for it. It believes the indexer; the
//! publisher's statement of a gateway is `offsetdata billing sales`.

use std::collections::BTreeMap;

use alloy::primitives::U256;
use anyhow::Context as _;
use offsetdata_protocol::ids::CollectionId;
use serde_json::{Value, json};

use crate::context::Settings;
use crate::{output, table};

const READERS: &str = "query($id: Bytes32!) {
  block { number finality }
  collection(id: $id) {
    name publisher recordCount
    usage(byPayer: true, first: 1000) { payer records paid settlements }
  }
}";

const TRAININGS: &str = "query($id: Bytes32!, $after: String) {
  collection(id: $id) {
    requests(first: 20, after: $after) {
      edges { node {
        id status user modelId
        inputs { input collectionId }
        dataPayments(first: 50) { edges { node { input payee worker records amount } } }
        versions { version }
      } }
      pageInfo { hasNextPage endCursor }
    }
  }
}";

const PAYMENTS: &str = "query($id: Bytes32!, $after: String) {
  collection(id: $id) {
    payments(first: 200, after: $after) {
      edges { node { kind payer payee amount } }
      pageInfo { hasNextPage endCursor }
    }
  }
}";

/// One training that a collection was among the inputs of.
struct Training {
    row: Value,
    records: u64,
    paid: U256,
}

pub(super) async fn usage(settings: &Settings, id: CollectionId) -> anyhow::Result<()> {
    let indexer = settings.indexer()?;
    let data = indexer.query(READERS, json!({ "id": id })).await;
    let data = data.context("usage comes from the indexer; --indexer names it")?;
    let collection = data.get("collection").filter(|found| !found.is_null());
    let collection = collection.with_context(|| format!("the indexer does not know collection {id}"))?;
    let readers = collection["usage"].as_array().cloned().unwrap_or_default();
    let trainings: Vec<Training> = pages(settings, TRAININGS, "requests", id)
        .await?
        .iter()
        .map(|request| training(request, &json!(id)))
        .collect();
    let bought = purchases(&pages(settings, PAYMENTS, "payments", id).await?);
    let read = readers.iter().map(|row| amount(&row["paid"])).fold(U256::ZERO, |sum, paid| sum + paid);
    let trained = trainings.iter().fold(U256::ZERO, |sum, training| sum + training.paid);
    let rights = bought.values().fold(U256::ZERO, |sum, paid| sum + *paid);
    let value = json!({
        "collection": id,
        "name": collection["name"],
        "publisher": collection["publisher"],
        "block": data["block"],
        "readers": readers,
        "trainings": trainings.iter().map(|training| &training.row).collect::<Vec<_>>(),
        "purchases": bought.iter().map(|(who, paid)| json!({ "payer": who, "paid": paid.to_string() })).collect::<Vec<_>>(),
        "paid": {
            "reading": read.to_string(),
            "training": trained.to_string(),
            "rights": rights.to_string(),
            "total": (read + trained + rights).to_string(),
        },
    });
    output::print(settings.json, &value, || {
        let word = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let head = |words: [&str; 4]| words.map(str::to_owned).to_vec();
        let mut rows = vec![head(["reader", "records", "paid", "settlements"])];
        rows.extend(readers.iter().map(|row| {
            ["payer", "records", "paid", "settlements"].iter().map(|key| word(&row[*key])).collect()
        }));
        let mut text = table::columns(&rows);
        let mut rows = vec![head(["training", "records", "paid", "state"])];
        rows.extend(trainings.iter().map(|training| {
            let state = word(&training.row["status"]).to_lowercase();
            vec![
                word(&training.row["request"]),
                training.records.to_string(),
                training.paid.to_string(),
                state,
            ]
        }));
        text += &format!("\n{}", table::columns(&rows));
        if !bought.is_empty() {
            let mut rows = vec![vec!["right bought by".to_owned(), "paid".to_owned()]];
            rows.extend(bought.iter().map(|(who, paid)| vec![who.clone(), paid.to_string()]));
            text += &format!("\n{}", table::columns(&rows));
        }
        text + &format!("\npaid  {read} for reading, {trained} for training, {rights} for rights")
    });
    Ok(())
}

/// All rows of a list of a collection.
async fn pages(settings: &Settings, query: &str, list: &str, id: CollectionId) -> anyhow::Result<Vec<Value>> {
    let indexer = settings.indexer()?;
    let (mut found, mut after) = (Vec::new(), Value::Null);
    loop {
        let data = indexer.query(query, json!({ "id": id, "after": after })).await?;
        let page = &data["collection"][list];
        found.extend(page["edges"].as_array().into_iter().flatten().map(|edge| edge["node"].clone()));
        let end = page["pageInfo"]["endCursor"].clone();
        if page["pageInfo"]["hasNextPage"] != Value::Bool(true) || end.is_null() || end == after {
            return Ok(found);
        }
        after = end;
    }
}

/// What a request took of this collection: receipts are cumulative, so the last one of an input counts.
fn training(request: &Value, id: &Value) -> Training {
    let inputs = request["inputs"].as_array().into_iter().flatten();
    let ours: Vec<&Value> =
        inputs.filter(|input| &input["collectionId"] == id).map(|input| &input["input"]).collect();
    let (mut last, mut paid, mut workers) = (BTreeMap::new(), U256::ZERO, Vec::new());
    for edge in request.pointer("/dataPayments/edges").and_then(Value::as_array).into_iter().flatten() {
        let receipt = &edge["node"];
        if !ours.contains(&&receipt["input"]) {
            continue;
        }
        let records = receipt["records"].as_u64().unwrap_or(0);
        let most = last.entry(receipt["input"].to_string()).or_insert(0);
        *most = records.max(*most);
        paid += amount(&receipt["amount"]);
        if !workers.contains(&receipt["worker"]) {
            workers.push(receipt["worker"].clone());
        }
    }
    let records = last.values().sum();
    let row = json!({
        "request": request["id"],
        "model": request["modelId"],
        "user": request["user"],
        "status": request["status"],
        "version": request.pointer("/versions/0/version"),
        "workers": workers,
        "records": records,
        "paid": paid.to_string(),
    });
    Training { row, records, paid }
}

/// What accounts paid for rights, less what went back.
fn purchases(payments: &[Value]) -> BTreeMap<String, U256> {
    let of = |kind: &str| {
        let mut sums: BTreeMap<String, U256> = BTreeMap::new();
        for payment in payments.iter().filter(|payment| payment["kind"] == kind) {
            let payer = payment["payer"].as_str().unwrap_or_default().to_owned();
            *sums.entry(payer).or_default() += amount(&payment["amount"]);
        }
        sums
    };
    let (mut bought, refunded) = (of("PURCHASE"), of("REFUND"));
    for (payer, sum) in &mut bought {
        *sum = sum.saturating_sub(refunded.get(payer).copied().unwrap_or_default());
    }
    bought
}

/// An amount as decimal digits; nothing where there is none.
fn amount(value: &Value) -> U256 {
    value.as_str().and_then(|digits| digits.parse().ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn receipts_are_cumulative_and_of_one_collection() {
        let receipt = |input: u32, records: u32, amount: &str| json!({ "node": { "input": input, "records": records, "amount": amount, "worker": "w", "payee": "p" } });
        let request = json!({
            "id": "r", "status": "SETTLED",
            "inputs": [{ "input": 0, "collectionId": "c" }, { "input": 1, "collectionId": "other" }],
            "dataPayments": { "edges": [receipt(0, 10, "30"), receipt(0, 25, "45"), receipt(1, 7, "700")] },
            "versions": [],
        });
        let found = training(&request, &json!("c"));
        assert_eq!((found.records, found.paid), (25, U256::from(75)));
        assert_eq!(found.row["workers"], json!(["w"]));
    }

    #[test]
    fn what_went_back_was_not_paid() {
        let row = |kind: &str, amount: &str| json!({ "kind": kind, "payer": "a", "amount": amount });
        let rows = [row("REFUND", "40"), row("PURCHASE", "100"), row("VOUCHER", "7"), row("REFUND", "40")];
        // The newest comes first in a list: sums must not depend on the order.
        let newest_first: Vec<Value> = rows.iter().rev().cloned().collect();
        assert_eq!(purchases(&newest_first)["a"], U256::from(20));
    }
}
