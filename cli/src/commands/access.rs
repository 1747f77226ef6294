//! `offsetdata access`: who may read or train on a collection, and how one gets to.

use std::path::PathBuf;

use alloy::primitives::{Address, B256};
use offsetdata_protocol::ids::CollectionId;
use offsetdata_sdk::gateway::Purse;
use offsetdata_sdk::{Gateway, access, billing, collections};
use offsetdata_worker::trainers::BuiltIn;
use serde_json::json;

use crate::context::Settings;
use crate::output;

#[derive(Debug, clap::Subcommand)]
pub(crate) enum Access {
    /// Show whether an account may read or train, and what is offered
    #[command(after_help = "Example: offsetdata access show 0x… --as dev:6")]
    Show {
        /// The collection
        collection: CollectionId,
        /// Whose; without it the account of --as
        #[arg(long = "account", value_name = "ADDRESS")]
        whose: Option<Address>,
    },
    /// Take a metered offer by signatures only: a permit, and a spender key up to a cap
    #[command(
        after_help = "Example: offsetdata access take 0x… --gateway http://127.0.0.1:8470 --cap 10000 \\
  --purse reader.json --as dev:6

No transaction and no ETH: the gateway lands both signatures when it settles. Then `offsetdata fetch` reads with the purse."
    )]
    Take(Take),
    /// Buy a right for the time that is offered
    #[command(after_help = "Example: offsetdata access buy 0x… --max-price 5000000 --as dev:6")]
    Buy {
        /// The collection
        collection: CollectionId,
        #[arg(long, value_enum, default_value_t = Right::Read)]
        right: Right,
        /// The most that is paid, in the token's smallest unit
        #[arg(long)]
        max_price: u128,
    },
    /// Grant a right (publisher)
    #[command(after_help = "Example: offsetdata access grant 0x… --to 0x… --as dev:1")]
    Grant {
        /// The collection
        collection: CollectionId,
        #[arg(long, value_enum, default_value_t = Right::Read)]
        right: Right,
        /// To whom
        #[arg(long, required = true, value_delimiter = ',')]
        to: Vec<Address>,
        /// When it ends, in Unix seconds; without it never
        #[arg(long)]
        until: Option<u64>,
    },
    /// Revoke a right that was granted or bought (publisher)
    #[command(after_help = "Example: offsetdata access revoke 0x… --from 0x… --as dev:1")]
    Revoke {
        /// The collection
        collection: CollectionId,
        #[arg(long, value_enum, default_value_t = Right::Read)]
        right: Right,
        /// From whom
        #[arg(long, required = true, value_delimiter = ',')]
        from: Vec<Address>,
    },
    /// Deny accounts every right, metered ones too, or take that back (publisher)
    #[command(after_help = "Example: offsetdata access deny 0x… --account 0x… --as dev:1

What was read is read: this stops future keys.")]
    Deny {
        /// The collection
        collection: CollectionId,
        /// Whom
        #[arg(long = "account", value_name = "ADDRESS", required = true, value_delimiter = ',')]
        whom: Vec<Address>,
        /// Take the denial back
        #[arg(long)]
        lift: bool,
    },
    /// Trust a worker to train on a collection, or take that back (publisher)
    #[command(
        after_help = "Example: offsetdata access trust 0x… --worker 0x… --trainer image-classifier --as dev:1

A gateway gives keys for training only to workers that are trusted, and only for a request whose scheduler assigned them.
What a worker was given it can keep: docs/threat-model.md says what TRAIN does not protect against."
    )]
    Trust {
        /// The collection
        collection: CollectionId,
        /// The worker's address
        #[arg(long)]
        worker: Address,
        /// Built-in trainer that it may run, or a trainer's digest; without it any
        #[arg(long, value_parser = trainer)]
        trainer: Option<B256>,
        /// Take it back
        #[arg(long)]
        lift: bool,
    },
    /// Revoke a spender key of the account
    #[command(after_help = "Example: offsetdata access revoke-key 0x… --as dev:6")]
    RevokeKey {
        /// The key's address
        spender: Address,
    },
}

#[derive(Debug, clap::Args)]
pub(crate) struct Take {
    /// The collection
    collection: CollectionId,
    /// Gateway that sells it
    #[arg(long, env = "OFFSETDATA_GATEWAY_URL")]
    gateway: String,
    /// The most that may be spent, in the token's smallest unit
    #[arg(long)]
    cap: u128,
    /// New file for the spender key and what it promises; keep it secret
    #[arg(long, value_name = "FILE")]
    purse: PathBuf,
    /// Days after which key and permit end
    #[arg(long, default_value_t = 30)]
    days: u64,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
pub(crate) enum Right {
    /// Read records
    Read,
    /// Train on them
    Train,
}

impl Right {
    fn code(self) -> u8 {
        match self {
            Self::Read => collections::RIGHT_READ,
            Self::Train => collections::RIGHT_TRAIN,
        }
    }
}

impl Access {
    pub(crate) async fn run(self, settings: Settings) -> anyhow::Result<()> {
        match self {
            Self::Show { collection, whose } => show(&settings, collection, whose).await,
            Self::Take(take) => take.run(&settings).await,
            other => other.send(&settings).await,
        }
    }

