//! Keys of the gateway: read once from the environment or a file, made where they are missing, never shown.

use std::fmt;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use alloy::signers::local::PrivateKeySigner;
use offsetdata_protocol::seal::SealingSecret;

use crate::GatewayError;

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

/// The keys of the gateway: 32 bytes as hexadecimal digits, in the environment or in a file that only we can read.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct Secrets {
    /// The key that signs releases and pays for settlements. Prefer the file: arguments are seen by other users.
    #[arg(
        long,
        env = "OFFSETDATA_GATEWAY_SIGNER_KEY",
        hide_env_values = true,
        conflicts_with = "signer_key_file"
    )]
    pub signer_key: Option<Secret>,
    /// File with the key that signs; made, readable by us alone, where it is missing.
    #[arg(long, env = "OFFSETDATA_GATEWAY_SIGNER_KEY_FILE")]
    pub signer_key_file: Option<PathBuf>,
    /// The X25519 key that publishers seal collection keys to.
    #[arg(
        long,
        env = "OFFSETDATA_GATEWAY_SEALING_KEY",
        hide_env_values = true,
        conflicts_with = "sealing_key_file"
    )]
    pub sealing_key: Option<Secret>,
    /// File with the X25519 key; made, readable by us alone, where it is missing. Keep a copy: without it no collection
    /// that was sealed to this gateway can be served.
    #[arg(long, env = "OFFSETDATA_GATEWAY_SEALING_KEY_FILE")]
    pub sealing_key_file: Option<PathBuf>,
}

impl Secrets {
    /// The key that signs releases and transactions.
    ///
    /// # Errors
    /// None given, a file that can't be read or written, a text that is no key. The text is not repeated.
    pub fn signer(&self) -> Result<PrivateKeySigner, GatewayError> {
        let bytes = read("--signer-key-file", self.signer_key.as_ref(), self.signer_key_file.as_deref())?;
        PrivateKeySigner::from_slice(&bytes)
            .map_err(|_| wrong("--signer-key-file", "is not a secp256k1 key".into()))
    }

    /// The key that opens collection keys.
    ///
    /// # Errors
    /// As [`Secrets::signer`].
    pub fn sealing(&self) -> Result<SealingSecret, GatewayError> {
        read("--sealing-key-file", self.sealing_key.as_ref(), self.sealing_key_file.as_deref())
            .map(SealingSecret::from_bytes)
    }
}

fn wrong(setting: &'static str, reason: String) -> GatewayError {
    GatewayError::Setting { setting, reason }
}

fn read(setting: &'static str, text: Option<&Secret>, file: Option<&Path>) -> Result<[u8; 32], GatewayError> {
    let text = match (text, file) {
        (Some(secret), _) => secret.clone(),
        (None, Some(path)) => Secret(from_file(setting, path)?),
        (None, None) => return Err(wrong(setting, "name the file with the key".into())),
    };
    alloy::hex::decode_to_array(text.reveal().trim())
        .map_err(|_| wrong(setting, "is not a key: expected 64 hexadecimal digits".into()))
}

fn from_file(setting: &'static str, path: &Path) -> Result<String, GatewayError> {
    let failed = |error: std::io::Error| wrong(setting, format!("{}: {error}", path.display()));
    match std::fs::read_to_string(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => make(path).map_err(failed),
        read => read.map_err(failed),
    }
}

/// A new key in a file of mode 0600 that was not there. Any 32 random bytes are a key, but for 2^-128 of them.
fn make(path: &Path) -> std::io::Result<String> {
    let mut bytes = [0u8; 32];
    aws_lc_rs::rand::fill(&mut bytes).map_err(|_| std::io::Error::other("the machine has no randomness"))?;
    let text = alloy::hex::encode_prefixed(bytes);
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    writeln!(file, "{text}")?;
    file.sync_all()?;
    tracing::info!(path = %path.display(), "a new key; keep a copy of the file");
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_file_is_made_once_and_for_us_alone() {
        let folder = tempfile::tempdir().unwrap();
        let secrets = Secrets {
            signer_key_file: Some(folder.path().join("signer")),
            sealing_key_file: Some(folder.path().join("sealing")),
            ..Secrets::default()
        };
        let (signer, sealing) = (secrets.signer().unwrap(), secrets.sealing().unwrap());
        assert_eq!(secrets.signer().unwrap().address(), signer.address());
        assert!(secrets.sealing().unwrap() == sealing);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let mode = std::fs::metadata(folder.path().join("signer")).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
    }

    #[test]
    fn no_error_and_no_debug_repeats_a_key() {
        let secrets = Secrets { signer_key: Some(Secret("0xsecret".into())), ..Secrets::default() };
        let error = secrets.signer().unwrap_err();
        assert!(!format!("{error} {error:?} {secrets:?}").contains("0xsecret"));
        assert!(Secrets::default().sealing().is_err());
        let nowhere = Secrets { sealing_key_file: Some("/nowhere/key".into()), ..Secrets::default() };
        assert!(nowhere.sealing().unwrap_err().to_string().contains("/nowhere/key"));
    }
}
