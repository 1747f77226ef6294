//! The loop that all classifiers share: epochs of shuffled batches, AdamW, measurements, states to go on from.
//! It knows neither images nor texts, and it writes no artifact.

use std::sync::atomic::{AtomicBool, Ordering};

use burn::module::Module;
use burn::optim::{AdamWConfig, GradientsParams};
use burn::tensor::activation::log_softmax;
use burn::tensor::{Device, Tensor, TensorData};
use offsetdata_protocol::selection::Split;

use super::random::TrainerRng;
use super::state::State;
use super::{BuiltIn, MetricEvent, TrainerError, TrainerState, Watcher, metric, weights};

/// Records a batch of inference holds.
pub(super) const INFERENCE_BATCH: usize = 128;

/// How the step size moves over a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum LearningRateSchedule {
    /// Half a cosine from the peak towards 0.
    Cosine,
    /// The same at every step.
    Constant,
}

/// What a finished run leaves.
#[derive(Debug, Clone)]
pub struct Trained {
    /// Bytes that the trainer's model reads.
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

/// What is learned from: one network and its data.
pub(super) trait Learner {
    type Network: Module + Clone;
    /// Randomness within an epoch, for instance augmentation.
    type Noise;

    /// First weights, or the frame that a state's weights go into.
    fn network(&self, seed: &[u8; 32], device: &Device) -> Self::Network;
    fn noise(&self, seed: &[u8; 32], epoch: u64) -> Self::Noise;
    /// Draws what `records` records of an epoch take.
    fn skip(&self, noise: &mut Self::Noise, records: usize);
    /// Logits `[batch, classes]` of training records.
    fn train_logits(
        &self,
        network: &Self::Network,
        positions: &[usize],
        noise: &mut Self::Noise,
        device: &Device,
    ) -> Tensor<2>;
    /// Logits of records as they are.
    fn logits(&self, network: &Self::Network, split: Split, positions: &[usize]) -> Tensor<2>;
    fn labels(&self, split: Split) -> &[u32];
}

/// How it is learned.
#[derive(Debug, Clone, Copy)]
pub(super) struct Plan {
    pub(super) trainer: BuiltIn,
    pub(super) classes: u32,
    pub(super) epochs: u32,
    pub(super) batch_size: u32,
    pub(super) learning_rate: f64,
    pub(super) schedule: LearningRateSchedule,
    pub(super) weight_decay: f64,
    pub(super) label_smoothing: f64,
    pub(super) loss_every: u32,
}

impl Plan {
    fn batch(&self) -> usize {
        self.batch_size.max(1) as usize
    }

