//! The energy of FPI_GD: a field of experts.

use super::convolution::convolution;
use crate::random::Generator;
use banach::Energy;
use burn::module::{Module, Param};
use burn::nn::conv::Conv2d;
use burn::tensor::{Device, Tensor, TensorData};

/// The logarithm of the weight of an expert to start with.
const STARTING_WEIGHT: f32 = -2.0;

/// `f(x, z) = ½ e^l ‖x - z‖² + Σ_i e^(a_i) Σ φ(k_i * x)` with `φ(t) = ½ ln(1 + t²)`, the sum over all filters k and all
/// pixels (Roth and Black, "Fields of experts", 2009, eqs. 5 to 7).
///
/// A filter of 3 by 3 on an image folded in blocks of n by n is one of 3n by 3n pixels on the image, in steps of n.
#[derive(Module, Debug)]
pub(crate) struct Experts {
    filters: Conv2d,
    weights: Param<Tensor<1>>,
    fidelity: Param<Tensor<1>>,
}

impl Experts {
    /// `count` experts on images of `planes` channels.
    pub(crate) fn new([planes, count]: [usize; 2], generator: &mut Generator, device: &Device) -> Self {
        let filters = convolution([planes, count], generator, device);
        let weights = TensorData::new(vec![STARTING_WEIGHT; count], [count]);
        Self {
            filters: Conv2d { bias: None, ..filters },
            weights: Param::from_data(weights, device),
            fidelity: Param::from_data(TensorData::new(vec![0.0_f32], [1]), device),
        }
    }
}

impl Energy for Experts {
    type State = Tensor<4>;
    type Input = Tensor<4>;

    fn start(&self, z: &Tensor<4>) -> Tensor<4> {
        z.clone()
    }

    fn energy(&self, x: Tensor<4>, z: Tensor<4>) -> Tensor<1> {
        let responses = self.filters.forward(x.clone());
        let penalties = (responses.clone() * responses + 1.0).log();
        let [rows, count, height, width] = penalties.dims();
        let weights = self.weights.val().exp().reshape([1, count, 1, 1]);
        let penalties = (penalties * weights).reshape([rows, count * height * width]).sum_dim(1);
        let away = x - z;
        let planes = away.dims()[1];
        let distance = (away.clone() * away).reshape([rows, planes * height * width]).sum_dim(1);
        let fidelity = self.fidelity.val().exp().reshape([1, 1]);
        ((distance * fidelity + penalties) * 0.5).squeeze_dim(1)
    }
}
