//! A spender key and what it has promised, in a file that only its owner can read: written before a voucher leaves, so
//! that no promise is forgotten by a kill. It holds no money and asks nobody.

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use alloy::primitives::{Address, hex};
use alloy::signers::local::PrivateKeySigner;
use offsetdata_protocol::gateway_api::Text;
use offsetdata_protocol::ids::CollectionId;
use serde::{Deserialize, Serialize};

use crate::{Account, SdkError};

/// Largest file of a purse, in bytes.
const MAX_BYTES: u64 = 4 << 20;

/// What was promised in one lane since its beginning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Lane {
    /// Signer of the gateway whose lane it is.
    pub gateway: Address,
    /// The collection.
    pub collection: CollectionId,
    /// Who is paid.
    pub payee: Address,
    /// The lane.
    pub lane: Text<u64>,
    /// In the token's smallest unit.
    pub amount: Text<u128>,
    /// Records.
    pub records: Text<u64>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Contents {
    /// For people who find the file.
    what: String,
    payer: Address,
    cap: Text<u128>,
    expiry: u64,
    key: String,
    lanes: Vec<Lane>,
}

const WHAT: &str = "Offsetdata spender key: whoever has it can promise up to the cap of the payer's money to publishers. \
Revoke it with `offsetdata access revoke-key`.";

/// A spender key with its book. While it is open no other process uses its lanes.
pub struct Purse {
    file: File,
    path: PathBuf,
    contents: Contents,
    /// Whether another process has it open: then lanes are new and forgotten.
    shared: bool,
}

impl std::fmt::Debug for Purse {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Purse")
            .field("path", &self.path)
            .field("payer", &self.contents.payer)
            .finish_non_exhaustive()
    }
}

impl Drop for Contents {
    fn drop(&mut self) {
        // As far as it goes: the text of the key leaves memory with the purse.
        let mut key = std::mem::take(&mut self.key).into_bytes();
        key.fill(0);
    }
}

impl Purse {
    /// A new key in a new file, readable by its owner alone.
    ///
    /// # Errors
    /// A file that exists or can't be written.
    pub fn create(path: &Path, payer: Address, cap: u128, expiry: u64) -> Result<Self, SdkError> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file = options.open(path).map_err(|e| failed(path, &e))?;
        let key = hex::encode_prefixed(PrivateKeySigner::random().to_bytes());
        let contents =
            Contents { what: WHAT.to_owned(), payer, cap: Text(cap), expiry, key, lanes: Vec::new() };
        let mut purse = Self { file, path: path.to_owned(), contents, shared: false };
        purse.lock()?;
        purse.write()?;
        Ok(purse)
    }

    /// Opens a file that [`Purse::create`] made.
    ///
    /// # Errors
    /// A file that can't be read or is no purse. Its text is not repeated.
    pub fn open(path: &Path) -> Result<Self, SdkError> {
        let mut file = OpenOptions::new().read(true).write(true).open(path).map_err(|e| failed(path, &e))?;
        let mut text = String::new();
        (&mut file).take(MAX_BYTES).read_to_string(&mut text).map_err(|e| failed(path, &e))?;
        let contents = serde_json::from_str(&text)
            .map_err(|_| SdkError::Account(format!("{}: no spender key of ours", path.display())))?;
        let mut purse = Self { file, path: path.to_owned(), contents, shared: false };
        purse.lock()?;
        Ok(purse)
    }

    /// Whose money it promises.
    pub fn payer(&self) -> Address {
        self.contents.payer
    }

    /// The most that it may promise.
    pub fn cap(&self) -> u128 {
        self.contents.cap.0
    }

    /// When the key ends, in Unix seconds.
    pub fn expiry(&self) -> u64 {
        self.contents.expiry
    }

    /// The key.
    ///
    /// # Errors
    /// A file whose key is none.
    pub fn key(&self) -> Result<Account, SdkError> {
        Account::from_key(&self.contents.key)
    }

    /// The lane that was used before for this, unless another process is using it.
    pub fn lane(&self, gateway: Address, collection: CollectionId, payee: Address) -> Option<Lane> {
        let wanted = (gateway, collection, payee);
        let found = self.contents.lanes.iter().rev();
        found.copied().find(|lane| !self.shared && (lane.gateway, lane.collection, lane.payee) == wanted)
    }

    /// Writes down what a lane will have promised. Returns when it is on the disk.
    ///
    /// # Errors
    /// A disk that can't be written.
    pub fn note(&mut self, lane: Lane) -> Result<(), SdkError> {
        if self.shared {
            return Ok(());
        }
        match self
            .contents
            .lanes
            .iter_mut()
            .find(|known| (known.gateway, known.lane) == (lane.gateway, lane.lane))
        {
            Some(known) => *known = lane,
            None => self.contents.lanes.push(lane),
        }
        self.write()
    }

    fn lock(&mut self) -> Result<(), SdkError> {
        match self.file.try_lock() {
            Ok(()) => Ok(()),
            Err(std::fs::TryLockError::WouldBlock) => {
                self.shared = true;
                Ok(())
            }
            Err(std::fs::TryLockError::Error(error)) => Err(failed(&self.path, &error)),
        }
    }

    /// In place, so that the lock stays on it; longer text first, then its end.
    fn write(&mut self) -> Result<(), SdkError> {
        let failed = |e: std::io::Error| failed(&self.path, &e);
        let mut text =
            serde_json::to_vec_pretty(&self.contents).map_err(|e| SdkError::Terms(e.to_string()))?;
        text.push(b'\n');
        self.file.seek(SeekFrom::Start(0)).map_err(failed)?;
        self.file.write_all(&text).map_err(failed)?;
        self.file.set_len(text.len() as u64).map_err(failed)?;
        self.file.sync_data().map_err(failed)
    }
}

fn failed(path: &Path, error: &std::io::Error) -> SdkError {
    SdkError::Account(format!("{}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy::primitives::B256;

    fn lane(amount: u128) -> Lane {
        let (gateway, payee) = (Address::repeat_byte(1), Address::repeat_byte(2));
        let collection = CollectionId(B256::repeat_byte(3));
        Lane { gateway, collection, payee, lane: Text(7), amount: Text(amount), records: Text(1) }
    }

    #[test]
    fn a_promise_is_there_again_after_the_process() {
        let folder = std::env::temp_dir().join(format!("offsetdata-purse-{}", std::process::id()));
        let _ = std::fs::remove_file(&folder);
        let mut purse = Purse::create(&folder, Address::repeat_byte(9), 100, 5).unwrap();
        let key = purse.key().unwrap().address();
        purse.note(lane(10)).unwrap();
        purse.note(lane(20)).unwrap();
        assert!(Purse::create(&folder, Address::ZERO, 1, 1).is_err());
        // While it is open, another reader gets no lane of it.
        let other = Purse::open(&folder).unwrap();
        assert_eq!(other.lane(lane(0).gateway, lane(0).collection, lane(0).payee), None);
        drop((purse, other));
        let purse = Purse::open(&folder).unwrap();
        assert_eq!((purse.key().unwrap().address(), purse.cap(), purse.expiry()), (key, 100, 5));
        assert_eq!(purse.lane(lane(0).gateway, lane(0).collection, lane(0).payee), Some(lane(20)));
        assert!(!format!("{purse:?}").contains(&purse.contents.key));
        std::fs::remove_file(&folder).unwrap();
    }
}
