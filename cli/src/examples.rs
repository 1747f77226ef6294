//! Holds the example settings of docs/operations against the services' own: every name is known, every value is taken,
//! and nothing is left out.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use clap::{ArgAction, Command, CommandFactory};

use crate::Cli;

const SERVICES: [&str; 4] = ["indexer", "gateway", "relayer", "worker"];
/// Read by every program and no setting of one.
const COMMON: [&str; 1] = ["RUST_LOG"];
/// Settings without a default, or for which the example is a better one than the default.
const OWN_VALUES: [&str; 6] = [
    "OFFSETDATA_RPC_URL",
    "OFFSETDATA_RELAYER_URL",
    "OFFSETDATA_DATABASE_URL",
    "OFFSETDATA_BLOCKS",
    "OFFSETDATA_ARTIFACT_KEY",
    "OFFSETDATA_EXPIRE",
];

fn text(file: &str) -> String {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../docs/operations");
    std::fs::read_to_string(folder.join(file)).unwrap()
}

/// Names and values, and the names that stand there as the other way (`#NAME=`).
fn settings(file: &str) -> (BTreeMap<String, String>, BTreeSet<String>) {
    let (mut set, mut other) = (BTreeMap::new(), BTreeSet::new());
    for line in text(file).lines() {
        if let Some(name) = line.strip_prefix('#').and_then(|rest| rest.strip_suffix('='))
            && name.starts_with("OFFSETDATA_")
        {
            other.insert(name.to_owned());
        } else if !line.starts_with('#') && !line.is_empty() {
            let (name, value) = line.split_once('=').unwrap_or_else(|| panic!("{file}: {line}"));
            assert!(set.insert(name.to_owned(), value.to_owned()).is_none(), "{file}: {name} twice");
        }
    }
    (set, other)
}

/// A service's own settings by the name of their variable. Those of every command are none of it, but where blocks are.
fn service(name: &str) -> Command {
    let mut cli = Cli::command();
    cli.build();
    cli.find_subcommand(name).unwrap().clone()
}

fn own(command: &Command) -> BTreeMap<String, clap::Arg> {
    let arguments = command.get_arguments();
    let named = arguments.filter_map(|argument| {
        let name = argument.get_env()?.to_str().unwrap();
        let is_own = !argument.is_global_set() || name.starts_with("OFFSETDATA_KUBO");
        is_own.then(|| (name.to_owned(), argument.clone()))
    });
    named.collect()
}

fn parse(service: &str, file: &str, set: &BTreeMap<String, String>) {
    let command = self::service(service);
    let arguments = own(&command);
    let mut line = vec!["offsetdata".to_owned(), service.to_owned()];
    for (name, value) in set.iter().filter(|(name, _)| !COMMON.contains(&name.as_str())) {
        let argument = arguments.get(name).unwrap_or_else(|| panic!("{file}: {service} knows no {name}"));
        let flag = format!("--{}", argument.get_long().unwrap());
        match argument.get_action() {
            ArgAction::SetTrue => match value.as_str() {
                "true" => line.push(flag),
                "false" => {}
                other => panic!("{file}: {name} is {other}"),
            },
            _ => line.extend([flag, value.clone()]),
        }
    }
    Cli::command().try_get_matches_from(&line).unwrap_or_else(|error| panic!("{file}: {error}"));
}

#[test]
fn minimal_examples_are_taken() {
    for service in SERVICES {
        let file = format!("{service}.minimal.env");
        let (set, other) = settings(&file);
        assert!(other.is_empty());
        parse(service, &file, &set);
        let (full, _) = settings(&format!("{service}.full.env"));
        for name in set.keys() {
            assert!(full.contains_key(name), "{file} has {name}, the full example has not");
        }
    }
}

#[test]
fn full_examples_name_every_setting_with_its_default() {
    for service in SERVICES {
        let file = format!("{service}.full.env");
        let (set, other) = settings(&file);
        parse(service, &file, &set);
        let command = self::service(service);
        let arguments = own(&command);
        let named: BTreeSet<&str> =
            set.keys().chain(&other).map(String::as_str).filter(|name| !COMMON.contains(name)).collect();
        let known: BTreeSet<&str> = arguments.keys().map(String::as_str).collect();
        assert_eq!(named, known, "{file} against `offsetdata {service} --help`");
        for (name, argument) in &arguments {
            let defaults = argument.get_default_values();
            if let (Some(value), [default]) = (set.get(name), defaults)
                && !OWN_VALUES.contains(&name.as_str())
            {
                assert_eq!(value.as_str(), default.to_str().unwrap(), "{file}: default of {name}");
            }
        }
    }
}

#[test]
fn units_start_what_there_is() {
    for service in SERVICES {
        let unit = text(&format!("offsetdata-{service}.service"));
        let says = |line: &str| assert!(unit.lines().any(|one| one == line), "{service}: {line}");
        says(&format!("ExecStart=/usr/local/bin/offsetdata {service}"));
        says(&format!("ExecStartPre=/usr/local/bin/offsetdata {service} check"));
        says(&format!("EnvironmentFile=/etc/offsetdata/{service}.env"));
    }
}