    /// The verbs that are one transaction.
    async fn send(self, settings: &Settings) -> anyhow::Result<()> {
        let (chain, account) = settings.sender().await?;
        let receipt = match self {
            Self::Buy { collection, right, max_price } => {
                access::buy(&chain, &account, collection, right.code(), max_price).await?
            }
            Self::Grant { collection, right, to, until } => {
                access::grant(&chain, &account, collection, right.code(), to, until).await?
            }
            Self::Revoke { collection, right, from } => {
                access::revoke(&chain, &account, collection, right.code(), from).await?
            }
            Self::Deny { collection, whom, lift } => {
                access::set_denied(&chain, &account, collection, whom, !lift).await?
            }
            Self::Trust { collection, worker, trainer, lift } => {
                let trainer = trainer.unwrap_or_default();
                access::set_trainer(&chain, &account, collection, worker, trainer, !lift).await?
            }
            Self::RevokeKey { spender } => billing::revoke_spender(&chain, &account, spender).await?,
            Self::Show { .. } | Self::Take(_) => anyhow::bail!("this is no transaction"),
        };
        let value = json!({
            "transaction": receipt.transaction_hash, "block": receipt.block_number, "gas": receipt.gas_used,
        });
        output::print(settings.json, &value, || {
            format!("done in block {}", receipt.block_number.unwrap_or_default())
        });
        Ok(())
    }
}

impl Take {
    async fn run(self, settings: &Settings) -> anyhow::Result<()> {
        let (chain, account) = settings.sender().await?;
        let session = Gateway::connect(&self.gateway, &chain).await?.sign_in(&account).await?;
        let terms = session.gateway().collection(self.collection).await?;
        let Some(offer) = terms.metered else {
            anyhow::bail!("the collection is not offered by the record; see `offsetdata access show`")
        };
        let expiry = chain.now().await?.saturating_add(self.days.saturating_mul(86_400));
        let purse = Purse::create(&self.purse, account.address(), self.cap, expiry)?;
        let spender = purse.key()?.address();
        session.allow_more(&chain, self.cap, expiry).await?;
        session.leave_authorization(&chain, spender, self.cap, expiry).await?;
        let price = offer.price_per_record.0;
        let value = json!({
            "collection": self.collection,
            "payer": account.address(),
            "spender": spender,
            "cap": self.cap.to_string(),
            "pricePerRecord": price.to_string(),
            "expiry": expiry,
            "purse": self.purse,
        });
        output::print(settings.json, &value, || {
            format!(
                "reading costs {price} a record, {} at most\nspender key  {spender}\npurse        {}\n\
                 read with: offsetdata fetch {} --gateway {} --purse {}",
                self.cap,
                self.purse.display(),
                self.collection,
                self.gateway,
                self.purse.display(),
            )
        });
        Ok(())
    }
}

/// A trainer by its name, or its digest.
fn trainer(text: &str) -> Result<B256, String> {
    match BuiltIn::find(text) {
        Ok(built_in) => Ok(built_in.digest()),
        Err(error) => text.parse().map_err(|_| format!("{error}, and it is no digest")),
    }
}

async fn show(settings: &Settings, id: CollectionId, account: Option<Address>) -> anyhow::Result<()> {
    let chain = settings.chain().await?;
    let account = match account {
        Some(account) => account,
        None => settings.account()?.address(),
    };
    let mut rights = serde_json::Map::new();
    let mut lines = format!("account  {account}\n");
    for (name, right) in [("read", collections::RIGHT_READ), ("train", collections::RIGHT_TRAIN)] {
        let standing = access::standing(&chain, id, account, right).await?;
        let (held, offer) = (&standing.access, &standing.offer);
        let value = json!({
            "hasAccess": standing.has_access,
            "denied": held.denied,
            "since": held.since.to::<u64>(),
            "expiry": held.expiry.to::<u64>(),
            "refundUntil": held.refundUntil.to::<u64>(),
            "paid": held.paid.to_string(),
            "offer": {
                "timed": offer.timed,
                "price": offer.price.to_string(),
                "duration": offer.duration.to::<u64>(),
                "refundWindow": offer.refundWindow.to::<u64>(),
                "metered": offer.metered,
                "pricePerRecord": offer.pricePerRecord.to_string(),
                "payee": offer.payee,
                "policy": offer.policy,
            },
        });
        let says = match (standing.has_access, held.denied) {
            (_, true) => "denied by the publisher",
            (true, _) if held.since.is_zero() => "yes, against payment by the record",
            (true, _) => "yes",
            (false, _) => "no",
        };
        lines += &format!("{name:<8} {says}\n");
        if offer.metered {
            lines += &format!("         {} a record\n", offer.pricePerRecord);
        }
        if offer.timed {
            lines += &format!("         {} for {} s (0: for ever)\n", offer.price, offer.duration);
        }
        rights.insert(name.to_owned(), value);
    }
    let mut value = json!({ "collection": id, "account": account });
    if let Some(object) = value.as_object_mut() {
        object.extend(rights);
    }
    output::print(settings.json, &value, || lines);
    Ok(())
}
