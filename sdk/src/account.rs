//! Who signs: a development account, a private key from the environment or a file, or an encrypted keystore.
//! It never prints a key, and it takes none from the command line, where others could see it.

use std::path::Path;

use alloy::primitives::Address;
use alloy::signers::local::coins_bip39::English;
use alloy::signers::local::{MnemonicBuilder, PrivateKeySigner};

use crate::SdkError;

/// The mnemonic that anvil funds its accounts from; on every other chain these accounts are worthless.
const DEV_MNEMONIC: &str = "test test test test test test test test test test test junk";
/// Number of accounts that anvil funds.
const DEV_ACCOUNTS: u32 = 10;

/// An account that signs.
#[derive(Clone)]
pub struct Account {
    signer: PrivateKeySigner,
}

impl std::fmt::Debug for Account {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Account({})", self.address())
    }
}

impl Account {
    /// Development account `index`, 0 to 9.
    ///
    /// # Errors
    /// An index that anvil does not fund.
    pub fn dev(index: u32) -> Result<Self, SdkError> {
        if index >= DEV_ACCOUNTS {
            return Err(SdkError::Account(format!(
                "dev:{index}: there are dev:0 to dev:{}",
                DEV_ACCOUNTS - 1
            )));
        }
        let builder = MnemonicBuilder::<English>::default().phrase(DEV_MNEMONIC).index(index);
        let signer = builder.and_then(|b| b.build()).map_err(|e| SdkError::Account(e.to_string()))?;
        Ok(Self { signer })
    }

    /// A private key: 32 bytes in hexadecimal, with or without 0x. The text is not repeated in an error.
    ///
    /// # Errors
    /// A text that is no key.
    pub fn from_key(key: &str) -> Result<Self, SdkError> {
        let signer: PrivateKeySigner = key
            .trim()
            .parse()
            .map_err(|_| SdkError::Account("expected a private key: 64 hexadecimal digits".into()))?;
        Ok(Self { signer })
    }

    /// A keystore (Web3 Secret Storage, version 3).
    ///
    /// # Errors
    /// A file that cannot be read, or a password that does not open it.
    pub fn from_keystore(path: &Path, password: &str) -> Result<Self, SdkError> {
        let signer = PrivateKeySigner::decrypt_keystore(path, password)
            .map_err(|e| SdkError::Account(format!("keystore {}: {e}", path.display())))?;
        Ok(Self { signer })
    }

    /// `dev:N`, or the path of a keystore (with the password) or of a file that holds a private key.
    ///
    /// # Errors
    /// As the constructors; a file that cannot be read.
    pub fn parse(text: &str, password: Option<&str>) -> Result<Self, SdkError> {
        if let Some(index) = text.strip_prefix("dev:") {
            let index =
                index.parse().map_err(|_| SdkError::Account(format!("{text}: expected dev:0 to dev:9")))?;
            return Self::dev(index);
        }
        let path = Path::new(text);
        let held = std::fs::read_to_string(path).map_err(|e| {
            SdkError::Account(format!("{text}: neither dev:N nor a file that can be read ({e})"))
        })?;
        if held.trim_start().starts_with('{') {
            let password = password.ok_or_else(|| {
                SdkError::Account("the keystore needs a password: set OFFSETDATA_PASSWORD".into())
            })?;
            return Self::from_keystore(path, password);
        }
        Self::from_key(&held)
    }

    /// The account's address.
    pub fn address(&self) -> Address {
        self.signer.address()
    }

    /// The signer, for transactions and messages.
    pub fn signer(&self) -> &PrivateKeySigner {
        &self.signer
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy::primitives::address;

    #[test]
    fn development_accounts_are_those_of_anvil() {
        let first = address!("0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266");
        assert_eq!(Account::parse("dev:0", None).unwrap().address(), first);
        assert!(Account::parse("dev:10", None).is_err());
        assert!(Account::parse("dev:x", None).is_err());
    }

    #[test]
    fn errors_do_not_repeat_a_key() {
        let secret = "ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff8z";
        let error = Account::from_key(secret).unwrap_err().to_string();
        assert!(!error.contains(&secret[..8]), "{error}");
        let account = Account::dev(3).unwrap();
        assert_eq!(format!("{account:?}"), format!("Account({})", account.address()));
    }
}
