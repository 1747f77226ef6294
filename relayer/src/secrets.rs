//! Keys: read once from the environment or a file, never shown. It signs nothing.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use alloy::signers::local::PrivateKeySigner;

use crate::RelayerError;

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
    /// The key that pays for transactions and earns their fees; by default the scheduler's.
    #[arg(long, env = "OFFSETDATA_SIGNER_KEY", hide_env_values = true, conflicts_with = "signer_key_file")]
    pub signer_key: Option<Secret>,
    /// File with the key that pays for transactions.
    #[arg(long, env = "OFFSETDATA_SIGNER_KEY_FILE")]
    pub signer_key_file: Option<PathBuf>,
}

impl Keys {
    /// The scheduler's key.
    ///
    /// # Errors
    /// None given, a file that can't be read, a text that is no key. The text is not repeated.
    pub fn scheduler(&self) -> Result<PrivateKeySigner, RelayerError> {
        read("--scheduler-key", self.scheduler_key.as_ref(), self.scheduler_key_file.as_deref())?.ok_or_else(
            || RelayerError::Setting {
                setting: "--scheduler-key-file",
                reason: "name the file with the scheduler's key".into(),
            },
        )
    }

    /// The key that pays for transactions.
    ///
    /// # Errors
    /// As [`Keys::scheduler`].
    pub fn signer(&self) -> Result<PrivateKeySigner, RelayerError> {
        match read("--signer-key", self.signer_key.as_ref(), self.signer_key_file.as_deref())? {
            Some(signer) => Ok(signer),
            None => self.scheduler(),
        }
    }
}

fn read(
    setting: &'static str,
    text: Option<&Secret>,
    file: Option<&Path>,
) -> Result<Option<PrivateKeySigner>, RelayerError> {
    let text = match (text, file) {
        (Some(secret), _) => secret.reveal().to_owned(),
        (None, Some(path)) => std::fs::read_to_string(path).map_err(|error| RelayerError::Setting {
            setting,
            reason: format!("{}: {error}", path.display()),
        })?,
        (None, None) => return Ok(None),
    };
    text.trim().parse().map(Some).map_err(|_| RelayerError::Setting {
        setting,
        reason: "is not a key: expected 64 hexadecimal digits".to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "0x59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d";

    #[test]
    fn the_signer_is_the_scheduler_unless_it_is_named() {
        let mut keys = Keys { scheduler_key: Some(Secret(KEY.into())), ..Keys::default() };
        assert_eq!(keys.signer().unwrap().address(), keys.scheduler().unwrap().address());
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("key");
        std::fs::write(&file, format!("{}\n", "11".repeat(32))).unwrap();
        keys.signer_key_file = Some(file);
        assert_ne!(keys.signer().unwrap().address(), keys.scheduler().unwrap().address());
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
