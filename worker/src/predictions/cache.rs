//! Opened models, so that the second prediction of a version fetches nothing. Bounded by number and by bytes.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use alloy::primitives::B256;

use crate::trainers::{BuiltIn, Model};

/// Most models that are kept.
const MAX_MODELS: usize = 16;
/// Most bytes of artifacts whose models are kept; one larger than that is not.
const MAX_BYTES: usize = 512 * 1024 * 1024;

/// The models that were used last, the newest at the back.
#[derive(Debug, Default)]
pub(crate) struct Cache(Mutex<VecDeque<Entry>>);

#[derive(Debug)]
struct Entry {
    digest: B256,
    trainer: BuiltIn,
    model: Arc<Model>,
    bytes: usize,
}

impl Cache {
    pub(crate) fn find(&self, digest: B256, trainer: BuiltIn) -> Option<Arc<Model>> {
        let mut entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let at = entries.iter().position(|entry| (entry.digest, entry.trainer) == (digest, trainer))?;
        let entry = entries.remove(at)?;
        let model = entry.model.clone();
        entries.push_back(entry);
        Some(model)
    }

    pub(crate) fn keep(&self, digest: B256, trainer: BuiltIn, model: Arc<Model>, bytes: usize) {
        let mut entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        entries.retain(|entry| (entry.digest, entry.trainer) != (digest, trainer));
        entries.push_back(Entry { digest, trainer, model, bytes });
        while entries.len() > MAX_MODELS || entries.iter().map(|entry| entry.bytes).sum::<usize>() > MAX_BYTES
        {
            entries.pop_front();
        }
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.0.lock().unwrap().len()
    }
}
