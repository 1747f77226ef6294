//! One run of the image classifier, from splits and a seed to an artifact.
//! It writes no file and keeps no state; whoever calls decides where events and bytes go.

use std::sync::atomic::AtomicBool;

use burn::tensor::{Device, Tensor, TensorData};
use offsetdata_protocol::selection::Split;

use super::network::{Architecture, Network};
use super::{Hyperparameters, artifact};
use crate::dataset::{DatasetError, ImageSet, ImageShape, MAX_CLASSES};
use crate::trainers::classifier::{INFERENCE_BATCH, Learner, Plan, fit, read};
use crate::trainers::random::TrainerRng;
use crate::trainers::{BuiltIn, Splits, Trained, TrainerError, Watcher};

/// Trains a network on `splits.train`, from the start or from a state that a run with the same arguments left.
///
/// `stop` is read before every batch. Blocks the calling thread for the whole run.
pub fn train(
    hyperparameters: &Hyperparameters,
    seed: [u8; 32],
    state: Option<&[u8]>,
    splits: &Splits,
    stop: &AtomicBool,
    watcher: &mut dyn Watcher,
) -> Result<Trained, TrainerError> {
    let (shape, classes) = check_splits(hyperparameters, splits)?;
    let architecture = Architecture::new(shape, hyperparameters, classes)?;
    let learner = Images { splits, shape, shift: hyperparameters.shift, architecture };
    let plan = Plan {
        trainer: BuiltIn::ImageClassifier,
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
    let parameters = learner.architecture.parameters();
    let artifact = artifact::write(fitted.network, hyperparameters, shape, classes, parameters)?;
    Ok(Trained { artifact, finals: fitted.finals, units: fitted.units, steps: fitted.steps })
}

struct Images<'a> {
    splits: &'a Splits,
    shape: ImageShape,
    shift: u32,
    architecture: Architecture,
}

impl Learner for Images<'_> {
    type Network = Network;
    /// How far each image is moved.
    type Noise = TrainerRng;

    fn network(&self, seed: &[u8; 32], device: &Device) -> Network {
        self.architecture.init(seed, device)
    }

    fn noise(&self, seed: &[u8; 32], epoch: u64) -> TrainerRng {
        TrainerRng::new(seed, "shift", epoch)
    }

    fn skip(&self, noise: &mut TrainerRng, records: usize) {
        for _ in 0..2 * records {
            noise.offset(self.shift);
        }
    }

    fn train_logits(
        &self,
        network: &Network,
        positions: &[usize],
        noise: &mut TrainerRng,
        device: &Device,
    ) -> Tensor<2> {
        let moved = |_| (noise.offset(self.shift), noise.offset(self.shift));
        network.forward(images(&self.splits.train, positions, self.shape, device, moved))
    }

    fn logits(&self, network: &Network, split: Split, positions: &[usize]) -> Tensor<2> {
        let set = self.splits.of(split);
        network.forward(images(set, positions, self.shape, &Device::flex(), |_| (0, 0)))
    }

    fn labels(&self, split: Split) -> &[u32] {
        self.splits.of(split).labels()
    }
}

/// Shape and number of classes that all splits agree on.
fn check_splits(
    hyperparameters: &Hyperparameters,
    splits: &Splits,
) -> Result<(ImageShape, u32), TrainerError> {
    let expected = splits.train.shape().ok_or(TrainerError::NoTrainingRecords)?;
    let inferred = splits.train.labels().iter().max().map_or(0, |label| label + 1);
    let classes = hyperparameters.classes.unwrap_or(inferred).clamp(2, MAX_CLASSES);
    for (split, set) in [("train", &splits.train), ("validation", &splits.validation), ("test", &splits.test)]
    {
        if let Some(actual) = set.shape().filter(|actual| *actual != expected) {
            return Err(TrainerError::SplitShape { split, expected, actual });
        }
        DatasetError::check_labels(set.labels(), set.records(), classes)?;
    }
    Ok((expected, classes))
}

/// Images at `positions` as floats 0 to 1, each moved by what `shift` says (x, y), zeros moved in.
fn images(
    set: &ImageSet,
    positions: &[usize],
    shape: ImageShape,
    device: &Device,
    mut shift: impl FnMut(usize) -> (i32, i32),
) -> Tensor<4> {
    let (channels, height, width) = (shape.channels as usize, shape.height as usize, shape.width as usize);
    let mut values = vec![0f32; positions.len() * shape.len()];
    for (&position, target) in positions.iter().zip(values.chunks_mut(shape.len())) {
        let source = set.image(position);
        let (dx, dy) = shift(position);
        if (dx, dy) == (0, 0) {
            target.iter_mut().zip(source).for_each(|(value, byte)| *value = f32::from(*byte) / 255.0);
            continue;
        }
        let rows = source.chunks(width).zip(0i32..);
        for (row, number) in rows {
            let (plane, y) = (number / height as i32, number % height as i32 + dy);
            for (byte, x) in row.iter().zip(dx..) {
                if (0..height as i32).contains(&y) && (0..width as i32).contains(&x) {
                    let at = (plane as usize * height + y as usize) * width + x as usize;
                    target[at] = f32::from(*byte) / 255.0;
                }
            }
        }
    }
    Tensor::from_data(TensorData::new(values, [positions.len(), channels, height, width]), device)
}

/// Logits of all images of a set, row by row.
pub(super) fn infer(network: &Network, set: &ImageSet, shape: ImageShape) -> Result<Vec<f32>, TrainerError> {
    let positions: Vec<usize> = (0..set.len()).collect();
    let mut logits = Vec::new();
    for batch in positions.chunks(INFERENCE_BATCH) {
        logits.extend(read(network.forward(images(set, batch, shape, &Device::flex(), |_| (0, 0))))?);
    }
    Ok(logits)
}
