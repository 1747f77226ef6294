//! `offsetdata base publish`: offers a base with one method, and allows its workers.

use alloy::primitives::Address;
use anyhow::{Context as _, ensure};
use offsetdata_protocol::bindings::models::MethodTerms;
use offsetdata_protocol::cid::RAW;
use offsetdata_sdk::models;
use offsetdata_worker::trainers::BuiltIn;
use serde_json::json;

use crate::commands::description::describe;
use crate::commands::publish::salt;
use crate::context::Settings;
use crate::output;

#[derive(Debug, clap::Args)]
pub(crate) struct Publish {
    /// Name of the base
    #[arg(long)]
    name: String,
    /// What it is good for
    #[arg(long, default_value = "")]
    description: String,
    /// Trainer of the method; the method has its name
    #[arg(long, default_value = "image-classifier")]
    trainer: String,
    /// Price of one unit (one record seen in training), in the token's smallest unit
    #[arg(long)]
    unit_price: u128,
    /// No more units a second than this are paid
    #[arg(long, default_value_t = 1_000_000)]
    units_per_second: u64,
    /// Part held back until settlement, in percent
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u16).range(0..=100))]
    holdback: u16,
    /// Address of the key that signs assignments: the relayer's
    #[arg(long)]
    scheduler: Address,
    /// Addresses of the workers' keys
    #[arg(long = "worker", required = true)]
    workers: Vec<Address>,
}

impl Publish {
    pub(super) async fn run(self, settings: Settings) -> anyhow::Result<()> {
        let (chain, account) = settings.sender().await?;
        let trainer = BuiltIn::find(&self.trainer)?;
        let schema = settings.blocks()?.put(RAW, trainer.schema().as_bytes()).await?;
        ensure!(!self.workers.is_empty(), "name at least one --worker");
        let description = json!({
            "name": self.name,
            "description": self.description,
            "methods": [{ "name": trainer.name(), "version": trainer.version(), "schema": schema.to_string() }],
        });
        let metadata = describe(&settings, &description).await?;
        let id = models::publish_base(&chain, &account, &metadata, salt("base", &self.name)).await?;
        let terms = MethodTerms {
            unitPrice: self.unit_price,
            maxUnitsPerSecond: self.units_per_second,
            holdbackBps: self.holdback.checked_mul(100).context("the holdback")?,
            intake: models::INTAKE_COLLECTION,
            scheduler: self.scheduler,
            trainerDigest: trainer.digest(),
            schemaDigest: trainer.schema_digest(),
        };
        let method = models::offer_method(&chain, &account, id, trainer.name(), terms).await?;
        models::set_workers(&chain, &account, id, self.workers.clone(), true).await?;
        let value = json!({
            "id": id,
            "developer": account.address(),
            "method": method,
            "trainerDigest": trainer.digest(),
            "schema": schema.to_string(),
            "workers": self.workers,
        });
        output::print(settings.json, &value, || {
            format!(
                "base       {id}\ndeveloper  {}\nmethod     {} at {} a unit\nworkers    {}",
                account.address(),
                trainer.name(),
                self.unit_price,
                self.workers.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
            )
        });
        Ok(())
    }
}
