//! `offsetdata train request`: makes the plan, tells what it costs, and requests.

use std::path::PathBuf;

use alloy::primitives::{B256, keccak256};
use anyhow::{Context as _, bail, ensure};
use offsetdata_protocol::cid::RAW;
use offsetdata_protocol::ids::{CollectionId, MethodId, ModelId, RequestId};
use offsetdata_protocol::selection::{Split, SplitRule};
use offsetdata_sdk::Chain;
use offsetdata_sdk::collections;
use offsetdata_sdk::training::{self, Terms, TrainingPlan};
use offsetdata_worker::trainers::BuiltIn;
use serde_json::{Map, Value, json};

use super::watch;
use crate::context::Settings;
use crate::output;

#[derive(Debug, clap::Args)]
pub(crate) struct Request {
    /// The model
    #[arg(long)]
    model: ModelId,
    /// Method of its base
    #[arg(long, default_value = "image-classifier")]
    method: String,
    /// Collection to train on; may be given several times
    #[arg(long = "collection", required = true)]
    collections: Vec<CollectionId>,
    /// One hyperparameter, for example epochs=30; may be given several times
    #[arg(long = "set", value_name = "NAME=VALUE")]
    set: Vec<String>,
    /// File with hyperparameters as JSON; --set goes before it
    #[arg(long, value_name = "FILE")]
    hyperparameters: Option<PathBuf>,
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
    /// Say what it would cost, and request nothing
    #[arg(long)]
    estimate: bool,
    /// Watch it until it ends
    #[arg(long)]
    watch: bool,
}

impl Request {
    pub(crate) async fn run(self, settings: Settings) -> anyhow::Result<()> {
        ensure!(self.validation + self.test < 100, "validation and test leave nothing for training");
        let (chain, account) = (settings.chain().await?, settings.account()?);
        let trainer = BuiltIn::find(&self.method)?;
        let hyperparameters = self.hyperparameters()?;
        trainer.check_hyperparameters(&hyperparameters)?;
        let split_seed = keccak256(format!("offsetdata split {}", self.seed));
        let units = match self.unit_limit {
            Some(units) => units,
            None => {
                let records = self.train_records(&chain, split_seed).await?;
                trainer.estimate_units(records, &hyperparameters)?
            }
        };
        let plan = TrainingPlan {
            model: self.model,
            method: MethodId::of_name(&self.method),
            inputs: self.collections.iter().copied().map(Into::into).collect(),
            hyperparameters: String::from_utf8(serde_json_canonicalizer::to_vec(&hyperparameters)?)?,
            seed: keccak256(format!("offsetdata training {}", self.seed)),
            split_seed,
            validation_bps: self.validation * 100,
            test_bps: self.test * 100,
            unit_limit: units,
            relay_fee: self.relay_fee,
            relay_fee_cap: self.relay_fee_cap,
            start_within: self.start_within * 60,
            end_within: self.end_within * 60,
            parent: self.parent,
            salt: B256::ZERO,
        };
        let terms = training::prepare(&chain, account.address(), &plan).await?;
        if self.estimate {
            report(&settings, &terms, None);
            return Ok(());
        }
        // Whoever trains fetches them by their digest.
        settings.blocks()?.put(RAW, plan.hyperparameters.as_bytes()).await?;
        let receipt = training::request(&chain, &account, &terms).await?;
        if self.watch && settings.json {
            return watch::Watch::of(terms.request).run(settings).await;
        }
        report(&settings, &terms, Some(receipt.gas_used));
        if self.watch {
            watch::Watch::of(terms.request).run(settings).await?;
        }
        Ok(())
    }

    /// The file's values, and those of --set over them.
    fn hyperparameters(&self) -> anyhow::Result<Value> {
        let mut values = match &self.hyperparameters {
            None => Map::new(),
            Some(path) => {
                let text =
                    std::fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))?;
                match serde_json::from_str(&text).with_context(|| path.display().to_string())? {
                    Value::Object(values) => values,
                    _ => bail!("{}: expected a JSON object", path.display()),
                }
            }
        };
        for set in &self.set {
            let (name, value) =
                set.split_once('=').with_context(|| format!("--set {set}: expected NAME=VALUE"))?;
            // A value that is not JSON is a word.
            let value = serde_json::from_str(value).unwrap_or_else(|_| Value::from(value));
            values.insert(name.to_owned(), value);
        }
        Ok(Value::Object(values))
    }

    /// How many records the split leaves for training: exactly, as the split follows from its seed.
    async fn train_records(&self, chain: &Chain, split_seed: B256) -> anyhow::Result<u64> {
        let rule = SplitRule::new(split_seed, self.validation * 100, self.test * 100)?;
        let mut records = 0;
        for id in &self.collections {
            let count = collections::facts(chain, *id).await?.on_chain.record_count.get();
            records += (0..count).filter(|index| rule.split(*index) == Split::Train).count() as u64;
        }
        Ok(records)
    }
}

fn report(settings: &Settings, terms: &Terms, gas: Option<u64>) {
    let escrow = &terms.escrow;
    let value = json!({
        "request": terms.request,
        "requested": gas.is_some(),
        "gas": gas,
        "escrow": terms.total.to_string(),
        "unitPrice": escrow.unitPrice.to_string(),
        "unitLimit": escrow.landing.unitLimit.to::<u64>(),
        "dataEscrow": escrow.dataEscrow.to_string(),
        "relayFee": escrow.landing.relayFee.to_string(),
        "relayFeeCap": escrow.landing.relayFeeCap,
    });
    output::print(settings.json, &value, || {
        format!(
            "request  {}\nescrow   {}: at most {} units at {}, {} for data, {} landings at {}\n{}",
            terms.request,
            terms.total,
            escrow.landing.unitLimit,
            escrow.unitPrice,
            escrow.dataEscrow,
            escrow.landing.relayFeeCap,
            escrow.landing.relayFee,
            match gas {
                Some(gas) => format!(
                    "chain    requested with {gas} gas; watch it: offsetdata train watch {}",
                    terms.request
                ),
                None => "nothing was requested".to_owned(),
            }
        )
    });
}
