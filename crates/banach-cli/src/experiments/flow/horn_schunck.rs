//! The step of Horn and Schunck about the flow of a network, with learned weights.
//!
//! The energy `Σ (∇I·(x - f) + δ)² + λ |x - f|² + α² |x̄ - x|²` has the data term of Horn and Schunck ("Determining Optical
//! Flow", 1981, eq. 12), linearised at the flow f of a network: δ is the difference of the second image, carried back by f,
//! and the first, and ∇I the gradient of the former. x̄ is a weighted mean of the flow around each pixel.

use super::convolutions::Weights;
use crate::dataset::pair_batches::{BLOCK, UNIT};
use crate::dataset::picture::GRAY;
use banach::{Update, detached};
use burn::module::{Module, Param};
use burn::tensor::module::conv2d;
use burn::tensor::ops::{ConvOptions, PadMode};
use burn::tensor::{Int, Tensor, TensorData, activation};

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

/// The data term at a flow, whose images are `[batch, 6, height, width]` in its own size: (f, ∇I, δ). The place of the
/// linearisation is held fixed.
pub(crate) fn linearised(flow: Tensor<4>, images: Tensor<4>) -> (Tensor<4>, Tensor<4>, Tensor<4>) {
    let [first, second] = [0, 3].map(|channel| gray(images.clone(), channel));
    // Pixels of this size in a unit of flow.
    let unit = f64::from(UNIT) / BLOCK as f64;
    let carried = carried_back(second, detached(flow.clone()) * unit);
    let difference = carried.clone() - first;
    let [_, _, height, width] = carried.dims();
    let padded = carried.pad([(1, 1), (1, 1)], PadMode::Edge);
    let part = |y: usize, x: usize| padded.clone().narrow(2, y, height).narrow(3, x, width);
    let right = (part(1, 2) - part(1, 0)) * 0.5;
    let down = (part(2, 1) - part(0, 1)) * 0.5;
    (flow, Tensor::cat(vec![right, down], 1) * unit, difference)
}

/// The gray levels of one of both images, `[batch, 1, height, width]`.
fn gray(images: Tensor<4>, channel: usize) -> Tensor<4> {
    let level = |part: usize| images.clone().narrow(1, channel + part, 1) * GRAY[part];
    level(0) + level(1) + level(2)
}

/// An image of one channel read at the places that a flow in pixels leads to, bilinear, with its edges continued.
fn carried_back(image: Tensor<4>, flow: Tensor<4>) -> Tensor<4> {
    let [rows, _, height, width] = image.dims();
    let device = image.device();
    let levels = image.reshape([rows, height * width]);
    let axis = |length: usize| Tensor::<1, Int>::arange(0..length as i64, &device).float();
    let across = axis(width).reshape([1, 1, 1, width]);
    let along = axis(height).reshape([1, 1, height, 1]);
    let place = |part: usize, axis: Tensor<4>, length: usize| {
        (flow.clone().narrow(1, part, 1) + axis)
            .clamp(0.0, (length - 1) as f64)
            .reshape([rows, height * width])
    };
    let (x, y) = (place(0, across, width), place(1, along, height));
    let (left, top) = (x.clone().floor(), y.clone().floor());
    let (right, down) = (x - left.clone(), y - top.clone());
    let next = |at: Tensor<2>, length: usize| (at + 1.0).clamp_max((length - 1) as f64);
    let level = |y: Tensor<2>, x: Tensor<2>| levels.clone().gather(1, (y * width as f64 + x).int());
    let (after, below) = (next(left.clone(), width), next(top.clone(), height));
    let upper =
        level(top.clone(), left.clone()) * (-right.clone() + 1.0) + level(top, after.clone()) * right.clone();
    let lower = level(below.clone(), left) * (-right.clone() + 1.0) + level(below, after) * right;
    (upper * (-down.clone() + 1.0) + lower * down).reshape([rows, 1, height, width])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Generator;
    use banach::FixedPointConfig;
    use burn::tensor::Device;

    /// A smooth pattern that moves by (u, v) pixels.
    fn pattern([u, v]: [f32; 2], device: &Device) -> Tensor<4> {
        let level = |x: f32, y: f32| 0.5 + 0.2 * (0.5 * x).sin() + 0.2 * (0.4 * y + 0.2 * x).cos();
        let image =
            |u: f32, v: f32| (0..24 * 32).map(move |at| level((at % 32) as f32 - u, (at / 32) as f32 - v));
        let values: Vec<f32> =
            (0..3).flat_map(|_| image(0.0, 0.0)).chain((0..3).flat_map(|_| image(u, v))).collect();
        Tensor::from_data(TensorData::new(values, [1, 6, 24, 32]), device)
    }

    fn constant([u, v]: [f32; 2], device: &Device) -> Tensor<4> {
        let values: Vec<f32> = [u, v].iter().flat_map(|part| vec![*part; 24 * 32]).collect();
        Tensor::from_data(TensorData::new(values, [1, 2, 24, 32]), device) / (UNIT / BLOCK as f32)
    }

    #[test]
    fn an_image_is_carried_back_onto_the_first_by_the_true_flow() {
        let device = Device::flex();
        let (_, _, difference) = linearised(constant([2.0, 1.0], &device), pattern([2.0, 1.0], &device));
        let inner = difference.slice([0..1, 0..1, 0..22, 0..29]).abs().max().into_scalar::<f32>();
        assert!(inner < 1e-5, "{inner}");
        let (_, _, difference) = linearised(constant([0.0, 0.0], &device), pattern([2.0, 1.0], &device));
        assert!(difference.abs().mean().into_scalar::<f32>() > 0.05);
    }

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
