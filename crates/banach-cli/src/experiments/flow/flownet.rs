//! FlowNetS: convolutions that contract two images, and their refinement to flow at five scales.
//!
//! Dosovitskiy et al., "FlowNet: Learning Optical Flow with Convolutional Networks", 2015, figures 2 and 3.

use super::convolutions::{Weights, leaky};
use burn::module::Module;
use burn::nn::conv::{Conv2d, ConvTranspose2d};
use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

/// Images have this multiple of pixels along each axis.
pub(crate) const MULTIPLE: usize = 64;
/// Channels, kernel and stride of each convolution of the contracting part.
const CONTRACTING: [[usize; 3]; 9] = [
    [64, 7, 2],
    [128, 5, 2],
    [256, 5, 2],
    [256, 3, 1],
    [512, 3, 2],
    [512, 3, 1],
    [512, 3, 2],
    [512, 3, 1],
    [1024, 3, 2],
];
/// The tenth convolution of the network that PyTorch's weights are for.
const TENTH: [usize; 3] = [1024, 3, 1];
/// The convolutions whose results the refinement takes up again, the smallest images first.
const TAKEN_UP: [usize; 4] = [7, 5, 3, 1];
/// Channels of the transposed convolutions.
const EXPANDING: [usize; 4] = [512, 256, 128, 64];
/// Colours are shifted and scaled to about the deviation 1.
const SHIFT: f64 = 0.45;
const SCALE: f64 = 4.0;
/// What PyTorch's network takes from red, green and blue of both images.
const MEANS: [f32; 6] = [0.411, 0.432, 0.45, 0.411, 0.432, 0.45];

/// The networks called FlowNetS.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Variant {
    /// That of the paper's figure.
    #[default]
    Paper,
    /// That of the released weights, as FlowNetPytorch has it: a tenth convolution, other means of the colours.
    Pytorch,
}

impl Variant {
    #[allow(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
    pub(crate) fn is_paper(&self) -> bool {
        *self == Self::Paper
    }
}

/// The network of a width; 1 is the published one.
#[derive(Module, Debug)]
pub(crate) struct FlowNet {
    contracting: Vec<Conv2d>,
    expanding: Vec<ConvTranspose2d>,
    /// What reads the flow at each scale.
    reading: Vec<Conv2d>,
    /// What doubles the size of each flow but the last.
    enlarging: Vec<ConvTranspose2d>,
    /// Whether colours are shifted as in PyTorch's network.
    pytorch: bool,
}

impl FlowNet {
    /// A network with starting weights.
    pub(crate) fn new(variant: Variant, width: f64, weights: &mut Weights<'_>) -> Self {
        let channels = |published: usize| ((published as f64 * width).round() as usize).max(1);
        let mut inputs = 6;
        let mut contracting = Vec::new();
        let tenth = Some(TENTH).filter(|_| !variant.is_paper());
        for [published, kernel, stride] in CONTRACTING.into_iter().chain(tenth) {
            contracting.push(weights.convolution([inputs, channels(published)], kernel, stride));
            inputs = channels(published);
        }
        let (mut expanding, mut reading, mut enlarging) = (Vec::new(), Vec::new(), Vec::new());
        for (taken, published) in TAKEN_UP.into_iter().zip(EXPANDING) {
            reading.push(weights.reading([inputs, 2]));
            enlarging.push(weights.doubling([2, 2], 1.0));
            expanding.push(weights.doubling([inputs, channels(published)], 1.0));
            inputs = channels(CONTRACTING[taken][0]) + channels(published) + 2;
        }
        reading.push(weights.reading([inputs, 2]));
        Self { contracting, expanding, reading, enlarging, pytorch: !variant.is_paper() }
    }

    /// Images as the first convolution expects them.
    fn shifted(&self, images: Tensor<4>) -> Tensor<4> {
        if self.pytorch {
            let means = Tensor::<1>::from_floats(MEANS, &images.device());
            images - means.reshape([1, MEANS.len(), 1, 1])
        } else {
            (images - SHIFT) * SCALE
        }
    }

    /// The flow at five scales, from 1/64 to 1/4 of the images `[batch, 6, height, width]`.
    pub(crate) fn flows(&self, images: Tensor<4>) -> Vec<Tensor<4>> {
        let (mut x, mut contracted) = (self.shifted(images), Vec::new());
        for convolution in &self.contracting {
            x = leaky(convolution.forward(x));
            contracted.push(x.clone());
        }
        let mut flows = vec![self.reading[0].forward(x.clone())];
        for (scale, taken) in TAKEN_UP.into_iter().enumerate() {
            let flow = self.enlarging[scale].forward(flows[scale].clone());
            let expanded = leaky(self.expanding[scale].forward(x));
            x = Tensor::cat(vec![contracted[taken].clone(), expanded, flow], 1);
            flows.push(self.reading[scale + 1].forward(x.clone()));
        }
        flows
    }

    /// The finest flow, at 1/4 of the images.
    pub(crate) fn finest(&self, images: Tensor<4>) -> Tensor<4> {
        let mut flows = self.flows(images);
        flows.swap_remove(TAKEN_UP.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Generator;
    use burn::tensor::Device;

    #[test]
    fn a_network_has_the_parameters_of_its_width_and_five_scales() {
        let device = Device::flex();
        let of = |variant, width| {
            FlowNet::new(variant, width, &mut Weights { generator: Generator::new(1, 0), device: &device })
        };
        let network = |width| of(Variant::Paper, width);
        let (half, tiny) = (network(0.125), network(0.001));
        let flows = half.flows(Tensor::ones([2, 6, 64, 128], &device));
        let shapes: Vec<[usize; 4]> = flows.iter().map(Tensor::dims).collect();
        assert_eq!(shapes, [[2, 2, 1, 2], [2, 2, 2, 4], [2, 2, 4, 8], [2, 2, 8, 16], [2, 2, 16, 32]]);
        assert_eq!(tiny.finest(Tensor::ones([1, 6, 64, 64], &device)).dims(), [1, 2, 16, 16]);
        // Weights and biases of one channel everywhere, by hand.
        let contracting = (6 * 49 + 25 + 25 + 6 * 9) + 9;
        let (reading, enlarging) = ((9 * 2 + 2) + 4 * (4 * 9 * 2 + 2), 4 * (4 * 16 + 2));
        let expanding = (16 + 1) + 3 * (4 * 16 + 1);
        assert_eq!(tiny.num_params(), contracting + reading + enlarging + expanding);
        // The published count of FlowNetS, 38.68 million, has no biases where flow is read, enlarged and expanded.
        let biases = 5 * 2 + 4 * 2 + (512 + 256 + 128 + 64) / 64;
        let small = of(Variant::Pytorch, 1.0 / 64.0).num_params() - biases;
        let shapes =
            [[6, 1, 49], [1, 2, 25], [2, 4, 25], [4, 4, 9], [4, 8, 9], [8, 8, 9], [8, 8, 9], [8, 8, 9]];
        let deepest: usize = shapes.iter().map(|[inputs, outputs, taps]| (inputs * taps + 1) * outputs).sum();
        let deepest = deepest + (8 * 9 + 1) * 16 + (16 * 9 + 1) * 16;
        let inputs = [16, 8 + 8 + 2, 8 + 4 + 2, 4 + 2 + 2, 2 + 1 + 2];
        let expanding: usize =
            inputs.iter().zip([8, 4, 2, 1]).map(|(inputs, outputs)| 16 * inputs * outputs).sum();
        assert_eq!(small, deepest + expanding + 18 * inputs.iter().sum::<usize>() + 4 * 64);
    }
}
