//! The perceptron inside the experiments: two linear maps with a ReLU between them.

use crate::random::Generator;
use burn::module::{Module, Param};
use burn::nn::Linear;
use burn::tensor::{Device, Tensor, TensorData, activation};

/// `W2 (m ⊙ relu(W1 u + b1)) + b2`, where m leaves hidden units out while training.
#[derive(Module, Debug)]
pub(crate) struct Perceptron {
    first: Linear,
    second: Linear,
}

impl Perceptron {
    /// Sizes: input, hidden, output. Weights are uniform in ±1/√inputs, equal on every device.
    pub(crate) fn new(sizes: [usize; 3], generator: &mut Generator, device: &Device) -> Self {
        let [input, hidden, output] = sizes;
        Self {
            first: linear(input, hidden, generator, device),
            second: linear(hidden, output, generator, device),
        }
    }

    /// Replaces the starting values of b2, if there are others.
    pub(crate) fn with_output_bias(mut self, bias: Option<&[f32]>, device: &Device) -> Self {
        if let Some(bias) = bias {
            let data = TensorData::new(bias.to_vec(), [bias.len()]);
            self.second.bias = Some(Param::from_data(data, device));
        }
        self
    }

    /// Starts W2 and b2 at 0.
    pub(crate) fn with_silent_output(mut self, device: &Device) -> Self {
        let [hidden, output] = self.second.weight.dims();
        let zeros = |count: usize| vec![0.0_f32; count];
        self.second.weight =
            Param::from_data(TensorData::new(zeros(hidden * output), [hidden, output]), device);
        self.second.bias = Some(Param::from_data(TensorData::new(zeros(output), [output]), device));
        self
    }

    /// `[batch, input]` to `[batch, output]`.
    pub(crate) fn forward(&self, input: Tensor<2>) -> Tensor<2> {
        self.masked(input, None)
    }

    /// `[batch, input]` to `[batch, output]`, with a factor for each hidden unit, `[batch, hidden]`, if there is one.
    pub(crate) fn masked(&self, input: Tensor<2>, mask: Option<Tensor<2>>) -> Tensor<2> {
        let hidden = activation::relu(self.first.forward(input));
        self.second.forward(match mask {
            Some(mask) => hidden * mask,
            None => hidden,
        })
    }
}

/// A linear map with weights and biases that are uniform in ±1/√inputs.
pub(crate) fn linear(inputs: usize, outputs: usize, generator: &mut Generator, device: &Device) -> Linear {
    let bound = 1.0 / (inputs as f64).sqrt();
    let mut draw = |count: usize| -> Vec<f32> {
        (0..count).map(|_| (bound * (2.0 * generator.uniform() - 1.0)) as f32).collect()
    };
    let weight = TensorData::new(draw(inputs * outputs), [inputs, outputs]);
    let bias = TensorData::new(draw(outputs), [outputs]);
    Linear { weight: Param::from_data(weight, device), bias: Some(Param::from_data(bias, device)) }
}
