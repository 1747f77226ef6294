//! `offsetdata train retrain`: the terms of a request with other hyperparameters, as its child.

use alloy::primitives::B256;
use anyhow::{Context as _, bail};
use offsetdata_protocol::Digest;
use offsetdata_protocol::ids::{CollectionId, MethodId, ModelId, RequestId};
use offsetdata_protocol::selection::SplitRule;
use offsetdata_sdk::training::{self, PlanInput, TrainingPlan};
use serde_json::{Map, Value};

use super::hyperparameters::Hyperparameters;
use super::method::Method;
use super::order::{Order, train_records};
use crate::context::Settings;

/// Longest hyperparameters that are read, in bytes.
const MAX_BYTES: usize = 256 * 1024;

#[derive(Debug, clap::Args)]
pub(crate) struct Retrain {
    /// The request to retrain
    request: RequestId,
    #[command(flatten)]
    hyperparameters: Hyperparameters,
    /// Another model to train; without it the request's
    #[arg(long)]
    model: Option<ModelId>,
    /// Pay for at most so many units; without it what the training takes
    #[arg(long)]
    unit_limit: Option<u64>,
    /// Minutes within which the training has to begin; without it as in the request
    #[arg(long)]
    start_within: Option<u64>,
    /// Minutes within which it has to end; without it as in the request
    #[arg(long)]
    end_within: Option<u64>,
    #[command(flatten)]
    order: Order,
}

impl Retrain {
    pub(crate) async fn run(self, settings: Settings) -> anyhow::Result<()> {
        let (chain, account) = settings.sender().await?;
        let parent = training::terms_of(&chain, self.request).await?;
        let (details, landing) = (parent.details, parent.escrow.landing);
        let model = self.model.unwrap_or(ModelId(details.model));
        let id = MethodId(details.method);
        let method = Method::find(&settings, &chain, model, Some((id, &id.to_string()))).await?;
        let before = match self.hyperparameters.are_whole() {
            true => Map::new(),
            false => hyperparameters_of(&settings, details.hyperparametersDigest).await?,
        };
        let hyperparameters = Value::Object(self.hyperparameters.over(before)?);
        method.check(&hyperparameters)?;
        let mut inputs = Vec::with_capacity(parent.inputs.len());
        for input in &parent.inputs {
            let records = match input.selection {
                0 => None,
                1 => Some(input.first..input.first.saturating_add(input.count)),
                _ => bail!("the request trains on data that {} can't name again", method.name()),
            };
            inputs.push(PlanInput { collection: CollectionId(input.collection), records });
        }
        let rule = SplitRule::new(details.splitSeed, details.validationBps, details.testBps)?;
        let unit_limit = match self.unit_limit {
            Some(units) => units,
            None => method.estimate(train_records(&chain, &inputs, &rule).await?, &hyperparameters)?,
        };
        let opened = landing.openedAt.to::<u64>();
        let within = |minutes: Option<u64>, end: u64| {
            minutes.map_or(end.saturating_sub(opened), |minutes| minutes.saturating_mul(60))
        };
        let plan = TrainingPlan {
            model,
            method: id,
            inputs,
            hyperparameters: String::from_utf8(serde_json_canonicalizer::to_vec(&hyperparameters)?)?,
            seed: details.seed,
            split_seed: details.splitSeed,
            validation_bps: details.validationBps,
            test_bps: details.testBps,
            unit_limit,
            relay_fee: landing.relayFee,
            relay_fee_cap: landing.relayFeeCap,
            start_within: within(self.start_within, landing.startDeadline.to::<u64>()),
            end_within: within(self.end_within, landing.deadline.to::<u64>()),
            parent: Some(self.request),
            salt: B256::ZERO,
        };
        self.order.place(settings, &chain, &account, &plan).await
    }
}

/// The hyperparameters of a request, by their digest.
pub(super) async fn hyperparameters_of(
    settings: &Settings,
    digest: B256,
) -> anyhow::Result<Map<String, Value>> {
    let digest = Digest(digest.0);
    let bytes = settings.blocks()?.get_raw(digest, MAX_BYTES).await.with_context(|| {
        format!("the hyperparameters of the request are block {digest}; --hyperparameters FILE says all of them anew")
    })?;
    match serde_json::from_slice(&bytes).context("the hyperparameters of the request")? {
        Value::Object(values) => Ok(values),
        _ => bail!("the hyperparameters of the request are no JSON object"),
    }
}
