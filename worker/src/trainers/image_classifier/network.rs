//! The network and its first weights.
//! It does not train itself and draws nothing from burn's global random numbers.

use burn::module::{Module, Param, ParamId};
use burn::nn::Linear;
use burn::nn::PaddingConfig2d;
use burn::nn::conv::Conv2d;
use burn::nn::norm::GroupNorm;
use burn::tensor::activation::relu;
use burn::tensor::module::max_pool2d;
use burn::tensor::ops::MaxPoolOptions;
use burn::tensor::{Device, Tensor, TensorData};

use super::{Hyperparameters, MAX_PARAMETERS};
use crate::dataset::ImageShape;
use crate::trainers::TrainerError;
use crate::trainers::random::TrainerRng;

const KERNEL: usize = 3;

/// One stage: 3×3 convolution that keeps the size, normalisation over the whole image (group
/// normalisation with one group), ReLU, 2×2 max pooling while both sides have two pixels.
#[derive(Module, Debug)]
pub(super) struct Stage {
    convolution: Conv2d,
    normalisation: GroupNorm,
}

/// Stages, then an optional hidden layer with ReLU, then one number a class (logits).
#[derive(Module, Debug)]
pub(super) struct Network {
    stages: Vec<Stage>,
    hidden: Option<Linear>,
    output: Linear,
}

/// Everything that fixes the shapes of a network's weights.
#[derive(Debug, Clone)]
pub(super) struct Architecture {
    input: ImageShape,
    channels: Vec<usize>,
    hidden: usize,
    classes: usize,
}

impl Architecture {
    pub(super) fn new(
        input: ImageShape,
        hyperparameters: &Hyperparameters,
        classes: u32,
    ) -> Result<Self, TrainerError> {
        let architecture = Self {
            input,
            channels: hyperparameters.channels.iter().map(|count| *count as usize).collect(),
            hidden: hyperparameters.hidden as usize,
            classes: classes as usize,
        };
        let parameters = architecture.parameters();
        if parameters > MAX_PARAMETERS {
            return Err(TrainerError::NetworkTooLarge { parameters, max: MAX_PARAMETERS });
        }
        Ok(architecture)
    }

    /// Numbers after the last stage.
    fn features(&self) -> usize {
        let (mut height, mut width) = (self.input.height as usize, self.input.width as usize);
        for _ in &self.channels {
            if pools(height, width) {
                (height, width) = (height / 2, width / 2);
            }
        }
        self.channels.last().copied().unwrap_or(self.input.channels as usize) * height * width
    }

    /// Trainable numbers of the whole network.
    pub(super) fn parameters(&self) -> u64 {
        let mut count = 0u64;
        let mut input = self.input.channels as usize;
        for &output in &self.channels {
            count += (output * input * KERNEL * KERNEL + 3 * output) as u64;
            input = output;
        }
        let mut width = self.features();
        for next in [self.hidden, self.classes].into_iter().filter(|next| *next > 0) {
            count += width as u64 * next as u64 + next as u64;
            width = next;
        }
        count
    }

    /// First weights: uniform with the variance of He et al. 2015 (arXiv 1502.01852) for what feeds
    /// a ReLU, a third of it for the output layer; biases 0. The ids of the parameters are their
    /// ordinal numbers, so that equal runs make equal bytes.
    pub(super) fn init(&self, seed: &[u8; 32], device: &Device) -> Network {
        let mut factory = Factory { rng: TrainerRng::new(seed, "weights", 0), next_id: 1, device };
        let mut input = self.input.channels as usize;
        let mut stages = Vec::with_capacity(self.channels.len());
        for &output in &self.channels {
            stages.push(factory.stage(input, output));
            input = output;
        }
        let mut width = self.features();
        let hidden = (self.hidden > 0).then(|| factory.linear(width, self.hidden, 6.0));
        if hidden.is_some() {
            width = self.hidden;
        }
        let output = factory.linear(width, self.classes, 2.0);
        Network { stages, hidden, output }
    }
}

fn pools(height: usize, width: usize) -> bool {
    height >= 2 && width >= 2
}

impl Network {
    /// Logits `[batch, classes]` for images `[batch, channels, height, width]` in 0 to 1.
    pub(super) fn forward(&self, images: Tensor<4>) -> Tensor<2> {
        let mut x = images;
        for stage in &self.stages {
            x = relu(stage.normalisation.forward(stage.convolution.forward(x)));
            let [_, _, height, width] = x.dims();
            if pools(height, width) {
                x = max_pool2d(x, MaxPoolOptions::new([2, 2]));
            }
        }
        let mut x: Tensor<2> = x.flatten(1, 3);
        if let Some(hidden) = &self.hidden {
            x = relu(hidden.forward(x));
        }
        self.output.forward(x)
    }
}

/// Makes parameters in one fixed order.
struct Factory<'a> {
    rng: TrainerRng,
    next_id: u64,
    device: &'a Device,
}

impl Factory<'_> {
    fn parameter<const D: usize>(&mut self, shape: [usize; D], values: Vec<f32>) -> Param<Tensor<D>> {
        let id = ParamId::from(self.next_id);
        self.next_id += 1;
        let tensor = Tensor::from_data(TensorData::new(values, shape), self.device);
        // A network that only predicts lives on a device without gradients, where asking for them panics.
        Param::initialized(id, if self.device.is_autodiff() { tensor.require_grad() } else { tensor })
    }

    fn uniform<const D: usize>(&mut self, shape: [usize; D], limit: f32) -> Param<Tensor<D>> {
        let values = (0..shape.iter().product()).map(|_| self.rng.uniform(limit)).collect();
        self.parameter(shape, values)
    }

    fn constant(&mut self, length: usize, value: f32) -> Param<Tensor<1>> {
        self.parameter([length], vec![value; length])
    }

    fn stage(&mut self, input: usize, output: usize) -> Stage {
        let limit = (6.0 / (input * KERNEL * KERNEL) as f32).sqrt();
        let convolution = Conv2d {
            weight: self.uniform([output, input, KERNEL, KERNEL], limit),
            bias: Some(self.constant(output, 0.0)),
            stride: [1, 1],
            kernel_size: [KERNEL, KERNEL],
            dilation: [1, 1],
            groups: 1,
            padding: PaddingConfig2d::Same,
        };
        let normalisation = GroupNorm {
            gamma: Some(self.constant(output, 1.0)),
            beta: Some(self.constant(output, 0.0)),
            num_groups: 1,
            num_channels: output,
            epsilon: 1e-5,
            affine: true,
        };
        Stage { convolution, normalisation }
    }

    fn linear(&mut self, input: usize, output: usize, gain: f32) -> Linear {
        let limit = (gain / input as f32).sqrt();
        Linear { weight: self.uniform([input, output], limit), bias: Some(self.constant(output, 0.0)) }
    }
}
