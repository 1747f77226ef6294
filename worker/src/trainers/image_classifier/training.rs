//! One training run, from splits and a seed to an artifact.
//! It writes no file and keeps no state; whoever calls decides where events and bytes go.

use std::sync::atomic::{AtomicBool, Ordering};

use burn::module::Module;
use burn::optim::{AdamWConfig, GradientsParams};
use burn::tensor::activation::log_softmax;
use burn::tensor::{Device, Tensor, TensorData};

use super::artifact;
use super::network::{Architecture, Network};
use super::{Hyperparameters, NAME};
use crate::dataset::{DatasetError, ImageSet, ImageShape, MAX_CLASSES};
use crate::trainers::random::TrainerRng;
use crate::trainers::{MetricEvent, Splits, TrainerError, metric};

/// Records a batch of inference holds.
const INFERENCE_BATCH: usize = 128;

/// What a finished run leaves.
#[derive(Debug, Clone)]
pub struct Trained {
    /// Bytes that [`ImageClassifier::load`](super::ImageClassifier::load) reads.
    pub artifact: Vec<u8>,
    pub finals: FinalValues,
    /// Records seen in training, equal to the estimate.
    pub units: u64,
    /// Optimizer steps.
    pub steps: u64,
}

/// Last values of the metrics: losses in nats a record, accuracies 0 to 1; `None` for an empty split.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FinalValues {
    /// Mean over the last epoch.
    pub train_loss: f64,
    /// Share of the last epoch.
    pub train_accuracy: f64,
    pub validation_loss: Option<f64>,
    pub validation_accuracy: Option<f64>,
    pub test_loss: Option<f64>,
    pub test_accuracy: Option<f64>,
}

/// Trains a network on `splits.train`.
///
/// Events come in a fixed order: `train/loss` at the steps that `lossEvery` names, after each epoch
/// `train/accuracy`, `validation/loss` and `validation/accuracy`, at the end `test/loss` and
/// `test/accuracy`. `cancel` is read before every batch, in training and in evaluation. Blocks the
/// calling thread for the whole run.
pub fn train(
    hyperparameters: &Hyperparameters,
    seed: [u8; 32],
    splits: &Splits,
    cancel: &AtomicBool,
    mut on_metric: impl FnMut(MetricEvent),
) -> Result<Trained, TrainerError> {
    let (shape, classes) = check_splits(hyperparameters, splits)?;
    let architecture = Architecture::new(shape, hyperparameters, classes)?;
    let records = splits.train.len();
    let steps = hyperparameters.estimate_steps(records as u64)?;
    tracing::debug!(trainer = NAME, records, steps, classes, %shape, "training starts");

    let device = Device::flex().autodiff();
    let mut network = architecture.init(&seed, &device);
    let mut optimizer = AdamWConfig::new().with_weight_decay(hyperparameters.weight_decay as f32).init();
    let (mut step, mut units) = (0u64, 0u64);
    let mut finals = None;

    for epoch in 0..hyperparameters.epochs {
        let order = TrainerRng::new(&seed, "shuffle", epoch.into()).permutation(records);
        let mut shifts = TrainerRng::new(&seed, "shift", epoch.into());
        let (mut loss_sum, mut right) = (0.0, 0usize);
        for batch in order.chunks(hyperparameters.batch_size.max(1) as usize) {
            if cancel.load(Ordering::Relaxed) {
                return Err(TrainerError::Cancelled { step, units });
            }
            let images = images(&splits.train, batch, shape, &device, |_| {
                (shifts.offset(hyperparameters.shift), shifts.offset(hyperparameters.shift))
            });
            let labels: Vec<u32> = batch.iter().map(|position| splits.train.labels()[*position]).collect();
            let targets = targets(&labels, classes, hyperparameters.label_smoothing, &device);

            let logits = network.forward(images);
            right += count_right(&read(logits.clone())?, &labels, classes);
            let loss = (targets * log_softmax(logits, 1)).sum().mul_scalar(-1.0 / batch.len() as f64);
            let value = f64::from(loss.clone().try_into_scalar::<f32>().map_err(backend)?);
            let gradients = GradientsParams::from_grads(loss.backward(), &network);
            let rate = hyperparameters.learning_rate_at(step, steps);
            network = optimizer.step(rate, network, gradients);

            step += 1;
            units += batch.len() as u64;
            loss_sum += value * batch.len() as f64;
            let diverged = !value.is_finite();
            if diverged || step.is_multiple_of(hyperparameters.loss_every.max(1).into()) {
                on_metric(MetricEvent { step, key: metric::TRAIN_LOSS, value, units });
            }
            if diverged {
                return Err(TrainerError::Diverged { step, units });
            }
        }

        let train_accuracy = right as f64 / records as f64;
        on_metric(MetricEvent { step, key: metric::TRAIN_ACCURACY, value: train_accuracy, units });
        let stop = || {
            if cancel.load(Ordering::Relaxed) {
                return Err(TrainerError::Cancelled { step, units });
            }
            Ok(())
        };
        let validation = evaluate(&network.valid(), &splits.validation, shape, classes, stop)?;
        if let Some((loss, accuracy)) = validation {
            on_metric(MetricEvent { step, key: metric::VALIDATION_LOSS, value: loss, units });
            on_metric(MetricEvent { step, key: metric::VALIDATION_ACCURACY, value: accuracy, units });
        }
        finals = Some(FinalValues {
            train_loss: loss_sum / records as f64,
            train_accuracy,
            validation_loss: validation.map(|(loss, _)| loss),
            validation_accuracy: validation.map(|(_, accuracy)| accuracy),
            test_loss: None,
            test_accuracy: None,
        });
    }

    let mut finals = finals.ok_or_else(|| TrainerError::Hyperparameters {
        at: "/epochs".to_owned(),
        reason: "0 is less than the minimum of 1".to_owned(),
    })?;
    let network = network.valid();
    let stop = || {
        if cancel.load(Ordering::Relaxed) {
            return Err(TrainerError::Cancelled { step, units });
        }
        Ok(())
    };
    if let Some((loss, accuracy)) = evaluate(&network, &splits.test, shape, classes, stop)? {
        on_metric(MetricEvent { step, key: metric::TEST_LOSS, value: loss, units });
        on_metric(MetricEvent { step, key: metric::TEST_ACCURACY, value: accuracy, units });
        finals.test_loss = Some(loss);
        finals.test_accuracy = Some(accuracy);
    }
    let artifact = artifact::write(network, hyperparameters, shape, classes, architecture.parameters())?;
    Ok(Trained { artifact, finals, units, steps: step })
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
        if let Some((label, record)) =
            set.labels().iter().zip(set.records()).find(|(label, _)| **label >= classes)
        {
            let (label, record) = (u64::from(*label), *record);
            return Err(DatasetError::LabelOutOfRange { record, label, classes }.into());
        }
    }
    Ok((expected, classes))
}

