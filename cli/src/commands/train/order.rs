//! What `train request` and `train retrain` have in common: the cost is told, held against a limit, and paid. It makes no
//! plan.

use alloy::primitives::U256;
use anyhow::ensure;
use offsetdata_protocol::cid::RAW;
use offsetdata_protocol::selection::{Split, SplitRule};
use offsetdata_sdk::training::{self, PlanInput, Terms, TrainingPlan};
use offsetdata_sdk::{Account, Chain, collections};
use serde_json::{Value, json};

use super::watch;
use crate::context::Settings;
use crate::output;

#[derive(Debug, clap::Args)]
pub(super) struct Order {
    /// Refuse where more than this would be escrowed, in the token's smallest unit
    #[arg(long, value_name = "AMOUNT")]
    max_cost: Option<U256>,
    /// Say what it would cost, and request nothing
    #[arg(long)]
    estimate: bool,
    /// Watch it until it ends
    #[arg(long)]
    watch: bool,
}

impl Order {
    /// Makes the terms, tells what they cost, and requests.
    pub(super) async fn place(
        &self,
        settings: Settings,
        chain: &Chain,
        account: &Account,
        plan: &TrainingPlan,
    ) -> anyhow::Result<()> {
        let terms = training::prepare(chain, account.address(), plan).await?;
        if self.estimate {
            report(&settings, &terms, None);
            return Ok(());
        }
        if !settings.json {
            eprintln!("{}", cost(&terms));
        }
        if let Some(most) = self.max_cost {
            ensure!(
                terms.total <= most,
                "it would escrow {}, at most {most} is allowed: fewer epochs or records cost less",
                terms.total
            );
        }
        // Whoever trains fetches them by their digest.
        settings.blocks()?.put(RAW, plan.hyperparameters.as_bytes()).await?;
        let receipt = training::request(chain, account, &terms).await?;
        if self.watch && settings.json {
            return watch::Watch::of(terms.request).run(settings).await;
        }
        report(&settings, &terms, Some(receipt.gas_used));
        if self.watch {
            watch::Watch::of(terms.request).run(settings).await?;
        }
        Ok(())
    }
}

/// How many records the split leaves for training: exactly, as the split follows from its seed.
pub(super) async fn train_records(
    chain: &Chain,
    inputs: &[PlanInput],
    rule: &SplitRule,
) -> anyhow::Result<u64> {
    let mut records = 0;
    for input in inputs {
        let range = match &input.records {
            Some(range) => range.clone(),
            None => 0..collections::facts(chain, input.collection).await?.on_chain.record_count.get(),
        };
        records += range.filter(|index| rule.split(*index) == Split::Train).count() as u64;
    }
    Ok(records)
}

/// The parts of the escrow, in lines.
fn cost(terms: &Terms) -> String {
    let (escrow, landing) = (&terms.escrow, &terms.escrow.landing);
    let units = U256::from(landing.unitLimit) * U256::from(escrow.unitPrice);
    let relay = U256::from(landing.relayFee) * U256::from(landing.relayFeeCap);
    let records: u64 = terms.inputs.iter().map(|input| u64::from(input.recordCap)).sum();
    format!(
        "units    {units}: at most {} at {}\ndata     {}: at most {records} records\n\
         relay    {relay}: at most {} landings at {}\nescrow   {}; what is not used comes back",
        landing.unitLimit,
        escrow.unitPrice,
        escrow.dataEscrow,
        landing.relayFeeCap,
        landing.relayFee,
        terms.total
    )
}

fn report(settings: &Settings, terms: &Terms, gas: Option<u64>) {
    let escrow = &terms.escrow;
    let parent = Some(terms.details.parent).filter(|parent| !parent.is_zero());
    let value = json!({
        "request": terms.request,
        "requested": gas.is_some(),
        "parent": parent,
        "gas": gas,
        "escrow": terms.total.to_string(),
        "unitPrice": escrow.unitPrice.to_string(),
        "unitLimit": escrow.landing.unitLimit.to::<u64>(),
        "unitCost": (U256::from(escrow.landing.unitLimit) * U256::from(escrow.unitPrice)).to_string(),
        "dataEscrow": escrow.dataEscrow.to_string(),
        "relayFee": escrow.landing.relayFee.to_string(),
        "relayFeeCap": escrow.landing.relayFeeCap,
        "inputs": terms.inputs.iter().map(input_as_json).collect::<Vec<_>>(),
    });
    output::print(settings.json, &value, || match gas {
        Some(gas) => format!(
            "request  {}\nchain    requested with {gas} gas; watch it: offsetdata train watch {}",
            terms.request, terms.request
        ),
        None => format!("{}\nnothing was requested", cost(terms)),
    });
}

fn input_as_json(input: &offsetdata_protocol::bindings::training::DataInput) -> Value {
    json!({
        "collection": input.collection,
        "first": input.first,
        "count": input.count,
        "pricePerRecord": input.pricePerRecord.to_string(),
        "payee": input.payee,
    })
}
