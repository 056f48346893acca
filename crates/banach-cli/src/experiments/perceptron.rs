//! What is the map inside both experiments? Two linear maps with a ReLU between them.

use crate::random::Generator;
use burn::module::{Module, Param};
use burn::nn::Linear;
use burn::tensor::{Device, Tensor, TensorData, activation};

/// `W2 relu(W1 u + b1) + b2`.
#[derive(Module, Debug)]
pub(crate) struct Perceptron {
    first: Linear,
    second: Linear,
}

impl Perceptron {
    /// Sizes: input, hidden, output. Weights are uniform in ±1/√inputs, the same on every device.
    pub(crate) fn new(sizes: [usize; 3], generator: &mut Generator, device: &Device) -> Self {
        let [input, hidden, output] = sizes;
        Self {
            first: linear(input, hidden, generator, device),
            second: linear(hidden, output, generator, device),
        }
    }

    /// `[batch, input]` to `[batch, output]`.
    pub(crate) fn forward(&self, input: Tensor<2>) -> Tensor<2> {
        self.second.forward(activation::relu(self.first.forward(input)))
    }
}

fn linear(inputs: usize, outputs: usize, generator: &mut Generator, device: &Device) -> Linear {
    let bound = 1.0 / (inputs as f64).sqrt();
    let mut draw = |count: usize| -> Vec<f32> {
        (0..count).map(|_| (bound * (2.0 * generator.uniform() - 1.0)) as f32).collect()
    };
    let weight = TensorData::new(draw(inputs * outputs), [inputs, outputs]);
    let bias = TensorData::new(draw(outputs), [outputs]);
    Linear { weight: Param::from_data(weight, device), bias: Some(Param::from_data(bias, device)) }
}
