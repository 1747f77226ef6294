//! One program for everything that people do with Offsetdata and for every service. It has no logic of its own: the
//! rooms below it have.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod chart;
mod commands;
mod context;
mod dag_json;
#[cfg(test)]
mod examples;
mod output;
mod source;
mod table;
mod whole_file;

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

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    /// A field of a command with the name of a setting of every command would hide that setting, but where both are one:
    /// what services and commands are told by the same variable.
    #[test]
    fn no_command_hides_a_setting() {
        fn look_into(command: &clap::Command, settings: &[(clap::Id, Option<std::ffi::OsString>)]) {
            for below in command.get_subcommands() {
                for argument in below.get_arguments() {
                    let variable = argument.get_env().map(std::ffi::OsStr::to_owned);
                    for (id, named) in settings.iter().filter(|(id, _)| id == argument.get_id()) {
                        let is_one = variable.is_some() && *named == variable;
                        assert!(is_one, "`{}` hides the setting {id}", below.get_name());
                    }
                }
                look_into(below, settings);
            }
        }
        let cli = Cli::command();
        let globals = cli.get_arguments().filter(|argument| argument.is_global_set());
        let settings: Vec<_> = globals
            .map(|argument| (argument.get_id().clone(), argument.get_env().map(std::ffi::OsStr::to_owned)))
            .collect();
        assert!(settings.len() >= 6);
        look_into(&cli, &settings);
        cli.debug_assert();
    }

    /// Whoever asks for help sees what to type.
    #[test]
    fn every_command_has_an_example() {
        fn look_into(command: &clap::Command, path: &str) {
            for below in command.get_subcommands() {
                let path = format!("{path} {}", below.get_name());
                if below.has_subcommands() {
                    look_into(below, &path);
                    continue;
                }
                let said = below.get_after_help().map(ToString::to_string).unwrap_or_default();
                assert!(said.contains("Example"), "`{path} --help` has no example");
                assert!(said.contains(&path), "the example of `{path}` shows another command: {said}");
            }
        }
        look_into(&Cli::command(), "offsetdata");
    }
}
