//! The step of Horn and Schunck about the flow of a network, with learned weights.
//!
//! The energy `Σ (∇I·(x - f) + δ)² + λ |x - f|² + α² |x̄ - x|²` has the data term of Horn and Schunck ("Determining Optical
//! Flow", 1981, eq. 12), linearised at the flow f of a network: δ is the difference of the second image, carried back by f,
//! and the first, and ∇I the gradient of the former. x̄ is a weighted mean of the flow around each pixel.

use super::convolutions::Weights;
use banach::Update;
use burn::module::{Module, Param};
use burn::tensor::module::conv2d;
use burn::tensor::ops::{ConvOptions, PadMode};
use burn::tensor::{Tensor, TensorData, activation};

/// The weights of the mean in Horn and Schunck's own method, in twelfths.
const MEAN: [f32; 9] = [1.0, 2.0, 1.0, 2.0, 1e-3, 2.0, 1.0, 2.0, 1.0];
/// The weights of smoothness and of nearness to f, to begin with.
const SMOOTH: f32 = 0.25;
const NEAR: f32 = 0.1;

/// `g(x, (f, ∇I, δ)) = m - ∇I (∇I·(m - f) + δ) / (α² + λ + |∇I|²)` with `m = (α² x̄ + λ f) / (α² + λ)`.
///
/// A difference of two flows is measured by its longest vector. The mean shrinks it by the factor `α² / (α² + λ) < 1`, and
/// what is subtracted makes no vector longer. So g has one fixed point for all weights.
#[derive(Module, Debug)]
pub(crate) struct HornSchunck {
    /// The logarithms of α² and λ.
    balance: Param<Tensor<1>>,
    /// The logarithms of the weights of the mean, of 3 by 3.
    mean: Param<Tensor<1>>,
}

impl HornSchunck {
    /// The step with the weights of Horn and Schunck.
    pub(crate) fn new(weights: &Weights<'_>) -> Self {
        let logarithms = |values: &[f32]| {
            let values: Vec<f32> = values.iter().map(|value| value.ln()).collect();
            let count = values.len();
            Param::from_data(TensorData::new(values, [count]), weights.device)
        };
        Self { balance: logarithms(&[SMOOTH, NEAR]), mean: logarithms(&MEAN) }
    }
}

impl Update for HornSchunck {
    type State = Tensor<4>;
    /// f, ∇I in brightness for a unit of flow, and δ.
    type Input = (Tensor<4>, Tensor<4>, Tensor<4>);

    fn start(&self, (flow, ..): &Self::Input) -> Tensor<4> {
        flow.clone()
    }

    fn update(&self, x: Tensor<4>, (flow, gradient, difference): Self::Input) -> Tensor<4> {
        let balance = self.balance.val().exp();
        let [smooth, near] = [0, 1].map(|at| balance.clone().narrow(0, at, 1).unsqueeze::<4>());
        let sum = smooth.clone() + near.clone();
        let kernel = activation::softmax(self.mean.val(), 0).reshape([1, 1, 3, 3]).repeat_dim(0, 2);
        let padded = x.pad([(1, 1), (1, 1)], PadMode::Edge);
        let mean = conv2d(padded, kernel, None, ConvOptions::new([1, 1], [0, 0], [1, 1], 2));
        let m = (mean * smooth + flow.clone() * near) / sum.clone();
        let error = (gradient.clone() * (m.clone() - flow)).sum_dim(1) + difference;
        let size = gradient.clone().square().sum_dim(1) + sum;
        m - gradient * (error / size)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiments::flow::data_term::linearised;
    use crate::experiments::flow::data_term::tests::{constant, pattern};
    use crate::random::Generator;
    use banach::FixedPointConfig;
    use burn::tensor::Device;

    #[test]
    fn the_fixed_point_is_nearer_to_the_true_flow_than_where_it_starts() {
        let device = Device::flex();
        let weights = Weights { generator: Generator::new(1, 0), device: &device };
        let mut step = HornSchunck::new(&weights);
        step.balance = Param::from_data(TensorData::new(vec![0.05_f32.ln(), 1e-3_f32.ln()], [2]), &device);
        let layer = FixedPointConfig::new().with_max_steps(200).init(step).unwrap();
        let truth = constant([1.6, -0.7], &device);
        let near = constant([1.0, 0.0], &device);
        let z = linearised(near.clone(), pattern([1.6, -0.7], &device));
        let solution = layer.solve(z).unwrap();
        assert!(
            solution.report().outcomes.iter().all(|outcome| !outcome.is_failure()),
            "{:?}",
            solution.report().outcomes
        );
        let error =
            |flow: Tensor<4>| (flow - truth.clone()).square().sum_dim(1).sqrt().mean().into_scalar::<f32>();
        let (before, after) = (error(near), error(solution.into_value()));
        assert!(after < 0.4 * before, "{before} {after}");
    }
}
