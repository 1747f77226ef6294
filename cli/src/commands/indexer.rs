//! `offsetdata indexer`: runs the service; `verify` holds its database against the chain, `check` looks at its settings.

use anyhow::Context as _;
use offsetdata_indexer::{Config, Source, Verification};
use serde_json::json;

use super::dev::stopped;
use crate::context::Settings;
use crate::output::{ExitWith, bar, print};

#[derive(Debug, clap::Args)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "Example: offsetdata indexer --database-url sqlite:offsetdata.db --deployment 31337.json"
)]
pub(crate) struct IndexerCommand {
    #[command(subcommand)]
    action: Option<Action>,
    #[command(flatten)]
    config: Config,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Build the tables anew from the chain and compare them row by row
    ///
    /// It reads up to the last final block. Exit code 1: the tables differ, and the first row of each that does is named.
    #[command(
        after_help = "Example: offsetdata indexer verify --database-url sqlite:offsetdata.db --deployment 31337.json"
    )]
    Verify(Verify),
    /// Look whether node, contracts and database fit together; nothing is written
    #[command(
        after_help = "Example: offsetdata indexer check --database-url sqlite:offsetdata.db --deployment 31337.json"
    )]
    Check(Check),
}

#[derive(Debug, clap::Args)]
struct Verify {
    #[command(flatten)]
    source: Source,
    /// Folder for the tables that are built anew; without it the system's for temporary files
    #[arg(long, value_name = "DIR")]
    scratch: Option<std::path::PathBuf>,
}

#[derive(Debug, clap::Args)]
struct Check {
    #[command(flatten)]
    source: Source,
}

impl IndexerCommand {
    pub(crate) fn is_service(&self) -> bool {
        self.action.is_none()
    }

    pub(crate) async fn run(self, settings: Settings) -> anyhow::Result<()> {
        match self.action {
            None => offsetdata_indexer::run(self.config, stopped()).await.context("the indexer stopped"),
            Some(Action::Verify(command)) => command.run(settings).await,
            Some(Action::Check(command)) => command.run(settings).await,
        }
    }
}

impl Verify {
    async fn run(self, settings: Settings) -> anyhow::Result<()> {
        let scratch = match &self.scratch {
            Some(folder) => tempfile::tempdir_in(folder),
            None => tempfile::tempdir(),
        };
        let scratch = scratch.context("making a folder for the tables that are built anew")?;
        let progress = bar(0, "blocks");
        let begun = |first: u64, last: u64| {
            progress.set_length(last);
            progress.set_position(first);
        };
        let found = offsetdata_indexer::verify_database(&self.source, scratch.path(), begun, |block| {
            progress.set_position(block);
        })
        .await;
        progress.finish_and_clear();
        let found = found.context("the database could not be held against the chain")?;
        say(settings.json, &found);
        if found.is_equal() { Ok(()) } else { Err(ExitWith(1).into()) }
    }
}

fn say(json: bool, found: &Verification) {
    let differences: Vec<_> = found
        .differences
        .iter()
        .map(|difference| {
            json!({ "table": difference.table, "database": difference.first, "chain": difference.second })
        })
        .collect();
    let value = json!({
        "equal": found.is_equal(),
        "block": found.block,
        "hash": found.hash,
        "rows": found.rows,
        "differences": differences,
    });
    print(json, &value, || {
        let mut lines = String::new();
        for difference in &found.differences {
            let row = |row: &Option<String>| row.clone().unwrap_or_else(|| "no row".to_owned());
            lines += &format!(
                "{} differs first here:\n  database  {}\n  chain     {}\n",
                difference.table,
                row(&difference.first),
                row(&difference.second)
            );
        }
        let verdict = if found.is_equal() { "equal to the chain" } else { "NOT what the chain says" };
        lines + &format!("{verdict}: {} rows up to block {} ({})", found.rows, found.block, found.hash)
    });
}

impl Check {
    async fn run(self, settings: Settings) -> anyhow::Result<()> {
        let found = offsetdata_indexer::check(&self.source).await.context("the indexer would not run")?;
        let lag = found.indexed.map(|indexed| found.head.saturating_sub(indexed));
        let value = json!({
            "ok": true,
            "chainId": found.chain_id,
            "head": found.head,
            "startBlock": found.start_block,
            "indexed": found.indexed,
            "lag": lag,
        });
        print(settings.json, &value, || {
            let indexed = match (found.indexed, lag) {
                (Some(block), Some(lag)) => format!("indexed up to block {block}, {lag} behind"),
                _ => "nothing indexed yet".to_owned(),
            };
            format!("chain {} at block {}; contracts are there; {indexed}", found.chain_id, found.head)
        });
        Ok(())
    }
}
