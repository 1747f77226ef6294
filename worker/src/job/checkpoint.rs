//! A job's checkpoint as bytes: the trainer's state, and the series up to it, sealed to the developer's workers. It sends
//! and stores nothing.
//!
//! In the clear: the frame of artifacts with magic `"ODCKPT01"`; the body is the trainer's state.

use alloy::primitives::B256;
use offsetdata_protocol::Digest;
use offsetdata_protocol::seal::{ContentPlace, ContentPurpose, SealingSecret};
use offsetdata_protocol::worker_api::{CheckpointRef, MAX_CHECKPOINT_BYTES};
use serde::{Deserialize, Serialize};

use crate::WorkerError;
use crate::artifact_key::entropy;
use crate::series::Saved;
use crate::trainers::{BuiltIn, container};

const MAGIC: &[u8; 8] = b"ODCKPT01";

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Header {
    /// Digest of the trainer whose state it is.
    trainer: B256,
    series: Saved,
}

/// What an attempt goes on from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Checkpoint {
    pub(crate) series: Saved,
    /// The trainer's.
    pub(crate) state: Vec<u8>,
}

impl Checkpoint {
    /// Seals it for the workers that have `key`.
    pub(crate) fn seal(
        &self,
        request: B256,
        trainer: BuiltIn,
        key: &SealingSecret,
    ) -> Result<Vec<u8>, WorkerError> {
        let header = Header { trainer: trainer.digest(), series: self.series.clone() };
        let clear = container::write(MAGIC, &header, &[&self.state]).map_err(WorkerError::Checkpoint)?;
        let place = ContentPlace { purpose: ContentPurpose::Checkpoint, request };
        let sealed = place.seal(&clear, &key.public_key()?, entropy()?)?;
        if sealed.len() > MAX_CHECKPOINT_BYTES {
            let reason = format!("{} bytes, a relayer takes {MAX_CHECKPOINT_BYTES}", sealed.len());
            return Err(WorkerError::Checkpoint(reason));
        }
        Ok(sealed)
    }

    /// Opens what came for `reference`, and holds it against that.
    pub(crate) fn open(
        sealed: &[u8],
        reference: &CheckpointRef,
        request: B256,
        trainer: BuiltIn,
        key: &SealingSecret,
    ) -> Result<Self, WorkerError> {
        let refuse = |reason: String| WorkerError::Checkpoint(reason);
        let digest = B256::from(Digest::of(sealed).0);
        if digest != reference.digest {
            return Err(refuse(format!("expected digest {}, found {digest}", reference.digest)));
        }
        let place = ContentPlace { purpose: ContentPurpose::Checkpoint, request };
        let clear = place.open(sealed, key).map_err(|error| {
            refuse(format!("{error}; is it the artifact key of the worker that made it?"))
        })?;
        let (header, state): (Header, _) = container::read(MAGIC, &clear).map_err(refuse)?;
        if header.trainer != trainer.digest() {
            return Err(refuse(format!("made by trainer {}, this is {}", header.trainer, trainer.digest())));
        }
        let (points, units) = (header.series.points(), header.series.units);
        if (points, units) != (u64::from(reference.point_count), reference.units) {
            return Err(refuse(format!(
                "it holds {points} points and {units} units, expected {} and {}",
                reference.point_count, reference.units
            )));
        }
        Ok(Self { series: header.series, state: state.to_vec() })
    }
}

#[cfg(test)]
mod tests {
    use offsetdata_protocol::metrics::{MetricKey, MetricPoint, MetricValue, SeriesBuilder};

    use super::*;

    fn checkpoint() -> Checkpoint {
        let mut tree = SeriesBuilder::new();
        for sequence in 0..5 {
            let (key, value) = (MetricKey::new("train/loss").unwrap(), MetricValue::from_f64(0.5));
            tree.push(&MetricPoint { sequence, step: 1, key, value }).unwrap();
        }
        let unmeasured = MetricValue::from_f64(f64::NAN);
        let series = Saved { tree, units: 40, last: [unmeasured; 4], test: [unmeasured; 2] };
        Checkpoint { series, state: vec![9; 200_000] }
    }

    #[test]
    fn it_comes_back_only_as_what_was_promised() {
        let (request, trainer) = (B256::repeat_byte(3), BuiltIn::TextClassifier);
        let key = SealingSecret::from_bytes([4; 32]);
        let made = checkpoint();
        let sealed = made.seal(request, trainer, &key).unwrap();
        assert!(!sealed.windows(8).any(|bytes| bytes == [9; 8]), "the relayer sees ciphertext");
        let reference = CheckpointRef {
            attempt: 1,
            point_count: 5,
            units: 40,
            digest: Digest::of(&sealed).0.into(),
            bytes: sealed.len() as u64,
        };
        let open = |reference: &CheckpointRef, request, trainer, key: &SealingSecret| {
            Checkpoint::open(&sealed, reference, request, trainer, key)
        };
        assert_eq!(open(&reference, request, trainer, &key).unwrap(), made);

        let other = SealingSecret::from_bytes([5; 32]);
        let refused = [
            open(&reference, B256::ZERO, trainer, &key),
            open(&reference, request, BuiltIn::ImageClassifier, &key),
            open(&reference, request, trainer, &other),
            open(&CheckpointRef { point_count: 6, ..reference }, request, trainer, &key),
            open(&CheckpointRef { units: 41, ..reference }, request, trainer, &key),
            open(&CheckpointRef { digest: B256::ZERO, ..reference }, request, trainer, &key),
        ];
        for result in refused {
            assert!(matches!(result, Err(WorkerError::Checkpoint(_))), "{result:?}");
        }
        let mut changed = sealed.clone();
        changed[150] ^= 1;
        let reference = CheckpointRef { digest: Digest::of(&changed).0.into(), ..reference };
        assert!(Checkpoint::open(&changed, &reference, request, trainer, &key).is_err());
    }
}