    /// Step size at `step` (from 0) of `steps`.
    fn rate_at(&self, step: u64, steps: u64) -> f64 {
        match self.schedule {
            LearningRateSchedule::Constant => self.learning_rate,
            LearningRateSchedule::Cosine => {
                let progress = step as f64 / steps.max(1) as f64;
                self.learning_rate * 0.5 * (1.0 + (std::f64::consts::PI * progress).cos())
            }
        }
    }
}

/// Units of a whole run: training records × epochs.
pub(super) fn units_of(train_records: u64, epochs: u32) -> Result<u64, TrainerError> {
    train_records.checked_mul(u64::from(epochs)).ok_or(TrainerError::UnitsOverflow)
}

/// A network that has been through the whole run.
pub(super) struct Fitted<N> {
    pub(super) network: N,
    pub(super) finals: FinalValues,
    pub(super) units: u64,
    pub(super) steps: u64,
}

/// Trains, from the start or from a state.
///
/// Events come in a fixed order: `train/loss` at the steps that `lossEvery` names, after each epoch `train/accuracy`,
/// `validation/loss` and `validation/accuracy`, at the end `test/loss` and `test/accuracy`. A state may be taken after
/// any step; it stands behind all events of that step. `stop` is read before every batch, in training and in
/// evaluation. Blocks the calling thread for the whole run.
pub(super) fn fit<L: Learner>(
    learner: &L,
    plan: &Plan,
    seed: &[u8; 32],
    state: Option<&[u8]>,
    stop: &AtomicBool,
    watcher: &mut dyn Watcher,
) -> Result<Fitted<L::Network>, TrainerError> {
    let records = learner.labels(Split::Train).len();
    let per_epoch = records.div_ceil(plan.batch()) as u64;
    let steps = per_epoch.checked_mul(u64::from(plan.epochs)).ok_or(TrainerError::UnitsOverflow)?;
    let device = Device::flex().autodiff();
    let mut network = learner.network(seed, &device);
    let mut optimizer = AdamWConfig::new().with_weight_decay(plan.weight_decay as f32).init();
    let mut at = State::default();
    if let Some(bytes) = state {
        let (found, weights, moments) = State::read(plan.trainer, records as u64, steps, bytes)?;
        at = found;
        network = weights::load(network, weights).map_err(TrainerError::State)?;
        optimizer = weights::load_optimizer(optimizer, moments).map_err(TrainerError::State)?;
    }
    tracing::debug!(trainer = plan.trainer.name(), records, steps, from = at.step, "training starts");
    let cancelled = |at: &State| match stop.load(Ordering::Relaxed) {
        true => Err(TrainerError::Cancelled { step: at.step, units: at.units }),
        false => Ok(()),
    };

    for epoch in at.step / per_epoch.max(1)..u64::from(plan.epochs) {
        let order = TrainerRng::new(seed, "shuffle", epoch).permutation(records);
        let mut noise = learner.noise(seed, epoch);
        let done = (at.step % per_epoch) as usize;
        learner.skip(&mut noise, done * plan.batch());
        for batch in order.chunks(plan.batch()).skip(done) {
            cancelled(&at)?;
            let logits = learner.train_logits(&network, batch, &mut noise, &device);
            let labels: Vec<u32> =
                batch.iter().map(|position| learner.labels(Split::Train)[*position]).collect();
            let targets = targets(&labels, plan.classes, plan.label_smoothing, &device);
            at.right += count_right(&read(logits.clone())?, &labels, plan.classes) as u64;
            let loss = (targets * log_softmax(logits, 1)).sum().mul_scalar(-1.0 / batch.len() as f64);
            let value = f64::from(loss.clone().try_into_scalar::<f32>().map_err(backend)?);
            let gradients = GradientsParams::from_grads(loss.backward(), &network);
            network = optimizer.step(plan.rate_at(at.step, steps), network, gradients);

            at.step += 1;
            at.units += batch.len() as u64;
            at.loss_sum += value * batch.len() as f64;
            let diverged = !value.is_finite();
            if diverged || at.step.is_multiple_of(plan.loss_every.max(1).into()) {
                watcher.metric(at.event(metric::TRAIN_LOSS, value));
            }
            if diverged {
                return Err(TrainerError::Diverged { step: at.step, units: at.units });
            }
            if !at.step.is_multiple_of(per_epoch) && watcher.wants_state() {
                watcher.state(take(&at, plan, records, steps, &network, &optimizer)?);
            }
        }

        let train_accuracy = at.right as f64 / records as f64;
        watcher.metric(at.event(metric::TRAIN_ACCURACY, train_accuracy));
        let valid = network.valid();
        let validation = evaluate(learner, &valid, Split::Validation, plan.classes, || cancelled(&at))?;
        if let Some((loss, accuracy)) = validation {
            watcher.metric(at.event(metric::VALIDATION_LOSS, loss));
            watcher.metric(at.event(metric::VALIDATION_ACCURACY, accuracy));
        }
        at.finals = Some(FinalValues {
            train_loss: at.loss_sum / records as f64,
            train_accuracy,
            validation_loss: validation.map(|(loss, _)| loss),
            validation_accuracy: validation.map(|(_, accuracy)| accuracy),
            test_loss: None,
            test_accuracy: None,
        });
        (at.loss_sum, at.right) = (0.0, 0);
        if watcher.wants_state() {
            watcher.state(take(&at, plan, records, steps, &network, &optimizer)?);
        }
    }

    let mut finals = at.finals.ok_or_else(|| TrainerError::Hyperparameters {
        at: "/epochs".to_owned(),
        reason: "0 is less than the minimum of 1".to_owned(),
    })?;
    let network = network.valid();
    watcher.evaluating();
    if let Some((loss, accuracy)) = evaluate(learner, &network, Split::Test, plan.classes, || cancelled(&at))?
    {
        watcher.metric(at.event(metric::TEST_LOSS, loss));
        watcher.metric(at.event(metric::TEST_ACCURACY, accuracy));
        finals.test_loss = Some(loss);
        finals.test_accuracy = Some(accuracy);
    }
    Ok(Fitted { network, finals, units: at.units, steps: at.step })
}

impl State {
    fn event(&self, key: &'static str, value: f64) -> MetricEvent {
        MetricEvent { step: self.step, key, value, units: self.units }
    }
}

fn take<N: Module + Clone>(
    at: &State,
    plan: &Plan,
    records: usize,
    steps: u64,
    network: &N,
    optimizer: &burn::optim::ModuleOptimizer,
) -> Result<TrainerState, TrainerError> {
    let weights = weights::bytes(network.clone()).map_err(TrainerError::State)?;
    let moments = optimizer.to_record().into_bytes().map_err(backend)?;
    let bytes = at.write(plan.trainer, records as u64, steps, &weights, &moments)?;
    Ok(TrainerState { step: at.step, units: at.units, bytes })
}

/// Mean loss (without smoothing) and accuracy over a split; `None` when it is empty.
fn evaluate<L: Learner>(
    learner: &L,
    network: &L::Network,
    split: Split,
    classes: u32,
    stop: impl Fn() -> Result<(), TrainerError>,
) -> Result<Option<(f64, f64)>, TrainerError> {
    let labels = learner.labels(split);
    if labels.is_empty() {
        return Ok(None);
    }
    let (mut loss, mut right) = (0.0, 0usize);
    let positions: Vec<usize> = (0..labels.len()).collect();
    for batch in positions.chunks(INFERENCE_BATCH) {
        stop()?;
        let logits = read(learner.logits(network, split, batch))?;
        let labels = &labels[batch[0]..batch[0] + batch.len()];
        right += count_right(&logits, labels, classes);
        for (row, label) in logits.chunks(classes as usize).zip(labels) {
            loss += log_sum_exp(row) - f64::from(row[*label as usize]);
        }
    }
    Ok(Some((loss / labels.len() as f64, right as f64 / labels.len() as f64)))
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

/// One prediction.
#[derive(Debug, Clone, PartialEq)]
pub struct Prediction {
    /// The most probable label, the smallest among equals.
    pub label: u32,
    /// Probability of every label; they add to 1 up to rounding.
    pub probabilities: Vec<f32>,
}

/// Predictions of logits, row by row.
pub(super) fn predictions(logits: &[f32], classes: u32) -> Vec<Prediction> {
    let row = |row: &[f32]| {
        let total = log_sum_exp(row);
        let probabilities = row.iter().map(|value| (f64::from(*value) - total).exp() as f32).collect();
        Prediction { label: argmax(row) as u32, probabilities }
    };
    logits.chunks(classes.max(1) as usize).map(row).collect()
}

fn log_sum_exp(row: &[f32]) -> f64 {
    let top = row.iter().fold(f64::NEG_INFINITY, |top, value| top.max(f64::from(*value)));
    top + row.iter().map(|value| (f64::from(*value) - top).exp()).sum::<f64>().ln()
}

/// Position of the largest value, the first among equals.
fn argmax(row: &[f32]) -> usize {
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

pub(super) fn read(logits: Tensor<2>) -> Result<Vec<f32>, TrainerError> {
    logits.try_into_vec_as().map_err(backend)
}

pub(super) fn backend(error: impl std::fmt::Display) -> TrainerError {
    TrainerError::Backend(error.to_string())
}
