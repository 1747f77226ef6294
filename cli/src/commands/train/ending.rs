//! `offsetdata train cancel`, `expire`: ends a training before its result, and says where the money went.

use std::time::Duration;

use offsetdata_protocol::ids::RequestId;
use offsetdata_sdk::training::{self, Outcome, Status};
use offsetdata_sdk::{Account, Chain};
use serde_json::json;
use tokio::time::Instant;

use crate::context::Settings;
use crate::output;

const EVERY: Duration = Duration::from_millis(500);

#[derive(Debug, clap::Args)]
pub(crate) struct Cancel {
    /// The request
    request: RequestId,
    /// Wait so many seconds for its end, which the scheduler signs; 0 does not wait
    #[arg(long, default_value_t = 60, value_name = "SECONDS")]
    wait: u64,
}

impl Cancel {
    pub(super) async fn run(self, settings: Settings) -> anyhow::Result<()> {
        let (chain, account) = settings.sender().await?;
        let facts = training::facts(&chain, self.request).await?;
        // Asked again it goes on waiting.
        if facts.status == Status::Open {
            training::cancel(&chain, &account, self.request).await?;
        }
        let until = Instant::now() + Duration::from_secs(self.wait);
        loop {
            if training::outcome(&chain, self.request).await?.closed || Instant::now() >= until {
                break;
            }
            tokio::time::sleep(EVERY).await;
        }
        report(&settings, &chain, self.request).await
    }
}

/// Ends a request whose time has passed; where it ended before, returns data escrow whose window has passed.
pub(super) async fn expire(settings: &Settings, request: RequestId) -> anyhow::Result<()> {
    let (chain, account) = settings.sender().await?;
    let outcome = training::outcome(&chain, request).await?;
    if !outcome.facts.status.is_final() {
        training::expire(&chain, &account, request).await?;
    }
    release(&chain, &account, request).await?;
    report(settings, &chain, request).await
}

/// Returns the data escrow that receipts can no longer claim.
async fn release(chain: &Chain, account: &Account, request: RequestId) -> anyhow::Result<()> {
    let outcome = training::outcome(chain, request).await?;
    let over = match outcome.data_open_until {
        Some(until) => chain.now().await? > until,
        None => false,
    };
    if over && !outcome.data_open.is_zero() {
        training::release_data_escrow(chain, account, request).await?;
    }
    Ok(())
}

/// Says what was paid and what came back.
async fn report(settings: &Settings, chain: &Chain, request: RequestId) -> anyhow::Result<()> {
    let outcome = training::outcome(chain, request).await?;
    let Outcome { facts, developer_paid, relay_paid, refunded, data_open, .. } = &outcome;
    let (closed, data) = (outcome.closed, outcome.data_paid());
    let paid = *developer_paid + *relay_paid + data;
    let value = json!({
        "request": request,
        "status": facts.status.word(),
        "closed": closed,
        "units": facts.state.units.to::<u64>(),
        "escrow": facts.escrowed().to_string(),
        "developerPaid": developer_paid.to_string(),
        "relayPaid": relay_paid.to_string(),
        "dataPaid": data.to_string(),
        "paid": paid.to_string(),
        "refunded": (*refunded + outcome.data_returned).to_string(),
        "dataEscrowOpen": data_open.to_string(),
        "dataEscrowOpenUntil": outcome.data_open_until,
    });
    output::print(settings.json, &value, || {
        if !closed {
            let units = facts.state.units;
            return format!(
                "asked to stop; {units} units are signed so far and will be paid. It ends when the scheduler signs \
                 that, or by `offsetdata train expire {request}` after the grace of {} s",
                facts.terms.escrow.landing.gracePeriod
            );
        }
        let mut text = format!(
            "{}: {} units\npaid      {paid}: developer {developer_paid}, relayers {relay_paid}, data {data}\n\
             returned  {} of {}; `offsetdata account withdraw` takes it out",
            facts.status.word().to_lowercase(),
            facts.state.units,
            *refunded + outcome.data_returned,
            facts.escrowed(),
        );
        if !data_open.is_zero() {
            text += &format!(
                "\nopen      {data_open} for data whose receipts may still come; after an hour \
                 `offsetdata train expire {request}` returns it"
            );
        }
        text
    });
    Ok(())
}
