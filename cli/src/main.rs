//! One program for everything that people do with Offsetdata and for every service. It has no logic of its own: the
//! rooms below it have.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod chart;
mod commands;
mod context;
mod output;
mod source;

use std::process::ExitCode;

use clap::Parser;

use commands::Command;
use context::Settings;

/// A marketplace for AI training data and AI training whose facts anyone can check.
#[derive(Debug, Parser)]
#[command(name = "offsetdata", version, propagate_version = true)]
#[command(after_help = "Example: offsetdata dev    starts the whole network on this machine")]
struct Cli {
    #[command(flatten)]
    settings: Settings,
    #[command(subcommand)]
    command: Command,
}

#[tokio::main]
async fn main() -> ExitCode {
    let cli = Cli::parse();
    output::start_log(cli.command.is_service());
    match cli.command.run(cli.settings).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            if let Some(output::ExitWith(code)) = error.downcast_ref() {
                return ExitCode::from(*code);
            }
            output::print_error(&error);
            ExitCode::FAILURE
        }
    }
}
