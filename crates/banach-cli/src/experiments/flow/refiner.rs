//! The map of the layer behind FlowNet: one convolution and one transposed convolution on the flow.

use super::convolutions::{Weights, leaky};
use banach::Update;
use banach::regularize::singular_value::convolution_bound;
use burn::module::{Module, Param};
use burn::nn::conv::{Conv2d, ConvTranspose2d};
use burn::tensor::Tensor;
use burn::tensor::module::{conv_transpose2d, conv2d};
use burn::tensor::ops::{ConvOptions, ConvTransposeOptions};

/// Channels between both convolutions: with 15 the layer has less than 0.01 % of the parameters of the published network.
const CHANNELS: usize = 15;
/// Channels of a flow, and of what is seen at it: the first image, δ and the normal flow.
const FLOW: usize = 2;
const SEEN: usize = 6;
/// How much smaller the transposed convolution begins: the layer begins close to the identity.
const BEGINNING: f64 = 0.1;
/// Steps of the Gram iteration that bounds a convolution.
const BOUND_STEPS: usize = 2;

/// `g(x, (f, s)) = f + D φ(C x + B [f, s])` with φ the leaky ReLU: the flow f of a network and what is seen at it, s, are
/// injected once, the state x is a flow.
///
/// s is the first image, the difference δ to it of the second one carried back by f, and the normal flow `-∇I δ / (|∇I|² + ε)`:
/// the shortest change of f that the difference asks for.
///
/// Where a gain s is set, `‖C‖ ‖D‖ <= s` holds for all weights; with s < 1 the map contracts.
#[derive(Module, Debug)]
pub(crate) struct Refiner {
    /// B, with the bias of both convolutions.
    inject: Conv2d,
    /// C.
    halving: Param<Tensor<4>>,
    /// D.
    doubling: ConvTranspose2d,
    gain: Option<f64>,
}

impl Refiner {
    /// A map with starting weights.
    pub(crate) fn new(gain: Option<f64>, weights: &mut Weights<'_>) -> Self {
        let inject = weights.halving([FLOW + SEEN, CHANNELS], 1.0);
        let halving = weights.halving([FLOW, CHANNELS], 1.0).weight;
        let doubling = weights.doubling([CHANNELS, FLOW], BEGINNING);
        Self { inject, halving, doubling, gain }
    }

    /// A weight divided by as much as the bound of its convolution exceeds the root of the gain.
    fn bounded(&self, weight: Tensor<4>) -> Tensor<4> {
        let Some(gain) = self.gain else { return weight };
        let excess = (bound(weight.clone()) * gain.sqrt().recip()).clamp_min(1.0);
        weight / excess.unsqueeze()
    }
}

/// An upper bound of the norm of a convolution of 4 by 4 with stride 2, or of its transpose.
///
/// On blocks of 2 by 2 pixels as channels, it is a convolution of 2 by 2 with stride 1, whose bound is tighter than that of
/// the kernel as it is.
fn bound(weight: Tensor<4>) -> Tensor<1> {
    let [outputs, inputs, ..] = weight.dims();
    let blocks = weight.reshape([outputs * inputs, 2, 2, 2, 2]).permute([0, 2, 4, 1, 3]);
    convolution_bound(blocks.reshape([outputs, inputs * 4, 2, 2]), 1, BOUND_STEPS)
}

impl Update for Refiner {
    type State = Tensor<4>;
    /// f and s, whose sizes are alike.
    type Input = (Tensor<4>, Tensor<4>);

    fn start(&self, (flow, _): &Self::Input) -> Tensor<4> {
        flow.clone()
    }

    fn update(&self, x: Tensor<4>, (flow, seen): Self::Input) -> Tensor<4> {
        let injected = self.inject.forward(Tensor::cat(vec![flow.clone(), seen], 1));
        let options = ConvOptions::new([2, 2], [1, 1], [1, 1], 1);
        let halved = conv2d(x, self.bounded(self.halving.val()), None, options);
        let doubling = self.bounded(self.doubling.weight.val());
        let bias = self.doubling.bias.as_ref().map(Param::val);
        let options = ConvTransposeOptions::new([2, 2], [1, 1], [0, 0], [1, 1], 1);
        flow + conv_transpose2d(leaky(halved + injected), doubling, bias, options)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Generator;
    use burn::tensor::{Device, TensorData};

    fn random(shape: [usize; 4], stream: u64) -> Tensor<4> {
        let mut generator = Generator::new(3, stream);
        let values: Vec<f32> = (0..shape.iter().product()).map(|_| generator.normal() as f32).collect();
        Tensor::from_data(TensorData::new(values, shape), &Device::flex())
    }

    fn length(x: Tensor<4>) -> f32 {
        x.square().sum().sqrt().into_scalar::<f32>()
    }

    /// How much the map makes of differences that it has made itself, at most.
    fn growth(gain: Option<f64>) -> f32 {
        let device = Device::flex();
        let mut weights = Weights { generator: Generator::new(1, 0), device: &device };
        let mut refiner = Refiner::new(gain, &mut weights);
        refiner.halving = refiner.halving.map(|weight| weight * 30.0);
        refiner.doubling.weight = refiner.doubling.weight.map(|weight| weight * 30.0);
        let z = (random([1, 2, 12, 16], 1), random([1, 6, 12, 16], 2));
        let (mut difference, x) = (random([1, 2, 12, 16], 3), random([1, 2, 12, 16], 4));
        let mut greatest = 0.0_f32;
        for _ in 0..12 {
            difference = difference.clone() / length(difference) * 10.0;
            let one = refiner.update(x.clone(), z.clone());
            difference = refiner.update(x.clone() + difference, z.clone()) - one;
            greatest = greatest.max(length(difference.clone()) / 10.0);
        }
        greatest
    }

    #[test]
    fn the_map_contracts_whatever_its_weights_are() {
        let [bounded, free] = [Some(0.9), None].map(growth);
        assert!(bounded <= 0.9 && bounded > 0.05 && free > 10.0, "{bounded} {free}");
    }

    #[test]
    fn the_bound_on_blocks_is_one_of_the_strided_convolution() {
        let mean = Tensor::<4>::ones([1, 1, 4, 4], &Device::flex()) / 16.0;
        let found = bound(mean.clone()).into_scalar::<f32>();
        let loose = convolution_bound(mean, 1, BOUND_STEPS).into_scalar::<f32>();
        assert!((0.49..0.7).contains(&found) && found < 0.75 * loose, "{found} {loose}");
    }

    #[test]
    fn the_layer_has_less_than_a_ten_thousandth_of_the_published_parameters() {
        let device = Device::flex();
        let mut weights = Weights { generator: Generator::new(1, 0), device: &device };
        let count = Refiner::new(None, &mut weights).num_params();
        assert_eq!(count, 15 * 16 * (8 + 2 + 2) + 15 + 2);
        // The network of width 1 has 29.2 million.
        assert!((count as f64) < 1e-4 * 29.2e6, "{count}");
    }
}
