//! The network and its first weights.
//! It does not train itself and draws nothing from burn's global random numbers.

use burn::module::{Module, Param, ParamId};
use burn::nn::Linear;
use burn::tensor::activation::relu;
use burn::tensor::{Device, Int, Tensor, TensorData};

use super::{Hyperparameters, MAX_PARAMETERS};
use crate::dataset::TextSet;
use crate::trainers::TrainerError;
use crate::trainers::random::TrainerRng;

/// A row of weights a column, to the classes or to a hidden layer with ReLU that leads to them.
#[derive(Module, Debug)]
pub(super) struct Network {
    columns: Param<Tensor<2>>,
    bias: Param<Tensor<1>>,
    output: Option<Linear>,
}

/// Everything that fixes the shapes of a network's weights.
#[derive(Debug, Clone, Copy)]
pub(super) struct Architecture {
    columns: usize,
    hidden: usize,
    classes: usize,
}

impl Architecture {
    pub(super) fn new(hyperparameters: &Hyperparameters, classes: u32) -> Result<Self, TrainerError> {
        let architecture = Self {
            columns: hyperparameters.features().columns(),
            hidden: hyperparameters.hidden as usize,
            classes: classes as usize,
        };
        let parameters = architecture.parameters();
        if parameters > MAX_PARAMETERS {
            return Err(TrainerError::NetworkTooLarge { parameters, max: MAX_PARAMETERS });
        }
        Ok(architecture)
    }

    /// Trainable numbers of the whole network.
    pub(super) fn parameters(&self) -> u64 {
        let first = if self.hidden > 0 { self.hidden } else { self.classes } as u64;
        let second = if self.hidden > 0 { (self.hidden as u64 + 1) * self.classes as u64 } else { 0 };
        (self.columns as u64 + 1) * first + second
    }

    /// First weights: zeros for the linear classifier, whose loss has one minimum; else uniform, rows of length about 1
    /// in the first layer as texts are of length 1, and by He et al. 2015 in the second. The ids of the parameters are
    /// their ordinal numbers, so that equal runs make equal bytes.
    pub(super) fn init(&self, seed: &[u8; 32], device: &Device) -> Network {
        let mut rng = TrainerRng::new(seed, "weights", 0);
        let mut uniform = |count: usize, limit: f32| (0..count).map(|_| rng.uniform(limit)).collect();
        let width = if self.hidden > 0 { self.hidden } else { self.classes };
        let first: Vec<f32> = match self.hidden {
            0 => vec![0.0; self.columns * width],
            hidden => uniform(self.columns * hidden, (3.0 / hidden as f32).sqrt()),
        };
        let columns = parameter(1, [self.columns, width], first, device);
        let bias = parameter(2, [width], vec![0.0; width], device);
        let output = (self.hidden > 0).then(|| {
            let weights = uniform(width * self.classes, (2.0 / width as f32).sqrt());
            Linear {
                weight: parameter(3, [width, self.classes], weights, device),
                bias: Some(parameter(4, [self.classes], vec![0.0; self.classes], device)),
            }
        });
        Network { columns, bias, output }
    }
}

fn parameter<const D: usize>(
    id: u64,
    shape: [usize; D],
    values: Vec<f32>,
    device: &Device,
) -> Param<Tensor<D>> {
    let tensor = Tensor::from_data(TensorData::new(values, shape), device);
    // A network that only predicts lives on a device without gradients, where asking for them panics.
    Param::initialized(ParamId::from(id), if device.is_autodiff() { tensor.require_grad() } else { tensor })
}

impl Network {
    /// Logits `[batch, classes]` of the texts at `positions`: only the columns that occur in them are multiplied.
    pub(super) fn forward(&self, set: &TextSet, positions: &[usize], device: &Device) -> Tensor<2> {
        let mut used: Vec<u32> = positions.iter().flat_map(|at| set.row(*at).0).copied().collect();
        used.sort_unstable();
        used.dedup();
        if used.is_empty() {
            used.push(0);
        }
        let mut dense = vec![0f32; positions.len() * used.len()];
        for (position, row) in positions.iter().zip(dense.chunks_mut(used.len())) {
            let (columns, values) = set.row(*position);
            let mut at = 0;
            for (column, value) in columns.iter().zip(values) {
                // Both rise, and every column of a row is among the used ones.
                while used[at] < *column {
                    at += 1;
                }
                row[at] = *value;
            }
        }
        let batch = Tensor::<2>::from_data(TensorData::new(dense, [positions.len(), used.len()]), device);
        let count = used.len();
        let used: Vec<i64> = used.into_iter().map(i64::from).collect();
        let used = Tensor::<1, Int>::from_data(TensorData::new(used, [count]), device);
        let x = batch.matmul(self.columns.val().select(0, used)) + self.bias.val().unsqueeze();
        match &self.output {
            Some(output) => output.forward(relu(x)),
            None => x,
        }
    }
}
