//! The Lasso for compressed sensing: λ where the error of held-out measurements is stationary.
#![allow(clippy::print_stdout, reason = "an example prints")]

use banach::solve::Tolerance;
use banach::{Error, FixedPoint, FixedPointConfig, UpdateFn};
use burn::module::Param;
use burn::tensor::{DType, Device, Distribution, Tensor, activation::relu};

const UNKNOWNS: usize = 80;
const MEASURED: usize = 40;
const HELD_OUT: usize = 20;
const STEP: f64 = 0.15;

type Matrix = Param<Tensor<2>>;
type Lasso = FixedPoint<UpdateFn<Matrix, 2, (Tensor<2>, Tensor<2>)>>;

// ANCHOR: update
/// The minimiser of ½ ‖A x - y‖² + λ ‖x‖₁ is the fixed point of x = soft(x - γ Aᵀ(A x - y), γ λ).
fn lasso(a: Tensor<2>) -> Result<Lasso, Error> {
    let a = Param::from_tensor(a).set_require_grad(false);
    FixedPoint::from_fn(a, [UNKNOWNS], |a: &Matrix, x: Tensor<2>, (y, lambda): (Tensor<2>, Tensor<2>)| {
        let misfit = x.clone().matmul(a.val().transpose()) - y;
        let (down, threshold) = (x - misfit.matmul(a.val()) * STEP, lambda * STEP);
        relu(down.clone() - threshold.clone()) - relu(down.neg() - threshold)
    })
}
// ANCHOR_END: update

fn main() -> Result<(), Error> {
    let device = Device::flex().autodiff();
    device.seed(2);
    let drawn = |shape: [usize; 2], std: f64| {
        Tensor::<2>::random(shape, Distribution::Normal(0.0, std), (&device, DType::F64))
    };
    // Six of 80 numbers are not 0; each of 60 random sums of them is measured with noise.
    let truth: Vec<f64> =
        (0..UNKNOWNS).map(|at| if at % 13 == 5 { 1.0 - (at % 2) as f64 * 2.0 } else { 0.0 }).collect();
    let truth = Tensor::<1>::from_data(&truth[..], (&device, DType::F64)).reshape([1, UNKNOWNS]);
    let std = 1.0 / (MEASURED as f64).sqrt();
    let [(a, y), (held, target)] = [MEASURED, HELD_OUT].map(|rows| {
        let a = drawn([rows, UNKNOWNS], std);
        let y = truth.clone().matmul(a.clone().transpose()) + drawn([1, rows], 0.05);
        (a, y)
    });
    let config = FixedPointConfig::new().with_tolerance(Tolerance::both(1e-12)).with_max_steps(5000);
    let layer = lasso(a)?.with_config(config)?;

    // ANCHOR: validation
    // The solution for λ = exp(ρ), its error on measurements that it has not seen, and the slope of the error in ρ.
    let validation = |rho: f64| {
        let rho = Tensor::<2>::from_data([[rho]], (&device, DType::F64)).require_grad();
        let x = layer.forward((y.clone(), rho.clone().exp()));
        let error = (x.clone().matmul(held.clone().transpose()) - target.clone()).square().mean();
        let slope = rho.grad(&error.backward()).expect("ρ is on the tape");
        (x, error.into_scalar::<f64>(), slope.into_scalar::<f64>())
    };
    // The error falls at the left end and rises at the right one: halve the interval.
    let (mut left, mut right) = (1e-3f64.ln(), 0.3f64.ln());
    assert!(validation(left).2 < 0.0 && validation(right).2 > 0.0);
    for _ in 0..30 {
        let middle = 0.5 * (left + right);
        if validation(middle).2 < 0.0 { left = middle } else { right = middle }
    }
    // ANCHOR_END: validation
    let rho = 0.5 * (left + right);
    let (x, error, _) = validation(rho);
    let misfit = |x: Tensor<2>| (x - truth.clone()).square().sum().sqrt().into_scalar::<f64>();
    println!("λ = {:.4}: held-out error {error:.5}, distance from the truth {:.3}", rho.exp(), misfit(x));
    for other in [1e-3f64, 0.3] {
        let (x, worse, _) = validation(other.ln());
        println!("λ = {other:.4}: held-out error {worse:.5}, distance from the truth {:.3}", misfit(x));
        assert!(error < worse);
    }

    // The slope by differences, away from the kinks at which a number of x̂ becomes 0.
    let at = 0.05f64.ln();
    layer.take_statistics();
    let difference = (validation(at + 1e-4).1 - validation(at - 1e-4).1) / 2e-4;
    println!("slope in ρ at λ = 0.05: {:+.9}, by differences {difference:+.9}", validation(at).2);
    assert!((validation(at).2 - difference).abs() < 1e-7);
    assert_eq!(layer.statistics().unconverged_rows, 0);
    Ok(())
}
