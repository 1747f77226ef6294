//! One run of the text classifier, from splits and a seed to an artifact.
//! It writes no file and keeps no state; whoever calls decides where events and bytes go.

use std::sync::atomic::AtomicBool;

use burn::tensor::{Device, Tensor};
use offsetdata_protocol::selection::Split;

use super::network::{Architecture, Network};
use super::{Hyperparameters, artifact};
use crate::dataset::{DatasetError, MAX_CLASSES, TextSet};
use crate::trainers::classifier::{INFERENCE_BATCH, Learner, Plan, fit, read};
use crate::trainers::{BuiltIn, Splits, Trained, TrainerError, Watcher};

/// Trains a network on `splits.train`, from the start or from a state that a run with the same arguments left.
///
/// `stop` is read before every batch. Blocks the calling thread for the whole run.
pub fn train(
    hyperparameters: &Hyperparameters,
    seed: [u8; 32],
    state: Option<&[u8]>,
    splits: &Splits<TextSet>,
    stop: &AtomicBool,
    watcher: &mut dyn Watcher,
) -> Result<Trained, TrainerError> {
    let top = splits.train.labels().iter().max().ok_or(TrainerError::NoTrainingRecords)?;
    let classes = hyperparameters.classes.unwrap_or(top + 1).clamp(2, MAX_CLASSES);
    for split in [Split::Train, Split::Validation, Split::Test] {
        let set = splits.of(split);
        DatasetError::check_labels(set.labels(), set.records(), classes)?;
    }
    let learner = Texts { splits, architecture: Architecture::new(hyperparameters, classes)? };
    let plan = Plan {
        trainer: BuiltIn::TextClassifier,
        classes,
        epochs: hyperparameters.epochs,
        batch_size: hyperparameters.batch_size,
        learning_rate: hyperparameters.learning_rate,
        schedule: hyperparameters.learning_rate_schedule,
        weight_decay: hyperparameters.weight_decay,
        label_smoothing: hyperparameters.label_smoothing,
        loss_every: hyperparameters.loss_every,
    };
    let fitted = fit(&learner, &plan, &seed, state, stop, watcher)?;
    let artifact =
        artifact::write(fitted.network, hyperparameters, classes, learner.architecture.parameters())?;
    Ok(Trained { artifact, finals: fitted.finals, units: fitted.units, steps: fitted.steps })
}

struct Texts<'a> {
    splits: &'a Splits<TextSet>,
    architecture: Architecture,
}

impl Learner for Texts<'_> {
    type Network = Network;
    /// Texts are seen as they are.
    type Noise = ();

    fn network(&self, seed: &[u8; 32], device: &Device) -> Network {
        self.architecture.init(seed, device)
    }

    fn noise(&self, _: &[u8; 32], _: u64) {}

    fn skip(&self, (): &mut (), _: usize) {}

    fn train_logits(
        &self,
        network: &Network,
        positions: &[usize],
        (): &mut (),
        device: &Device,
    ) -> Tensor<2> {
        network.forward(&self.splits.train, positions, device)
    }

    fn logits(&self, network: &Network, split: Split, positions: &[usize]) -> Tensor<2> {
        network.forward(self.splits.of(split), positions, &Device::flex())
    }

    fn labels(&self, split: Split) -> &[u32] {
        self.splits.of(split).labels()
    }
}

/// Logits of all texts of a set, row by row.
pub(super) fn infer(network: &Network, set: &TextSet) -> Result<Vec<f32>, TrainerError> {
    let positions: Vec<usize> = (0..set.len()).collect();
    let mut logits = Vec::new();
    for batch in positions.chunks(INFERENCE_BATCH) {
        logits.extend(read(network.forward(set, batch, &Device::flex()))?);
    }
    Ok(logits)
}
