//! The commands, one file each. A command reads its words, calls a room below, and prints.

mod access;
mod account;
mod audit;
mod base;
mod billing;
mod collection;
mod description;
mod dev;
mod doctor;
mod fetch;
mod indexer;
mod model;
mod project;
mod publish;
mod services;
mod train;

use crate::context::Settings;

/// What to do.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// Run the whole network on this machine
    Dev(dev::Dev),
    /// Check what a user needs: chain, contracts, services, account, money
    Doctor(doctor::Doctor),
    /// Publish a folder of images, a JSON Lines or a CSV file as a collection
    Publish(Box<publish::Publish>),
    /// Look at collections, verify them, append to them, keep or drop their blocks
    #[command(subcommand)]
    Collection(Box<collection::Collection>),
    /// Prove what can be proven with nothing of ours running
    #[command(subcommand)]
    Audit(audit::Audit),
    /// Who may read or train, and how one gets to
    #[command(subcommand)]
    Access(access::Access),
    /// Read records, each verified
    Fetch(fetch::Fetch),
    /// What was read and paid
    #[command(subcommand)]
    Billing(billing::Billing),
    /// Offer a base for training, look at bases, allow workers
    #[command(subcommand)]
    Base(base::Base),
    /// Open projects and look at them
    #[command(subcommand)]
    Project(project::Project),
    /// Request models, change, use and delete them
    #[command(subcommand)]
    Model(model::Model),
    /// Request training, watch, cancel, retrain and compare it
    #[command(subcommand)]
    Train(Box<train::Train>),
    /// Addresses, balances and what the contracts owe
    #[command(subcommand)]
    Account(account::Account),
    /// Run the indexer: chain to database to GraphQL
    Indexer(Box<indexer::IndexerCommand>),
    /// Run the gateway: who may have which chunk key, and what it costs
    Gateway(Box<services::GatewayService>),
    /// Run the relayer: database to worker to chain
    Relayer(Box<services::RelayerService>),
    /// Run a worker: claims jobs, trains, signs
    Worker(services::WorkerService),
}

impl Command {
    pub(crate) fn is_service(&self) -> bool {
        match self {
            Self::Dev(_) => true,
            Self::Indexer(command) => command.is_service(),
            Self::Gateway(command) => command.is_service(),
            Self::Relayer(command) => command.is_service(),
            Self::Worker(command) => command.is_service(),
            _ => false,
        }
    }

    pub(crate) async fn run(self, settings: Settings) -> anyhow::Result<()> {
        match self {
            Self::Dev(command) => command.run(settings).await,
            Self::Doctor(command) => command.run(settings).await,
            Self::Publish(command) => command.run(settings).await,
            Self::Collection(command) => command.run(settings).await,
            Self::Audit(command) => command.run(settings).await,
            Self::Access(command) => command.run(settings).await,
            Self::Fetch(command) => command.run(settings).await,
            Self::Billing(command) => command.run(settings).await,
            Self::Base(command) => command.run(settings).await,
            Self::Project(command) => command.run(settings).await,
            Self::Model(command) => command.run(settings).await,
            Self::Train(command) => command.run(settings).await,
            Self::Account(command) => command.run(settings).await,
            Self::Indexer(command) => command.run(settings).await,
            Self::Gateway(command) => command.run(settings).await,
            Self::Relayer(command) => command.run(settings).await,
            Self::Worker(command) => command.run(settings).await,
        }
    }
}
