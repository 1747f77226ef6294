//! What the signers of this process share: which of them can send now. It signs nothing and decides nothing.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use alloy::primitives::{Address, U256};
use serde::Serialize;

/// How a signer is doing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Lane {
    /// Its address.
    pub signer: Address,
    /// Whether this process holds it, rather than another one.
    pub is_held: bool,
    /// Whether it has too little to pay gas with: it is passed over until somebody sends it some.
    pub is_empty: bool,
    /// Wei.
    #[serde(serialize_with = "decimal")]
    pub balance: U256,
    /// Transactions that wait for a block.
    pub in_flight: usize,
}

/// An amount as JSON carries it.
pub(crate) fn decimal<S: serde::Serializer>(amount: &U256, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(amount)
}

/// All signers of this process. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Lanes {
    inner: Arc<Mutex<Vec<Lane>>>,
}

impl Lanes {
    /// Signers that nobody has looked at yet.
    pub fn new(signers: impl IntoIterator<Item = Address>) -> Self {
        let lane =
            |signer| Lane { signer, is_held: false, is_empty: false, balance: U256::ZERO, in_flight: 0 };
        Self { inner: Arc::new(Mutex::new(signers.into_iter().map(lane).collect())) }
    }

    /// As they are now.
    pub fn list(&self) -> Vec<Lane> {
        self.lock().clone()
    }

    /// How many can send now.
    pub fn able(&self) -> usize {
        self.lock().iter().filter(|lane| lane.is_held && !lane.is_empty).count()
    }

    /// Another process holds this signer now.
    pub fn let_go(&self, signer: Address) {
        self.note(signer, |lane| lane.is_held = false);
    }

    pub(super) fn note(&self, signer: Address, change: impl FnOnce(&mut Lane)) {
        if let Some(lane) = self.lock().iter_mut().find(|lane| lane.signer == signer) {
            change(lane);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Lane>> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
