//! Keys: read once from the environment or a file, never shown. It signs nothing.

use std::collections::HashSet;
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use alloy::primitives::Address;
use alloy::signers::local::PrivateKeySigner;

use crate::RelayerError;

/// Signers of one relayer.
const MOST_SIGNERS: usize = 64;

/// A text that is never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// The text itself.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl FromStr for Secret {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}

/// The keys of the relayer: 32 bytes as hexadecimal digits, in the environment or in a file that only we can read.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct Keys {
    /// The scheduler's key, which methods name. Prefer the file: arguments are seen by other users.
    #[arg(
        long,
        env = "OFFSETDATA_SCHEDULER_KEY",
        hide_env_values = true,
        conflicts_with = "scheduler_key_file"
    )]
    pub scheduler_key: Option<Secret>,
    /// File with the scheduler's key.
    #[arg(long, env = "OFFSETDATA_SCHEDULER_KEY_FILE")]
    pub scheduler_key_file: Option<PathBuf>,
    /// The keys that pay for transactions and earn their fees, separated by commas; by default the scheduler's. They
    /// share the work.
    #[arg(
        long,
        env = "OFFSETDATA_SIGNER_KEY",
        hide_env_values = true,
        value_delimiter = ',',
        conflicts_with = "signer_key_file"
    )]
    pub signer_key: Vec<Secret>,
    /// Files with keys that pay for transactions, separated by commas; a file may hold several, one a line.
    #[arg(long, env = "OFFSETDATA_SIGNER_KEY_FILE", value_delimiter = ',')]
    pub signer_key_file: Vec<PathBuf>,
}

impl Keys {
    /// The scheduler's key.
    ///
    /// # Errors
    /// None given, a file that can't be read, a text that is no key. The text is not repeated.
    pub fn scheduler(&self) -> Result<PrivateKeySigner, RelayerError> {
        const SETTING: &str = "--scheduler-key";
        const OF_FILE: &str = "--scheduler-key-file";
        match (&self.scheduler_key, &self.scheduler_key_file) {
            (Some(secret), _) => parse(SETTING, secret.reveal()),
            (None, Some(path)) => parse(OF_FILE, &read(OF_FILE, path)?),
            (None, None) => Err(RelayerError::Setting {
                setting: OF_FILE,
                reason: "name the file with the scheduler's key".into(),
            }),
        }
    }

    /// The keys that pay for transactions: at least one, none twice.
    ///
    /// # Errors
    /// As [`Keys::scheduler`]; too many, or one twice.
    pub fn signers(&self) -> Result<Vec<PrivateKeySigner>, RelayerError> {
        const SETTING: &str = "--signer-key";
        const OF_FILE: &str = "--signer-key-file";
        let wrong = |reason: String| RelayerError::Setting { setting: SETTING, reason };
        let mut signers: Vec<PrivateKeySigner> = Vec::new();
        for secret in &self.signer_key {
            signers.push(parse(SETTING, secret.reveal())?);
        }
        for path in &self.signer_key_file {
            let text = read(OF_FILE, path)?;
            for line in text.lines().filter(|line| !line.trim().is_empty()) {
                signers.push(parse(OF_FILE, line)?);
            }
        }
        if signers.is_empty() {
            signers.push(self.scheduler()?);
        }
        if signers.len() > MOST_SIGNERS {
            return Err(wrong(format!("expected at most {MOST_SIGNERS} signers, got {}", signers.len())));
        }
        let different: HashSet<Address> = signers.iter().map(PrivateKeySigner::address).collect();
        if different.len() != signers.len() {
            return Err(wrong("names the same signer twice".to_owned()));
        }
        Ok(signers)
    }
}

fn read(setting: &'static str, path: &Path) -> Result<String, RelayerError> {
    std::fs::read_to_string(path)
        .map_err(|error| RelayerError::Setting { setting, reason: format!("{}: {error}", path.display()) })
}

fn parse(setting: &'static str, text: &str) -> Result<PrivateKeySigner, RelayerError> {
    text.trim().parse().map_err(|_| RelayerError::Setting {
        setting,
        reason: "is not a key: expected 64 hexadecimal digits".to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "0x59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d";

    #[test]
    fn the_signer_is_the_scheduler_unless_some_are_named() {
        let mut keys = Keys { scheduler_key: Some(Secret(KEY.into())), ..Keys::default() };
        assert_eq!(keys.signers().unwrap()[0].address(), keys.scheduler().unwrap().address());
        let folder = tempfile::tempdir().unwrap();
        let (file, other) = (folder.path().join("keys"), folder.path().join("key"));
        std::fs::write(&file, format!("{}\n\n{}\n", "11".repeat(32), "22".repeat(32))).unwrap();
        std::fs::write(&other, format!("0x{}\n", "33".repeat(32))).unwrap();
        keys.signer_key_file = vec![file.clone(), other];
        let signers = keys.signers().unwrap();
        assert_eq!(signers.len(), 3);
        assert!(signers.iter().all(|signer| signer.address() != keys.scheduler().unwrap().address()));
        keys.signer_key_file = vec![file.clone(), file];
        assert!(keys.signers().unwrap_err().to_string().contains("twice"));
        keys.signer_key_file = Vec::new();
        keys.signer_key = vec![Secret("0xsecret".into())];
        assert!(!keys.signers().unwrap_err().to_string().contains("secret\""));
    }

    #[test]
    fn no_error_and_no_debug_repeats_a_key() {
        let keys = Keys { scheduler_key: Some(Secret("0xsecret".into())), ..Keys::default() };
        let error = keys.scheduler().unwrap_err();
        assert!(!format!("{error} {error:?} {keys:?}").contains("secret\""));
        assert!(!format!("{error} {error:?} {keys:?}").contains("0xsecret"));
        assert!(Keys::default().scheduler().is_err());
        let missing = Keys { scheduler_key_file: Some("/nowhere/key".into()), ..Keys::default() };
        assert!(missing.scheduler().unwrap_err().to_string().contains("/nowhere/key"));
    }
}
