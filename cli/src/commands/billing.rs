//! `offsetdata billing`: what was read and paid: statements, settlement, revenue, deposits.

use alloy::primitives::{Address, U256};
use offsetdata_protocol::gateway_api::{LaneStatement, Totals};
use offsetdata_protocol::ids::CollectionId;
use offsetdata_sdk::gateway::SignedIn;
use offsetdata_sdk::{Chain, Gateway, access, billing, collections, token};
use serde_json::{Value, json};

use crate::context::Settings;
use crate::output;

#[derive(Debug, clap::Subcommand)]
pub(crate) enum Billing {
    /// What the account was charged for a collection, beside what the chain says
    #[command(
        after_help = "Example: offsetdata billing statement 0x… --gateway http://127.0.0.1:8470 --as dev:6"
    )]
    Statement(At),
    /// What a collection sold (publisher), beside what the chain says
    #[command(
        after_help = "Example: offsetdata billing sales 0x… --gateway http://127.0.0.1:8470 --as dev:1"
    )]
    Sales(At),
    /// Have the gateway settle what is open
    #[command(
        after_help = "Example: offsetdata billing settle 0x… --gateway http://127.0.0.1:8470 --as dev:1"
    )]
    Settle(At),
    /// Credit the payee with its revenue and take it out
    #[command(after_help = "Example: offsetdata billing collect 0x… --as dev:1")]
    Collect {
        /// The collection
        collection: CollectionId,
    },
    /// Deposit money that vouchers to a payee may take
    #[command(after_help = "Example: offsetdata billing deposit 0x… 1000000 --as dev:6")]
    Deposit {
        /// Who may take it
        payee: Address,
        /// In the token's smallest unit
        amount: U256,
    },
}

#[derive(Debug, clap::Args)]
pub(crate) struct At {
    /// The collection
    collection: CollectionId,
    /// Gateway that sells it
    #[arg(long, env = "OFFSETDATA_GATEWAY_URL")]
    gateway: String,
}

impl At {
    async fn session(&self, settings: &Settings) -> anyhow::Result<(Chain, SignedIn)> {
        let chain = settings.chain().await?;
        let session = Gateway::connect(&self.gateway, &chain).await?.sign_in(&settings.account()?).await?;
        Ok((chain, session))
    }
}

impl Billing {
    pub(crate) async fn run(self, settings: Settings) -> anyhow::Result<()> {
        match self {
            Self::Statement(at) => statement(&settings, &at).await,
            Self::Sales(at) => sales(&settings, &at).await,
            Self::Settle(at) => {
                let (_, session) = at.session(&settings).await?;
                let open = session.settle(at.collection).await?;
                output::print(settings.json, &json!({ "open": open.to_string() }), || {
                    format!("{open} are being settled; `offsetdata billing statement` shows when they are")
                });
                Ok(())
            }
            Self::Collect { collection } => collect(&settings, collection).await,
            Self::Deposit { payee, amount } => {
                let (chain, account) = settings.sender().await?;
                let receipt = billing::deposit(&chain, &account, payee, amount).await?;
                let value = json!({ "transaction": receipt.transaction_hash, "amount": amount.to_string() });
                output::print(settings.json, &value, || format!("{amount} deposited for {payee}"));
                Ok(())
            }
        }
    }
}

async fn statement(settings: &Settings, at: &At) -> anyhow::Result<()> {
    let (chain, session) = at.session(settings).await?;
    let statement = session.statement(at.collection).await?;
    let settled = billing::settled_by(&chain, session.account().address()).await?;
    let settled = settled.into_iter().filter(|row| row.event.collection == at.collection.0);
    let on_chain: U256 = settled.map(|row| row.event.paid).fold(U256::ZERO, |sum, paid| sum + paid);
    report(settings, &statement.total, &statement.lanes, on_chain, &json!({ "account": statement.account }));
    Ok(())
}

async fn sales(settings: &Settings, at: &At) -> anyhow::Result<()> {
    let (chain, session) = at.session(settings).await?;
    let mut sales = session.sales(at.collection, None).await?;
    let mut lanes = std::mem::take(&mut sales.lanes);
    let mut next = sales.next.take();
    while let Some(cursor) = next {
        let mut page = session.sales(at.collection, Some(&cursor)).await?;
        lanes.append(&mut page.lanes);
        next = page.next.filter(|other| *other != cursor);
    }
    let account = session.account().address();
    let on_chain = sold(&chain, at.collection, &lanes, account).await?;
    report(settings, &sales.total, &lanes, on_chain, &json!({ "publisher": account }));
    Ok(())
}

/// What the chain says was settled by the payers of these lanes.
async fn sold(
    chain: &Chain,
    id: CollectionId,
    lanes: &[LaneStatement],
    payee: Address,
) -> anyhow::Result<U256> {
    let offer = access::standing(chain, id, payee, collections::RIGHT_READ).await?.offer;
    let payee = if offer.payee.is_zero() { payee } else { offer.payee };
    let mut payers: Vec<Address> = lanes.iter().map(|lane| lane.payer).collect();
    payers.sort_unstable();
    payers.dedup();
    let mut sum = U256::ZERO;
    for payer in payers {
        let settled = billing::settled_by(chain, payer).await?;
        let of_this = settled.iter().filter(|row| row.event.collection == id.0 && row.event.payee == payee);
        sum += of_this.map(|row| row.event.paid).fold(U256::ZERO, |sum, paid| sum + paid);
    }
    Ok(sum)
}

fn report(settings: &Settings, total: &Totals, lanes: &[LaneStatement], on_chain: U256, who: &Value) {
    let equal = U256::from(total.settled.0) == on_chain;
    let mut value = json!({
        "charged": total.charged.0.to_string(),
        "settled": total.settled.0.to_string(),
        "open": total.open.0.to_string(),
        "records": total.records.0,
        "onChain": on_chain.to_string(),
        "equal": equal,
        "lanes": lanes,
    });
    if let (Some(object), Some(who)) = (value.as_object_mut(), who.as_object()) {
        object.extend(who.clone());
    }
    output::print(settings.json, &value, || {
        let mut text = format!(
            "charged   {} for {} records\nsettled   {}\non chain  {on_chain}{}\nopen      {}\n",
            total.charged.0,
            total.records.0,
            total.settled.0,
            if equal {
                ""
            } else {
                "   (differs: settled lags behind by some blocks, or the gateway is wrong)"
            },
            total.open.0,
        );
        for lane in lanes.iter().filter_map(|lane| lane.failure.as_ref().map(|why| (lane, why))) {
            text += &format!("not paid  {} open of {}: {}\n", lane.0.total.open.0, lane.0.payer, lane.1);
        }
        text
    });
}

async fn collect(settings: &Settings, collection: CollectionId) -> anyhow::Result<()> {
    let (chain, account) = settings.sender().await?;
    let collected = billing::collect(&chain, &account, account.address(), collection).await?;
    let taken = billing::withdraw(&chain, &account).await?;
    let balance = token::balance_of(&chain, account.address()).await?;
    let value = json!({
        "collected": collected.to_string(),
        "withdrawn": taken.total().to_string(),
        "token": balance.to_string(),
    });
    output::print(settings.json, &value, || {
        format!("collected  {collected}\nwithdrawn  {}\nbalance    {balance}", taken.total())
    });
    Ok(())
}