/// Images at `positions` as floats 0 to 1, each moved by what `shift` says (x, y), zeros moved in.
pub(super) fn images(
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

/// Target distribution `[batch, classes]`: 1 at the label, less what smoothing spreads evenly.
fn targets(labels: &[u32], classes: u32, smoothing: f64, device: &Device) -> Tensor<2> {
    let classes = classes as usize;
    let floor = (smoothing / classes as f64) as f32;
    let mut values = vec![floor; labels.len() * classes];
    for (label, row) in labels.iter().zip(values.chunks_mut(classes)) {
        row[*label as usize] += 1.0 - smoothing as f32;
    }
    Tensor::from_data(TensorData::new(values, [labels.len(), classes]), device)
}

/// Mean loss (without smoothing) and accuracy over a set; `None` when it is empty.
fn evaluate(
    network: &Network,
    set: &ImageSet,
    shape: ImageShape,
    classes: u32,
    stop: impl Fn() -> Result<(), TrainerError>,
) -> Result<Option<(f64, f64)>, TrainerError> {
    if set.is_empty() {
        return Ok(None);
    }
    let (mut loss, mut right) = (0.0, 0usize);
    let positions: Vec<usize> = (0..set.len()).collect();
    for batch in positions.chunks(INFERENCE_BATCH) {
        stop()?;
        let logits = infer(network, set, batch, shape)?;
        let labels = &set.labels()[batch[0]..batch[0] + batch.len()];
        right += count_right(&logits, labels, classes);
        for (row, label) in logits.chunks(classes as usize).zip(labels) {
            loss += log_sum_exp(row) - f64::from(row[*label as usize]);
        }
    }
    Ok(Some((loss / set.len() as f64, right as f64 / set.len() as f64)))
}

/// Logits of the images at `positions`, row by row.
pub(super) fn infer(
    network: &Network,
    set: &ImageSet,
    positions: &[usize],
    shape: ImageShape,
) -> Result<Vec<f32>, TrainerError> {
    let mut logits = Vec::new();
    for batch in positions.chunks(INFERENCE_BATCH) {
        logits.extend(read(network.forward(images(set, batch, shape, &Device::flex(), |_| (0, 0))))?);
    }
    Ok(logits)
}

pub(super) fn log_sum_exp(row: &[f32]) -> f64 {
    let top = row.iter().fold(f64::NEG_INFINITY, |top, value| top.max(f64::from(*value)));
    top + row.iter().map(|value| (f64::from(*value) - top).exp()).sum::<f64>().ln()
}

/// Position of the largest value, the first among equals.
pub(super) fn argmax(row: &[f32]) -> usize {
    let mut best = 0;
    for (position, value) in row.iter().enumerate() {
        if *value > row[best] {
            best = position;
        }
    }
    best
}

fn count_right(logits: &[f32], labels: &[u32], classes: u32) -> usize {
    logits.chunks(classes as usize).zip(labels).filter(|(row, label)| argmax(row) == **label as usize).count()
}

fn read(logits: Tensor<2>) -> Result<Vec<f32>, TrainerError> {
    logits.try_into_vec_as().map_err(backend)
}

fn backend(error: impl std::fmt::Display) -> TrainerError {
    TrainerError::Backend(error.to_string())
}
