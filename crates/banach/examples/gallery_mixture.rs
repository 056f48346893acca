//! Expectation maximisation of a Gaussian mixture: the standard error of a mean, by its sensitivity to each data point.
#![allow(clippy::print_stdout, reason = "an example prints")]

use banach::solve::{Dense, Tolerance};
use banach::{Error, FixedPoint, FixedPointConfig, Update};
use burn::module::Module;
use burn::tensor::{DType, Device, Distribution, Tensor};

const POINTS: usize = 64;

// ANCHOR: step
/// One step: the chances that points `[rows, n]` with weights `[rows, n]` belong to the first of two Gaussians, then
/// their shares, means and variances.
#[derive(Module, Debug)]
struct Maximisation {}

impl Update for Maximisation {
    type State = Tensor<2>;
    type Input = (Tensor<2>, Tensor<2>);

    /// The share of the first, both means, both variances.
    fn start(&self, (points, _): &Self::Input) -> Tensor<2> {
        let options = (&points.device(), DType::F64);
        Tensor::from_data([[0.5, -1.0, 1.0, 1.0, 1.0]], options).repeat_dim(0, points.dims()[0])
    }

    fn update(&self, x: Tensor<2>, (points, weights): Self::Input) -> Tensor<2> {
        let at = |index: usize| x.clone().narrow(1, index, 1);
        let density = |share: Tensor<2>, mean: usize| {
            let (mean, variance) = (at(mean), at(mean + 2));
            ((points.clone() - mean).square() / (variance.clone() * -2.0)).exp() * (share / variance.sqrt())
        };
        let (first, second) = (density(at(0), 1), density(at(0).neg() + 1.0, 2));
        let chance = first.clone() / (first + second);
        let parts = [chance.clone(), chance.neg() + 1.0].map(|chance| {
            let held = chance * weights.clone();
            let count = held.clone().sum_dim(1);
            let mean = (held.clone() * points.clone()).sum_dim(1) / count.clone();
            let variance = (held * (points.clone() - mean.clone()).square()).sum_dim(1) / count.clone();
            (count, mean, variance)
        });
        let [(count, mean, variance), (_, other_mean, other_variance)] = parts;
        Tensor::cat(vec![count / weights.sum_dim(1), mean, other_mean, variance, other_variance], 1)
    }
}
// ANCHOR_END: step

fn mean_of_first(layer: &FixedPoint<Maximisation>, points: &Tensor<2>, weights: Tensor<2>) -> Tensor<2> {
    layer.forward((points.clone().repeat_dim(0, weights.dims()[0]), weights)).narrow(1, 1, 1)
}

fn main() -> Result<(), Error> {
    let device = Device::flex().autodiff();
    device.seed(3);
    let drawn =
        |n, mean, std| Tensor::<2>::random([1, n], Distribution::Normal(mean, std), (&device, DType::F64));
    let points = Tensor::cat(vec![drawn(40, -1.5, 0.8), drawn(POINTS - 40, 1.8, 0.6)], 1);
    let config = FixedPointConfig::new().with_tolerance(Tolerance::both(1e-12)).with_max_steps(2000);
    let layer = config.with_adjoint(Dense::default()).init(Maximisation {})?;

    // ANCHOR: influence
    // The derivative of the estimate in the weight of each point is the influence of the point.
    let weights = Tensor::<2>::ones([1, POINTS], (&device, DType::F64)).require_grad();
    let mean = mean_of_first(&layer, &points, weights.clone());
    let influence = weights.grad(&mean.backward()).expect("the weights are on the tape");
    let influence: Vec<f64> = influence.to_data().iter().collect();
    // The infinitesimal jackknife: one solve for a standard error.
    let error = influence.iter().map(|slope| slope * slope).sum::<f64>().sqrt();
    // ANCHOR_END: influence
    println!("the first mean is {:.4} ± {error:.4}", mean.into_scalar::<f64>());

    // The jackknife by hand: a fit without each of the points.
    let without = Tensor::<2>::eye(POINTS, &device).cast(DType::F64).neg() + 1.0;
    let fits: Vec<f64> = mean_of_first(&layer, &points, without).to_data().iter().collect();
    let centre = fits.iter().sum::<f64>() / POINTS as f64;
    let spread: f64 = fits.iter().map(|fit| (fit - centre).powi(2)).sum();
    let jackknife = (spread * (POINTS as f64 - 1.0) / POINTS as f64).sqrt();
    println!("± {jackknife:.4} from {POINTS} fits that leave one point out");
    assert!((error / jackknife - 1.0).abs() < 0.1);

    // The influence of a point by differences.
    let moved = |by: f64| {
        let mut weights = vec![1.0; POINTS];
        weights[7] += by;
        let weights = Tensor::<1>::from_data(&weights[..], (&device, DType::F64)).reshape([1, POINTS]);
        mean_of_first(&layer, &points, weights).into_scalar::<f64>()
    };
    let difference = (moved(1e-4) - moved(-1e-4)) / 2e-4;
    println!("influence of point 7: {:+.9}, by differences {difference:+.9}", influence[7]);
    assert!((influence[7] - difference).abs() < 1e-7);
    assert_eq!(layer.statistics().unconverged_rows, 0);
    Ok(())
}
