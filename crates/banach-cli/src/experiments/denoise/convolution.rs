//! Convolutions with starting weights that follow from a seed.

use crate::random::Generator;
use burn::module::Param;
use burn::nn::PaddingConfig2d;
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::tensor::{Device, TensorData};

const TAPS: usize = 9;

/// A convolution of 3 by 3 that keeps the size, with weights and biases that are uniform in ±1/√inputs.
pub(crate) fn convolution(
    [inputs, outputs]: [usize; 2],
    generator: &mut Generator,
    device: &Device,
) -> Conv2d {
    let bound = 1.0 / ((inputs * TAPS) as f64).sqrt();
    let mut draw = |count: usize| -> Vec<f32> {
        (0..count).map(|_| (bound * (2.0 * generator.uniform() - 1.0)) as f32).collect()
    };
    let weight = TensorData::new(draw(outputs * inputs * TAPS), [outputs, inputs, 3, 3]);
    let bias = TensorData::new(draw(outputs), [outputs]);
    let config = Conv2dConfig::new([inputs, outputs], [3, 3]);
    let config = config.with_padding(PaddingConfig2d::Explicit(1, 1, 1, 1)).with_bias(false);
    Conv2d {
        weight: Param::from_data(weight, device),
        bias: Some(Param::from_data(bias, device)),
        ..config.init(device)
    }
}
