//! `offsetdata account`: who an account is, what it has and what the contracts owe it.

use alloy::primitives::{Address, U256};
use alloy::providers::Provider;
use anyhow::Context as _;
use offsetdata_sdk::{billing, token};
use serde_json::json;

use crate::context::Settings;
use crate::output;

#[derive(Debug, clap::Subcommand)]
pub(crate) enum Account {
    /// Show address, balances and credit
    #[command(after_help = "Example: offsetdata account show --as dev:2")]
    Show,
    /// Make development tokens for an address (development token only)
    #[command(after_help = "Example: offsetdata account mint 1000000000 --as dev:2")]
    Mint {
        /// Amount in the token's smallest unit
        amount: U256,
        /// Who gets them; without it the account itself
        #[arg(long)]
        to: Option<Address>,
    },
    /// Take out what the contracts owe the account
    #[command(after_help = "Example: offsetdata account withdraw --as dev:2")]
    Withdraw,
}

impl Account {
    pub(crate) async fn run(self, settings: Settings) -> anyhow::Result<()> {
        let (chain, account) = match self {
            Self::Show => (settings.chain().await?, settings.account()?),
            Self::Mint { .. } | Self::Withdraw => settings.sender().await?,
        };
        let address = account.address();
        match self {
            Self::Show => {}
            Self::Mint { amount, to } => token::mint(&chain, &account, to.unwrap_or(address), amount).await?,
            Self::Withdraw => {
                billing::withdraw(&chain, &account).await?;
            }
        }
        let native = chain.provider().get_balance(address).await.context("asking for the balance")?;
        let balance = token::balance_of(&chain, address).await?;
        let owed = billing::credits(&chain, address).await?;
        let value = json!({
            "address": address,
            "native": native.to_string(),
            "token": balance.to_string(),
            "credit": owed.coordinator.to_string(),
            "billingCredit": owed.billing.to_string(),
            "accessCredit": owed.access.to_string(),
        });
        output::print(settings.json, &value, || {
            format!(
                "address  {address}\nnative   {native} wei\ntoken    {balance}\ncredit   {} for trainings, {} for reading, \
                 {} for rights",
                owed.coordinator, owed.billing, owed.access
            )
        });
        Ok(())
    }
}
