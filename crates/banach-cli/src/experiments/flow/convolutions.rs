//! Strided and transposed convolutions with starting weights that follow from a seed.

use crate::random::Generator;
use burn::module::Param;
use burn::nn::PaddingConfig2d;
use burn::nn::conv::{Conv2d, Conv2dConfig, ConvTranspose2d, ConvTranspose2dConfig};
use burn::tensor::{Device, Tensor, TensorData, activation};

/// The slope of the leaky ReLU for negative numbers.
pub(crate) const SLOPE: f64 = 0.1;
/// How much smaller weights that read flow begin.
const READING: f64 = 0.1;

/// Leaky ReLU.
pub(crate) fn leaky(x: Tensor<4>) -> Tensor<4> {
    activation::leaky_relu(x, SLOPE)
}

/// Draws weights.
#[derive(Debug)]
pub(crate) struct Weights<'a> {
    pub(crate) generator: Generator,
    pub(crate) device: &'a Device,
}

impl Weights<'_> {
    /// A convolution of an odd kernel whose padding keeps the size, divided by the stride.
    pub(crate) fn convolution(
        &mut self,
        [inputs, outputs]: [usize; 2],
        kernel: usize,
        stride: usize,
    ) -> Conv2d {
        self.padded([inputs, outputs], [kernel, stride, kernel / 2], 1.0)
    }

    /// A convolution of 3 by 3 that reads flow, which begins close to 0.
    pub(crate) fn reading(&mut self, ends: [usize; 2]) -> Conv2d {
        self.padded(ends, [3, 1, 1], READING)
    }

    /// A convolution of 4 by 4 that halves the size.
    pub(crate) fn halving(&mut self, ends: [usize; 2], gain: f64) -> Conv2d {
        self.padded(ends, [4, 2, 1], gain)
    }

    fn padded(
        &mut self,
        [inputs, outputs]: [usize; 2],
        [kernel, stride, padding]: [usize; 3],
        gain: f64,
    ) -> Conv2d {
        let weight = self.normal([outputs, inputs, kernel, kernel], inputs * kernel * kernel, gain);
        let config = Conv2dConfig::new([inputs, outputs], [kernel; 2]).with_stride([stride; 2]);
        let config = config.with_padding(PaddingConfig2d::Explicit(padding, padding, padding, padding));
        let bias = Some(self.zeros(outputs));
        Conv2d { weight, bias, ..config.with_bias(false).init(self.device) }
    }

    /// A transposed convolution of 4 by 4 that doubles the size.
    pub(crate) fn doubling(&mut self, [inputs, outputs]: [usize; 2], gain: f64) -> ConvTranspose2d {
        // Each output is reached by 2 by 2 of the 4 by 4 weights.
        let weight = self.normal([inputs, outputs, 4, 4], 4 * inputs, gain);
        let config = ConvTranspose2dConfig::new([inputs, outputs], [4; 2]).with_stride([2; 2]);
        let config = config.with_padding([1; 2]);
        let bias = Some(self.zeros(outputs));
        ConvTranspose2d { weight, bias, ..config.with_bias(false).init(self.device) }
    }

    /// Normal numbers of the deviation that keeps the size of what passes (He et al., "Delving Deep into Rectifiers", 2015).
    fn normal(&mut self, shape: [usize; 4], inputs: usize, gain: f64) -> Param<Tensor<4>> {
        let deviation = gain * (2.0 / ((1.0 + SLOPE * SLOPE) * inputs as f64)).sqrt();
        let count = shape.iter().product();
        let values: Vec<f32> = (0..count).map(|_| (deviation * self.generator.normal()) as f32).collect();
        Param::from_data(TensorData::new(values, shape), self.device)
    }

    fn zeros(&self, count: usize) -> Param<Tensor<1>> {
        Param::from_data(TensorData::new(vec![0.0_f32; count], [count]), self.device)
    }
}
