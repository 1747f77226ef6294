//! `offsetdata train request`: makes the plan of a training from words.

use std::ops::Range;

use alloy::primitives::{B256, keccak256};
use anyhow::ensure;
use offsetdata_protocol::ids::{CollectionId, MethodId, ModelId, RequestId};
use offsetdata_protocol::selection::SplitRule;
use offsetdata_sdk::training::{PlanInput, TrainingPlan};
use serde_json::{Map, Value};

use super::hyperparameters::Hyperparameters;
use super::method::Method;
use super::order::{Order, train_records};
use crate::context::Settings;

#[derive(Debug, clap::Args)]
pub(crate) struct Request {
    /// The model
    #[arg(long)]
    model: ModelId,
    /// Method of its base; without it the only one that is offered
    #[arg(long)]
    method: Option<String>,
    /// Collection to train on, whole; may be given several times
    #[arg(long = "collection", required_unless_present = "ranges")]
    collections: Vec<CollectionId>,
    /// Records of a collection to train on: COLLECTION=FIRST..END, END not included; may be given several times
    #[arg(long = "range", value_name = "COLLECTION=FIRST..END", value_parser = collection_range)]
    ranges: Vec<PlanInput>,
    #[command(flatten)]
    hyperparameters: Hyperparameters,
    /// Part of the records for validation, in percent
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u16).range(0..=90))]
    validation: u16,
    /// Part of the records for test, in percent
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u16).range(0..=90))]
    test: u16,
    /// Seed of all randomness: the same seed on the same data gives the same model
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Pay for at most so many units; without it what the training takes
    #[arg(long)]
    unit_limit: Option<u64>,
    /// Paid to whoever lands a commitment, in the token's smallest unit
    #[arg(long, default_value_t = 1000)]
    relay_fee: u128,
    /// For at most so many commitments
    #[arg(long, default_value_t = 200)]
    relay_fee_cap: u32,
    /// Minutes within which the training has to begin
    #[arg(long, default_value_t = 60)]
    start_within: u64,
    /// Minutes within which it has to end
    #[arg(long, default_value_t = 24 * 60)]
    end_within: u64,
    /// The request that this one retrains
    #[arg(long)]
    parent: Option<RequestId>,
    #[command(flatten)]
    order: Order,
}

impl Request {
    pub(crate) async fn run(self, settings: Settings) -> anyhow::Result<()> {
        ensure!(self.validation + self.test < 100, "validation and test leave nothing for training");
        let (chain, account) = settings.sender().await?;
        let wanted = self.method.as_deref().map(|name| (MethodId::of_name(name), name));
        let method = Method::find(&settings, &chain, self.model, wanted).await?;
        let hyperparameters = Value::Object(self.hyperparameters.over(Map::new())?);
        method.check(&hyperparameters)?;
        let whole = self.collections.iter().copied().map(PlanInput::from);
        let inputs: Vec<PlanInput> = whole.chain(self.ranges).collect();
        let split_seed = keccak256(format!("offsetdata split {}", self.seed));
        let (validation_bps, test_bps) = (self.validation * 100, self.test * 100);
        let unit_limit = match self.unit_limit {
            Some(units) => units,
            None => {
                let rule = SplitRule::new(split_seed, validation_bps, test_bps)?;
                method.estimate(train_records(&chain, &inputs, &rule).await?, &hyperparameters)?
            }
        };
        let plan = TrainingPlan {
            model: self.model,
            method: method.id(),
            inputs,
            hyperparameters: String::from_utf8(serde_json_canonicalizer::to_vec(&hyperparameters)?)?,
            seed: keccak256(format!("offsetdata training {}", self.seed)),
            split_seed,
            validation_bps,
            test_bps,
            unit_limit,
            relay_fee: self.relay_fee,
            relay_fee_cap: self.relay_fee_cap,
            start_within: self.start_within * 60,
            end_within: self.end_within * 60,
            parent: self.parent,
            salt: B256::ZERO,
        };
        self.order.place(settings, &chain, &account, &plan).await
    }
}

/// FIRST..END as a range.
pub(crate) fn range(text: &str) -> Result<Range<u32>, String> {
    let expected = || format!("expected FIRST..END, as 0..100, not {text}");
    let (first, end) = text.split_once("..").ok_or_else(expected)?;
    let number = |text: &str| text.trim().parse::<u32>().map_err(|_| expected());
    Ok(number(first)?..number(end)?)
}

fn collection_range(text: &str) -> Result<PlanInput, String> {
    let (collection, records) =
        text.split_once('=').ok_or_else(|| format!("expected COLLECTION=FIRST..END, not {text}"))?;
    let collection: CollectionId = collection.trim().parse().map_err(|e| format!("{e}"))?;
    Ok(PlanInput { collection, records: Some(range(records)?) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_names_its_collection() {
        let id = format!("0x{}", "ab".repeat(32));
        let input = collection_range(&format!("{id}=10..20")).unwrap();
        assert_eq!((input.collection.to_string(), input.records), (id.clone(), Some(10..20)));
        for wrong in [id.clone(), format!("{id}=10"), "0xab=1..2".to_owned(), format!("{id}=a..b")] {
            assert!(collection_range(&wrong).is_err(), "{wrong}");
        }
    }
}
